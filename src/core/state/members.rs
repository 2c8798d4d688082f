//! Who is on each network: a table that follows from tasks and nodes, kept up with them, so that telling a node costs a
//! look-up and not a search, and all nodes share one record.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::State;
use crate::model::{Attachment, Member, NetworkId, NodeId, Phase, Task, TaskId, TaskState, mac_of};

impl State {
    /// Who is on a network, by task.
    pub fn members_of(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Member>> {
        self.members.range((network, TaskId::MIN)..=(network, TaskId::MAX)).map(|(_, member)| member)
    }

    /// Brings the places of a task up to date, after it changed or went. `before` are those that it may have had.
    pub(super) fn place(&mut self, id: TaskId, before: &[Attachment]) {
        let task = self.tasks.get(&id).cloned();
        let phase = task.as_ref().and_then(|task| self.phase(task));
        let now = task.iter().filter(|_| phase.is_some()).flat_map(|task| &task.networks);
        let now: Vec<&Attachment> = now.filter(|attachment| !attachment.addresses.is_empty()).collect();
        for network in before.iter().filter_map(|attachment| attachment.network) {
            if !now.iter().any(|attachment| attachment.network == Some(network)) {
                self.members.remove(&(network, id));
            }
        }
        let (Some(task), Some(phase)) = (&task, phase) else { return };
        for member in now.into_iter().filter_map(|attachment| member(task, attachment, phase)) {
            let key = (member.network, id);
            if self.members.get(&key).is_none_or(|known| **known != member) {
                self.members.insert(key, Arc::new(member));
            }
        }
    }

    /// The same for all tasks of a node that was lost, or is heard again.
    pub(super) fn place_all_of(&mut self, node: NodeId) {
        let tasks: Vec<Arc<Task>> = self.tasks_of_node(node).cloned().collect();
        for task in tasks {
            self.place(task.id, &task.networks);
        }
    }

    /// How far a task is as a member of its networks; `None` if it is none. One on a lost node is one until another
    /// takes its place: its container may run, and be reached.
    fn phase(&self, task: &Task) -> Option<Phase> {
        if task.status.state < TaskState::Assigned || task.status.state.is_terminal() {
            return None;
        }
        let is_lost = self.node(task.node?).is_none_or(|node| node.is_lost());
        let is_there = match task.service {
            Some(_) => task.status.state == TaskState::Running,
            // A container that the swarm did not make may stop and start; it has an address only while it runs.
            None => task.status.container.as_ref().is_some_and(|container| !container.macs.is_empty()),
        };
        match (is_lost, task.is_wanted()) {
            (true, true) => Some(Phase::Lost),
            (true, false) => None,
            (false, false) => Some(Phase::Leaving),
            (false, true) if is_there => Some(Phase::Serving),
            (false, true) => Some(Phase::Coming),
        }
    }
}

fn member(task: &Task, attachment: &Attachment, phase: Phase) -> Option<Member> {
    let container = task.status.container.as_ref();
    let hosts = attachment.addresses.iter().filter_map(|address| address.split('/').next()?.parse::<Ipv4Addr>().ok());
    let known = hosts.clone().find_map(|host| container?.macs.get(&host).cloned());
    let endpoint = hosts.clone().find_map(|host| container?.endpoints.get(&host).cloned());
    // Until its container is there it is known by the one that it is made with, so that it is answered from its first packet
    // on. One that has another all the same (the user chose it, or it was connected later) is known by that once it runs.
    let asked = || hosts.clone().next().map(mac_of);
    Some(Member {
        network: attachment.network?,
        task: task.id,
        node: task.node?,
        service: task.service,
        name: if task.service.is_some() { task.name() } else { task.service_name().to_owned() },
        container: container.map(|container| container.id.clone()).unwrap_or_default(),
        addresses: attachment.addresses.clone(),
        mac: known.or_else(asked).unwrap_or_default(),
        endpoint: endpoint.unwrap_or_default(),
        aliases: attachment.aliases.clone(),
        phase,
    })
}
