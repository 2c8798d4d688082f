//! From services to tasks: which tasks should exist, and what is wanted of each.
//!
//! Called by [`crate::step`] on every step. It looks at the state alone and at the time, never at what changed
//! before, so a new leader needs nothing but the state. It decides that tasks are made, wanted, no longer wanted, lost
//! or forgotten; it never places a task, gives it an address, or speaks for a node that answers. The rules are
//! swarmkit's (`design/orchestrators.md`, `design/task_model.md`, `manager/orchestrator`), where they are spread over
//! six concurrent loops; here each is a phase, and a service is taken through the phases until none has anything
//! to say:
//!
//! 1. [`enforcer`]: tasks whose node is gone, lost for good, or no longer fits are over;
//! 2. [`replicated`] and [`global`]: slots too many are emptied; [`job`]: earlier executions end;
//! 3. [`restart`]: what ended by itself is replaced, what waited long enough is started;
//! 4. [`replicated`], [`global`] and [`job`]: missing slots are filled;
//! 5. [`update`]: tasks of an older spec are replaced, a few at a time; not of jobs, which begin anew instead;
//! 6. [`reaper`]: what nobody needs to see any more is forgotten.

mod calm;
mod enforcer;
mod global;
mod job;
mod reaper;
mod replicated;
mod restart;
mod scope;
mod slot;
mod update;

#[cfg(test)]
mod tests;

use crate::model::{Service, ServiceId, Task, Timestamp};
use crate::plan::Plan;
use crate::state::State;
use calm::{Scratch, Survey};
use scope::Scope;
use slot::Slot;

/// Rounds through the phases that one service may need in one step. Every phase makes another one superfluous, so a
/// few suffice; the bound keeps a mistake in a phase from stopping the leader. The next step goes on from there.
const MAX_ROUNDS: usize = 24;

/// Brings the tasks of every service in line with its spec.
pub fn plan(plan: &mut Plan<'_>) {
    let mut scratch = Scratch::default();
    for id in plan.focus().services() {
        settle(plan, id, &mut scratch);
    }
    reaper::reap_strays(plan);
    for id in enforcer::relieve_nodes(plan) {
        settle(plan, id, &mut scratch);
    }
}

/// Whether a task would be replaced by an update to its service's present spec (swarmkit `IsTaskDirty`).
pub fn is_dirty(state: &State, service: &Service, task: &Task) -> bool {
    !Scope::new(state, service, Timestamp::ZERO).is_current(task)
}

/// Takes one service through the phases until nothing is left to change.
fn settle(plan: &mut Plan<'_>, id: ServiceId, scratch: &mut Scratch) {
    let mut survey = Survey::default();
    for _ in 0..MAX_ROUNDS {
        let Some(service) = plan.state().service(id).cloned() else { return plan.focus().forget(id) };
        survey = calm::survey(&Scope::new(plan.state(), &service, plan.now), scratch);
        if survey.calm {
            if let Some(at) = survey.wake {
                plan.wake(at);
            }
            break;
        }
        if !round(plan, &service) {
            break;
        }
    }
    plan.focus().note_restless(id, !survey.calm || survey.wake.is_some());
    plan.focus().note_reserving(id, survey.reserves);
}

/// One phase: looks at the slots of a service and writes what it wants changed.
type Phase = fn(&mut Plan<'_>, &Scope<'_>, &[Slot<'_>]);

const REPLICATED: [Phase; 6] =
    [enforcer::enforce, replicated::shrink, restart::tend, replicated::fill, update::advance, reaper::reap];
const GLOBAL: [Phase; 6] =
    [enforcer::enforce, global::withdraw, restart::tend, global::fill, update::advance, reaper::reap];

const REPLICATED_JOB: [Phase; 5] = [enforcer::enforce, job::supersede, restart::tend, job::fill, reaper::reap];
const GLOBAL_JOB: [Phase; 6] =
    [enforcer::enforce, job::supersede, global::withdraw, restart::tend, global::fill, reaper::reap];

/// The phases of a service, by its mode.
fn phases(service: &Service) -> &'static [Phase] {
    match (service.is_job(), service.is_by_node()) {
        (false, false) => &REPLICATED,
        (false, true) => &GLOBAL,
        (true, false) => &REPLICATED_JOB,
        (true, true) => &GLOBAL_JOB,
    }
}

/// Runs the phases up to the first that changes something, because the next ones must see it. False if none did.
fn round(plan: &mut Plan<'_>, service: &Service) -> bool {
    // A second handle on the same maps: phases read this one while they write on the plan.
    let state: State = plan.state().clone();
    let scope = Scope::new(&state, service, plan.now);
    let tasks = slot::gather(&scope);
    let slots = slot::group(&tasks, service.is_by_node());
    let before = plan.len();
    for phase in phases(service) {
        phase(plan, &scope, &slots);
        if plan.len() != before {
            return true;
        }
    }
    false
}
