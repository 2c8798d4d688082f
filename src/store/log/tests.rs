use std::sync::Arc;

use openraft::StorageError;
use openraft::entry::RaftEntry;
use openraft::storage::RaftLogStorageExt;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use redb::ReadableTable;

use super::*;
use crate::StoreError;
use crate::config::KeySource;
use crate::fixture::{self, Dice, FaultyDisk, Folder};
use crate::keys::Keyring;
use crate::machine::{Machine, Published};
use crate::raft::{Command, LeaderId};
use crate::snapshot::Snapshots;

fn start(database: redb::Database, keyring: &Arc<Keyring>) -> (Log, Failure) {
    let failure = Failure::new();
    let disk = Disk::new(database, keyring.clone());
    let mut loaded = disk.load().unwrap();
    if loaded.member.is_none() {
        disk.prepare(fixture::MEMBER, Some(&Descent::begin(1))).unwrap();
        loaded = disk.load().unwrap();
    }
    (Log::start(disk, loaded, failure.clone()).unwrap(), failure)
}

fn on(disk: &FaultyDisk) -> redb::Database {
    redb::Builder::new().create_with_backend(disk.clone()).unwrap()
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

fn entry(term: u64, index: u64) -> Entry {
    Entry::new(log_id(term, index), EntryPayload::Normal(Command::new(fixture::proposal([index]))))
}

struct Fresh;

impl StoreBuilder<Types, Log, Machine, Folder> for Fresh {
    async fn build(&self) -> Result<(Folder, Log, Machine), StorageError<Types>> {
        let folder = Folder::new();
        let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
        let (log, failure) = start(open_file(&folder.path().join("log"), true).unwrap(), &keyring);
        let (snapshots, _) = Snapshots::open(folder.path(), keyring, 0).unwrap();
        let machine = Machine::new(None, Published::new(1000), Arc::new(snapshots), failure);
        Ok((folder, log, machine))
    }
}

#[test]
fn openrafts_own_suite_passes_on_the_encrypted_log() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Suite::test_all(Fresh)).unwrap();
}

#[tokio::test]
async fn everything_is_there_after_a_reopen() {
    let folder = Folder::new();
    let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
    let path = folder.path().join("log");
    let (mut log, _) = start(open_file(&path, true).unwrap(), &keyring);
    let vote = Vote { leader_id: LeaderId::new(3, 1), committed: true };
    log.save_vote(&vote).await.unwrap();
    log.blocking_append((0..20).map(|index| entry(1, index))).await.unwrap();
    log.truncate_after(Some(log_id(1, 14))).await.unwrap();
    log.blocking_append((15..18).map(|index| entry(3, index))).await.unwrap();
    log.save_committed(Some(log_id(3, 16))).await.unwrap();
    log.purge(log_id(1, 4)).await.unwrap();
    let bytes = log.bytes();
    log.stop().await;
    assert!(log.save_vote(&vote).await.is_err(), "a stopped log takes nothing");

    let (mut log, _) = start(open_file(&path, false).unwrap(), &keyring);
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(3, 16)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(1, 4)), Some(log_id(3, 17))));
    let ids: Vec<LogId> = log.try_get_log_entries(..).await.unwrap().iter().map(|entry| entry.log_id).collect();
    let expected: Vec<LogId> =
        (5..15).map(|index| log_id(1, index)).chain((15..18).map(|index| log_id(3, index))).collect();
    assert_eq!(ids, expected);
    assert_eq!(log.bytes(), bytes);
    log.stop().await;
}

#[tokio::test]
async fn waiting_writes_share_an_fsync() {
    let folder = Folder::new();
    let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
    let disk = FaultyDisk::default();
    let (mut log, _) = start(on(&disk), &keyring);
    let before = disk.syncs();
    let mut flushed = Vec::new();
    for index in 0..100 {
        let (done, written) = Types::oneshot();
        log.append([entry(1, index)], IOFlushed::signal(done)).await.unwrap();
        flushed.push(written);
    }
    for written in flushed {
        written.await.unwrap().unwrap();
    }
    assert!(disk.syncs() - before < 100, "{} syncs for 100 entries", disk.syncs() - before);
    log.stop().await;
}

#[tokio::test]
async fn the_first_error_is_final() {
    let folder = Folder::new();
    let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
    let disk = FaultyDisk::default();
    let (mut log, failure) = start(on(&disk), &keyring);
    log.blocking_append([entry(1, 0)]).await.unwrap();
    disk.fail_after(0, 28);
    assert!(log.blocking_append([entry(1, 1)]).await.is_err());
    let Err(StoreError::Failed(reason)) = failure.check() else { panic!("no failure was reported") };
    assert!(reason.contains("No space left on device"), "{reason}");
    disk.fail_after(u64::MAX, 0);
    let syncs = disk.syncs();
    let vote = Vote { leader_id: LeaderId::new(9, 1), committed: false };
    assert!(log.save_vote(&vote).await.is_err(), "also with space again");
    assert!(log.blocking_append([entry(1, 2)]).await.is_err());
    assert_eq!(disk.syncs(), syncs, "a failed write is never tried again");
    log.stop().await;
}

/// More operations than any fuse lasts for: each writes to the disk at least once.
const MANY: u64 = 1000;

/// Writes entries and votes until the disk fails at a random operation, cuts the power, and looks at what is left.
async fn cut(seed: u64) {
    let mut dice = Dice(seed);
    let folder = Folder::new();
    let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
    let mut disk = FaultyDisk::default();
    let (mut log, _) = start(on(&disk), &keyring);
    let (mut next, mut purged, mut vote_sent, mut vote_saved) = (0, 0, 0, 0);
    for round in 0..6 {
        disk.fail_after(dice.below(120), 5);
        let mut acknowledged = next;
        for operation in 0.. {
            assert!(operation < MANY, "seed {seed}, round {round}: nothing reaches the disk");
            let result = match dice.below(10) {
                0 => {
                    vote_sent += 1;
                    let vote = Vote { leader_id: LeaderId::new(vote_sent, 1), committed: true };
                    let saved = log.save_vote(&vote).await.is_ok();
                    if saved {
                        vote_saved = vote_sent;
                    }
                    saved
                }
                1 if acknowledged > purged + 20 => {
                    purged += 10;
                    log.purge(log_id(1, purged - 1)).await.is_ok()
                }
                _ => {
                    let many = 1 + dice.below(5);
                    let written = log.blocking_append((next..next + many).map(|index| entry(1, index))).await;
                    next += many;
                    if written.is_ok() {
                        acknowledged = next;
                    }
                    written.is_ok()
                }
            };
            if !result {
                break;
            }
        }
        log.stop().await;
        disk = if dice.below(4) == 0 { disk.after_kill() } else { disk.after_power_cut(&mut dice) };
        log = start(on(&disk), &keyring).0;
        let found = log.try_get_log_entries(..).await.unwrap();
        let at = format!("seed {seed}, round {round}");
        let first = found.first().map_or(purged, RaftEntry::index);
        assert!(first <= purged, "{at}: entries from {purged} on are not purged, the first is {first}");
        let last = found.last().map_or(0, |entry| entry.index() + 1);
        assert!((acknowledged..=next).contains(&last), "{at}: {acknowledged} of {next} acknowledged, {last} found");
        for entry in &found {
            let EntryPayload::Normal(command) = &entry.payload else { panic!("{at}: another kind") };
            assert_eq!(command.take().unwrap(), fixture::proposal([entry.index()]), "{at}");
        }
        let term = log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
        assert!((vote_saved..=vote_sent).contains(&term), "{at}: vote {term}, saved {vote_saved}");
        next = last;
    }
    log.stop().await;
}

#[tokio::test]
async fn a_power_cut_takes_nothing_that_was_acknowledged() {
    for seed in 0..30 {
        cut(seed).await;
    }
}

#[tokio::test]
async fn moved_missing_and_foreign_records_are_refused() {
    const LOG: redb::TableDefinition<'static, u64, &[u8]> = redb::TableDefinition::new("log");
    const META: redb::TableDefinition<'static, &str, &[u8]> = redb::TableDefinition::new("meta");
    let folder = Folder::new();
    let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
    let disk = FaultyDisk::default();
    let (mut log, _) = start(on(&disk), &keyring);
    log.blocking_append((0..5).map(|index| entry(1, index))).await.unwrap();
    log.stop().await;
    let tampered = |tamper: &dyn Fn(&redb::WriteTransaction)| {
        let database = on(&disk.after_kill());
        let write = database.begin_write().unwrap();
        tamper(&write);
        write.commit().unwrap();
        Disk::new(database, keyring.clone()).load().err()
    };
    let swap = |write: &redb::WriteTransaction| {
        let mut log = write.open_table(LOG).unwrap();
        let record = log.get(2).unwrap().unwrap().value().to_vec();
        log.insert(3, record.as_slice()).unwrap();
    };
    assert!(matches!(tampered(&swap), Some(StoreError::Damaged(why)) if why.contains("log entry 3 is not authentic")));
    let hole = |write: &redb::WriteTransaction| drop(write.open_table(LOG).unwrap().remove(2).unwrap());
    assert!(matches!(tampered(&hole), Some(StoreError::Damaged(why)) if why.contains("log entry 2 is missing")));
    let newer = |write: &redb::WriteTransaction| {
        write.open_table(META).unwrap().insert("format", [2].as_slice()).unwrap();
    };
    assert!(matches!(tampered(&newer), Some(StoreError::NewerFormat { found: 2, supported: 1 })));
    assert!(tampered(&|_| ()).is_none());

    let other = Folder::new();
    let other = Arc::new(Keyring::create(other.path(), &KeySource::OnDisk).unwrap());
    assert!(matches!(Disk::new(on(&disk.after_kill()), other).load(), Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_read_for_another_member_is_bounded_but_never_empty() {
    let folder = Folder::new();
    let keyring = Arc::new(Keyring::create(folder.path(), &KeySource::OnDisk).unwrap());
    let (mut log, _) = start(on(&FaultyDisk::default()), &keyring);
    let large = |index| {
        let bytes: Arc<[u8]> = vec![1; MAX_READ_BYTES * 2 / 3].into();
        Entry::new(log_id(1, index), EntryPayload::Normal(Command::from_bytes(bytes)))
    };
    log.blocking_append([large(0), large(1), large(2)]).await.unwrap();
    assert_eq!(log.limited_get_log_entries(0, 3).await.unwrap().len(), 1);
    assert_eq!(log.limited_get_log_entries(1, 3).await.unwrap()[0].index(), 1);
    assert!(log.limited_get_log_entries(3, 3).await.unwrap().is_empty());
    assert!(log.try_get_log_entries((Bound::Excluded(5), Bound::Included(2))).await.unwrap().is_empty());
    log.stop().await;
}
