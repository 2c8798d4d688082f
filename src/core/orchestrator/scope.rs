//! What every phase asks about a service at one moment: which nodes may run its tasks, and which of its tasks are of
//! its present spec. Reads only; used by all phases.

use std::cell::RefCell;
use std::sync::Arc;

use crate::model::constraint::{self, Constraint};
use crate::model::{Node, NodeState, Service, ServiceSpec, Task, TaskState, Timestamp, UpdateState};
use crate::state::State;

/// A service at one moment.
pub(super) struct Scope<'s> {
    pub state: &'s State,
    pub service: &'s Service,
    pub now: Timestamp,
    constraints: Vec<Constraint>,
    /// What was found out about specs that tasks were made from, by address: tasks share theirs.
    revisions: RefCell<Vec<(*const ServiceSpec, Revision)>>,
}

/// How the spec of a task differs from that of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revision {
    /// Not in anything that a container would notice.
    Current,
    /// In where it may run, nothing else: current as long as its node fits (swarmkit `IsTaskDirty`).
    Moved,
    /// In what the registry is shown, nothing else: of no account to whoever has its image already (swarmkit `IsTaskDirty`).
    Credential,
    /// In something that takes a new container.
    Outdated,
}

impl<'s> Scope<'s> {
    pub fn new(state: &'s State, service: &'s Service, now: Timestamp) -> Scope<'s> {
        // `control` refuses what does not parse; swarmkit takes the rest for no constraint at all.
        let constraints = constraint::parse(constraint_texts(&service.spec)).unwrap_or_default();
        Scope { state, service, now, constraints, revisions: RefCell::new(Vec::new()) }
    }

    /// The node of a task; `None` if it has none, or a node that was removed.
    pub fn node_of(&self, task: &Task) -> Option<&'s Arc<Node>> {
        self.state.node(task.node?)
    }

    /// Whether the task must be replaced elsewhere. A drained node keeps what it has of a job, which goes on to its end, as in
    /// swarmkit, where a replicated job is not told of nodes at all.
    pub fn must_move(&self, task: &Task) -> bool {
        if self.service.is_job() { self.is_unreachable(task) } else { self.is_displaced(task) }
    }

    /// Whether the task's node is down, drained or gone: what ends there is not restarted there, and it did not fail.
    pub fn is_displaced(&self, task: &Task) -> bool {
        task.node.is_some() && self.node_of(task).is_none_or(|node| is_down(node) || node.is_drained())
    }

    /// Whether the task's node cannot be expected to do anything: it is down, or gone.
    pub fn is_unreachable(&self, task: &Task) -> bool {
        task.node.is_some() && self.node_of(task).is_none_or(|node| is_down(node))
    }

    /// Whether a container of this task may exist and is still to stop, on a node that can be expected to stop it.
    pub fn is_alive(&self, task: &Task) -> bool {
        (TaskState::Assigned..=TaskState::Running).contains(&task.status.state) && !self.is_unreachable(task)
    }

    /// Whether the node satisfies the service's constraints.
    pub fn fits(&self, node: &Node) -> bool {
        constraint::matches(&self.constraints, node)
    }

    /// Whether a task satisfied constraints that are still the service's, and no longer does. A task from before the
    /// constraints changed is for the update to replace; one of a job goes on to its end, as in swarmkit.
    pub fn is_misplaced(&self, task: &Task, node: &Node) -> bool {
        !self.service.is_job()
            && !self.constraints.is_empty()
            && !self.fits(node)
            && constraint_texts(&task.origin) == constraint_texts(&self.service.spec)
    }

    /// Whether the service's present spec would make the same container.
    ///
    /// As in swarmkit's `IsTaskDirty` that is the task template and the endpoint's spec: a change of published ports
    /// replaces tasks, a change of replicas, labels or update parameters does not.
    pub fn is_current(&self, task: &Task) -> bool {
        if Arc::ptr_eq(&task.origin, &self.service.spec) {
            return true;
        }
        match self.revision(&task.origin) {
            Revision::Current => true,
            Revision::Moved => self.node_of(task).is_some_and(|node| self.fits(node)),
            Revision::Credential => has_image(task),
            Revision::Outdated => false,
        }
    }

    fn revision(&self, origin: &Arc<ServiceSpec>) -> Revision {
        let address = Arc::as_ptr(origin);
        let mut known = self.revisions.borrow_mut();
        if let Some((_, revision)) = known.iter().find(|(known, _)| *known == address) {
            return *revision;
        }
        let revision = compare(origin, &self.service.spec);
        known.push((address, revision));
        revision
    }

    /// Which execution of a job the tasks must be of; `None` if the service is no job.
    pub fn iteration(&self) -> Option<u64> {
        self.service.job.map(|job| job.iteration)
    }

    /// Whether a task is a completion of the present execution of a job, which counts for good.
    pub fn is_achieved(&self, task: &Task) -> bool {
        task.is_accomplished() && task.iteration == self.iteration()
    }

    /// What is wanted of a task that nothing holds back.
    pub fn goal(&self) -> TaskState {
        if self.service.is_job() { TaskState::Complete } else { TaskState::Running }
    }

    /// The state of the service's update, if there ever was one.
    pub fn update_state(&self) -> Option<UpdateState> {
        self.service.update_status.as_ref().map(|status| status.state)
    }

    /// When the update under way, or the last one, began; before all times if there was none.
    pub fn update_started(&self) -> Timestamp {
        self.service.update_status.as_ref().and_then(|status| status.started_at).unwrap_or(Timestamp::ZERO)
    }

    /// Whether slots are being replaced, forwards or backwards.
    pub fn is_updating(&self) -> bool {
        matches!(self.update_state(), Some(UpdateState::Updating | UpdateState::RollbackStarted))
    }
}

/// Whether a node is known not to answer. `Unknown` and `Disconnected` are moments, not verdicts.
pub(super) fn is_down(node: &Node) -> bool {
    node.status.state == NodeState::Down
}

fn constraint_texts(spec: &ServiceSpec) -> &[String] {
    spec.task_template.placement.as_ref().map_or(&[], |placement| &placement.constraints)
}

fn compare(old: &ServiceSpec, new: &ServiceSpec) -> Revision {
    if old.endpoint_spec != new.endpoint_spec {
        return Revision::Outdated;
    }
    if old.task_template == new.task_template {
        return Revision::Current;
    }
    let mut moved = old.task_template.clone();
    moved.placement.clone_from(&new.task_template.placement);
    if moved == new.task_template {
        return Revision::Moved;
    }
    let mut old = old.clone();
    old.set_credential(new.credential().cloned());
    if old.task_template == new.task_template { Revision::Credential } else { Revision::Outdated }
}

/// Whether a task that is to run has pulled its image, or did not need to.
fn has_image(task: &Task) -> bool {
    task.desired <= TaskState::Running && (TaskState::Ready..=TaskState::Running).contains(&task.status.state)
}
