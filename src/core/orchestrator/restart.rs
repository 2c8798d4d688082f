//! Restart: a task that ended, or whose node is lost, gives way to another one in its slot, if the policy allows.
//!
//! The replacement is made at once and held back (`desired=ready`) until its delay is over and the container before it
//! has stopped; `docker service ps` shows it as `Ready` meanwhile. How often a slot was restarted travels with its
//! tasks ([`RestartPlan`]), so that `max_attempts` is exact over changes of the leader, where swarmkit counts anew.
//!
//! A slot whose tasks fail again and again, under a policy that sets no end to it, waits longer and longer
//! ([`backed_off`]), where swarmkit restarts for ever after the same delay. The task that failed says so
//! ([`Task::error`]).

use super::scope::Scope;
use super::slot::Slot;
use super::update;
use crate::model::{Backoff, RestartPlan, RestartPolicy, Task, TaskId, TaskState, Timestamp};
use crate::plan::Plan;
use crate::state::Change;

/// Restart delay of a policy that names none, ns (swarmkit `api/defaults/service.go`).
const DEFAULT_DELAY: i64 = 5_000_000_000;
/// How long a replacement waits for the container before it to stop, ns, counted from its making (swarmkit
/// `restart.defaultOldTaskTimeout`): a node that does not answer must not hold a slot for ever.
const STOP_TIMEOUT: i64 = 60_000_000_000;
/// Most restart times kept for one slot. Policies with a window and more attempts than this never forbid a restart;
/// the bound keeps such a policy from growing every task of a slot that fails in a loop.
const MAX_RECENT: usize = 1024;

/// Restarts in a row that wait as long as the policy says, as all of swarmkit's do.
const PATIENT_RESTARTS: u64 = 4;
/// What the first longer delay is at least twice of, ns: no delay at all doubles to none.
const LEAST_DOUBLED: i64 = 1_000_000_000;
/// What delays grow to, ns, unless the policy's is longer: whoever mends what a container needs must not wait for ever.
const LONGEST_DELAY: i64 = 5 * 60 * 1_000_000_000;
/// How long a task runs, ns, for its failure to be the first of a row; or as long as it waited, if that was longer.
const SOUND_RUN: i64 = 60_000_000_000;

/// Replaces what ended or lost its node, and starts what has waited long enough.
pub(super) fn tend(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    for slot in slots {
        // A slot that holds a sound task of the present spec needs no other.
        let mut is_covered = slot.wanted().any(|task| !is_broken(scope, task) && scope.is_current(task));
        for task in slot.wanted() {
            let is_held = task.desired < TaskState::Running;
            let held_until = if is_held { held_until(scope, slot, task) } else { None };
            match (is_broken(scope, task), held_until) {
                // Also for a task that failed while it waited: otherwise an image that cannot be pulled would be
                // tried again and again without any delay.
                (_, Some(until)) => plan.wake(until),
                (false, None) if is_held => {
                    plan.push(Change::TaskDesire { id: task.id, state: scope.goal() });
                }
                (false, None) => {}
                (true, None) => {
                    plan.push(Change::TaskDesire { id: task.id, state: TaskState::Shutdown });
                    if !is_covered && may_restart(scope, task) {
                        replace(plan, scope, task);
                        is_covered = true;
                    }
                }
            }
        }
    }
}

/// Whether the policy of a task lets another one follow it (swarmkit `shouldRestart`).
pub(super) fn may_restart(scope: &Scope<'_>, task: &Task) -> bool {
    // A job's `any` means `on-failure`, as in swarmkit: done is done.
    if task.is_accomplished() {
        return false;
    }
    let Some(policy) = &task.spec().restart_policy else { return true };
    match policy.condition.as_str() {
        "none" => return false,
        "on-failure" if task.status.state == TaskState::Complete => return false,
        _ => {}
    }
    let (max, window) = limits(policy);
    if max == 0 {
        return true;
    }
    if window == 0 {
        return task.restart.attempts < max;
    }
    // The same answer now and later: a task that ended is judged by the time of its end.
    let end = match (task.status.state.is_terminal(), task.is_wanted()) {
        (true, _) => task.observed_at(),
        (false, true) => scope.now,
        (false, false) => task.meta.updated_at,
    };
    let begin = end.plus(-window);
    let recent = task.restart.recent.iter().filter(|at| **at > begin && **at <= end).count();
    u64::try_from(recent).unwrap_or(u64::MAX) < max
}

/// A task that has ended, or must end.
fn is_broken(scope: &Scope<'_>, task: &Task) -> bool {
    task.status.state.is_terminal() || scope.must_move(task)
}

/// Until when a task must wait, at most, before it may start; `None` if it may.
fn held_until(scope: &Scope<'_>, slot: &Slot<'_>, task: &Task) -> Option<Timestamp> {
    // Made in a time that was given up: nobody knows how long it has waited.
    if scope.now < task.meta.created_at {
        return None;
    }
    if scope.now < task.restart.not_before {
        return Some(task.restart.not_before);
    }
    let patience = task.meta.created_at.plus(STOP_TIMEOUT);
    // What was told to stop before an update made this task had another successor that waited for it; as in swarmkit a task of
    // an update waits for those alone whose place it takes. (A report from a container that is stopping makes it count, too.) On
    // one node the two would meet, and two executions of a job must not.
    let may_meet = !scope.service.is_by_node() && !scope.service.is_job() && update::is_marked(scope, task);
    let is_older = |other: &Task| may_meet && other.meta.updated_at < task.meta.created_at;
    let is_stopping = |other: &Task| !other.is_wanted() && scope.is_alive(other) && !is_older(other);
    let must_wait = scope.now < patience && slot.tasks.iter().any(|other| is_stopping(other));
    must_wait.then_some(patience)
}

/// Makes the task that follows `task` in its slot.
fn replace(plan: &mut Plan<'_>, scope: &Scope<'_>, task: &Task) {
    // The delay keeps a container that fails in a loop from wearing out its node. A task that lost its node did not
    // fail, and every second without it is an outage: it is replaced at once. (Swarmkit does so for drained nodes.)
    let row = failed_in_a_row(scope, task);
    let (given, delay) = match delay_of(task) {
        _ if scope.is_displaced(task) => (0, 0),
        given => (given, backed_off(given, row)),
    };
    let is_held = delay > 0 || scope.is_alive(task);
    let restart = RestartPlan { row, ..next_plan(scope, task, delay) };
    if delay > given {
        plan.push(Change::TaskBackoff { id: task.id, backoff: Backoff { row, delay } });
    }
    if delay > 0 {
        plan.wake(restart.not_before);
    }
    let id: TaskId = plan.ids.fresh();
    plan.push(Change::TaskCreate {
        id,
        service: scope.service.id,
        slot: task.slot,
        node: task.node.filter(|_| scope.service.is_by_node()),
        desired: if is_held { TaskState::Ready } else { scope.goal() },
        restart,
    });
}

/// How many tasks of the slot have failed in a row, this one the last, without having run for long. None where nothing is
/// lengthened: where `max_attempts` sets an end to restarts, because a longer delay would carry failures out of its window,
/// after another spec, where the node is at fault, and after a task that was done: many a service does its work and waits for
/// the next time with `--restart-delay`.
fn failed_in_a_row(scope: &Scope<'_>, task: &Task) -> u64 {
    let is_bounded = task.spec().restart_policy.as_ref().is_some_and(|policy| limits(policy).0 > 0);
    let is_done = task.status.state == TaskState::Complete;
    let is_unfit = scope.node_of(task).is_some_and(|node| !scope.fits(node));
    if is_bounded || is_done || is_unfit || scope.is_displaced(task) || !scope.is_current(task) {
        return 0;
    }
    let waited = task.restart.not_before.since(task.meta.created_at);
    let ran = task.restart.runs_since.map_or(0, |since| task.meta.updated_at.since(since));
    let before = if ran >= waited.max(SOUND_RUN) { 0 } else { task.restart.row };
    before.saturating_add(1)
}

/// The policy's delay, as long as that is for so many ends in a row: the same at first, then twice as long each time.
fn backed_off(delay: i64, row: u64) -> i64 {
    let doublings = row.saturating_sub(PATIENT_RESTARTS);
    if doublings == 0 {
        return delay;
    }
    // More bits than these pass the longest delay, whatever was doubled.
    let factor = 1 << doublings.min(32);
    delay.max(LEAST_DOUBLED).saturating_mul(factor).min(delay.max(LONGEST_DELAY))
}

fn delay_of(task: &Task) -> i64 {
    let policy = task.spec().restart_policy.as_ref();
    policy.and_then(|policy| policy.delay).unwrap_or(DEFAULT_DELAY).max(0)
}

/// What the next task of the slot inherits. Restarts under another spec do not count against the present one.
fn next_plan(scope: &Scope<'_>, task: &Task, delay: i64) -> RestartPlan {
    let not_before = if delay > 0 { scope.now.plus(delay) } else { Timestamp::ZERO };
    let past = if scope.is_current(task) { task.restart.clone() } else { RestartPlan::default() };
    let mut recent = past.recent;
    let policy = scope.service.spec.task_template.restart_policy.as_ref();
    match policy.map_or((0, 0), limits) {
        (0, _) | (_, 0) => recent.clear(),
        (max, window) => {
            let begin = scope.now.plus(-window);
            recent.retain(|at| *at > begin);
            recent.push(scope.now);
            let kept = usize::try_from(max).unwrap_or(MAX_RECENT).min(MAX_RECENT);
            recent.drain(..recent.len().saturating_sub(kept));
        }
    }
    RestartPlan { not_before, attempts: past.attempts.saturating_add(1), recent, ..RestartPlan::default() }
}

/// `max_attempts` and `window` (ns); zero means no limit, for ever.
fn limits(policy: &RestartPolicy) -> (u64, i64) {
    (policy.max_attempts.unwrap_or(0), policy.window.unwrap_or(0).max(0))
}
