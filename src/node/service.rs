//! What this node, as a manager, does for the others: everything that arrives on port 2377.
//!
//! Who calls is known from the certificate of the connection; whether that node may still do what it asks is decided here,
//! against the cluster's state: a node that was removed or demoted has lost its rights, whatever its certificate says.

use std::sync::Arc;

use bytes::Bytes;
use gam_core::control::{self, Request, Response};
use gam_core::error::{Error, Kind};
use gam_core::model::{self, IdSource, ManagerStatus, NodeDescription, NodeId};
use gam_core::state::State;
use gam_core::step::Input;
use gam_core::wire;
use gam_rpc::{
    AgentMessage, Errand, Inbound, IssueRequest, Issued, ManagerMessage, Outbound, Peer, Piece, ReadIndex, Role,
    Service,
};
use gam_store::{Kinship, Leadership, Message};

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
        Err(gam_rpc::no_manager(peer_node))
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
        if may_speak(&self.manager.state(), peer, leaderless) {
            return Ok(());
        }
        Err(gam_rpc::no_manager(peer.node))
    }

    /// Refuses whoever speaks in the consensus as somebody else.
    fn check_voice(&self, peer: &Peer, member: u64) -> Result<(), Error> {
        let leaderless = *self.manager.store().leadership().borrow() == Leadership::NoLeader;
        may_speak_as(&self.manager.state(), peer.node, member, leaderless).map_err(|why| not_allowed(peer.node, why))
    }

    fn check_leads(&self) -> Result<(), Error> {
        match *self.manager.store().leadership().borrow() {
            Leadership::Leader { .. } => Ok(()),
            _ => Err(Error::unavailable("this manager does not lead")),
        }
    }

    /// Refuses whoever is no node of the cluster (any more).
    async fn check_node(&self, peer: &Peer) -> Result<(), Error> {
        if self.manager.state().is_member(peer.node) {
            return Ok(());
        }
        let state = self.manager.read().await?;
        if state.is_member(peer.node) { Ok(()) } else { Err(outsider(&state, peer.node)) }
    }

    async fn node_role(&self, peer: &Peer) -> Result<(Arc<State>, NodeId, Role), Error> {
        let state = self.manager.read().await?;
        let node = state.node(peer.node).ok_or_else(|| outsider(&state, peer.node))?;
        let (node, role) = (node.id, role(node.role()));
        Ok((state, node, role))
    }

    /// Lets a node in that has a token and no certificate.
    async fn admit(&self, request: &IssueRequest) -> Result<(Arc<State>, NodeId, Role), Error> {
        check_token(|| self.manager.state(), self.manager.read_together(), &request.token).await?;
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

/// Refuses a token that is none, so that guesses stay here and never reach the leader's queue. One that this manager's state does
/// not know may have been made a moment ago; that tells a state that is no older than the question.
async fn check_token(
    state: impl Fn() -> Arc<State>,
    newest: impl Future<Output = Result<Arc<State>, Error>>,
    token: &str,
) -> Result<(), Error> {
    let known = control::role_by_token(&state(), token);
    if known.is_ok() {
        return Ok(());
    }
    // What does not even look like a token is none of any state.
    if state().cluster().is_some() && control::pinned_digest(token).is_err() {
        return known.map(drop);
    }
    control::role_by_token(&*newest.await?, token).map(drop)
}

/// Whether a node with a manager's certificate may speak in the consensus, as far as a state that may be behind can tell.
///
/// Consensus must work while the state is behind. A member that knows no leader may lack the very change that made the
/// caller a manager, and only the caller can bring it: then the certificate must do, except that of a removed node, which
/// never comes back, and one from before its node was demoted.
fn may_speak(state: &State, peer: &Peer, leaderless: bool) -> bool {
    let is_new = leaderless && state.may_be_promoted(peer.node, peer.issued_at);
    !state.was_removed(peer.node) && (state.may_vote(peer.node) || state.cluster().is_none() || is_new)
}

/// Whether a node is this member of the consensus, as far as a state that may be behind can tell. The number of a manager that
/// was demoted is nobody's any more, whoever leads; a number that is not known yet may be that of a new manager.
fn may_speak_as(state: &State, node: NodeId, member: u64, leaderless: bool) -> Result<(), &'static str> {
    if state.was_member(member) {
        return Err("speaks as a member of the consensus that was let go");
    }
    match state.manager_of(member) {
        Some(owner) if owner.id == node => Ok(()),
        Some(_) => Err("speaks as another member of the consensus"),
        None if leaderless || state.cluster().is_none() => Ok(()),
        None => Err("speaks as a member of the consensus that it is not"),
    }
}

/// What is to be done about a manager from before a `--force-new-cluster` of which it was no part.
fn left_behind(node: NodeId) -> Error {
    not_allowed(
        node,
        "was left behind when the swarm went on without it (--force-new-cluster): run \"docker swarm leave --force\" on it, \
         then let it join again",
    )
}

/// What is to be done about a node of a history that this manager's has not gone on from. Which of the two is to last only the
/// user knows: this manager may be what was left behind, or have been put back from a copy and gone on once more since; the node
/// would end its tasks for either.
fn of_another_part(node: NodeId) -> Error {
    not_allowed(
        node,
        "belongs to another part of the swarm than this manager: one of them went on without the other (--force-new-cluster), \
         or this manager's state was put back from a copy. If this manager's part is to last, run \"docker swarm leave --force\" on \
         the node, then let it join again; if not, do that on this manager",
    )
}

fn not_allowed(node: NodeId, why: &str) -> Error {
    Error::new(Kind::Forbidden, format!("node {node} {why}"))
}

/// Why a node that shows a certificate of this swarm is none of its nodes. That it was removed is final, and it acts on that; a
/// state that merely does not know it may have been put back from a copy.
fn outsider(state: &State, node: NodeId) -> Error {
    if state.was_removed(node) { gam_rpc::removed(node) } else { not_allowed(node, "is not part of this swarm") }
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

    fn admit_history(&self, peer: Peer, history: u64, as_manager: bool) -> Result<(), Error> {
        match self.manager.store().history().kinship(history) {
            Kinship::Same => Ok(()),
            // An agent goes over to whoever went on.
            Kinship::Past if !as_manager => Ok(()),
            Kinship::Past => Err(left_behind(peer.node)),
            Kinship::Other => Err(of_another_part(peer.node)),
        }
    }

    async fn raft(&self, peer: Peer, message: Bytes) -> Result<Bytes, Error> {
        self.check_member(&peer)?;
        let message = Message::read(&message).map_err(|error| not_understood(chain(&error)))?;
        self.check_voice(&peer, message.from())?;
        self.manager.store().handle(message).await.map_err(|error| Error::unavailable(chain(&error)))
    }

    async fn submit(&self, peer: Peer, request: Bytes) -> Result<Bytes, Error> {
        self.check_manager(&peer).await?;
        let request = wire::decode_request(&request).map_err(not_understood)?;
        let answer = self.manager.submit_here(request).await;
        serde_json::to_vec(&answer).map(Bytes::from).map_err(Error::internal)
    }

    async fn tell(&self, peer: Peer, inputs: Bytes) -> Result<(), Error> {
        self.manager.note_call(peer.node);
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

    async fn join_raft(&self, peer: Peer, raft_id: u64, address: String) -> Result<Option<String>, Error> {
        self.check_manager(&peer).await?;
        if let Leadership::Follower { address, .. } = &*self.manager.store().leadership().borrow() {
            return Ok(Some(address.clone()));
        }
        self.check_leads()?;
        if !self.manager.read().await?.may_be_member(peer.node, raft_id) {
            let why = format!("node {} cannot be the member {raft_id:x} of the consensus (any more)", peer.node);
            return Err(Error::new(Kind::Conflict, why));
        }
        self.manager.admit(peer.node, ManagerStatus { raft_id, addr: address }).await.map(|()| None)
    }

    async fn leave_raft(&self, peer: Peer) -> Result<(), Error> {
        self.check_manager(&peer).await?;
        self.check_leads()?;
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

    async fn carry(&self, peer: Peer, inbound: Inbound<Piece>, outbound: Outbound<Piece>) -> Result<(), Error> {
        self.manager.take_connection(peer.node, inbound, outbound).await
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
