//! What one node must know: its own tasks, the networks that they use with everybody who is on them, the routing mesh, and
//! nothing else.
//!
//! [`Assignments::of`] says what that is; [`Follower`] keeps it up with the states, at the cost of what changed.
//!
//! A node is sent the whole of it once and then only differences, each from one log index to a later one. As bytes
//! they travel through [`crate::wire`].

mod difference;
mod follow;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;

use crate::allocator::ports;
use crate::model::{
    Config, ConfigId, Member, NamedService, Network, NetworkId, Node, NodeId, Peer, PortConfig, Secret, SecretId,
    Service, ServiceId, Task, TaskId, TaskState,
};
use crate::state::State;

pub use difference::{ChangedTask, Difference, Gap};
pub use follow::Follower;

/// The label of a service whose tasks are to see the address of a node instead of the client's.
pub const MASQUERADE_LABEL: &str = "gam.ingress.masquerade";

/// Everything that a node holds at one log index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// The log index that this was taken from.
    pub index: u64,
    /// The node's tasks that have something left to do, or that must be known to be over.
    pub tasks: OrdMap<TaskId, Arc<Task>>,
    /// The networks of those tasks that have not ended, and of containers that joined one, and the routing mesh, which is on every node.
    pub networks: OrdMap<NetworkId, Arc<Network>>,
    /// Everybody on the networks that the node is on itself, its own tasks included.
    pub members: OrdMap<(NetworkId, TaskId), Arc<Member>>,
    /// The services of those members.
    pub services: OrdMap<ServiceId, Arc<NamedService>>,
    /// The nodes of those members, and always this one.
    pub peers: OrdMap<NodeId, Arc<Peer>>,
    /// The secrets of those tasks that have not ended: nobody else's, and no longer. On another host than a manager's their values
    /// are sealed.
    pub secrets: OrdMap<SecretId, Arc<Secret>>,
    /// Their configs.
    pub configs: OrdMap<ConfigId, Arc<Config>>,
    /// Whether the values of the secrets are sealed, with a key of the node's.
    pub is_sealed: bool,
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
            if task.service.is_some() {
                assignments.tasks.insert(task.id, task.clone());
            }
        }
        assignments.entrust(state, node);
        let mesh = assignments.mesh().map(|network| network.id);
        let published: Vec<&Arc<Service>> = state.services().filter(|service| is_published(service)).collect();
        // Whatever is published is published on every node.
        let in_use = mesh.filter(|mesh| is_in_use(state, *mesh, published.len()));
        joined.extend(in_use);
        assignments.meet(state, node, &joined);
        for service in published.into_iter().filter(|_| mesh.is_some()) {
            assignments.services.entry(service.id).or_insert_with(|| Arc::new(named(service, &joined)));
        }
        if in_use.is_some() {
            // Tasks answer every node that sends them clients.
            assignments.peers = state.nodes().map(|node| (node.id, Arc::new(peer(node)))).collect();
        }
        assignments
    }

    /// Learns the secrets and configs of the node's tasks, and forgets all others. What was removed meanwhile is not there: the
    /// task says so when it starts.
    fn entrust(&mut self, state: &State, node: NodeId) {
        (self.secrets, self.configs) = Default::default();
        let tasks = state.tasks_of_node(node).filter(|task| task.status.state >= TaskState::Assigned);
        let containers = tasks.filter(|task| !task.status.state.is_terminal());
        for container in containers.filter_map(|task| task.spec().container_spec.as_ref()) {
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
            self.peers.insert(node.id, Arc::new(peer(node)));
        }
        for service in services.into_iter().filter_map(|service| state.service(service)) {
            self.services.insert(service.id, Arc::new(named(service, networks)));
        }
    }

    /// Whether a task or a container of `node` is on the network.
    pub fn is_used(&self, node: NodeId, network: NetworkId) -> bool {
        self.members_of(network).any(|member| member.node == node)
    }

    /// Whether the node takes part in the network: in the routing mesh it does as soon as anything is published, and until
    /// the last task on it has gone, for its clients come by every node.
    pub fn is_needed(&self, node: NodeId, network: NetworkId) -> bool {
        let is_mesh = self.networks.get(&network).is_some_and(|network| network.spec.ingress);
        self.is_used(node, network) || is_mesh && (self.is_published() || self.members_of(network).next().is_some())
    }

    /// The routing mesh's network.
    pub fn mesh(&self) -> Option<&Arc<Network>> {
        self.networks.values().find(|network| network.spec.ingress)
    }

    /// Whether any service publishes a port on every node.
    fn is_published(&self) -> bool {
        self.services.values().any(|service| !service.ports.is_empty())
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
        // What both share costs nothing.
        fn shared<K: Ord, V: PartialEq>(a: &OrdMap<K, Arc<V>>, b: &OrdMap<K, Arc<V>>) -> bool {
            a.diff(b).next().is_none()
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

fn peer(node: &Node) -> Peer {
    Peer {
        node: node.id,
        name: node.description.hostname.clone(),
        data_path: node.data_path().to_owned(),
        tunnel_key: node.description.tunnel_key.clone(),
    }
}

/// A service as nodes on these networks know it.
fn named(service: &Service, networks: &BTreeSet<NetworkId>) -> NamedService {
    let is_here = |address: &&crate::model::VirtualIp| networks.contains(&address.network);
    NamedService {
        id: service.id,
        name: service.name().to_owned(),
        virtual_ips: service.endpoint.virtual_ips.iter().filter(is_here).cloned().collect(),
        ports: service.endpoint.ports.iter().filter(|port| is_numbered(port)).cloned().collect(),
        masquerades: service.spec.labels.get(MASQUERADE_LABEL).is_some_and(|value| value == "true"),
    }
}

/// Whether any node needs the routing mesh, which so many services are published on: a service that was removed serves those
/// who are connected until its tasks are gone.
fn is_in_use(state: &State, mesh: NetworkId, published: usize) -> bool {
    published > 0 || state.members_of(mesh).next().is_some()
}

fn is_published(service: &Service) -> bool {
    service.endpoint.ports.iter().any(is_numbered)
}

fn is_numbered(port: &PortConfig) -> bool {
    ports::is_mesh(port) && port.published_port != 0
}
