//! Nodes: what a user may want of one, and when one may be forgotten
//! (`moby: daemon/cluster/convert/node.go`, swarmkit `manager/controlapi/node.go`).
//!
//! A change of role is a wish written down; certificates and the consensus follow it elsewhere. Tasks of a node that
//! is removed are orphaned by the orchestrator.

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
    if node.meta.version != version {
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

/// Docker's word for an availability, in small letters, or its refusal of an unknown one. (400 here; dockerd's `init`
/// says the same with 500.)
pub(super) fn availability(word: &str) -> Result<String, Error> {
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
/// from.
fn may_demote(state: &State, node: &Node) -> Result<(), Error> {
    let others = || state.nodes().filter(|other| other.id != node.id && other.manager.is_some());
    if node.manager.is_none() {
        return Err(Error::rpc(Code::NotFound, "can't find manager in raft memberlist"));
    }
    let remaining = others().count();
    if remaining == 0 {
        return Err(Error::rpc(Code::FailedPrecondition, "attempting to demote the last manager of the swarm"));
    }
    let heard = others().filter(|other| other.status.state == NodeState::Ready).count();
    if heard < remaining / 2 + 1 {
        return Err(Error::rpc(
            Code::FailedPrecondition,
            "can't remove member from the raft: this would result in a loss of quorum",
        ));
    }
    Ok(())
}
