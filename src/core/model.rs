//! The nouns of swarm mode.
//!
//! - A **spec** is what the user asked for, in Docker's own JSON spelling ([`spec`]); the system never edits one.
//! - A **service** ([`service`]) is a spec with what the system knows about it: its endpoint, its update.
//! - A **task** ([`task`]) is one attempt to run one container of a service. Its state only grows; "restart" means
//!   another task in the same slot.
//! - A **node** ([`node`]) is a host with a certificate; the **cluster** ([`cluster`]) is what all nodes share.
//! - A **network** ([`network`]) is a swarm-scoped network and the addresses it hands out; its **members** ([`member`])
//!   are the tasks on it, as all nodes with a task on it know them.

pub mod cluster;
pub mod constraint;
pub mod generic;
pub mod id;
pub mod member;
pub mod network;
pub mod node;
pub mod secret;
pub mod service;
pub mod spec;
pub mod task;
pub mod timestamp;

pub use cluster::{Cluster, JoinTokens, RootCa, RootRotation, normal_pem};
pub use id::{ClusterId, ConfigId, IdSource, NetworkId, NodeId, SecretId, ServiceId, TaskId};
pub use member::{Member, NamedService, Peer, Phase, mac_of, mesh_mac};
pub use network::{Network, PREDEFINED_LABEL};
pub use node::{ManagerStatus, Node, NodeDescription, NodeState, NodeStatus, Role};
pub use secret::{Config, Secret};
pub use service::{Endpoint, JobStatus, Service, UpdateState, UpdateStatus, VirtualIp};
pub use spec::*;
pub use task::{Attachment, Backoff, ContainerStatus, Parting, RestartPlan, Task, TaskState, TaskStatus};
pub use timestamp::Timestamp;

use serde::{Deserialize, Serialize};

/// Version and times of an object, as every swarm object carries them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The log index of the last change; Docker shows it as the version of the object.
    pub version: u64,
    /// The log index at which somebody last said what is wanted; 0 in a state of an older Gam.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub spec_version: u64,
    /// When the object was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Meta {
    /// The meta of an object made at `index`.
    pub fn created(index: u64, at: Timestamp) -> Meta {
        Meta { version: index, spec_version: index, created_at: at, updated_at: at }
    }

    /// Whether what was read as `version` may be updated: nobody has said since what is wanted. A change that the swarm made
    /// by itself, as of a status, takes nothing from anybody; dockerd refuses then, too, and its users try again.
    pub fn admits(&self, version: u64) -> bool {
        let oldest = if is_unknown(&self.spec_version) { self.version } else { self.spec_version };
        (oldest..=self.version).contains(&version)
    }

    /// Records a change at `index`.
    pub fn touch(&mut self, index: u64, at: Timestamp) {
        self.version = index;
        self.updated_at = at;
    }

    /// Records a change of the spec at `index`.
    pub fn touch_spec(&mut self, index: u64, at: Timestamp) {
        self.touch(index, at);
        self.spec_version = index;
    }
}

/// An older Gam did not write this down.
fn is_unknown(index: &u64) -> bool {
    *index == 0
}
