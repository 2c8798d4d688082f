//! Forgetting: tasks that were told to go and are gone, history beyond its limit, tasks of services and nodes that no
//! longer exist (swarmkit `manager/orchestrator/taskreaper`).
//!
//! The last task of a slot is never forgotten: that it ended for good is what keeps the slot from being filled again.
//! Jobs have a history like services, slot by slot, where swarmkit keeps every attempt for as long as the job is there.

use std::sync::Arc;

use super::enforcer;
use super::scope::Scope;
use super::slot::Slot;
use super::update;
use crate::model::{Task, TaskState};
use crate::plan::Plan;
use crate::state::{Change, State};

/// Tasks kept in a slot, the present one included, when the cluster's spec says nothing (swarmkit `ca/config`,
/// `api/defaults`: 5).
const DEFAULT_LIMIT: i64 = 5;
/// Most tasks kept in a slot for the sake of `max_attempts` alone. Swarmkit keeps them all, because it counts them
/// after a change of the leader; here they are only worth seeing.
const MAX_ATTEMPTS_SHOWN: u64 = 100;

/// Forgets what a service no longer needs.
pub(super) fn reap(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let limit = history_limit(scope);
    for slot in slots {
        for task in slot.tasks.iter().filter(|task| is_gone(task)) {
            plan.push(Change::TaskRemove { id: task.id });
        }
        let kept = slot.tasks.iter().filter(|task| task.desired != TaskState::Remove);
        let excess = kept.count().saturating_sub(limit);
        if excess == 0 {
            continue;
        }
        let mut history: Vec<&Arc<Task>> = slot.tasks.iter().filter(|task| is_history(scope, slot, task)).collect();
        history.sort_by_key(|task| task.observed_at());
        for task in history.into_iter().take(excess) {
            plan.push(Change::TaskRemove { id: task.id });
        }
    }
}

/// Tasks that one slot may keep, the present one included (swarmkit `TaskReaper.tick`): the cluster's limit, none if
/// that is negative, or one more than `max_attempts`.
pub(super) fn history_limit(scope: &Scope<'_>) -> usize {
    let policy = scope.service.spec.task_template.restart_policy.as_ref();
    if let Some(attempts) = policy.and_then(|policy| policy.max_attempts).filter(|attempts| *attempts > 0) {
        return usize::try_from(attempts.min(MAX_ATTEMPTS_SHOWN)).unwrap_or(usize::MAX) + 1;
    }
    let orchestration = scope.state.cluster().map(|cluster| &cluster.spec.orchestration);
    let limit = orchestration.and_then(|spec| spec.task_history_retention_limit).unwrap_or(DEFAULT_LIMIT);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Whether a task that was told to go has nothing left to do.
pub(super) fn is_gone(task: &Task) -> bool {
    task.desired == TaskState::Remove && has_no_container(task)
}

fn has_no_container(task: &Task) -> bool {
    task.status.state.is_terminal() || task.status.state < TaskState::Assigned
}

fn is_history(scope: &Scope<'_>, slot: &Slot<'_>, task: &Arc<Task>) -> bool {
    !task.is_wanted()
        && task.desired != TaskState::Remove
        && has_no_container(task)
        && !Arc::ptr_eq(task, slot.newest())
        && !scope.is_achieved(task)
        && !update::remembers(scope, task)
}

/// Deals with tasks that belong to no service that exists: those of removed services are told to go, and forgotten
/// once they are gone or their node is; attachments of foreign containers end with their node.
pub(super) fn reap_strays(plan: &mut Plan<'_>) {
    let state: State = plan.state().clone();
    for id in plan.focus().strays() {
        let task = state.task(id).filter(|task| task.service.is_none_or(|service| state.service(service).is_none()));
        plan.focus().note_stray(id, task.is_some());
        let Some(task) = task else { continue };
        let is_lost = task.node.is_some_and(|node| match state.node(node) {
            None => true,
            Some(node) => enforcer::is_lost(plan, node),
        });
        let is_over = has_no_container(task) || is_lost;
        if is_over {
            plan.push(Change::TaskRemove { id: task.id });
        } else if task.service.is_some() && task.desired < TaskState::Remove {
            plan.push(Change::TaskDesire { id: task.id, state: TaskState::Remove });
        }
    }
}
