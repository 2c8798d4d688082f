//! What changes in the middle of a node's life: its role, and the cluster around it. Containers go on meanwhile.
//!
//! What the node was is stopped, what it becomes is written down, then that is started. Where this fails the node is as after
//! a start that failed: it begins again from what is written down ([`super::mend`]).

use std::sync::Arc;

use gam_core::error::Error;
use gam_core::model::NodeId;
use gam_core::step::Input;
use gam_store::Store;

use super::directory::{Identity, NodeRole};
use super::init::{Init, key_source};
use super::join::new_raft_id;
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
        let listener = self.listen_again(&identity.listen).await?;
        let own = identity.node;
        let roles = self.start_manager(identity, store, trust, listener).map_err(internal)?;
        if let Some(manager) = &roles.manager {
            let state = manager.state();
            for node in state.nodes().filter(|node| node.id != own && node.manager.is_some()) {
                manager.tell(Input::Manager { node: node.id, manager: None }).await;
            }
        }
        Ok(roles)
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
        match self.start_in_role(identity.clone(), role).await {
            Ok(roles) => self.become_(Life::Active(Arc::new(roles))),
            Err(error) => self.fail(Identity { role, ..identity }, &error),
        }
    }

    async fn start_in_role(&self, identity: Identity, role: NodeRole) -> Result<Roles, NodeError> {
        let managers = self.0.directory.identity()?.map_or_else(Vec::new, |kept| kept.managers);
        match role {
            NodeRole::Worker => {
                let identity = Identity { role, raft_id: 0, managers, ..identity };
                self.0.directory.adopt(&identity)?;
                Store::destroy(&self.0.directory.raft())?;
                Ok(self.start_worker(identity)?)
            }
            NodeRole::Manager => {
                let identity = Identity { role, raft_id: new_raft_id()?, managers, ..identity };
                Ok(self.start_joining_manager(identity).await?)
            }
        }
    }
}
