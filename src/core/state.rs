//! The replicated state: tables and indexes in persistent maps, so that a clone costs some pointers and a reader
//! holds one consistent moment for as long as it likes.
//!
//! Only [`State::apply`] changes a state, and it is deterministic: no clock, no randomness, ordered maps. Every manager
//! applies the same proposals in the same order and so holds the same state.

mod apply;
mod change;
mod changed;
pub mod codec;
mod containers;
mod event;
mod lookup;
mod members;
mod parting;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::model::{
    Cluster, Config, ConfigId, Member, Network, NetworkId, Node, NodeId, Role, Secret, SecretId, Service, ServiceId,
    Task, TaskId, Timestamp,
};

pub use change::{Change, Proposal};
pub use changed::Pair;
pub use event::{Event, EventKind};
pub use lookup::Found;

/// In nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Everything that managers agree on, at one log index.
#[derive(Clone, Debug, Default)]
pub struct State {
    index: u64,
    latest_time: Timestamp,
    cluster: Option<Arc<Cluster>>,
    nodes: OrdMap<NodeId, Arc<Node>>,
    /// Nodes that were removed, until their certificates have expired (swarmkit: `BlacklistedCertificates`).
    former: OrdMap<NodeId, Timestamp>,
    /// Numbers in the consensus that managers gave up, as long as a certificate can be valid with which one speaks as them.
    former_members: OrdMap<u64, Timestamp>,
    /// Workers that were managers, and since when they are none. A certificate that is older may still call them managers.
    demoted: OrdMap<NodeId, Timestamp>,
    services: OrdMap<ServiceId, Arc<Service>>,
    tasks: OrdMap<TaskId, Arc<Task>>,
    networks: OrdMap<NetworkId, Arc<Network>>,
    secrets: OrdMap<SecretId, Arc<Secret>>,
    configs: OrdMap<ConfigId, Arc<Config>>,
    /// By name in small letters: names of services differ in more than their case, and those of networks, as in swarmkit.
    service_names: OrdMap<String, ServiceId>,
    network_names: OrdMap<String, NetworkId>,
    secret_names: OrdMap<String, SecretId>,
    config_names: OrdMap<String, ConfigId>,
    service_tasks: OrdSet<(ServiceId, TaskId)>,
    node_tasks: OrdSet<(NodeId, TaskId)>,
    /// The first digits of the ids of services' containers; follows from tasks.
    containers: OrdSet<(u64, TaskId)>,
    /// Who is on each network; follows from tasks and nodes.
    members: OrdMap<(NetworkId, TaskId), Arc<Member>>,
    /// The tasks that are to stop and must not yet; follows from tasks.
    held: OrdSet<TaskId>,
    /// Addresses in use on each network (tasks and virtual IPs).
    addresses: OrdSet<(NetworkId, IpAddr)>,
    /// The IPv4 address handed out last on each network: the next search starts behind it, which delays reuse.
    cursors: OrdMap<NetworkId, Ipv4Addr>,
    /// The same of IPv6, on networks that have it.
    ipv6_cursors: OrdMap<NetworkId, Ipv6Addr>,
}

impl State {
    /// The index of the last proposal that was applied.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// What the last proposal said for the time. Whoever leads counts on from it.
    pub fn latest_time(&self) -> Timestamp {
        self.latest_time
    }

    /// The cluster, once there is one.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// Where the managers are: `host:port`.
    pub fn manager_addresses(&self) -> impl Iterator<Item = &str> {
        self.nodes().filter_map(|node| Some(node.manager.as_ref()?.addr.as_str()))
    }

    /// Whether a node belongs to the cluster. One that was removed does not, whatever its certificate says.
    pub fn is_member(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// Whether a node belonged to the cluster and was removed. A state that is behind does not know a node yet that is new; of
    /// one that was removed it knows, as long as a certificate of it can be valid.
    pub fn was_removed(&self, id: NodeId) -> bool {
        self.former.contains_key(&id)
    }

    /// Whether a node may do what only managers may. It loses this the moment that it is demoted.
    pub fn may_act_as_manager(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.is_manager())
    }

    /// Whether a node may speak in the consensus. One that is being demoted still may, or the leader could not hand
    /// over before it is let go.
    pub fn may_vote(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.role() == Role::Manager)
    }

    /// Whether a manager's certificate of that time may be valid for a node that this state, which may be behind, calls a worker:
    /// one from before it was demoted is not. Certificates tell the second.
    pub fn may_be_promoted(&self, id: NodeId, issued: Timestamp) -> bool {
        self.demoted.get(&id).is_none_or(|demoted| issued.0.saturating_add(SECOND) > demoted.0)
    }

    /// The manager whose number in the consensus this is.
    pub fn manager_of(&self, raft_id: u64) -> Option<&Arc<Node>> {
        self.nodes().find(|node| node.manager.as_ref().is_some_and(|manager| manager.raft_id == raft_id))
    }

    /// Whether this was a manager's number in the consensus, and is nobody's any more: such a number never comes back.
    pub fn was_member(&self, raft_id: u64) -> bool {
        self.former_members.contains_key(&raft_id)
    }

    /// Whether this member of the consensus was let go, or is about to be: its node is to be no manager any more.
    pub fn was_demoted(&self, raft_id: u64) -> bool {
        self.was_member(raft_id) || self.manager_of(raft_id).is_some_and(|node| !node.is_manager())
    }

    /// Whether a node may be this member of the consensus: no other one is it, and none ever was.
    pub fn may_be_member(&self, node: NodeId, raft_id: u64) -> bool {
        !self.was_member(raft_id) && self.manager_of(raft_id).is_none_or(|owner| owner.id == node)
    }

    /// Whether a node should get itself a new certificate at once, because another root is taking over.
    pub fn must_renew(&self, node: &Node) -> bool {
        let root_ca = self.cluster.as_ref().map(|cluster| &cluster.root_ca);
        root_ca.is_some_and(|root_ca| root_ca.rotation.is_some() && node.issuer() != root_ca.issuer())
    }

    /// All services, by id.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// One service.
    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&id)
    }

    /// One service, by its name.
    pub fn service_named(&self, name: &str) -> Option<&Arc<Service>> {
        self.service_alike(name).filter(|service| service.name() == name)
    }

    /// The service whose name is this one but for capital letters: there is no second one.
    pub fn service_alike(&self, name: &str) -> Option<&Arc<Service>> {
        self.service(*self.service_names.get(&name.to_ascii_lowercase())?)
    }

    /// All tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// One task.
    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&id)
    }

    /// The tasks of a service, by id.
    pub fn tasks_of_service(&self, service: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        self.service_tasks
            .range((service, TaskId::MIN)..=(service, TaskId::MAX))
            .filter_map(|(_, task)| self.tasks.get(task))
    }

    /// The tasks assigned to a node, by id.
    pub fn tasks_of_node(&self, node: NodeId) -> impl Iterator<Item = &Arc<Task>> {
        self.node_tasks.range((node, TaskId::MIN)..=(node, TaskId::MAX)).filter_map(|(_, task)| self.tasks.get(task))
    }

    /// A state of these networks and nothing else, as they are.
    pub fn of_networks<'a>(networks: impl IntoIterator<Item = &'a Arc<Network>>) -> State {
        let mut state = State::default();
        for network in networks {
            state.network_names.insert(network.name().to_ascii_lowercase(), network.id);
            state.networks.insert(network.id, network.clone());
        }
        state
    }

    /// A state of these networks and tasks and nothing else, as they are.
    pub fn of_places<'a>(
        networks: impl IntoIterator<Item = &'a Arc<Network>>,
        tasks: impl IntoIterator<Item = &'a Arc<Task>>,
    ) -> State {
        let mut state = State::of_networks(networks);
        for task in tasks {
            state.node_tasks.extend(task.node.map(|node| (node, task.id)));
            state.tasks.insert(task.id, task.clone());
        }
        state
    }

    /// The networks that users make and see, by id: all but the predefined ones.
    pub fn networks(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.all_networks().filter(|network| !network.is_predefined())
    }

    /// All networks, those that stand for the engine's own included.
    pub fn all_networks(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.networks.values()
    }

    /// One network.
    pub fn network(&self, id: NetworkId) -> Option<&Arc<Network>> {
        self.networks.get(&id)
    }

    /// One network, by its name.
    pub fn network_named(&self, name: &str) -> Option<&Arc<Network>> {
        self.network_alike(name).filter(|network| network.name() == name)
    }

    /// The network whose name is this one but for capital letters: there is no second one.
    pub fn network_alike(&self, name: &str) -> Option<&Arc<Network>> {
        self.network(*self.network_names.get(&name.to_ascii_lowercase())?)
    }

    /// All secrets, by id.
    pub fn secrets(&self) -> impl Iterator<Item = &Arc<Secret>> {
        self.secrets.values()
    }

    /// One secret.
    pub fn secret(&self, id: SecretId) -> Option<&Arc<Secret>> {
        self.secrets.get(&id)
    }

    /// One secret, by its name; capitals make no difference, as in Docker.
    pub fn secret_named(&self, name: &str) -> Option<&Arc<Secret>> {
        self.secret(*self.secret_names.get(&name.to_lowercase())?)
    }

    /// All configs, by id.
    pub fn configs(&self) -> impl Iterator<Item = &Arc<Config>> {
        self.configs.values()
    }

    /// One config.
    pub fn config(&self, id: ConfigId) -> Option<&Arc<Config>> {
        self.configs.get(&id)
    }

    /// One config, by its name; capitals make no difference.
    pub fn config_named(&self, name: &str) -> Option<&Arc<Config>> {
        self.config(*self.config_names.get(&name.to_lowercase())?)
    }

    /// Whether an address is in use on a network.
    pub fn is_address_used(&self, network: NetworkId, address: IpAddr) -> bool {
        self.addresses.contains(&(network, address))
    }

    /// The address of IPv4, or else of IPv6, that was handed out last on a network.
    pub fn address_cursor(&self, network: NetworkId, is_ipv4: bool) -> Option<IpAddr> {
        if is_ipv4 {
            return self.cursors.get(&network).copied().map(IpAddr::V4);
        }
        self.ipv6_cursors.get(&network).copied().map(IpAddr::V6)
    }

    /// How many addresses are in use on a network.
    pub fn addresses_used(&self, network: NetworkId) -> usize {
        let (first, last) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(u128::MAX.into()));
        self.addresses.range((network, first)..=(network, last)).count()
    }
}
