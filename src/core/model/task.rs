//! A task: one attempt to run one container.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Driver, GenericResource, Meta, NetworkId, NodeId, PortConfig, ServiceId, ServiceSpec, TaskId, TaskSpec, Timestamp,
};

/// The life of a task. The order is the rule: a task's state only ever grows (swarmkit `design/task_model.md`).
///
/// Up to `Assigned` the manager writes it, from `Accepted` on the agent. `Remove` is only ever desired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Made by the orchestrator.
    #[default]
    New,
    /// Has its addresses, waits for a node. (Swarmkit's `ALLOCATED` is skipped, as it is there.)
    Pending,
    /// Has a node.
    Assigned,
    /// The node has taken it.
    Accepted,
    /// The image is pulled, the container made.
    Preparing,
    /// The container exists and waits to be started.
    Ready,
    /// The container is being started.
    Starting,
    /// The container runs, and is healthy if it has a health check.
    Running,
    /// It ended by itself with success; of a job's task this is what is desired.
    Complete,
    /// It was stopped because it was no longer wanted.
    Shutdown,
    /// It ended with an error.
    Failed,
    /// The node could not run it.
    Rejected,
    /// Desired only: stop it and forget it.
    Remove,
    /// Its node has been gone for too long.
    Orphaned,
}

impl TaskState {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::New => "new",
            TaskState::Pending => "pending",
            TaskState::Assigned => "assigned",
            TaskState::Accepted => "accepted",
            TaskState::Preparing => "preparing",
            TaskState::Ready => "ready",
            TaskState::Starting => "starting",
            TaskState::Running => "running",
            TaskState::Complete => "complete",
            TaskState::Shutdown => "shutdown",
            TaskState::Failed => "failed",
            TaskState::Rejected => "rejected",
            TaskState::Remove => "remove",
            TaskState::Orphaned => "orphaned",
        }
    }

    /// Whether the task has ended, one way or another.
    pub fn is_terminal(self) -> bool {
        self > TaskState::Running
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its identifier.
    pub id: TaskId,
    /// Version and times.
    pub meta: Meta,
    /// Its service; `None` for the attachment of a container that the swarm did not make.
    pub service: Option<ServiceId>,
    /// Its slot, from 1, or of a replicated job from 0; 0 for a task of a global service or job and for an attachment.
    pub slot: u64,
    /// Its node, once it has one.
    pub node: Option<NodeId>,
    /// The service spec that it was made from: shared, never changed.
    pub origin: Arc<ServiceSpec>,
    /// What the manager wants of it.
    pub desired: TaskState,
    /// What is known of it.
    pub status: TaskStatus,
    /// Its addresses.
    pub networks: Vec<Attachment>,
    /// What it got of its node's generic resources, by number or by name ([`super::generic`]).
    pub generic: Vec<GenericResource>,
    /// The log driver that the cluster had for tasks of specs without one, when the task was made.
    pub default_log_driver: Option<Arc<Driver>>,
    /// When it may start, how often its slot was restarted before, and what became of that.
    pub restart: RestartPlan,
    /// Its way out of resolvers and balancers; `None` if it was never announced, or is not on its way out.
    pub parting: Option<Parting>,
    /// The execution of its job that it belongs to ([`super::JobStatus::iteration`]); `None` if it is of no job.
    pub iteration: Option<u64>,
}

impl Task {
    /// The task's own part of its service spec.
    pub fn spec(&self) -> &TaskSpec {
        &self.origin.task_template
    }

    /// Its log driver; `None` leaves it to the engine.
    pub fn log_driver(&self) -> Option<&Driver> {
        self.spec().log_driver.as_ref().or(self.default_log_driver.as_deref())
    }

    /// The name of its service.
    pub fn service_name(&self) -> &str {
        &self.origin.name
    }

    /// `service.slot.id`, or `service.node.id` for a global service: the name of its container too.
    pub fn name(&self) -> String {
        match (self.slot, self.node) {
            (0, Some(node)) => format!("{}.{node}.{}", self.service_name(), self.id),
            (slot, _) => format!("{}.{slot}.{}", self.service_name(), self.id),
        }
    }

    /// Whether it runs or is still meant to: the orchestrator counts it as filling its slot.
    pub fn is_wanted(&self) -> bool {
        self.desired <= TaskState::Complete && !self.is_accomplished()
    }

    /// Whether it did what was wanted of it: a job's task that ran to its end with success. It stays desired as complete.
    pub fn is_accomplished(&self) -> bool {
        self.desired == TaskState::Complete && self.status.state == TaskState::Complete
    }

    /// When the leader learned of the task's state, by the clock that all decisions go by: the agent's may be any. Of what an older
    /// Gam wrote it is the agent's, held between the times of the task's making and of its last change.
    pub fn observed_at(&self) -> Timestamp {
        let heard = if self.status.state.is_terminal() { self.restart.ended_at } else { self.restart.runs_since };
        heard.unwrap_or_else(|| {
            let latest = self.meta.updated_at.max(self.meta.created_at);
            self.status.timestamp.clamp(self.meta.created_at, latest)
        })
    }

    /// What went wrong, for `docker service ps`: the agent's words, and what was decided then. The two are kept apart, so that
    /// an agent that says its own again changes nothing of the other.
    pub fn error(&self) -> Cow<'_, str> {
        let err = &self.status.err;
        let Some(backoff) = self.restart.backoff else { return Cow::Borrowed(err) };
        let separator = if err.is_empty() { "" } else { "; " };
        Cow::Owned(format!("{err}{separator}failed {backoff}"))
    }

    /// Whether it is on a network of the swarm's own, where others find it.
    pub fn is_on_overlay(&self) -> bool {
        self.networks.iter().any(|attachment| !attachment.addresses.is_empty())
    }

    /// Whether its container has to go on until nobody is sent to it any more.
    pub fn is_held(&self) -> bool {
        self.parting.as_ref().is_some_and(|parting| !parting.released) && !self.status.state.is_terminal()
    }
}

/// How an announced task leaves: out of every resolver and balancer first, and stopped only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parting {
    /// The log index at which it began: whoever has applied that sends nobody there any more.
    pub index: u64,
    /// When that was.
    pub at: Timestamp,
    /// Nobody is sent there any more, or it took too long: the node may stop it.
    #[serde(default)]
    pub released: bool,
}

/// What is known of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskStatus {
    /// When this was observed.
    pub timestamp: Timestamp,
    /// The state.
    pub state: TaskState,
    /// What happens, for `docker service ps`.
    pub message: String,
    /// What went wrong; empty if nothing did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub err: String,
    /// The container, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerStatus>,
    /// Ports published on the node itself (`mode=host`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortConfig>,
}

/// The container of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStatus {
    /// The engine's 64-character id.
    pub id: String,
    /// Its first process on the host; 0 if it does not run.
    pub pid: i64,
    /// Its exit code, once it ended.
    pub exit_code: i64,
    /// The hardware address of each of its endpoints, by IP address: the engine may have chosen another one than it was
    /// asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub macs: BTreeMap<Ipv4Addr, String>,
    /// The engine's name for each of its endpoints, by IP address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<Ipv4Addr, String>,
}

/// A task's place on one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// The network.
    pub network: Option<NetworkId>,
    /// Addresses with prefix length, `10.0.1.3/24`; none on a predefined network.
    pub addresses: Vec<String>,
    /// Names under which the task is found on that network.
    pub aliases: Vec<String>,
}

impl Attachment {
    /// The first address of a family, without prefix length.
    pub fn host<T: FromStr>(&self) -> Option<T> {
        self.addresses.iter().find_map(|address| address.split('/').next()?.parse().ok())
    }
}

/// What restarts go by: what a task inherits from the one it replaces, and what came of it. Kept in state so that a new
/// leader counts on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPlan {
    /// Not to be started before this time (the restart delay); zero means at once.
    pub not_before: Timestamp,
    /// How many restarts this slot had since its spec last changed.
    pub attempts: u64,
    /// The times of those restarts that `max_attempts` and `window` still need, oldest first.
    pub recent: Vec<Timestamp>,
    /// How many tasks of this slot failed in a row before this one, none of which had run for long; 0 where `max_attempts`
    /// sets an end to it, and in what an older Gam wrote.
    #[serde(skip_serializing_if = "is_zero")]
    pub row: u64,
    /// When the leader first heard that this one runs; unknown of what an older Gam wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_since: Option<Timestamp>,
    /// When the leader first heard that it has ended, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What was decided when this one had failed, if the next one waits longer than the policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A restart that waits longer than the policy says, because many before it were in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// How many tasks of the slot have failed in a row.
    pub row: u64,
    /// How long the next one waits, ns.
    pub delay: i64,
}

/// `5 times in a row, next start in 1m20s`.
impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.delay.saturating_add(999_999_999) / 1_000_000_000;
        write!(f, "{} times in a row, next start in ", self.row)?;
        match seconds / 60 {
            0 => write!(f, "{seconds}s"),
            minutes => write!(f, "{minutes}m{}s", seconds % 60),
        }
    }
}
