//! Placement: gives every pending task a node, or says why there is none.
//!
//! Never makes, stops or moves a task. Tasks of one service and spec are alike, so the nodes are filtered once for the
//! whole group and the tasks dealt out with a heap: the cost is about tasks + groups x nodes. Looks at state alone;
//! the same state always gives the same placement. Called once in each step, after the allocator. Filters, order of
//! preference and sentences are those of swarmkit's `manager/scheduler`.

pub mod demand;
pub mod filter;
pub mod node_info;
pub mod spread;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use demand::Demand;
use node_info::NodeSet;
use spread::Tree;

use crate::model::{ServiceId, ServiceSpec, Task, TaskState, TaskStatus};
use crate::plan::Plan;
use crate::state::{Change, State};

/// A node that saw this many tasks of a service fail within [`FAILURE_WINDOW`] is the last choice for it (swarmkit's
/// `maxFailures`).
pub const MAX_FAILURES: u32 = 5;
/// How long a failure counts, ns (swarmkit's `monitorFailures`, five minutes).
pub const FAILURE_WINDOW: i64 = 5 * 60 * 1_000_000_000;

/// Tasks that are alike: one service, one spec.
type Group = Vec<Arc<Task>>;

/// Places every pending task that fits somewhere.
pub fn plan(plan: &mut Plan<'_>) {
    let (preset, groups) = pending(plan.state());
    if preset.is_empty() && groups.is_empty() {
        return;
    }
    let mut nodes = NodeSet::of(plan.state(), plan.now);
    let mut changes = Vec::new();
    // Tasks of global services go first, as in swarmkit: they have no other node to go to.
    for task in &preset {
        changes.extend(confirm(plan, &mut nodes, task));
    }
    for group in groups {
        place(plan, &mut nodes, group, &mut changes);
    }
    for change in changes {
        plan.push(change);
    }
}

/// The tasks that wait for the scheduler: those with a node preset, and the others in groups; the oldest group first.
fn pending(state: &State) -> (Vec<Arc<Task>>, Vec<Group>) {
    let mut preset = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    // A spec is shared by the tasks made from it, so its address tells groups apart; it never decides an order.
    let mut known: HashMap<(ServiceId, *const ServiceSpec), usize> = HashMap::new();
    for task in state.tasks() {
        let waits = task.status.state == TaskState::Pending && task.desired <= TaskState::Complete;
        // Tasks whose service is gone are about to be told to go.
        let Some(service) = task.service.filter(|id| waits && state.service(*id).is_some()) else { continue };
        if task.node.is_some() {
            preset.push(task.clone());
            continue;
        }
        let at = *known.entry((service, Arc::as_ptr(&task.origin))).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group::new());
        }
        groups[at].push(task.clone());
    }
    for group in &mut groups {
        group.sort_by_key(|task| (task.meta.created_at, task.slot, task.id));
    }
    groups.sort_by_key(|group| group.first().map(|task| (task.meta.created_at, task.service, task.id)));
    (preset, groups)
}

/// A task that the orchestrator bound to its node: it fits there, or waits.
fn confirm(plan: &Plan<'_>, nodes: &mut NodeSet, task: &Task) -> Option<Change> {
    // A node that is gone has nothing to say; the orchestrator removes the task.
    let node = nodes.at_mut(task.node?)?;
    let demand = Demand::of(task);
    if let Some(filter) = filter::first_refusal(&demand, node) {
        return waits(plan, task, filter.explain(1));
    }
    node.add(task);
    let status = TaskStatus {
        timestamp: plan.now,
        state: TaskState::Assigned,
        message: "scheduler confirmed task can run on preassigned node".into(),
        ..TaskStatus::default()
    };
    Some(Change::TaskReport { id: task.id, status })
}

/// Deals out the tasks of one group; those that find no node learn why.
fn place(plan: &Plan<'_>, nodes: &mut NodeSet, group: Group, changes: &mut Vec<Change>) {
    let Some(first) = group.first() else { return };
    let demand = Demand::of(first);
    let mut tree = Tree::new(nodes, &demand);
    let mut rest = group.iter();
    for task in rest.by_ref() {
        let Some(node) = tree.assign(nodes, &demand, task) else {
            // All tasks of the group are alike: where one finds no place, no other will.
            let err = no_suitable_node(nodes, &demand);
            changes.extend(waits(plan, task, err.clone()));
            changes.extend(rest.filter_map(|task| waits(plan, task, err.clone())));
            return;
        };
        changes.push(Change::TaskAssign { id: task.id, node });
    }
}

/// `no suitable node (insufficient resources on 2 nodes; …)`: each node counts for the first filter that refuses it,
/// the filter that refuses most comes first.
fn no_suitable_node(nodes: &NodeSet, demand: &Demand) -> String {
    let mut refusals = filter::ALL.map(|filter| (filter, 0_usize));
    for node in nodes.iter() {
        let refusal = filter::first_refusal(demand, node);
        if let Some(entry) = refusals.iter_mut().find(|(filter, _)| Some(*filter) == refusal) {
            entry.1 += 1;
        }
    }
    refusals.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons: Vec<String> =
        refusals.iter().filter(|(_, count)| *count > 0).map(|(filter, count)| filter.explain(*count)).collect();
    if reasons.is_empty() { "no suitable node".into() } else { format!("no suitable node ({})", reasons.join("; ")) }
}

/// Tells why a task waits; nothing if that is known already.
fn waits(plan: &Plan<'_>, task: &Task, err: String) -> Option<Change> {
    (task.status.err != err).then(|| Change::TaskReport {
        id: task.id,
        status: TaskStatus { timestamp: plan.now, err, ..task.status.clone() },
    })
}
