//! One session for each agent: its assignments flow one way, its reports the other.
//!
//! A session is a pair of channels. On a manager's own host the agent holds the other ends; across hosts the transport
//! between nodes will. Only the newest assignments matter, so they are a watched value and not a queue: a slow agent
//! costs nothing and misses nothing.

use std::sync::Arc;

use gam_core::assignment::Assignments;
use gam_core::model::{NodeDescription, NodeId, NodeState, NodeStatus, TaskId, TaskStatus};
use gam_core::step::Input;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::manager::Manager;

/// Batches of reports that may wait for the manager; an agent with more waits and merges them.
const REPORTS_MAX: usize = 64;

/// An agent's ends of its session.
pub struct Session {
    /// What the node must hold, always the newest.
    pub assignments: watch::Receiver<Arc<Assignments>>,
    /// What the agent observed.
    pub reports: mpsc::Sender<Vec<(TaskId, TaskStatus)>>,
    /// The node's description whenever it changes.
    pub descriptions: mpsc::Sender<NodeDescription>,
}

/// Opens the session of a node heard at `addr`. It ends when `stop` is cancelled or the agent drops its ends.
pub fn open(manager: &Manager, node: NodeId, addr: String, stop: CancellationToken) -> Session {
    let (assign, assignments) = watch::channel(Arc::new(Assignments::of(&manager.state(), node)));
    let (reports, reported) = mpsc::channel(REPORTS_MAX);
    let (descriptions, described) = mpsc::channel(1);
    tokio::spawn(stop.clone().run_until_cancelled_owned(send_assignments(manager.clone(), node, assign)));
    tokio::spawn(stop.clone().run_until_cancelled_owned(take_reports(manager.clone(), node, reported)));
    tokio::spawn(stop.run_until_cancelled_owned(take_descriptions(manager.clone(), node, addr, described)));
    Session { assignments, reports, descriptions }
}

async fn send_assignments(manager: Manager, node: NodeId, assign: watch::Sender<Arc<Assignments>>) {
    let mut applied = manager.subscribe();
    loop {
        let next = Assignments::of(&manager.state(), node);
        assign.send_if_modified(|held| {
            let differs = !held.same_as(&next);
            *held = Arc::new(next);
            differs
        });
        match applied.recv().await {
            // A receiver that lags has missed values, not the state: the next look sees it all.
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
        while applied.try_recv().is_ok() {}
        if assign.is_closed() {
            return;
        }
    }
}

async fn take_reports(manager: Manager, node: NodeId, mut reported: mpsc::Receiver<Vec<(TaskId, TaskStatus)>>) {
    while let Some(statuses) = reported.recv().await {
        manager.report(node, statuses).await;
    }
}

async fn take_descriptions(
    manager: Manager,
    node: NodeId,
    addr: String,
    mut described: mpsc::Receiver<NodeDescription>,
) {
    let status = |state| NodeStatus { state, message: String::new(), addr: addr.clone() };
    while let Some(description) = described.recv().await {
        let description = Some(Box::new(description));
        manager.tell(Input::Session { node, status: status(NodeState::Ready), description }).await;
    }
    // The agent is gone: its node can run nothing.
    manager.tell(Input::Session { node, status: status(NodeState::Down), description: None }).await;
}
