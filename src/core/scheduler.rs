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
    let services = plan.services_to_place();
    let (preset, groups) = pending(plan.state(), &services);
    for service in services {
        plan.focus().note_waiting(service, false);
    }
    if preset.is_empty() && groups.is_empty() {
        return;
    }
    let mut nodes = NodeSet::of(plan.state(), plan.now);
    let mut changes = Vec::new();
    // Tasks of global services go first, as in swarmkit: they have no other node to go to.
    let refused: Vec<&Arc<Task>> =
        preset.iter().filter(|task| !confirm(plan, &mut nodes, task, &mut changes)).collect();
    let left: Vec<(Demand, &[Arc<Task>])> =
        groups.iter().filter_map(|group| place(&mut nodes, group, &mut changes)).collect();
    // Reasons are given last, when every node has all its tasks: only then does planning again find the same ones.
    for task in refused {
        note_waiting(plan, task);
        changes.extend(refusal(&mut nodes, task).and_then(|err| waits(plan, task, err)));
    }
    for (demand, tasks) in left {
        let err = no_suitable_node(&nodes, &demand);
        tasks.first().into_iter().for_each(|task| note_waiting(plan, task));
        changes.extend(tasks.iter().filter_map(|task| waits(plan, task, err.clone())));
    }
    for change in changes {
        plan.push(change);
    }
}

/// The tasks that wait for the scheduler: those with a node preset, and the others in groups; the oldest group first.
fn pending(state: &State, services: &[ServiceId]) -> (Vec<Arc<Task>>, Vec<Group>) {
    let mut preset = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    // A spec is shared by the tasks made from it, so its address tells groups apart; it never decides an order.
    let mut known: HashMap<(ServiceId, *const ServiceSpec), usize> = HashMap::new();
    // Tasks whose service is gone are about to be told to go.
    let there = services.iter().filter(|service| state.service(**service).is_some());
    let all = there.flat_map(|service| state.tasks_of_service(*service).map(move |task| (*service, task)));
    for (service, task) in all {
        if task.status.state != TaskState::Pending || task.desired > TaskState::Complete {
            continue;
        }
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
    preset.sort_by_key(|task| task.id);
    for group in &mut groups {
        group.sort_by_key(|task| (task.meta.created_at, task.slot, task.id));
    }
    groups.sort_by_key(|group| group.first().map(|task| (task.meta.created_at, task.service, task.id)));
    (preset, groups)
}

/// Keeps in mind that a task's service has one for which there is no node.
fn note_waiting(plan: &mut Plan<'_>, task: &Task) {
    if let Some(service) = task.service {
        plan.focus().note_waiting(service, true);
    }
}

/// Confirms a task that the orchestrator bound to its node, if it fits there. A node that is gone refuses nothing: the
/// orchestrator will end the task.
fn confirm(plan: &Plan<'_>, nodes: &mut NodeSet, task: &Task, changes: &mut Vec<Change>) -> bool {
    let Some(node) = task.node.and_then(|id| nodes.at_mut(id)) else { return true };
    let demand = Demand::of(task);
    if filter::first_refusal(&demand, node).is_some() {
        return false;
    }
    let generic = node.claim(&demand);
    node.add(task);
    if !generic.is_empty() {
        changes.push(Change::TaskAssign { id: task.id, node: node.node.id, generic });
    }
    let status = TaskStatus {
        timestamp: plan.now,
        state: TaskState::Assigned,
        message: "scheduler confirmed task can run on preassigned node".into(),
        ..TaskStatus::default()
    };
    changes.push(Change::TaskReport { id: task.id, status });
    true
}

/// Why a task does not fit on the node that it is bound to.
fn refusal(nodes: &mut NodeSet, task: &Task) -> Option<String> {
    let node = nodes.at_mut(task.node?)?;
    filter::first_refusal(&Demand::of(task), node).map(|filter| filter.explain(1))
}

/// Deals out the tasks of one group; returns those that find no node, and what they ask for.
fn place<'a>(
    nodes: &mut NodeSet,
    group: &'a [Arc<Task>],
    changes: &mut Vec<Change>,
) -> Option<(Demand, &'a [Arc<Task>])> {
    let demand = Demand::of(group.first()?);
    let mut tree = Tree::new(nodes, &demand);
    for (at, task) in group.iter().enumerate() {
        match tree.assign(nodes, &demand, task) {
            Some((node, generic)) => changes.push(Change::TaskAssign { id: task.id, node, generic }),
            // All tasks of the group are alike: where one finds no place, no other will.
            None => return Some((demand, &group[at..])),
        }
    }
    None
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
