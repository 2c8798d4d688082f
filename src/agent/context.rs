//! What all workers of an agent share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gam_core::assignment::Assignments;
use gam_core::container::Host;
use gam_core::model::{Network, NetworkId, NodeId, Task, TaskId, TaskState, Timestamp};
use tokio::sync::{OnceCell, Semaphore, watch};

use super::AgentConfig;
use super::files::{Files, FilesError};
use super::images::Images;
use super::reporter::Reporter;
use crate::engine::{Engine, EngineError};
use crate::network::Networks;
use crate::seal::Key;

/// Containers that are created or started at the same time. Far more than a host has cores, so nothing waits that
/// could run; few enough that a thousand tasks do not hold a thousand connections to dockerd.
const PARALLEL_CALLS: usize = 64;
/// The first pause after dockerd could not be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause; a return of dockerd is noticed at once by its event stream, so this only bounds the rest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Context {
    pub(super) node: NodeId,
    pub(super) engine: Engine,
    pub(super) networks: Networks,
    pub(super) socket: Option<PathBuf>,
    pub(super) files: Files,
    pub(super) reporter: Reporter,
    pub(super) images: Images,
    pub(super) calls: Semaphore,
    assignments: watch::Receiver<Arc<Assignments>>,
    engine_generation: watch::Receiver<u64>,
    host: OnceCell<Host>,
    received: AtomicBool,
}

impl Context {
    pub(super) fn new(
        config: AgentConfig,
        assignments: watch::Receiver<Arc<Assignments>>,
        key: Option<Key>,
    ) -> Context {
        Context {
            node: config.node,
            images: Images::new(config.engine.clone()),
            engine: config.engine,
            networks: config.networks,
            socket: config.gam_socket,
            files: Files::of(config.node, key),
            reporter: Reporter::default(),
            calls: Semaphore::new(PARALLEL_CALLS),
            assignments,
            engine_generation: config.engine_up.subscribe(),
            host: OnceCell::new(),
            received: AtomicBool::new(false),
        }
    }

    /// The node as templates know it; asked of dockerd once.
    pub(super) async fn host(&self) -> Result<&Host, EngineError> {
        self.host
            .get_or_try_init(|| async {
                let description = self.engine.describe().await?;
                Ok(Host {
                    node: self.node,
                    hostname: description.hostname,
                    architecture: description.platform.architecture,
                    os: description.platform.os,
                })
            })
            .await
    }

    /// A network of the newest assignments.
    pub(super) fn network(&self, id: NetworkId) -> Option<Arc<Network>> {
        self.assignments.borrow().networks.get(&id).cloned()
    }

    /// Writes the values of a task's files, as far as the newest assignments have them.
    pub(super) fn fill(&self, task: &Task, host: &Host) -> Result<(), FilesError> {
        let assignments = self.assignments.borrow().clone();
        self.files.fill(task, host, &assignments)
    }

    /// The state of a task as its manager knows it.
    pub(super) fn reported(&self, task: TaskId) -> Option<TaskState> {
        self.assignments.borrow().tasks.get(&task).map(|task| task.status.state)
    }

    /// Whether a full set of assignments was seen.
    pub(super) fn received(&self) -> bool {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn mark_received(&self) {
        self.received.store(true, Ordering::Relaxed);
    }

    /// Waits out a failure: until dockerd is back, but no longer than the pause.
    pub(super) async fn pause(&self, pause: &mut Pause) {
        let mut generation = self.engine_generation.clone();
        generation.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(pause.next()) => {}
            // An error means that the agent ends, and this with it.
            _ = generation.changed() => {}
        }
    }
}

/// Pauses that double from [`FIRST_PAUSE`] to [`LONGEST_PAUSE`].
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Duration>);

impl Pause {
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.0 = Some(pause);
        pause
    }

    pub(super) fn reset(&mut self) {
        self.0 = None;
    }
}

/// The clock: the only place where the agent reads it for a status.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_bound() {
        let mut pause = Pause::default();
        let pauses: Vec<u128> = (0..9).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        pause.reset();
        assert_eq!(pause.next(), FIRST_PAUSE);
    }
}
