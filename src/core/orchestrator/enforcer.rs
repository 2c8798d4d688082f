//! Tasks that cannot go on where they are: their node was removed, is lost for good, no longer satisfies the
//! constraints, or has less than it promised (swarmkit `constraintenforcer`, `controlapi/node.go`, `dispatcher`).
//!
//! Says what became of them and leaves the consequences to the other phases.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scope::{Scope, is_down};
use super::slot::Slot;
use crate::model::generic::Supply;
use crate::model::{GenericResource, Node, NodeId, Resources, ServiceId, Task, TaskState, TaskStatus, Timestamp};
use crate::plan::Plan;
use crate::state::{Change, State};

/// How long a node may be down before its tasks count as lost, ns (swarmkit `dispatcher.defaultNodeDownPeriod`).
const NODE_DOWN_PERIOD: i64 = 24 * 3600 * 1_000_000_000;

/// Ends the tasks of a service whose node is gone, lost or no longer fits.
pub(super) fn enforce(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    for task in slots.iter().flat_map(|slot| slot.tasks) {
        let Some(id) = task.node else { continue };
        let is_over = task.status.state.is_terminal();
        let Some(node) = scope.state.node(id) else {
            if scope.service.is_by_node() {
                // The slot went with the node, and its history too. What a job achieved there stays achieved.
                if !task.is_accomplished() {
                    plan.push(Change::TaskRemove { id: task.id });
                }
            } else if !is_over {
                let message = "Task belonged to a node that has been deleted".to_owned();
                report(plan, task, TaskStatus { message, ..TaskStatus::default() }, TaskState::Orphaned);
            }
            continue;
        };
        if is_over {
            continue;
        }
        // Tasks on a paused node are left alone, and those on a drained one are shut down anyway.
        if is_down(node) {
            if task.status.state >= TaskState::Assigned && is_lost(plan, node) {
                report(plan, task, task.status.clone(), TaskState::Orphaned);
            }
        } else if task.is_wanted() && node.is_active() && scope.is_misplaced(task, node) {
            reject(plan, task);
        }
    }
}

/// Rejects tasks on nodes that turned out to have less than their tasks reserved: the youngest go. Returns the
/// services that lost some.
pub(super) fn relieve_nodes(plan: &mut Plan<'_>) -> Vec<ServiceId> {
    let reserving = plan.focus().reserving();
    let state: State = plan.state().clone();
    let mut used: BTreeMap<NodeId, Load> = BTreeMap::new();
    for task in reserving.iter().flat_map(|service| state.tasks_of_service(*service)) {
        if let (Some(node), Some(reserved)) = (task.node, held_reservation(task)) {
            let load = used.entry(node).or_default();
            load.nano_cpus = load.nano_cpus.saturating_add(reserved.nano_cpus);
            load.memory_bytes = load.memory_bytes.saturating_add(reserved.memory_bytes);
            load.generic.extend(task.generic.iter().cloned());
        }
    }
    let mut hit = Vec::new();
    for (id, load) in used {
        let Some(node) = state.node(id).filter(|node| node.is_active()) else { continue };
        let has = &node.description.resources;
        let is_known = has.nano_cpus > 0 || has.memory_bytes > 0;
        if is_known && !load.fits(has) {
            relieve(plan, &state, node, &mut hit);
        }
    }
    hit.sort_unstable();
    hit.dedup();
    hit
}

/// Whether a node has been down for so long that its tasks count as lost; asks to be called again when it will have.
pub(super) fn is_lost(plan: &mut Plan<'_>, node: &Node) -> bool {
    if !is_down(node) {
        return false;
    }
    let due = lost_at(node);
    if plan.now < due {
        plan.wake(due);
    }
    plan.now >= due
}

/// When the tasks of a node that is down count as lost.
///
/// The time of the node's last change stands for the time when it went down. Editing a node that is down starts the
/// period anew, so a task is never lost too early.
pub(super) fn lost_at(node: &Node) -> Timestamp {
    node.meta.updated_at.plus(NODE_DOWN_PERIOD)
}

/// What a task takes from its node, if it reserved anything and the scheduler gave it.
pub(super) fn held_reservation(task: &Task) -> Option<&Resources> {
    let holds = task.is_wanted() && (TaskState::Assigned..=TaskState::Running).contains(&task.status.state);
    let reserved = task.spec().resources.as_ref()?.reservations.as_ref()?;
    let is_some = reserved.nano_cpus > 0 || reserved.memory_bytes > 0 || !task.generic.is_empty();
    (holds && is_some).then_some(reserved)
}

/// What the tasks of a node took from it.
#[derive(Default)]
struct Load {
    nano_cpus: i64,
    memory_bytes: i64,
    generic: Vec<GenericResource>,
}

impl Load {
    fn fits(&self, has: &Resources) -> bool {
        let mut supply = Supply::of(&has.generic_resources);
        self.nano_cpus <= has.nano_cpus
            && self.memory_bytes <= has.memory_bytes
            && self.generic.iter().all(|resource| supply.take(resource))
    }
}

fn relieve(plan: &mut Plan<'_>, state: &State, node: &Node, hit: &mut Vec<ServiceId>) {
    let mut tasks: Vec<&Arc<Task>> = state.tasks_of_node(node.id).collect();
    tasks.sort_unstable_by_key(|task| (task.meta.created_at, task.id));
    let mut free = (node.description.resources.nano_cpus, node.description.resources.memory_bytes);
    let mut supply = Supply::of(&node.description.resources.generic_resources);
    for task in tasks {
        let Some(reserved) = held_reservation(task) else { continue };
        let mut left = supply.clone();
        let is_there = task.generic.iter().all(|resource| left.take(resource));
        if reserved.nano_cpus > free.0 || reserved.memory_bytes > free.1 || !is_there {
            reject(plan, task);
            hit.extend(task.service);
        } else {
            free = (free.0 - reserved.nano_cpus, free.1 - reserved.memory_bytes);
            supply = left;
        }
    }
}

/// The observed state says so, not the desired one: whether another task follows is the restart policy's to say.
fn reject(plan: &mut Plan<'_>, task: &Task) {
    let status = TaskStatus {
        message: "task rejected by constraint enforcer".to_owned(),
        err: "assigned node no longer meets constraints".to_owned(),
        ..task.status.clone()
    };
    report(plan, task, status, TaskState::Rejected);
}

fn report(plan: &mut Plan<'_>, task: &Task, status: TaskStatus, state: TaskState) {
    let timestamp: Timestamp = plan.now;
    plan.push(Change::TaskReport { id: task.id, status: TaskStatus { state, timestamp, ..status } });
}
