//! Jobs: tasks that run to completion, once for each execution of the service (swarmkit `manager/orchestrator/jobs`).
//!
//! An execution is known by its number ([`crate::model::JobStatus`]), which every task of it carries. Slots of a
//! replicated job are the numbers from 0 to one less than its completions, as in swarmkit, and each is to hold one
//! completed task in the end; slots of a global job are nodes, and `super::global` fills them.
//!
//! Swarmkit looks at a job when the service or one of its tasks changes, and never when a node does. Here a job is
//! looked at like everything else, so that a task whose node is lost is done elsewhere, and a node that comes later has
//! its part in a global job, at once. On a drained node what is under way goes on to its end, as in swarmkit, and only what
//! fails there is done elsewhere.
//!
//! A slot whose task failed for good (`--restart-condition none`, or no attempts left) stays as it is until the next
//! execution, and the other slots have their turn. In swarmkit such a task is not counted the next time that anything ends:
//! failing alone it stops the whole job, beside others it is tried again, and in a global job without a delay and without an
//! end, each node's failure being the occasion for the other's.

use super::scope::Scope;
use super::slot::{Fill, Slot};
use crate::model::{RestartPlan, TaskState};
use crate::plan::Plan;
use crate::state::Change;

/// Ends what earlier executions left. As in swarmkit, a replicated job keeps what had ended by then as its history, a
/// global job keeps nothing.
pub(super) fn supersede(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let keeps_history = !scope.service.is_by_node();
    for task in slots.iter().flat_map(|slot| slot.tasks) {
        if task.iteration == scope.iteration() || task.desired >= TaskState::Remove {
            continue;
        }
        let is_history = keeps_history && task.status.state.is_terminal() && !task.is_wanted();
        if !is_history {
            plan.push(Change::TaskDesire { id: task.id, state: TaskState::Remove });
        }
    }
}

/// Makes a task in the lowest numbers that are free, as many as may run at once and are still to be completed.
pub(super) fn fill(plan: &mut Plan<'_>, scope: &Scope<'_>, slots: &[Slot<'_>]) {
    let Some(job) = &scope.service.spec.mode.replicated_job else { return };
    let concurrent = job.max_concurrent.unwrap_or(1);
    let total = job.total_completions.unwrap_or(concurrent);
    let busy = slots.iter().filter(|slot| slot.fill(scope) == Fill::Wanted).count() as u64;
    let mut slots = slots.iter().peekable();
    let mut missing = concurrent.saturating_sub(busy);
    // Both are in the order of numbers.
    for number in 0..total {
        if missing == 0 {
            return;
        }
        while slots.next_if(|slot| slot.number() < number).is_some() {}
        let slot = slots.next_if(|slot| slot.number() == number);
        if slot.is_some_and(|slot| slot.fill(scope) != Fill::Dead) {
            continue;
        }
        // The task of an execution before may still run: two that do the same work must not meet.
        let is_held = slot.is_some_and(|slot| slot.is_occupied(scope));
        let id = plan.ids.fresh();
        plan.push(Change::TaskCreate {
            id,
            service: scope.service.id,
            slot: number,
            node: None,
            desired: if is_held { TaskState::Ready } else { scope.goal() },
            restart: RestartPlan::default(),
        });
        missing -= 1;
    }
}
