//! Assignments and their differences as bytes. A spec that many tasks share is written once, and one that the receiver
//! has already not at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::assignment::{Assignments, ChangedTask, Difference};
use crate::model::{
    Config, ConfigId, Member, NamedService, Network, NetworkId, NodeId, Peer, Secret, SecretId, ServiceId, ServiceSpec,
    Task, TaskId, credential,
};
use crate::record::{self, CodecError};
use crate::state::codec::{Specs, TaskRecord};

#[derive(Serialize, Deserialize)]
struct FullRecord {
    index: u64,
    #[serde(with = "credential::whole_list")]
    specs: Vec<Arc<ServiceSpec>>,
    tasks: Vec<TaskRecord>,
    networks: Vec<Arc<Network>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<Arc<Member>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<Arc<NamedService>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers: Vec<Arc<Peer>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Arc<Secret>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    configs: Vec<Arc<Config>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_sealed: bool,
    #[serde(default)]
    data_path_port: u32,
}

#[derive(Serialize, Deserialize)]
struct DifferenceRecord {
    from: u64,
    index: u64,
    #[serde(with = "credential::whole_list")]
    specs: Vec<Arc<ServiceSpec>>,
    /// Tasks with their specs.
    tasks: Vec<TaskRecord>,
    /// Tasks whose specs are known; the numbers in them mean nothing.
    known: Vec<TaskRecord>,
    tasks_gone: Vec<TaskId>,
    networks: Vec<Arc<Network>>,
    networks_gone: Vec<NetworkId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<Arc<Member>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members_gone: Vec<(NetworkId, TaskId)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<Arc<NamedService>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services_gone: Vec<ServiceId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers: Vec<Arc<Peer>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers_gone: Vec<NodeId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Arc<Secret>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets_gone: Vec<SecretId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    configs: Vec<Arc<Config>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    configs_gone: Vec<ConfigId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_path_port: Option<u32>,
}

/// The full set, for a new session.
pub fn encode_assignments(assignments: &Assignments) -> Vec<u8> {
    let mut specs = Specs::default();
    let tasks = assignments.tasks.values().map(|task| TaskRecord::of(task, specs.number(&task.origin))).collect();
    let networks = assignments.networks.values().cloned().collect();
    record::encode(&FullRecord {
        index: assignments.index,
        tasks,
        specs: specs.list,
        networks,
        members: assignments.members.values().cloned().collect(),
        services: assignments.services.values().cloned().collect(),
        peers: assignments.peers.values().cloned().collect(),
        secrets: assignments.secrets.values().cloned().collect(),
        configs: assignments.configs.values().cloned().collect(),
        is_sealed: assignments.is_sealed,
        data_path_port: assignments.data_path_port,
    })
}

/// Reads a full set.
pub fn decode_assignments(bytes: &[u8]) -> Result<Assignments, CodecError> {
    let read: FullRecord = record::decode(bytes)?;
    let tasks = read.tasks.into_iter().map(|task| task.restore(by_number(&read.specs)));
    Ok(Assignments {
        index: read.index,
        tasks: tasks.map(|task| (task.id, Arc::new(task))).collect(),
        networks: read.networks.into_iter().map(|network| (network.id, network)).collect(),
        members: read.members.into_iter().map(|member| ((member.network, member.task), member)).collect(),
        services: read.services.into_iter().map(|service| (service.id, service)).collect(),
        peers: read.peers.into_iter().map(|peer| (peer.node, peer)).collect(),
        secrets: read.secrets.into_iter().map(|secret| (secret.id, secret)).collect(),
        configs: read.configs.into_iter().map(|config| (config.id, config)).collect(),
        is_sealed: read.is_sealed,
        data_path_port: read.data_path_port,
    })
}

/// A difference, for a session that is up to date until then.
pub fn encode_difference(difference: &Difference) -> Vec<u8> {
    let mut specs = Specs::default();
    let (mut tasks, mut known) = (Vec::new(), Vec::new());
    for ChangedTask { task, keeps_spec } in &difference.tasks {
        if *keeps_spec {
            known.push(TaskRecord::of(task, 0));
        } else {
            tasks.push(TaskRecord::of(task, specs.number(&task.origin)));
        }
    }
    record::encode(&DifferenceRecord {
        from: difference.from,
        index: difference.index,
        specs: specs.list,
        tasks,
        known,
        tasks_gone: difference.tasks_gone.clone(),
        networks: difference.networks.clone(),
        networks_gone: difference.networks_gone.clone(),
        members: difference.members.clone(),
        members_gone: difference.members_gone.clone(),
        services: difference.services.clone(),
        services_gone: difference.services_gone.clone(),
        peers: difference.peers.clone(),
        peers_gone: difference.peers_gone.clone(),
        secrets: difference.secrets.clone(),
        secrets_gone: difference.secrets_gone.clone(),
        configs: difference.configs.clone(),
        configs_gone: difference.configs_gone.clone(),
        data_path_port: difference.data_path_port,
    })
}

/// Reads a difference. Tasks that keep their specs have none until the difference is applied.
pub fn decode_difference(bytes: &[u8]) -> Result<Difference, CodecError> {
    let read: DifferenceRecord = record::decode(bytes)?;
    let changed = |task: Task, keeps_spec: bool| ChangedTask { task: Arc::new(task), keeps_spec };
    let none = Arc::new(ServiceSpec::default());
    let with_spec = read.tasks.into_iter().map(|task| changed(task.restore(by_number(&read.specs)), false));
    let without = read.known.into_iter().map(|task| changed(task.restore(|_| none.clone()), true));
    Ok(Difference {
        from: read.from,
        index: read.index,
        tasks: with_spec.chain(without).collect(),
        tasks_gone: read.tasks_gone,
        networks: read.networks,
        networks_gone: read.networks_gone,
        members: read.members,
        members_gone: read.members_gone,
        services: read.services,
        services_gone: read.services_gone,
        peers: read.peers,
        peers_gone: read.peers_gone,
        secrets: read.secrets,
        secrets_gone: read.secrets_gone,
        configs: read.configs,
        configs_gone: read.configs_gone,
        data_path_port: read.data_path_port,
    })
}

/// A number without a spec is a mistake of the sender's that an empty spec makes visible: no container comes of it.
fn by_number(specs: &[Arc<ServiceSpec>]) -> impl Fn(usize) -> Arc<ServiceSpec> {
    |number| specs.get(number).cloned().unwrap_or_default()
}
