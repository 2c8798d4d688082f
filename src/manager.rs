//! The leader's loop: gather a bounded batch of inputs, take one step, propose once, answer.
//!
//! Nothing else proposes changes to the cluster's state. While a proposal is being made durable the next batch gathers,
//! so that many callers share one write to the disk. Requests wait in a bounded queue; a caller that gives up costs
//! nothing. On a node that does not lead, requests are refused in Docker's words (forwarding comes with the transport
//! between nodes).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gam_core::control::{Request, Response};
use gam_core::error::Error;
use gam_core::model::{IdSource, Node, NodeId, TaskId, TaskStatus, Timestamp};
use gam_core::state::{Proposal, State};
use gam_core::step::{self, Input, Outcome};
use gam_store::{Applied, Leadership, Store, StoreError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Inputs that may wait for the leader. Enough for every agent of a large cluster to report at once; beyond it,
/// whoever has one more waits.
const INPUTS_MAX: usize = 4096;
/// Inputs taken in one step, so that a step's duration stays bounded under load.
const BATCH_MAX: usize = 1024;
/// Changes in one log entry: a few MB at most, so that an entry can be sent to a slow follower in good time.
/// A longer plan is proposed in pieces; each prefix of a plan is a state that the next step can go on from.
const CHANGES_MAX: usize = 10_000;
/// How long a request may wait for its answer: what Docker's own API gives a swarm call (`swarmRequestTimeout`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// A step is taken this often even when nothing asks for one, as a net under missed wake-ups.
const IDLE_STEP: Duration = Duration::from_secs(30);

/// Now, as the core counts time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A seed for identifiers that nobody can guess.
pub fn seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0_u8; 32];
    let mut filled = 0;
    while filled < seed.len() {
        filled += rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(seed)
}

struct Envelope {
    input: Input,
    answer: Option<oneshot::Sender<Result<Response, Error>>>,
}

/// A handle on this node's manager; cheap to clone.
#[derive(Clone)]
pub struct Manager {
    node: NodeId,
    store: Store,
    inputs: mpsc::Sender<Envelope>,
}

impl Manager {
    /// Starts the loop over an opened store; it ends when `stop` is cancelled.
    pub fn start(node: NodeId, store: Store, stop: CancellationToken) -> std::io::Result<Manager> {
        let (inputs, queue) = mpsc::channel(INPUTS_MAX);
        let leader = Leader { store: store.clone(), ids: IdSource::new(seed()?), queue };
        tokio::spawn(async move { stop.run_until_cancelled(leader.run()).await });
        Ok(Manager { node, store, inputs })
    }

    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// Why the cluster can be read but not changed, if that is so.
    pub fn stranded(&self) -> Option<Error> {
        self.store.stranded().map(|error| unusable(&chain(&error)))
    }

    /// Asks for a change of the cluster; answered once it is durable.
    pub async fn submit(&self, request: Request) -> Result<Response, Error> {
        if let Some(error) = self.stranded() {
            return Err(error);
        }
        let (answer, answered) = oneshot::channel();
        let input = Input::Request { ticket: 0, request: Box::new(request) };
        let ask = async {
            self.inputs.send(Envelope { input, answer: Some(answer) }).await.map_err(|_| stopping())?;
            answered.await.map_err(|_| stopping())?
        };
        tokio::time::timeout(REQUEST_TIMEOUT, ask).await.unwrap_or_else(|_| Err(no_leader()))
    }

    /// Tells the leader something that needs no answer; waits while its queue is full.
    pub async fn tell(&self, input: Input) {
        // The loop has ended: there is nobody left to tell, and the node is stopping.
        let _ = self.inputs.send(Envelope { input, answer: None }).await;
    }

    /// Hands on what an agent observed of its tasks.
    pub async fn report(&self, node: NodeId, statuses: Vec<(TaskId, TaskStatus)>) {
        self.tell(Input::Report { node, statuses }).await;
    }

    /// The state at a moment that is not before this call (linearizable).
    pub async fn read(&self) -> Result<Arc<State>, Error> {
        let read = tokio::time::timeout(REQUEST_TIMEOUT, self.store.read()).await;
        read.map_err(|_| no_leader())?.map_err(refuse)
    }

    /// The node that leads, as far as this manager knows.
    pub fn leader(&self) -> Option<NodeId> {
        let leader = match &*self.store.leadership().borrow() {
            Leadership::Leader { .. } => return Some(self.node),
            Leadership::Follower { leader, .. } => *leader,
            Leadership::NoLeader => return None,
        };
        let leads = |node: &&Arc<Node>| node.manager.as_ref().is_some_and(|manager| manager.raft_id == leader);
        self.store.state().nodes().find(leads).map(|node| node.id)
    }

    /// The newest state that this manager has applied.
    pub fn state(&self) -> Arc<State> {
        self.store.state()
    }

    /// Everything that is applied from now on, in order.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Applied>> {
        self.store.subscribe()
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

fn stopping() -> Error {
    Error::unavailable("this manager is stopping: try again, or ask another manager")
}

/// Docker's words for a swarm without a leader.
fn no_leader() -> Error {
    Error::unavailable(
        "rpc error: code = DeadlineExceeded desc = The swarm does not have a leader. It's possible that too few managers \
         are online. Make sure more than half of the managers are online.",
    )
}

fn refuse(error: StoreError) -> Error {
    if matches!(error, StoreError::NoLeader) {
        return no_leader();
    }
    tracing::error!(error = %chain(&error), "the store refused");
    unusable(&chain(&error))
}

/// The swarm's state is there, and of no use for now.
pub fn unusable(why: &str) -> Error {
    Error::unavailable(format!("the swarm's state could not be read or written: {why}"))
}

/// An error with its causes, outermost first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The loop itself.
struct Leader {
    store: Store,
    ids: IdSource,
    queue: mpsc::Receiver<Envelope>,
}

type Answers = Vec<oneshot::Sender<Result<Response, Error>>>;

impl Leader {
    async fn run(mut self) {
        let mut wake_at = Some(now());
        loop {
            let Some((inputs, answers)) = self.gather(wake_at).await else { return };
            let state = self.store.state();
            let ids = &mut self.ids;
            // A step over a large cluster computes for a while; other tasks of this thread go elsewhere meanwhile.
            let at = now();
            let outcome = tokio::task::block_in_place(|| step::step(&state, inputs, at, ids));
            wake_at = outcome.wake_at;
            if !self.settle(outcome, at, answers).await {
                // What was due still is, and would be at once.
                wake_at = None;
            }
        }
    }

    /// Waits for inputs or the time of the next step; `None` once nobody can send any more.
    async fn gather(&mut self, wake_at: Option<Timestamp>) -> Option<(Vec<Input>, Answers)> {
        let wait = wake_at.map_or(IDLE_STEP, |at| Duration::from_nanos(at.since(now()).max(0) as u64).min(IDLE_STEP));
        let mut batch = Vec::new();
        tokio::select! {
            received = self.queue.recv_many(&mut batch, BATCH_MAX) => if received == 0 { return None },
            () = tokio::time::sleep(wait) => {}
        }
        let mut answers = Vec::new();
        let inputs = batch.into_iter().filter_map(|envelope| number(envelope, &mut answers)).collect();
        Some((inputs, answers))
    }

    /// Proposes what was decided, then answers. If the proposal fails, so does every request of the batch: what of
    /// it may have been committed is told by a later read. Says whether it was proposed.
    async fn settle(&self, outcome: Outcome, at: Timestamp, answers: Answers) -> bool {
        let mut failure = None;
        let mut changes = outcome.changes.into_iter().peekable();
        while changes.peek().is_some() {
            let changes = changes.by_ref().take(CHANGES_MAX).collect();
            if let Err(error) = self.store.propose(Proposal { at, changes }).await {
                failure = Some(refuse(error));
                break;
            }
        }
        let mut answers: Vec<Option<_>> = answers.into_iter().map(Some).collect();
        for (ticket, reply) in outcome.replies {
            let Some(answer) = answers.get_mut(ticket as usize).and_then(Option::take) else { continue };
            let reply = match &failure {
                Some(error) if reply.is_ok() => Err(error.clone()),
                _ => reply,
            };
            // The caller may have given up; the change stands all the same.
            let _ = answer.send(reply);
        }
        failure.is_none()
    }
}

/// Numbers a request by its place among the answers; drops one whose caller has gone, for nobody asks for it.
fn number(envelope: Envelope, answers: &mut Answers) -> Option<Input> {
    match (envelope.input, envelope.answer) {
        (_, Some(answer)) if answer.is_closed() => None,
        (Input::Request { request, .. }, Some(answer)) => {
            answers.push(answer);
            Some(Input::Request { ticket: answers.len() as u64 - 1, request })
        }
        (input, _) => Some(input),
    }
}
