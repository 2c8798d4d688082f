//! What this node, as a manager, does for the others: everything that arrives on port 2377.
//!
//! Who calls is known from the certificate of the connection; whether that node may still do what it asks is decided here,
//! against the cluster's state: a node that was removed or demoted has lost its rights, whatever its certificate says.

use std::sync::Arc;

use bytes::Bytes;
use gam_core::control::{Request, Response};
use gam_core::error::{Error, Kind};
use gam_core::model::{IdSource, ManagerStatus, NodeId};
use gam_core::state::State;
use gam_rpc::{AgentMessage, IssueRequest, Issued, ManagerMessage, Peer, ReadIndex, Service};
use tokio::sync::mpsc;

use crate::ca::{self, Role};
use crate::dispatcher;
use crate::manager::{Manager, Refusal, Relay, chain, seed};

/// A manager's services.
pub(super) struct ManagerService {
    pub(super) manager: Manager,
}

impl ManagerService {
    /// Refuses whoever is no manager (any more). A state that is a little behind may lack a new manager: then the newest
    /// one is asked for.
    async fn check_manager(&self, peer: &Peer) -> Result<(), Error> {
        let is_manager = |state: &State| state.node(peer.node).is_some_and(|node| node.is_manager());
        if is_manager(&self.manager.state()) || is_manager(&*self.manager.read().await?) {
            return Ok(());
        }
        Err(not_allowed(peer.node, "is not a manager of this swarm"))
    }

    /// Consensus must work while the state is behind: before a member has caught up it knows nobody. Only who is known
    /// not to be a manager, by a certificate that is older than that knowledge, is refused.
    fn check_member(&self, peer: &Peer) -> Result<(), Error> {
        let state = self.manager.state();
        if state.is_removed(peer.node) {
            return Err(not_allowed(peer.node, "was removed from this swarm"));
        }
        match state.node(peer.node) {
            Some(node) if !node.is_manager() && node.demoted_at.is_some_and(|at| peer.issued_at <= at) => {
                Err(not_allowed(peer.node, "is not a manager of this swarm"))
            }
            _ => Ok(()),
        }
    }

    async fn node_role(&self, peer: &Peer) -> Result<(Arc<State>, NodeId, Role), Error> {
        let state = self.manager.read().await?;
        let node = state.node(peer.node).ok_or_else(|| not_allowed(peer.node, "is not part of this swarm"))?;
        let role = match (node.is_manager(), &node.manager) {
            (true, _) => Role::Manager,
            (false, None) => Role::Worker,
            (false, Some(_)) => return Err(Error::unavailable("the node still takes part in the consensus: try again")),
        };
        let node = node.id;
        Ok((state, node, role))
    }

    /// Lets a node in that has a token and no certificate.
    async fn admit(&self, request: &IssueRequest) -> Result<(Arc<State>, NodeId, Role), Error> {
        let node = IdSource::new(seed().map_err(Error::internal)?).fresh();
        let join = Request::Join {
            token: request.token.clone(),
            node,
            availability: request.availability.clone(),
            addr: request.address.clone(),
            hostname: request.hostname.clone(),
        };
        match self.manager.submit(join).await? {
            Response::Joined { node, role } => {
                let role = if role == "manager" { Role::Manager } else { Role::Worker };
                Ok((self.manager.read().await?, node, role))
            }
            _ => Err(Error::internal("a join was not answered as one")),
        }
    }
}

fn not_allowed(node: NodeId, why: &str) -> Error {
    Error::new(Kind::Forbidden, format!("node {node} {why}"))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(format!("not understood: {error}")))
}

impl Service for ManagerService {
    async fn root(&self) -> Result<String, Error> {
        let state = self.manager.state();
        let cluster = state.cluster().ok_or_else(|| Error::unavailable("this manager is only just joining"))?;
        Ok(cluster.root_ca.cert.clone())
    }

    async fn issue(&self, peer: Option<Peer>, request: IssueRequest) -> Result<Issued, Error> {
        let (state, node, role) = match &peer {
            Some(peer) => self.node_role(peer).await?,
            None => self.admit(&request).await?,
        };
        let cluster = state.cluster().ok_or_else(|| Error::unavailable("this manager is only just joining"))?;
        let expiry = cluster.spec.ca_config.node_cert_expiry;
        let chain_pem = ca::sign(&cluster.root_ca, &request.csr_der, cluster.id, node, role, expiry)
            .map_err(|error| Error::invalid(chain(&error)))?;
        Ok(Issued { node, cluster: cluster.id, role, chain_pem, roots_pem: cluster.root_ca.trusted() })
    }

    async fn raft(&self, peer: Peer, message: Bytes) -> Result<Bytes, Error> {
        self.check_member(&peer)?;
        self.manager.store().handle(message).await.map_err(|error| Error::unavailable(chain(&error)))
    }

    async fn submit(&self, peer: Peer, request: Bytes) -> Result<Bytes, Error> {
        self.check_manager(&peer).await?;
        let answer = self.manager.submit_here(decode(&request)?).await;
        serde_json::to_vec(&answer).map(Bytes::from).map_err(Error::internal)
    }

    async fn tell(&self, peer: Peer, inputs: Bytes) -> Result<(), Error> {
        self.check_manager(&peer).await?;
        self.manager.take_relay(decode::<Relay>(&inputs)?).await
    }

    async fn read_index(&self, peer: Peer) -> Result<ReadIndex, Error> {
        self.check_manager(&peer).await?;
        match self.manager.read_index_here().await {
            Ok((index, leader, unreachable)) => Ok(ReadIndex { index, leader, unreachable }),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::NotLeading) => Err(Error::unavailable("this manager does not lead")),
        }
    }

    async fn join_raft(&self, peer: Peer, raft_id: u64, address: String) -> Result<(), Error> {
        self.check_manager(&peer).await?;
        self.manager.admit(peer.node, ManagerStatus { raft_id, addr: address }).await
    }

    async fn session(
        &self,
        peer: Peer,
        inbound: mpsc::Receiver<AgentMessage>,
        outbound: mpsc::Sender<ManagerMessage>,
    ) -> Result<(), Error> {
        let is_known = |state: &State| state.node(peer.node).is_some();
        if !is_known(&self.manager.state()) && !is_known(&*self.manager.read().await?) {
            return Err(not_allowed(peer.node, "is not part of this swarm"));
        }
        dispatcher::serve::serve(self.manager.clone(), peer, inbound, outbound).await
    }
}
