//! How messages of this member reach others: the seam that the daemon fills with its own connections, and tests with channels.
//!
//! Decides nothing. Messages are opaque bytes of [`crate::Store`]s; whoever carries them knows who sent them, and lets only
//! managers of the cluster call [`crate::Store::handle`].

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

/// What a message is for. The three must not wait for each other: a heartbeat behind a snapshot costs an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Entries of the log.
    Replication,
    /// Heartbeats, votes and the hand-over of leadership: small and urgent.
    Heartbeat,
    /// Pieces of snapshots: large and patient.
    Snapshot,
}

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// Carries messages to other members and their answers back.
pub trait Transport: Send + Sync + 'static {
    /// Sends one message to the member at an address and waits for its answer, at most `limit`.
    ///
    /// The other side gives the message to [`crate::Store::handle`]. An error means that no answer came; the message may have
    /// arrived all the same. Dropping the future gives up waiting. Messages have at most [`crate::MAX_MESSAGE`] bytes.
    fn call(&self, member: u64, address: &str, purpose: Purpose, message: Bytes, limit: Duration) -> Answer;
}

impl fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
