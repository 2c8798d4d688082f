use std::os::unix::fs::FileExt as _;

use openraft::LogId;
use openraft::vote::RaftLeaderId;

use super::*;
use crate::config::KeySource;
use crate::fixture::{self, Folder};
use crate::message::Piece;
use crate::raft::{LeaderId, Vote};

fn frozen(index: u64, count: u64) -> Frozen {
    let mut state = State::default();
    state.apply(index, &fixture::proposal(0..count));
    let meta = SnapshotMeta { last_log_id: Some(LogId::new(LeaderId::new(1, 1), index)), ..SnapshotMeta::default() };
    Frozen { meta, state }
}

fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    names.sort();
    names
}

fn ring(folder: &Folder) -> Arc<Keyring> {
    Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap())
}

#[test]
fn the_newest_snapshot_reads_back_and_old_ones_go() {
    let folder = Folder::new();
    let keyring = ring(&folder);
    let (snapshots, none) = Snapshots::open(folder.path(), keyring.clone(), 1).unwrap();
    assert!(none.is_none() && snapshots.newest().is_none());
    let first = snapshots.write(&frozen(5, 3)).unwrap();
    for index in [9, 12, 15] {
        snapshots.write(&frozen(index, index)).unwrap();
    }
    assert_eq!(names(&folder), ["snapshot-00000000000000000012", "snapshot-00000000000000000015"]);
    snapshots.set_keep_old(0);
    // Many chunks.
    let large = frozen(20, 400);
    snapshots.write(&large).unwrap();
    assert!(fixture::bytes(&large.state).len() > 3 * CHUNK);
    assert_eq!(names(&folder), ["snapshot-00000000000000000020"]);
    snapshots.write(&frozen(19, 1)).unwrap();
    assert_eq!(names(&folder).len(), 1, "an older one is not written");

    let (snapshots, read) = Snapshots::open(folder.path(), keyring, 0).unwrap();
    let read = read.unwrap();
    assert_eq!(read.meta, large.meta);
    assert_eq!(fixture::bytes(&read.state), fixture::bytes(&large.state));
    assert_eq!(snapshots.newest().unwrap().meta, large.meta);
    assert_eq!(fixture::numbers(&first.read().unwrap().state).len(), 3, "readable although its file was removed");
}

#[test]
fn a_changed_cut_or_renamed_snapshot_is_refused() {
    let folder = Folder::new();
    let keyring = ring(&folder);
    let (snapshots, _) = Snapshots::open(folder.path(), keyring.clone(), 0).unwrap();
    snapshots.write(&frozen(7, 300)).unwrap();
    let path = folder.path().join("snapshot-00000000000000000007");
    let whole = fs::read(&path).unwrap();
    let open = || Snapshots::open(folder.path(), keyring.clone(), 0).map(drop);
    let step = whole.len() / 50;
    for length in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(open(), Err(StoreError::Damaged(_))), "cut at {length}");
    }
    for position in (MAGIC.len() + 1..whole.len()).step_by(step) {
        fs::write(&path, &whole).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[whole[position] ^ 1], position as u64).unwrap();
        assert!(matches!(open(), Err(StoreError::Damaged(_))), "changed at {position}");
    }
    let mut newer = whole.clone();
    newer[MAGIC.len()] = FORMAT + 1;
    fs::write(&path, newer).unwrap();
    assert!(matches!(open(), Err(StoreError::NewerFormat { found: 2, supported: 1 })));
    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("snapshot-00000000000000000008"), &whole).unwrap();
    assert!(matches!(open(), Err(StoreError::Damaged(_))), "a snapshot under another index");
}

#[test]
fn a_failed_write_leaves_the_old_snapshot_and_no_litter() {
    let folder = Folder::new();
    let (snapshots, _) = Snapshots::open(folder.path(), ring(&folder), 0).unwrap();
    snapshots.write(&frozen(1, 1)).unwrap();
    // A folder in the way of the temporary file.
    let obstacle = folder.path().join("snapshot-00000000000000000002.tmp");
    fs::create_dir(&obstacle).unwrap();
    assert!(snapshots.write(&frozen(2, 2)).is_err());
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(names(&folder), ["snapshot-00000000000000000001"]);
    assert_eq!(snapshots.newest().unwrap().index, 1);
    snapshots.write(&frozen(2, 2)).unwrap();
    assert_eq!(names(&folder), ["snapshot-00000000000000000002"]);
}

#[test]
fn a_closed_folder_gets_no_more_snapshots() {
    let folder = Folder::new();
    let (snapshots, _) = Snapshots::open(folder.path(), ring(&folder), 0).unwrap();
    snapshots.write(&frozen(1, 1)).unwrap();
    snapshots.close();
    assert!(snapshots.write(&frozen(2, 2)).is_err());
    assert_eq!(names(&folder), ["snapshot-00000000000000000001"]);
}

fn pieces(sealed: Sealed) -> Vec<Piece> {
    let leader_id = LeaderId::new(1, 1);
    let piece = |chunk: io::Result<Chunk>| {
        let (number, last, data) = chunk.unwrap();
        Piece { vote: Vote { leader_id, committed: true }, transfer: 3, number, last, data: data.into() }
    };
    sealed.pieces().map(piece).collect()
}

fn arriving(folder: &Folder) -> usize {
    let all = fs::read_dir(folder.path()).unwrap();
    all.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("arriving")).count()
}

#[test]
fn a_snapshot_goes_in_pieces_from_folder_to_folder() {
    let (here, there) = (Folder::new(), Folder::new());
    let (ours, _) = Snapshots::open(here.path(), ring(&here), 0).unwrap();
    let theirs_ring = ring(&there);
    let (theirs, _) = Snapshots::open(there.path(), theirs_ring.clone(), 0).unwrap();
    let large = frozen(20, 400);
    let pieces = pieces(ours.write(&large).unwrap());
    assert!(pieces.len() > 4);
    let arrivals = Arrivals::default();
    let take = |from, piece: &Piece| arrivals.take(&theirs, from, piece);

    assert!(matches!(take(1, &pieces[1]), Err(StoreError::Message(_))), "no beginning");
    assert!(take(1, &pieces[0]).unwrap().is_none());
    assert!(take(1, &pieces[1]).unwrap().is_none());
    assert_eq!(arriving(&there), 1);
    assert!(matches!(take(1, &pieces[3]), Err(StoreError::Message(_))), "a hole");
    assert_eq!(arriving(&there), 0, "what cannot be finished is gone");
    assert!(take(1, &pieces[0]).unwrap().is_none());
    assert!(matches!(take(2, &pieces[1]), Err(StoreError::Message(_))), "another sender's");

    let unwanted = pieces.iter().find_map(|piece| take(1, piece).unwrap()).unwrap();
    assert_eq!(arriving(&there), 1);
    drop(unwanted);
    assert_eq!(arriving(&there), 0);

    let arrived = pieces.iter().find_map(|piece| take(1, piece).unwrap()).unwrap();
    assert_eq!(arrived.meta, large.meta);
    assert_eq!(fixture::bytes(&arrived.read().unwrap().state), fixture::bytes(&large.state));
    theirs.place(arrived).unwrap();
    assert_eq!((arriving(&there), names(&there)), (0, vec!["snapshot-00000000000000000020".to_owned()]));
    let (_, read) = Snapshots::open(there.path(), theirs_ring, 0).unwrap();
    assert_eq!(fixture::bytes(&read.unwrap().state), fixture::bytes(&large.state));

    let huge = Piece { vote: pieces[0].vote, transfer: 3, number: 0, last: false, data: vec![0; (1 << 20) + 1].into() };
    assert!(matches!(take(1, &huge), Err(StoreError::Message(_))));
}
