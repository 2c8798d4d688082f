//! What a node does while it is in a swarm: its manager if it is one, its agent, and the watchers between them, started and
//! stopped in one place each.

use std::sync::Arc;
use std::time::Duration;

use gam_core::assignment::Assignments;
use gam_core::control;
use gam_core::error::Error;
use gam_core::model::{ManagerStatus, NodeDescription};
use gam_rpc::serve;
use gam_store::{Config as StoreConfig, KeySource, Leadership, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::directory::{DirectoryError, Identity, NodeRole};
use super::errands::Means;
use super::init::{given, key_source};
use super::membership::{ADMIT_RETRY, forget_others, is_voter};
use super::reach;
use super::service::ManagerService;
use super::transport::RaftTransport;
use super::trust::Trust;
use super::{LocalInfo, Node, NodeError, internal};
use crate::agent::{Agent, AgentConfig};
use crate::ca;
use crate::dispatcher::link::{self, LinkState};
use crate::dispatcher::{self, Directive, Session};
use crate::engine::EngineError;
use crate::manager::{Manager, chain};
use crate::network::attachments::spawn_attachment_watch;
use crate::network::discovery::{Progress, spawn_discovery};
use crate::network::places::{Places, Remote};
use crate::network::{mesh, overlay};
use crate::vital;

/// How often the host is described anew: plugins come and go. Engine version, labels and resources change with a restart of
/// dockerd, which does not wait for this.
const DESCRIBE_INTERVAL: Duration = Duration::from_secs(60);
/// The same while dockerd does not answer: the others may wait for what is new.
const DESCRIBE_RETRY: Duration = Duration::from_secs(2);
/// Between two tries to listen again on a port that is being given up.
const LISTEN_RETRY: Duration = Duration::from_millis(20);
/// Between two looks at what seals the state on the disk, while nobody can say what should.
const SEAL_RETRY: Duration = Duration::from_secs(1);
/// How long a leave waits for what the cluster says of its managers (moby: `managerStats`).
const VIEW_TIMEOUT: Duration = Duration::from_secs(3);
/// What there is to do for the user of a node that was removed.
const REMOVED: &str = ": run \"docker swarm leave --force\" on it, then join again";

/// The running parts of a node.
pub(super) struct Roles {
    pub(super) identity: Identity,
    pub(super) manager: Option<Manager>,
    directives: watch::Receiver<Directive>,
    /// What the node's agent acts by.
    pub(super) assignments: watch::Receiver<Arc<Assignments>>,
    /// Places of this node's containers on networks.
    pub(super) places: Places,
    /// Of a worker: its session with a manager.
    pub(super) link: Option<watch::Receiver<LinkState>>,
    /// Of a manager: why the others do not know it any more; empty if they do, or are not there.
    doubt: Option<watch::Receiver<String>>,
    stop: CancellationToken,
    agent: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    pub(super) fn store_config(&self, identity: &Identity, key: KeySource, trust: &Trust) -> StoreConfig {
        let transport = Arc::new(RaftTransport::new(trust));
        let dir = self.0.directory.raft();
        StoreConfig { key, ..StoreConfig::new(dir, identity.raft_id, identity.advertise.clone(), transport) }
    }

    /// Holds the port on which other nodes reach this one; Docker's words if somebody else has it.
    pub(super) async fn listen(&self, address: &str) -> Result<TcpListener, Error> {
        TcpListener::bind(address).await.map_err(|error| {
            let why = system_words(&error);
            Error::internal(format!(
                "manager stopped: failed to listen on remote API address: listen tcp {address}: bind: {why}"
            ))
        })
    }

    /// The same for a port that this very node is only just giving up.
    pub(super) async fn listen_again(&self, address: &str) -> Result<TcpListener, Error> {
        let deadline = Instant::now() + super::STOP_TIMEOUT;
        loop {
            match self.listen(address).await {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(LISTEN_RETRY).await,
                result => return result,
            }
        }
    }

    /// Opens a node that was there before, and starts its roles.
    pub(super) async fn open_roles(&self, identity: Identity, key: KeySource) -> Result<Roles, NodeError> {
        let identity = self.at_home(identity).await;
        if identity.role == NodeRole::Worker {
            return Ok(self.start_worker(identity)?);
        }
        if !Store::exists(&self.0.directory.raft()) {
            // A manager's state is made before the node is called one, so it is not that it never was there.
            return Err(DirectoryError::Stateless { path: self.0.directory.raft() }.into());
        }
        self.0.directory.unlock_with(given(&key));
        match self.0.directory.certificates_kept() {
            Err(DirectoryError::Sealed { .. }) => {
                let is_given = matches!(key, KeySource::Given(_));
                return Err(if is_given { StoreError::WrongKey } else { StoreError::Locked }.into());
            }
            kept => kept.map(drop)?,
        }
        let trust = Trust::open(&self.0.directory)?;
        let listener = self.listen_again(&identity.listen).await?;
        let store = Store::open(self.store_config(&identity, key, &trust)).await;
        if let Err(StoreError::Locked) = &store {
            // Or, seldom, power was cut while the swarm was being locked: then the unlock key opens it.
            let path = self.0.directory.raft().join("kek");
            tracing::warn!(path = %path.display(), "the key of the swarm's state is missing, and no unlock key seals the node's own: \
                 put the file back from a copy, or unlock the swarm with its unlock key");
        }
        let store = store?;
        if let Err(error) = forget_others(&store, &identity).await {
            // None of them can come in unseen: each start looks again.
            tracing::warn!(%error, "the managers of before a --force-new-cluster are not forgotten yet");
        }
        Ok(self.start_manager(identity, store, trust, listener)?)
    }

    /// Starts a manager over an opened store, and its agent beside it.
    pub(super) fn start_manager(
        &self,
        identity: Identity,
        store: Store,
        trust: Trust,
        listener: TcpListener,
    ) -> std::io::Result<Roles> {
        let stop = CancellationToken::new();
        let addr = identity.advertise_host().to_owned();
        let (own, clients) = (identity.node, trust.clients.clone());
        let history = store.history();
        clients.of_history(move || history.number());
        let manager = Manager::start(own, addr.clone(), identity.raft_id, store.clone(), clients, stop.clone())?;
        let service = Arc::new(ManagerService { node: self.clone(), manager: manager.clone() });
        vital::spawn("the port for other nodes", serve(listener, trust.tls.clone(), service, stop.clone()));
        let session = dispatcher::open(&manager, identity.node, addr, stop.clone());
        let places = Places::Here(manager.clone());
        self.run("the swarm's events", &stop, self.events().clone().follow(manager.clone()));
        self.run("the settings of the swarm's state", &stop, keep_settings(self.clone(), manager.clone()));
        let managers = {
            let manager = manager.clone();
            move || manager.state().manager_addresses().map(str::to_owned).collect()
        };
        let asking = reach::keep_asking(store.leadership(), |now| *now == Leadership::NoLeader, managers);
        self.run("the search for the managers", &stop, asking);
        self.run("the watch over the swarm's state", &stop, watch_store(self.clone(), store));
        let (doubts, doubt) = watch::channel(String::new());
        let doubting = self.clone().doubt_role(identity.clone(), trust.clone(), manager.clone(), doubts);
        self.run("the doubt about the role", &stop, doubting);
        let seeking = self.clone().seek_membership(manager.clone(), identity.clone(), trust.clone());
        self.run("the membership of this manager", &stop, seeking);
        let parts = Parts { manager: Some(manager), places, link: None, doubt: Some(doubt), trust, session };
        Ok(self.start_agent(identity, parts, stop))
    }

    /// Starts an agent whose managers are elsewhere.
    pub(super) fn start_worker(&self, identity: Identity) -> Result<Roles, Error> {
        let stop = CancellationToken::new();
        let trust = Trust::open(&self.0.directory)?;
        let (session, link) =
            link::connect(identity.node, trust.clients.clone(), identity.managers.clone(), stop.clone())?;
        let (kept, told) = (identity.history, session.directives.clone());
        trust.clients.of_history(move || told.borrow().history.or(kept));
        let places = {
            let (held, known, named) = (link.clone(), identity.managers.clone(), session.directives.clone());
            let likeliest = move || link::likeliest(held.borrow().manager.as_deref(), &named.borrow(), &known);
            Places::There(Remote::new(identity.node, trust.clients.clone(), session.assignments.clone(), likeliest))
        };
        let (known, named) = (identity.managers.clone(), session.directives.clone());
        let managers = move || -> Vec<String> {
            let named = named.borrow();
            named.managers.iter().map(|(_, address)| address.clone()).chain(known.iter().cloned()).collect()
        };
        let asking = reach::keep_asking(link.clone(), |now: &LinkState| now.manager.is_none(), managers);
        self.run("the search for the managers", &stop, asking);
        let parts = Parts { manager: None, places, link: Some(link), doubt: None, trust, session };
        Ok(self.start_agent(identity, parts, stop))
    }

    fn start_agent(&self, identity: Identity, parts: Parts, stop: CancellationToken) -> Roles {
        let Parts { manager, places, link, doubt, trust, session } = parts;
        let Session { assignments, directives, reports, descriptions, errands, key, applied } = session;
        let config = AgentConfig { node: identity.node, ..self.0.agent.clone() };
        config.networks.set_data_path(identity.data_path.as_deref().unwrap_or(identity.advertise_host()));
        let keeping = overlay::keep(config.networks.clone(), identity.node, assignments.clone());
        self.run("the overlay networks of this host", &stop, keeping);
        let (meshing, meshed) = watch::channel(0);
        let publishing = mesh::keep(config.networks.clone(), identity.node, assignments.clone(), meshing);
        self.run("the published ports of this host", &stop, publishing);
        let data_path = identity.data_path.clone().unwrap_or_default();
        let describing = keep_described(self.clone(), config.clone(), data_path, descriptions);
        self.run("the description of this host", &stop, describing);
        let means = Means {
            engine: config.engine.clone(),
            clients: trust.clients.clone(),
            directives: directives.clone(),
            door: self.0.door.clone(),
        };
        let running = super::errands::run(means, errands);
        self.run("the errands of managers", &stop, running);
        let following = self.clone().follow_directives(identity.clone(), trust, manager.clone(), directives.clone());
        self.run("the certificate of this node", &stop, following);
        let (engine, progress) = (config.engine.clone(), Progress { meshed, applied });
        spawn_discovery(engine, config.networks.clone(), assignments.clone(), progress, stop.clone());
        let (engine, networks) = (config.engine.clone(), config.networks.clone());
        spawn_attachment_watch(places.clone(), engine, networks, stop.clone());
        let agent =
            tokio::sync::Mutex::new(Some(Agent::start(config, assignments.clone(), key, reports, stop.clone())));
        Roles { identity, manager, directives, assignments, places, link, doubt, stop, agent }
    }

    fn run(&self, name: &'static str, stop: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
        vital::spawn(name, stop.clone().run_until_cancelled_owned(task));
    }
}

/// What an agent stands beside.
struct Parts {
    manager: Option<Manager>,
    places: Places,
    link: Option<watch::Receiver<LinkState>>,
    doubt: Option<watch::Receiver<String>>,
    trust: Trust,
    session: Session,
}

impl Roles {
    /// What `docker info` says without asking anybody.
    pub(super) fn info(&self) -> LocalInfo {
        let mut info = LocalInfo {
            state: "active",
            node: Some(self.identity.node),
            addr: self.identity.advertise_host().to_owned(),
            ..LocalInfo::default()
        };
        match (&self.manager, &self.link) {
            (Some(manager), _) => {
                let state = manager.state();
                let managers =
                    state.nodes().filter_map(|node| Some((Some(node.id), node.manager.as_ref()?.addr.clone())));
                info.managers = managers.collect();
                info.error = self.doubt.as_ref().map(|doubt| doubt.borrow().clone()).unwrap_or_default();
                if state.cluster().is_none() {
                    info.state = "pending";
                }
            }
            (None, Some(link)) => {
                let known = self.directives.borrow();
                info.managers = known.managers.iter().map(|(node, address)| (Some(*node), address.clone())).collect();
                let link = link.borrow();
                info.error = link.error.clone();
                if info.managers.is_empty() {
                    info.managers = self.identity.managers.iter().map(|addr| (None, addr.clone())).collect();
                    info.state = if link.manager.is_none() { "pending" } else { "active" };
                }
                if link.is_removed {
                    // The state is Docker's; the sentence is not, for it has none.
                    info.state = "pending";
                    info.error.push_str(REMOVED);
                }
            }
            (None, None) => {}
        }
        info
    }

    /// Why this manager should not leave just like that.
    pub(super) async fn leave_refusal(&self) -> Error {
        let view = match &self.manager {
            Some(manager) => tokio::time::timeout(VIEW_TIMEOUT, manager.view()).await.ok().and_then(Result::ok),
            None => None,
        };
        let is_heard =
            |manager: &ManagerStatus| view.as_ref().is_some_and(|view| !view.unreachable.contains(&manager.raft_id));
        let state = view.as_ref().map(|view| &*view.state);
        control::leave_refusal(state, self.identity.node, |node| node.manager.as_ref().is_some_and(is_heard))
    }

    /// Waits until the node is part of the swarm: a worker has a session, a manager votes.
    pub(super) async fn until_joined(&self) {
        if let Some(link) = &self.link {
            // An error means that the node stops; there is nothing left to wait for.
            let _ = link.clone().wait_for(|state| state.manager.is_some()).await;
        }
        let Some(manager) = &self.manager else { return };
        let mut leadership = manager.store().leadership();
        while !is_voter(manager, &self.identity) || manager.state().cluster().is_none() {
            let changed = tokio::time::timeout(ADMIT_RETRY / 10, leadership.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return;
            }
        }
    }

    /// Stops everything, the store last; what does not stop within `limit` is left to end by itself. A leader hands over while
    /// it still answers the others: its successor needs votes, and whoever asks must learn of it.
    pub(super) async fn stop(&self, limit: Duration) {
        if let Some(manager) = &self.manager {
            manager.store().leave_lead().await;
        }
        self.stop.cancel();
        if let Some(agent) = self.agent.lock().await.take()
            && tokio::time::timeout(limit, agent).await.is_err()
        {
            tracing::warn!("the agent did not stop in time");
        }
        let Some(manager) = &self.manager else { return };
        if tokio::time::timeout(limit, manager.store().shutdown()).await.is_err() {
            tracing::warn!("the store did not stop in time");
        }
    }
}

/// The system's words for an error, as Go shows them: without the number, and in small letters.
fn system_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Tells the manager what the host is like, at once and whenever that changes.
async fn keep_described(
    node: Node,
    config: AgentConfig,
    data_path: String,
    descriptions: mpsc::Sender<Box<NodeDescription>>,
) {
    let mut interval = tokio::time::interval(DESCRIBE_INTERVAL);
    let mut renewed = node.0.renewed.subscribe();
    let mut key = config.networks.identity().watch();
    let mut engine_up = config.engine_up.subscribe();
    let mut is_free = true;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            _ = renewed.changed() => {}
            // It lives as long as this.
            Ok(()) = engine_up.changed() => {}
            // It lives as long as the networks.
            Ok(()) = key.changed() => {}
        }
        let tunnel_key = key.borrow_and_update().clone();
        engine_up.mark_unchanged();
        match config.engine.check_free().await {
            // Said once: nothing is done about it, for the swarm is the user's.
            Err(error @ EngineError::InSwarm { .. }) if is_free => {
                tracing::error!(%error, "two swarms have this host");
                is_free = false;
            }
            Err(_) => {}
            Ok(()) => is_free = true,
        }
        let description = match config.engine.describe().await {
            Ok(description) => NodeDescription { data_path: data_path.clone(), tunnel_key, ..description },
            Err(error) => {
                tracing::debug!(error = %chain(&error), "cannot describe the engine now");
                interval.reset_after(DESCRIBE_RETRY);
                continue;
            }
        };
        let Ok([roots, chain_pem, _]) = node.0.directory.certificates_kept() else { continue };
        match ca::describe(&roots, &chain_pem, description) {
            Ok(description) => {
                if descriptions.send(Box::new(description)).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::error!(error = %chain(&error), "the node's certificate cannot be read"),
        }
    }
}

/// Seals the store's keys and the node's own with the unlock key of the cluster, and keeps its snapshot policy, whenever they change.
async fn keep_settings(node: Node, manager: Manager) {
    let mut applied = manager.subscribe();
    // What was not told yet what the cluster wants must not lay a locked state open.
    let unlock_key = || manager.state().cluster().map(|cluster| cluster.unlock_key.clone());
    // At a start nobody knows whether the last change was done to the end, nor whether the state here is the newest yet.
    let mut held = None;
    loop {
        if let Some(cluster) = manager.state().cluster() {
            let raft = &cluster.spec.raft;
            manager.store().set_snapshot_policy(raft.snapshot_interval.max(1), raft.keep_old_snapshots.unwrap_or(0));
        }
        let is_stale = unlock_key().is_some_and(|wanted| held.as_ref() != Some(&wanted));
        if is_stale
            && (held.is_some() || manager.read().await.is_ok())
            && let Some(wanted) = unlock_key()
        {
            match seal(&node, manager.store(), key_source(&wanted)).await {
                Ok(()) => held = Some(wanted),
                Err(error) => tracing::error!(%error, "could not change the key of the swarm's state"),
            }
        }
        let changed = applied.recv();
        let changed = if held.is_some() { Ok(changed.await) } else { timeout(SEAL_RETRY, changed).await };
        if matches!(changed, Ok(Err(broadcast::error::RecvError::Closed))) {
            return;
        }
    }
}

/// Changes the key that seals what this manager has on its disk. After a crash in the middle the old one or the new one opens
/// all of it.
pub(super) async fn seal(node: &Node, store: &Store, source: KeySource) -> Result<(), Error> {
    let directory = &node.0.directory;
    let new = given(&source);
    directory.seal_key_also(new.clone()).map_err(internal)?;
    store.set_key(source).await.map_err(internal)?;
    directory.seal_key(new.into_iter().collect()).map_err(internal)
}

/// Has the store opened anew once it can no longer be written. That ends these roles, so it is no part of them.
async fn watch_store(node: Node, store: Store) {
    if store.failed().wait_for(Option::is_some).await.is_ok() {
        vital::spawn("the opening of the swarm's state", node.mend());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_quoted_as_go_quotes_it() {
        use rustix::io::Errno;
        for (error, words) in [
            (Errno::ADDRINUSE, "address already in use"),
            (Errno::ADDRNOTAVAIL, "cannot assign requested address"),
            (Errno::ACCESS, "permission denied"),
        ] {
            assert_eq!(system_words(&error.into()), words);
        }
    }
}
