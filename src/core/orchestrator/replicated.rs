//! Replicated services: slots 1 to N (swarmkit `manager/orchestrator/replicated`).
//!
//! Decides which slots go when there are too many, and which numbers the missing ones get.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scope::Scope;
use super::slot::{Fill, Slot};
use crate::model::{NodeId, RestartPlan, Task, TaskState};
use crate::plan::Plan;
use crate::state::Change;

/// Empties the slots that are too many.
///
/// As in swarmkit (`replicated/services.go`): those whose task is one of the most on its node, so that what stays is
/// spread evenly; of these the ones that do not run, and then those with the highest numbers, because the first
/// replica is often the one that others depend on. Slots that hold two tasks, or one that has no node yet, go first.
/// The history of such a slot goes with it.
pub(super) fn shrink(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let replicas = usize::try_from(scope.service.replicas().unwrap_or(0)).unwrap_or(usize::MAX);
    let mut filled: Vec<&Slot<'_>> = slots.iter().filter(|slot| slot.fill(scope) != Fill::Dead).collect();
    if filled.len() <= replicas {
        return;
    }
    filled.sort_by_key(|slot| (!is_observed_running(scope, slot), slot.number()));
    let mut copies: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, &Slot<'_>)> = filled
        .into_iter()
        .map(|slot| {
            let rank = match occupants(slot)[..] {
                [Task { node: Some(node), .. }] => {
                    let copy = copies.entry(*node).or_default();
                    *copy += 1;
                    *copy
                }
                _ => usize::MAX,
            };
            (rank, slot)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut surplus: Vec<&Slot<'_>> = ranked.split_off(replicas).into_iter().map(|(_, slot)| slot).collect();
    surplus.sort_by_key(|slot| slot.number());
    for slot in surplus {
        clear(plan, slot);
    }
}

/// Makes a task in the lowest numbers that are free, until there are as many slots as replicas; clears what is left
/// in slots that no longer count.
pub(super) fn fill(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let replicas = scope.service.replicas().unwrap_or(0);
    // Sorted, as slots are.
    let (dead, filled): (Vec<&Slot<'_>>, Vec<&Slot<'_>>) =
        slots.iter().partition(|slot| slot.fill(scope) == Fill::Dead);
    let missing = replicas.saturating_sub(u64::try_from(filled.len()).unwrap_or(u64::MAX));
    let mut taken = filled.iter().map(|slot| slot.number()).peekable();
    let mut number = 0;
    for _ in 0..missing {
        number += 1;
        while taken.next_if(|taken| *taken <= number).is_some_and(|taken| taken == number) {
            number += 1;
        }
        let id = plan.ids.fresh();
        plan.push(Change::TaskCreate {
            id,
            service: scope.service.id,
            slot: number,
            node: None,
            desired: TaskState::Running,
            restart: RestartPlan::default(),
        });
    }
    // What is up to `number` was filled again just now and keeps its history.
    for slot in dead.iter().filter(|slot| slot.number() > number) {
        clear(plan, slot);
    }
}

/// The tasks that swarmkit counts as the slot's own: the wanted ones, or the last of a retired slot.
fn occupants<'t>(slot: &Slot<'t>) -> Vec<&'t Task> {
    let wanted: Vec<&Task> = slot.wanted().map(Arc::as_ref).collect();
    if wanted.is_empty() { vec![slot.newest()] } else { wanted }
}

/// A task on a node that is lost is not worth keeping, whatever was last heard of it.
fn is_observed_running(scope: &Scope<'_>, slot: &Slot<'_>) -> bool {
    slot.wanted().any(|task| task.status.state == TaskState::Running && !scope.is_displaced(task))
}

fn clear(plan: &mut Plan<'_>, slot: &Slot<'_>) {
    for task in slot.tasks.iter().filter(|task| task.desired < TaskState::Remove) {
        plan.push(Change::TaskDesire { id: task.id, state: TaskState::Remove });
    }
}
