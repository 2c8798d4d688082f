//! One step of the leader: inputs in, changes and answers out.
//!
//! The order is fixed: requests and reports first, then orchestrator, allocator, scheduler, each on the state that the
//! one before it left. A step looks at state, not at what changed (level, not edge), so that a new leader needs no
//! fix-up pass: its first step is like any other. Planning twice changes nothing, which is why a step need not look again
//! at what the last one found calm and nothing has touched since ([`crate::focus`]).

// The fields of an input are what its doc says.
#![allow(missing_docs)]

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::control::{self, Request, Response};
use crate::error::Error;
use crate::focus::Memory;
use crate::model::{IdSource, ManagerStatus, NodeDescription, NodeId, NodeStatus, TaskId, TaskStatus, Timestamp};
use crate::plan::Plan;
use crate::state::{Change, State};
use crate::{allocator, orchestrator, release, scheduler};

/// Something that the leader must take into account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A user's request; `ticket` comes back with the answer.
    Request { ticket: u64, request: Box<Request> },
    /// What an agent observed of its own tasks.
    Report { node: NodeId, statuses: Vec<(TaskId, TaskStatus)> },
    /// A node is heard from, or no longer. A description only if the agent sent one; without an address the node
    /// keeps the one that it had.
    Session { node: NodeId, status: NodeStatus, description: Option<Box<NodeDescription>> },
    /// A node's part in the consensus, as the store knows it.
    Manager { node: NodeId, manager: Option<ManagerStatus> },
    /// The resolver and the balancers of a node are at this log index.
    Applied { node: NodeId, index: u64 },
}

/// What a step decided.
#[derive(Debug)]
pub struct Outcome {
    /// To be proposed as one log entry; empty if nothing changes.
    pub changes: Vec<Change>,
    /// One answer for each request, to be given once the changes are committed.
    pub replies: Vec<(u64, Result<Response, Error>)>,
    /// When the next step is due, even without inputs.
    pub wake_at: Option<Timestamp>,
}

/// Takes one step. `memory` is what the leader's last one left there, or empty.
pub fn step(state: &State, inputs: Vec<Input>, now: Timestamp, ids: &mut IdSource, memory: &mut Memory) -> Outcome {
    let mut plan = Plan::new(state, now, ids);
    let mut replies = Vec::new();
    let mut applied = release::Applied::new();
    for input in inputs {
        if let Input::Applied { node, index } = input {
            applied.insert(node, index);
            continue;
        }
        if let Some(reply) = take(&mut plan, input) {
            replies.push(reply);
        }
    }
    control::finish_rotation(&mut plan);
    plan.look_at(memory.focus(plan.state()));
    orchestrator::plan(&mut plan);
    release::plan(&mut plan, &applied);
    allocator::plan(&mut plan);
    scheduler::plan(&mut plan);
    memory.keep(state, plan.focus());
    let (changes, wake_at) = plan.finish();
    Outcome { changes, replies, wake_at }
}

fn take(plan: &mut Plan<'_>, input: Input) -> Option<(u64, Result<Response, Error>)> {
    match input {
        Input::Request { ticket, request } => return Some((ticket, control::handle(plan, *request))),
        Input::Report { node, statuses } => {
            for (id, status) in statuses {
                report(plan, node, id, status);
            }
        }
        Input::Session { node, mut status, description } => {
            let known = plan.state().node(node)?;
            if status.addr.is_empty() {
                status.addr.clone_from(&known.status.addr);
            }
            let description = description.filter(|new| **new != known.description);
            if known.status != status || description.is_some() {
                plan.push(Change::NodeReport { id: node, status, description });
            }
        }
        Input::Manager { node, manager } => {
            if may_be(plan.state(), node, manager.as_ref()) {
                plan.push(Change::NodeManager { id: node, manager });
            }
        }
        // Gathered for all of the step.
        Input::Applied { .. } => {}
    }
    None
}

/// Whether this is news of a node's part in the consensus, and can be true: only who is to be a manager has one, and nobody takes
/// over a number that was another's, or that was given up.
fn may_be(state: &State, id: NodeId, manager: Option<&ManagerStatus>) -> bool {
    let Some(node) = state.node(id).filter(|node| node.manager.as_ref() != manager) else { return false };
    manager.is_none_or(|manager| node.is_manager() && state.may_be_member(id, manager.raft_id))
}

/// An agent speaks for its own tasks only, and a status that would go backwards is not worth a log entry.
fn report(plan: &mut Plan<'_>, node: NodeId, id: TaskId, status: TaskStatus) {
    let Some(task) = plan.state().task(id) else { return };
    if task.node == Some(node) && status.state >= task.status.state && status != task.status {
        plan.push(Change::TaskReport { id, status });
    }
}
