//! The cluster, its nodes, networks, secrets and configs as specified (`moby: api/types/swarm/{swarm,node,secret}.go`).

use serde::{Deserialize, Serialize};

use super::{Driver, Payload, StringMap, go, is_default};

/// The cluster as the user wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename = "Spec", rename_all = "PascalCase")]
pub struct SwarmSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub labels: StringMap,
    pub orchestration: OrchestrationConfig,
    pub raft: RaftConfig,
    pub dispatcher: DispatcherConfig,
    #[serde(rename = "CAConfig")]
    pub ca_config: CaConfig,
    pub task_defaults: TaskDefaults,
    pub encryption_config: EncryptionConfig,
}

/// How services are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct OrchestrationConfig {
    /// Ended tasks kept for each slot; 5 if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub task_history_retention_limit: Option<i64>,
}

/// How the log is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RaftConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub snapshot_interval: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub keep_old_snapshots: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub log_entries_for_slow_followers: u64,
    #[serde(deserialize_with = "go::int")]
    pub election_tick: i64,
    #[serde(deserialize_with = "go::int")]
    pub heartbeat_tick: i64,
}

/// How agents are heard from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DispatcherConfig {
    /// ns.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub heartbeat_period: i64,
}

/// How certificates are issued.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CaConfig {
    /// ns.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub node_cert_expiry: i64,
    #[serde(rename = "ExternalCAs", skip_serializing_if = "is_default")]
    pub external_cas: Vec<ExternalCa>,
    #[serde(rename = "SigningCACert", skip_serializing_if = "is_default")]
    pub signing_ca_cert: String,
    #[serde(rename = "SigningCAKey", skip_serializing_if = "is_default")]
    pub signing_ca_key: String,
    #[serde(skip_serializing_if = "is_default")]
    pub force_rotate: u64,
}

/// A certificate authority outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExternalCa {
    #[serde(deserialize_with = "go::external_ca_protocol")]
    pub protocol: String,
    #[serde(rename = "URL")]
    pub url: String,
    #[serde(skip_serializing_if = "is_default")]
    pub options: StringMap,
    #[serde(rename = "CACert")]
    pub ca_cert: String,
}

/// What tasks get unless their spec says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskDefaults {
    #[serde(skip_serializing_if = "is_default")]
    pub log_driver: Option<Driver>,
}

/// How managers keep their keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EncryptionConfig {
    pub auto_lock_managers: bool,
}

/// A node as the user wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub labels: StringMap,
    /// `worker` or `manager`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::node_role")]
    pub role: String,
    /// `active`, `pause` or `drain`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::node_availability")]
    pub availability: String,
}

/// A swarm network as the user wants it. The socket's own request differs (`api/networks`); this is its kept form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub labels: StringMap,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_configuration: Option<Driver>,
    #[serde(rename = "IPv6Enabled", skip_serializing_if = "is_default")]
    pub ipv6_enabled: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub attachable: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub ingress: bool,
    #[serde(rename = "IPAMOptions", skip_serializing_if = "is_default")]
    pub ipam_options: Option<IpamOptions>,
    #[serde(skip_serializing_if = "is_default")]
    pub scope: String,
}

/// Address management of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpamOptions {
    pub driver: Driver,
    #[serde(skip_serializing_if = "is_default")]
    pub configs: Vec<IpamConfig>,
}

/// One pool of addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpamConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub subnet: String,
    #[serde(skip_serializing_if = "is_default")]
    pub range: String,
    #[serde(skip_serializing_if = "is_default")]
    pub gateway: String,
    /// Addresses that are kept for others, by what the user calls them. dockerd's swarm mode checks and forgets them.
    #[serde(skip_serializing_if = "is_default")]
    pub auxiliary_addresses: StringMap,
}

/// A secret as given; the data leaves a manager only toward a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SecretSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub labels: StringMap,
    #[serde(skip_serializing_if = "is_default")]
    pub data: Payload,
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<Driver>,
    #[serde(skip_serializing_if = "is_default")]
    pub templating: Option<Driver>,
}

/// A config as given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ConfigSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub labels: StringMap,
    #[serde(skip_serializing_if = "is_default")]
    pub data: Payload,
    #[serde(skip_serializing_if = "is_default")]
    pub templating: Option<Driver>,
}
