//! What a step must look at: not the whole state, but what changed since a step found it calm.
//!
//! Only a shortcut. The passes decide from the state alone; with an empty [`Memory`], as a new leader has, they look at all
//! of it and decide the same. What concerns everybody, a change of a node, a network or the cluster, makes a step look at
//! everything too. Any other step costs what changed: states share their unchanged parts, and the comparison of two of them
//! skips those. A step over a thousand services of which one is new looks at one.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdSet;

use crate::model::{NodeId, ServiceId, Task, TaskId, TaskState};
use crate::state::State;

#[cfg(test)]
mod tests;

/// What the steps of one leader found, for its next one. To be forgotten when what a step decided was not agreed upon.
#[derive(Debug, Default)]
pub struct Memory {
    /// The state at the beginning of the last step.
    seen: Option<State>,
    found: Found,
}

/// What the passes of one step found that cannot be seen from a difference of states.
#[derive(Clone, Debug, Default)]
struct Found {
    /// Services that need another look though nothing changes: something is due, or could not be had.
    restless: OrdSet<ServiceId>,
    /// Services with tasks for which there is no node.
    waiting: OrdSet<ServiceId>,
    /// Services whose tasks reserve resources of their nodes.
    reserving: OrdSet<ServiceId>,
    /// Tasks that belong to no service that exists.
    strays: OrdSet<TaskId>,
}

/// What one step looks at.
#[derive(Debug, Default)]
pub struct Focus {
    services: BTreeSet<ServiceId>,
    strays: OrdSet<TaskId>,
    /// What earlier steps found of all services; brought up to date by this one's passes.
    found: Found,
    /// The state in which waiting tasks found no node, unless all services are looked at anyway.
    seen: Option<State>,
}

impl Memory {
    /// What a step must look at in `state`, its inputs included.
    pub fn focus(&self, state: &State) -> Focus {
        match &self.seen {
            Some(seen) if !concerns_all(seen, state) => Focus::on_changes(seen, state, &self.found),
            _ => Focus::on_all(state),
        }
    }

    /// Keeps what a step found that began with `state`.
    pub fn keep(&mut self, state: &State, focus: &Focus) {
        self.seen = Some(state.clone());
        self.found = focus.found.clone();
    }
}

/// Whether anything changed that any service may depend on.
fn concerns_all(old: &State, new: &State) -> bool {
    old.cluster() != new.cluster()
        || new.changed_nodes(old).next().is_some()
        || new.changed_networks(old).next().is_some()
}

impl Focus {
    /// Looks at everything.
    pub fn on_all(state: &State) -> Focus {
        let is_stray = |task: &&Arc<Task>| owner(state, task).is_none();
        Focus {
            services: state.services().map(|service| service.id).collect(),
            strays: state.tasks().filter(is_stray).map(|task| task.id).collect(),
            ..Focus::default()
        }
    }

    fn on_changes(old: &State, new: &State, found: &Found) -> Focus {
        let mut focus =
            Focus { found: found.clone(), seen: Some(old.clone()), strays: found.strays.clone(), ..Focus::default() };
        focus.services.extend(&found.restless);
        for (before, now) in new.changed_services(old) {
            focus.services.extend(now.map(|service| service.id));
            if let Some(gone) = before.filter(|_| now.is_none()) {
                focus.strays.extend(new.tasks_of_service(gone.id).map(|task| task.id));
            }
        }
        for (before, now) in new.changed_tasks(old) {
            let Some(task) = now.or(before) else { continue };
            match owner(new, task) {
                Some(service) => focus.services.insert(service),
                None => focus.strays.insert(task.id).is_none(),
            };
        }
        focus
    }

    /// The services to look at, by id; some of them may be gone.
    pub fn services(&self) -> Vec<ServiceId> {
        self.services.iter().copied().collect()
    }

    /// The tasks to look at that belong to no service, by id; some of them may be gone.
    pub fn strays(&self) -> Vec<TaskId> {
        self.strays.iter().copied().collect()
    }

    /// The services whose pending tasks may find a node in `state`, by id: those that are looked at, and, once tasks take
    /// something else of nodes than before, also those that found none.
    pub fn to_place(&self, state: &State) -> Vec<ServiceId> {
        let is_open = self.seen.as_ref().is_some_and(|seen| is_room_other(seen, state));
        let waiting = self.found.waiting.iter().filter(|_| is_open);
        waiting.chain(&self.services).copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All services whose tasks reserve resources, if one of those that are looked at is among them.
    pub fn reserving(&self) -> Vec<ServiceId> {
        let is_concerned = self.services.iter().any(|service| self.found.reserving.contains(service));
        self.found.reserving.iter().copied().filter(|_| is_concerned).collect()
    }

    /// Notes whether a service that was looked at needs another look whatever happens.
    pub fn note_restless(&mut self, service: ServiceId, is_restless: bool) {
        note(&mut self.found.restless, service, is_restless);
    }

    /// Notes whether a service has tasks for which there is no node.
    pub fn note_waiting(&mut self, service: ServiceId, is_waiting: bool) {
        note(&mut self.found.waiting, service, is_waiting);
    }

    /// Notes whether tasks of a service reserve resources.
    pub fn note_reserving(&mut self, service: ServiceId, is_reserving: bool) {
        note(&mut self.found.reserving, service, is_reserving);
    }

    /// Forgets a service that is gone.
    pub fn forget(&mut self, service: ServiceId) {
        for set in [&mut self.found.restless, &mut self.found.waiting, &mut self.found.reserving] {
            note(set, service, false);
        }
    }

    /// Notes whether a task without a service is still there.
    pub fn note_stray(&mut self, task: TaskId, is_there: bool) {
        note(&mut self.found.strays, task, is_there);
    }
}

fn note<T: Clone + Ord>(set: &mut OrdSet<T>, item: T, is_in: bool) {
    if is_in {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

/// The service that a task belongs to, if it exists.
fn owner(state: &State, task: &Task) -> Option<ServiceId> {
    task.service.filter(|service| state.service(*service).is_some())
}

/// Whether tasks take something else of nodes than before.
fn is_room_other(old: &State, new: &State) -> bool {
    new.changed_tasks(old).any(|(old, new)| old.and_then(|task| taken(task)) != new.and_then(|task| taken(task)))
}

/// What a task takes of its node, as far as it can change.
fn taken(task: &Task) -> Option<(NodeId, bool)> {
    let is_there = (TaskState::Assigned..=TaskState::Running).contains(&task.status.state);
    task.node.filter(|_| is_there).map(|node| (node, task.desired <= TaskState::Complete))
}
