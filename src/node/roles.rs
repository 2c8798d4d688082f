//! What a node does while it is in a swarm: its manager, its agent, and the watchers between them, started and stopped
//! in one place each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gam_core::model::NodeDescription;
use gam_store::{Answer, Config as StoreConfig, KeySource, Purpose, Store, Transport};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::directory::Identity;
use super::init::key_source;
use super::{Node, NodeError};
use crate::agent::{Agent, AgentConfig};
use crate::ca;
use crate::dispatcher::{self, Session};
use crate::engine::Engine;
use crate::manager::{Manager, chain};
use crate::network::attachments::spawn_attachment_watch;

/// How often the host is described anew: engine version, resources and plugins change with a restart of dockerd.
const DESCRIBE_INTERVAL: Duration = Duration::from_secs(60);

/// The way from a manager to others while it has no connections to them.
struct NoRoute;

impl Transport for NoRoute {
    fn call(&self, member: u64, address: &str, purpose: Purpose, _: Bytes, _: Duration) -> Answer {
        let text = format!("there is no route to member {member:x} at {address} for {purpose:?}");
        Box::pin(async move { Err(io::Error::new(io::ErrorKind::HostUnreachable, text)) })
    }
}

/// The running parts of a node.
pub(super) struct Roles {
    pub(super) identity: Identity,
    pub(super) manager: Manager,
    stop: CancellationToken,
    agent: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    pub(super) fn store_config(&self, identity: &Identity, key: KeySource) -> StoreConfig {
        let (dir, address) = (self.0.directory.raft(), identity.advertise.clone());
        StoreConfig { key, ..StoreConfig::new(dir, identity.raft_id, address, Arc::new(NoRoute)) }
    }

    /// Opens the store of a node that was there before, and starts its roles.
    pub(super) async fn open_roles(&self, identity: Identity, key: KeySource) -> Result<Roles, NodeError> {
        let store = Store::open(self.store_config(&identity, key)).await?;
        Ok(self.start_roles(identity, store).await?)
    }

    /// Starts manager, agent and watchers over an opened store.
    pub(super) async fn start_roles(&self, identity: Identity, store: Store) -> std::io::Result<Roles> {
        let stop = CancellationToken::new();
        let manager = Manager::start(identity.node, store, stop.clone())?;
        let addr = identity.advertise_host().to_owned();
        let Session { assignments, reports, descriptions } =
            dispatcher::open(&manager, identity.node, addr, stop.clone());
        let config = AgentConfig { node: identity.node, ..self.0.agent.clone() };
        let engine = config.engine.clone();
        spawn_attachment_watch(manager.clone(), engine.clone(), config.networks.clone(), identity.node, stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(self.events().clone().follow(manager.clone())));
        let agent = Agent::start(config, assignments, reports, stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_described(manager.clone(), engine, descriptions)));
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_settings(manager.clone())));
        let store = manager.store().clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(watch_store(self.clone(), store)));
        Ok(Roles { identity, manager, stop, agent: tokio::sync::Mutex::new(Some(agent)) })
    }
}

impl Roles {
    /// Stops everything, the store last; what does not stop within `limit` is left to end by itself.
    pub(super) async fn stop(&self, limit: Duration) {
        self.stop.cancel();
        if let Some(agent) = self.agent.lock().await.take()
            && tokio::time::timeout(limit, agent).await.is_err()
        {
            tracing::warn!("the agent did not stop in time");
        }
        if tokio::time::timeout(limit, self.manager.store().shutdown()).await.is_err() {
            tracing::warn!("the store did not stop in time");
        }
    }
}

/// Tells the manager what the host is like, at once and whenever that changes.
async fn keep_described(manager: Manager, engine: Engine, descriptions: mpsc::Sender<NodeDescription>) {
    let mut interval = tokio::time::interval(DESCRIBE_INTERVAL);
    loop {
        interval.tick().await;
        let description = match engine.describe().await {
            Ok(description) => description,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "cannot describe the engine now");
                continue;
            }
        };
        let Some(root) = manager.state().cluster().map(|cluster| cluster.root_ca.clone()) else { continue };
        if descriptions.send(ca::described(&root, description)).await.is_err() {
            return;
        }
    }
}

/// Seals the store's keys with the unlock key of the cluster, and keeps its snapshot policy, whenever they change.
async fn keep_settings(manager: Manager) {
    let mut applied = manager.subscribe();
    let unlock_key = || manager.state().cluster().map(|cluster| cluster.unlock_key.clone()).unwrap_or_default();
    let mut held = unlock_key();
    loop {
        if let Some(cluster) = manager.state().cluster() {
            let raft = &cluster.spec.raft;
            manager.store().set_snapshot_policy(raft.snapshot_interval.max(1), raft.keep_old_snapshots.unwrap_or(0));
        }
        let wanted = unlock_key();
        if wanted != held {
            match manager.store().set_key(key_source(&wanted)).await {
                Ok(()) => held = wanted,
                Err(error) => tracing::error!(error = %chain(&error), "could not change the key of the swarm's state"),
            }
        }
        match applied.recv().await {
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Has the store opened anew once it can no longer be written. That ends these roles, so it is no part of them.
async fn watch_store(node: Node, store: Store) {
    if store.failed().wait_for(Option::is_some).await.is_ok() {
        tokio::spawn(node.mend());
    }
}
