use std::sync::Arc;

use gam_core::state::codec as core_codec;
use proptest::prelude::*;

use super::*;
use crate::fixture;

fn log_id(term: u64, leader: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, leader), index)
}

fn membership() -> Membership {
    let nodes = [(1, "a:1"), (2, "b:2"), (9, "c:3")].map(|(id, address)| (id, openraft::BasicNode::new(address)));
    let voters = vec![BTreeSet::from([1]), BTreeSet::from([1, 2])];
    Membership::new(voters, BTreeMap::from(nodes)).unwrap()
}

fn reread(entry: &Entry) -> Entry {
    decode_entry(&encode_entry(entry)).unwrap()
}

#[test]
fn entries_of_every_kind_read_back() {
    let blank = Entry::new(log_id(3, 7, 11), EntryPayload::Blank);
    assert_eq!(reread(&blank).log_id, blank.log_id);
    assert!(matches!(reread(&blank).payload, EntryPayload::Blank));

    let members = Entry::new(log_id(1, 2, 3), EntryPayload::Membership(membership()));
    assert!(matches!(reread(&members).payload, EntryPayload::Membership(read) if read == membership()));

    let proposal = fixture::proposal([4, 5]);
    let entry = Entry::new(log_id(u64::MAX, u64::MAX, u64::MAX), EntryPayload::Normal(Command::new(proposal.clone())));
    let EntryPayload::Normal(command) = reread(&entry).payload else { panic!("another kind") };
    assert_eq!(command.take().unwrap(), proposal);
    assert_eq!(command.take().unwrap(), proposal, "also a second time");
}

#[test]
fn a_released_entry_stays_readable() {
    let header = br#"{"id":{"term":2,"leader":29,"index":5},"kind":"proposal","some_new_field":1}"#;
    let proposal = core_codec::encode_proposal(&fixture::proposal([8]));
    let mut bytes = vec![1];
    bytes.extend_from_slice(&(header.len() as u32).to_be_bytes());
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(&proposal);
    let entry = decode_entry(&bytes).unwrap();
    assert_eq!(entry.log_id, log_id(2, 29, 5));
    let EntryPayload::Normal(command) = entry.payload else { panic!("another kind") };
    assert_eq!(command.take().unwrap(), fixture::proposal([8]));
}

#[test]
fn newer_formats_are_refused_at_both_levels() {
    let mut entry = encode_entry(&Entry::new(log_id(1, 1, 1), EntryPayload::Blank));
    entry[0] = FORMAT + 1;
    assert!(matches!(decode_entry(&entry), Err(StoreError::NewerFormat { found: 2, supported: 1 })));

    let mut proposal = core_codec::encode_proposal(&fixture::proposal([1]));
    proposal[0] = core_codec::FORMAT + 1;
    let entry = Entry::new(log_id(1, 1, 1), EntryPayload::Normal(Command::from_bytes(Arc::from(proposal))));
    assert!(matches!(decode_entry(&encode_entry(&entry)), Err(StoreError::NewerFormat { .. })));

    let mut vote = encode(&VoteRecord { term: 1, leader: 1, granted: true });
    vote[0] = FORMAT + 1;
    assert!(matches!(decode::<VoteRecord>(&vote, "vote"), Err(StoreError::NewerFormat { .. })));
}

#[test]
fn votes_and_snapshot_headers_read_back() {
    for granted in [false, true] {
        let vote = Vote { leader_id: LeaderId::new(4, 2), committed: granted };
        assert_eq!(Vote::from(decode::<VoteRecord>(&encode(&VoteRecord::from(&vote)), "vote").unwrap()), vote);
    }
    for meta in [
        SnapshotMeta::default(),
        SnapshotMeta {
            last_log_id: Some(log_id(5, 6, 7)),
            last_membership: StoredMembership::new(Some(log_id(1, 2, 3)), membership()),
        },
    ] {
        assert_eq!(decode_meta(&encode_meta(&meta)).unwrap(), meta);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_entry(&bytes);
        let _ = decode_meta(&bytes);
        let _ = decode::<VoteRecord>(&bytes, "vote");
    }

    #[test]
    fn a_cut_entry_is_refused(cut in 0_usize..120) {
        let entry = Entry::new(log_id(1, 2, 3), EntryPayload::Membership(membership()));
        let bytes = encode_entry(&entry);
        prop_assume!(cut < bytes.len());
        prop_assert!(decode_entry(&bytes[..cut]).is_err());
    }
}
