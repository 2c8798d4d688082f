//! Messages between members as bytes of ours: `format | length of the header | header (JSON) | body`.
//!
//! The body holds what is large, as it lies in memory: entries in the form in which they are logged, or a piece of a snapshot.
//! An answer is small: `format | JSON`. What comes from outside is checked here as far as Raft would otherwise trust it.
//! Called by `network` on the way out and by `Store::handle` on the way in.

use bytes::Bytes;
use openraft::LogIdOptionExt;
use openraft::entry::RaftEntry;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::codec::{self, LogIdRecord, VoteRecord};
use crate::error::StoreError;
use crate::lineage::Descent;
use crate::raft::{Entry, LogId, Types, Vote};

/// The format that this build writes, and the newest that it reads.
const FORMAT: u8 = 1;
/// Bytes of a length.
const LENGTH: usize = 4;

/// Who sends a message to whom, and of which history of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub from: u64,
    /// `None` in messages of a member that did not say it yet.
    pub to: Option<u64>,
    pub descent: Descent,
}

/// A message of another member, read and not acted on yet: whoever passes it on looks first who sends it.
pub struct Message {
    pub(crate) envelope: Envelope,
    pub(crate) request: Request,
}

impl Message {
    /// Reads a message, and makes sure that whoever sends it speaks for itself.
    pub fn read(bytes: &Bytes) -> Result<Message, StoreError> {
        let (envelope, request) = decode_request(bytes)?;
        Ok(Message { envelope, request })
    }

    /// The raft id as which its sender speaks.
    pub fn from(&self) -> u64 {
        self.envelope.from
    }
}

/// What one member asks of another.
pub enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Transfer(TransferLeaderRequest<Types>),
    Piece(Piece),
}

/// A piece of a snapshot.
pub struct Piece {
    /// The vote of the leader that sends it.
    pub vote: Vote,
    /// Which of the sender's transfers it belongs to.
    pub transfer: u64,
    /// Its number, from 0; the first is the snapshot's header.
    pub number: u64,
    /// Whether the snapshot is complete with it.
    pub last: bool,
    pub data: Bytes,
}

/// What the other member answers.
#[derive(Debug)]
pub enum Response {
    Appended(AppendEntriesResponse<Types>),
    Voted(VoteResponse<Types>),
    Transferred(TransferLeaderResponse<Types>),
    /// A piece was taken, unless this vote is a later one than the sender's.
    Received(Vote),
}

#[derive(Serialize, Deserialize)]
struct Header {
    from: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    lineage: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<u64>,
    request: RequestRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RequestRecord {
    Append { vote: VoteRecord, prev: Option<LogIdRecord>, commit: Option<LogIdRecord> },
    Vote { vote: VoteRecord, last: Option<LogIdRecord>, transfer: bool },
    PreVote { vote: VoteRecord, last: Option<LogIdRecord> },
    Transfer { vote: VoteRecord, to: u64, last: Option<LogIdRecord> },
    Piece { vote: VoteRecord, transfer: u64, number: u64, last: bool },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResponseRecord {
    Appended,
    AppendedUpTo { last: Option<LogIdRecord> },
    Conflict,
    HigherVote { vote: VoteRecord },
    Voted { vote: VoteRecord, granted: bool, last: Option<LogIdRecord> },
    Transferred,
    VoteChanged { expected: VoteRecord, actual: VoteRecord },
    NotFlushed { expected: Option<LogIdRecord>, actual: Option<LogIdRecord> },
    Received { vote: VoteRecord },
}

fn out(id: Option<&LogId>) -> Option<LogIdRecord> {
    id.map(LogIdRecord::from)
}

fn back(record: Option<LogIdRecord>) -> Option<LogId> {
    record.map(LogId::from)
}

/// A message as bytes.
pub fn encode_request(envelope: &Envelope, request: &Request) -> Bytes {
    let record = match request {
        Request::Append(append) => RequestRecord::Append {
            vote: (&append.vote).into(),
            prev: out(append.prev_log_id.as_ref()),
            commit: out(append.leader_commit.as_ref()),
        },
        Request::Vote(vote) => RequestRecord::Vote {
            vote: (&vote.vote).into(),
            last: out(vote.last_log_id.as_ref()),
            transfer: vote.leadership_transfer,
        },
        Request::PreVote(vote) => {
            RequestRecord::PreVote { vote: (&vote.vote).into(), last: out(vote.last_log_id.as_ref()) }
        }
        Request::Transfer(transfer) => RequestRecord::Transfer {
            vote: transfer.from_leader().into(),
            to: *transfer.to_node_id(),
            last: out(transfer.last_log_id()),
        },
        Request::Piece(piece) => RequestRecord::Piece {
            vote: (&piece.vote).into(),
            transfer: piece.transfer,
            number: piece.number,
            last: piece.last,
        },
    };
    let Envelope { from, to, descent: Descent { lineage, former } } = envelope.clone();
    let header = Header { from, to, lineage, former, request: record };
    let header = serde_json::to_vec(&header).expect("plain data serialises");
    let mut bytes = vec![FORMAT];
    put(&mut bytes, |bytes| bytes.extend_from_slice(&header));
    match request {
        Request::Append(append) => {
            append.entries.iter().for_each(|entry| put(&mut bytes, |bytes| codec::encode_entry_into(entry, bytes)));
        }
        Request::Piece(piece) => bytes.extend_from_slice(&piece.data),
        _ => {}
    }
    bytes.into()
}

/// Appends something behind its length.
fn put(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len() + LENGTH;
    bytes.resize(start, 0);
    write(bytes);
    // A message is smaller than 4 GiB by far.
    let length = u32::try_from(bytes.len() - start).unwrap_or(u32::MAX);
    bytes[start - LENGTH..start].copy_from_slice(&length.to_be_bytes());
}

fn broken(why: impl std::fmt::Display) -> StoreError {
    StoreError::Message(why.to_string())
}

/// Takes something that stands behind its length.
fn take(bytes: &mut Bytes) -> Result<Bytes, StoreError> {
    let (length, _) = bytes.split_first_chunk::<LENGTH>().ok_or_else(|| broken("it is too short"))?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if bytes.len() - LENGTH < length {
        return Err(broken("it is too short"));
    }
    let taken = bytes.slice(LENGTH..LENGTH + length);
    *bytes = bytes.slice(LENGTH + length..);
    Ok(taken)
}

fn check_format(bytes: &[u8]) -> Result<(), StoreError> {
    match bytes.first() {
        Some(found) if *found > FORMAT => {
            Err(broken(format_args!("it has format {found}, and this gam reads formats up to {FORMAT}")))
        }
        Some(_) => Ok(()),
        None => Err(broken("it is empty")),
    }
}

/// Reads what [`encode_request`] wrote.
pub fn decode_request(message: &Bytes) -> Result<(Envelope, Request), StoreError> {
    check_format(message)?;
    let mut body = message.slice(1..);
    let header: Header = serde_json::from_slice(&take(&mut body)?).map_err(broken)?;
    let Header { from, to, lineage, former, request } = header;
    let envelope = Envelope { from, to, descent: Descent { lineage, former } };
    check_voice(from, &request)?;
    let request = match request {
        RequestRecord::Append { vote, prev, commit } => {
            let prev_log_id = back(prev);
            let vote = granted(vote)?;
            let entries = decode_entries(prev_log_id.as_ref(), body)?;
            Request::Append(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit: back(commit) })
        }
        RequestRecord::Vote { vote, last, transfer } => {
            let mut request = VoteRequest::new(vote.into(), back(last));
            request.leadership_transfer = transfer;
            Request::Vote(request)
        }
        RequestRecord::PreVote { vote, last } => Request::PreVote(VoteRequest::new(vote.into(), back(last))),
        RequestRecord::Transfer { vote, to, last } => {
            Request::Transfer(TransferLeaderRequest::new(granted(vote)?, to, back(last)))
        }
        RequestRecord::Piece { vote, transfer, number, last } => {
            Request::Piece(Piece { vote: granted(vote)?, transfer, number, last, data: body })
        }
    };
    Ok((envelope, request))
}

/// Nobody speaks for another member: each kind of message carries the vote of whoever sends it.
fn check_voice(from: u64, request: &RequestRecord) -> Result<(), StoreError> {
    let (RequestRecord::Append { vote, .. }
    | RequestRecord::Vote { vote, .. }
    | RequestRecord::PreVote { vote, .. }
    | RequestRecord::Transfer { vote, .. }
    | RequestRecord::Piece { vote, .. }) = request;
    let of = Vote::from(vote).leader_id.node_id;
    if of == from { Ok(()) } else { Err(broken(format_args!("member {from:x} speaks as member {of:x}"))) }
}

/// Only a leader appends, sends snapshots and hands over.
fn granted(vote: VoteRecord) -> Result<Vote, StoreError> {
    let vote = Vote::from(vote);
    if vote.committed { Ok(vote) } else { Err(broken("its sender was not elected")) }
}

/// The entries of a message: without a hole, right behind `prev`.
fn decode_entries(prev: Option<&LogId>, mut body: Bytes) -> Result<Vec<Entry>, StoreError> {
    let mut next = prev.next_index();
    let mut entries = Vec::new();
    while !body.is_empty() {
        let entry = codec::decode_entry(&take(&mut body)?).map_err(broken)?;
        if entry.index() != next {
            return Err(broken(format_args!("it has entry {} where {next} should be", entry.index())));
        }
        next = next.checked_add(1).ok_or_else(|| broken("its entries have no end"))?;
        entries.push(entry);
    }
    Ok(entries)
}

/// An answer as bytes.
pub fn encode_response(response: &Response) -> Bytes {
    let record = match response {
        Response::Appended(AppendEntriesResponse::Success) => ResponseRecord::Appended,
        Response::Appended(AppendEntriesResponse::PartialSuccess(last)) => {
            ResponseRecord::AppendedUpTo { last: out(last.as_ref()) }
        }
        Response::Appended(AppendEntriesResponse::Conflict) => ResponseRecord::Conflict,
        Response::Appended(AppendEntriesResponse::HigherVote(vote)) => ResponseRecord::HigherVote { vote: vote.into() },
        Response::Voted(voted) => ResponseRecord::Voted {
            vote: (&voted.vote).into(),
            granted: voted.vote_granted,
            last: out(voted.last_log_id.as_ref()),
        },
        Response::Transferred(Ok(())) => ResponseRecord::Transferred,
        Response::Transferred(Err(TransferLeaderError::VoteChanged { expected, actual })) => {
            ResponseRecord::VoteChanged { expected: expected.into(), actual: actual.into() }
        }
        Response::Transferred(Err(TransferLeaderError::LogNotFlushed { expected, actual })) => {
            ResponseRecord::NotFlushed { expected: out(expected.as_ref()), actual: out(actual.as_ref()) }
        }
        Response::Received(vote) => ResponseRecord::Received { vote: vote.into() },
    };
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, &record).expect("plain data serialises");
    bytes.into()
}

/// Reads what [`encode_response`] wrote.
pub fn decode_response(bytes: &[u8]) -> Result<Response, StoreError> {
    check_format(bytes)?;
    let record: ResponseRecord = serde_json::from_slice(&bytes[1..]).map_err(broken)?;
    Ok(match record {
        ResponseRecord::Appended => Response::Appended(AppendEntriesResponse::Success),
        ResponseRecord::AppendedUpTo { last } => Response::Appended(AppendEntriesResponse::PartialSuccess(back(last))),
        ResponseRecord::Conflict => Response::Appended(AppendEntriesResponse::Conflict),
        ResponseRecord::HigherVote { vote } => Response::Appended(AppendEntriesResponse::HigherVote(vote.into())),
        ResponseRecord::Voted { vote, granted, last } => {
            Response::Voted(VoteResponse::new(Vote::from(vote), back(last), granted))
        }
        ResponseRecord::Transferred => Response::Transferred(Ok(())),
        ResponseRecord::VoteChanged { expected, actual } => {
            Response::Transferred(Err(TransferLeaderError::VoteChanged {
                expected: expected.into(),
                actual: actual.into(),
            }))
        }
        ResponseRecord::NotFlushed { expected, actual } => {
            Response::Transferred(Err(TransferLeaderError::LogNotFlushed {
                expected: back(expected),
                actual: back(actual),
            }))
        }
        ResponseRecord::Received { vote } => Response::Received(vote.into()),
    })
}

#[cfg(test)]
mod tests;
