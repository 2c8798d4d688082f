//! Slots: the places of a service that one task each should fill, a number for a replicated service or job, a node for
//! a global one. Groups tasks and says what a group amounts to; changes nothing.

use std::cmp::Reverse;
use std::sync::Arc;

use super::restart;
use super::scope::Scope;
use crate::model::{NodeId, Task, TaskState, UpdateState};

/// The tasks of one slot, oldest first; never empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'t> {
    pub tasks: &'t [Arc<Task>],
    is_by_node: bool,
}

/// What a slot amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Some task in it is wanted.
    Wanted,
    /// Its last task ended and is not to be restarted: the slot counts, and only an update touches it.
    Retired,
    /// Nothing in it counts.
    Dead,
}

/// The tasks of a service, sorted by slot and then by age.
pub(super) fn gather(scope: &Scope<'_>) -> Vec<Arc<Task>> {
    let mut tasks: Vec<Arc<Task>> = scope.state.tasks_of_service(scope.service.id).cloned().collect();
    let is_by_node = scope.service.is_by_node();
    tasks.sort_unstable_by_key(|task| (key(task, is_by_node), task.iteration, task.meta.created_at, task.id));
    tasks
}

/// Cuts sorted tasks into slots.
pub(super) fn group(tasks: &[Arc<Task>], is_by_node: bool) -> Vec<Slot<'_>> {
    let same = |a: &Arc<Task>, b: &Arc<Task>| key(a, is_by_node) == key(b, is_by_node);
    tasks.chunk_by(same).map(|tasks| Slot { tasks, is_by_node }).collect()
}

fn key(task: &Task, is_by_node: bool) -> (u64, Option<NodeId>) {
    if is_by_node { (0, task.node) } else { (task.slot, None) }
}

impl<'t> Slot<'t> {
    /// The number of a slot; 0 where slots are nodes.
    pub fn number(&self) -> u64 {
        if self.is_by_node { 0 } else { self.tasks[0].slot }
    }

    /// The node of a slot, where slots are nodes.
    pub fn node(&self) -> Option<NodeId> {
        if self.is_by_node { self.tasks[0].node } else { None }
    }

    /// The tasks that run or are still meant to.
    pub fn wanted(&self) -> impl Iterator<Item = &'t Arc<Task>> {
        self.tasks.iter().filter(|task| task.is_wanted())
    }

    /// The task that was made last.
    pub fn newest(&self) -> &'t Arc<Task> {
        &self.tasks[self.tasks.len() - 1]
    }

    /// Whether a task of this slot is observed to run and meant to.
    pub fn is_running(&self) -> bool {
        self.wanted().any(|task| task.status.state == TaskState::Running)
    }

    /// Whether some container of this slot is still to stop, or would have to if its task were no longer wanted.
    pub fn is_occupied(&self, scope: &Scope<'_>) -> bool {
        self.tasks.iter().any(|task| scope.is_alive(task))
    }

    /// What the slot amounts to (swarmkit `UpdatableTasksInSlot`).
    ///
    /// A rollback brings back the slots whose last task had ended for good before it began: otherwise a service
    /// could come out of a rollback with fewer tasks than it ever asked for.
    pub fn fill(&self, scope: &Scope<'_>) -> Fill {
        if self.wanted().next().is_some() {
            return Fill::Wanted;
        }
        if self.tasks.iter().any(|task| scope.is_achieved(task)) {
            return Fill::Retired;
        }
        let last = self.newest();
        // What an earlier execution of a job left there says nothing about this one.
        if last.iteration != scope.iteration() {
            return Fill::Dead;
        }
        if last.desired >= TaskState::Remove || restart::may_restart(scope, last) {
            return Fill::Dead;
        }
        let is_rolling_back = scope.update_state() == Some(UpdateState::RollbackStarted);
        if is_rolling_back && last.meta.created_at < scope.update_started() && scope.is_current(last) {
            return Fill::Dead;
        }
        Fill::Retired
    }

    /// Of the wanted tasks with the present spec, the one to keep: the furthest, then the oldest.
    pub fn keeper(&self, scope: &Scope<'_>) -> Option<&'t Arc<Task>> {
        let current = self.wanted().filter(|task| !task.status.state.is_terminal() && scope.is_current(task));
        current.max_by_key(|task| (task.status.state, task.desired, Reverse((task.meta.created_at, task.id))))
    }
}
