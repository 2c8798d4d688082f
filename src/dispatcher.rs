//! One session for each agent: assignments and directives flow one way, reports the other.
//!
//! A session is a set of channels. On a manager's own host the agent holds the other ends; across hosts [`serve`] does, and
//! on the agent's side [`link`]. Only the newest assignments matter, so they are a watched value and not a
//! queue: a slow agent costs nothing and misses nothing. Any manager holds sessions: what agents say reaches the leader
//! through its loop.

pub mod link;
mod newest;
pub mod serve;

use std::sync::Arc;

use gam_core::assignment::{Assignments, Follower};
use gam_core::model::{Node, NodeDescription, NodeId, NodeState, NodeStatus, TaskId, TaskStatus};
use gam_core::state::State;
use gam_core::step::Input;
use gam_rpc::{Errand, Role};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::manager::Manager;
use crate::seal::Key;
use crate::vital;

/// Batches of reports that may wait for the manager; an agent with more waits and merges them.
const REPORTS_MAX: usize = 64;

type Reports = mpsc::Sender<Vec<(TaskId, TaskStatus)>>;
/// Boxed, for a channel makes room for many values at once, and a description is large.
type Descriptions = mpsc::Sender<Box<NodeDescription>>;

/// An agent's ends of its session.
pub struct Session {
    /// What the node must hold, always the newest.
    pub assignments: watch::Receiver<Arc<Assignments>>,
    /// What the node must be, always the newest.
    pub directives: watch::Receiver<Directive>,
    /// What the agent observed.
    pub reports: Reports,
    /// The node's description whenever it changes.
    pub descriptions: Descriptions,
    /// What managers want of the node beside its tasks.
    pub errands: mpsc::Receiver<Errand>,
    /// Opens the values of secrets in the assignments, if they are sealed: only what comes from another host is.
    pub key: Option<Key>,
    /// The log index at which the node's resolver and balancers are, said when somebody waits for it; 0 until then.
    pub applied: watch::Sender<u64>,
}

/// What the cluster wants of a node beside its tasks: its role, its certificate, whom it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directive {
    /// What its certificate should say; `None` until the cluster was heard.
    pub role: Option<Role>,
    /// The roots that it should trust, PEM.
    pub roots: String,
    /// Its certificate comes from a root that is being replaced.
    pub renew: bool,
    /// All managers, each with its `host:port`.
    pub managers: Vec<(NodeId, String)>,
    /// The history of the cluster that this is said in, as far as the node was told.
    pub history: Option<u64>,
}

impl Directive {
    /// What `state` wants of `node`.
    pub fn of(state: &State, node: NodeId) -> Directive {
        let manager = |node: &Arc<Node>| Some((node.id, node.manager.as_ref()?.addr.clone()));
        let managers = state.nodes().filter_map(manager).collect();
        let mut directive = Directive { managers, ..Directive::default() };
        let (Some(cluster), Some(node)) = (state.cluster(), state.node(node)) else { return directive };
        directive.role = Some(if node.is_manager() { Role::Manager } else { Role::Worker });
        directive.roots = cluster.root_ca.cert.clone();
        directive.renew = state.must_renew(node);
        directive
    }
}

/// Opens the session of a node heard at `addr`. It ends when `stop` is cancelled or the agent drops its ends.
///
/// Assignments have index 0 until this manager is known to be no further back than any other one was: an agent that acts by
/// what another manager said must not go back in time, or it would end what has only just begun. Nor do they change while this
/// manager has yet to learn what it has missed ([`newest`]).
pub fn open(manager: &Manager, node: NodeId, addr: String, stop: CancellationToken) -> Session {
    let (assign, assignments) = watch::channel(Arc::new(Assignments::default()));
    let (direct, directives) = watch::channel(Directive::of(&manager.state(), node));
    let (reports, reported) = mpsc::channel(REPORTS_MAX);
    let (descriptions, described) = mpsc::channel(1);
    let assigning = send_assignments(manager.clone(), node, assign, direct);
    keep("the assignments of a node", &stop, assigning);
    keep("the reports of a node", &stop, take_reports(manager.clone(), node, reported));
    let (applied, applying) = watch::channel(0);
    keep("what a node has applied", &stop, take_applied(manager.clone(), node, applying));
    keep("the description of a node", &stop, take_descriptions(manager.clone(), node, addr, described));
    Session { assignments, directives, reports, descriptions, errands: manager.attend(node), key: None, applied }
}

/// Runs a part of a session until it ends. Boxed by itself: what it is wrapped in would make room for it several times, and there
/// is one for each agent of the cluster.
fn keep(name: &'static str, stop: &CancellationToken, part: impl Future<Output = ()> + Send + 'static) {
    vital::spawn(name, stop.clone().run_until_cancelled_owned(Box::pin(part)));
}

async fn send_assignments(
    manager: Manager,
    node: NodeId,
    assign: watch::Sender<Arc<Assignments>>,
    direct: watch::Sender<Directive>,
) {
    let (applied, leadership) = (manager.subscribe(), manager.store().leadership());
    let mut follower = Follower::new(node);
    let give = || {
        let state = manager.state();
        let next = follower.follow(&state);
        assign.send_if_modified(|held| {
            // Also that there is nothing to do is news at first.
            let differs = held.index == 0 || !held.same_as(&next);
            *held = Arc::new(next);
            differs
        });
        let next = Directive::of(&state, node);
        direct.send_if_modified(|held| {
            let differs = *held != next;
            *held = next;
            differs
        });
        !assign.is_closed()
    };
    // Many sessions have the same reason to ask at the same time.
    newest::follow(applied, leadership, || manager.read_together(), give).await;
}

async fn take_reports(manager: Manager, node: NodeId, mut reported: mpsc::Receiver<Vec<(TaskId, TaskStatus)>>) {
    while let Some(statuses) = reported.recv().await {
        manager.report(node, statuses).await;
    }
}

async fn take_applied(manager: Manager, node: NodeId, mut applied: watch::Receiver<u64>) {
    while applied.changed().await.is_ok() {
        let index = *applied.borrow_and_update();
        manager.tell(Input::Applied { node, index }).await;
    }
}

/// An agent that described its host is there; whether it stays is told by its heartbeats.
async fn take_descriptions(
    manager: Manager,
    node: NodeId,
    addr: String,
    mut described: mpsc::Receiver<Box<NodeDescription>>,
) {
    let status = NodeStatus { state: NodeState::Ready, message: String::new(), addr };
    while let Some(description) = described.recv().await {
        manager.tell(Input::Session { node, status: status.clone(), description: Some(description) }).await;
    }
}
