//! What the scheduler must know of each node: what its tasks leave free, and how many there are.
//!
//! Built from the state in one pass over all tasks, then kept up to date while tasks are dealt out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::FAILURE_WINDOW;
use super::demand::{self, Demand, HostPort, Reservation};
use crate::model::generic::Supply;
use crate::model::{GenericResource, Node, NodeId, ServiceId, ServiceSpec, Task, TaskState, Timestamp};
use crate::state::State;

/// All nodes, ordered by id.
#[derive(Debug)]
pub struct NodeSet {
    nodes: Vec<NodeInfo>,
}

/// A node and what its tasks leave of it.
#[derive(Debug)]
pub struct NodeInfo {
    /// The node.
    pub node: Arc<Node>,
    /// Free processor time, billionths of a core; negative if too much was promised.
    pub nano_cpus: i64,
    /// Free memory, bytes; negative if too much was promised.
    pub memory_bytes: i64,
    /// Free generic resources.
    pub generic: Supply,
    /// Ports that are taken.
    pub host_ports: BTreeSet<HostPort>,
    /// Tasks that run or are meant to.
    pub active: u32,
    by_service: HashMap<ServiceId, u32>,
    /// Recent failures by service and spec. A spec is shared by its tasks, so its address is its identity.
    failures: HashMap<(ServiceId, *const ServiceSpec), u32>,
}

impl NodeSet {
    /// The nodes of `state` with their tasks.
    pub fn of(state: &State, now: Timestamp) -> NodeSet {
        let mut set = NodeSet { nodes: state.nodes().map(|node| NodeInfo::new(node.clone())).collect() };
        for task in state.tasks() {
            let Some(node) = task.node.and_then(|id| set.at_mut(id)) else { continue };
            if (TaskState::Assigned..=TaskState::Running).contains(&task.status.state) {
                node.add(task);
            } else if is_failure(task, now) {
                node.add_failure(task);
            }
        }
        set
    }

    /// One node, by its id.
    pub fn at_mut(&mut self, id: NodeId) -> Option<&mut NodeInfo> {
        let at = self.nodes.binary_search_by_key(&id, |info| info.node.id).ok()?;
        self.nodes.get_mut(at)
    }

    /// All nodes, by id.
    pub fn iter(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.iter()
    }

    /// One node, by its place in [`NodeSet::iter`].
    pub fn nth(&self, at: usize) -> Option<&NodeInfo> {
        self.nodes.get(at)
    }

    /// One node, by its place in [`NodeSet::iter`].
    pub fn nth_mut(&mut self, at: usize) -> Option<&mut NodeInfo> {
        self.nodes.get_mut(at)
    }
}

/// Whether a task speaks against its node: it ended badly not long ago, on a node that the scheduler chose. Tasks of
/// global services do not count, as in swarmkit.
fn is_failure(task: &Task, now: Timestamp) -> bool {
    matches!(task.status.state, TaskState::Failed | TaskState::Rejected)
        && !task.origin.mode.is_by_node()
        && now.since(task.observed_at()) < FAILURE_WINDOW
}

impl NodeInfo {
    fn new(node: Arc<Node>) -> NodeInfo {
        let resources = &node.description.resources;
        NodeInfo {
            nano_cpus: resources.nano_cpus,
            memory_bytes: resources.memory_bytes,
            generic: Supply::of(&resources.generic_resources),
            host_ports: BTreeSet::new(),
            active: 0,
            by_service: HashMap::new(),
            failures: HashMap::new(),
            node,
        }
    }

    /// Gives a task that fits, and that [`NodeInfo::add`] is told of next, the generic resources that it asks for.
    pub fn claim(&mut self, demand: &Demand) -> Vec<GenericResource> {
        self.generic.claim(&demand.reservation.generic)
    }

    /// Takes what `task` uses. A task that is still stopping uses its resources but is not counted.
    pub fn add(&mut self, task: &Task) {
        if task.spec().resources.is_some() {
            let reserved = Reservation::of(task);
            self.nano_cpus = self.nano_cpus.saturating_sub(reserved.nano_cpus);
            self.memory_bytes = self.memory_bytes.saturating_sub(reserved.memory_bytes);
        }
        for resource in &task.generic {
            self.generic.take(resource);
        }
        self.host_ports.extend(demand::host_ports(task));
        if task.desired <= TaskState::Complete {
            self.active += 1;
            if let Some(service) = task.service {
                *self.by_service.entry(service).or_default() += 1;
            }
        }
    }

    fn add_failure(&mut self, task: &Task) {
        let Some(service) = task.service else { return };
        *self.failures.entry((service, Arc::as_ptr(&task.origin))).or_default() += 1;
    }

    /// How many tasks of the service run here or are meant to.
    pub fn tasks_of(&self, service: Option<ServiceId>) -> u32 {
        service.and_then(|service| self.by_service.get(&service).copied()).unwrap_or(0)
    }

    /// How often tasks like the one that is asked for failed here not long ago.
    pub fn failures_of(&self, demand: &Demand) -> u32 {
        let key = demand.service.map(|service| (service, Arc::as_ptr(&demand.origin)));
        key.and_then(|key| self.failures.get(&key).copied()).unwrap_or(0)
    }

    /// Whether the node has a plugin; a name without tag means `:latest`.
    pub fn has_plugin(&self, kind: &str, name: &str) -> bool {
        let same = |actual: &str| actual.strip_prefix(name).is_some_and(|tag| matches!(tag, "" | ":latest"));
        self.node.description.plugins.iter().any(|(other, actual)| other == kind && same(actual))
    }

    /// Whether the node says anything about plugins of this type.
    pub fn has_plugin_type(&self, kind: &str) -> bool {
        self.node.description.plugins.iter().any(|(other, _)| other == kind)
    }
}
