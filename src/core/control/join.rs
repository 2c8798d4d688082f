//! How a host becomes a node (swarmkit `ca/server.go`, `IssueNodeCertificate`).
//!
//! The token decides the role. What the host says of itself decides nothing. Its certificate is signed elsewhere, once
//! the node is in the state.

use super::{Response, node, token};
use crate::error::{Code, Error};
use crate::model::{Meta, Node, NodeDescription, NodeId, NodeSpec, NodeState, NodeStatus};
use crate::plan::Plan;
use crate::state::Change;

/// Takes a host in. Until its agent is heard the node is `unknown`, as in Docker.
pub(super) fn join(
    plan: &mut Plan<'_>,
    shown: &str,
    id: NodeId,
    availability: &str,
    addr: String,
    description: NodeDescription,
) -> Result<Response, Error> {
    let Some(cluster) = plan.state().cluster() else {
        return Err(Error::rpc(Code::Unavailable, "this manager is not part of a swarm yet"));
    };
    let Some(role) = token::role_of(&cluster.join_tokens, shown) else {
        return Err(Error::rpc(Code::InvalidArgument, "A valid join token is necessary to join this cluster"));
    };
    let availability = node::first_availability(availability)?;
    // Never a second node under one identifier: the first one's certificate would speak for both.
    if plan.state().is_member(id) {
        return Err(Error::rpc(Code::AlreadyExists, format!("node {id} is already part of this swarm")));
    }
    plan.push(Change::NodeCreate(Box::new(Node {
        id,
        meta: Meta::default(),
        spec: NodeSpec { role: role.as_str().to_owned(), availability, ..NodeSpec::default() },
        description,
        status: NodeStatus { state: NodeState::Unknown, addr, ..NodeStatus::default() },
        manager: None,
    })));
    Ok(Response::Joined { node: id, role })
}
