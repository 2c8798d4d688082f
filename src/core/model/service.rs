//! A service: its spec, and what the system knows about it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EndpointSpec, Meta, NetworkId, PortConfig, ServiceId, ServiceSpec, Timestamp, credential};

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its identifier.
    pub id: ServiceId,
    /// Version and times.
    pub meta: Meta,
    /// What the user wants now. Shared with every task that was made from it.
    #[serde(with = "credential::whole")]
    pub spec: Arc<ServiceSpec>,
    /// What the user wanted before; the target of a rollback.
    #[serde(default, with = "credential::whole_option")]
    pub previous_spec: Option<Arc<ServiceSpec>>,
    /// Addresses and ports that were allocated.
    pub endpoint: Endpoint,
    /// The rolling update under way, or the last one.
    pub update_status: Option<UpdateStatus>,
    /// How often a job was executed, and when last; `None` for what is no job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobStatus>,
}

/// Where a job stands (`moby: swarm.JobStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Which execution this is, counted from 0: every update of the service is a new one.
    pub iteration: u64,
    /// When it began.
    pub last_execution: Timestamp,
}

impl Service {
    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Replicas asked for, or `None` for a global service. A replicated service without a number has one.
    pub fn replicas(&self) -> Option<u64> {
        self.spec.mode.replicated.as_ref().map(|mode| mode.replicas.unwrap_or(1))
    }

    /// Whether one task runs on every node that fits.
    pub fn is_global(&self) -> bool {
        self.spec.mode.global.is_some()
    }

    /// Whether its tasks run to completion, once for each execution.
    pub fn is_job(&self) -> bool {
        self.spec.mode.is_job()
    }

    /// Whether its places are nodes and not numbers: one task, or one completion, on every node that fits.
    pub fn is_by_node(&self) -> bool {
        self.spec.mode.is_by_node()
    }
}

/// How a service is reached, as allocated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// The spec that this endpoint was allocated from.
    pub spec: Option<EndpointSpec>,
    /// Published ports, with the numbers that were chosen.
    pub ports: Vec<PortConfig>,
    /// One virtual address on each network.
    pub virtual_ips: Vec<VirtualIp>,
}

/// A service's address on one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VirtualIp {
    /// The network.
    pub network: NetworkId,
    /// Address with prefix length, `10.0.1.2/24`; empty on a predefined network.
    pub address: String,
}

/// Where a rolling update stands, as Docker names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// Slots are being replaced.
    Updating,
    /// Stopped after a failure; waits for the user.
    Paused,
    /// Every slot has the new spec.
    Completed,
    /// Going back to the previous spec.
    RollbackStarted,
    /// The rollback failed too; waits for the user.
    RollbackPaused,
    /// Every slot has the previous spec again.
    RollbackCompleted,
}

impl UpdateState {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            UpdateState::Updating => "updating",
            UpdateState::Paused => "paused",
            UpdateState::Completed => "completed",
            UpdateState::RollbackStarted => "rollback_started",
            UpdateState::RollbackPaused => "rollback_paused",
            UpdateState::RollbackCompleted => "rollback_completed",
        }
    }
}

/// A rolling update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// Where it stands.
    pub state: UpdateState,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The sentence that `docker service inspect` shows.
    pub message: String,
}
