//! The overlay networks of this node: which of them have a backing in dockerd, made when first needed and removed when
//! nobody uses it any more.
//!
//! Knows dockerd and the nouns of the model; never the cluster's state: callers say which network they mean. The
//! agent calls [`Networks::ensure`] before it makes a container, the API before it connects one.

pub mod attachments;
pub mod backing;
pub mod balancing;
pub mod bridges;
pub mod conntrack;
pub mod crypt;
pub mod discovery;
pub mod engine_dns;
pub mod generation;
pub mod guard;
pub mod hosts;
pub mod interfaces;
pub mod mesh;
pub mod messages;
pub mod namespace;
pub mod neighbours;
pub mod overlay;
pub mod places;
pub mod plugs;
pub mod rejoin;
pub mod resolv_conf;
pub mod resolver;
pub mod rewrite;
pub mod sandboxes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use gam_core::model::{Network, NetworkId};
use tokio::sync::watch;

use crate::engine::networks::{EngineNetwork, NewNetwork};
use crate::engine::{Engine, EngineError};
pub use backing::Backing;
use plugs::Plugs;
use rewrite::Rewriter;

/// The network through which dockerd's swarm mode lets containers on overlays out; it stays when a node leaves.
pub const GWBRIDGE: &str = "docker_gwbridge";

/// Why a network is not there.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// dockerd refused, or is away; its own sentence.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The backing has to go, but containers of this node run on it.
    #[error("network {0} is in use by containers of this node")]
    InUse(String),
}

/// Backings that are no more but may still be named, by containers that did not run since. The oldest are forgotten.
const FORMER_MAX: usize = 256;

#[derive(Debug, Default)]
struct Backings {
    by_network: BTreeMap<NetworkId, Backing>,
    /// Those that were there before, newest last.
    former: VecDeque<Backing>,
}

impl Backings {
    /// The same once dockerd has said what there is now.
    fn after(&self, now: &BTreeMap<NetworkId, Backing>) -> Backings {
        let gone = |backing: &&Backing| now.get(&backing.network).is_none_or(|new| new.engine_id != backing.engine_id);
        let mut former = self.former.clone();
        former.extend(self.by_network.values().filter(gone).cloned());
        let excess = former.len().saturating_sub(FORMER_MAX);
        former.drain(..excess);
        Backings { by_network: now.clone(), former }
    }
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    known: ArcSwap<Backings>,
    /// One lock for each network that is being made or removed.
    busy: Mutex<BTreeMap<NetworkId, Weak<tokio::sync::Mutex<()>>>>,
    /// Where this node takes the packets of overlays.
    data_path: ArcSwapOption<IpAddr>,
    /// The keys of the tunnel for encrypted networks.
    identity: crypt::Identity,
    /// Marked whenever a backing was made.
    made: watch::Sender<()>,
    /// Where the containers of backings are plugged in.
    plugs: watch::Sender<Arc<Plugs>>,
    /// Attachments whose container is not there yet, by the word they were made with.
    joining: Mutex<BTreeSet<String>>,
    /// Containers whose own resolver and balancers are ready.
    ready: watch::Sender<BTreeSet<String>>,
}

/// A handle on this node's overlay networks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Networks(Arc<Inner>);

impl Networks {
    /// The networks of this host. Nothing is asked of dockerd yet.
    pub fn new(engine: Engine) -> Networks {
        Networks(Arc::new(Inner {
            engine,
            known: ArcSwap::default(),
            busy: Mutex::default(),
            data_path: ArcSwapOption::empty(),
            identity: crypt::Identity::default(),
            made: watch::Sender::new(()),
            plugs: watch::Sender::default(),
            joining: Mutex::default(),
            ready: watch::Sender::default(),
        }))
    }

    /// Notes where this node takes the packets of overlays: what they may measure depends on it.
    pub fn set_data_path(&self, address: &str) {
        self.0.data_path.store(address.parse().ok().map(Arc::new));
    }

    /// The keys of this node for encrypted networks.
    pub fn identity(&self) -> &crypt::Identity {
        &self.0.identity
    }

    /// Changes whenever a backing was made.
    pub fn watch_made(&self) -> watch::Receiver<()> {
        self.0.made.subscribe()
    }

    /// Where the containers of this host that are on backings are plugged in, and the news of it.
    pub fn plugs(&self) -> &watch::Sender<Arc<Plugs>> {
        &self.0.plugs
    }

    /// Whether dockerd has this backing, asked anew, with the lock that keeps it from being removed meanwhile.
    pub async fn hold(&self, network: NetworkId) -> Result<Option<tokio::sync::OwnedMutexGuard<()>>, NetworkError> {
        let held = self.lock(network).lock_owned().await;
        self.reload().await?;
        Ok(self.backing(network).map(|_| held))
    }

    /// Makes the network's backing if it is missing; returns dockerd's name for it. Callers for the same network wait
    /// for the first one. A predefined network is dockerd's own of the same name.
    pub async fn ensure(&self, network: &Network) -> Result<String, NetworkError> {
        if network.is_predefined() {
            return Ok(network.name().to_owned());
        }
        if let Some(backing) = self.backing(network.id).filter(|backing| backing.fits(network)) {
            return Ok(backing.engine_name);
        }
        let lock = self.lock(network.id);
        let _held = lock.lock().await;
        let listed = self.reload().await?;
        if let Some(backing) = self.backing(network.id) {
            if backing.fits(network) {
                return Ok(backing.engine_name);
            }
            self.replace(&backing).await?;
        }
        let taken = |name: &str| listed.iter().any(|other| other.name == name && !self.is_backing_id(&other.id));
        let stale = self.find(|backing| backing.engine_name == network.name() && backing.network != network.id);
        // A backing of that name whose network is gone makes room; if containers still use it, it keeps its name.
        let in_the_way = match stale {
            Some(stale) => self.replace(&stale).await.is_err(),
            None => taken(network.name()),
        };
        let name = if in_the_way { backing::second_name(network) } else { network.name().to_owned() };
        let engine_name = self.create(network, name).await?;
        self.reload().await?;
        self.0.made.send_replace(());
        Ok(engine_name)
    }

    /// Creates under `name`, or under the second name if somebody else was faster.
    async fn create(&self, network: &Network, name: String) -> Result<String, NetworkError> {
        let underlay = self.underlay_mtu().await;
        match self.0.engine.create_network(&backing::plan(network, &name, underlay)).await {
            Ok(_) => Ok(name),
            Err(error) if error.is_conflict() && name == network.name() => {
                let name = backing::second_name(network);
                self.0.engine.create_network(&backing::plan(network, &name, underlay)).await?;
                Ok(name)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn underlay_mtu(&self) -> Option<u32> {
        let address = **self.0.data_path.load().as_ref()?;
        overlay::mtu_at(address, &interfaces::interfaces().await.ok()?)
    }

    async fn replace(&self, old: &Backing) -> Result<(), NetworkError> {
        match self.0.engine.remove_network(&old.engine_id).await {
            Err(error) if !error.is_not_found() => match error {
                EngineError::Refused { .. } => Err(NetworkError::InUse(old.name.clone())),
                _ => Err(error.into()),
            },
            // dockerd leaves a bridge that it finds and does not make, such as one that was mended.
            _ => {
                overlay::remove_bridge(&backing::bridge_name(old.network)).await;
                Ok(())
            }
        }
    }

    /// Removes the backing of a network that is gone. Containers that still run on it keep it.
    pub async fn remove(&self, network: NetworkId) -> Result<(), NetworkError> {
        let lock = self.lock(network);
        let _held = lock.lock().await;
        self.reload().await?;
        let Some(backing) = self.backing(network) else {
            // dockerd may have removed it after it answered with an error, or none.
            overlay::remove_bridge(&backing::bridge_name(network)).await;
            return Ok(());
        };
        let removed = self.replace(&backing).await;
        self.reload().await?;
        removed
    }

    /// Removes the backing of a network that no task or container of this node needs, unless that changes meanwhile.
    pub async fn remove_unused(&self, network: NetworkId, is_unused: impl Fn() -> bool) -> Result<(), NetworkError> {
        let lock = self.lock(network);
        let _held = lock.lock().await;
        self.reload().await?;
        let Some(backing) = self.backing(network) else { return Ok(()) };
        // Whoever needs it from now on waits for the lock. Whoever did before was told of its need before it asked.
        self.hide(network);
        let is_wanted = !is_unused() || !self.joining_now().is_empty();
        let removed = if is_wanted { Ok(()) } else { self.replace(&backing).await };
        self.reload().await?;
        removed
    }

    fn hide(&self, network: NetworkId) {
        self.0.known.rcu(|known| {
            let mut now = known.by_network.clone();
            now.remove(&network);
            known.after(&now)
        });
    }

    /// The networks that have a backing here.
    pub fn backed(&self) -> BTreeSet<NetworkId> {
        self.0.known.load().by_network.keys().copied().collect()
    }

    /// Removes the backings of networks that are gone, except where containers still run. To be decided by a state
    /// that is newer than the answer of [`Networks::backed`]: a network may have come and got its backing since.
    pub async fn sweep(&self, gone: &BTreeSet<NetworkId>) -> Result<(), NetworkError> {
        for network in gone {
            match self.remove(*network).await {
                // A later sweep finds it.
                Ok(()) | Err(NetworkError::InUse(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes every backing, as dockerd's swarm mode does when a node leaves: containers on it are disconnected and
    /// go on without it. What the kernel has goes first, and whether dockerd is there or not: published ports must not lead
    /// to tasks that are no more.
    pub async fn remove_all(&self) -> Result<(), NetworkError> {
        overlay::clear().await;
        mesh::clear().await;
        crypt::clear().await;
        self.0.identity.forget();
        self.reload().await?;
        let mut first = Ok(());
        let known = self.0.known.load_full();
        for backing in known.by_network.values() {
            for container in self.0.engine.containers_on(&backing.engine_id).await.unwrap_or_default() {
                if let Err(error) = self.0.engine.disconnect_network(&backing.engine_id, &container, true).await {
                    tracing::warn!(%container, network = %backing.name, %error, "cannot disconnect on leaving the swarm");
                }
            }
            first = first.and(self.remove(backing.network).await);
        }
        // Whoever was mending a bridge, or removing a network, was stopped in the midst of it.
        let known = self.0.known.load_full();
        for former in known.former.iter().filter(|former| !known.by_network.contains_key(&former.network)) {
            overlay::remove_bridge(&backing::bridge_name(former.network)).await;
        }
        first
    }

    /// Makes `docker_gwbridge` if it is missing, as dockerd's swarm mode does
    /// (`moby: daemon/container_operations_unix.go`, `libnetwork.SetupGWNetwork`). It stays when the node leaves.
    pub async fn gwbridge(&self) -> Result<(), NetworkError> {
        if self.0.engine.networks().await?.iter().any(|network| network.name == GWBRIDGE) {
            return Ok(());
        }
        let options = [
            ("com.docker.network.bridge.name", GWBRIDGE),
            ("com.docker.network.bridge.enable_icc", "false"),
            ("com.docker.network.bridge.enable_ip_masquerade", "true"),
        ];
        let new = NewNetwork {
            name: GWBRIDGE.into(),
            driver: "bridge".into(),
            options: options.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..NewNetwork::default()
        };
        match self.0.engine.create_network(&new).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks dockerd anew which backings there are; returns all its networks.
    pub async fn reload(&self) -> Result<Vec<EngineNetwork>, NetworkError> {
        let listed = self.0.engine.networks().await?;
        let backings: BTreeMap<NetworkId, Backing> =
            listed.iter().filter_map(Backing::of).map(|backing| (backing.network, backing)).collect();
        self.0.known.rcu(|known| known.after(&backings));
        Ok(listed)
    }

    /// The backing of a network, if this node has one.
    pub fn backing(&self, network: NetworkId) -> Option<Backing> {
        self.0.known.load().by_network.get(&network).cloned()
    }

    /// The backing with this id in dockerd.
    pub fn backing_by_id(&self, engine_id: &str) -> Option<Backing> {
        self.find(|backing| backing.engine_id == engine_id)
    }

    /// The backing that has this id in dockerd, or had it a while ago.
    pub fn backing_ever(&self, engine_id: &str) -> Option<Backing> {
        let known = self.0.known.load();
        known.by_network.values().chain(&known.former).find(|backing| backing.engine_id == engine_id).cloned()
    }

    /// The backing with this name in dockerd.
    pub fn backing_by_name(&self, engine_name: &str) -> Option<Backing> {
        self.find(|backing| backing.engine_name == engine_name)
    }

    fn is_backing_id(&self, engine_id: &str) -> bool {
        self.backing_by_id(engine_id).is_some()
    }

    fn find(&self, wanted: impl Fn(&Backing) -> bool) -> Option<Backing> {
        self.0.known.load().by_network.values().find(|backing| wanted(backing)).cloned()
    }

    /// What turns dockerd's ids and names of backings into those of their swarm networks; `None` if there is none, and
    /// so nothing to turn.
    pub fn rewriter(&self) -> Option<Rewriter> {
        let known = self.0.known.load();
        Rewriter::new(known.by_network.values().chain(&known.former))
    }

    /// Whether there is something to turn.
    pub fn has_backings(&self) -> bool {
        let known = self.0.known.load();
        !known.by_network.is_empty() || !known.former.is_empty()
    }

    /// Notes which containers can use what they are on.
    pub fn set_ready(&self, containers: BTreeSet<String>) {
        self.0.ready.send_if_modified(|ready| std::mem::replace(ready, containers) != *ready);
    }

    /// The same of one container.
    pub fn note_ready(&self, container: &str, is_ready: bool) {
        self.0.ready.send_if_modified(|ready| match is_ready {
            true => ready.insert(container.to_owned()),
            false => ready.remove(container),
        });
    }

    /// Waits until a container can use what it is on.
    pub async fn ready(&self, container: &str) {
        // The sender is part of this handle.
        let _ = self.0.ready.subscribe().wait_for(|ready| ready.contains(container)).await;
    }

    /// dockerd beneath.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Marks an attachment as wanted although no container has its address yet, until the returned guard is dropped.
    /// To be taken before the attachment is asked for, and held until the container is made or given up.
    pub fn joining(&self, word: &str) -> Joining {
        self.0.joining.lock().unwrap_or_else(PoisonError::into_inner).insert(word.to_owned());
        Joining { networks: self.clone(), word: word.to_owned() }
    }

    fn joining_now(&self) -> BTreeSet<String> {
        self.0.joining.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self, network: NetworkId) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = busy.get(&network).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        busy.insert(network, Arc::downgrade(&lock));
        lock
    }
}

/// An attachment on its way to a container; see [`Networks::joining`].
#[derive(Debug)]
pub struct Joining {
    networks: Networks,
    word: String,
}

impl Drop for Joining {
    fn drop(&mut self) {
        self.networks.0.joining.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_backings_are_remembered_within_bounds() {
        let backing = |number: u128| Backing {
            network: number.into(),
            name: format!("net{number}"),
            engine_id: format!("{number:064x}"),
            engine_name: format!("net{number}"),
            subnets: Vec::new(),
        };
        let map = |numbers: std::ops::Range<u128>| {
            numbers.map(|number| (number.into(), backing(number))).collect::<BTreeMap<_, _>>()
        };
        let count = FORMER_MAX as u128 + 2;
        let all = Backings::default().after(&map(0..count));
        assert!(all.former.is_empty());
        let one = all.after(&map(0..1));
        assert_eq!((one.by_network.len(), one.former.len()), (1, FORMER_MAX), "the oldest is forgotten");
        assert_eq!(one.after(&map(0..1)).former.len(), FORMER_MAX, "what stays is not gone");
        let mut anew = map(0..1);
        anew.values_mut().for_each(|backing| backing.engine_id = "f".repeat(64));
        assert_eq!(one.after(&anew).former.back(), Some(&backing(0)), "one that was made anew is");
    }
}
