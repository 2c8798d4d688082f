//! How a state takes a proposal. Deterministic, total, and silent about changes that no longer make sense: a change
//! to an object that is gone does nothing, a status that would go backwards is dropped. The leader that proposed it
//! saw a state that this one has since left behind; refusing here would make managers differ.

use std::net::IpAddr;
use std::sync::Arc;

use imbl::OrdMap;

use super::event::{Event, EventKind};
use super::{Change, Proposal, State};
use crate::model::{
    Attachment, Config, ContainerStatus, Driver, JobStatus, Meta, NetworkAttachmentSpec, NetworkId, Node, NodeId, Role,
    Secret, Service, ServiceId, ServiceSpec, Task, TaskId, TaskSpec, TaskState, TaskStatus, Timestamp,
};

/// How long at least a removed node is remembered, in nanoseconds: its certificate may be from a time when they lived longer than
/// they do now. Docker's default are these 90 days.
const FORMER_MIN: i64 = 90 * 24 * 3600 * 1_000_000_000;

/// The address part of `10.0.1.3/24`.
pub(super) fn host(address: &str) -> Option<IpAddr> {
    address.split('/').next()?.parse().ok()
}

/// What is to be remembered for longer than until now.
fn still_valid<K: Clone + Ord>(former: &OrdMap<K, Timestamp>, at: Timestamp) -> OrdMap<K, Timestamp> {
    former.iter().filter(|(_, until)| **until >= at).map(|(key, until)| (key.clone(), *until)).collect()
}

/// Where and when a change happens, and what it lets the world know.
struct Moment {
    index: u64,
    at: Timestamp,
    events: Vec<Event>,
}

impl Moment {
    fn emit(&mut self, kind: EventKind, action: &'static str, id: impl ToString, attributes: Vec<(String, String)>) {
        self.events.push(Event { kind, action, id: id.to_string(), attributes, at: self.at });
    }
}

fn named(name: &str) -> Vec<(String, String)> {
    vec![("name".to_owned(), name.to_owned())]
}

impl State {
    /// Applies a proposal at log index `index`; returns the events that it causes, in order.
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Vec<Event> {
        let mut moment = Moment { index, at: proposal.at, events: Vec::new() };
        for change in &proposal.changes {
            self.change(change, &mut moment);
        }
        self.index = index;
        self.latest_time = proposal.at;
        moment.events
    }

    fn change(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::ClusterCreate(_)
            | Change::ClusterUpdate(_)
            | Change::ClusterRootCa(_)
            | Change::ClusterTokens(_)
            | Change::ClusterUnlockKey(_) => self.change_cluster(change, moment),
            Change::NodeCreate(_)
            | Change::NodeUpdate { .. }
            | Change::NodeReport { .. }
            | Change::NodeManager { .. }
            | Change::NodeRemove { .. } => self.change_node(change, moment),
            Change::ServiceCreate { .. }
            | Change::ServiceUpdate { .. }
            | Change::ServiceUpdateStatus { .. }
            | Change::ServiceEndpoint { .. }
            | Change::ServiceRemove { .. } => self.change_service(change, moment),
            Change::TaskCreate { .. }
            | Change::AttachmentCreate { .. }
            | Change::TaskAllocate { .. }
            | Change::TaskAssign { .. }
            | Change::TaskDesire { .. }
            | Change::TaskRelease { .. }
            | Change::TaskReport { .. }
            | Change::TaskBackoff { .. }
            | Change::TaskRemove { .. } => self.change_task(change, moment),
            Change::NetworkCreate(_) | Change::NetworkIpam { .. } | Change::NetworkRemove { .. } => {
                self.change_network(change, moment);
            }
            Change::SecretCreate { .. } | Change::SecretUpdate { .. } | Change::SecretRemove { .. } => {
                self.change_secret(change, moment);
            }
            Change::ConfigCreate { .. } | Change::ConfigUpdate { .. } | Change::ConfigRemove { .. } => {
                self.change_config(change, moment);
            }
        }
    }

    fn change_cluster(&mut self, change: &Change, moment: &mut Moment) {
        if let Change::ClusterCreate(cluster) = change {
            let mut cluster = (**cluster).clone();
            cluster.meta = Meta::created(moment.index, moment.at);
            self.cluster = Some(Arc::new(cluster));
            return;
        }
        let Some(cluster) = self.cluster.as_mut().map(Arc::make_mut) else { return };
        match change {
            Change::ClusterUpdate(spec) => cluster.spec = (**spec).clone(),
            Change::ClusterRootCa(root_ca) => cluster.root_ca = (**root_ca).clone(),
            Change::ClusterTokens(tokens) => cluster.join_tokens = tokens.clone(),
            Change::ClusterUnlockKey(key) => cluster.unlock_key.clone_from(key),
            _ => {}
        }
        match change {
            Change::ClusterUpdate(_) => cluster.meta.touch_spec(moment.index, moment.at),
            _ => cluster.meta.touch(moment.index, moment.at),
        }
    }

    /// Until when certificates may be valid that were issued up to now.
    fn certificates_end(&self, at: Timestamp) -> Timestamp {
        let expiry = self.cluster.as_ref().map_or(0, |cluster| cluster.spec.ca_config.node_cert_expiry);
        Timestamp(at.0.saturating_add(expiry.max(FORMER_MIN)))
    }

    /// Notes that a node was removed, and forgets those whose certificates have expired by now.
    fn remember_removed(&mut self, id: NodeId, at: Timestamp) {
        self.former = still_valid(&self.former, at);
        self.former.insert(id, self.certificates_end(at));
    }

    /// Notes that a node is not, or not as this number, a member of the consensus any more.
    fn remember_member(&mut self, old: &Node, new: Option<&Node>, at: Timestamp) {
        let raft_id = |node: &Node| node.manager.as_ref().map(|manager| manager.raft_id);
        let given_up = raft_id(old).filter(|old| new.and_then(raft_id) != Some(*old));
        if let Some(raft_id) = given_up {
            self.former_members = still_valid(&self.former_members, at);
            self.former_members.insert(raft_id, self.certificates_end(at));
        }
    }

    /// Notes that a node is no manager any more, or is one again.
    fn remember_demoted(&mut self, old: &Node, new: Option<&Node>, at: Timestamp) {
        match new.map(Node::role) {
            Some(Role::Worker) if old.role() == Role::Manager => drop(self.demoted.insert(old.id, at)),
            Some(Role::Worker) => {}
            Some(Role::Manager) | None => drop(self.demoted.remove(&old.id)),
        }
    }

    fn change_node(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::NodeCreate(node) => {
                let mut node = (**node).clone();
                node.meta = Meta::created(moment.index, moment.at);
                moment.emit(EventKind::Node, "create", node.id, named(node_name(&node)));
                self.former.remove(&node.id);
                self.nodes.insert(node.id, Arc::new(node));
            }
            Change::NodeRemove { id } => {
                if let Some(node) = self.nodes.remove(id) {
                    self.place_all_of(*id);
                    moment.emit(EventKind::Node, "remove", id, named(node_name(&node)));
                    self.remember_removed(*id, moment.at);
                    self.remember_member(&node, None, moment.at);
                    self.remember_demoted(&node, None, moment.at);
                }
            }
            Change::NodeUpdate { id, .. } | Change::NodeReport { id, .. } | Change::NodeManager { id, .. } => {
                let Some(old) = self.nodes.get(id).cloned() else { return };
                let mut node = (*old).clone();
                match change {
                    Change::NodeUpdate { spec, .. } => node.spec = spec.clone(),
                    Change::NodeReport { status, description, .. } => {
                        node.status = status.clone();
                        if let Some(description) = description {
                            node.description = (**description).clone();
                        }
                    }
                    Change::NodeManager { manager, .. } => node.manager.clone_from(manager),
                    _ => {}
                }
                match change {
                    Change::NodeUpdate { .. } => node.meta.touch_spec(moment.index, moment.at),
                    _ => node.meta.touch(moment.index, moment.at),
                }
                moment.emit(EventKind::Node, "update", id, node_differences(&old, &node));
                self.remember_member(&old, Some(&node), moment.at);
                self.remember_demoted(&old, Some(&node), moment.at);
                let is_lost = node.is_lost();
                self.nodes.insert(*id, Arc::new(node));
                if is_lost != old.is_lost() {
                    self.place_all_of(*id);
                }
            }
            _ => {}
        }
    }

    fn change_service(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::ServiceCreate { id, spec } => {
                let service = Service {
                    id: *id,
                    meta: Meta::created(moment.index, moment.at),
                    spec: Arc::new((**spec).clone()),
                    previous_spec: None,
                    endpoint: Default::default(),
                    update_status: None,
                    job: spec.mode.is_job().then_some(JobStatus { iteration: 0, last_execution: moment.at }),
                };
                moment.emit(EventKind::Service, "create", id, named(service.name()));
                self.service_names.insert(service.name().to_ascii_lowercase(), *id);
                self.services.insert(*id, Arc::new(service));
            }
            Change::ServiceRemove { id } => {
                let Some(service) = self.services.remove(id) else { return };
                self.service_names.remove(&service.name().to_ascii_lowercase());
                self.claim_virtual_ips(&service, false);
                moment.emit(EventKind::Service, "remove", id, named(service.name()));
            }
            Change::ServiceUpdate { id, .. }
            | Change::ServiceUpdateStatus { id, .. }
            | Change::ServiceEndpoint { id, .. } => self.update_service(*id, change, moment),
            _ => {}
        }
    }

    fn update_service(&mut self, id: ServiceId, change: &Change, moment: &mut Moment) {
        let Some(old) = self.services.get(&id).cloned() else { return };
        let mut service = (*old).clone();
        match change {
            Change::ServiceUpdate { spec, previous, update_status, .. } => {
                if **spec != *old.spec {
                    service.spec = Arc::new((**spec).clone());
                }
                service.previous_spec = previous.as_ref().map(|spec| Arc::new((**spec).clone()));
                service.update_status.clone_from(update_status);
                // Whatever was changed, a job is executed anew (swarmkit `UpdateService`).
                service.job = old
                    .job
                    .map(|job| JobStatus { iteration: job.iteration.saturating_add(1), last_execution: moment.at });
                self.service_names.remove(&old.name().to_ascii_lowercase());
                self.service_names.insert(service.name().to_ascii_lowercase(), id);
            }
            Change::ServiceUpdateStatus { status, .. } => service.update_status.clone_from(status),
            Change::ServiceEndpoint { endpoint, .. } => {
                self.claim_virtual_ips(&old, false);
                service.endpoint = endpoint.clone();
                self.claim_virtual_ips(&service, true);
            }
            _ => {}
        }
        match change {
            Change::ServiceUpdate { .. } => service.meta.touch_spec(moment.index, moment.at),
            _ => service.meta.touch(moment.index, moment.at),
        }
        // An endpoint with nothing in it is part of the service's creation; any other one is an update of it, as in Docker.
        let is_empty = service.endpoint.ports.is_empty() && service.endpoint.virtual_ips.is_empty();
        let is_made = service.meta.created_at == moment.at && matches!(change, Change::ServiceEndpoint { .. });
        if !(is_made && is_empty) {
            moment.emit(EventKind::Service, "update", id, service_differences(&old, &service));
        }
        self.services.insert(id, Arc::new(service));
    }

    fn claim_virtual_ips(&mut self, service: &Service, used: bool) {
        for vip in &service.endpoint.virtual_ips {
            self.claim(vip.network, &vip.address, used, used);
        }
    }

    /// Marks an address as in use, or as free. Only one that was handed out in its turn moves the place where the next search
    /// begins: one that the user chose says nothing about its neighbours.
    fn claim(&mut self, network: NetworkId, address: &str, used: bool, in_turn: bool) {
        let Some(host) = host(address) else { return };
        if used {
            self.addresses.insert((network, host));
        } else {
            self.addresses.remove(&(network, host));
        }
        if !in_turn {
            return;
        }
        match host {
            IpAddr::V4(host) => self.cursors.insert(network, host).is_some(),
            IpAddr::V6(host) => self.ipv6_cursors.insert(network, host).is_some(),
        };
    }

    fn claim_attachments(&mut self, attachments: &[Attachment], used: bool, chosen: &[String]) {
        for attachment in attachments {
            let Some(network) = attachment.network else { continue };
            for address in &attachment.addresses {
                self.claim(network, address, used, used && !chosen.contains(address));
            }
        }
    }

    fn change_task(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::TaskCreate { id, service, slot, node, desired, restart } => {
                let Some(owner) = self.services.get(service) else { return };
                let (origin, iteration) = (owner.spec.clone(), owner.job.map(|job| job.iteration));
                let default_log_driver = self.default_log_driver(&origin);
                let status = TaskStatus { timestamp: moment.at, message: "created".into(), ..TaskStatus::default() };
                self.insert_task(Task {
                    id: *id,
                    meta: Meta::created(moment.index, moment.at),
                    service: Some(*service),
                    slot: *slot,
                    node: *node,
                    origin,
                    desired: *desired,
                    status,
                    networks: Vec::new(),
                    generic: Vec::new(),
                    default_log_driver,
                    restart: restart.clone(),
                    parting: None,
                    iteration,
                });
            }
            Change::AttachmentCreate { id, node, name, container, networks, chosen } => {
                self.claim_attachments(networks, true, chosen);
                let status = TaskStatus {
                    timestamp: moment.at,
                    state: TaskState::Running,
                    message: "started".into(),
                    container: Some(ContainerStatus { id: container.clone(), ..ContainerStatus::default() }),
                    ..TaskStatus::default()
                };
                self.insert_task(Task {
                    id: *id,
                    meta: Meta::created(moment.index, moment.at),
                    service: None,
                    slot: 0,
                    node: Some(*node),
                    origin: Arc::new(attachment_spec(name, container)),
                    desired: TaskState::Running,
                    status,
                    networks: networks.clone(),
                    generic: Vec::new(),
                    default_log_driver: None,
                    restart: Default::default(),
                    parting: None,
                    iteration: None,
                });
            }
            Change::TaskRemove { id } => self.remove_task(*id),
            Change::TaskRelease { id } => self.release(*id),
            Change::TaskAllocate { id, .. }
            | Change::TaskAssign { id, .. }
            | Change::TaskDesire { id, .. }
            | Change::TaskReport { id, .. }
            | Change::TaskBackoff { id, .. } => self.update_task(*id, change, moment),
            _ => {}
        }
    }

    /// What a new task of this spec notes of the cluster's defaults (swarmkit `orchestrator.NewTask`).
    fn default_log_driver(&self, spec: &ServiceSpec) -> Option<Arc<Driver>> {
        let defaults = &self.cluster.as_ref()?.spec.task_defaults;
        defaults.log_driver.as_ref().filter(|_| spec.task_template.log_driver.is_none()).cloned().map(Arc::new)
    }

    fn update_task(&mut self, id: TaskId, change: &Change, moment: &mut Moment) {
        let Some(old) = self.tasks.get(&id).cloned() else { return };
        let mut task = (*old).clone();
        match change {
            Change::TaskAllocate { networks, .. } => {
                let old = std::mem::replace(&mut task.networks, networks.clone());
                self.claim_attachments(&old, false, &[]);
                self.claim_attachments(networks, true, &[]);
                advance(&mut task, TaskState::Pending, "pending task scheduling", moment.at);
            }
            Change::TaskAssign { node, generic, .. } => {
                task.generic.clone_from(generic);
                if let Some(old) = task.node.replace(*node) {
                    self.node_tasks.remove(&(old, id));
                }
                self.node_tasks.insert((*node, id));
                advance(&mut task, TaskState::Assigned, "scheduler assigned task to node", moment.at);
            }
            Change::TaskDesire { state, .. } => {
                if *state <= task.desired {
                    return;
                }
                task.desired = *state;
                self.part(&old, &mut task, moment.index, moment.at);
            }
            Change::TaskReport { status, .. } => {
                if status.state < task.status.state || *status == task.status {
                    return;
                }
                // An older Gam did not note it.
                let ran_before = task.status.state == TaskState::Running && task.restart.runs_since.is_none();
                task.restart.runs_since = task.restart.runs_since.or(ran_before.then(|| task.observed_at()));
                if status.state == TaskState::Running {
                    task.restart.runs_since.get_or_insert(moment.at);
                }
                if status.state.is_terminal() {
                    task.restart.ended_at.get_or_insert(moment.at);
                }
                let freed = status.state.is_terminal() && !task.status.state.is_terminal();
                task.status = status.clone();
                if freed {
                    self.claim_attachments(&task.networks, false, &[]);
                }
            }
            Change::TaskBackoff { backoff, .. } => task.restart.backoff = Some(*backoff),
            _ => {}
        }
        task.meta.touch(moment.index, moment.at);
        self.note_container(id, Some(&old), Some(&task));
        self.tasks.insert(id, Arc::new(task));
        self.place(id, &old.networks);
        self.note_held(id);
    }

    pub(super) fn insert_task(&mut self, task: Task) {
        if let Some(service) = task.service {
            self.service_tasks.insert((service, task.id));
        }
        if let Some(node) = task.node {
            self.node_tasks.insert((node, task.id));
        }
        let id = task.id;
        self.note_container(id, None, Some(&task));
        self.tasks.insert(id, Arc::new(task));
        self.place(id, &[]);
        self.note_held(id);
    }

    fn remove_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.remove(&id) else { return };
        self.note_container(id, Some(&task), None);
        if let Some(service) = task.service {
            self.service_tasks.remove(&(service, id));
        }
        if let Some(node) = task.node {
            self.node_tasks.remove(&(node, id));
        }
        self.place(id, &task.networks);
        self.note_held(id);
        if !task.status.state.is_terminal() {
            self.claim_attachments(&task.networks, false, &[]);
        }
    }

    fn change_network(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::NetworkCreate(network) => {
                let mut network = (**network).clone();
                network.meta = Meta::created(moment.index, moment.at);
                if !network.is_predefined() {
                    moment.emit(EventKind::Network, "create", network.id, named(network.name()));
                    // Docker allocates a network after it made it, which its users see as an update.
                    moment.emit(EventKind::Network, "update", network.id, named(network.name()));
                }
                self.network_names.insert(network.name().to_ascii_lowercase(), network.id);
                self.networks.insert(network.id, Arc::new(network));
            }
            Change::NetworkIpam { id, ipam, vni } => {
                let Some(network) = self.networks.get_mut(id).map(Arc::make_mut) else { return };
                network.ipam.clone_from(ipam);
                network.vni = vni.unwrap_or(network.vni);
                network.meta.touch(moment.index, moment.at);
                moment.emit(EventKind::Network, "update", id, named(&network.spec.name));
            }
            Change::NetworkRemove { id } => {
                let Some(network) = self.networks.remove(id) else { return };
                self.network_names.remove(&network.name().to_ascii_lowercase());
                self.cursors.remove(id);
                self.ipv6_cursors.remove(id);
                moment.emit(EventKind::Network, "remove", id, named(network.name()));
            }
            _ => {}
        }
    }

    fn change_secret(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::SecretCreate { id, spec } => {
                let secret = Secret { id: *id, meta: Meta::created(moment.index, moment.at), spec: (**spec).clone() };
                moment.emit(EventKind::Secret, "create", id, named(&spec.name));
                self.secret_names.insert(spec.name.to_lowercase(), *id);
                self.secrets.insert(*id, Arc::new(secret));
            }
            Change::SecretUpdate { id, spec } => {
                let Some(secret) = self.secrets.get_mut(id).map(Arc::make_mut) else { return };
                secret.spec = (**spec).clone();
                secret.meta.touch_spec(moment.index, moment.at);
                moment.emit(EventKind::Secret, "update", id, named(&spec.name));
            }
            Change::SecretRemove { id } => {
                let Some(secret) = self.secrets.remove(id) else { return };
                self.secret_names.remove(&secret.spec.name.to_lowercase());
                moment.emit(EventKind::Secret, "remove", id, named(&secret.spec.name));
            }
            _ => {}
        }
    }

    fn change_config(&mut self, change: &Change, moment: &mut Moment) {
        match change {
            Change::ConfigCreate { id, spec } => {
                let config = Config { id: *id, meta: Meta::created(moment.index, moment.at), spec: (**spec).clone() };
                moment.emit(EventKind::Config, "create", id, named(&spec.name));
                self.config_names.insert(spec.name.to_lowercase(), *id);
                self.configs.insert(*id, Arc::new(config));
            }
            Change::ConfigUpdate { id, spec } => {
                let Some(config) = self.configs.get_mut(id).map(Arc::make_mut) else { return };
                config.spec = (**spec).clone();
                config.meta.touch_spec(moment.index, moment.at);
                moment.emit(EventKind::Config, "update", id, named(&spec.name));
            }
            Change::ConfigRemove { id } => {
                let Some(config) = self.configs.remove(id) else { return };
                self.config_names.remove(&config.spec.name.to_lowercase());
                moment.emit(EventKind::Config, "remove", id, named(&config.spec.name));
            }
            _ => {}
        }
    }
}

/// Moves a task forward to a state that the manager writes; never back.
fn advance(task: &mut Task, state: TaskState, message: &str, at: Timestamp) {
    if task.status.state < state {
        task.status = TaskStatus { timestamp: at, state, message: message.into(), ..TaskStatus::default() };
    }
}

/// The spec of a container that the swarm did not make, as swarmkit words it.
fn attachment_spec(name: &str, container: &str) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        task_template: TaskSpec {
            network_attachment_spec: Some(NetworkAttachmentSpec { container_id: container.to_owned() }),
            runtime: "attachment".into(),
            ..TaskSpec::default()
        },
        ..ServiceSpec::default()
    }
}

fn node_name(node: &Node) -> &str {
    if node.spec.name.is_empty() { &node.description.hostname } else { &node.spec.name }
}

/// `key.old` and `key.new`, as Docker's update events carry them.
fn differ(attributes: &mut Vec<(String, String)>, key: &str, old: &str, new: &str) {
    if old != new {
        attributes.push((format!("{key}.new"), new.to_owned()));
        attributes.push((format!("{key}.old"), old.to_owned()));
    }
}

fn node_differences(old: &Node, new: &Node) -> Vec<(String, String)> {
    let mut attributes = named(node_name(new));
    differ(&mut attributes, "availability", &old.spec.availability, &new.spec.availability);
    differ(&mut attributes, "role", &old.spec.role, &new.spec.role);
    differ(&mut attributes, "state", old.status.state.as_str(), new.status.state.as_str());
    attributes
}

fn service_differences(old: &Service, new: &Service) -> Vec<(String, String)> {
    fn image(service: &Service) -> &str {
        service.spec.task_template.container_spec.as_ref().map_or("", |container| &container.image)
    }
    let mut attributes = named(new.name());
    differ(&mut attributes, "image", image(old), image(new));
    if let (Some(old), Some(new)) = (old.replicas(), new.replicas()) {
        differ(&mut attributes, "replicas", &old.to_string(), &new.to_string());
    }
    if let Some(status) = &new.update_status {
        match &old.update_status {
            None => attributes.push(("updatestate.new".into(), status.state.as_str().into())),
            Some(before) => differ(&mut attributes, "updatestate", before.state.as_str(), status.state.as_str()),
        }
    }
    attributes
}
