//! Proposals and whole states as bytes: for the log, for snapshots, for other managers.
//!
//! Both are records ([`crate::record`]). In a snapshot, specs are written once and tasks refer to them by number, as
//! they share them in memory.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Proposal, State};
use crate::model::{
    Attachment, Cluster, Config, Driver, GenericResource, Meta, Network, NetworkId, Node, NodeId, Parting, RestartPlan,
    Secret, Service, ServiceId, ServiceSpec, Task, TaskId, TaskState, TaskStatus, Timestamp, credential,
};
use crate::record::{decode, encode};

pub use crate::record::{CodecError, FORMAT};

/// A proposal as bytes.
pub fn encode_proposal(proposal: &Proposal) -> Vec<u8> {
    encode(proposal)
}

/// Reads a proposal.
pub fn decode_proposal(bytes: &[u8]) -> Result<Proposal, CodecError> {
    decode(bytes)
}

/// A state as it is written down.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    index: u64,
    /// Absent in what an older Gam wrote.
    #[serde(default)]
    latest_time: Timestamp,
    cluster: Option<Arc<Cluster>>,
    nodes: Vec<Arc<Node>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<(NodeId, Timestamp)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_members: Vec<(u64, Timestamp)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    demoted: Vec<(NodeId, Timestamp)>,
    #[serde(with = "credential::whole_list")]
    specs: Vec<Arc<ServiceSpec>>,
    services: Vec<ServiceRecord>,
    tasks: Vec<TaskRecord>,
    networks: Vec<Arc<Network>>,
    secrets: Vec<Arc<Secret>>,
    configs: Vec<Arc<Config>>,
    cursors: Vec<(NetworkId, u32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ipv6_cursors: Vec<(NetworkId, Ipv6Addr)>,
}

/// A service whose present spec is written among the others.
#[derive(Serialize, Deserialize)]
struct ServiceRecord {
    spec: usize,
    service: Service,
}

/// A task whose spec is written among the others.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskRecord {
    id: TaskId,
    meta: Meta,
    service: Option<ServiceId>,
    slot: u64,
    node: Option<NodeId>,
    origin: usize,
    desired: TaskState,
    status: TaskStatus,
    networks: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    generic: Vec<GenericResource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_log_driver: Option<Arc<Driver>>,
    restart: RestartPlan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parting: Option<Parting>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iteration: Option<u64>,
}

/// Numbers specs by identity in memory.
#[derive(Default)]
pub(crate) struct Specs {
    pub list: Vec<Arc<ServiceSpec>>,
    numbers: HashMap<*const ServiceSpec, usize>,
}

impl Specs {
    /// The number of a spec; a new one if it was not asked for before.
    pub fn number(&mut self, spec: &Arc<ServiceSpec>) -> usize {
        let list = &mut self.list;
        *self.numbers.entry(Arc::as_ptr(spec)).or_insert_with(|| {
            list.push(spec.clone());
            list.len() - 1
        })
    }
}

/// A whole state as bytes.
pub fn encode_state(state: &State) -> Vec<u8> {
    let mut specs = Specs::default();
    let empty = Arc::new(ServiceSpec::default());
    let services = state
        .services()
        .map(|service| ServiceRecord {
            spec: specs.number(&service.spec),
            service: Service { spec: empty.clone(), ..(**service).clone() },
        })
        .collect();
    let tasks = state.tasks().map(|task| TaskRecord::of(task, specs.number(&task.origin))).collect();
    encode(&Snapshot {
        index: state.index,
        latest_time: state.latest_time,
        cluster: state.cluster.clone(),
        nodes: state.nodes().cloned().collect(),
        former: state.former.iter().map(|(node, until)| (*node, *until)).collect(),
        former_members: state.former_members.iter().map(|(member, until)| (*member, *until)).collect(),
        demoted: state.demoted.iter().map(|(node, since)| (*node, *since)).collect(),
        services,
        tasks,
        specs: specs.list,
        networks: state.all_networks().cloned().collect(),
        secrets: state.secrets().cloned().collect(),
        configs: state.configs().cloned().collect(),
        cursors: state.cursors.iter().map(|(network, cursor)| (*network, (*cursor).into())).collect(),
        ipv6_cursors: state.ipv6_cursors.iter().map(|(network, cursor)| (*network, *cursor)).collect(),
    })
}

impl TaskRecord {
    /// A task as it is written down, its spec being number `origin`.
    pub fn of(task: &Task, origin: usize) -> TaskRecord {
        TaskRecord {
            id: task.id,
            meta: task.meta.clone(),
            service: task.service,
            slot: task.slot,
            node: task.node,
            origin,
            desired: task.desired,
            status: task.status.clone(),
            networks: task.networks.clone(),
            generic: task.generic.clone(),
            default_log_driver: task.default_log_driver.clone(),
            restart: task.restart.clone(),
            parting: task.parting,
            iteration: task.iteration,
        }
    }

    /// The task again.
    pub fn restore(self, spec: impl Fn(usize) -> Arc<ServiceSpec>) -> Task {
        Task {
            id: self.id,
            meta: self.meta,
            service: self.service,
            slot: self.slot,
            node: self.node,
            origin: spec(self.origin),
            desired: self.desired,
            status: self.status,
            networks: self.networks,
            generic: self.generic,
            default_log_driver: self.default_log_driver,
            restart: self.restart,
            parting: self.parting,
            iteration: self.iteration,
        }
    }
}

/// Reads a whole state, its indexes made anew.
pub fn decode_state(bytes: &[u8]) -> Result<State, CodecError> {
    let snapshot: Snapshot = decode(bytes)?;
    let mut state = State {
        index: snapshot.index,
        latest_time: snapshot.latest_time,
        cluster: snapshot.cluster,
        ..State::default()
    };
    let spec = |number: usize| snapshot.specs.get(number).cloned().unwrap_or_default();
    state.nodes = snapshot.nodes.into_iter().map(|node| (node.id, node)).collect();
    state.former = snapshot.former.into_iter().collect();
    state.former_members = snapshot.former_members.into_iter().collect();
    state.demoted = snapshot.demoted.into_iter().collect();
    for ServiceRecord { spec: number, service } in snapshot.services {
        let service = Service { spec: spec(number), ..service };
        state.service_names.insert(service.name().to_ascii_lowercase(), service.id);
        for vip in &service.endpoint.virtual_ips {
            state.mark_used(vip.network, &vip.address);
        }
        state.services.insert(service.id, Arc::new(service));
    }
    for network in snapshot.networks {
        state.network_names.insert(network.name().to_ascii_lowercase(), network.id);
        state.networks.insert(network.id, network);
    }
    for record in snapshot.tasks {
        let task = record.restore(spec);
        if !task.status.state.is_terminal() {
            for (network, address) in addresses(&task.networks) {
                state.mark_used(network, address);
            }
        }
        state.insert_task(task);
    }
    state.secret_names = snapshot.secrets.iter().map(|secret| (secret.spec.name.to_lowercase(), secret.id)).collect();
    state.secrets = snapshot.secrets.into_iter().map(|secret| (secret.id, secret)).collect();
    state.config_names = snapshot.configs.iter().map(|config| (config.spec.name.to_lowercase(), config.id)).collect();
    state.configs = snapshot.configs.into_iter().map(|config| (config.id, config)).collect();
    state.cursors = snapshot.cursors.into_iter().map(|(network, cursor)| (network, Ipv4Addr::from(cursor))).collect();
    state.ipv6_cursors = snapshot.ipv6_cursors.into_iter().collect();
    Ok(state)
}

fn addresses(attachments: &[Attachment]) -> impl Iterator<Item = (NetworkId, &str)> {
    attachments.iter().flat_map(|attachment| {
        attachment
            .network
            .into_iter()
            .flat_map(|network| attachment.addresses.iter().map(move |address| (network, address.as_str())))
    })
}

impl State {
    fn mark_used(&mut self, network: NetworkId, address: &str) {
        if let Some(host) = super::apply::host(address) {
            self.addresses.insert((network, host));
        }
    }
}
