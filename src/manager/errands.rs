//! Errands: what a manager wants of a node at once, for a client of its own, such as a log.
//!
//! A node opens connections and accepts none, so an errand reaches it through its session, which any manager may hold: the
//! managers are asked in turn. The answer comes straight to the manager that wants it. Nothing of this is in the state, and
//! nothing is tried again: the client can.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use gam_core::error::Error;
use gam_core::model::{NodeId, NodeState};
use gam_rpc::{Errand, Inbound, Outbound, Piece, join_streams};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Manager;

/// Errands that may wait for a node; it takes them at once, so more of them means that it is gone.
const ERRANDS_MAX: usize = 64;
/// Pieces of an answer that may wait for the client; then the node waits.
const PIECES_MAX: usize = 4;
/// How long a manager may take to pass an errand on, and the node then to begin with its answer: it has a connection to make.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The errands that concern this manager.
#[derive(Debug, Default)]
pub(super) struct Errands {
    sessions: HashMap<NodeId, mpsc::Sender<Errand>>,
    waiting: HashMap<u64, Waiting>,
    last: u64,
}

/// An errand whose answer has not begun.
#[derive(Debug)]
struct Waiting {
    node: NodeId,
    begun: oneshot::Sender<()>,
    answer: Answer,
}

/// Where what the node says goes.
#[derive(Debug)]
enum Answer {
    Pieces(mpsc::Sender<Bytes>),
    /// The other end of what the client speaks on.
    Connection(UnixStream),
}

impl Errands {
    fn attend(&mut self, node: NodeId) -> mpsc::Receiver<Errand> {
        let (sender, errands) = mpsc::channel(ERRANDS_MAX);
        self.sessions.retain(|_, session| !session.is_closed());
        self.sessions.insert(node, sender);
        errands
    }

    fn pass(&self, node: NodeId, errand: Errand) -> bool {
        self.sessions.get(&node).is_some_and(|session| session.try_send(errand).is_ok())
    }

    fn give(&mut self, node: NodeId, answer: Answer) -> (u64, oneshot::Receiver<()>) {
        let (begun, begins) = oneshot::channel();
        self.waiting.retain(|_, waiting| !waiting.begun.is_closed());
        self.last += 1;
        self.waiting.insert(self.last, Waiting { node, begun, answer });
        (self.last, begins)
    }

    /// Only the node that was asked may answer, and only once.
    fn begin(&mut self, node: NodeId, ticket: u64) -> Option<Answer> {
        if self.waiting.get(&ticket)?.node != node {
            return None;
        }
        let waiting = self.waiting.remove(&ticket)?;
        waiting.begun.send(()).ok()?;
        Some(waiting.answer)
    }
}

impl Manager {
    fn with_errands<T>(&self, with: impl FnOnce(&mut Errands) -> T) -> T {
        with(&mut self.0.errands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The errands for a node whose session begins here. An earlier session of the node gets no more of them.
    pub fn attend(&self, node: NodeId) -> mpsc::Receiver<Errand> {
        self.with_errands(|errands| errands.attend(node))
    }

    /// Passes an errand to a node whose session is here.
    pub fn pass_here(&self, node: NodeId, errand: Errand) -> Result<(), Error> {
        let passed = self.with_errands(|errands| errands.pass(node, errand));
        if passed { Ok(()) } else { Err(Error::not_found(format!("the session of node {node} is not here"))) }
    }

    /// Asks a node, wherever its session is. The pieces of its answer come until it has no more of them; it stops when the
    /// receiver is dropped.
    pub async fn ask_node(&self, node: NodeId, wish: Bytes) -> Result<mpsc::Receiver<Bytes>, Error> {
        let (answer, pieces) = mpsc::channel(PIECES_MAX);
        self.give_errand(node, wish, Answer::Pieces(answer)).await?;
        Ok(pieces)
    }

    /// A connection to whatever the node has at its end for this wish, wherever its session is.
    pub async fn connect_to_node(&self, node: NodeId, wish: Bytes) -> Result<UnixStream, Error> {
        let (client, answer) = UnixStream::pair().map_err(Error::internal)?;
        self.give_errand(node, wish, Answer::Connection(answer)).await?;
        Ok(client)
    }

    /// Gives a node an errand; returns when it has begun to answer.
    async fn give_errand(&self, node: NodeId, wish: Bytes, answer: Answer) -> Result<(), Error> {
        let gone = || Error::unavailable(format!("node {node} is not available"));
        let state = self.state();
        let is_there = state.node(node).is_some_and(|node| node.status.state == NodeState::Ready);
        let manager = |id: NodeId| Some(state.node(id)?.manager.as_ref()?.addr.clone());
        let Some(own) = manager(self.node_id()).filter(|_| is_there) else { return Err(gone()) };
        let (ticket, mut begins) = self.with_errands(|errands| errands.give(node, answer));
        let errand = Errand { ticket, address: own.clone(), bytes: wish };
        // A manager's own session is with itself.
        let others = state.nodes().filter(|other| other.id != node).filter_map(|other| manager(other.id));
        let ways = match manager(node) {
            Some(itself) => vec![itself],
            None => std::iter::once(own.clone()).chain(others.filter(|address| *address != own)).collect(),
        };
        for address in ways {
            let passed = if address == own {
                self.pass_here(node, errand.clone())
            } else {
                let pass = self.0.clients.to(&address).within(BEGIN_TIMEOUT).pass(node, errand.clone()).await;
                pass.map_err(Error::from)
            };
            match passed {
                Ok(()) if matches!(timeout(BEGIN_TIMEOUT, &mut begins).await, Ok(Ok(()))) => return Ok(()),
                Ok(()) => tracing::debug!(%node, manager = address, "the node did not answer"),
                Err(error) => tracing::debug!(%node, manager = address, %error, "an errand was not passed on"),
            }
        }
        Err(gone())
    }

    /// Takes a connection that a node opens; returns when it has ended.
    pub async fn take_connection(
        &self,
        node: NodeId,
        mut inbound: Inbound<Piece>,
        outbound: Outbound<Piece>,
    ) -> Result<(), Error> {
        let Answer::Connection(stream) = self.awaited(node, &mut inbound).await? else {
            return Err(Error::invalid("no connection was asked for"));
        };
        join_streams(stream, inbound, outbound).await;
        Ok(())
    }

    /// Who waits for what a node is about to say, by the ticket that it begins with.
    async fn awaited(&self, node: NodeId, pieces: &mut Inbound<Piece>) -> Result<Answer, Error> {
        let Ok(Ok(Some(Piece::Ticket(ticket)))) = timeout(BEGIN_TIMEOUT, pieces.recv()).await else {
            return Err(Error::invalid("an answer begins with the errand's ticket"));
        };
        let answer = self.with_errands(|errands| errands.begin(node, ticket));
        answer.ok_or_else(|| Error::not_found("nobody waits for this answer"))
    }

    /// Takes what a node answers; returns when either side has had enough.
    pub async fn take_answer(&self, node: NodeId, mut pieces: Inbound<Piece>) -> Result<(), Error> {
        let Answer::Pieces(answer) = self.awaited(node, &mut pieces).await? else {
            return Err(Error::invalid("a connection was asked for"));
        };
        loop {
            let piece = tokio::select! {
                piece = pieces.recv() => piece,
                () = answer.closed() => return Ok(()),
            };
            // However the node went, there is no more.
            let Ok(Some(Piece::Bytes(bytes))) = piece else { return Ok(()) };
            if answer.send(bytes).await.is_err() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(ticket: u64) -> Errand {
        Errand { ticket, address: String::new(), bytes: Bytes::new() }
    }

    #[test]
    fn the_newest_session_of_a_node_gets_its_errands() {
        let (node, other) = (NodeId::from(1), NodeId::from(2));
        let mut errands = Errands::default();
        let mut old = errands.attend(node);
        let mut new = errands.attend(node);
        assert!(errands.pass(node, errand(1)) && !errands.pass(other, errand(2)));
        assert_eq!(new.try_recv().unwrap().ticket, 1);
        assert!(old.try_recv().is_err());
        drop(new);
        assert!(!errands.pass(node, errand(3)), "its session has ended");
        let _other = errands.attend(other);
        assert_eq!(errands.sessions.len(), 1, "and is forgotten");
    }

    #[test]
    fn only_who_was_asked_may_answer_and_once() {
        let (node, other) = (NodeId::from(1), NodeId::from(2));
        let mut errands = Errands::default();
        let give = |errands: &mut Errands| errands.give(node, Answer::Pieces(mpsc::channel(1).0));
        let (ticket, mut begins) = give(&mut errands);
        assert!(errands.begin(other, ticket).is_none() && errands.begin(node, ticket + 1).is_none());
        assert!(begins.try_recv().is_err());
        assert!(errands.begin(node, ticket).is_some());
        assert!(begins.try_recv().is_ok());
        assert!(errands.begin(node, ticket).is_none());
        let (given_up, _) = give(&mut errands);
        let _kept = give(&mut errands);
        assert_eq!(errands.waiting.len(), 1, "a client that has gone waits for nothing");
        assert!(errands.begin(node, given_up).is_none());
    }
}
