//! Tasks that are to stop: one that was announced goes on until nobody is sent to it any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::State;
use crate::model::{NetworkId, NodeId, Parting, Phase, Task, TaskId, TaskState, Timestamp};

impl State {
    /// The tasks that are to stop and must not yet.
    pub fn held(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.held.iter().filter_map(|id| self.tasks.get(id))
    }

    /// The nodes on which somebody could be sent to the members of a network: those with a member that stays, and of the
    /// routing mesh all. A node that is not heard from sends nobody, or cannot be asked.
    pub fn audience(&self, network: NetworkId) -> BTreeSet<NodeId> {
        let is_mesh = self.network(network).is_some_and(|network| network.spec.ingress);
        let all = self.nodes.keys().copied().filter(|_| is_mesh);
        let staying = self.members_of(network).filter(|member| member.phase != Phase::Leaving);
        let nodes: BTreeSet<NodeId> = staying.map(|member| member.node).chain(all).collect();
        nodes.into_iter().filter(|node| self.node(*node).is_some_and(|node| !node.is_lost())).collect()
    }

    /// A task is told to stop: if others are sent to it, that has to end first.
    pub(super) fn part(&self, old: &Task, task: &mut Task, index: u64, at: Timestamp) {
        let is_announced = |network| {
            let member = self.members.get(&(network, task.id));
            member.is_some_and(|member| member.is_serving())
        };
        let is_told = task.desired >= TaskState::Shutdown && old.desired < TaskState::Shutdown;
        if is_told && old.networks.iter().filter_map(|attachment| attachment.network).any(is_announced) {
            task.parting = Some(Parting { index, at, released: false });
        }
    }

    /// A task may be stopped. Its version stays: nothing changed that a user could see.
    pub(super) fn release(&mut self, id: TaskId) {
        if let Some(parting) = self.tasks.get_mut(&id).filter(|task| task.is_held()).map(Arc::make_mut)
            && let Some(parting) = &mut parting.parting
        {
            parting.released = true;
        }
        self.note_held(id);
    }

    /// Brings the list of those that must not stop yet up to date, after one changed or went.
    pub(super) fn note_held(&mut self, id: TaskId) {
        if self.tasks.get(&id).is_some_and(|task| task.is_held()) {
            self.held.insert(id);
        } else if self.held.contains(&id) {
            self.held.remove(&id);
        }
    }
}
