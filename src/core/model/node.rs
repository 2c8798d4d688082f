//! A node: a host in the cluster.

use serde::{Deserialize, Serialize};

use super::{Meta, NodeId, NodeSpec, Platform, Resources, StringMap};

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its identifier: the common name of its certificate.
    pub id: NodeId,
    /// Version and times.
    pub meta: Meta,
    /// What the user wants of it.
    pub spec: NodeSpec,
    /// What its agent said about it.
    pub description: NodeDescription,
    /// Whether it is heard from.
    pub status: NodeStatus,
    /// Its part in the consensus; `None` on a worker.
    pub manager: Option<ManagerStatus>,
}

impl Node {
    /// Whether the scheduler may place new tasks here.
    pub fn is_schedulable(&self) -> bool {
        self.status.state == NodeState::Ready && self.is_active()
    }

    /// Whether it is neither paused nor drained.
    pub fn is_active(&self) -> bool {
        matches!(self.spec.availability.as_str(), "" | "active")
    }

    /// Whether its tasks must go elsewhere.
    pub fn is_drained(&self) -> bool {
        self.spec.availability == "drain"
    }

    /// Whether it is a manager, by the user's wish.
    pub fn is_manager(&self) -> bool {
        self.spec.role == "manager"
    }

    /// The address at which it takes the packets of overlays.
    pub fn data_path(&self) -> &str {
        if self.description.data_path.is_empty() { &self.status.addr } else { &self.description.data_path }
    }

    /// Whether nobody hears from it any more, so that its tasks are run elsewhere.
    pub fn is_lost(&self) -> bool {
        self.status.state == NodeState::Down
    }

    /// Subject and public key of the issuer of its certificate, as far as its agent said.
    pub fn issuer(&self) -> (&str, &str) {
        (&self.description.cert_issuer_subject, &self.description.cert_issuer_public_key)
    }

    /// The role that it has, apart from the one that is wished (swarmkit `Node.Role`): a promotion takes effect at
    /// once, a demotion when the node has left the consensus. Its certificate says this role.
    pub fn role(&self) -> Role {
        if self.is_manager() || self.manager.is_some() { Role::Manager } else { Role::Worker }
    }
}

/// What a node may do in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs tasks.
    Worker,
    /// Decides, and runs tasks too.
    Manager,
}

impl Role {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Manager => "manager",
        }
    }
}

/// What an agent says about its host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeDescription {
    /// The engine's `Name`.
    pub hostname: String,
    /// Processor and operating system.
    pub platform: Platform,
    /// All that the host has.
    pub resources: Resources,
    /// The engine's version.
    pub engine_version: String,
    /// The engine's own labels.
    pub engine_labels: StringMap,
    /// The engine's plugins as (type, name), sorted.
    pub plugins: Vec<(String, String)>,
    /// The address at which it takes the packets of overlays; empty if that is where it is heard from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_path: String,
    /// The public key of its tunnel for encrypted networks, 64 hexadecimal digits; empty while it has none of those.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tunnel_key: String,
    /// The root certificate that the node trusts, PEM.
    pub trust_root: String,
    /// Subject of the issuer of its certificate, DER, base 64.
    pub cert_issuer_subject: String,
    /// Public key of the issuer of its certificate, DER, base 64.
    pub cert_issuer_public_key: String,
}

/// Whether a node is heard from, as Docker names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Not heard from since it joined, or since the leader changed.
    #[default]
    Unknown,
    /// Not heard from for too long.
    Down,
    /// Heard from.
    Ready,
    /// Said good-bye.
    Disconnected,
}

impl NodeState {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Unknown => "unknown",
            NodeState::Down => "down",
            NodeState::Ready => "ready",
            NodeState::Disconnected => "disconnected",
        }
    }
}

/// Whether and where a node is heard from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// The state.
    pub state: NodeState,
    /// Why.
    pub message: String,
    /// The address from which it is heard, without port.
    pub addr: String,
}

/// A manager's part in the consensus. Who leads is not kept here: it is the store's to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagerStatus {
    /// Its number in the consensus.
    pub raft_id: u64,
    /// `host:port` at which other managers reach it.
    pub addr: String,
}
