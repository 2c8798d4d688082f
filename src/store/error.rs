//! What can go wrong in the store, as one typed error.
//!
//! Decides nothing: the daemon turns these into exit codes and the API into HTTP answers. Every sentence says what is
//! the matter and, where there is one, what to do.

use std::io;
use std::path::{Path, PathBuf};

use gam_core::state::codec::CodecError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A store exists where a fresh one was to be made.
    #[error("there is cluster state in {0} already")]
    Exists(PathBuf),
    /// No store, or one whose making was cut short: nothing was ever acknowledged from it.
    #[error("there is no cluster state in {0}")]
    Missing(PathBuf),
    /// Another process has the log open.
    #[error("the cluster state in {0} is in use by another process")]
    InUse(PathBuf),
    /// A newer Gam wrote this; nothing was touched.
    #[error(
        "the cluster state was written by a newer gam, in format {found}, but this gam reads formats up to {supported}: run the newer gam again"
    )]
    NewerFormat {
        /// The format found on disk.
        found: u8,
        /// The newest format this build reads.
        supported: u8,
    },
    /// The state belongs to another raft member.
    #[error("the cluster state belongs to member {stored:x}, not to member {given:x}")]
    OtherMember {
        /// The member that the state was made for.
        stored: u64,
        /// The member in the configuration.
        given: u64,
    },
    /// The key-encryption key is not on disk: the cluster is locked and its unlock key must be given.
    #[error("the cluster state is locked: its key is not on this disk")]
    Locked,
    /// The given key-encryption key does not open the data keys.
    #[error("the key does not open the cluster state")]
    WrongKey,
    /// What is on disk is not what was written.
    #[error("the cluster state is damaged: {0}")]
    Damaged(String),
    /// A limit in the configuration makes no sense.
    #[error("the store's configuration is invalid: {0}")]
    Config(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another member leads: send the proposal there.
    #[error("this member does not lead; member {leader:x} at {address} does")]
    NotLeader {
        /// The leader's raft id.
        leader: u64,
        /// The leader's advertised address.
        address: String,
    },
    /// No leader was found within the deadline; nothing was proposed.
    #[error("the cluster has no leader: more than half of the managers must be up and reach each other")]
    NoLeader,
    /// The proposal was handed in, but whether it was committed is not known: leadership moved, or the deadline passed.
    #[error("it is not known whether the change was made")]
    Unknown,
    /// The proposal is larger than an entry may be; nothing was proposed.
    #[error("a proposal of {bytes} bytes is larger than the {limit} bytes that an entry may have")]
    TooLarge {
        /// Its encoded size.
        bytes: usize,
        /// The largest size allowed.
        limit: usize,
    },
    /// This member has not applied an index within the deadline.
    #[error("this manager is behind: it has applied the cluster's log up to {applied}, not yet up to {wanted}")]
    Behind {
        /// What it has applied.
        applied: u64,
        /// What was waited for.
        wanted: u64,
    },
    /// A new member did not catch up; it is a member without a vote now, and adding it again goes on from there.
    #[error("the manager {member:x} at {address} did not catch up with the cluster's state in time")]
    NotCaughtUp {
        /// Its raft id.
        member: u64,
        /// Its advertised address.
        address: String,
    },
    /// Without this member, too few of the others can be reached.
    #[error("can't remove member from the raft: this would result in a loss of quorum")]
    QuorumLoss,
    /// No other member took over the lead.
    #[error("the lead could not be handed over: {0}")]
    NotHandedOver(String),
    /// A message belongs to the past of this cluster: one member went on alone since, and the sender was left behind.
    #[error("the message belongs to this cluster before it went on with --force-new-cluster")]
    LeftBehind,
    /// A message belongs to another cluster, or to a part of this one that went on alone elsewhere.
    #[error("the message belongs to another cluster, or to a part of this one that went on with --force-new-cluster")]
    OtherLineage,
    /// A message was meant for another member; one of the two has another address now.
    #[error("the message is for member {meant:x}, and this one is {own:x}")]
    Misdirected {
        /// Whom it was meant for.
        meant: u64,
        /// This member.
        own: u64,
    },
    /// A message of another member makes no sense to this build.
    #[error("a message of another manager cannot be read: {0}")]
    Message(String),
    /// This handle has failed for good: nothing is acknowledged any more until it is opened again.
    #[error("the cluster state cannot be written until its disk has room or is mended: {0}")]
    Failed(String),
    /// The store was shut down.
    #[error("the store is shut down")]
    Stopped,
}

impl StoreError {
    /// Whether what is there may well be whole and only cannot be written now, as on a full disk: worth another try.
    pub fn is_passing(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            StoreError::Failed(_) => true,
            StoreError::Io { source, .. } => matches!(source.kind(), StorageFull | QuotaExceeded),
            _ => false,
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
        move |source| StoreError::Io { path: path.to_owned(), source }
    }

    /// The core's reading error, with `what` naming the record.
    pub(crate) fn codec(error: &CodecError, what: &str) -> StoreError {
        match error {
            CodecError::Newer(found) => {
                StoreError::NewerFormat { found: *found, supported: gam_core::state::codec::FORMAT }
            }
            other => StoreError::Damaged(format!("{what}: {other}")),
        }
    }
}
