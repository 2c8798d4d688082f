use openraft::vote::RaftLeaderId;
use openraft::{EntryPayload, LogId as RaftLogId};
use proptest::prelude::*;

use super::*;
use crate::fixture;
use crate::raft::{Command, LeaderId};

fn envelope() -> Envelope {
    Envelope { from: 7, to: Some(9), descent: Descent { lineage: u64::MAX, former: vec![3, u64::MAX - 1] } }
}

fn log_id(index: u64) -> LogId {
    RaftLogId::new(LeaderId::new(3, 7), index)
}

fn vote() -> Vote {
    Vote { leader_id: LeaderId::new(3, 7), committed: true }
}

fn append(indices: impl IntoIterator<Item = u64>) -> Request {
    let entry = |index| Entry::new(log_id(index), EntryPayload::Normal(Command::new(fixture::proposal([index]))));
    let entries = indices.into_iter().map(entry).collect();
    let (prev_log_id, leader_commit) = (Some(log_id(4)), Some(log_id(2)));
    Request::Append(AppendEntriesRequest { vote: vote(), prev_log_id, entries, leader_commit })
}

fn reread(request: &Request) -> Request {
    let (read, request) = decode_request(&encode_request(&envelope(), request)).unwrap();
    assert_eq!(read, envelope());
    request
}

#[test]
fn requests_of_every_kind_read_back() {
    let Request::Append(read) = reread(&append(5..8)) else { panic!("another kind") };
    assert_eq!((read.vote, read.prev_log_id, read.leader_commit), (vote(), Some(log_id(4)), Some(log_id(2))));
    let indices: Vec<u64> = read.entries.iter().map(RaftEntry::index).collect();
    assert_eq!(indices, [5, 6, 7]);
    let EntryPayload::Normal(command) = &read.entries[1].payload else { panic!("another kind") };
    assert_eq!(command.take().unwrap(), fixture::proposal([6]));

    let mut asked = VoteRequest::new(Vote { committed: false, ..vote() }, Some(log_id(9)));
    asked.leadership_transfer = true;
    assert!(matches!(reread(&Request::Vote(asked.clone())), Request::Vote(read) if read == asked));
    asked.leadership_transfer = false;
    assert!(matches!(reread(&Request::PreVote(asked.clone())), Request::PreVote(read) if read == asked));
    let transfer = TransferLeaderRequest::new(vote(), 9, None);
    assert!(matches!(reread(&Request::Transfer(transfer.clone())), Request::Transfer(read) if read == transfer));
    let piece = Piece { vote: vote(), transfer: 5, number: 6, last: true, data: Bytes::from_static(b"\0data") };
    let Request::Piece(read) = reread(&Request::Piece(piece)) else { panic!("another kind") };
    assert_eq!((read.transfer, read.number, read.last, &read.data[..]), (5, 6, true, &b"\0data"[..]));
}

#[test]
fn answers_of_every_kind_read_back() {
    let answers = [
        Response::Appended(AppendEntriesResponse::Success),
        Response::Appended(AppendEntriesResponse::PartialSuccess(Some(log_id(1)))),
        Response::Appended(AppendEntriesResponse::Conflict),
        Response::Appended(AppendEntriesResponse::HigherVote(vote())),
        Response::Voted(VoteResponse::new(vote(), None, true)),
        Response::Transferred(Ok(())),
        Response::Transferred(Err(TransferLeaderError::VoteChanged { expected: vote(), actual: vote() })),
        Response::Transferred(Err(TransferLeaderError::LogNotFlushed { expected: Some(log_id(1)), actual: None })),
        Response::Received(vote()),
    ];
    for answer in answers {
        let read = decode_response(&encode_response(&answer)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{answer:?}"));
    }
}

#[test]
fn what_raft_would_choke_on_is_refused() {
    let refused = |request: &Request| match decode_request(&encode_request(&envelope(), request)) {
        Err(StoreError::Message(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    };
    assert_eq!(refused(&append([6, 7])), "it has entry 6 where 5 should be");
    assert_eq!(refused(&append([5, 7])), "it has entry 7 where 6 should be");
    let Request::Append(mut unelected) = append([5]) else { unreachable!() };
    unelected.vote.committed = false;
    assert_eq!(refused(&Request::Append(unelected)), "its sender was not elected");
    let transfer = Request::Transfer(TransferLeaderRequest::new(vote(), 9, None));
    let piece = Request::Piece(Piece { vote: vote(), transfer: 5, number: 6, last: true, data: Bytes::new() });
    let asked = || VoteRequest::new(Vote { committed: false, ..vote() }, Some(log_id(9)));
    let foreign = Envelope { from: 8, ..envelope() };
    for request in [append([5]), Request::Vote(asked()), Request::PreVote(asked()), transfer, piece] {
        let read = Message::read(&encode_request(&foreign, &request));
        assert!(matches!(read, Err(StoreError::Message(why)) if why == "member 8 speaks as member 7"));
    }
    let mut newer = encode_request(&envelope(), &append([5])).to_vec();
    newer[0] = FORMAT + 1;
    assert!(matches!(decode_request(&newer.into()), Err(StoreError::Message(why)) if why.contains("format 2")));
}

#[test]
fn a_cut_message_is_refused() {
    let whole = encode_request(&envelope(), &append(5..7));
    for length in 0..whole.len() {
        match decode_request(&whole.slice(..length)) {
            Err(StoreError::Message(_)) => {}
            Err(other) => panic!("{other}"),
            // Cut right between two entries it is a shorter message; the connection's own checks are for that.
            Ok((_, Request::Append(append))) => assert!(append.entries.len() < 2),
            Ok(_) => panic!("another kind"),
        }
    }
}

proptest! {
    #[test]
    fn noise_is_refused_without_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, with: u8) {
        let _ = decode_request(&noise.clone().into());
        let _ = decode_response(&noise);
        let mut changed = encode_request(&envelope(), &append(5..7)).to_vec();
        let at = at % changed.len();
        changed[at] = with;
        let _ = decode_request(&changed.into());
    }
}
