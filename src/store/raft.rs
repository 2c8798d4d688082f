//! The types that tie openraft to Gam: what an entry carries, what an applied entry answers.
//!
//! Every name of openraft that the rest of the crate needs is bound here once. Its serde forms change between releases, so
//! they never reach a disk or another member: `codec` writes records of our own. (openraft asks for serde on the
//! application's types; those impls exist for the compiler and write only bytes that our own codec made.)

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gam_core::state::{Proposal, codec};
use openraft::RaftTypeConfig;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Applied;
use crate::error::StoreError;
use crate::machine::Machine;

openraft::declare_raft_types!(
    /// Gam's choice of types.
    pub Types:
        D = Command,
        R = Answer,
        NodeId = u64,
        Node = openraft::BasicNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>,
);

pub type LeaderId = <Types as RaftTypeConfig>::LeaderId;
pub type LogId = openraft::LogId<LeaderId>;
pub type Vote = <Types as RaftTypeConfig>::Vote;
pub type Entry = <Types as RaftTypeConfig>::Entry;
pub type Payload = <Types as RaftTypeConfig>::Payload;
pub type Membership = openraft::Membership<u64, openraft::BasicNode>;
pub type StoredMembership = openraft::StoredMembership<LeaderId, u64, openraft::BasicNode>;
pub type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, openraft::BasicNode>;
pub type Raft = openraft::Raft<Types, Machine>;

/// A proposal on its way through the log: its bytes, and, on the member that proposed it, the value itself until it is
/// applied, so that the proposer does not read back what it has just written.
#[derive(Clone)]
pub struct Command {
    bytes: Arc<[u8]>,
    proposal: Arc<Mutex<Option<Proposal>>>,
}

impl Command {
    /// A command with its value at hand.
    pub fn new(proposal: Proposal) -> Command {
        let bytes = codec::encode_proposal(&proposal).into();
        Command { bytes, proposal: Arc::new(Mutex::new(Some(proposal))) }
    }

    /// A command read from a log or from another member.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Command {
        Command { bytes, proposal: Arc::default() }
    }

    /// The encoded proposal.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The value, to apply it. The second call decodes the bytes.
    pub fn take(&self) -> Result<Proposal, StoreError> {
        let kept = self.proposal.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(proposal) => Ok(proposal),
            None => codec::decode_proposal(&self.bytes).map_err(|error| StoreError::codec(&error, "a log entry")),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal of {} bytes", self.bytes.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Command, D::Error> {
        Deserialize::deserialize(deserializer).map(Command::from_bytes)
    }
}

/// What applying an entry gave: nothing for the entries that Raft writes for itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The result for the proposer.
    #[serde(skip)]
    pub applied: Option<Arc<Applied>>,
}
