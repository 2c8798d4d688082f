//! One task's worker: asks the core for the next action, does it, and asks again. Never two actions at once.
//!
//! News come through an [`Inbox`] that keeps only what still matters, so however much happens while an action runs,
//! the worker looks once afterwards. What the worker holds as the task's status is the truth of this node: a manager
//! only ever changes what is desired.

mod inbox;
mod order;
mod prepare;

use std::sync::Arc;

use gam_core::agent::{Action, Container, Health, Phase, Seen, Sight, failed, step, told};
use gam_core::container::{Host, LABEL_TASK_ID};
use gam_core::model::{Task, TaskState, TaskStatus};

use super::context::{Context, Pause, now};
use super::sweep::sweep;
use crate::engine::EngineError;
use crate::engine::containers::ListedContainer;

pub(super) use inbox::Inbox;
use inbox::Letters;
use order::Order;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

pub(super) struct Worker {
    context: Arc<Context>,
    inbox: Arc<Inbox>,
    task: Task,
    sight: Sight,
    /// The engine's id of the task's container, once it is known.
    container: Option<String>,
    dismissed: bool,
    order: Order,
}

/// Why an action has to be tried again.
type Trouble = EngineError;

impl Worker {
    pub(super) fn new(context: Arc<Context>, inbox: Arc<Inbox>, task: &Task) -> Worker {
        let known = task.status.container.as_ref().map(|container| container.id.clone());
        // Of a task that has ended nobody needs to ask: the list says it if its container runs after all.
        let container = if task.status.state.is_terminal() { Seen::Absent } else { Seen::Unknown };
        Worker {
            context,
            inbox,
            task: task.clone(),
            sight: Sight { container, ..Sight::default() },
            container: known.filter(|id| !id.is_empty()),
            dismissed: false,
            order: Order::default(),
        }
    }

    /// Runs until the task is not assigned any more and its container is gone.
    pub(super) async fn run(mut self) {
        let mut pause = Pause::default();
        loop {
            self.open_letters();
            let done = if self.dismissed { self.leave().await } else { self.advance().await };
            match done {
                Ok(true) => return,
                Ok(false) => pause.reset(),
                Err(error) => {
                    tracing::debug!(task = %self.task.id, %error, "an action is tried again");
                    self.sight.container = Seen::Unknown;
                    self.context.pause(&mut pause).await;
                }
            }
        }
    }

    /// One action. `true` never comes back from an assigned task.
    async fn advance(&mut self) -> Result<bool, Trouble> {
        let context = self.context.clone();
        let host = context.host().await?;
        match step(&self.task, &self.sight, host, now()) {
            Action::Rest => self.inbox.changed().await,
            Action::Look => self.look().await?,
            Action::Report(status) => self.report(status),
            Action::Prepare => self.prepare(host).await?,
            Action::Start => self.start(host).await?,
            Action::Settle => self.settle().await,
            Action::Hold => self.hold().await,
            Action::Drain => self.drain().await,
            Action::Stop => self.stop().await?,
            // Only for what is not assigned any more.
            Action::Remove | Action::Done => return Ok(true),
        }
        Ok(false)
    }

    /// Removes what is left of a task that is not assigned any more.
    async fn leave(&mut self) -> Result<bool, Trouble> {
        self.look().await?;
        if let Some(container) = &self.container {
            sweep(&self.context, container, self.grace_s()).await;
        }
        Ok(true)
    }

    fn open_letters(&mut self) {
        let Letters { desired, parting, look, died, sick, listed, dismissed } = self.inbox.take();
        if let Some(desired) = desired {
            self.task.desired = self.task.desired.max(desired);
            self.task.parting = parting;
        }
        if look {
            self.sight.container = Seen::Unknown;
        }
        self.sight.died = died.or(self.sight.died);
        self.sight.sick |= sick;
        self.dismissed |= dismissed;
        if let Some(listed) = listed {
            if !self.agrees(listed.as_ref()) {
                self.sight.container = Seen::Unknown;
            }
            // A report may be lost when leadership changes.
            if self.context.reported(self.task.id).is_some_and(|state| state < self.task.status.state) {
                self.context.reporter.push(self.task.id, self.task.status.clone());
            }
        }
    }

    /// Whether the list of all containers says what this worker believes already.
    fn agrees(&self, listed: Option<&ListedContainer>) -> bool {
        let is_running = listed.is_some_and(|listed| listed.running);
        if self.task.status.state.is_terminal() {
            return !is_running;
        }
        match (&self.sight.container, listed) {
            (Seen::Unknown | Seen::Absent, None) => true,
            (Seen::Present(container), Some(listed)) => {
                (container.phase == Phase::Running) == is_running
                    && !(is_running && listed.unhealthy && container.health != Health::Unhealthy)
            }
            _ => false,
        }
    }

    fn report(&mut self, mut status: TaskStatus) {
        status.err = told(&status.err);
        tracing::debug!(task = %self.task.id, state = %status.state, error = status.err, "task changed");
        self.task.status = status.clone();
        self.context.reporter.push(self.task.id, status);
    }

    fn fail(&mut self, error: &str) {
        let status = failed(&self.task, &self.sight, error, now());
        self.report(status);
    }

    /// Asks the engine about the task's container. One of the same name that is not the task's is none.
    async fn look(&mut self) -> Result<(), Trouble> {
        let name = self.task.name();
        let found = self.context.engine.inspect_container(self.container.as_deref().unwrap_or(&name)).await?;
        let ours = found.filter(|found| found.label(LABEL_TASK_ID) == Some(self.task.id.to_string().as_str()));
        match ours {
            Some(found) => self.see(found.into_container()),
            None => {
                self.container = None;
                self.sight.container = Seen::Absent;
            }
        }
        Ok(())
    }

    fn see(&mut self, container: Container) {
        if container.phase == Phase::Running {
            self.sight.sick |= container.health == Health::Unhealthy;
        }
        self.container = Some(container.id.clone());
        self.sight.container = Seen::Present(container);
    }

    async fn start(&mut self, host: &Host) -> Result<(), Trouble> {
        let Some(container) = self.container.clone() else {
            self.sight.container = Seen::Unknown;
            return Ok(());
        };
        if let Err(error) = self.context.fill(&self.task, host) {
            self.fail(&format!("starting container failed: {error}"));
            return Ok(());
        }
        let started = {
            // The semaphore is never closed.
            let _permit = self.context.calls.acquire().await.ok();
            self.context.engine.start_container(&container).await
        };
        self.sight.container = Seen::Unknown;
        match started {
            Ok(()) => Ok(()),
            Err(EngineError::Refused { message, .. }) => {
                self.look().await?;
                // If it is gone the core finds the words.
                if let Seen::Present(_) = self.sight.container {
                    self.fail(&format!("starting container failed: {message}"));
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn stop(&mut self) -> Result<(), Trouble> {
        let Some(container) = self.container.clone() else {
            self.sight.container = Seen::Unknown;
            return Ok(());
        };
        let stopped = self.context.engine.stop_container(&container, self.grace_s()).await;
        match stopped {
            Ok(()) => {
                self.sight.container = Seen::Unknown;
                Ok(())
            }
            Err(error) if error.is_not_found() => {
                self.sight.container = Seen::Unknown;
                Ok(())
            }
            Err(error) => {
                // As in Docker the task has failed then; the container is still tried again.
                if let (EngineError::Refused { message, .. }, false) = (&error, self.task.status.state.is_terminal()) {
                    self.fail(message);
                }
                Err(error)
            }
        }
    }

    /// Whole seconds between the stop signal and the kill; Docker cuts the rest off.
    fn grace_s(&self) -> Option<u64> {
        let spec = self.task.spec().container_spec.as_ref()?;
        u64::try_from(spec.stop_grace_period? / SECOND).ok()
    }

    fn is_unwanted(desired: Option<TaskState>, dismissed: bool) -> bool {
        dismissed || desired.is_some_and(|desired| desired >= TaskState::Shutdown)
    }
}
