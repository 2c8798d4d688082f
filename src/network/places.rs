//! Who gives the containers of this node their places on the swarm's networks: its own manager, or, on a worker, one
//! elsewhere, which it asks over the nodes' own channel.
//!
//! A node asks for itself only: whose containers they are is told by the certificate of the connection. A worker learns of
//! the networks that it names and of its own attachments, and of nothing else. The API asks through this, and so does the
//! watch over the attachments ([`super::attachments`]); [`answer`] is the other end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use gam_core::assignment::Assignments;
use gam_core::control::{Request, Response};
use gam_core::error::{Error, Kind};
use gam_core::model::{Attachment, ContainerStatus, Meta, Network, NetworkSpec, NodeId, Task, TaskId, TaskStatus};
use gam_core::state::State;
use gam_core::wire;
use gam_rpc::{Clients, RpcError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::attachments::attachments;
use crate::manager::{Manager, chain};

/// How long the managers may take to answer, all together: what one gives a change of the cluster, and the way.
const ASK_TIMEOUT: Duration = Duration::from_secs(22);
/// The least of it that one of them has.
const LEAST_SHARE: Duration = Duration::from_secs(2);
/// Networks that one question may name; a container has a few, a node some hundreds.
const NAMES_MAX: usize = 4096;
/// Networks of one container, and names on one of them: what is given is written into the state of every manager.
const PLACES_MAX: usize = 64;
/// Longest name or id that a node may write there, in bytes.
const WORD_MAX: usize = 255;

/// What a node asks of a manager.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    /// The networks of these names or ids, and the attachments of the node.
    Look { names: Vec<String> },
    /// A place for a container.
    Attach { name: String, container: String, networks: Vec<Attachment> },
    /// A place is free again.
    Detach { task: TaskId },
    /// The container of these places has an id.
    Settle { tasks: Vec<TaskId>, container: String },
    /// What the containers of these places are.
    Report { seen: Vec<(TaskId, ContainerStatus)> },
}

/// A node's places on networks; cheap to clone.
#[derive(Clone)]
pub enum Places {
    /// This node is a manager.
    Here(Manager),
    /// The managers are elsewhere.
    There(Remote),
}

/// The way to managers elsewhere.
#[derive(Clone)]
pub struct Remote {
    node: NodeId,
    clients: Clients,
    /// Whom to ask, as `host:port`, the likeliest first.
    managers: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// This node's attachments and their networks, when last heard of; `None` before that.
    seen: Arc<ArcSwap<Option<Arc<State>>>>,
    /// What this node is told to hold: its attachments are not in it, but their networks are.
    assignments: watch::Receiver<Arc<Assignments>>,
}

impl Remote {
    /// Asks nobody yet.
    pub fn new(
        node: NodeId,
        clients: Clients,
        assignments: watch::Receiver<Arc<Assignments>>,
        managers: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Remote {
        Remote { node, clients, managers: Arc::new(managers), seen: Arc::default(), assignments }
    }

    /// Whether it is certain that the node has no attachment. Before a manager was asked that can be told from what the node
    /// was assigned, and most nodes have none: so they need not ask, each over a connection more.
    fn has_none(&self) -> bool {
        match &**self.seen.load() {
            Some(state) => attachments(state, self.node).next().is_none(),
            None => is_on_no_network(&self.assignments.borrow()),
        }
    }

    async fn ask(&self, question: &Question) -> Result<Bytes, Error> {
        let bytes = Bytes::from(serde_json::to_vec(question).map_err(Error::internal)?);
        let place = |address: &str, limit| {
            let (client, bytes) = (self.clients.to(address).within(limit), bytes.clone());
            async move { client.place(bytes).await }
        };
        in_turn(&(self.managers)(), ASK_TIMEOUT, place).await
    }

    async fn look(&self, names: Vec<String>) -> Result<Arc<State>, Error> {
        let bytes = self.ask(&Question::Look { names }).await?;
        let looked = wire::decode_assignments(&bytes).map_err(Error::internal)?;
        self.seen.store(Arc::new(Some(Arc::new(own(&looked).as_state()))));
        Ok(Arc::new(looked.as_state()))
    }

    /// Looks again after a change; what cannot be seen now the next look sees.
    async fn look_again(&self) {
        if let Err(error) = self.look(Vec::new()).await {
            tracing::debug!(%error, "cannot look at this node's attachments now");
        }
    }
}

/// Whether these are those of a node that takes part in nothing but, perhaps, the routing mesh, which no container can join.
fn is_on_no_network(held: &Assignments) -> bool {
    held.index > 0 && held.networks.values().all(|network| network.spec.ingress)
}

/// Asks one manager after the other until one answers, all of them within `limit`.
async fn in_turn<F>(managers: &[String], limit: Duration, ask: impl Fn(&str, Duration) -> F) -> Result<Bytes, Error>
where
    F: Future<Output = Result<Bytes, RpcError>>,
{
    let deadline = Instant::now() + limit;
    let mut failed = Error::unavailable("no manager of the swarm is known");
    for (asked, address) in managers.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match ask(address, share(left, managers.len() - asked)).await {
            Err(RpcError::Refused(error)) if is_final(&error) => return Err(error),
            // A manager that cannot answer now is not the only one.
            Err(RpcError::Refused(error)) => failed = error,
            Err(error) => failed = Error::unavailable(chain(&error)),
            Ok(answer) => return Ok(answer),
        }
    }
    Err(failed)
}

/// What the next of `managers` gets of the time that is left.
fn share(left: Duration, managers: usize) -> Duration {
    let fair = left / u32::try_from(managers).unwrap_or(u32::MAX).max(1);
    fair.max(LEAST_SHARE).min(left)
}

/// Whether every manager would say the same. That there is no leader, and that the time is up, are failures in Docker's
/// eyes, and true of one manager only.
fn is_final(refusal: &Error) -> bool {
    matches!(refusal.kind, Kind::Invalid | Kind::Forbidden | Kind::NotFound | Kind::Conflict)
}

/// The attachments alone, with their networks.
fn own(looked: &Assignments) -> Assignments {
    let used = looked.tasks.values().flat_map(|task| &task.networks).filter_map(|place| place.network);
    let networks = used.filter_map(|id| Some((id, looked.networks.get(&id)?.clone()))).collect();
    Assignments { networks, ..looked.clone() }
}

impl Places {
    /// This node.
    pub fn node_id(&self) -> NodeId {
        match self {
            Places::Here(manager) => manager.node_id(),
            Places::There(remote) => remote.node,
        }
    }

    /// What is known without asking: everything on a manager, on a worker its own attachments and their networks.
    pub fn known(&self) -> Arc<State> {
        match self {
            Places::Here(manager) => manager.state(),
            Places::There(remote) => (**remote.seen.load()).clone().unwrap_or_default(),
        }
    }

    /// Whether it is certain that the node has no attachment.
    pub fn has_none(&self) -> bool {
        match self {
            Places::Here(manager) => attachments(&manager.state(), manager.node_id()).next().is_none(),
            Places::There(remote) => remote.has_none(),
        }
    }

    /// Whether a manager has said what this node is to hold since it was started.
    pub fn are_told(&self) -> bool {
        match self {
            Places::Here(_) => true,
            Places::There(remote) => remote.assignments.borrow().index > 0,
        }
    }

    /// A state that is not older than this call, and holds at least the networks of these names or ids and the attachments
    /// of this node.
    pub async fn read(&self, names: Vec<String>) -> Result<Arc<State>, Error> {
        match self {
            Places::Here(manager) => manager.read().await,
            Places::There(remote) => remote.look(names).await,
        }
    }

    /// Asks for places of a container. Asking again for the same is answered the same.
    pub async fn attach(
        &self,
        name: &str,
        container: &str,
        networks: Vec<Attachment>,
    ) -> Result<(TaskId, Vec<Attachment>), Error> {
        let (name, container) = (name.to_owned(), container.to_owned());
        match self {
            Places::Here(manager) => attach(manager, manager.node_id(), name, container, networks).await,
            Places::There(remote) => {
                let answer = remote.ask(&Question::Attach { name, container, networks }).await?;
                let attached = serde_json::from_slice(&answer).map_err(Error::internal)?;
                remote.look_again().await;
                Ok(attached)
            }
        }
    }

    /// Gives a place back.
    pub async fn detach(&self, task: TaskId) -> Result<(), Error> {
        match self {
            Places::Here(manager) => detach(manager, manager.node_id(), task).await,
            Places::There(remote) => {
                remote.ask(&Question::Detach { task }).await?;
                remote.look_again().await;
                Ok(())
            }
        }
    }

    /// Writes down whose the places are, now that their container has an id.
    pub async fn settle(&self, tasks: &[TaskId], container: &str) -> Result<(), Error> {
        match self {
            Places::Here(manager) => {
                settle(manager, manager.node_id(), tasks, container).await;
                Ok(())
            }
            Places::There(remote) => {
                let question = Question::Settle { tasks: tasks.to_vec(), container: container.to_owned() };
                remote.ask(&question).await?;
                remote.look_again().await;
                Ok(())
            }
        }
    }

    /// Tells what the containers of these places are.
    pub async fn report(&self, seen: Vec<(TaskId, TaskStatus)>) -> Result<(), Error> {
        match self {
            Places::Here(manager) => manager.report(manager.node_id(), seen).await,
            Places::There(remote) => {
                let container = |(id, status): (TaskId, TaskStatus)| Some((id, status.container?));
                remote.ask(&Question::Report { seen: seen.into_iter().filter_map(container).collect() }).await?;
            }
        }
        Ok(())
    }
}

/// Answers a node that is known by its certificate.
pub async fn answer(manager: &Manager, node: NodeId, question: &[u8]) -> Result<Bytes, Error> {
    let question =
        serde_json::from_slice(question).map_err(|error| Error::invalid(format!("not understood: {error}")))?;
    check(&question)?;
    match question {
        Question::Look { names } => {
            Ok(wire::encode_assignments(&visible(&*manager.read().await?, node, &names)).into())
        }
        Question::Attach { name, container, networks } => {
            let attached = attach(manager, node, name, container, networks).await?;
            serde_json::to_vec(&attached).map(Bytes::from).map_err(Error::internal)
        }
        Question::Detach { task } => detach(manager, node, task).await.map(|()| Bytes::new()),
        Question::Settle { tasks, container } => {
            // What this manager has not applied yet it could not report on.
            manager.read().await?;
            settle(manager, node, &tasks, &container).await;
            Ok(Bytes::new())
        }
        Question::Report { seen } => {
            let state = manager.read().await?;
            let status = |(id, container)| {
                let task = attachments(&state, node).find(|task| task.id == id)?;
                Some((id, TaskStatus { container: Some(container), ..task.status.clone() }))
            };
            manager.report(node, seen.into_iter().filter_map(status).collect()).await;
            Ok(Bytes::new())
        }
    }
}

/// Refuses what is too much to be written into the state.
fn check(question: &Question) -> Result<(), Error> {
    let short = |what: &str, word: &str| match word.len() {
        ..=WORD_MAX => Ok(()),
        len => Err(Error::invalid(format!("the {what} is {len} bytes long: at most {WORD_MAX} are taken"))),
    };
    let few = |what: &str, count: usize| match count {
        ..=PLACES_MAX => Ok(()),
        _ => Err(Error::invalid(format!("{count} {what}: at most {PLACES_MAX} are taken"))),
    };
    match question {
        Question::Attach { name, container, networks } => {
            short("name of the container", name)?;
            short("id of the container", container)?;
            few("networks of one container", networks.len())?;
            for network in networks {
                few("addresses on one network", network.addresses.len())?;
                network.addresses.iter().try_for_each(|address| short("address", address))?;
                few("aliases on one network", network.aliases.len())?;
                network.aliases.iter().try_for_each(|alias| short("alias", alias))?;
            }
            Ok(())
        }
        Question::Settle { container, .. } => short("id of the container", container),
        Question::Report { seen } => seen.iter().try_for_each(|(_, container)| {
            short("id of the container", &container.id)?;
            few("hardware addresses of one container", container.macs.len())?;
            container.macs.values().try_for_each(|mac| short("hardware address", mac))?;
            few("endpoints of one container", container.endpoints.len())?;
            container.endpoints.values().try_for_each(|endpoint| short("id of an endpoint", endpoint))
        }),
        Question::Look { .. } | Question::Detach { .. } => Ok(()),
    }
}

/// What a node may see: its own attachments, their networks, and those that it knows by name and may use. Of another one it
/// learns that it is there, as in Docker, whose refusal to attach a container says so, and nothing else.
fn visible(state: &State, node: NodeId, names: &[String]) -> Assignments {
    let mut networks: BTreeMap<_, Arc<Network>> = BTreeMap::new();
    let mut tasks = BTreeMap::new();
    for name in names.iter().take(NAMES_MAX) {
        let Ok(network) = state.find_network(name) else { continue };
        let is_used = |task: &Arc<Task>| task.networks.iter().any(|place| place.network == Some(network.id));
        if network.spec.attachable || state.tasks_of_node(node).any(is_used) {
            networks.insert(network.id, network);
        } else if !network.is_predefined() {
            networks.insert(network.id, Arc::new(name_of(&network)));
        }
    }
    for task in state.tasks_of_node(node).filter(|task| task.service.is_none()) {
        let used = task.networks.iter().filter_map(|place| state.network(place.network?));
        networks.extend(used.map(|network| (network.id, network.clone())));
        tasks.insert(task.id, task.clone());
    }
    let (tasks, networks) = (tasks.into_iter().collect(), networks.into_iter().collect());
    Assignments { index: state.index(), tasks, networks, ..Assignments::default() }
}

/// A network's name and id alone.
fn name_of(network: &Network) -> Network {
    let spec = NetworkSpec { name: network.name().to_owned(), ingress: network.spec.ingress, ..NetworkSpec::default() };
    Network { id: network.id, meta: Meta::default(), spec, ipam: Vec::new(), vni: 0 }
}

async fn attach(
    manager: &Manager,
    node: NodeId,
    name: String,
    container: String,
    networks: Vec<Attachment>,
) -> Result<(TaskId, Vec<Attachment>), Error> {
    match manager.submit(Request::Attach { node, name, container, networks }).await? {
        Response::Attached(task, given) => Ok((task, given)),
        other => Err(Error::internal(format!("unexpected answer to an attachment: {other:?}"))),
    }
}

async fn detach(manager: &Manager, node: NodeId, task: TaskId) -> Result<(), Error> {
    let is_own = |state: &State| attachments(state, node).any(|attachment| attachment.id == task);
    // A state that is a little behind may lack one that was only just made.
    if !is_own(&manager.state()) && !is_own(&*manager.read().await?) {
        return Err(Error::not_found(format!("attachment {task} of node {node} not found")));
    }
    manager.submit(Request::Detach { task }).await.map(|_| ())
}

async fn settle(manager: &Manager, node: NodeId, tasks: &[TaskId], container: &str) {
    let state = manager.state();
    let own = attachments(&state, node).filter(|task| tasks.contains(&task.id));
    let reports = own.map(|task| {
        let mut status = task.status.clone();
        status.container.get_or_insert_default().id = container.to_owned();
        (task.id, status)
    });
    manager.report(node, reports.collect()).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gam_core::error::Code;
    use gam_core::model::Timestamp;
    use gam_core::state::{Change, Proposal};

    use super::*;

    async fn asked(limit: Duration, refusals: &[(Error, Duration)]) -> (usize, Result<Bytes, Error>) {
        let asked = AtomicUsize::new(0);
        let managers = vec!["m".to_owned(); refusals.len()];
        let answered = in_turn(&managers, limit, |_, limit| {
            let (error, takes) = refusals[asked.fetch_add(1, Ordering::Relaxed)].clone();
            async move {
                tokio::time::sleep(takes.min(limit)).await;
                Err(RpcError::Refused(error))
            }
        });
        let answered = answered.await;
        (asked.into_inner(), answered)
    }

    #[tokio::test]
    async fn a_manager_without_a_leader_is_not_the_only_one() {
        let leaderless = || Error::internal("rpc error: code = Unknown desc = The swarm does not have a leader");
        let late = Error::rpc(Code::DeadlineExceeded, "context deadline exceeded");
        let at_once = |errors: Vec<Error>| errors.into_iter().map(|error| (error, Duration::ZERO)).collect::<Vec<_>>();
        let failures = at_once(vec![leaderless(), late, Error::unavailable("not now"), leaderless()]);
        assert_eq!(asked(ASK_TIMEOUT, &failures).await, (4, Err(leaderless())));
        for kind in [Kind::Invalid, Kind::Forbidden, Kind::NotFound, Kind::Conflict] {
            let refusals = at_once(vec![leaderless(), Error::new(kind, "no"), leaderless()]);
            assert_eq!(asked(ASK_TIMEOUT, &refusals).await, (2, Err(Error::new(kind, "no"))));
        }
    }

    #[test]
    fn a_node_on_no_network_has_no_attachment() {
        let network = |ingress| {
            let spec = NetworkSpec { ingress, ..NetworkSpec::default() };
            let network = Network { id: 1.into(), meta: Meta::default(), spec, ipam: Vec::new(), vni: 4097 };
            [(network.id, Arc::new(network))].into_iter().collect()
        };
        let held = |index, networks| Assignments { index, networks, ..Assignments::default() };
        assert!(!is_on_no_network(&Assignments::default()), "nothing was heard yet");
        assert!(is_on_no_network(&held(7, network(true))));
        assert!(!is_on_no_network(&held(7, network(false))), "that may be for an attachment");
    }

    #[tokio::test]
    async fn managers_that_are_silent_do_not_add_up() {
        let silent = vec![(Error::unavailable("silent"), ASK_TIMEOUT); 3];
        assert_eq!(asked(Duration::from_millis(20), &silent).await.0, 1, "then the time is up");
        let seconds = Duration::from_secs;
        assert_eq!([share(seconds(21), 3), share(seconds(14), 2), share(seconds(7), 1)], [seconds(7); 3]);
        assert_eq!((share(seconds(3), 3), share(seconds(1), 3)), (LEAST_SHARE, seconds(1)));
    }

    fn state() -> State {
        let network = |id: u128| {
            let labels = [("secret".to_owned(), "x".to_owned())].into();
            let spec = NetworkSpec { name: format!("net{id}"), labels, attachable: id < 9, ..NetworkSpec::default() };
            let network = Network { id: id.into(), meta: Meta::default(), spec, ipam: Vec::new(), vni: 4097 };
            Change::NetworkCreate(Box::new(network))
        };
        let attachment = |id: u128, node: u128, network: u128| Change::AttachmentCreate {
            id: id.into(),
            node: node.into(),
            name: "c".into(),
            container: "word".into(),
            chosen: Vec::new(),
            networks: vec![Attachment {
                network: Some(network.into()),
                addresses: vec![format!("10.0.{network}.{id}/24")],
                aliases: Vec::new(),
            }],
        };
        let changes = vec![network(6), network(7), network(8), network(9), attachment(10, 1, 7), attachment(11, 2, 8)];
        let changes = changes.into_iter().chain([attachment(12, 3, 9)]).collect();
        let mut state = State::default();
        state.apply(1, &Proposal { at: Timestamp(1), changes });
        state
    }

    #[test]
    fn a_node_sees_its_own_attachments_and_what_it_can_name() {
        let seen = |node: u128, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let bytes = wire::encode_assignments(&visible(&state(), node.into(), &names));
            let state = wire::decode_assignments(&bytes).unwrap().as_state();
            let tasks: Vec<_> = attachments(&state, node.into()).map(|task| task.id).collect();
            let networks: Vec<_> = state.networks().map(|network| network.name().to_owned()).collect();
            (tasks, networks.join(" "))
        };
        assert_eq!(seen(1, &[]), (vec![TaskId::from(10)], "net7".into()));
        assert_eq!(seen(2, &["net6", "none"]), (vec![TaskId::from(11)], "net6 net8".into()));
        assert_eq!(seen(4, &[]), (vec![], String::new()));
    }

    /// Docker's refusal to attach says as much: "network closed not manually attachable".
    #[test]
    fn of_a_network_that_it_cannot_use_a_node_sees_the_name_alone() {
        let seen = |node: u128| {
            let seen = visible(&state(), node.into(), &["net9".into()]);
            let network = seen.networks.values().find(|network| network.name() == "net9").unwrap();
            (network.id, network.spec.labels.len(), network.vni)
        };
        assert_eq!(seen(1), (9.into(), 0, 0));
        assert_eq!(seen(3), (9.into(), 1, 4097), "with a task on it");
    }

    #[test]
    fn a_node_writes_no_more_than_it_needs() {
        let word = |len: usize| "x".repeat(len);
        let place = |aliases: usize, len: usize| Attachment {
            network: Some(6.into()),
            addresses: Vec::new(),
            aliases: vec![word(len); aliases],
        };
        let attach = |name: usize, container: usize, networks: Vec<Attachment>| {
            check(&Question::Attach { name: word(name), container: word(container), networks })
        };
        let most = || vec![place(PLACES_MAX, WORD_MAX); PLACES_MAX];
        assert_eq!(attach(WORD_MAX, WORD_MAX, most()), Ok(()));
        for refused in [
            attach(WORD_MAX + 1, 1, most()),
            attach(1, WORD_MAX + 1, most()),
            attach(1, 1, vec![place(0, 0); PLACES_MAX + 1]),
            attach(1, 1, vec![place(PLACES_MAX + 1, 1)]),
            attach(1, 1, vec![place(1, WORD_MAX + 1)]),
            check(&Question::Settle { tasks: Vec::new(), container: word(WORD_MAX + 1) }),
        ] {
            assert_eq!(refused.unwrap_err().kind, Kind::Invalid);
        }
    }

    #[test]
    fn what_is_kept_is_about_attachments_only() {
        let looked = visible(&state(), 1.into(), &["net6".into()]);
        let kept = own(&looked).as_state();
        assert_eq!(kept.networks().map(|network| network.name()).collect::<Vec<_>>(), ["net7"]);
        assert_eq!(attachments(&kept, 1.into()).count(), 1);
    }
}
