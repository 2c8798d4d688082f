//! The worker side: keeps the containers of this node as its assignments want them, and reports what became of them.
//!
//! [`Agent::start`] runs one [`worker`] for each assigned task, all at once; a worker asks the pure core
//! ([`gam_core::agent::step`]) what to do next and does it. This module only hands news to them: changed assignments,
//! dockerd's events, and a slow list against whatever was missed. Containers of this node's tasks that are not assigned
//! any more, also those left behind by an earlier run, are swept away, but never before a first full set of assignments
//! was seen. No other container is ever touched, whatever its labels say: it may be a user's, or another swarm's.
//!
//! It never reads cluster state, and it never stops a container because Gam stops or because dockerd is away: whoever
//! starts it again passes the same assignments, and it adopts what runs.

mod context;
mod files;
mod images;
mod reporter;
mod sweep;
mod watcher;
mod worker;

use std::collections::{BTreeMap, HashSet};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gam_core::assignment::Assignments;
use gam_core::model::{NodeId, Parting, Task, TaskId, TaskState, TaskStatus};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::engine::containers::ListedContainer;
use crate::network::Networks;
use crate::seal::Key;
use crate::vital;
use context::Context;
use reporter::AGAIN;
use worker::{Inbox, Worker};

pub use files::forget;

/// How often all containers are listed against events that were missed. Slow, since dockerd loses events only to
/// readers that do not keep up.
const RESYNC: Duration = Duration::from_secs(30);
/// News that wait for the agent. When it is full, dockerd's event stream waits, and dockerd drops what a reader does
/// not take; the next list makes up for it.
const NEWS_QUEUE: usize = 1024;

/// What an agent needs.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// This node.
    pub node: NodeId,
    /// The dockerd of this host.
    pub engine: Engine,
    /// Makes the engine's side of swarm networks.
    pub networks: Networks,
    /// What a bind mount of the engine's socket delivers instead; `None` leaves such mounts alone.
    pub gam_socket: Option<PathBuf>,
    /// Grows whenever the engine answers (again). It may be another one then: newer, or begun with other flags.
    pub engine_up: watch::Sender<u64>,
}

impl AgentConfig {
    /// What stays the same whatever the node is called; `node` is to be set before an agent starts.
    pub fn new(engine: Engine, networks: Networks, gam_socket: Option<PathBuf>) -> AgentConfig {
        let engine_up = watch::Sender::default();
        AgentConfig { node: NodeId::MIN, engine, networks, gam_socket, engine_up }
    }
}

/// Something that concerns more than one worker.
enum News {
    /// dockerd answers (again), and events flow.
    Connected,
    /// Something happened to a container.
    Event(crate::engine::containers::ContainerEvent),
    /// All containers of this node's tasks; `None` if dockerd could not be asked.
    Listed(Option<Vec<ListedContainer>>),
    /// A container that belonged to nobody is gone, or was given up on until the next list.
    Swept(String),
}

/// The agent of one node.
pub struct Agent {
    context: Arc<Context>,
    assignments: watch::Receiver<Arc<Assignments>>,
    workers: BTreeMap<TaskId, Handle>,
    running: JoinSet<TaskId>,
    others: JoinSet<()>,
    news: mpsc::Sender<News>,
    engine_up: watch::Sender<u64>,
    listing: bool,
    sweeping: HashSet<String>,
}

struct Handle {
    inbox: Arc<Inbox>,
    name: String,
    desired: TaskState,
    parting: Option<Parting>,
    abort: AbortHandle,
}

impl Agent {
    /// Starts the agent. It takes the newest assignments from the channel (index 0 means that none were received yet),
    /// opens the values of secrets with `key` if they are sealed, sends reports in batches, and ends soon after `stop`, leaving every container as it is.
    pub fn start(
        config: AgentConfig,
        assignments: watch::Receiver<Arc<Assignments>>,
        key: Option<Key>,
        reports: mpsc::Sender<Vec<(TaskId, TaskStatus)>>,
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        vital::spawn("the agent", async move {
            let (news, inbox) = mpsc::channel(NEWS_QUEUE);
            let engine_up = config.engine_up.clone();
            let context = Arc::new(Context::new(config, assignments.clone(), key));
            let mut agent = Agent {
                context,
                assignments,
                workers: BTreeMap::new(),
                running: JoinSet::new(),
                others: JoinSet::new(),
                news,
                engine_up,
                listing: false,
                sweeping: HashSet::new(),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = agent.run(inbox, reports) => {}
            }
        })
    }

    async fn run(&mut self, mut news: mpsc::Receiver<News>, reports: mpsc::Sender<Vec<(TaskId, TaskStatus)>>) {
        let (context, sender) = (self.context.clone(), self.news.clone());
        self.others.spawn(async move { context.reporter.forward(reports).await });
        self.others.spawn(watcher::watch(self.context.clone(), sender));
        let mut resync = interval_at(Instant::now() + RESYNC, RESYNC);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut again = interval_at(Instant::now() + AGAIN, AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.apply();
        loop {
            tokio::select! {
                changed = self.assignments.changed() => match changed {
                    Ok(()) => self.apply(),
                    Err(_) => return,
                },
                Some(news) = news.recv() => self.hear(news),
                Some(ended) = self.running.join_next() => self.ended(ended),
                Some(ended) = self.others.join_next() => pass_on(ended),
                _ = resync.tick() => self.list(),
                _ = again.tick() => self.context.reporter.say_again(&self.assignments.borrow()),
            }
        }
    }

    /// Gives every task a worker, and tells workers what changed.
    fn apply(&mut self) {
        let assignments = self.assignments.borrow_and_update().clone();
        if assignments.index == 0 {
            return;
        }
        for task in assignments.tasks.values() {
            match self.workers.get_mut(&task.id) {
                Some(handle) if (handle.desired, handle.parting) != (task.desired, task.parting) => {
                    (handle.desired, handle.parting) = (task.desired, task.parting);
                    handle.inbox.desire(task.desired, task.parting);
                }
                Some(_) => {}
                None => self.employ(task),
            }
        }
        for (id, handle) in &self.workers {
            if !assignments.tasks.contains_key(id) {
                handle.inbox.dismiss();
            }
        }
        self.context.files.keep(&assignments);
        if !self.context.received() {
            // Only now can a list tell orphans from tasks that were not yet known.
            self.context.mark_received();
            self.list();
        }
    }

    fn employ(&mut self, task: &Arc<Task>) {
        let inbox = Arc::new(Inbox::default());
        let worker = Worker::new(self.context.clone(), inbox.clone(), task);
        let (id, name) = (task.id, task.name());
        let abort = self.running.spawn(async move {
            worker.run().await;
            id
        });
        self.workers.insert(id, Handle { inbox, name, desired: task.desired, parting: task.parting, abort });
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Connected => {
                self.engine_up.send_modify(|generation| *generation += 1);
                self.list();
            }
            News::Event(event) => {
                if let Some(handle) = self.workers.get(&event.task) {
                    handle.inbox.event(&event);
                }
            }
            News::Listed(found) => {
                self.listing = false;
                if let Some(containers) = found {
                    self.compare(containers);
                }
            }
            News::Swept(container) => {
                self.sweeping.remove(&container);
            }
        }
    }

    /// Asks for a list; the answer comes as [`News::Listed`].
    fn list(&mut self) {
        if self.listing {
            return;
        }
        self.listing = true;
        let (context, news) = (self.context.clone(), self.news.clone());
        self.others.spawn(async move {
            let found = context.engine.list_task_containers(context.node).await;
            if let Err(error) = &found {
                tracing::debug!(%error, "cannot list the containers of tasks");
            }
            // Fails only when the agent is gone.
            let _ = news.send(News::Listed(found.ok())).await;
        });
    }

    /// Tells every worker what the list says of its container, and sweeps away what belongs to nobody.
    fn compare(&mut self, containers: Vec<ListedContainer>) {
        let mut listed: BTreeMap<TaskId, ListedContainer> = BTreeMap::new();
        for container in containers {
            match container.task.and_then(|task| Some((task, self.workers.get(&task)?))) {
                Some((task, handle)) if handle.name == container.name => {
                    listed.insert(task, container);
                }
                // It claims to be what another container is.
                Some(_) => {}
                None if self.context.received() => self.sweep(container.id),
                None => {}
            }
        }
        for (id, handle) in &self.workers {
            handle.inbox.listed(listed.remove(id));
        }
    }

    fn sweep(&mut self, container: String) {
        if !self.sweeping.insert(container.clone()) {
            return;
        }
        tracing::info!(container, "removing a container whose task is not assigned to this node any more");
        let (context, news) = (self.context.clone(), self.news.clone());
        self.others.spawn(async move {
            sweep::sweep(&context, &container, None).await;
            // Fails only when the agent is gone.
            let _ = news.send(News::Swept(container)).await;
        });
    }

    fn ended(&mut self, ended: Result<TaskId, JoinError>) {
        match ended {
            Ok(id) => {
                self.workers.remove(&id);
            }
            Err(error) => {
                tracing::error!(%error, "a worker of the agent failed; its task is taken up again");
                self.workers.retain(|_, handle| handle.abort.id() != error.id());
                self.apply();
            }
        }
    }
}

/// The watcher, the reporter and the like are parts of the agent, which fails with them.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn the_agent_fails_with_its_parts() {
        pass_on(tokio::spawn(async {}).await);
        let ended = tokio::spawn(std::future::pending::<()>());
        ended.abort();
        pass_on(ended.await);
        pass_on(tokio::spawn(async { panic!("a bug") }).await);
    }
}
