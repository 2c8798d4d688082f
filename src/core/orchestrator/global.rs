//! Global services: one task on every node that fits (swarmkit `manager/orchestrator/global`). Global jobs have their
//! slots in the same way, and fill each of them once ([`super::job`]).
//!
//! A node that is paused keeps its task and gets no new one, neither after a failure nor by an update. A node that is
//! down, drained or does not satisfy the constraints has none. When it is one of the service's again, its new task
//! waits for the old one to stop.

use super::scope::{Scope, is_down};
use super::slot::{Fill, Slot};
use crate::model::{Node, NodeId, RestartPlan, TaskState};
use crate::plan::Plan;
use crate::state::Change;

/// Shuts down the tasks on nodes that should have none, and those that ended on nodes that get no new ones.
pub(super) fn withdraw(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    for slot in slots {
        let Some(node) = node_of(scope, slot) else { continue };
        let is_open = is_member(scope, node);
        for task in slot.wanted() {
            if !is_open || is_paused(node) && task.status.state.is_terminal() {
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
        if !is_filled && is_member(scope, node) && !is_paused(node) {
            // On a node that came back the task from before may still run: the two must not meet.
            let is_held = slot.is_some_and(|slot| slot.tasks.iter().any(|task| scope.is_alive(task)));
            create(plan, scope, node.id, if is_held { TaskState::Ready } else { scope.goal() });
        }
    }
}

/// Whether an update may touch the slot.
pub(super) fn is_updatable(scope: &Scope<'_>, slot: &Slot<'_>) -> bool {
    node_of(scope, slot).is_some_and(|node| is_member(scope, node) && !is_paused(node))
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

/// Whether the service runs on this node.
fn is_member(scope: &Scope<'_>, node: &Node) -> bool {
    !is_down(node) && !node.is_drained() && scope.fits(node)
}

fn is_paused(node: &Node) -> bool {
    node.spec.availability == "pause"
}
