//! Global services: one task on every node that fits (swarmkit `manager/orchestrator/global`). Global jobs have their
//! slots in the same way, and fill each of them once ([`super::job`]).
//!
//! A node that is paused keeps its task and gets no new one, neither after a failure nor by an update. A node that is
//! down, drained or does not satisfy the constraints has none. When it is one of the service's again, its new task
//! waits for the old one to stop.
//!
//! What a node has of a job goes on to its end though the node is drained or no longer satisfies the constraints: to a job
//! such a node is as one that is paused. Swarmkit does the same until a task of the job ends on any other node, and then
//! shuts it down.

use super::scope::{Scope, is_down};
use super::slot::{Fill, Slot};
use crate::model::{Node, NodeId, RestartPlan, TaskState};
use crate::plan::Plan;
use crate::state::Change;

/// Shuts down the tasks on nodes that should have none, and those that ended on nodes that get no new ones.
pub(super) fn withdraw(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    for slot in slots {
        let Some(node) = node_of(scope, slot) else { continue };
        let (is_member, takes_more) = (is_member(scope, node), takes_more(scope, node));
        for task in slot.wanted() {
            if !is_member || !takes_more && task.status.state.is_terminal() {
                plan.push(Change::TaskDesire { id: task.id, state: TaskState::Shutdown });
            }
        }
    }
}

/// Makes a task on every node that should have one and has none.
pub(super) fn fill(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let mut slots = slots.iter().peekable();
    // Both are in the order of node ids.
    for node in scope.state.nodes() {
        while slots.next_if(|slot| slot.node() < Some(node.id)).is_some() {}
        let slot = slots.next_if(|slot| slot.node() == Some(node.id));
        let is_filled = slot.is_some_and(|slot| slot.fill(scope) != Fill::Dead);
        if !is_filled && takes_more(scope, node) {
            // On a node that came back the task from before may still run: the two must not meet.
            let is_held = slot.is_some_and(|slot| slot.tasks.iter().any(|task| scope.is_alive(task)));
            create(plan, scope, node.id, if is_held { TaskState::Ready } else { scope.goal() });
        }
    }
}

/// Whether an update may touch the slot.
pub(super) fn is_updatable(scope: &Scope<'_>, slot: &Slot<'_>) -> bool {
    node_of(scope, slot).is_some_and(|node| takes_more(scope, node))
}

fn create(plan: &mut Plan<'_>, scope: &Scope<'_>, node: NodeId, desired: TaskState) {
    let id = plan.ids.fresh();
    plan.push(Change::TaskCreate {
        id,
        service: scope.service.id,
        slot: 0,
        node: Some(node),
        desired,
        restart: RestartPlan::default(),
    });
}

fn node_of<'s>(scope: &Scope<'s>, slot: &Slot<'_>) -> Option<&'s Node> {
    scope.state.node(slot.node()?).map(|node| &**node)
}

/// Whether the service's tasks on this node may go on.
fn is_member(scope: &Scope<'_>, node: &Node) -> bool {
    !is_down(node) && (scope.service.is_job() || !node.is_drained() && scope.fits(node))
}

/// Whether tasks may be made for this node.
fn takes_more(scope: &Scope<'_>, node: &Node) -> bool {
    !is_down(node) && node.is_active() && scope.fits(node)
}
