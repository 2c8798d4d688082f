//! The two directions of a session.
//!
//! Back-pressure is end to end: a sender waits when its short queue is full, the queue drains only as HTTP/2's window
//! lets it, and the window opens only as the other side reads.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::error::RpcError;
use crate::message::Wire;

/// Messages that wait in a direction before the sender must. More would only be older by the time they are read.
pub(crate) const QUEUE_MAX: usize = 4;

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct Closed;

/// The sending direction of a session. Dropping every clone ends the direction.
pub struct Outbound<M>(mpsc::Sender<M>);

impl<M> Clone for Outbound<M> {
    fn clone(&self) -> Outbound<M> {
        Outbound(self.0.clone())
    }
}

impl<M> Outbound<M> {
    /// Sends, as soon as there is room.
    pub async fn send(&self, message: M) -> Result<(), Closed> {
        self.0.send(message).await.map_err(|_| Closed)
    }

    /// Sends if there is room now; `Ok(false)` if the other side is too slow.
    pub fn try_send(&self, message: M) -> Result<bool, Closed> {
        match self.0.try_send(message) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Closed),
        }
    }

    /// Waits for the end of the session.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// A direction's sender, and what it sends, for the transport.
pub(crate) fn direction<M>() -> (Outbound<M>, mpsc::Receiver<M>) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    (Outbound(sender), receiver)
}

/// The receiving direction of a session.
pub struct Inbound<M> {
    stream: BoxStream<'static, Result<Option<M>, Status>>,
    address: String,
    /// What must live as long as the direction does.
    _alive: Box<dyn Send>,
}

impl<M> Inbound<M> {
    pub(crate) fn new(stream: Streaming<M::Form>, address: String, alive: impl Send + 'static) -> Inbound<M>
    where
        M: Wire,
    {
        let stream = stream.map(|form| form.map(M::from_wire)).boxed();
        Inbound { stream, address, _alive: Box::new(alive) }
    }

    /// The next message; `None` when the other side has ended the session in good order. Safe to cancel.
    pub async fn recv(&mut self) -> Result<Option<M>, RpcError> {
        while let Some(received) = self.stream.next().await {
            let known = received.map_err(|status| RpcError::from_status(&self.address, &status))?;
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }
}
