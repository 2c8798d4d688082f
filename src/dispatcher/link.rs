//! The agent's end of its session with a manager on another host: the same channels as beside a manager, over the wire.
//!
//! Any manager will do. When one falls silent, is gone, or says that it cannot help, the next is tried; what was last
//! assigned stays in force meanwhile, and nothing that runs is touched.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gam_core::assignment::Assignments;
use gam_core::error::Error;
use gam_core::model::{NodeDescription, NodeId, TaskId, TaskStatus};
use gam_core::wire;
use gam_rpc::{AgentMessage, Clients, Errand, ManagerMessage, PROTOCOL, RpcError, SealKey};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::{Directive, Session};
use crate::manager::chain;
use crate::seal::Key;
use crate::vital;

/// Batches of reports that may wait to be sent; the agent merges what comes meanwhile.
const REPORTS_MAX: usize = 4;
/// Errands that may wait for the node; what is beyond is dropped, for whoever waits for it learns so.
const ERRANDS_MAX: usize = 64;
/// How long one manager may take to welcome the agent.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(2);
/// A manager that says nothing for so many of its beats is taken for gone; it answers every third one.
const SILENT_BEATS: u32 = 7;
/// The least from one try to the next, so that a cluster that is down costs little; short, because the node counts as gone a
/// few seconds after its session broke, and for as long as it takes: a node that is back is to know soon what has become of the
/// others.
const PAUSE: Duration = Duration::from_millis(100);

/// What is known of the session, for `docker info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// The manager that holds the session.
    pub manager: Option<String>,
    /// Why there is none, once one was tried.
    pub error: String,
    /// The swarm has removed this node, and says so. It never takes it back.
    pub is_removed: bool,
}

struct Link {
    node: NodeId,
    clients: Clients,
    assign: watch::Sender<Arc<Assignments>>,
    direct: watch::Sender<Directive>,
    state: watch::Sender<LinkState>,
    errands: mpsc::Sender<Errand>,
    reported: mpsc::Receiver<Vec<(TaskId, TaskStatus)>>,
    described: mpsc::Receiver<Box<NodeDescription>>,
    description: Option<Box<NodeDescription>>,
    applied: watch::Receiver<u64>,
    key: Key,
}

/// Keeps the session of `node` with one of `managers` (`host:port`), and later with one of those that they name, until `stop`.
pub fn connect(
    node: NodeId,
    clients: Clients,
    managers: Vec<String>,
    stop: CancellationToken,
) -> Result<(Session, watch::Receiver<LinkState>), Error> {
    let key = Key::fresh().map_err(|error| Error::internal(format!("cannot make a key: {error}")))?;
    let (assign, assignments) = watch::channel(Arc::new(Assignments::default()));
    let (direct, directives) = watch::channel(Directive::default());
    let (state, states) = watch::channel(LinkState::default());
    let (reports, reported) = mpsc::channel(REPORTS_MAX);
    let (descriptions, described) = mpsc::channel(1);
    let (errands, given) = mpsc::channel(ERRANDS_MAX);
    let (applied, applying) = watch::channel(0);
    let link = Link {
        node,
        clients,
        assign,
        direct,
        state,
        errands,
        reported,
        described,
        description: None,
        applied: applying,
        key: key.clone(),
    };
    vital::spawn("the session with a manager", stop.run_until_cancelled_owned(link.run(managers)));
    Ok((Session { assignments, directives, reports, descriptions, errands: given, key: Some(key), applied }, states))
}

impl Link {
    async fn run(mut self, known: Vec<String>) {
        // The host must be described before it can be given work.
        self.description = self.described.recv().await;
        let mut tried = String::new();
        loop {
            let candidates = self.candidates(&known, &tried);
            if candidates.is_empty() {
                // Nobody can name one but a manager itself; this node waits to be stopped, or made a manager again.
                tokio::time::sleep(PAUSE).await;
            }
            for address in candidates {
                let began = Instant::now();
                let Err(error) = self.hold(&address).await else { return };
                let had_session = self.note(&address, &error);
                tokio::time::sleep(PAUSE.saturating_sub(began.elapsed())).await;
                tried = address;
                if had_session {
                    // It may have named others than those who were known before it.
                    break;
                }
            }
        }
    }

    /// There is no session, or no more; whether there was one.
    fn note(&self, address: &str, error: &Error) -> bool {
        let was_removed = self.state.borrow().is_removed;
        let removed = gam_rpc::removed(self.node);
        let is_removed = was_removed || *error == removed;
        // What else is wrong later makes no difference.
        let error = if is_removed { &removed } else { error };
        let now = LinkState { manager: None, error: error.message.clone(), is_removed };
        let before = self.state.send_replace(now);
        let had_session = before.manager.is_some();
        if !is_removed && before.error == error.message {
            tracing::debug!(manager = address, %error, "still no session with a manager");
        } else if !is_removed {
            tracing::info!(manager = address, %error, "no session with this manager; the next one is tried");
        } else if !was_removed {
            tracing::error!(
                manager = address,
                "this node was removed from the swarm, and stops its tasks: run 'docker swarm leave --force', then join again"
            );
            self.assign.send_modify(|held| *held = Arc::new(nothing_after(held)));
        }
        had_session
    }

    /// Whom to ask. With whom it begins is left to chance, so that agents spread over the managers. The one that was tried last
    /// comes last.
    fn candidates(&self, known: &[String], tried: &str) -> Vec<String> {
        let addresses = managers(&self.direct.borrow(), known);
        turned(addresses, time_of_day().subsec_nanos() as usize, tried)
    }

    /// One session, until it breaks; `Ok` when the agent itself is gone.
    async fn hold(&mut self, address: &str) -> Result<(), Error> {
        // A refusal comes from a manager whose certificate this swarm's authority has signed; TLS has seen to that.
        let failed = |error: RpcError| match error {
            RpcError::Refused(refusal) => refusal,
            error => Error::unavailable(chain(&error)),
        };
        let gam_rpc::Session { outbound, mut inbound, .. } =
            self.clients.to(address).within(WELCOME_TIMEOUT).session().await.map_err(failed)?;
        let description = self.description.as_deref().map(wire::encode_description).unwrap_or_default().into();
        let index = self.assign.borrow().index;
        let seal_key = SealKey(Bytes::copy_from_slice(self.key.bytes()));
        let hello = AgentMessage::Hello { protocol: PROTOCOL, description, index, seal_key };
        outbound.send(hello).await.map_err(|_| broken())?;
        let welcome = timeout(WELCOME_TIMEOUT, inbound.recv()).await.map_err(|_| silent())?;
        let Some(ManagerMessage::Welcome { heartbeat_ms, history, .. }) = welcome.map_err(failed)? else {
            return Err(Error::unavailable("the manager did not say welcome"));
        };
        // From here on whoever was left behind by this manager is not gone back to.
        self.direct.send_modify(|directive| directive.history = history.or(directive.history));
        let beat = Duration::from_millis(u64::from(heartbeat_ms).max(1));
        self.state.send_replace(LinkState { manager: Some(address.to_owned()), ..LinkState::default() });
        let mut beats = tokio::time::interval_at(Instant::now() + until_beat(time_of_day(), beat), beat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut heard = Instant::now();
        // Another manager may not have passed on what was said to it.
        if *self.applied.borrow() > 0 {
            self.applied.mark_changed();
        }
        loop {
            let message = tokio::select! {
                message = inbound.recv() => {
                    heard = Instant::now();
                    self.take(message.map_err(failed)?.ok_or_else(broken)?)?;
                    continue;
                }
                batch = self.reported.recv() => match batch {
                    Some(batch) => AgentMessage::Report(wire::encode_report(&batch).into()),
                    None => return Ok(()),
                },
                Ok(()) = self.applied.changed() => AgentMessage::Applied(*self.applied.borrow_and_update()),
                Some(description) = self.described.recv() => {
                    let bytes = wire::encode_description(&description).into();
                    self.description = Some(description);
                    AgentMessage::Description(bytes)
                }
                _ = beats.tick() => {
                    if heard.elapsed() > beat * SILENT_BEATS {
                        return Err(silent());
                    }
                    AgentMessage::Heartbeat
                }
            };
            outbound.send(message).await.map_err(|_| broken())?;
        }
    }

    fn take(&self, message: ManagerMessage) -> Result<(), Error> {
        match message {
            ManagerMessage::Full { bytes, .. } => {
                let full = wire::decode_assignments(&bytes).map_err(not_understood)?;
                self.assign.send_replace(Arc::new(full));
            }
            ManagerMessage::Difference { bytes, .. } => {
                let difference = wire::decode_difference(&bytes).map_err(not_understood)?;
                let mut held = Assignments::clone(&self.assign.borrow());
                held.apply(difference).map_err(not_understood)?;
                self.assign.send_replace(Arc::new(held));
            }
            ManagerMessage::Managers(managers) => {
                self.direct.send_modify(|directive| directive.managers = managers);
            }
            ManagerMessage::Trusted { role, roots_pem, renew } => self.direct.send_modify(|directive| {
                *directive = Directive { role: Some(role), roots: roots_pem, renew, ..std::mem::take(directive) };
            }),
            ManagerMessage::Errand(errand) => {
                if let Err(error) = self.errands.try_send(errand) {
                    tracing::warn!(%error, "an errand is not done");
                }
            }
            ManagerMessage::Welcome { .. } | ManagerMessage::Heartbeat => {}
        }
        Ok(())
    }
}

/// Those that the cluster named; until it did, those known from the start. Whoever it names no more may belong to what is left
/// of the swarm before `--force-new-cluster`, and would have everything here stopped.
fn managers(directive: &Directive, known: &[String]) -> Vec<String> {
    if directive.managers.is_empty() {
        return known.to_vec();
    }
    directive.managers.iter().map(|(_, address)| address.clone()).collect()
}

/// Whom to ask what any manager can answer: first whoever holds the session, for it is there; the others may not be.
pub(crate) fn likeliest(holder: Option<&str>, directive: &Directive, known: &[String]) -> Vec<String> {
    let mut addresses = Vec::new();
    for address in holder.map(str::to_owned).into_iter().chain(managers(directive, known)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// What a node must hold that the swarm has removed: nothing, whatever it was. Its tasks run elsewhere.
fn nothing_after(held: &Assignments) -> Assignments {
    Assignments { index: held.index.max(1), ..Assignments::default() }
}

fn time_of_day() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long it is from a time of day until the next beat. Beats are the same for all agents, as far as their clocks agree: a manager
/// that hears many at once is woken once for all of them.
fn until_beat(now: Duration, beat: Duration) -> Duration {
    let beat = beat.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(beat - now.as_nanos() % beat).unwrap_or_default())
}

/// The same addresses, begun elsewhere, and one of them last.
fn turned(mut addresses: Vec<String>, turn: usize, last: &str) -> Vec<String> {
    if !addresses.is_empty() {
        let turn = turn % addresses.len();
        addresses.rotate_left(turn);
        addresses.sort_by_key(|address| address == last);
    }
    addresses
}

fn silent() -> Error {
    Error::unavailable("the manager does not answer")
}

fn broken() -> Error {
    Error::unavailable("the session broke off")
}

fn not_understood(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("assignments were not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_the_cluster_names_no_more_is_not_asked() {
        let known = ["a", "b"].map(str::to_owned);
        let mut directive = Directive::default();
        assert_eq!(managers(&directive, &known), known);
        directive.managers = vec![(NodeId::from(1), "b".to_owned()), (NodeId::from(2), "c".to_owned())];
        assert_eq!(managers(&directive, &known), ["b", "c"]);
        assert_eq!(likeliest(Some("c"), &directive, &known), ["c", "b"], "nor for places");
    }

    #[test]
    fn whoever_holds_the_session_is_asked_first_and_nobody_twice() {
        let known = ["a", "b", "a"].map(str::to_owned);
        assert_eq!(likeliest(Some("b"), &Directive::default(), &known), ["b", "a"]);
        assert_eq!(likeliest(None, &Directive::default(), &known), ["a", "b"]);
    }

    #[test]
    fn a_removed_node_holds_nothing_and_knows_that() {
        assert_eq!(nothing_after(&Assignments::default()).index, 1, "an agent acts by nothing without an index");
        let held = Assignments { index: 7, ..Assignments::default() };
        assert_eq!(nothing_after(&held), held, "nor does it go back in time");
    }

    #[test]
    fn whoever_fell_silent_is_asked_last() {
        let addresses = || ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(turned(addresses(), 4, ""), ["b", "c", "a"]);
        for turn in 0..3 {
            let turned = turned(addresses(), turn, "b");
            assert_eq!((turned.len(), turned[2].as_str()), (3, "b"));
        }
        assert!(turned(Vec::new(), 4, "b").is_empty());
    }

    #[test]
    fn agents_speak_at_the_same_moments() {
        let beat = Duration::from_millis(400);
        for now in [1_000_000, 1_000_001, 1_000_049, 1_000_050] {
            let now = Duration::from_millis(now);
            let wait = until_beat(now, beat);
            assert!(!wait.is_zero() && wait <= beat);
            assert_eq!((now + wait).as_millis() % 400, 0);
        }
        assert!(until_beat(Duration::ZERO, Duration::ZERO) <= beat);
    }
}
