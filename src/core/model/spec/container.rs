//! The container of a task as specified (`moby: api/types/swarm/container.go`, `api/types/mount/mount.go`).

use serde::{Deserialize, Serialize};

use super::{Credential, Payload, StringMap, go, is_default};

/// A container as the user wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSpec {
    #[serde(skip_serializing_if = "is_default")]
    pub image: String,
    /// What the registry of the image is shown; no part of Docker's JSON ([`super::credential`]).
    #[serde(skip)]
    pub credential: Option<Credential>,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: StringMap,
    #[serde(skip_serializing_if = "is_default")]
    pub command: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub args: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: String,
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub dir: String,
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
    #[serde(skip_serializing_if = "is_default")]
    pub groups: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub privileges: Option<Privileges>,
    #[serde(skip_serializing_if = "is_default")]
    pub init: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: String,
    #[serde(rename = "TTY", skip_serializing_if = "is_default")]
    pub tty: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub open_stdin: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    /// Time between the stop signal and the kill, ns; 10 s if absent.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration_option")]
    pub stop_grace_period: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub hosts: Vec<String>,
    #[serde(rename = "DNSConfig", skip_serializing_if = "is_default")]
    pub dns_config: Option<DnsConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: Vec<SecretReference>,
    #[serde(skip_serializing_if = "is_default")]
    pub configs: Vec<ConfigReference>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::isolation")]
    pub isolation: String,
    #[serde(skip_serializing_if = "is_default")]
    pub sysctls: StringMap,
    #[serde(skip_serializing_if = "is_default")]
    pub capability_add: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub capability_drop: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: Vec<Ulimit>,
    #[serde(skip_serializing_if = "is_default")]
    pub oom_score_adj: i64,
}

/// Security options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Privileges {
    pub credential_spec: Option<CredentialSpec>,
    #[serde(rename = "SELinuxContext")]
    pub selinux_context: Option<SelinuxContext>,
    #[serde(skip_serializing_if = "is_default")]
    pub seccomp: Option<SeccompOpts>,
    #[serde(rename = "AppArmor", skip_serializing_if = "is_default")]
    pub app_armor: Option<AppArmorOpts>,
    pub no_new_privileges: bool,
}

/// A Windows credential spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CredentialSpec {
    pub config: String,
    pub file: String,
    pub registry: String,
}

/// SELinux labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SelinuxContext {
    pub disable: bool,
    pub user: String,
    pub role: String,
    pub r#type: String,
    pub level: String,
}

/// A seccomp profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SeccompOpts {
    /// `default`, `unconfined` or `custom`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::seccomp_mode")]
    pub mode: String,
    #[serde(skip_serializing_if = "is_default")]
    pub profile: Payload,
}

/// An AppArmor profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AppArmorOpts {
    /// `default` or `disabled`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::app_armor_mode")]
    pub mode: String,
}

/// A mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `npipe` or `cluster`; `image` is for containers outside of swarms.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::mount_type")]
    pub r#type: String,
    #[serde(skip_serializing_if = "is_default")]
    pub source: String,
    #[serde(skip_serializing_if = "is_default")]
    pub target: String,
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::consistency")]
    pub consistency: String,
    #[serde(skip_serializing_if = "is_default")]
    pub bind_options: Option<BindOptions>,
    #[serde(skip_serializing_if = "is_default")]
    pub volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "is_default")]
    pub image_options: Option<ImageOptions>,
    #[serde(skip_serializing_if = "is_default")]
    pub tmpfs_options: Option<TmpfsOptions>,
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_options: Option<ClusterOptions>,
}

/// Options of a bind mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BindOptions {
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::propagation")]
    pub propagation: String,
    #[serde(skip_serializing_if = "is_default")]
    pub non_recursive: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub create_mountpoint: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_non_recursive: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_force_recursive: bool,
}

/// Options of a volume mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub no_copy: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: StringMap,
    #[serde(skip_serializing_if = "is_default")]
    pub subpath: String,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_config: Option<Driver>,
}

/// Options of an image mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub subpath: String,
}

/// Options of a tmpfs mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TmpfsOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub size_bytes: i64,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::file_mode")]
    pub mode: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub options: Vec<Vec<String>>,
}

/// Options of a cluster volume: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterOptions {}

/// A driver and its options: of a volume, a network, a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Driver {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub options: StringMap,
}

/// A health check; durations in ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::duration")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "go::int")]
    pub retries: i64,
}

/// Name servers of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DnsConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub nameservers: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub search: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub options: Vec<String>,
}

/// A resource limit of a process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}

/// A secret that a task needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretReference {
    #[serde(rename = "File")]
    pub file: Option<FileTarget>,
    #[serde(rename = "SecretID")]
    pub secret_id: String,
    #[serde(rename = "SecretName")]
    pub secret_name: String,
}

/// A config that a task needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigReference {
    #[serde(rename = "File", skip_serializing_if = "is_default")]
    pub file: Option<FileTarget>,
    #[serde(rename = "Runtime", skip_serializing_if = "is_default")]
    pub runtime: Option<RuntimeTarget>,
    #[serde(rename = "ConfigID")]
    pub config_id: String,
    #[serde(rename = "ConfigName")]
    pub config_name: String,
}

/// The file in which a secret or config appears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileTarget {
    #[serde(rename = "Name")]
    pub name: String,
    #[serde(rename = "UID")]
    pub uid: String,
    #[serde(rename = "GID")]
    pub gid: String,
    #[serde(rename = "Mode", deserialize_with = "go::file_mode")]
    pub mode: u32,
}

/// A config that is not a file but an argument of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeTarget {}
