//! The agent's end of its session with a manager on another host: the same channels as beside a manager, over the wire.
//!
//! Any manager will do. When one falls silent, is gone, or says that it cannot help, the next is tried; what was last
//! assigned stays in force meanwhile, and nothing that runs is touched.

use std::sync::Arc;
use std::time::Duration;

use gam_core::assignment::{Assignments, Difference};
use gam_core::error::Error;
use gam_core::model::{NodeDescription, TaskId, TaskStatus};
use gam_rpc::{AgentMessage, Clients, ManagerMessage};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::dispatcher::serve::PROTOCOL;
use crate::dispatcher::{Directive, Session};

/// Batches of reports that may wait to be sent; the agent merges what comes meanwhile.
const REPORTS_MAX: usize = 4;
/// Messages to a manager that may wait for the wire.
const OUTBOUND_MAX: usize = 16;
/// How long one manager may take to welcome the agent.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(2);
/// A manager that says nothing for so many of its beats is taken for gone.
const SILENT_BEATS: u32 = 6;
/// Pause after a manager that could not be reached, so that a cluster that is down costs little; short, because the node
/// counts as gone a few seconds later.
const PAUSE: Duration = Duration::from_millis(150);
/// The longest such pause, once all managers were tried several times.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is known of the session, for `docker info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// The manager that holds the session.
    pub manager: Option<String>,
    /// Why there is none, once one was tried.
    pub error: String,
}

struct Link {
    clients: Clients,
    assign: watch::Sender<Arc<Assignments>>,
    direct: watch::Sender<Directive>,
    state: watch::Sender<LinkState>,
    reported: mpsc::Receiver<Vec<(TaskId, TaskStatus)>>,
    described: mpsc::Receiver<NodeDescription>,
    description: Option<NodeDescription>,
}

/// Keeps a session with one of `managers` (`host:port`), and later with one of those that they name, until `stop`.
pub fn connect(clients: Clients, managers: Vec<String>, stop: CancellationToken) -> (Session, watch::Receiver<LinkState>) {
    let (assign, assignments) = watch::channel(Arc::new(Assignments::default()));
    let (direct, directives) = watch::channel(Directive::default());
    let (state, states) = watch::channel(LinkState::default());
    let (reports, reported) = mpsc::channel(REPORTS_MAX);
    let (descriptions, described) = mpsc::channel(1);
    let link = Link { clients, assign, direct, state, reported, described, description: None };
    tokio::spawn(stop.run_until_cancelled_owned(link.run(managers)));
    (Session { assignments, directives, reports, descriptions }, states)
}

impl Link {
    async fn run(mut self, known: Vec<String>) {
        let mut pause = PAUSE;
        // The host must be described before it can be given work.
        self.description = self.described.recv().await;
        loop {
            for address in self.candidates(&known) {
                let began = Instant::now();
                let Err(error) = self.hold(&address).await else { return };
                self.state.send_replace(LinkState { manager: None, error: error.message.clone() });
                tracing::info!(manager = address, %error, "no session with this manager; the next one is tried");
                pause = if began.elapsed() > WELCOME_TIMEOUT { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Whom to ask, those that the cluster named first; another order each time.
    fn candidates(&self, known: &[String]) -> Vec<String> {
        let mut addresses: Vec<String> =
            self.direct.borrow().managers.iter().map(|(_, address)| address.clone()).collect();
        for address in known {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        if addresses.len() > 1 {
            let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let turn = at.subsec_nanos() as usize % addresses.len();
            addresses.rotate_left(turn);
        }
        addresses
    }

    /// One session, until it breaks; `Ok` when the agent itself is gone.
    async fn hold(&mut self, address: &str) -> Result<(), Error> {
        let (outbound, messages) = mpsc::channel(OUTBOUND_MAX);
        let description = serde_json::to_vec(&self.description).map_err(Error::internal)?;
        let index = self.assign.borrow().index;
        // The channel is empty.
        let _ = outbound.send(AgentMessage::Hello { protocol: PROTOCOL, description: description.into(), index }).await;
        let opened = timeout(WELCOME_TIMEOUT, self.clients.to(address).session(messages)).await;
        let mut inbound = opened.map_err(|_| silent())??;
        let welcome = timeout(WELCOME_TIMEOUT, inbound.recv()).await.map_err(|_| silent())?;
        let beat = match welcome {
            Some(Ok(ManagerMessage::Welcome { heartbeat_ms, .. })) => Duration::from_millis(u64::from(heartbeat_ms)),
            Some(Err(error)) => return Err(error),
            _ => return Err(Error::unavailable("the manager did not say welcome")),
        };
        self.state.send_replace(LinkState { manager: Some(address.to_owned()), error: String::new() });
        let mut beats = tokio::time::interval(beat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let message = tokio::select! {
                message = inbound.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(message) => self.take(message?)?,
                        None => return Err(Error::unavailable("the manager ended the session")),
                    }
                    continue;
                }
                batch = self.reported.recv() => match batch {
                    Some(batch) => AgentMessage::Report(serde_json::to_vec(&batch).map_err(Error::internal)?.into()),
                    None => return Ok(()),
                },
                Some(description) = self.described.recv() => {
                    let bytes = serde_json::to_vec(&description).map_err(Error::internal)?;
                    self.description = Some(description);
                    AgentMessage::Description(bytes.into())
                }
                _ = beats.tick() => {
                    if heard.elapsed() > beat * SILENT_BEATS {
                        return Err(silent());
                    }
                    AgentMessage::Heartbeat
                }
            };
            outbound.send(message).await.map_err(|_| Error::unavailable("the session broke off"))?;
        }
    }

    fn take(&self, message: ManagerMessage) -> Result<(), Error> {
        match message {
            ManagerMessage::Full { bytes, .. } => {
                let full = Assignments::decode(&bytes).map_err(not_understood)?;
                self.assign.send_replace(Arc::new(full));
            }
            ManagerMessage::Difference { from, bytes, .. } => {
                let held = self.assign.borrow().clone();
                if held.index != from {
                    return Err(Error::unavailable("assignments were missed: the session begins anew"));
                }
                let difference = Difference::decode(&bytes).map_err(not_understood)?;
                self.assign.send_replace(Arc::new(held.apply(difference)));
            }
            ManagerMessage::Managers(managers) => {
                self.direct.send_if_modified(|directive| {
                    let differs = directive.managers != managers;
                    directive.managers = managers;
                    differs
                });
            }
            ManagerMessage::Trusted { role, roots_pem, renew } => {
                self.direct.send_modify(|directive| {
                    *directive = Directive { role: Some(role), roots: roots_pem, renew, ..std::mem::take(directive) };
                });
            }
            ManagerMessage::Welcome { .. } | ManagerMessage::Heartbeat => {}
        }
        Ok(())
    }
}

fn silent() -> Error {
    Error::unavailable("the manager does not answer")
}

fn not_understood(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("assignments were not understood: {error}"))
}
