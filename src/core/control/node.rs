//! Nodes: what a user may want of one, and when one may be forgotten
//! (`moby: daemon/cluster/convert/node.go`, swarmkit `manager/controlapi/node.go`).
//!
//! A change of role is a wish written down; certificates and the consensus follow it elsewhere. Tasks of a node that
//! is removed are orphaned by the orchestrator.

use std::sync::Arc;

use super::{Response, validate};
use crate::error::{Code, Error};
use crate::model::{Node, NodeId, NodeSpec, NodeState};
use crate::plan::Plan;
use crate::state::{Change, State};

/// Gives a node another spec. The version is looked at last, as in Docker.
pub(super) fn update(plan: &mut Plan<'_>, id: NodeId, spec: NodeSpec, version: u64) -> Result<Response, Error> {
    let spec = normalise(spec)?;
    let node = find(plan.state(), id)?;
    if node.is_manager() && spec.role == "worker" {
        may_demote(plan.state(), node)?;
    }
    if !node.meta.admits(version) {
        return Err(Error::rpc(Code::Unknown, "update out of sequence"));
    }
    plan.push(Change::NodeUpdate { id, spec });
    Ok(Response::Done)
}

/// The spec in Docker's own words; dockerd checks them before it looks for the node.
pub fn normalise(spec: NodeSpec) -> Result<NodeSpec, Error> {
    let role = known_word("Role", &spec.role, &["worker", "manager"])?;
    let availability = availability(&spec.availability)?;
    Ok(NodeSpec { role, availability, ..spec })
}

/// Forgets a node. It must not be a manager, and be down or forced.
pub(super) fn remove(plan: &mut Plan<'_>, id: NodeId, force: bool) -> Result<Response, Error> {
    let node = find(plan.state(), id)?;
    if node.is_manager() && node.manager.is_some() {
        return Err(Error::rpc(
            Code::FailedPrecondition,
            format!(
                "node {id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker \
                 before removal"
            ),
        ));
    }
    if !force && node.status.state == NodeState::Ready {
        return Err(Error::rpc(Code::FailedPrecondition, format!("node {id} is not down and can't be removed")));
    }
    plan.push(Change::NodeRemove { id });
    Ok(Response::Done)
}

/// The availability of a node that comes to be: none means active. Here dockerd refuses an unknown word with 500.
pub fn first_availability(word: &str) -> Result<String, Error> {
    match word {
        "" => Ok("active".to_owned()),
        word => availability(word).map_err(|refusal| Error::internal(refusal.message)),
    }
}

/// Docker's word for an availability, in small letters, or its refusal of an unknown one.
fn availability(word: &str) -> Result<String, Error> {
    known_word("Availability", word, &["active", "pause", "drain"])
}

/// Upper and lower case are the same to Docker, an empty word is none.
fn known_word(field: &str, word: &str, words: &[&str]) -> Result<String, Error> {
    match words.iter().find(|known| known.eq_ignore_ascii_case(word)) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(Error::invalid(format!("invalid {field}: {}", validate::quote(word)))),
    }
}

fn find(state: &State, id: NodeId) -> Result<&Node, Error> {
    let node = state.node(id).ok_or_else(|| Error::rpc(Code::NotFound, format!("node {id} not found")))?;
    Ok(node)
}

/// The consensus must live on without the manager: one must remain, and a majority of those that remain must be heard
/// from. One that is demoted does not remain, though it leaves the consensus only later (swarmkit counts by `DesiredRole`, too).
/// Whoever is not known to be down counts as heard here; the store, which hears them all, has the last word when
/// it lets the manager go.
fn may_demote(state: &State, node: &Node) -> Result<(), Error> {
    let is_last = !state.nodes().any(|other| other.id != node.id && other.is_manager());
    if is_last {
        return Err(Error::rpc(Code::FailedPrecondition, "attempting to demote the last manager of the swarm"));
    }
    if node.manager.is_none() {
        return Err(Error::rpc(Code::NotFound, "can't find manager in raft memberlist"));
    }
    let stays = |other: &&Arc<Node>| other.id != node.id && other.is_manager() && other.manager.is_some();
    let others = || state.nodes().filter(stays);
    let heard = others().filter(|other| !is_gone(other)).count();
    if heard < others().count() / 2 + 1 {
        return Err(Error::rpc(
            Code::FailedPrecondition,
            "can't remove member from the raft: this would result in a loss of quorum",
        ));
    }
    Ok(())
}

fn is_gone(node: &Node) -> bool {
    matches!(node.status.state, NodeState::Down | NodeState::Disconnected)
}

/// Why a manager may not leave without `--force`: dockerd always refuses, and says what would be lost
/// (`moby: daemon/cluster/swarm.go`). `state` is `None` where it cannot be read for lack of a leader; `is_reachable` says
/// which members of the consensus are heard.
pub fn leave_refusal(state: Option<&State>, id: NodeId, is_reachable: impl Fn(&Node) -> bool) -> Error {
    let mut text = LEAVING_MANAGER.to_owned();
    if let Some(state) = state {
        let members = || state.nodes().filter(|node| node.manager.is_some());
        let all = members().count();
        let reachable = members().filter(|node| is_reachable(node)).count();
        let is_active = members().any(|node| node.id == id && is_reachable(node));
        if is_active && all == 1 {
            text += "Removing the last manager erases all current state of the swarm. Use `--force` to ignore this \
                     message. ";
            return Error::unavailable(text);
        }
        // Docker's own arithmetic: without this manager the reachable ones would be no majority.
        if is_active && reachable <= all - reachable + 2 {
            let left = reachable - 1;
            text += &format!("Removing this node leaves {left} managers out of {all}. ");
            text += "Without a Raft quorum your swarm will be inaccessible. ";
        }
    }
    Error::unavailable(text + LOST_CONSENSUS)
}

/// The same for a manager that does not serve, because its state cannot be opened.
pub fn leave_refusal_closed() -> Error {
    Error::unavailable(format!("{LEAVING_MANAGER}Doing so may lose the consensus of your cluster. {LOST_CONSENSUS}"))
}

const LEAVING_MANAGER: &str = "You are attempting to leave the swarm on a node that is participating as a manager. ";
const LOST_CONSENSUS: &str = "The only way to restore a swarm that has lost consensus is to reinitialize it with \
                              `--force-new-cluster`. Use `--force` to suppress this message.";
