//! Gam's cluster state: replicated by Raft, durable on every manager's disk, encrypted at rest.
//!
//! This crate is the only user of openraft, and no type of openraft appears in its interface: the rest of Gam sees
//! proposals going in and [`State`]s coming out.
//!
//! # The life of a proposal
//!
//! 1. [`Store::propose`] encodes it and hands it to Raft on the leader; one proposal is one log entry.
//! 2. Raft appends it to the log (`log`): at once in memory, and through one queue to one thread, which writes everything that
//!    waits in one transaction and fsyncs it.
//! 3. When a quorum has it on disk, it is committed, and the state machine (`machine`) applies it to the state. The new state is
//!    published for wait-free readers ([`Store::state`]), subscribers are told, and the proposer is answered.
//! 4. From time to time `keeper` writes the whole state as a snapshot file (`snapshot`) without holding anybody up, and the log
//!    shrinks behind it.
//!
//! # The folder
//!
//! | file | what |
//! |---|---|
//! | `raft.redb` | log, vote, commit mark, lineage and those before it, one redb database, every value sealed |
//! | `snapshot-<index>` | the whole state at an index, sealed in chunks |
//! | `arriving-<n>.tmp` | a snapshot on its way in from the leader |
//! | `keys` | the data keys, sealed with the key-encryption key |
//! | `kek` | the key-encryption key, absent when the cluster is locked at rest |
//!
//! Each but the last says its format (`keys` in its first byte, a snapshot behind its magic, the database under the name
//! `format`), and a newer one is refused by [`StoreError::NewerFormat`] before anything is changed. Records are JSON behind a format byte (`codec`).
//!
//! # Several members
//!
//! A cluster begins with one member ([`Store::create`]). Others start empty ([`Store::join`]) and are taken in by the leader
//! ([`Store::add_learner`]). Messages go out through a [`Transport`] that the daemon provides and come in through
//! [`Store::handle`]; they are records of our own (`message`), and carry the log's `lineage`, so that a cluster that went on
//! from one member ([`Store::recover_alone`]) is safe from those left behind. A member that lags by more than the log keeps is
//! sent the newest snapshot, chunk by chunk; no slow member makes the log grow. On a member that follows, a linearizable read
//! asks the leader for [`Store::read_index`] and waits for [`Store::applied`].
//!
//! # What holds
//!
//! - `Ok` from [`Store::propose`] means that a quorum has fsynced the entry and that the local state contains it.
//! - After a crash at any point the store opens with every acknowledged proposal and the last vote.
//! - The first error of writing the log is final ([`Store::failed`]): nothing is acknowledged after it, and a failed fsync is
//!   never tried again. Opening anew, with the cause gone, recovers. A member that is alone can be read meanwhile.
//! - A leader that a quorum has not answered for a while leads no more ([`Store::leadership`]), and acknowledges nothing.
//! - States and [`Applied`]s are seen in the order of their indices. Applying is deterministic: the same entries give the same
//!   state on every member and after every restart.

mod codec;
mod config;
mod error;
mod failure;
mod files;
mod keeper;
mod keys;
mod leadership;
mod lineage;
mod log;
mod machine;
mod message;
mod network;
mod raft;
mod snapshot;
mod store;
mod transport;

#[cfg(test)]
mod fixture;

use std::fmt;
use std::sync::Arc;

use gam_core::state::{Event, State};

pub use config::{
    Config, DEFAULT_ELECTION_MAX_MS, DEFAULT_ELECTION_MIN_MS, DEFAULT_HEARTBEAT_MS, DEFAULT_KEEP_OLD_SNAPSHOTS,
    DEFAULT_SNAPSHOT_INTERVAL, KeySource,
};
pub use error::StoreError;
pub use keys::{seal_with_given, unseal_with_given};
pub use leadership::Leadership;
pub use lineage::{History, Kinship};
pub use message::Message;
pub use store::{MAX_MESSAGE, Member, Store};
pub use transport::{Answer, Purpose, Transport};

/// A proposal that was committed and applied.
#[derive(Clone)]
pub struct Applied {
    /// Its index in the log. Indices grow, with gaps: Raft has entries of its own.
    pub index: u64,
    /// The state right behind it.
    pub state: Arc<State>,
    /// What it looks like from outside, in order.
    pub events: Vec<Event>,
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applied").field("index", &self.index).field("events", &self.events).finish_non_exhaustive()
    }
}
