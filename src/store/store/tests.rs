mod chaos;
mod cluster;
mod net;

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use zeroize::Zeroizing;

use super::*;
use crate::fixture::{self, Dice, FaultyDisk, Folder, numbers, proposal};
use crate::lineage::Descent;

/// No test waits longer for what should come at once.
const SOON: Duration = Duration::from_secs(20);

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn snapshot_files(config: &Config) -> Vec<String> {
    let names = fs::read_dir(&config.dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("snapshot-") && !name.ends_with(".tmp")).collect()
}

/// A store whose log is on a disk that can fail.
async fn create_on(config: &Config, disk: &FaultyDisk) -> Result<Store, StoreError> {
    crate::files::make_dir(&config.dir).unwrap();
    let keyring = Arc::new(Keyring::create(&config.dir, &config.key)?);
    let database = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    let opened = opening::prepare(config, database, keyring, Some(Descent::begin(1)))?;
    let store = Store::start(config, raft_config(config)?, opened).await?;
    let members = BTreeMap::from([(config.member, BasicNode::new(config.address.clone()))]);
    store.inner.raft.initialize(members).await.unwrap();
    store.lead().await?;
    Ok(store)
}

async fn open_on(config: &Config, disk: &FaultyDisk) -> Result<Store, StoreError> {
    let keyring = Arc::new(Keyring::open(&config.dir, &config.key)?);
    let database = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    let opened = opening::recover(config, database, keyring)?;
    let store = Store::start(config, raft_config(config)?, opened).await?;
    store.inner.raft.trigger().elect(false).await.map_err(|fatal| store.fatal(&fatal))?;
    store.lead().await?;
    Ok(store)
}

fn term(store: &Store) -> u64 {
    match *store.leadership().borrow() {
        Leadership::Leader { term } => term,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn proposals_are_applied_published_and_there_after_a_reopen() {
    let folder = Folder::new();
    let config = folder.config();
    assert!(!Store::exists(&config.dir));
    let store = Store::create(config.clone()).await.unwrap();
    assert!(Store::exists(&config.dir));
    let mut subscription = store.subscribe();
    let mut indices = Vec::new();
    for number in 0..50 {
        let applied = store.propose(proposal([number])).await.unwrap();
        assert_eq!(applied.state.index(), applied.index);
        assert_eq!(store.state().index(), applied.index, "published before it is answered");
        assert_eq!(applied.events.len(), 1);
        indices.push(applied.index);
    }
    assert!(indices.is_sorted_by(|one, two| one < two));
    for index in &indices {
        assert_eq!(subscription.recv().await.unwrap().index, *index);
    }
    let before = store.read().await.unwrap();
    assert_eq!(numbers(&before), (0..50).collect());
    let first_term = term(&store);
    store.shutdown().await;
    assert!(matches!(store.propose(proposal([99])).await, Err(StoreError::Stopped)));
    assert!(matches!(store.read().await, Err(StoreError::Stopped)));

    let started = std::time::Instant::now();
    let store = Store::open(config.clone()).await.unwrap();
    let elapsed = started.elapsed();
    assert_eq!(fixture::bytes(&store.state()), fixture::bytes(&before));
    assert!(term(&store) > first_term);
    assert!(elapsed < Duration::from_millis(1000), "{elapsed:?}, although nothing need be waited for");
    let applied = store.propose(proposal([50])).await.unwrap();
    assert!(applied.index > *indices.last().unwrap());
    assert_eq!(numbers(&applied.state), (0..51).collect());
    store.shutdown().await;
}

#[tokio::test]
async fn making_opening_and_removing_refuse_what_they_should() {
    let folder = Folder::new();
    let config = folder.config();
    assert!(matches!(Store::open(config.clone()).await, Err(StoreError::Missing(_))));
    Store::destroy(&config.dir).unwrap();
    let store = Store::create(config.clone()).await.unwrap();
    store.propose(proposal([1])).await.unwrap();
    assert!(matches!(Store::create(config.clone()).await, Err(StoreError::Exists(_))), "while it is open");
    assert!(matches!(Store::open(config.clone()).await, Err(StoreError::InUse(_))));
    store.shutdown().await;
    assert!(matches!(Store::create(config.clone()).await, Err(StoreError::Exists(_))), "and when it is closed");
    let other = Config { member: 7, ..config.clone() };
    let opened = Store::open(other).await;
    assert!(matches!(opened, Err(StoreError::OtherMember { stored: fixture::MEMBER, given: 7 })));
    let invalid = Config { election_min_ms: 50, ..config.clone() };
    assert!(matches!(Store::open(invalid).await, Err(StoreError::Config(_))));

    Store::destroy(&config.dir).unwrap();
    assert_eq!(fs::read_dir(&config.dir).unwrap().count(), 0);
    assert!(!Store::exists(&config.dir));
    let store = Store::create(config).await.unwrap();
    assert_eq!(numbers(&store.state()), BTreeSet::new());
    store.shutdown().await;
}

#[tokio::test]
async fn a_store_whose_making_was_cut_short_counts_for_nothing() {
    let folder = Folder::new();
    let config = folder.config();
    // All files are there, but no cluster was begun.
    drop(opening::create(&config).unwrap());
    assert!(matches!(Store::open(config.clone()).await, Err(StoreError::Missing(_))));
    let store = Store::create(config).await.unwrap();
    store.propose(proposal([1])).await.unwrap();
    store.shutdown().await;
}

#[tokio::test]
async fn snapshots_shorten_the_log_and_recover_the_state() {
    let folder = Folder::new();
    let config = Config { snapshot_interval: 300, keep_old_snapshots: 1, ..folder.config() };
    let store = Store::create(config.clone()).await.unwrap();
    for number in 0..930 {
        store.propose(proposal([number])).await.unwrap();
    }
    // The third is due at 900 entries; 100 of the entries in it stay.
    let purged = || store.inner.raft.metrics().borrow_watched().purged.is_some_and(|last| last.index() > 780);
    until("the third snapshot and the purge behind it", purged).await;
    until("the third snapshot's place", || snapshot_files(&config).len() == 2).await;
    let before = store.state();
    store.shutdown().await;

    let store = Store::open(config.clone()).await.unwrap();
    assert_eq!(fixture::bytes(&store.state()), fixture::bytes(&before));
    let applied = store.propose(proposal([5000])).await.unwrap();
    assert_eq!(numbers(&applied.state).len(), 931);
    store.shutdown().await;

    // Without its snapshots the log is only a part.
    for name in snapshot_files(&config) {
        fs::remove_file(config.dir.join(name)).unwrap();
    }
    assert!(matches!(Store::open(config).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_stops_nobody() {
    let folder = Folder::new();
    let config = Config { snapshot_interval: 10, ..folder.config() };
    let store = Store::create(config.clone()).await.unwrap();
    let away = folder.path().join("away");
    // Nothing can be made in a folder that is not there; the open log does not mind.
    fs::rename(&config.dir, &away).unwrap();
    for number in 0..40 {
        store.propose(proposal([number])).await.unwrap();
    }
    fs::rename(&away, &config.dir).unwrap();
    assert!(store.failed().borrow().is_none());
    for number in 40..60 {
        store.propose(proposal([number])).await.unwrap();
    }
    until("a snapshot", || !snapshot_files(&config).is_empty()).await;
    store.shutdown().await;
}

#[tokio::test]
async fn the_key_can_be_taken_off_the_disk_and_changed() {
    let folder = Folder::new();
    let config = Config { snapshot_interval: 20, ..folder.config() };
    let given = |byte| Config { key: KeySource::Given(Zeroizing::new([byte; 32])), ..config.clone() };
    let store = Store::create(config.clone()).await.unwrap();
    for number in 0..30 {
        store.propose(proposal([number])).await.unwrap();
    }
    store.set_key(given(1).key).await.unwrap();
    let keys = std::fs::read(config.dir.join("keys")).unwrap();
    store.set_key(given(1).key).await.unwrap();
    assert_eq!(std::fs::read(config.dir.join("keys")).unwrap(), keys, "it is this one already");
    for number in 30..60 {
        store.propose(proposal([number])).await.unwrap();
    }
    store.shutdown().await;
    assert!(matches!(Store::open(config.clone()).await, Err(StoreError::Locked)));
    assert!(matches!(Store::open(given(2)).await, Err(StoreError::WrongKey)));
    assert!(matches!(Store::create(config.clone()).await, Err(StoreError::Exists(_))), "locked is not absent");

    let store = Store::open(given(1)).await.unwrap();
    assert_eq!(numbers(&store.state()), (0..60).collect());
    store.set_key(KeySource::OnDisk).await.unwrap();
    store.shutdown().await;
    let store = Store::open(config).await.unwrap();
    assert_eq!(numbers(&store.state()), (0..60).collect());
    store.shutdown().await;
}

#[tokio::test]
async fn nothing_readable_lies_on_the_disk() {
    let folder = Folder::new();
    let config = Config { snapshot_interval: 5, ..folder.config() };
    let store = Store::create(config.clone()).await.unwrap();
    for number in 0..10 {
        store.propose(proposal([number])).await.unwrap();
    }
    until("a snapshot", || !snapshot_files(&config).is_empty()).await;
    store.shutdown().await;
    for entry in fs::read_dir(&config.dir).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        for word in [b"config-".as_slice(), b"ConfigCreate", b"127.0.0.1"] {
            assert!(!content.windows(word.len()).any(|window| window == word), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_proposals_for_good_and_loses_nothing() {
    for room in [0, 3, 10, 40] {
        let folder = Folder::new();
        let config = folder.config();
        let disk = FaultyDisk::default();
        let store = create_on(&config, &disk).await.unwrap();
        let mut failed = store.failed();
        disk.fail_after(room, 28);
        let mut acknowledged = 0;
        let error = loop {
            match store.propose(proposal([acknowledged])).await {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, StoreError::Failed(why) if why.contains("No space left")), "{error:?}");
        failed.wait_for(Option::is_some).await.unwrap();
        // Space again does not revive it.
        disk.fail_after(u64::MAX, 0);
        assert!(matches!(store.propose(proposal([1000])).await, Err(StoreError::Failed(_))));
        // What was acknowledged can still be read, also once the files are closed.
        let read = numbers(&store.read().await.unwrap());
        assert!(read.is_superset(&(0..acknowledged).collect()) && !read.contains(&1000), "{read:?}");
        until("the loss of leadership", || *store.leadership().borrow() == Leadership::NoLeader).await;
        store.shutdown().await;
        assert_eq!(numbers(&store.read().await.unwrap()), read);
        assert!(matches!(store.propose(proposal([1001])).await, Err(StoreError::Failed(_))));

        let disk = disk.after_kill();
        let store = open_on(&config, &disk).await.unwrap();
        let found = numbers(&store.state());
        assert!(found.is_superset(&(0..acknowledged).collect()), "{acknowledged} acknowledged, {found:?} found");
        assert!(!found.contains(&1000) && !found.contains(&1001));
        store.propose(proposal([2000])).await.unwrap();
        store.shutdown().await;
    }
}

/// Several proposers, a snapshot now and then, and a power cut at a random operation of the disk; again and again.
async fn crash_and_recover(seed: u64) {
    let mut dice = Dice(seed);
    let folder = Folder::new();
    let config = Config { snapshot_interval: 15, ..folder.config() };
    let mut disk = FaultyDisk::default();
    let mut store = create_on(&config, &disk).await.unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut proposed = 0;
    let mut last_term = term(&store);
    for round in 0..5 {
        disk.fail_after(dice.below(200), 5);
        let proposers: Vec<_> = (0..3)
            .map(|_| {
                let store = store.clone();
                let own: Vec<u64> = (proposed..proposed + 1000).collect();
                proposed += 1000;
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for number in own {
                        if store.propose(proposal([number])).await.is_err() {
                            return done;
                        }
                        done.push(number);
                    }
                    panic!("the disk never failed");
                })
            })
            .collect();
        for proposer in proposers {
            acknowledged.extend(proposer.await.unwrap());
        }
        store.shutdown().await;
        disk = disk.after_power_cut(&mut dice);
        store = open_on(&config, &disk).await.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
        let found = numbers(&store.state());
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "seed {seed}, round {round}: lost {lost:?}");
        assert!(term(&store) > last_term, "seed {seed}, round {round}: the vote went back");
        last_term = term(&store);
    }
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_moment_loses_no_acknowledged_proposal() {
    for seed in 0..20 {
        crash_and_recover(seed).await;
    }
}

#[test]
fn a_reopened_store_has_the_state_it_had() {
    let sizes = proptest::collection::vec(0_u64..30, 1..25);
    let case = (sizes, 1_u64..12, any::<bool>());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let run = runner.run(&case, |(sizes, interval, twice)| {
        runtime.block_on(async {
            let folder = Folder::new();
            let config = Config { snapshot_interval: interval, ..folder.config() };
            let mut store = Store::create(config.clone()).await.unwrap();
            let mut next = 0;
            for size in sizes {
                store.propose(proposal(next..next + size)).await.unwrap();
                next += size;
                if twice && next % 7 == 3 {
                    store.shutdown().await;
                    store = Store::open(config.clone()).await.unwrap();
                }
            }
            let before = store.state();
            store.shutdown().await;
            let store = Store::open(config).await.unwrap();
            assert_eq!(fixture::bytes(&store.state()), fixture::bytes(&before));
            assert_eq!(numbers(&before), (0..next).collect());
            store.shutdown().await;
        });
        Ok(())
    });
    run.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_proposal_goes_through_whole_and_readers_never_wait() {
    let folder = Folder::new();
    let config = folder.config();
    let store = Store::create(config.clone()).await.unwrap();
    let applied = store.propose(proposal(0..30_000)).await.unwrap();
    assert_eq!(applied.events.len(), 30_000);
    assert_eq!(numbers(&store.state()).len(), 30_000);
    // So many bytes are a reason for a snapshot, and do not stay in the log.
    until("a snapshot", || !snapshot_files(&config).is_empty()).await;
    until("the purge", || store.inner.log.bytes() < 1000).await;
    store.shutdown().await;
    let store = Store::open(config).await.unwrap();
    assert_eq!(numbers(&store.state()).len(), 30_000);
    store.shutdown().await;
}

#[tokio::test]
async fn a_subscriber_that_lags_learns_so_and_finds_everything_in_the_state() {
    let folder = Folder::new();
    let store = Store::create(folder.config()).await.unwrap();
    let mut subscription = store.subscribe();
    for number in 0..1200 {
        store.propose(proposal([number])).await.unwrap();
    }
    assert!(matches!(subscription.recv().await, Err(broadcast::error::RecvError::Lagged(176))));
    let state = store.state();
    let next = subscription.recv().await.unwrap();
    assert!(next.index < state.index());
    assert_eq!(numbers(&state).len(), 1200);
    store.shutdown().await;
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_go_of_its_files() {
    let folder = Folder::new();
    let config = folder.config();
    let store = Store::create(config.clone()).await.unwrap();
    store.propose(proposal([1])).await.unwrap();
    drop(store);
    let deadline = Instant::now() + SOON;
    let store = loop {
        match Store::open(config.clone()).await {
            Err(StoreError::InUse(_)) if Instant::now() < deadline => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(numbers(&store.state()), BTreeSet::from([1]));
    store.shutdown().await;
}
