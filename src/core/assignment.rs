//! What one node must know: its own tasks, the networks that they use and the routing mesh, and nothing else.
//!
//! A node is sent the whole of it once and then only differences, each from one log index to a later one. As bytes
//! they travel through [`crate::wire`].

mod difference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Network, NetworkId, NodeId, Task, TaskId, TaskState};
use crate::state::State;

pub use difference::{ChangedTask, Difference, Gap};

/// Everything that a node holds at one log index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// The log index that this was taken from.
    pub index: u64,
    /// The node's tasks that have something left to do, or that must be known to be over.
    pub tasks: BTreeMap<TaskId, Arc<Task>>,
    /// The networks of those tasks, and the routing mesh, which is on every node.
    pub networks: BTreeMap<NetworkId, Arc<Network>>,
}

impl Assignments {
    /// The assignments of `node` in `state`.
    ///
    /// As in swarmkit a node is told of a task from `Assigned` on; of one that has ended only while the manager still
    /// wants it removed, so that its container can be cleaned up.
    pub fn of(state: &State, node: NodeId) -> Assignments {
        let mesh = state.networks().filter(|network| network.spec.ingress);
        let networks = mesh.map(|network| (network.id, network.clone())).collect();
        let mut assignments = Assignments { index: state.index(), networks, ..Assignments::default() };
        for task in state.tasks_of_node(node) {
            if task.status.state < TaskState::Assigned || task.service.is_none() {
                continue;
            }
            for network in task.networks.iter().filter_map(|attachment| state.network(attachment.network?)) {
                assignments.networks.insert(network.id, network.clone());
            }
            assignments.tasks.insert(task.id, task.clone());
        }
        assignments
    }

    /// The networks as a state that knows nothing else, to look for one as it is done among all of them.
    pub fn network_state(&self) -> State {
        State::of_networks(self.networks.values())
    }

    /// All of it as a state that knows nothing else.
    pub fn as_state(&self) -> State {
        State::of_places(self.networks.values(), self.tasks.values())
    }

    /// Whether a node that holds `self` has nothing to learn from `other`.
    pub fn same_as(&self, other: &Assignments) -> bool {
        fn shared<K: Ord, V: PartialEq>(a: &BTreeMap<K, Arc<V>>, b: &BTreeMap<K, Arc<V>>) -> bool {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && (Arc::ptr_eq(a, b) || a == b))
        }
        shared(&self.tasks, &other.tasks) && shared(&self.networks, &other.networks)
    }
}
