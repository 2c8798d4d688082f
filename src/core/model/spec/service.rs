//! Services and tasks as specified (`moby: api/types/swarm/{service,task,network}.go`).

use serde::{Deserialize, Serialize, Serializer};

use super::{ContainerSpec, Driver, StringMap, go, is_default};

/// A service as the user wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub labels: StringMap,
    pub task_template: TaskSpec,
    pub mode: ServiceMode,
    #[serde(skip_serializing_if = "is_default")]
    pub update_config: Option<UpdateConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub rollback_config: Option<UpdateConfig>,
    /// Networks at the service level: deprecated by Docker, still sent by Portainer.
    #[serde(skip_serializing_if = "is_default")]
    pub networks: Vec<NetworkAttachmentConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint_spec: Option<EndpointSpec>,
}

/// How many tasks a service has; exactly one is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceMode {
    #[serde(skip_serializing_if = "is_default")]
    pub replicated: Option<ReplicatedService>,
    #[serde(skip_serializing_if = "is_default")]
    pub global: Option<GlobalService>,
    #[serde(skip_serializing_if = "is_default")]
    pub replicated_job: Option<ReplicatedJob>,
    #[serde(skip_serializing_if = "is_default")]
    pub global_job: Option<GlobalJob>,
}

impl ServiceMode {
    /// Whether tasks run to completion instead of for ever.
    pub fn is_job(&self) -> bool {
        self.replicated_job.is_some() || self.global_job.is_some()
    }

    /// Whether every node that fits gets one task.
    pub fn is_by_node(&self) -> bool {
        self.global.is_some() || self.global_job.is_some()
    }
}

/// A fixed number of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ReplicatedService {
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<u64>,
}

/// One task on every node that fits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GlobalService {}

/// A number of tasks that each run to completion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ReplicatedJob {
    /// How many run at the same time at most.
    #[serde(skip_serializing_if = "is_default")]
    pub max_concurrent: Option<u64>,
    /// How many are to complete.
    #[serde(skip_serializing_if = "is_default")]
    pub total_completions: Option<u64>,
}

/// One task that runs to completion on every node that fits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GlobalJob {}

/// How an update or a rollback proceeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// Slots updated at once; 0 means all.
    pub parallelism: u64,
    /// Pause between slots, ns.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub delay: i64,
    /// `pause`, `continue` or `rollback`.
    #[serde(skip_serializing_if = "is_default")]
    pub failure_action: String,
    /// How long a new task is watched for failure, ns.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub monitor: i64,
    /// Share of failed tasks that is borne.
    #[serde(serialize_with = "go_float")]
    pub max_failure_ratio: f32,
    /// `stop-first` or `start-first`.
    pub order: String,
}

/// Go prints a float that is a whole number without a point.
fn go_float<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f32(*value)
    }
}

/// A task as the user wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub container_spec: Option<ContainerSpec>,
    #[serde(skip_serializing_if = "is_default")]
    pub plugin_spec: Option<PluginSpec>,
    #[serde(skip_serializing_if = "is_default")]
    pub network_attachment_spec: Option<NetworkAttachmentSpec>,
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Option<ResourceRequirements>,
    #[serde(skip_serializing_if = "is_default")]
    pub restart_policy: Option<RestartPolicy>,
    #[serde(skip_serializing_if = "is_default")]
    pub placement: Option<Placement>,
    #[serde(skip_serializing_if = "is_default")]
    pub networks: Vec<NetworkAttachmentConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub log_driver: Option<Driver>,
    pub force_update: u64,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::runtime_type")]
    pub runtime: String,
}

/// A plugin to run instead of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub remote: String,
    #[serde(skip_serializing_if = "is_default")]
    pub disabled: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<String>,
}

/// A container that was not made by the swarm but is attached to one of its networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkAttachmentSpec {
    #[serde(rename = "ContainerID")]
    pub container_id: String,
}

/// Limits and reservations of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ResourceRequirements {
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Option<Limit>,
    #[serde(skip_serializing_if = "is_default")]
    pub reservations: Option<Resources>,
    #[serde(skip_serializing_if = "is_default")]
    pub swap_bytes: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub memory_swappiness: Option<i64>,
}

/// The most that a task may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Limit {
    /// Billionths of a core.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub memory_bytes: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub pids: i64,
}

/// What a task needs, or what a node has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Resources {
    /// Billionths of a core.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub memory_bytes: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub generic_resources: Vec<GenericResource>,
}

/// A resource that an operator declared, named or counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GenericResource {
    #[serde(skip_serializing_if = "is_default")]
    pub named_resource_spec: Option<NamedGenericResource>,
    #[serde(skip_serializing_if = "is_default")]
    pub discrete_resource_spec: Option<DiscreteGenericResource>,
}

/// One named unit of a generic resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NamedGenericResource {
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub value: String,
}

/// A count of a generic resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiscreteGenericResource {
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub value: i64,
}

/// When and how often a task is replaced after it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `none`, `on-failure` or `any` (the default).
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::restart_condition")]
    pub condition: String,
    /// Pause before the replacement runs, ns; 5 s if absent.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration_option")]
    pub delay: Option<i64>,
    /// Most replacements within `window`; 0 or absent is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_attempts: Option<u64>,
    /// The window of `max_attempts`, ns; 0 is for ever.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration_option")]
    pub window: Option<i64>,
}

/// Where a task may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Placement {
    #[serde(skip_serializing_if = "is_default")]
    pub constraints: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub preferences: Vec<PlacementPreference>,
    /// Most tasks of the service on one node; 0 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_replicas: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub platforms: Vec<Platform>,
}

/// A wish, not a demand, about where a task runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PlacementPreference {
    pub spread: Option<SpreadOver>,
}

/// Spread evenly over the values of a label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SpreadOver {
    pub spread_descriptor: String,
}

/// An operating system and a processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    #[serde(rename = "Architecture", skip_serializing_if = "is_default")]
    pub architecture: String,
    #[serde(rename = "OS", skip_serializing_if = "is_default")]
    pub os: String,
}

/// A network that tasks are attached to; `target` is an id after `control` resolved it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkAttachmentConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub target: String,
    #[serde(skip_serializing_if = "is_default")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: StringMap,
}

/// How a service is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointSpec {
    /// `vip` or `dnsrr`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::resolution_mode")]
    pub mode: String,
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<PortConfig>,
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// `tcp`, `udp` or `sctp`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::port_protocol")]
    pub protocol: String,
    #[serde(skip_serializing_if = "is_default")]
    pub target_port: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub published_port: u32,
    /// `ingress` or `host`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::publish_mode")]
    pub publish_mode: String,
}
