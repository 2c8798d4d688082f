//! Rolling updates and rollbacks: tasks of an older spec are replaced, at most `parallelism` slots at a time, `delay`
//! apart, and the whole stops or turns back when too many of the new tasks fail (swarmkit
//! `manager/orchestrator/update`).
//!
//! Swarmkit runs a goroutine with workers and a memory. Here everything is read off the tasks at every step:
//!
//! - A task that an update made carries a mark: it was never restarted, and `not_before` is the time of its making
//!   ([`is_mark`]). Marks of the present spec, made since the update began, are the slots done so far.
//! - A slot occupies a worker while its mark has not come up, and for `delay` after that.
//! - Marks that never came up, or ended soon after they did, are the failures.

use std::sync::Arc;

use super::global;
use super::scope::Scope;
use super::slot::{Fill, Slot};
use crate::model::{
    HealthConfig, RestartPlan, ServiceSpec, Task, TaskId, TaskState, Timestamp, UpdateConfig, UpdateState, UpdateStatus,
};
use crate::plan::Plan;
use crate::state::Change;

/// How long new tasks are watched when the spec does not say, ns (swarmkit `api/defaults/service.go`).
const DEFAULT_MONITOR: i64 = 5_000_000_000;
/// Added to a monitor period that is not longer than the delay, ns, so that the last slot is watched at all (swarmkit
/// `Updater.Run`).
const MONITOR_MARGIN: i64 = 1_000_000_000;
/// The engine's own interval and retries of a health check that names none (`moby: daemon/health.go`); the interval in ns.
const HEALTH_DEFAULTS: (i64, i64) = (30_000_000_000, 3);

/// Brings the update of a service forward.
pub(super) fn advance(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let config = Config::of(scope);
    let progress = Progress::of(scope, &config, slots);
    if scope.service.update_status.is_none() {
        if progress.is_dirty() {
            let started = status(scope, UpdateState::Updating, "update in progress");
            set_status(plan, scope, UpdateStatus { started_at: Some(plan.now), ..started });
        }
        return;
    }
    // A slot whose new task has come up is finished even if the update is paused meanwhile.
    for (slot, keeper) in &progress.finishing {
        for task in slot.wanted().filter(|task| task.id != keeper.id) {
            plan.push(Change::TaskDesire { id: task.id, state: TaskState::Shutdown });
        }
    }
    if matches!(scope.update_state(), Some(UpdateState::Paused | UpdateState::RollbackPaused)) {
        return;
    }
    if scope.is_updating()
        && let Some(task) = fatal_failure(&progress, &config)
    {
        return give_up(plan, scope, &config, task);
    }
    if let Some(at) = progress.next_free.filter(|_| !progress.candidates.is_empty()) {
        plan.wake(at);
    }
    for slot in progress.chosen(&config) {
        replace(plan, scope, &config, slot);
    }
    if scope.is_updating() && !progress.is_dirty() && progress.coming_up == 0 {
        complete(plan, scope, &config, progress.done_at);
    }
}

/// Whether history must keep this task, because it counts as a failure of the update under way.
pub(super) fn remembers(scope: &Scope<'_>, task: &Task) -> bool {
    scope.is_updating() && is_mark(scope, task)
}

/// The part of the spec that governs this update.
struct Config {
    parallelism: usize,
    delay: i64,
    monitor: i64,
    max_failure_ratio: f32,
    action: Action,
    is_start_first: bool,
}

/// What is done when too many new tasks fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Pause,
    Continue,
    Rollback,
}

impl Config {
    fn of(scope: &Scope<'_>) -> Config {
        // Swarmkit's defaults: one by one, stop first, pause on failure.
        let default = UpdateConfig { parallelism: 1, ..UpdateConfig::default() };
        let spec = match scope.update_state() {
            Some(UpdateState::RollbackStarted) => &scope.service.spec.rollback_config,
            _ => &scope.service.spec.update_config,
        };
        let spec = spec.as_ref().unwrap_or(&default);
        Config {
            parallelism: match usize::try_from(spec.parallelism) {
                Ok(0) | Err(_) => usize::MAX,
                Ok(count) => count,
            },
            delay: spec.delay.max(0),
            monitor: match spec.monitor {
                1.. => spec.monitor,
                _ => DEFAULT_MONITOR.max(health_window(&scope.service.spec)),
            },
            max_failure_ratio: spec.max_failure_ratio,
            action: match spec.failure_action.as_str() {
                "continue" => Action::Continue,
                "rollback" => Action::Rollback,
                _ => Action::Pause,
            },
            is_start_first: spec.order == "start-first",
        }
    }
}

/// How far the update has come.
#[derive(Default)]
struct Progress<'s, 't> {
    /// Slots that a worker must take.
    candidates: Vec<&'s Slot<'t>>,
    /// Slots with a task of the present spec that others must make way for now.
    finishing: Vec<(&'s Slot<'t>, &'t Arc<Task>)>,
    /// Slots where the old task stays until the new one runs.
    waiting: usize,
    /// Slots that this update has taken.
    taken: usize,
    /// Of these, the ones that occupy a worker.
    busy: usize,
    /// Of these, the ones whose task has not come up.
    coming_up: usize,
    /// When the next worker is free, if its delay is all it waits for.
    next_free: Option<Timestamp>,
    /// When the last slot came up, or failed to.
    done_at: Option<Timestamp>,
    /// New tasks that ended too soon, with the time.
    failures: Vec<(Timestamp, TaskId)>,
}

impl<'s, 't> Progress<'s, 't> {
    fn of(scope: &Scope<'_>, config: &Config, slots: &'s [Slot<'t>]) -> Progress<'s, 't> {
        let mut progress = Progress::default();
        for slot in slots {
            if scope.service.is_global() && !global::is_updatable(scope, slot) {
                continue;
            }
            if let Some(task) = slot.wanted().find(|task| is_coming_up(scope, task)) {
                progress.busy += 1;
                progress.coming_up += 1;
                progress.taken += usize::from(is_mark(scope, task));
                progress.take_slot(scope, config, slot, Try::Underway);
                continue;
            }
            let mark = slot.tasks.iter().rev().find(|task| is_mark(scope, task));
            if let Some(mark) = mark {
                progress.take_mark(scope, config, mark);
            }
            let is_tried = mark.is_some() || is_of_update(scope, slot.newest());
            progress.take_slot(scope, config, slot, if is_tried { Try::Over } else { Try::None });
        }
        progress
    }

    fn take_mark(&mut self, scope: &Scope<'_>, config: &Config, mark: &Task) {
        self.taken += 1;
        // A time to come is one that was given up (the leader's clock was wrong by days): then it was long ago.
        let done_at = Some(mark.observed_at()).filter(|at| *at <= scope.now).unwrap_or(Timestamp::ZERO);
        self.done_at = self.done_at.max(Some(done_at));
        let free_at = done_at.plus(config.delay);
        if scope.now < free_at {
            self.busy += 1;
            self.next_free = Some(self.next_free.map_or(free_at, |next| next.min(free_at)));
        }
        if is_failure(config, mark) {
            self.failures.push((done_at, mark.id));
        }
    }

    fn take_slot(&mut self, scope: &Scope<'_>, config: &Config, slot: &'s Slot<'t>, tried: Try) {
        let is_dirty = match slot.fill(scope) {
            Fill::Wanted => slot.wanted().count() > 1 || slot.wanted().any(|task| !scope.is_current(task)),
            Fill::Retired => !scope.is_current(slot.newest()),
            Fill::Dead => false,
        };
        if !is_dirty {
            return;
        }
        match slot.keeper(scope) {
            Some(keeper) => {
                let must_run = config.is_start_first && keeper.status.state != TaskState::Running;
                if !(must_run && slot.is_running()) {
                    self.finishing.push((slot, keeper));
                } else if tried != Try::Over {
                    self.waiting += 1;
                }
            }
            // It failed: the old task stays until one that is restarted has come up. The update does not wait for that.
            None if tried != Try::None => {}
            None => self.candidates.push(slot),
        }
    }

    /// Whether slots remain to be brought in line.
    fn is_dirty(&self) -> bool {
        !self.candidates.is_empty() || !self.finishing.is_empty() || self.waiting > 0
    }

    /// The slots to take now: first those that run nothing, since replacing their tasks costs nothing.
    fn chosen(&self, config: &Config) -> Vec<&'s Slot<'t>> {
        let mut chosen = self.candidates.clone();
        chosen.sort_by_key(|slot| slot.is_running());
        chosen.truncate(config.parallelism.saturating_sub(self.busy));
        chosen
    }
}

/// Whether a task was made by the update under way.
fn is_mark(scope: &Scope<'_>, task: &Task) -> bool {
    is_of_update(scope, task) && is_marked(scope, task)
}

/// Whether a task of the present spec was made since the update began: by it, or as the restart of one that was.
fn is_of_update(scope: &Scope<'_>, task: &Task) -> bool {
    // Before an update has begun nothing is of it: a task of an earlier try at the same spec must not count.
    scope.service.update_status.is_some()
        && task.meta.created_at >= scope.update_started()
        && task.desired != TaskState::Remove
        && scope.is_current(task)
}

/// Whether a task of the present spec was made by an update, this one or one that it superseded.
pub(super) fn is_marked(scope: &Scope<'_>, task: &Task) -> bool {
    let plan = &task.restart;
    plan.attempts == 0
        && plan.not_before == task.meta.created_at
        && task.desired != TaskState::Remove
        && scope.is_current(task)
}

/// What became of an update's first try at a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    None,
    Underway,
    Over,
}

/// Whether an update waits for this task. It occupies a worker even if another update of the same template began since.
fn is_coming_up(scope: &Scope<'_>, task: &Task) -> bool {
    task.is_wanted() && task.status.state < TaskState::Running && is_marked(scope, task)
}

/// How long it takes until a container that was healthy once, and is no more, is known to be so, ns; 0 without a health check. An update
/// that watches for less, as swarmkit's does where the user names no time, calls a success what is none.
fn health_window(spec: &ServiceSpec) -> i64 {
    let check = spec.task_template.container_spec.as_ref().and_then(|container| container.healthcheck.as_ref());
    let is_off = |check: &&HealthConfig| check.test.first().is_some_and(|kind| kind == "NONE");
    let or_default = |given: i64, default: i64| if given > 0 { given } else { default };
    check.filter(|check| !is_off(check)).map_or(0, |check| {
        let interval = or_default(check.interval, HEALTH_DEFAULTS.0);
        interval.saturating_mul(or_default(check.retries, HEALTH_DEFAULTS.1))
    })
}

/// Whether a new task ended too soon. One that was stopped or lost with its node did not fail.
fn is_failure(config: &Config, mark: &Task) -> bool {
    let has_failed = matches!(mark.status.state, TaskState::Complete | TaskState::Failed | TaskState::Rejected);
    let ran = mark.restart.runs_since.map(|since| mark.observed_at().since(since));
    has_failed && ran.is_none_or(|ran| ran <= config.monitor)
}

/// The failure that was one too many.
fn fatal_failure(progress: &Progress<'_, '_>, config: &Config) -> Option<TaskId> {
    if config.action == Action::Continue {
        return None;
    }
    // Swarmkit's measure: all slots that were to be updated, when the update began.
    let total = progress.taken + progress.candidates.len();
    let mut failures = progress.failures.clone();
    failures.sort_unstable();
    let is_fatal = |count: usize| count as f32 / total as f32 > config.max_failure_ratio;
    let (_, (_, task)) = (1..).zip(failures).find(|(count, _)| is_fatal(*count))?;
    Some(task)
}

fn give_up(plan: &mut Plan<'_>, scope: &Scope<'_>, config: &Config, task: TaskId) {
    let is_rollback = scope.update_state() == Some(UpdateState::RollbackStarted);
    let paused = if is_rollback { UpdateState::RollbackPaused } else { UpdateState::Paused };
    let cause = format!("due to failure or early termination of task {task}");
    match (config.action, is_rollback, &scope.service.previous_spec) {
        (Action::Rollback, false, Some(previous)) => {
            let message = format!("update rolled back {cause}");
            let started = status(scope, UpdateState::RollbackStarted, &message);
            plan.push(Change::ServiceUpdate {
                id: scope.service.id,
                spec: Box::new((**previous).clone()),
                previous: None,
                // The clock starts anew, so that what the rollback makes is told from what was there before.
                update_status: Some(UpdateStatus { started_at: Some(plan.now), ..started }),
            });
        }
        // Never roll back a rollback.
        (Action::Rollback, true, _) => {
            set_status(plan, scope, status(scope, paused, &format!("rollback paused {cause}")));
        }
        // Swarmkit says "update" here even when a rollback pauses.
        _ => set_status(plan, scope, status(scope, paused, &format!("update paused {cause}"))),
    }
}

/// Completes the update once the last slots have been watched for long enough.
fn complete(plan: &mut Plan<'_>, scope: &Scope<'_>, config: &Config, done_at: Option<Timestamp>) {
    let monitor = if config.delay >= config.monitor { config.delay + MONITOR_MARGIN } else { config.monitor };
    let due = done_at.map(|at| at.plus(config.delay).plus(monitor));
    if let Some(due) = due.filter(|due| scope.now < *due) {
        return plan.wake(due);
    }
    let completed = match scope.update_state() {
        Some(UpdateState::RollbackStarted) => status(scope, UpdateState::RollbackCompleted, "rollback completed"),
        _ => status(scope, UpdateState::Completed, "update completed"),
    };
    set_status(plan, scope, UpdateStatus { completed_at: Some(plan.now), ..completed });
}

/// Takes one slot: makes the new task, and unless it is to start first, stops the old one.
fn replace(plan: &mut Plan<'_>, scope: &Scope<'_>, config: &Config, slot: &Slot<'_>) {
    let is_occupied = match scope.service.is_by_node() {
        true => slot.is_occupied(scope),
        false => slot.wanted().any(|task| scope.is_alive(task)),
    };
    let must_wait = !config.is_start_first && is_occupied;
    let id: TaskId = plan.ids.fresh();
    plan.push(Change::TaskCreate {
        id,
        service: scope.service.id,
        slot: slot.number(),
        node: slot.node(),
        desired: if must_wait { TaskState::Ready } else { TaskState::Running },
        restart: RestartPlan { not_before: plan.now, ..RestartPlan::default() },
    });
    if !config.is_start_first {
        for task in slot.wanted() {
            plan.push(Change::TaskDesire { id: task.id, state: TaskState::Shutdown });
        }
    }
}

fn status(scope: &Scope<'_>, state: UpdateState, message: &str) -> UpdateStatus {
    let started_at = scope.service.update_status.as_ref().and_then(|status| status.started_at);
    UpdateStatus { state, started_at, completed_at: None, message: message.to_owned() }
}

fn set_status(plan: &mut Plan<'_>, scope: &Scope<'_>, status: UpdateStatus) {
    plan.push(Change::ServiceUpdateStatus { id: scope.service.id, status: Some(status) });
}
