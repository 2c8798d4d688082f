//! The manager's end of a session with an agent on another host.
//!
//! The agent is heard whenever it sends anything. What it acts by may be newer than what this manager has applied (it may
//! have come from another one), so the session begins only once this manager is as far: an agent never goes back in time.

use std::sync::Arc;
use std::time::Duration;

use gam_core::assignment::Assignments;
use gam_core::error::Error;
use gam_core::model::NodeDescription;
use gam_core::wire;
use gam_rpc::{AgentMessage, Inbound, ManagerMessage, Outbound, PROTOCOL, Peer, SealKey};
use gam_store::{History, Leadership};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Descriptions, Directive, Reports, Session};
use crate::manager::Manager;
use crate::seal::Key;

/// How long an agent may take for its first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long this manager may take until its state is known to be the newest; then the agent asks another one.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(1500);
/// A manager that knows no leader for so many beats sends its agents to others, which may know one.
const LEADERLESS_BEATS: u32 = 6;
/// One of so many heartbeats is answered with a sign of life: that a manager is gone need not be known as soon as that an agent
/// is. An answer costs less than a sign at a time of its own, for which somebody would have to be woken.
const SIGN_BEATS: u32 = 3;

/// Holds a session until the agent goes, or should go elsewhere.
pub async fn serve(
    manager: Manager,
    peer: Peer,
    mut inbound: Inbound<AgentMessage>,
    outbound: Outbound<ManagerMessage>,
) -> Result<(), Error> {
    let hello = timeout(HELLO_TIMEOUT, inbound.recv()).await;
    let Ok(Ok(Some(AgentMessage::Hello { description, seal_key, .. }))) = hello else {
        return Err(Error::invalid("a session begins with a hello"));
    };
    let key = wanted_key(&seal_key)?;
    let stop = CancellationToken::new();
    let _ended = stop.clone().drop_guard();
    let addr = peer.addr.to_canonical().to_string();
    let mut session = super::open(&manager, peer.node, addr.clone(), stop);
    manager.hear(peer.node, &addr);
    // An agent's task ends with its receiver; the session ends with it.
    let _ = session.descriptions.send(described(&description)?).await;
    let sinks = Sinks {
        reports: session.reports.clone(),
        descriptions: session.descriptions.clone(),
        applied: session.applied.clone(),
    };
    let pulse = Pulse { beat: manager.beat(), heard: 0, outbound: outbound.clone() };
    let sent = give(pulse.beat, manager.store().history(), key, &mut session, outbound);
    let heard = take(&manager, &peer, &addr, sinks, inbound, pulse);
    tokio::select! {
        result = heard => result,
        result = sent => result,
        () = leaderless(&manager) => Err(Error::unavailable("this manager knows no leader: ask another one")),
    }
}

/// The key for the node's secrets. An agent of before there were any says none; it is told the values as they are.
fn wanted_key(SealKey(said): &SealKey) -> Result<Option<Key>, Error> {
    if said.is_empty() {
        return Ok(None);
    }
    Key::said(said).map(Some).ok_or_else(|| Error::invalid("the key for values of secrets is none"))
}

fn described(bytes: &[u8]) -> Result<Box<NodeDescription>, Error> {
    wire::decode_description(bytes).map(Box::new).map_err(not_understood)
}

fn not_understood(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not understood: {error}"))
}

/// Where what an agent says goes.
struct Sinks {
    reports: Reports,
    descriptions: Descriptions,
    applied: watch::Sender<u64>,
}

/// What the agent says; `Ok` once it hangs up.
async fn take(
    manager: &Manager,
    peer: &Peer,
    addr: &str,
    Sinks { reports, descriptions, applied }: Sinks,
    mut inbound: Inbound<AgentMessage>,
    mut pulse: Pulse,
) -> Result<(), Error> {
    // How a connection breaks makes no difference: the agent comes back.
    while let Ok(Some(message)) = inbound.recv().await {
        if !manager.state().is_member(peer.node) {
            // It was one when the session began, and no state is left behind for an older one.
            return Err(gam_rpc::removed(peer.node));
        }
        manager.hear(peer.node, addr);
        let taken = match message {
            AgentMessage::Report(bytes) => {
                let report = wire::decode_report(&bytes).map_err(not_understood)?;
                reports.send(report).await.is_ok()
            }
            AgentMessage::Description(bytes) => descriptions.send(described(&bytes)?).await.is_ok(),
            AgentMessage::Heartbeat => {
                pulse.beat(manager)?;
                true
            }
            AgentMessage::Applied(index) => {
                applied.send_replace(index);
                true
            }
            AgentMessage::Hello { .. } => true,
        };
        if !taken {
            return Err(stopping(()));
        }
    }
    Ok(())
}

/// The heartbeats of one session.
struct Pulse {
    /// The time between two of them, as the agent was told.
    beat: Duration,
    heard: u32,
    outbound: Outbound<ManagerMessage>,
}

impl Pulse {
    /// One was heard.
    fn beat(&mut self, manager: &Manager) -> Result<(), Error> {
        self.heard = self.heard.wrapping_add(1);
        if !self.heard.is_multiple_of(SIGN_BEATS) {
            return Ok(());
        }
        if manager.beat() != self.beat {
            return Err(Error::unavailable("agents are to be heard more or less often than before: begin anew"));
        }
        // Where there is no room for it, there is something else to be heard.
        let _ = self.outbound.try_send(ManagerMessage::Heartbeat);
        Ok(())
    }
}

fn stopping<E>(_: E) -> Error {
    Error::unavailable("this manager is stopping")
}

fn gone<E>(_: E) -> Error {
    Error::unavailable("the agent is gone")
}

fn no_chance(error: std::io::Error) -> Error {
    Error::internal(format!("cannot seal the values of secrets: {error}"))
}

/// What the agent is told: everything once, then what differs.
async fn give(
    beat: Duration,
    history: History,
    key: Option<Key>,
    session: &mut Session,
    outbound: Outbound<ManagerMessage>,
) -> Result<(), Error> {
    let Session { assignments, directives, errands, .. } = session;
    let known = timeout(CATCH_UP_TIMEOUT, assignments.wait_for(|assignments| assignments.index > 0)).await;
    let behind = |_| Error::unavailable("this manager is behind: ask another one");
    let mut held: Arc<Assignments> = known.map_err(behind)?.map_err(stopping)?.clone();
    let directive = directives.borrow_and_update().clone();
    let heartbeat_ms = u32::try_from(beat.as_millis()).unwrap_or(u32::MAX);
    let welcome = ManagerMessage::Welcome { protocol: PROTOCOL, heartbeat_ms, history: history.number() };
    outbound.send(welcome).await.map_err(gone)?;
    direct(&outbound, &directive).await?;
    let bytes = match &key {
        Some(key) => wire::encode_assignments(&key.seal_all(&held).map_err(no_chance)?),
        None => wire::encode_assignments(&held),
    };
    let bytes = bytes.into();
    outbound.send(ManagerMessage::Full { index: held.index, bytes }).await.map_err(gone)?;
    loop {
        tokio::select! {
            changed = assignments.changed() => {
                changed.map_err(stopping)?;
                let next = assignments.borrow_and_update().clone();
                let mut difference = held.difference(&next);
                if let Some(key) = &key {
                    difference = key.seal_changed(difference).map_err(no_chance)?;
                }
                let bytes = wire::encode_difference(&difference).into();
                let message = ManagerMessage::Difference { from: held.index, index: next.index, bytes };
                outbound.send(message).await.map_err(gone)?;
                held = next;
            }
            changed = directives.changed() => {
                changed.map_err(stopping)?;
                let directive = directives.borrow_and_update().clone();
                direct(&outbound, &directive).await?;
            }
            // A later session of the same node has taken them over when there are no more.
            Some(errand) = errands.recv() => outbound.send(ManagerMessage::Errand(errand)).await.map_err(gone)?,
        }
    }
}

async fn direct(outbound: &Outbound<ManagerMessage>, directive: &Directive) -> Result<(), Error> {
    outbound.send(ManagerMessage::Managers(directive.managers.clone())).await.map_err(gone)?;
    let Some(role) = directive.role else { return Ok(()) };
    let trusted = ManagerMessage::Trusted { role, roots_pem: directive.roots.clone(), renew: directive.renew };
    outbound.send(trusted).await.map_err(gone)
}

/// Ends when this manager has known no leader for a while.
async fn leaderless(manager: &Manager) {
    let mut leadership = manager.store().leadership();
    loop {
        if leadership.wait_for(|now| *now == Leadership::NoLeader).await.is_err() {
            return;
        }
        let wait = manager.beat() * LEADERLESS_BEATS;
        match timeout(wait, leadership.wait_for(|now| *now != Leadership::NoLeader)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
