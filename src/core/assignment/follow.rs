//! Keeps the assignments of one node up with the states, so that a change costs what changed and not what the node knows: a
//! node on a network with thousands of members is told of one of them many times a second.
//!
//! The result is that of [`Assignments::of`], always; a property test holds the two together. Only when a network changes, or
//! the node comes to one or leaves it, is more looked at than what the node is to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignments, is_in_use, is_published, named, peer};
use crate::model::{Member, NetworkId, NodeId, Service, ServiceId, Task, TaskId, TaskState};
use crate::state::{Pair, State};

/// The assignments of one node, as of the last state that was followed.
#[derive(Debug)]
pub struct Follower {
    node: NodeId,
    state: State,
    held: Assignments,
    /// How many places the node's own tasks and containers have on each network.
    joined: BTreeMap<NetworkId, usize>,
    /// How many of the members are of each service, and on each node.
    services: BTreeMap<ServiceId, usize>,
    nodes: BTreeMap<NodeId, usize>,
    /// How many services are published on every node.
    published: usize,
    /// How many records were looked at, ever.
    work: usize,
}

/// Whose records have to be made again.
#[derive(Default)]
struct Touched {
    services: BTreeSet<ServiceId>,
    nodes: BTreeSet<NodeId>,
}

impl Follower {
    /// Nothing is known of the node yet.
    pub fn new(node: NodeId) -> Follower {
        Follower {
            node,
            state: State::default(),
            held: Assignments::default(),
            joined: BTreeMap::new(),
            services: BTreeMap::new(),
            nodes: BTreeMap::new(),
            published: 0,
            work: 0,
        }
    }

    /// The node's assignments in a state.
    pub fn follow(&mut self, state: &State) -> Assignments {
        let old = std::mem::replace(&mut self.state, state.clone());
        if state.changed_networks(&old).next().is_some() {
            self.begin();
        } else {
            self.go_on(&old);
        }
        self.held.index = state.index();
        self.held.data_path_port = state.cluster().map_or(0, |cluster| cluster.data_path_port);
        self.held.clone()
    }

    /// How many records were looked at until now.
    pub fn work(&self) -> usize {
        self.work
    }

    /// Looks at everything.
    fn begin(&mut self) {
        self.held = Assignments::of(&self.state, self.node);
        (self.joined, self.services, self.nodes) = Default::default();
        for network in self.state.tasks_of_node(self.node).flat_map(|task| places(&self.state, task)) {
            *self.joined.entry(network).or_default() += 1;
        }
        for member in self.held.members.values() {
            count(&mut self.nodes, member.node, true);
            if let Some(service) = member.service {
                count(&mut self.services, service, true);
            }
        }
        self.published = self.state.services().filter(|service| is_published(service)).count();
        self.work += self.held.tasks.len() + self.held.members.len() + self.state.services().count();
    }

    fn go_on(&mut self, old: &State) {
        let state = self.state.clone();
        let mut touched = Touched::default();
        let (before, meshed) = (self.networks(old), self.mesh(old));
        let mut entrusts = state.entrusts_otherwise(old);
        for (old, new) in state.changed_tasks(old) {
            entrusts |= [old, new].into_iter().flatten().any(|task| self.is_own(task) && is_entrusted(task));
            self.take_task(&state, (old, new));
        }
        if entrusts {
            self.held.entrust(&state, self.node);
            self.work += self.held.tasks.len();
        }
        state.changed_services(old).for_each(|pair| self.take_service(pair, &mut touched));
        let after = self.networks(&state);
        for network in before.difference(&after) {
            self.leave(*network, &mut touched);
        }
        for network in after.difference(&before) {
            self.join(*network, &mut touched);
        }
        let stays = |network| before.contains(&network) && after.contains(&network);
        for (old, new) in state.changed_members(old) {
            self.work += 1;
            if let Some(old) = old.filter(|member| stays(member.network)) {
                self.forget(old, &mut touched);
            }
            if let Some(new) = new.filter(|member| stays(member.network)) {
                self.meet(new, &mut touched);
            }
        }
        for node in state.changed_nodes(old).filter_map(|(old, new)| new.or(old)) {
            touched.nodes.insert(node.id);
        }
        if before != after || meshed != self.mesh(&state) {
            // Which of their addresses the node knows depends on its networks, and so may which nodes.
            touched.services.extend(self.held.services.keys());
            touched.nodes.extend(self.held.peers.keys());
            touched.nodes.extend(state.nodes().map(|node| node.id));
        }
        self.renew(touched, &after);
    }

    fn take_task(&mut self, state: &State, (old, new): Pair<'_, Task>) {
        self.work += 1;
        if let Some(old) = old.filter(|task| self.is_own(task)) {
            self.held.tasks.remove(&old.id);
            places(state, old).for_each(|network| count(&mut self.joined, network, false));
        }
        if let Some(new) = new.filter(|task| self.is_own(task)) {
            if new.service.is_some() {
                self.held.tasks.insert(new.id, new.clone());
            }
            places(state, new).for_each(|network| count(&mut self.joined, network, true));
        }
    }

    fn take_service(&mut self, (old, new): Pair<'_, Service>, touched: &mut Touched) {
        self.work += 1;
        touched.services.extend(new.or(old).map(|service| service.id));
        self.published -= usize::from(old.is_some_and(|service| is_published(service)));
        self.published += usize::from(new.is_some_and(|service| is_published(service)));
    }

    fn is_own(&self, task: &Task) -> bool {
        task.node == Some(self.node) && task.status.state >= TaskState::Assigned
    }

    /// The routing mesh, if every node needs it.
    fn mesh(&self, state: &State) -> Option<NetworkId> {
        self.held.mesh().map(|network| network.id).filter(|mesh| is_in_use(state, *mesh, self.published))
    }

    /// The networks whose members the node must know.
    fn networks(&self, state: &State) -> BTreeSet<NetworkId> {
        self.joined.keys().copied().chain(self.mesh(state)).collect()
    }

    fn leave(&mut self, network: NetworkId, touched: &mut Touched) {
        let known = self.held.members.range((network, TaskId::MIN)..=(network, TaskId::MAX));
        let known: Vec<Arc<Member>> = known.map(|(_, member)| member.clone()).collect();
        known.iter().for_each(|member| self.forget(member, touched));
        if self.held.mesh().is_none_or(|mesh| mesh.id != network) {
            self.held.networks.remove(&network);
        }
    }

    fn join(&mut self, network: NetworkId, touched: &mut Touched) {
        let state = self.state.clone();
        if let Some(network) = state.network(network) {
            self.held.networks.insert(network.id, network.clone());
        }
        state.members_of(network).for_each(|member| self.meet(member, touched));
    }

    fn meet(&mut self, member: &Arc<Member>, touched: &mut Touched) {
        self.work += 1;
        self.held.members.insert((member.network, member.task), member.clone());
        self.note(member, true, touched);
    }

    fn forget(&mut self, member: &Arc<Member>, touched: &mut Touched) {
        self.work += 1;
        self.held.members.remove(&(member.network, member.task));
        self.note(member, false, touched);
    }

    fn note(&mut self, member: &Member, comes: bool, touched: &mut Touched) {
        count(&mut self.nodes, member.node, comes);
        touched.nodes.insert(member.node);
        if let Some(service) = member.service {
            count(&mut self.services, service, comes);
            touched.services.insert(service);
        }
    }

    /// Makes records again, of those that the node must know.
    fn renew(&mut self, touched: Touched, networks: &BTreeSet<NetworkId>) {
        self.work += touched.services.len() + touched.nodes.len();
        let meshes = self.mesh(&self.state).is_some();
        for id in touched.services {
            let is_known = |service: &&Arc<Service>| self.services.contains_key(&id) || meshes && is_published(service);
            match self.state.service(id).filter(is_known) {
                Some(service) => _ = self.held.services.insert(id, Arc::new(named(service, networks))),
                None => _ = self.held.services.remove(&id),
            }
        }
        for id in touched.nodes {
            let is_known = id == self.node || meshes || self.nodes.contains_key(&id);
            match self.state.node(id).filter(|_| is_known) {
                Some(node) => _ = self.held.peers.insert(id, Arc::new(peer(node))),
                None => _ = self.held.peers.remove(&id),
            }
        }
    }
}

/// Whether a task has secrets or configs.
fn is_entrusted(task: &Task) -> bool {
    let container = task.spec().container_spec.as_ref();
    container.is_some_and(|container| !container.secrets.is_empty() || !container.configs.is_empty())
}

/// The networks that a task is on: none once it has ended.
fn places<'a>(state: &'a State, task: &'a Task) -> impl Iterator<Item = NetworkId> + 'a {
    let counts = (TaskState::Assigned..=TaskState::Running).contains(&task.status.state);
    let known = task.networks.iter().filter(move |_| counts).filter_map(|attachment| attachment.network);
    known.filter(|network| state.network(*network).is_some())
}

fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, comes: bool) {
    if comes {
        *counts.entry(key).or_default() += 1;
    } else if let Some(left) = counts.get_mut(&key) {
        *left -= 1;
        if *left == 0 {
            counts.remove(&key);
        }
    }
}
