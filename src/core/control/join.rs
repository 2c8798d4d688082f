//! How a host becomes a node (swarmkit `ca/server.go`, `IssueNodeCertificate`).
//!
//! The token decides the role. What the host says of itself decides nothing. Its certificate is signed elsewhere, once
//! the node is in the state.

use super::{Response, node, token};
use crate::error::{Code, Error};
use crate::model::{Meta, Node, NodeDescription, NodeId, NodeSpec, NodeState, NodeStatus, Role};
use crate::plan::Plan;
use crate::state::{Change, State};

/// The role that a token gives in this state. One that gives none here may be newer than the state is.
pub fn role_by_token(state: &State, shown: &str) -> Result<Role, Error> {
    let Some(cluster) = state.cluster() else {
        return Err(Error::rpc(Code::Unavailable, "this manager is not part of a swarm yet"));
    };
    let refused = || Error::rpc(Code::InvalidArgument, "A valid join token is necessary to join this cluster");
    token::role_of(&cluster.join_tokens, shown).ok_or_else(refused)
}

/// Takes a host in. Until its agent is heard the node is `unknown`, as in Docker.
pub(super) fn join(
    plan: &mut Plan<'_>,
    shown: &str,
    id: NodeId,
    availability: &str,
    addr: String,
    description: NodeDescription,
) -> Result<Response, Error> {
    let role = role_by_token(plan.state(), shown)?;
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
