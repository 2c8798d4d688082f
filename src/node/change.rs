//! What changes in the middle of a node's life: its role, and the cluster around it. Containers go on meanwhile.
//!
//! What the node was is stopped, what it becomes is written down, then that is started. Where this fails the node is as after
//! a start that failed: it begins again from what is written down ([`super::mend`]).

use std::sync::Arc;

use gam_core::error::Error;
use gam_core::model::NodeId;
use gam_store::Store;

use super::directory::{Identity, NodeRole};
use super::init::{Init, key_source};
use super::join::new_raft_id;
use super::membership::{forget_others, stay_manager};
use super::trust::Trust;
use super::{Life, Node, NodeError, Roles, STOP_TIMEOUT, internal};

impl Node {
    /// `swarm init --force-new-cluster`: goes on with the cluster's state as its only manager. Services, tokens, certificates
    /// and the cluster's name stay; the other managers are members no more.
    pub(super) async fn go_on_alone(&self, roles: &Roles, request: &Init) -> Result<NodeId, Error> {
        let mut identity = roles.identity.clone();
        if !request.advertise_addr.is_empty() {
            let Init { listen_addr, advertise_addr, data_path_addr, .. } = request;
            let addresses = self.addresses(listen_addr, advertise_addr, data_path_addr).await?;
            identity.listen = addresses.listen.to_string();
            identity.advertise = addresses.advertise.to_string();
            identity.advertised = addresses.advertised;
            identity.data_path = addresses.data_path;
        }
        let key = roles.manager.as_ref().and_then(|manager| Some(manager.state().cluster()?.unlock_key.clone()));
        roles.stop(STOP_TIMEOUT).await;
        let alone = self.start_alone(identity.clone(), &key.unwrap_or_default()).await;
        let roles = alone.inspect_err(|error| self.fail(identity.clone(), error))?;
        self.become_(Life::Active(Arc::new(roles)));
        Ok(identity.node)
    }

    async fn start_alone(&self, identity: Identity, unlock_key: &str) -> Result<Roles, Error> {
        let trust = Trust::open(&self.0.directory)?;
        self.0.directory.adopt(&identity).map_err(internal)?;
        let config = self.store_config(&identity, key_source(unlock_key), &trust);
        let store = Store::recover_alone(config).await.map_err(internal)?;
        forget_others(&store, &identity).await.map_err(internal)?;
        stay_manager(&store, &identity).await.map_err(internal)?;
        let listener = self.listen_again(&identity.listen).await?;
        self.start_manager(identity, store, trust, listener).map_err(internal)
    }

    /// Stops what the node does and starts it in another role, its certificate for it at hand.
    pub(super) async fn change_role(&self, role: NodeRole) {
        let _changing = self.0.changing.lock().await;
        let life = self.0.life.load_full();
        let Life::Active(roles) = &*life else { return };
        if roles.identity.role == role {
            return;
        }
        tracing::info!(?role, "this node changes its role");
        roles.stop(STOP_TIMEOUT).await;
        let identity = roles.identity.clone();
        let history = roles.manager.as_ref().and_then(|manager| manager.store().history().number());
        match self.start_in_role(identity.clone(), role, history).await {
            Ok(roles) => self.become_(Life::Active(Arc::new(roles))),
            Err(error) => self.fail(Identity { role, ..identity }, &error),
        }
    }

    /// A manager that was `raft_id` in the consensus becomes another member of it, without a state at first.
    pub(super) async fn begin_anew(&self, raft_id: u64) {
        let _changing = self.0.changing.lock().await;
        let life = self.0.life.load_full();
        let Life::Active(roles) = &*life else { return };
        let identity = roles.identity.clone();
        if identity.role != NodeRole::Manager || identity.raft_id != raft_id {
            return;
        }
        roles.stop(STOP_TIMEOUT).await;
        // Without a state it is no manager yet: if this ends in the middle, it starts as a worker, and is made a manager again.
        let meanwhile = Identity { role: NodeRole::Worker, raft_id: 0, history: None, ..identity };
        let opened = self.0.directory.seal_key(Vec::new());
        let made = match opened.and_then(|()| self.0.directory.adopt(&meanwhile)) {
            Ok(()) => self.start_in_role(meanwhile.clone(), NodeRole::Manager, None).await,
            Err(error) => Err(error.into()),
        };
        match made {
            Ok(roles) => self.become_(Life::Active(Arc::new(roles))),
            Err(error) => self.fail(meanwhile, &error),
        }
    }

    async fn start_in_role(
        &self,
        identity: Identity,
        role: NodeRole,
        history: Option<u64>,
    ) -> Result<Roles, NodeError> {
        let managers = self.0.directory.identity()?.map_or_else(Vec::new, |kept| kept.managers);
        match role {
            NodeRole::Worker => {
                let identity = Identity { role, raft_id: 0, managers, history, ..identity };
                // A worker is never locked. First of all, so that a crash leaves none that is.
                self.0.directory.seal_key(Vec::new())?;
                self.0.directory.adopt(&identity)?;
                Store::destroy(&self.0.directory.raft())?;
                Ok(self.start_worker(identity)?)
            }
            NodeRole::Manager => {
                let identity = self.at_home(Identity { managers, ..identity }).await;
                let identity = Identity { role, raft_id: new_raft_id()?, history, ..identity };
                Ok(self.start_joining_manager(identity).await?)
            }
        }
    }
}

#[cfg(test)]
mod tests;
