//! What an agent does next for one task: one transition per call, from the task and what is seen of its container.
//!
//! The rules are those of swarmkit's `agent/exec/controller.go` (`Do`) over moby's
//! `daemon/cluster/executor/container/controller.go`, made level: instead of waiting inside a call for an event, the
//! shell calls [`step`] again whenever it has looked at the container anew. Nothing here talks to an engine. The shell
//! in the daemon performs the action, and says with [`failed`] how it went wrong.

mod inspect;
#[cfg(test)]
mod tests;

use crate::container::{self, Host};
use crate::model::{ContainerStatus, Task, TaskState, TaskStatus, Timestamp};

pub use inspect::{Container, Health, Inspection, Phase};

/// Longest error of a task, bytes. Thousands of them fit into one report of a node.
const MAX_ERROR: usize = 2048;

/// What is known of a task's container at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// The container.
    pub container: Seen,
    /// The health check called it unhealthy while it ran. Kept by the shell, because a container that was stopped says
    /// "unhealthy" whatever it died of.
    pub sick: bool,
    /// The exit code that the engine announced when the container died; needed where it was removed or started again
    /// right after.
    pub died: Option<i64>,
    /// Its own resolver and balancers are ready, or took too long.
    pub settled: bool,
    /// For too long nobody said that the task may stop.
    pub unheard: bool,
    /// Its connections have ended, or took too long.
    pub drained: bool,
}

/// What the engine answered about a task's container.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seen {
    /// Nobody has looked yet, or something happened since.
    #[default]
    Unknown,
    /// There is no container of this task.
    Absent,
    /// There is one.
    Present(Container),
}

/// What the shell must do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Nothing, until the task or its container changes.
    Rest,
    /// Ask the engine about the container and call again.
    Look,
    /// Take this status over, report it, and call again.
    Report(TaskStatus),
    /// Make networks, pull the image, create the container.
    Prepare,
    /// Start the container.
    Start,
    /// Wait until the container can use its networks.
    Settle,
    /// Wait until the task may stop, because nobody is sent to it any more.
    Hold,
    /// Wait until what was under way has ended.
    Drain,
    /// Stop the container, with the task's grace period.
    Stop,
    /// Remove the container and its anonymous volumes; only for a task that nobody assigns any more.
    Remove,
    /// Nothing is left of the task.
    Done,
}

/// The next action for an assigned task.
pub fn step(task: &Task, sight: &Sight, host: &Host, now: Timestamp) -> Action {
    let state = task.status.state;
    if state.is_terminal() {
        return after_end(sight);
    }
    if task.desired >= TaskState::Shutdown {
        return wind_down(task, sight, now);
    }
    if state > task.desired {
        return Action::Rest;
    }
    match state {
        // These three go on past what is desired: the container is made before the restart delay is over.
        TaskState::Preparing => prepare(task, sight, now),
        TaskState::Starting => start(task, sight, now),
        TaskState::Running => watch(task, sight, now),
        _ if state >= task.desired => Action::Rest,
        TaskState::Accepted => transition(task, sight, TaskState::Preparing, "preparing", now),
        TaskState::Ready => transition(task, sight, TaskState::Starting, "starting", now),
        _ => match container::check(task, host) {
            Ok(()) => transition(task, sight, TaskState::Accepted, "accepted", now),
            Err(error) => Action::Report(TaskStatus {
                message: "resolving controller failed".into(),
                ..failed(task, sight, &error.to_string(), now)
            }),
        },
    }
}

/// The next action for what is left of a task that is not assigned any more.
pub fn retire(sight: &Sight) -> Action {
    match &sight.container {
        Seen::Unknown => Action::Look,
        Seen::Absent => Action::Done,
        Seen::Present(container) if container.phase == Phase::Running => Action::Stop,
        Seen::Present(_) => Action::Remove,
    }
}

/// An engine's error as a task's is told: of a length that costs managers little, whatever a registry says, and without what
/// could steer a terminal. Its lines stay, as in Docker.
pub fn told(error: &str) -> String {
    let end = error.floor_char_boundary(MAX_ERROR);
    let mut told: String = error[..end].chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    if end < error.len() {
        told.push('…');
    }
    told
}

/// The status after an action failed for good: before the start the node has rejected the task, later the task has
/// failed. The message stays that of the phase, as in `docker service ps`.
pub fn failed(task: &Task, sight: &Sight, error: &str, now: Timestamp) -> TaskStatus {
    let state = if task.status.state < TaskState::Starting { TaskState::Rejected } else { TaskState::Failed };
    TaskStatus { err: error.to_owned(), ..status(task, sight, state, &task.status.message, now) }
}

fn prepare(task: &Task, sight: &Sight, now: Timestamp) -> Action {
    match &sight.container {
        Seen::Unknown => Action::Look,
        Seen::Absent => Action::Prepare,
        // Made by an earlier attempt, whose end nobody saw: adopted, however far it has come.
        Seen::Present(_) => transition(task, sight, TaskState::Ready, "prepared", now),
    }
}

fn start(task: &Task, sight: &Sight, now: Timestamp) -> Action {
    let container = match &sight.container {
        Seen::Unknown => return Action::Look,
        Seen::Absent => return vanished(task, sight, now),
        Seen::Present(container) => container,
    };
    let started = || transition(task, sight, TaskState::Running, "started", now);
    match (container.phase, container.health) {
        (Phase::Created, _) => Action::Start,
        (Phase::Running, _) if sight.sick => Action::Stop,
        // Announced only once it can use what it is on.
        (Phase::Running, Health::None | Health::Healthy) if task.is_on_overlay() && !sight.settled => Action::Settle,
        (Phase::Running, Health::None | Health::Healthy) => started(),
        (Phase::Running, Health::Starting) => Action::Rest,
        (Phase::Running, Health::Unhealthy) => Action::Stop,
        // It ran to its end before anybody looked; Docker still counts it as started, unless it was to become healthy
        // first and failed.
        (Phase::Exited, Health::None) => started(),
        (Phase::Exited, _) if container.exit_code == 0 => started(),
        (Phase::Exited, _) => Action::Report(exited(task, sight, container.exit_code, &container.error, now)),
    }
}

fn watch(task: &Task, sight: &Sight, now: Timestamp) -> Action {
    match &sight.container {
        Seen::Unknown => Action::Look,
        Seen::Absent => vanished(task, sight, now),
        Seen::Present(container) => match (container.phase, sight.died) {
            // The engine lost the start, and with it the process: it never ran for long, so run it.
            (Phase::Created, _) => Action::Start,
            // Somebody restarted it by hand. As in Docker that ends the task; what runs now is stopped after it.
            (Phase::Running, Some(code)) => ended(task, sight, code, "", now),
            (Phase::Running, None) if sight.sick || container.health == Health::Unhealthy => Action::Stop,
            (Phase::Running, None) => Action::Rest,
            (Phase::Exited, _) => ended(task, sight, container.exit_code, &container.error, now),
        },
    }
}

fn wind_down(task: &Task, sight: &Sight, now: Timestamp) -> Action {
    match &sight.container {
        Seen::Unknown => Action::Look,
        Seen::Present(container) if container.phase == Phase::Running => match task.parting {
            // It does nobody any good any more.
            _ if sight.sick => Action::Stop,
            Some(parting) if !parting.released && !sight.unheard => Action::Hold,
            Some(_) if !sight.drained => Action::Drain,
            _ => Action::Stop,
        },
        _ => transition(task, sight, TaskState::Shutdown, "shutdown", now),
    }
}

/// A task that has ended has no running container, even if a user started it by hand: its slot is another's now.
fn after_end(sight: &Sight) -> Action {
    match &sight.container {
        Seen::Unknown => Action::Look,
        Seen::Present(container) if container.phase == Phase::Running => Action::Stop,
        _ => Action::Rest,
    }
}

/// The container was removed behind our back. If its death was announced the task ended with that exit code, as
/// Docker has it after `docker rm -f`; otherwise all that is known is that it is gone.
fn vanished(task: &Task, sight: &Sight, now: Timestamp) -> Action {
    match sight.died {
        Some(code) => ended(task, sight, code, "", now),
        None => Action::Report(failed(task, sight, &format!("No such container: {}", task.name()), now)),
    }
}

/// The container ran to its end.
fn ended(task: &Task, sight: &Sight, code: i64, error: &str, now: Timestamp) -> Action {
    match code {
        0 => transition(task, sight, TaskState::Complete, "finished", now),
        code => Action::Report(exited(task, sight, code, error, now)),
    }
}

/// `task: non-zero exit (137): dockerexec: unhealthy container`, with the cause only where one is known.
fn exited(task: &Task, sight: &Sight, code: i64, error: &str, now: Timestamp) -> TaskStatus {
    let cause = if sight.sick { "dockerexec: unhealthy container" } else { error };
    let text = match cause {
        "" => format!("task: non-zero exit ({code})"),
        cause => format!("task: non-zero exit ({code}): {cause}"),
    };
    let mut status = failed(task, sight, &text, now);
    status.container.get_or_insert_default().exit_code = code;
    status
}

fn transition(task: &Task, sight: &Sight, state: TaskState, message: &str, now: Timestamp) -> Action {
    Action::Report(status(task, sight, state, message, now))
}

/// A status of the task as swarmkit writes it: container and ports appear from `Starting` on.
fn status(task: &Task, sight: &Sight, state: TaskState, message: &str, now: Timestamp) -> TaskStatus {
    let mut status = TaskStatus {
        timestamp: now,
        state,
        message: message.to_owned(),
        err: String::new(),
        container: task.status.container.clone(),
        ports: Vec::new(),
    };
    if state >= TaskState::Starting {
        match &sight.container {
            Seen::Present(container) => {
                status.container = Some(ContainerStatus {
                    id: container.id.clone(),
                    pid: container.pid,
                    exit_code: container.exit_code,
                    macs: container.macs.clone(),
                    endpoints: container.endpoints.clone(),
                });
                status.ports = container.ports.clone();
            }
            _ => {
                status.container.get_or_insert_default();
            }
        }
    }
    status
}
