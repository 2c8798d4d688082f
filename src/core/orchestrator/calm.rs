//! Whether a service needs nothing: one pass over its tasks, without sorting and without memory of its own.
//!
//! Only a shortcut. It may call a service restless that is not, never the other way round; a test holds it against the
//! phases. Nearly all services are calm in nearly all steps, so this is what a step costs.

use super::enforcer;
use super::reaper;
use super::scope::{Scope, is_down};
use crate::model::{Task, TaskState, Timestamp};

/// Slot numbers that the shortcut keeps count of; a service with higher ones goes through the phases. 8 bytes each.
const MAX_SLOTS: usize = 1 << 20;

/// What one pass over a service's tasks found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Survey {
    /// Whether some of them reserve resources of their node.
    pub reserves: bool,
    /// Whether no phase would change anything.
    pub calm: bool,
    /// When that must be asked again, even if nothing happens.
    pub wake: Option<Timestamp>,
}

/// Memory that surveys of one step share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    slots: Vec<Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    kept: u32,
    wanted: bool,
}

/// Looks at the tasks of a service once.
pub(super) fn survey(scope: &Scope<'_>, scratch: &mut Scratch) -> Survey {
    let mut survey = Survey { calm: !scope.is_updating(), ..Survey::default() };
    let Some(replicas) = scope.service.replicas().filter(|_| !scope.service.is_global()) else {
        // A global service must look at every node anyway.
        survey.calm = survey.calm && is_done(scope, scratch);
        for task in scope.state.tasks_of_service(scope.service.id) {
            count(&mut survey, task);
        }
        return survey;
    };
    scratch.slots.clear();
    let mut wanted = 0;
    for task in scope.state.tasks_of_service(scope.service.id) {
        count(&mut survey, task);
        survey.calm = survey.calm && is_sound(scope, task, &mut survey.wake) && note(scratch, task);
        wanted += u64::from(task.is_wanted());
    }
    if survey.calm {
        let limit = reaper::history_limit(scope);
        let is_settled = |count: &Count| {
            count.kept == 0 || count.wanted && usize::try_from(count.kept).is_ok_and(|kept| kept <= limit.max(1))
        };
        survey.calm = wanted == replicas && scratch.slots.iter().all(is_settled);
    }
    survey
}

/// Whether a replicated job has all its completions, and besides them nothing but history that it may keep: then nothing
/// that happens to nodes or time concerns it.
fn is_done(scope: &Scope<'_>, scratch: &mut Scratch) -> bool {
    let Some(job) = &scope.service.spec.mode.replicated_job else { return false };
    scratch.slots.clear();
    let mut done = 0;
    for task in scope.state.tasks_of_service(scope.service.id) {
        let is_over = task.status.state.is_terminal() && !task.is_wanted() && !reaper::is_gone(task);
        if !is_over || !note(scratch, task) {
            return false;
        }
        done += u64::from(scope.is_achieved(task));
    }
    let limit = reaper::history_limit(scope).max(1);
    Some(done) == job.total_completions
        && scratch.slots.iter().all(|count| usize::try_from(count.kept).is_ok_and(|kept| kept <= limit))
}

fn count(survey: &mut Survey, task: &Task) {
    survey.reserves = survey.reserves || enforcer::held_reservation(task).is_some();
}

/// Whether a task needs nothing, seen by itself, at least until `wake`.
fn is_sound(scope: &Scope<'_>, task: &Task, wake: &mut Option<Timestamp>) -> bool {
    // One look-up of the node for all questions: this is most of what an idle step does.
    let node = scope.node_of(task);
    if task.node.is_some() && node.is_none() && !task.status.state.is_terminal() {
        return false;
    }
    if task.is_wanted() {
        return task.desired == TaskState::Running
            && !task.status.state.is_terminal()
            && scope.is_current(task)
            && node.is_none_or(|node| !is_down(node) && !node.is_drained() && !scope.is_misplaced(task, node));
    }
    if reaper::is_gone(task) {
        return false;
    }
    // A task that is to stop on a node that is down waits for the node, and while it waits, others must not pay.
    if let Some(node) = node.filter(|node| is_down(node) && !task.status.state.is_terminal()) {
        let due = enforcer::lost_at(node);
        *wake = Some(wake.map_or(due, |wake| wake.min(due)));
        return scope.now < due;
    }
    true
}

/// Notes a task under its slot. False if the slot has two wanted tasks, or a number beyond the bound.
fn note(scratch: &mut Scratch, task: &Task) -> bool {
    let Some(slot) = usize::try_from(task.slot).ok().filter(|slot| *slot < MAX_SLOTS) else { return false };
    if scratch.slots.len() <= slot {
        scratch.slots.resize(slot + 1, Count::default());
    }
    let count = &mut scratch.slots[slot];
    // A task that is on its way out counts neither as history nor as a reason to keep the slot.
    count.kept += u32::from(task.desired != TaskState::Remove);
    let is_second = count.wanted && task.is_wanted();
    count.wanted |= task.is_wanted();
    !is_second
}
