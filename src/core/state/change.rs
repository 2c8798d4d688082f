//! The closed set of things that can happen to a state.
//!
//! Changes are small and typed: a task does not repeat the spec that it was made from, a report carries a status and
//! nothing else. Each field has one writer, which shows in the variants. Times and identifiers are data, made by
//! whoever proposed the change.

// The fields of a variant are named after what they replace.
#![allow(missing_docs)]

use serde::{Deserialize, Serialize};

use crate::model::{
    Attachment, Backoff, Cluster, ConfigId, ConfigSpec, Endpoint, GenericResource, IpamConfig, JoinTokens,
    ManagerStatus, Network, NetworkId, Node, NodeDescription, NodeId, NodeSpec, NodeStatus, RestartPlan, RootCa,
    SecretId, SecretSpec, ServiceId, ServiceSpec, SwarmSpec, TaskId, TaskState, TaskStatus, Timestamp, UpdateStatus,
    credential,
};

/// What is put into the log at once: all of it is applied, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// When the leader took the decision; the creation and update time of whatever it touches.
    pub at: Timestamp,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The cluster comes to be.
    ClusterCreate(Box<Cluster>),
    /// The user changed the cluster's spec.
    ClusterUpdate(Box<SwarmSpec>),
    /// The certificate authority changed: another root begins to take over, has taken over, or was given up.
    ClusterRootCa(Box<RootCa>),
    /// The join tokens were rotated.
    ClusterTokens(JoinTokens),
    /// The unlock key was made, rotated, or (empty) dropped.
    ClusterUnlockKey(String),

    /// A node joined.
    NodeCreate(Box<Node>),
    /// The user changed a node's spec.
    NodeUpdate { id: NodeId, spec: NodeSpec },
    /// A node is heard from, or no longer; a description only when it differs.
    NodeReport { id: NodeId, status: NodeStatus, description: Option<Box<NodeDescription>> },
    /// A node's part in the consensus changed.
    NodeManager { id: NodeId, manager: Option<ManagerStatus> },
    /// A node was removed; its tasks are orphaned by the orchestrator.
    NodeRemove { id: NodeId },

    /// A service was made.
    ServiceCreate {
        id: ServiceId,
        #[serde(with = "credential::whole")]
        spec: Box<ServiceSpec>,
    },
    /// A service has another spec. `previous` is the target of a later rollback, `None` forgets it.
    ServiceUpdate {
        id: ServiceId,
        #[serde(with = "credential::whole")]
        spec: Box<ServiceSpec>,
        #[serde(default, with = "credential::whole_option")]
        previous: Option<Box<ServiceSpec>>,
        update_status: Option<UpdateStatus>,
    },
    /// The rolling update of a service went on.
    ServiceUpdateStatus { id: ServiceId, status: Option<UpdateStatus> },
    /// Addresses and ports of a service were allocated.
    ServiceEndpoint { id: ServiceId, endpoint: Endpoint },
    /// A service was removed; its tasks are told to go by the orchestrator.
    ServiceRemove { id: ServiceId },

    /// A task of a service's present spec; `node` is set at once for a global service.
    TaskCreate {
        id: TaskId,
        service: ServiceId,
        slot: u64,
        node: Option<NodeId>,
        desired: TaskState,
        restart: RestartPlan,
    },
    /// A container that the swarm did not make joins a network: a task without a service, already running.
    AttachmentCreate {
        id: TaskId,
        node: NodeId,
        name: String,
        container: String,
        networks: Vec<Attachment>,
        /// The addresses, of those, that the user chose.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        chosen: Vec<String>,
    },
    /// A task got its addresses.
    TaskAllocate { id: TaskId, networks: Vec<Attachment> },
    /// A task got its node, and of that node's generic resources what it asks for.
    TaskAssign {
        id: TaskId,
        node: NodeId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        generic: Vec<GenericResource>,
    },
    /// The manager wants something else of a task; only ever more (see [`TaskState`]).
    TaskDesire { id: TaskId, state: TaskState },
    /// Nobody is sent to a task any more that is to stop, or it took too long.
    TaskRelease { id: TaskId },
    /// A task's status; ignored if it would go backwards.
    TaskReport { id: TaskId, status: TaskStatus },
    /// A task has ended, and the one that follows it waits longer than the policy says; told with its error.
    TaskBackoff { id: TaskId, backoff: Backoff },
    /// A task is forgotten.
    TaskRemove { id: TaskId },

    /// A network was made, its subnets already chosen.
    NetworkCreate(Box<Network>),
    /// A network's subnets were chosen anew, or only now, and with them its VXLAN identifier.
    NetworkIpam {
        id: NetworkId,
        ipam: Vec<IpamConfig>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vni: Option<u32>,
    },
    /// A network was removed.
    NetworkRemove { id: NetworkId },

    /// A secret was made.
    SecretCreate { id: SecretId, spec: Box<SecretSpec> },
    /// A secret's labels changed.
    SecretUpdate { id: SecretId, spec: Box<SecretSpec> },
    /// A secret was removed.
    SecretRemove { id: SecretId },
    /// A config was made.
    ConfigCreate { id: ConfigId, spec: Box<ConfigSpec> },
    /// A config's labels changed.
    ConfigUpdate { id: ConfigId, spec: Box<ConfigSpec> },
    /// A config was removed.
    ConfigRemove { id: ConfigId },
}
