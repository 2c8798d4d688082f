//! The order in which tasks go: a task that others are sent to is taken out of every resolver and balancer first, the nodes
//! that have it there say so, and only then its node may stop it.
//!
//! `apply` marks a task that is told to stop while it is announced ([`crate::model::Parting`]); here it is decided when that
//! is over. What nodes have applied is no part of the state: a new leader knows nothing of it and waits a little longer.
//! Called by [`crate::step`] after the orchestrator. (Docker sleeps 2 s instead, whether anybody is sent there or not:
//! moby, `daemon/cluster/executor/container/controller.go`, `defaultGossipConvergeDelay`.)

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{NetworkId, NodeId, Task, TaskId};
use crate::plan::Plan;
use crate::state::{Change, State};

#[cfg(test)]
mod tests;

/// How long it is waited for nodes at most, ns: a node that does not answer must not hold up the others. As long as Docker
/// waits in any case.
const PATIENCE: i64 = 2_000_000_000;

/// The log index at which the balancers of each node are, as far as that is known.
pub type Applied = BTreeMap<NodeId, u64>;

/// Releases the tasks that nobody is sent to any more.
pub fn plan(plan: &mut Plan<'_>, applied: &Applied) {
    let held: Vec<Arc<Task>> = plan.state().held().cloned().collect();
    let mut reached = BTreeMap::new();
    let mut free: Vec<TaskId> = Vec::new();
    for task in held {
        let Some(parting) = task.parting else { continue };
        let due = parting.at.plus(PATIENCE);
        let is_out =
            |network| *reached.entry(network).or_insert_with(|| reach(plan.state(), network, applied)) >= parting.index;
        if plan.now >= due || networks(&task).all(is_out) {
            free.push(task.id);
        } else {
            plan.wake(due);
        }
    }
    for id in free {
        plan.push(Change::TaskRelease { id });
    }
}

fn networks(task: &Task) -> impl Iterator<Item = NetworkId> + '_ {
    task.networks
        .iter()
        .filter(|attachment| !attachment.addresses.is_empty())
        .filter_map(|attachment| attachment.network)
}

/// The log index that everybody on a network has applied.
fn reach(state: &State, network: NetworkId, applied: &Applied) -> u64 {
    let audience = state.audience(network).into_iter();
    audience.map(|node| applied.get(&node).copied().unwrap_or(0)).min().unwrap_or(u64::MAX)
}
