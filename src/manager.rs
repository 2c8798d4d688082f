//! The manager of a node: where requests go in and states come out, whichever manager leads.
//!
//! Whatever changes the cluster goes through one loop ([`leader`]) on the leader; a follower hands requests on to it and
//! waits with its own reads until it has applied what the leader has. To the API all managers are alike. Requests wait in a
//! bounded queue; a caller that gives up costs nothing.

mod callers;
pub(crate) mod clock;
mod doubt;
mod errands;
mod leader;
mod liveness;
mod members;
mod relay;
mod standing;
mod together;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gam_core::control::{Request, Response};
use gam_core::error::{Code, Error, Kind};
use gam_core::model::{IdSource, ManagerStatus, Node, NodeId, TaskId, TaskStatus, Timestamp};
use gam_core::state::State;
use gam_core::step::Input;
use gam_core::wire;
use gam_rpc::{Clients, ReadIndex, RpcError};
use gam_store::{Applied, Leadership, Store, StoreError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use callers::Callers;
use doubt::{Doubt, unanswered};
use errands::Errands;
use leader::Loop;
use liveness::{Heard, Liveness};
pub use relay::Relay;
use standing::Standing;
pub use standing::WORKER;
use together::Together;

use crate::vital;

/// Inputs that may wait for the leader. Enough for every agent of a large cluster to report at once; beyond it,
/// whoever has one more waits.
const INPUTS_MAX: usize = 4096;
/// Inputs taken in one step, so that a step's duration stays bounded under load.
const BATCH_MAX: usize = 1024;
/// How long a request may wait for its answer: what Docker's own API gives a swarm call (`swarmRequestTimeout`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a swarm may be without a leader until requests are refused at once: several elections. Docker refuses at the
/// first moment; but a leader that has gone is replaced within a second, and nobody need notice.
const LEADERLESS: Duration = Duration::from_secs(3);
/// How long a follower waits for one answer of the leader before it looks whether there is another one.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a manager that has just been added may take until it votes.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a new manager may take to answer when it is called back.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to reach a leader that does not answer.
const FORWARD_RETRY: Duration = Duration::from_millis(50);

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

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Refusal {
    /// This manager does not lead: ask the one that does.
    NotLeading,
    /// It may lead or have led, and was lost before it answered: the request may have been carried out, or may be yet.
    Unanswered,
    /// For the user to read.
    Error(Error),
}

/// What a request is answered.
pub type Answer = Result<Response, Refusal>;

/// What only the leader can answer.
enum Question {
    /// A change of the cluster, and the same on the wire.
    Submit { request: Request, bytes: Bytes },
    /// How far a reader must wait.
    ReadIndex,
}

/// What it answers.
enum Told {
    Response(Response),
    Index(ReadIndex),
}

struct Envelope {
    input: Input,
    answer: Option<oneshot::Sender<Answer>>,
}

/// What the manager's handles and its loop share.
struct Shared {
    node: NodeId,
    /// The address, without port, at which this node's own agent is.
    addr: String,
    raft_id: u64,
    store: Store,
    clients: Clients,
    inputs: mpsc::Sender<Envelope>,
    liveness: Mutex<Liveness>,
    callers: Mutex<Callers>,
    /// Since when nobody leads, as far as this manager knows; `None` while somebody does.
    leaderless: Mutex<Option<Instant>>,
    errands: Mutex<Errands>,
    reads: Together<Result<(), Error>>,
}

/// A handle on this node's manager; cheap to clone.
#[derive(Clone)]
pub struct Manager(Arc<Shared>);

/// A state, and what the leader knows beside it.
#[derive(Clone)]
pub struct View {
    /// The state.
    pub state: Arc<State>,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// Managers that the leader does not reach, by their number in the consensus.
    pub unreachable: Vec<u64>,
}

impl Shared {
    fn lock_liveness<T>(&self, with: impl FnOnce(&mut Liveness) -> T) -> T {
        with(&mut self.liveness.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_callers<T>(&self, with: impl FnOnce(&mut Callers) -> T) -> T {
        with(&mut self.callers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look_interval(&self) -> Duration {
        self.lock_liveness(|liveness| liveness.look_interval())
    }

    fn note_leader(&self, leadership: &Leadership) {
        let mut since = self.leaderless.lock().unwrap_or_else(PoisonError::into_inner);
        *since = (*leadership == Leadership::NoLeader).then(|| since.unwrap_or_else(Instant::now));
    }

    /// How much longer a request should wait for a leader while there is none.
    fn patience(&self) -> Duration {
        let since = *self.leaderless.lock().unwrap_or_else(PoisonError::into_inner);
        LEADERLESS.saturating_sub(since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// Whether this manager, and no other one, answers at an address.
    async fn dial(&self, node: NodeId, address: &str) -> Result<(), Error> {
        let peer = self.clients.to(address).within(DIAL_TIMEOUT).peer().await;
        let found = peer.map_err(|error| Error::unavailable(chain(&error)))?.node;
        if found == node {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, format!("node {found} answers at {address}, and not node {node}")))
    }

    /// Sends the leader what agents said.
    async fn tell(&self, leader: &str, relay: &Relay, limit: Duration) -> Result<(), Error> {
        let bytes = serde_json::to_vec(relay).map_err(Error::internal)?;
        self.clients.to(leader).within(limit).tell(bytes.into()).await.map_err(failed)
    }
}

impl Manager {
    /// Starts the loop over an opened store; it ends when `stop` is cancelled.
    pub fn start(
        node: NodeId,
        addr: String,
        raft_id: u64,
        store: Store,
        clients: Clients,
        stop: CancellationToken,
    ) -> std::io::Result<Manager> {
        let (inputs, queue) = mpsc::channel(INPUTS_MAX);
        let mut liveness = Liveness::new();
        liveness.follow(&store.state());
        let leadership = store.leadership();
        let shared = Arc::new(Shared {
            node,
            addr,
            raft_id,
            store,
            clients,
            inputs,
            liveness: Mutex::new(liveness),
            callers: Mutex::new(Callers::new(Instant::now())),
            leaderless: Mutex::default(),
            errands: Mutex::default(),
            reads: Together::default(),
        });
        let ids = IdSource::new(seed()?);
        let leader =
            Loop { shared: shared.clone(), ids, queue, leadership, waiting: Vec::new(), applied: Default::default() };
        vital::spawn("the manager's loop", async move { stop.run_until_cancelled(leader.run()).await });
        Ok(Manager(shared))
    }

    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.0.node
    }

    /// Why the cluster can be read but not changed, if that is so.
    pub fn stranded(&self) -> Option<Error> {
        self.0.store.stranded().map(|error| unusable(&chain(&error)))
    }

    /// Asks for a change of the cluster, wherever the leader is; answered once it is durable.
    ///
    /// If the lead changes hands meanwhile the new leader is asked again. That is safe: the old one can commit nothing any
    /// more, and what it had committed makes the second try fail (names are unique, versions are checked). Such a failure is
    /// not passed on as it is, or somebody would believe that nothing had changed: see [`Doubt`].
    pub async fn submit(&self, request: Request) -> Result<Response, Error> {
        if let Some(error) = self.stranded() {
            return Err(error);
        }
        let question = Question::Submit { bytes: Bytes::from(wire::encode_request(&request)), request };
        let mut doubt = Doubt::of_change();
        let asked = tokio::time::timeout(REQUEST_TIMEOUT, self.ask_leader(&question, &mut doubt)).await;
        match asked.unwrap_or_else(|_| Err(self.out_of_time(&doubt)))? {
            Told::Response(response) => Ok(response),
            Told::Index(_) => Err(Error::internal("a request was answered with an index")),
        }
    }

    /// Asks this manager's own loop, which refuses unless it leads. One that ends with the request in its hands may have proposed
    /// it already.
    pub async fn submit_here(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        let input = Input::Request { ticket: 0, request: Box::new(request) };
        let envelope = Envelope { input, answer: Some(answer) };
        self.0.inputs.send(envelope).await.map_err(|_| Refusal::NotLeading)?;
        answered.await.map_err(|_| Refusal::Unanswered)?
    }

    /// Asks the leader, this node or another one, until one takes the question; an outer time-out bounds it.
    async fn ask_leader(&self, question: &Question, doubt: &mut Doubt) -> Result<Told, Error> {
        let mut leadership = self.0.store.leadership();
        loop {
            // This member cannot take part any more, so nobody will tell it who leads.
            if let Some(why) = &*self.0.store.failed().borrow() {
                return Err(doubt.give_up(unusable(why)));
            }
            let known = leadership.borrow_and_update().clone();
            self.0.note_leader(&known);
            if !matches!(known, Leadership::Leader { .. }) && self.standing() == Standing::Demoted {
                return Err(doubt.give_up(self.excuse(no_leader())));
            }
            doubt.begin();
            let answer = match &known {
                Leadership::Leader { .. } => self.ask_here(question).await,
                Leadership::Follower { address, .. } => tokio::select! {
                    answer = self.ask_there(address, question) => answer,
                    _ = leadership.changed() => Err(Refusal::Unanswered),
                },
                Leadership::NoLeader => Err(Refusal::NotLeading),
            };
            if let Some(answer) = doubt.weigh(answer) {
                return answer;
            }
            if *leadership.borrow() != known {
                continue;
            }
            tokio::select! {
                changed = leadership.changed() => changed.map_err(|_| doubt.give_up(self.excuse(stopping())))?,
                () = tokio::time::sleep(FORWARD_RETRY), if known != Leadership::NoLeader => {}
                () = tokio::time::sleep(self.0.patience()), if known == Leadership::NoLeader => {
                    return Err(doubt.give_up(self.excuse(no_leader())));
                }
            }
        }
    }

    /// Whether this manager is none of those who decide yet.
    pub fn is_candidate(&self) -> bool {
        self.standing() == Standing::Candidate
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.state(), &self.0.store.members(), self.0.raft_id)
    }

    fn out_of_time(&self, doubt: &Doubt) -> Error {
        let error = doubt.out_of_time();
        if error == no_leader() { self.excuse(error) } else { error }
    }

    /// What a user is told instead of `error`, if this manager cannot be asked yet, or any more.
    fn excuse(&self, error: Error) -> Error {
        self.standing().excuse().unwrap_or(error)
    }

    async fn ask_here(&self, question: &Question) -> Result<Told, Refusal> {
        match question {
            Question::Submit { request, .. } => self.submit_here(request.clone()).await.map(Told::Response),
            Question::ReadIndex => self.read_index_here().await.map(Told::Index),
        }
    }

    async fn ask_there(&self, leader: &str, question: &Question) -> Result<Told, Refusal> {
        let client = self.0.clients.to(leader).within(FORWARD_TIMEOUT);
        let told = match question {
            Question::Submit { bytes, .. } => client.submit(bytes.clone()).await,
            Question::ReadIndex => {
                return client
                    .read_index()
                    .await
                    .map(Told::Index)
                    .map_err(|error| unanswered(self.0.node, leader, &error));
            }
        };
        let bytes = told.map_err(|error| unanswered(self.0.node, leader, &error))?;
        let answer =
            serde_json::from_slice::<Answer>(&bytes).map_err(|error| Refusal::Error(Error::internal(error)))?;
        answer.map(Told::Response)
    }

    /// Tells the leader something that needs no answer; waits while the queue is full.
    pub async fn tell(&self, input: Input) {
        // The loop has ended: there is nobody left to tell, and the node is stopping.
        let _ = self.0.inputs.send(Envelope { input, answer: None }).await;
    }

    /// Hands on what an agent observed of its tasks.
    pub async fn report(&self, node: NodeId, statuses: Vec<(TaskId, TaskStatus)>) {
        self.tell(Input::Report { node, statuses }).await;
    }

    /// An agent whose session is here was heard at an address.
    pub fn hear(&self, node: NodeId, addr: &str) {
        let heard = Heard { at: Instant::now(), addr: addr.to_owned() };
        self.0.lock_liveness(|liveness| liveness.hear(node, heard));
    }

    /// Another manager could call this one, whatever it said and whatever it is answered.
    pub fn note_call(&self, node: NodeId) {
        self.0.lock_callers(|callers| callers.call(node, Instant::now()));
    }

    /// How often an agent should be heard.
    pub fn beat(&self) -> Duration {
        self.0.lock_liveness(|liveness| liveness.beat())
    }

    /// Takes what a follower sends on; refuses unless this node leads, so that nothing of it is lost.
    pub async fn take_relay(&self, relay: Relay) -> Result<(), Error> {
        if !matches!(*self.0.store.leadership().borrow(), Leadership::Leader { .. }) {
            return Err(Error::unavailable("this manager does not lead"));
        }
        let now = Instant::now();
        self.0.lock_liveness(|liveness| relay.heard.into_iter().for_each(|heard| heard.note(liveness, now)));
        // Requests have a way of their own, with an answer; and who is a manager, nobody says for another.
        let is_for_relay = |input: &Input| !matches!(input, Input::Request { .. } | Input::Manager { .. });
        let applied = relay.applied.into_iter().map(|(node, index)| Input::Applied { node, index });
        for input in relay.inputs.into_iter().filter(is_for_relay).chain(applied) {
            self.tell(input).await;
        }
        Ok(())
    }

    /// Leader only: a node that is to be a manager has opened its store. Makes it a member, and waits until it votes. A member that the
    /// others cannot reach would be none, so it is called first.
    pub async fn admit(&self, node: NodeId, status: ManagerStatus) -> Result<(), Error> {
        if node != self.0.node {
            self.0.dial(node, &status.addr).await?;
        }
        let mut applied = self.subscribe();
        self.tell(Input::Manager { node, manager: Some(status) }).await;
        let admitted = async {
            loop {
                let members = self.0.store.members();
                if self.state().node(node).is_some_and(|node| members::is_voter(node, &members)) {
                    return;
                }
                let look = tokio::time::timeout(FORWARD_RETRY, applied.recv()).await;
                if matches!(look, Ok(Err(broadcast::error::RecvError::Closed))) {
                    return;
                }
            }
        };
        let late = |_| Error::unavailable("the node did not become a member of the raft cluster in time");
        tokio::time::timeout(JOIN_TIMEOUT, admitted).await.map_err(late)
    }

    /// Before the leader leaves: waits, for `limit` at most, for a promotion that nobody could finish without it.
    pub async fn finish_promotions(&self, limit: Duration) {
        let mut applied = self.subscribe();
        let finished = async {
            while matches!(*self.0.store.leadership().borrow(), Leadership::Leader { .. })
                && members::is_promoting_alone(&self.state(), &self.0.store.members(), self.0.raft_id)
            {
                let look = tokio::time::timeout(FORWARD_RETRY, applied.recv()).await;
                if matches!(look, Ok(Err(broadcast::error::RecvError::Closed))) {
                    return;
                }
            }
        };
        if tokio::time::timeout(limit, finished).await.is_err() {
            tracing::warn!("a promotion did not come to an end before this manager left");
        }
    }

    /// The state at a moment that is not before this call (linearizable), on any manager.
    pub async fn read(&self) -> Result<Arc<State>, Error> {
        self.view().await.map(|view| view.state)
    }

    /// The same, with what the leader knows of the managers. A member that is alone can be read even if it can no longer
    /// be written.
    pub async fn view(&self) -> Result<View, Error> {
        let mut doubt = Doubt::of_read();
        match tokio::time::timeout(REQUEST_TIMEOUT, self.ask_view(&mut doubt)).await {
            Ok(Ok(view)) => Ok(view),
            _ if self.stranded().is_some() => Ok(View { state: self.state(), leader: None, unreachable: Vec::new() }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.out_of_time(&doubt)),
        }
    }

    /// [`Manager::read`] for questions that strangers can cause, and for those of all sessions: however many come at a time, the
    /// leader is asked once.
    pub async fn read_together(&self) -> Result<Arc<State>, Error> {
        self.0.reads.ask(async { self.read().await.map(drop) }).await?;
        Ok(self.state())
    }

    async fn ask_view(&self, doubt: &mut Doubt) -> Result<View, Error> {
        let ReadIndex { index, leader, unreachable } = match self.ask_leader(&Question::ReadIndex, doubt).await? {
            Told::Index(read) => read,
            Told::Response(_) => return Err(Error::internal("a read was answered with a response")),
        };
        let applied = self.0.store.applied(index);
        let applied = match self.standing().excuse() {
            // The others may have much to send it.
            Some(excuse) => tokio::time::timeout(LEADERLESS, applied).await.map_err(|_| excuse)?,
            None => applied.await,
        };
        let state = applied.map_err(|error| match refuse(error) {
            Refusal::Error(error) => error,
            Refusal::NotLeading | Refusal::Unanswered => self.excuse(no_leader()),
        })?;
        let leads = |node: &&Arc<Node>| node.manager.as_ref().is_some_and(|manager| manager.raft_id == leader);
        let leader = state.nodes().find(leads).map(|node| node.id);
        Ok(View { state, leader, unreachable })
    }

    /// An index that holds everything acknowledged so far, this member's number, and whom it does not reach; refused
    /// unless this node leads.
    pub async fn read_index_here(&self) -> Result<ReadIndex, Refusal> {
        let index = self.0.store.read_index().await.map_err(refuse)?;
        Ok(ReadIndex { index, leader: self.0.raft_id, unreachable: self.unreachable() })
    }

    /// On whom the consensus cannot count: members that are silent, and managers that have no vote (yet).
    fn unreachable(&self) -> Vec<u64> {
        let members = self.0.store.members();
        let has_vote = |id: &u64| members.iter().any(|member| member.id == *id && member.voter);
        let state = self.state();
        let managers = state.nodes().filter_map(|node| Some(node.manager.as_ref()?.raft_id));
        let mut unreachable = self.0.store.unreachable();
        unreachable.extend(managers.filter(|id| !has_vote(id)));
        unreachable
    }

    /// The newest state that this manager has applied.
    pub fn state(&self) -> Arc<State> {
        self.0.store.state()
    }

    /// Everything that is applied from now on, in order.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Applied>> {
        self.0.store.subscribe()
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.0.store
    }
}

fn failed(error: RpcError) -> Error {
    match error {
        RpcError::Refused(error) => error,
        error => Error::unavailable(chain(&error)),
    }
}

fn stopping() -> Error {
    Error::unavailable("this manager is stopping: try again, or ask another manager")
}

/// Docker's words for what was begun and not answered in time; whether it was done, nobody knows. Its status for them is 500.
fn out_of_time() -> Error {
    Error::rpc(Code::DeadlineExceeded, "context deadline exceeded")
}

/// Docker's words for a swarm without a leader, and its status for them, 500.
fn no_leader() -> Error {
    Error::rpc(
        Code::Unknown,
        "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of \
         the managers are online.",
    )
}

fn refuse(error: StoreError) -> Refusal {
    match error {
        StoreError::NoLeader => Refusal::Error(no_leader()),
        StoreError::NotLeader { .. } => Refusal::NotLeading,
        // It was handed in, and may yet be committed by this very leader: asked again it could be done twice.
        StoreError::Unknown => Refusal::Error(out_of_time()),
        // Closed perhaps with the change in its hands, as when this manager is demoted.
        StoreError::Stopped => Refusal::Unanswered,
        error => {
            tracing::error!(error = %chain(&error), "the store refused");
            Refusal::Error(unusable(&chain(&error)))
        }
    }
}

/// The swarm's state is there, and of no use for now.
pub fn unusable(why: &str) -> Error {
    Error::unavailable(format!("the swarm's state cannot be used: {why}"))
}

/// An error with its causes, outermost first. Errors of libraries often say themselves what their cause says: once is enough.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_causes_says_each_thing_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open it: {0}")]
        struct Repeating(#[source] std::io::Error);
        let error = Repeating(std::io::Error::other("the disk is full"));
        assert_eq!(chain(&error), "cannot open it: the disk is full");
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open it")]
        struct Terse(#[source] std::io::Error);
        let error = Terse(std::io::Error::other("the disk is full"));
        assert_eq!(chain(&error), "cannot open it: the disk is full");
    }
}
