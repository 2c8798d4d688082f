//! The manager's loop. On the leader: gather a bounded batch of inputs, take one step, propose once, answer. On a follower:
//! send on what agents said, and let whoever asks for a change know that it must ask the leader.
//!
//! While a proposal is being made durable the next batch gathers, so that many callers share one write to the disk. A
//! leader that loses the lead in the middle leaves nothing half done: what was committed stands, and the next leader's
//! first step is like any other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gam_core::focus::Memory;
use gam_core::model::{IdSource, Node, NodeId, NodeState, NodeStatus, Timestamp};
use gam_core::state::{Proposal, State};
use gam_core::step::{self, Input, Outcome};
use gam_store::{Leadership, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::clock::Clock;
use super::liveness::{self, Heard, Liveness};
use super::relay::{Relay, heard_since};
use super::{Answer, BATCH_MAX, Envelope, Refusal, Shared, callers, members, refuse};
use crate::vital;

/// Changes in one log entry: a few MB at most, so that an entry can be sent to a slow follower in good time.
/// A longer plan is proposed in pieces; each prefix of a plan is a state that the next step can go on from.
const CHANGES_MAX: usize = 10_000;
/// A step is taken this often even when nothing asks for one, as a net under missed wake-ups.
const IDLE_STEP: Duration = Duration::from_secs(30);

/// How long the leader may take for what a follower tells it, in looks; then it is told again.
const TELL_LOOKS: u32 = 6;

/// swarmkit's word for a node that is not heard from (`manager/dispatcher`).
const SILENT: &str = "heartbeat failure";

type Answers = Vec<oneshot::Sender<Answer>>;

/// The loop itself.
pub(super) struct Loop {
    pub(super) shared: Arc<Shared>,
    pub(super) ids: IdSource,
    pub(super) queue: mpsc::Receiver<Envelope>,
    pub(super) leadership: watch::Receiver<Leadership>,
    /// What agents said while nobody led, or the leader did not take it.
    pub(super) waiting: Vec<Input>,
    /// What each node's balancers have applied, as far as this member was told while it led.
    pub(super) applied: BTreeMap<NodeId, u64>,
}

impl Loop {
    /// Runs until the manager stops; each part returns when the lead changes hands.
    pub(super) async fn run(mut self) {
        loop {
            let leadership = self.leadership.borrow_and_update().clone();
            self.shared.note_leader(&leadership);
            let goes_on = match leadership {
                Leadership::Leader { .. } => self.lead().await,
                Leadership::Follower { address, .. } => self.follow(&address).await,
                Leadership::NoLeader => self.wait().await,
            };
            if goes_on.is_none() {
                return;
            }
        }
    }

    /// Steps while this member leads; `None` once nobody can ask any more.
    async fn lead(&mut self) -> Option<()> {
        let at = Instant::now();
        let state = self.shared.store.state();
        let ready = state.nodes().filter(|node| node.status.state == NodeState::Ready).map(|node| node.id);
        self.shared.lock_liveness(|liveness| liveness.begin(ready, at));
        self.shared.lock_callers(|callers| callers.begin(at));
        let _looking = self.keep_looking();
        let mut clock = Clock::new(state.latest_time(), at);
        let (mut wake_at, mut calm_since) = (Some(clock.now()), None);
        let (mut members, mut memory) = (members::Keeper::default(), Memory::default());
        loop {
            members.keep(&self.shared).await;
            let wait = self.wait_until(wake_at, clock.now());
            let wait = if self.waiting.is_empty() { wait } else { Duration::ZERO };
            let (mut inputs, answers) = tokio::select! {
                gathered = gather(&mut self.queue, wait) => gathered?,
                changed = self.leadership.changed() => {
                    changed.ok()?;
                    if !matches!(*self.leadership.borrow(), Leadership::Leader { .. }) {
                        return Some(());
                    }
                    continue;
                }
            };
            inputs.splice(0..0, self.waiting.drain(..));
            let state = self.shared.store.state();
            let is_told = self.note_applied(&mut inputs, &state);
            let own = self.shared.node;
            let acknowledged = self.shared.store.acknowledged();
            let mut inputs = self.shared.lock_liveness(|liveness| {
                hear_of_managers(&state, &acknowledged, liveness);
                with_verdicts(inputs, &state, own, liveness)
            });
            if inputs.is_empty() && !is_told && !is_due(wake_at, clock.now(), calm_since, Instant::now()) {
                continue;
            }
            inputs.extend(self.applied.iter().map(|(node, index)| Input::Applied { node: *node, index: *index }));
            let ids = &mut self.ids;
            // A step over a large cluster computes for a while; other tasks of this thread go elsewhere meanwhile.
            let at = clock.now();
            let outcome = tokio::task::block_in_place(|| step::step(&state, inputs, at, ids, &mut memory));
            (wake_at, calm_since) = (outcome.wake_at, outcome.changes.is_empty().then(Instant::now));
            if !self.settle(outcome, at, answers).await {
                // What was due still is, and would be at once.
                wake_at = None;
                memory = Memory::default();
            }
        }
    }

    /// Takes what nodes have applied out of the inputs and keeps it. Says whether somebody waits for it.
    fn note_applied(&mut self, inputs: &mut Vec<Input>, state: &State) -> bool {
        let before = inputs.len();
        inputs.retain(|input| {
            let Input::Applied { node, index } = input else { return true };
            let known = self.applied.entry(*node).or_default();
            *known = (*known).max(*index);
            false
        });
        self.applied.retain(|node, _| state.is_member(*node));
        inputs.len() < before && state.held().next().is_some()
    }

    /// Has somebody look who never waits for the disk, until the guard is dropped: this loop's own turns can be far apart, and
    /// agents are heard meanwhile. And somebody else, whether the followers can call.
    fn keep_looking(&self) -> DropGuard {
        let (stop, shared) = (CancellationToken::new(), self.shared.clone());
        let looking = async move { liveness::keep_looking(&shared.liveness).await };
        vital::spawn("the watch over the leader's own pauses", stop.clone().run_until_cancelled_owned(looking));
        let looking = callers::keep_looking(self.shared.clone());
        vital::spawn("the watch over the calls of followers", stop.clone().run_until_cancelled_owned(looking));
        stop.drop_guard()
    }

    /// How long the next step may be waited for.
    fn wait_until(&self, wake_at: Option<Timestamp>, now: Timestamp) -> Duration {
        let planned = wake_at.map_or(IDLE_STEP, |at| Duration::from_nanos(at.since(now).max(0) as u64));
        // Alone there is nobody whose silence could be noticed.
        let look = if self.shared.store.state().nodes().count() > 1 { self.shared.look_interval() } else { IDLE_STEP };
        planned.min(look).min(IDLE_STEP)
    }

    /// Proposes what was decided, then answers. If the proposal fails, so does every request of the batch: what of
    /// it may have been committed is told by a later read. Says whether it was proposed.
    async fn settle(&self, outcome: Outcome, at: Timestamp, answers: Answers) -> bool {
        let (mut failure, mut is_begun) = (None, false);
        let mut changes = outcome.changes.into_iter().peekable();
        while changes.peek().is_some() {
            let changes = changes.by_ref().take(CHANGES_MAX).collect();
            if let Err(error) = self.shared.store.propose(Proposal { at, changes }).await {
                failure = Some(match error {
                    // The store took nothing of this piece; but of the earlier ones.
                    StoreError::NotLeader { .. } | StoreError::NoLeader if is_begun => Refusal::Unanswered,
                    error => refuse(error),
                });
                break;
            }
            is_begun = true;
        }
        let mut answers: Vec<Option<_>> = answers.into_iter().map(Some).collect();
        for (ticket, reply) in outcome.replies {
            let Some(answer) = answers.get_mut(ticket as usize).and_then(Option::take) else { continue };
            let reply = match &failure {
                Some(refusal) if reply.is_ok() => Err(refusal.clone()),
                _ => reply.map_err(Refusal::Error),
            };
            // The caller may have given up; the change stands all the same.
            let _ = answer.send(reply);
        }
        failure.is_none()
    }

    /// Sends on to the leader what agents said, and who was heard, until the lead changes hands.
    async fn follow(&mut self, leader: &str) -> Option<()> {
        let mut told = Instant::now();
        // The leader, if it is new to this member, hears at once who is there.
        let mut wait = Duration::ZERO;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                received = self.queue.recv_many(&mut batch, BATCH_MAX), if self.waiting.len() < BATCH_MAX => {
                    if received == 0 { return None }
                }
                () = tokio::time::sleep(wait) => {}
                changed = self.leadership.changed() => return changed.ok(),
            }
            wait = self.shared.look_interval();
            self.waiting.extend(batch.into_iter().filter_map(turn_away));
            let at = Instant::now();
            let state = self.shared.store.state();
            let heard = self.shared.lock_liveness(|liveness| {
                liveness.follow(&state);
                // The agent beside this manager is as alive as it is itself.
                liveness.hear(self.shared.node, Heard { at, addr: self.shared.addr.clone() });
                heard_since(liveness, told, at)
            });
            let relay = Relay::new(&self.waiting, heard);
            let sent = tokio::select! {
                sent = self.shared.tell(leader, &relay, wait * TELL_LOOKS) => sent,
                changed = self.leadership.changed() => return changed.ok(),
            };
            match sent {
                Ok(()) => {
                    self.waiting.clear();
                    told = at;
                }
                Err(error) => {
                    tracing::debug!(%error, leader, "the leader did not take what agents said; it is told again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Nobody leads: requests learn so at once and try again when somebody does. What agents said is kept for then, the
    /// newest of it: what is lost they say again.
    async fn wait(&mut self) -> Option<()> {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                received = self.queue.recv_many(&mut batch, BATCH_MAX) => {
                    if received == 0 { return None }
                    self.waiting.extend(batch.into_iter().filter_map(turn_away));
                    let excess = self.waiting.len().saturating_sub(BATCH_MAX);
                    self.waiting.drain(..excess);
                }
                changed = self.leadership.changed() => return changed.ok(),
            }
        }
    }
}

/// Whether a step is to be taken though nobody said anything. After one that changed nothing, at `calm_since`, another one would
/// change nothing either before the time that it asked for.
fn is_due(wake_at: Option<Timestamp>, now: Timestamp, calm_since: Option<Instant>, at: Instant) -> bool {
    wake_at.is_some_and(|wake_at| now >= wake_at)
        || calm_since.is_none_or(|since| at.saturating_duration_since(since) >= IDLE_STEP)
}

/// Waits for inputs or the time of the next step; `None` once nobody can send any more.
async fn gather(queue: &mut mpsc::Receiver<Envelope>, wait: Duration) -> Option<(Vec<Input>, Answers)> {
    let mut batch = Vec::new();
    tokio::select! {
        received = queue.recv_many(&mut batch, BATCH_MAX) => if received == 0 { return None },
        () = tokio::time::sleep(wait) => {}
    }
    let mut answers = Vec::new();
    let inputs = batch.into_iter().filter_map(|envelope| number(envelope, &mut answers)).collect();
    Some((inputs, answers))
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

/// A request is for the leader; anything else is kept to be sent on.
fn turn_away(envelope: Envelope) -> Option<Input> {
    match envelope.answer {
        Some(answer) => {
            // The caller may have given up.
            let _ = answer.send(Err(Refusal::NotLeading));
            None
        }
        None => Some(envelope.input),
    }
}

/// The agent beside a manager is as alive as the manager, and that one acknowledges the leader's every heartbeat: no need to
/// wait until it has found the leader again by itself.
fn hear_of_managers(state: &State, acknowledged: &BTreeMap<u64, Instant>, liveness: &mut Liveness) {
    for node in state.nodes() {
        let at = node.manager.as_ref().and_then(|manager| acknowledged.get(&manager.raft_id));
        if let Some(at) = at {
            liveness.hear_of(node.id, *at);
        }
    }
}

/// The inputs, and before them a verdict on every other node whose state does not say what was heard of it.
fn with_verdicts(inputs: Vec<Input>, state: &State, own: NodeId, liveness: &mut Liveness) -> Vec<Input> {
    let at = Instant::now();
    liveness.follow(state);
    // What this node hears of itself is no news.
    liveness.retain(|node| node != own && state.node(node).is_some());
    liveness.look(at);
    let others = state.nodes().filter(|node| node.id != own);
    let mut verdicts: Vec<Input> = others.filter_map(|node| verdict(node, liveness, at)).collect();
    verdicts.extend(inputs);
    verdicts
}

/// What to say of a node; `None` if its state is what was heard.
fn verdict(node: &Node, liveness: &Liveness, at: Instant) -> Option<Input> {
    let addr = liveness.addr(node.id);
    let status = match (node.status.state, liveness.is_alive(node.id, at)) {
        (NodeState::Ready, false) => {
            NodeStatus { state: NodeState::Down, message: SILENT.into(), addr: node.status.addr.clone() }
        }
        // Only expected so far, or as it was.
        (_, true) if addr.is_empty() || (node.status.state == NodeState::Ready && addr == node.status.addr) => {
            return None;
        }
        // A node that never said what it is cannot be given work yet.
        (_, true) if !node.description.hostname.is_empty() => {
            NodeStatus { state: NodeState::Ready, message: String::new(), addr: addr.to_owned() }
        }
        _ => return None,
    };
    Some(Input::Session { node: node.id, status, description: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_due_when_it_was_asked_for_or_after_a_change_or_after_long() {
        let (calm, now) = (Instant::now(), Timestamp(1_000));
        let soon = calm + Duration::from_secs(1);
        assert!(!is_due(None, now, Some(calm), soon));
        assert!(!is_due(Some(Timestamp(1_001)), now, Some(calm), soon));
        assert!(is_due(Some(now), now, Some(calm), soon));
        assert!(is_due(None, now, None, soon), "the last one changed something");
        assert!(is_due(None, now, Some(calm), calm + IDLE_STEP));
    }
}
