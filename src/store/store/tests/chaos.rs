//! A cluster under random cuts, kills and hand-overs, by a seed: first safety, then liveness.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::SOON;
use super::net::{Cluster, leads};
use crate::fixture::{Dice, bytes, numbers, proposal};
use crate::transport::Purpose;
use crate::{Config, Store, StoreError};

/// How long there is trouble.
const TROUBLE: Duration = Duration::from_secs(3);
const MEMBERS: u64 = 5;
/// Members that come and go.
const FIRST_GUEST: u64 = 11;
const GUESTS: u64 = 4;

/// What the writers and watchers share.
#[derive(Clone, Default)]
struct Record {
    stores: Arc<Mutex<Vec<Store>>>,
    next: Arc<AtomicU64>,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    /// Index to a digest of the state there, from whoever came first.
    states: Arc<Mutex<BTreeMap<u64, u64>>>,
    /// Indices at which two members had two states.
    split: Arc<Mutex<Vec<u64>>>,
    over: Arc<AtomicBool>,
}

impl Record {
    /// Compares every state that a member passes with what others had at the same index.
    fn watch(&self, store: &Store) {
        let (states, split, mut applied) = (self.states.clone(), self.split.clone(), store.subscribe());
        tokio::spawn(async move {
            loop {
                let applied = match applied.recv().await {
                    Ok(applied) => applied,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let mut digest = DefaultHasher::new();
                bytes(&applied.state).hash(&mut digest);
                let digest = digest.finish();
                let before = *states.lock().unwrap().entry(applied.state.index()).or_insert(digest);
                if before != digest {
                    split.lock().unwrap().push(applied.state.index());
                }
            }
        });
    }

    /// Writes through a random member until the trouble is over.
    fn write(&self, mut dice: Dice) -> JoinHandle<()> {
        let record = self.clone();
        tokio::spawn(async move {
            while !record.over.load(Ordering::Relaxed) {
                let store = {
                    let stores = record.stores.lock().unwrap();
                    stores[dice.below(stores.len() as u64) as usize].clone()
                };
                let number = record.next.fetch_add(1, Ordering::Relaxed);
                let written = timeout(Duration::from_millis(300), store.propose(proposal([number]))).await;
                if let Ok(Ok(applied)) = written {
                    assert!(numbers(&applied.state).contains(&number));
                    record.acknowledged.lock().unwrap().insert(number);
                } else {
                    sleep(Duration::from_millis(2)).await;
                }
            }
        })
    }

    fn publish(&self, cluster: &Cluster) {
        *self.stores.lock().unwrap() = cluster.stores().cloned().collect();
    }
}

async fn trouble(cluster: &mut Cluster, record: &Record, dice: &mut Dice) {
    let ids: Vec<u64> = (1..=MEMBERS).collect();
    let some = ids[dice.below(MEMBERS) as usize];
    let other = ids[dice.below(MEMBERS) as usize];
    match dice.below(13) {
        0 | 1 => cluster.net.isolate(some, ids),
        2 => cluster.net.cut(some, other),
        3 => cluster.net.hold(some, Purpose::Replication),
        4 => {
            let side: Vec<u64> = ids.iter().copied().filter(|_| dice.below(2) == 0).collect();
            for one in &side {
                ids.iter().filter(|other| !side.contains(other)).for_each(|other| {
                    cluster.net.cut(*one, *other);
                    cluster.net.cut(*other, *one);
                });
            }
        }
        5 => {
            // Its clones in the hands of writers end with their calls.
            let store = cluster.unplug(some);
            record.publish(cluster);
            store.inner.raft.shutdown().await.unwrap();
            drop(store);
            cluster.reopen(some).await;
            record.watch(cluster.store(some));
            record.publish(cluster);
        }
        6 => {
            let store = cluster.store(some).clone();
            tokio::spawn(async move { store.transfer_leadership(None).await });
        }
        7 => {
            let guest = FIRST_GUEST + dice.below(GUESTS);
            if cluster.ids().contains(&guest) {
                ask_leader(cluster, dice, move |store| async move { store.remove_member(guest).await });
            } else {
                cluster.join(guest).await;
                record.watch(cluster.store(guest));
                let address = cluster.config(guest).address;
                ask_leader(cluster, dice, move |store| {
                    let address = address.clone();
                    async move { store.add_member(guest, &address).await }
                });
            }
        }
        _ => cluster.net.heal(),
    }
}

/// Asks every member for something that only the leader does, for a while.
fn ask_leader<F>(cluster: &Cluster, dice: &mut Dice, ask: impl Fn(Store) -> F)
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let patience = Duration::from_millis(dice.below(1500));
    for member in 1..=MEMBERS {
        // Given up in the middle, a change is half done.
        tokio::spawn(timeout(patience, ask(cluster.store(member).clone())));
    }
}

async fn simulate(seed: u64) {
    let mut dice = Dice(seed);
    let tweak = |config| Config { snapshot_interval: 40, ..config };
    let mut cluster = Cluster::tweaked(MEMBERS, tweak).await;
    let record = Record::default();
    record.publish(&cluster);
    cluster.stores().for_each(|store| record.watch(store));
    let writers: Vec<_> = (0..3).map(|writer| record.write(Dice(seed + 1000 + writer))).collect();
    let end = Instant::now() + TROUBLE;
    while Instant::now() < end {
        trouble(&mut cluster, &record, &mut dice).await;
        sleep(Duration::from_millis(20 + dice.below(400))).await;
    }
    record.over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }

    cluster.net.heal();
    let healed = Instant::now();
    let last = record.next.fetch_add(1, Ordering::Relaxed);
    while !settled(&cluster, last).await {
        assert!(healed.elapsed() < SOON, "seed {seed}: no write everywhere after healing");
        sleep(Duration::from_millis(5)).await;
    }
    let acknowledged = record.acknowledged.lock().unwrap().clone();
    println!("seed {seed}: {} of {last} acknowledged, healed within {:?}", acknowledged.len(), healed.elapsed());
    let state = cluster.store(1).state();
    let lost: Vec<u64> = acknowledged.difference(&numbers(&state)).copied().collect();
    assert!(lost.is_empty(), "seed {seed}: lost {lost:?} of {}", acknowledged.len());
    for member in 1..=MEMBERS {
        assert_eq!(bytes(&cluster.store(member).state()), bytes(&state), "seed {seed}: member {member}");
    }
    assert_eq!(*record.split.lock().unwrap(), Vec::<u64>::new(), "seed {seed}");
    record.stores.lock().unwrap().clear();
    cluster.shutdown().await;
}

/// Whether a write goes through, and everybody that stays has all there is. A guest may lead too.
async fn settled(cluster: &Cluster, number: u64) -> bool {
    for store in cluster.stores().filter(|store| leads(store)) {
        if store.propose(proposal([number])).await.is_ok()
            && let Ok(index) = store.read_index().await
        {
            let all = (1..=MEMBERS).map(|member| cluster.store(member).applied(index));
            return futures_util::future::join_all(all).await.iter().all(Result::is_ok);
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_in_any_trouble() {
    // A seed given from outside runs that one alone.
    match std::env::var("GAM_STORE_SEED") {
        Ok(seed) => simulate(seed.parse().unwrap()).await,
        Err(_) => {
            for seed in 1..=3 {
                simulate(seed).await;
            }
        }
    }
}
