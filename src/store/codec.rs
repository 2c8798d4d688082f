//! Raft's own records (log ids, votes, memberships, entries) as bytes of ours.
//!
//! One byte says the format, what follows is JSON, so that a newer member reads what an older one wrote and unknown fields
//! are no error. openraft's serde output is not used: it changes between releases. Called by `log`, `snapshot` and `message`.

use std::collections::{BTreeMap, BTreeSet};

use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::vote::RaftLeaderId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::raft::{Command, Entry, LeaderId, LogId, Membership, Payload, SnapshotMeta, StoredMembership, Vote};

/// The format that this build writes, and the newest that it reads.
pub const FORMAT: u8 = 1;
/// Bytes of the length before an entry's header.
const LENGTH: usize = 4;

/// A position in the log: which leader wrote which index.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LogIdRecord {
    term: u64,
    leader: u64,
    index: u64,
}

impl From<&LogId> for LogIdRecord {
    fn from(id: &LogId) -> LogIdRecord {
        let leader = id.committed_leader_id();
        LogIdRecord { term: leader.term, leader: leader.node_id, index: id.index() }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> LogId {
        LogId::new(LeaderId::new(record.term, record.leader), record.index)
    }
}

/// A vote, granted by a quorum or only by this member.
#[derive(Debug, Serialize, Deserialize)]
pub struct VoteRecord {
    term: u64,
    leader: u64,
    granted: bool,
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> VoteRecord {
        VoteRecord { term: vote.leader_id.term, leader: vote.leader_id.node_id, granted: vote.committed }
    }
}

impl From<VoteRecord> for Vote {
    fn from(record: VoteRecord) -> Vote {
        Vote::from(&record)
    }
}

impl From<&VoteRecord> for Vote {
    fn from(record: &VoteRecord) -> Vote {
        Vote { leader_id: LeaderId::new(record.term, record.leader), committed: record.granted }
    }
}

/// Who is in the cluster: sets of voters (two while a change is under way) and everybody's address.
#[derive(Debug, Serialize, Deserialize)]
struct MembershipRecord {
    voters: Vec<BTreeSet<u64>>,
    members: BTreeMap<u64, MemberRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MemberRecord {
    address: String,
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> MembershipRecord {
        let member = |(id, node): (&u64, &openraft::BasicNode)| (*id, MemberRecord { address: node.addr.clone() });
        MembershipRecord {
            voters: membership.get_joint_config().clone(),
            members: membership.nodes().map(member).collect(),
        }
    }
}

impl MembershipRecord {
    fn into_membership(self) -> Result<Membership, StoreError> {
        if self.voters.is_empty() && self.members.is_empty() {
            return Ok(Membership::default());
        }
        let nodes: BTreeMap<u64, openraft::BasicNode> =
            self.members.into_iter().map(|(id, member)| (id, openraft::BasicNode::new(member.address))).collect();
        Membership::new(self.voters, nodes).map_err(|error| StoreError::Damaged(format!("a membership: {error}")))
    }
}

/// What a snapshot stands for.
#[derive(Serialize, Deserialize)]
struct SnapshotRecord {
    last: Option<LogIdRecord>,
    membership_at: Option<LogIdRecord>,
    membership: MembershipRecord,
}

#[derive(Serialize, Deserialize)]
struct EntryRecord {
    id: LogIdRecord,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    membership: Option<MembershipRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Blank,
    Proposal,
    Membership,
}

/// Plain data as bytes: the format, then JSON.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    // Writing plain data with string or number keys to memory cannot fail; a failure would be a bug in a derive.
    serde_json::to_writer(&mut bytes, value).expect("plain data serialises");
    bytes
}

/// Reads what [`encode`] wrote; `what` names the record in an error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StoreError> {
    let document = after_format(bytes, what)?;
    serde_json::from_slice(document).map_err(|error| StoreError::Damaged(format!("{what}: {error}")))
}

fn after_format<'a>(bytes: &'a [u8], what: &str) -> Result<&'a [u8], StoreError> {
    match bytes.split_first() {
        None => Err(StoreError::Damaged(format!("{what} is empty"))),
        Some((found, _)) if *found > FORMAT => Err(StoreError::NewerFormat { found: *found, supported: FORMAT }),
        Some((_, rest)) => Ok(rest),
    }
}

/// An entry as bytes: format, length of the header, header, and the proposal's own bytes as they are.
pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_entry_into(entry, &mut bytes);
    bytes
}

/// Appends what [`encode_entry`] gives.
pub fn encode_entry_into(entry: &Entry, bytes: &mut Vec<u8>) {
    let (kind, membership, proposal): (_, _, &[u8]) = match &entry.payload {
        EntryPayload::Blank => (Kind::Blank, None, &[]),
        EntryPayload::Normal(command) => (Kind::Proposal, None, command.bytes()),
        EntryPayload::Membership(membership) => (Kind::Membership, Some(membership.into()), &[]),
    };
    let header = EntryRecord { id: (&entry.log_id).into(), kind, membership };
    let header = serde_json::to_vec(&header).expect("plain data serialises");
    bytes.reserve(1 + LENGTH + header.len() + proposal.len());
    bytes.push(FORMAT);
    // A header has some hundred bytes.
    bytes.extend_from_slice(&u32::try_from(header.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(proposal);
}

/// Reads an entry, and checks that this build can read the proposal in it.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, StoreError> {
    let damaged = |why: &str| StoreError::Damaged(format!("a log entry: {why}"));
    let rest = after_format(bytes, "a log entry")?;
    let (length, rest) = rest.split_first_chunk::<LENGTH>().ok_or_else(|| damaged("it is too short"))?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (header, proposal) = rest.split_at_checked(length).ok_or_else(|| damaged("it is too short"))?;
    let header: EntryRecord = serde_json::from_slice(header).map_err(|error| damaged(&error.to_string()))?;
    let payload: Payload = match header.kind {
        Kind::Blank => EntryPayload::Blank,
        Kind::Proposal => {
            let supported = gam_core::state::codec::FORMAT;
            match proposal.first() {
                None => return Err(damaged("its proposal is empty")),
                Some(found) if *found > supported => return Err(StoreError::NewerFormat { found: *found, supported }),
                Some(_) => EntryPayload::Normal(Command::from_bytes(proposal.into())),
            }
        }
        Kind::Membership => {
            let membership = header.membership.ok_or_else(|| damaged("its membership is missing"))?;
            EntryPayload::Membership(membership.into_membership()?)
        }
    };
    Ok(Entry::new(header.id.into(), payload))
}

/// What a snapshot stands for, as bytes.
pub fn encode_meta(meta: &SnapshotMeta) -> Vec<u8> {
    encode(&SnapshotRecord {
        last: meta.last_log_id.as_ref().map(LogIdRecord::from),
        membership_at: meta.last_membership.log_id().as_ref().map(LogIdRecord::from),
        membership: meta.last_membership.membership().into(),
    })
}

/// Reads what a snapshot stands for.
pub fn decode_meta(bytes: &[u8]) -> Result<SnapshotMeta, StoreError> {
    let record: SnapshotRecord = decode(bytes, "a snapshot's header")?;
    let at = record.membership_at.map(LogId::from);
    Ok(SnapshotMeta {
        last_log_id: record.last.map(LogId::from),
        last_membership: StoredMembership::new(at, record.membership.into_membership()?),
    })
}

#[cfg(test)]
mod tests;
