//! What this node, as a manager, does for the others: everything that arrives on port 2377.
//!
//! Who calls is known from the certificate of the connection; whether that node may still do what it asks is decided here,
//! against the cluster's state: a node that was removed or demoted has lost its rights, whatever its certificate says.

use std::sync::Arc;

use bytes::Bytes;
use gam_core::control::{Request, Response};
use gam_core::error::{Error, Kind};
use gam_core::model::{self, IdSource, ManagerStatus, NodeDescription, NodeId};
use gam_core::state::State;
use gam_core::step::Input;
use gam_core::wire;
use gam_rpc::{
    AgentMessage, Errand, Inbound, IssueRequest, Issued, ManagerMessage, Outbound, Peer, Piece, ReadIndex, Role,
    Service,
};
use gam_store::Leadership;

use super::{Node, internal};
use crate::ca;
use crate::dispatcher;
use crate::manager::{Manager, Refusal, Relay, chain, seed};
use crate::network::places;

/// A manager's services.
pub(super) struct ManagerService {
    pub(super) node: Node,
    pub(super) manager: Manager,
}

impl ManagerService {
    /// Refuses whoever is no manager (any more). A state that is a little behind may lack a new manager: then the newest
    /// one is asked for.
    async fn check_manager(&self, peer: &Peer) -> Result<(), Error> {
        let peer_node = peer.node;
        if self.manager.state().may_act_as_manager(peer_node)
            || self.manager.read().await?.may_act_as_manager(peer_node)
        {
            return Ok(());
        }
        Err(not_allowed(peer_node, "is not a manager of this swarm"))
    }

    /// One that is being demoted still speaks for the agents whose sessions it holds, and for its own: they must not count as
    /// gone before it has left.
    async fn check_relay(&self, peer: &Peer) -> Result<(), Error> {
        if self.manager.state().may_vote(peer.node) {
            return Ok(());
        }
        self.check_manager(peer).await
    }

    /// Refuses whoever is no member of the consensus (any more).
    fn check_member(&self, peer: &Peer) -> Result<(), Error> {
        let leaderless = *self.manager.store().leadership().borrow() == Leadership::NoLeader;
        if may_speak(&self.manager.state(), peer.node, leaderless) {
            return Ok(());
        }
        Err(not_allowed(peer.node, "is not a manager of this swarm"))
    }

    /// Refuses whoever is no node of the cluster (any more).
    async fn check_node(&self, peer: &Peer) -> Result<(), Error> {
        if self.manager.state().is_member(peer.node) || self.manager.read().await?.is_member(peer.node) {
            return Ok(());
        }
        Err(not_allowed(peer.node, "is not part of this swarm"))
    }

    async fn node_role(&self, peer: &Peer) -> Result<(Arc<State>, NodeId, Role), Error> {
        let state = self.manager.read().await?;
        let node = state.node(peer.node).ok_or_else(|| not_allowed(peer.node, "is not part of this swarm"))?;
        let (node, role) = (node.id, role(node.role()));
        Ok((state, node, role))
    }

    /// Lets a node in that has a token and no certificate.
    async fn admit(&self, request: &IssueRequest) -> Result<(Arc<State>, NodeId, Role), Error> {
        let node = IdSource::new(seed().map_err(Error::internal)?).fresh();
        let join = Request::Join {
            token: request.token.clone(),
            node,
            availability: request.availability.clone(),
            addr: super::addresses::host(&request.address),
            description: Box::new(NodeDescription { hostname: request.hostname.clone(), ..NodeDescription::default() }),
        };
        match self.manager.submit(join).await? {
            Response::Joined { node, role: given } => Ok((self.manager.read().await?, node, role(given))),
            _ => Err(Error::internal("a join was not answered as one")),
        }
    }
}

/// Whether a node with a manager's certificate may speak in the consensus, as far as a state that may be behind can tell.
///
/// Consensus must work while the state is behind. A member that knows no leader may lack the very change that made the
/// caller a manager, and only the caller can bring it: then the certificate must do, except that of a removed node, which
/// never comes back.
fn may_speak(state: &State, node: NodeId, leaderless: bool) -> bool {
    !state.was_removed(node) && (state.may_vote(node) || state.cluster().is_none() || leaderless)
}

fn not_allowed(node: NodeId, why: &str) -> Error {
    Error::new(Kind::Forbidden, format!("node {node} {why}"))
}

fn not_understood(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not understood: {error}"))
}

/// A role as certificates say it.
fn role(role: model::Role) -> Role {
    match role {
        model::Role::Manager => Role::Manager,
        model::Role::Worker => Role::Worker,
    }
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
        let [_, own_chain, own_key] = self.node.0.directory.certificates_kept().map_err(internal)?;
        let chain_pem = ca::sign_for(cluster, &request.csr_der, node, role, &own_chain, &own_key).await?;
        Ok(Issued { node, cluster: cluster.id, role, chain_pem, roots_pem: cluster.root_ca.cert.clone() })
    }

    async fn raft(&self, peer: Peer, message: Bytes) -> Result<Bytes, Error> {
        self.check_member(&peer)?;
        self.manager.store().handle(message).await.map_err(|error| Error::unavailable(chain(&error)))
    }

    async fn submit(&self, peer: Peer, request: Bytes) -> Result<Bytes, Error> {
        self.check_manager(&peer).await?;
        let request = wire::decode_request(&request).map_err(not_understood)?;
        let answer = self.manager.submit_here(request).await;
        serde_json::to_vec(&answer).map(Bytes::from).map_err(Error::internal)
    }

    async fn tell(&self, peer: Peer, inputs: Bytes) -> Result<(), Error> {
        self.check_relay(&peer).await?;
        let relay: Relay = serde_json::from_slice(&inputs).map_err(not_understood)?;
        self.manager.take_relay(relay).await
    }

    async fn read_index(&self, peer: Peer) -> Result<ReadIndex, Error> {
        self.check_manager(&peer).await?;
        match self.manager.read_index_here().await {
            Ok(read) => Ok(read),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::NotLeading | Refusal::Unanswered) => Err(Error::unavailable("this manager does not lead")),
        }
    }

    async fn join_raft(&self, peer: Peer, raft_id: u64, address: String) -> Result<(), Error> {
        self.check_manager(&peer).await?;
        self.manager.admit(peer.node, ManagerStatus { raft_id, addr: address }).await
    }

    async fn leave_raft(&self, peer: Peer) -> Result<(), Error> {
        self.check_manager(&peer).await?;
        self.manager.tell(Input::Manager { node: peer.node, manager: None }).await;
        Ok(())
    }

    async fn pass(&self, peer: Peer, node: NodeId, errand: Errand) -> Result<(), Error> {
        self.check_manager(&peer).await?;
        self.manager.pass_here(node, errand)
    }

    async fn answer(&self, peer: Peer, pieces: Inbound<Piece>) -> Result<(), Error> {
        self.manager.take_answer(peer.node, pieces).await
    }

    async fn place(&self, peer: Peer, question: Bytes) -> Result<Bytes, Error> {
        self.check_node(&peer).await?;
        places::answer(&self.manager, peer.node, &question).await
    }

    async fn session(
        &self,
        peer: Peer,
        inbound: Inbound<AgentMessage>,
        outbound: Outbound<ManagerMessage>,
    ) -> Result<(), Error> {
        self.check_node(&peer).await?;
        dispatcher::serve::serve(self.manager.clone(), peer, inbound, outbound).await
    }
}

#[cfg(test)]
mod tests;
