//! What one node must know: its own tasks, the networks that they use with everybody who is on them, the routing mesh, and
//! nothing else.
//!
//! A node is sent the whole of it once and then only differences, each from one log index to a later one. As bytes
//! they travel through [`crate::wire`].

mod difference;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{
    Config, ConfigId, Member, NamedService, Network, NetworkId, NodeId, Peer, Secret, SecretId, Service, ServiceId,
    Task, TaskId, TaskState,
};
use crate::state::State;

pub use difference::{ChangedTask, Difference, Gap};

/// Everything that a node holds at one log index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// The log index that this was taken from.
    pub index: u64,
    /// The node's tasks that have something left to do, or that must be known to be over.
    pub tasks: BTreeMap<TaskId, Arc<Task>>,
    /// The networks of those tasks that have not ended, and of containers that joined one, and the routing mesh, which is on every node.
    pub networks: BTreeMap<NetworkId, Arc<Network>>,
    /// Everybody on the networks that the node is on itself, its own tasks included.
    pub members: BTreeMap<(NetworkId, TaskId), Arc<Member>>,
    /// The services of those members.
    pub services: BTreeMap<ServiceId, Arc<NamedService>>,
    /// The nodes of those members, and always this one.
    pub peers: BTreeMap<NodeId, Arc<Peer>>,
    /// The secrets of those tasks that have not ended: nobody else's, and no longer.
    pub secrets: BTreeMap<SecretId, Arc<Secret>>,
    /// Their configs.
    pub configs: BTreeMap<ConfigId, Arc<Config>>,
    /// The UDP port of the packets between them; 0 until the cluster was heard.
    pub data_path_port: u32,
}

impl Assignments {
    /// The assignments of `node` in `state`.
    ///
    /// As in swarmkit a node is told of a task from `Assigned` on; of one that has ended only while the manager still
    /// wants it removed, so that its container can be cleaned up.
    pub fn of(state: &State, node: NodeId) -> Assignments {
        let mesh = state.networks().filter(|network| network.spec.ingress);
        let networks = mesh.map(|network| (network.id, network.clone())).collect();
        let data_path_port = state.cluster().map_or(0, |cluster| cluster.data_path_port);
        let mut assignments = Assignments { index: state.index(), networks, data_path_port, ..Assignments::default() };
        let mut joined = BTreeSet::new();
        for task in state.tasks_of_node(node) {
            if task.status.state < TaskState::Assigned {
                continue;
            }
            // One that has ended is on no network any more.
            let networks = task.networks.iter().filter(|_| !task.status.state.is_terminal());
            for network in networks.filter_map(|attachment| state.network(attachment.network?)) {
                assignments.networks.insert(network.id, network.clone());
                joined.insert(network.id);
            }
            assignments.entrust(state, task);
            if task.service.is_some() {
                assignments.tasks.insert(task.id, task.clone());
            }
        }
        assignments.meet(state, node, &joined);
        assignments
    }

    /// Learns the secrets and configs of a task. What was removed meanwhile is not there: the task says so when it starts.
    fn entrust(&mut self, state: &State, task: &Task) {
        let container = task.spec().container_spec.as_ref().filter(|_| !task.status.state.is_terminal());
        if let Some(container) = container {
            let secrets = container.secrets.iter().filter_map(|wanted| state.secret(wanted.secret_id.parse().ok()?));
            self.secrets.extend(secrets.map(|secret| (secret.id, secret.clone())));
            let configs = container.configs.iter().filter_map(|wanted| state.config(wanted.config_id.parse().ok()?));
            self.configs.extend(configs.map(|config| (config.id, config.clone())));
        }
    }

    /// Learns who is on these networks.
    fn meet(&mut self, state: &State, node: NodeId, networks: &BTreeSet<NetworkId>) {
        let mut nodes = BTreeSet::from([node]);
        let mut services = BTreeSet::new();
        for member in networks.iter().flat_map(|network| state.members_of(*network)) {
            nodes.insert(member.node);
            services.extend(member.service);
            self.members.insert((member.network, member.task), member.clone());
        }
        for node in nodes.into_iter().filter_map(|node| state.node(node)) {
            let (name, data_path) = (node.description.hostname.clone(), node.data_path().to_owned());
            self.peers.insert(node.id, Arc::new(Peer { node: node.id, name, data_path }));
        }
        for service in services.into_iter().filter_map(|service| state.service(service)) {
            self.services.insert(service.id, Arc::new(named(service, networks)));
        }
    }

    /// Whether a task or a container of `node` is on the network.
    pub fn is_used(&self, node: NodeId, network: NetworkId) -> bool {
        self.members_of(network).any(|member| member.node == node)
    }

    /// Who is on a network, by task.
    pub fn members_of(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Member>> {
        self.members.range((network, TaskId::MIN)..=(network, TaskId::MAX)).map(|(_, member)| member)
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
        shared(&self.tasks, &other.tasks)
            && shared(&self.networks, &other.networks)
            && shared(&self.members, &other.members)
            && shared(&self.services, &other.services)
            && shared(&self.peers, &other.peers)
            && shared(&self.secrets, &other.secrets)
            && shared(&self.configs, &other.configs)
            && self.data_path_port == other.data_path_port
    }
}

/// A service as nodes on these networks know it.
fn named(service: &Service, networks: &BTreeSet<NetworkId>) -> NamedService {
    let is_here = |address: &&crate::model::VirtualIp| networks.contains(&address.network);
    let virtual_ips = service.endpoint.virtual_ips.iter().filter(is_here).cloned().collect();
    NamedService { id: service.id, name: service.name().to_owned(), virtual_ips }
}
