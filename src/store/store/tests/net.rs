//! Members in one process: real disks, and a network that can be cut, held up and healed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::SOON;
use crate::fixture::{Folder, proposal};
use crate::transport::{Answer, Purpose, Transport};
use crate::{Applied, Config, Leadership, Message, Store, StoreError};

/// The network.
#[derive(Clone, Default)]
pub struct Net(Arc<Mutex<Wires>>);

#[derive(Default)]
struct Wires {
    /// Who listens at which address.
    at: BTreeMap<String, Store>,
    /// From whom to whom nothing gets through: it is lost without a word.
    cut: BTreeSet<(u64, u64)>,
    /// Who cannot be called, and answers nobody's calls; its own calls are answered.
    deaf: BTreeSet<u64>,
    /// To whom messages of a purpose wait for the end of the hold.
    held: BTreeSet<(u64, Purpose)>,
    changed: watch::Sender<()>,
    /// The largest message of each purpose, and how many there were.
    carried: BTreeMap<Purpose, (usize, usize)>,
}

/// One member's end of it.
struct Line {
    net: Net,
    from: u64,
}

impl Net {
    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap()
    }

    pub fn cut(&self, from: u64, to: u64) {
        self.wires().cut.insert((from, to));
    }

    /// Lets nobody call a member any more.
    pub fn deafen(&self, member: u64) {
        self.wires().deaf.insert(member);
    }

    /// Cuts a member off from all others, both ways.
    pub fn isolate(&self, member: u64, others: impl IntoIterator<Item = u64>) {
        for other in others.into_iter().filter(|other| *other != member) {
            self.cut(member, other);
            self.cut(other, member);
        }
    }

    pub fn heal(&self) {
        let mut wires = self.wires();
        wires.cut.clear();
        wires.deaf.clear();
        wires.held.clear();
        wires.changed.send_replace(());
    }

    pub fn hold(&self, to: u64, purpose: Purpose) {
        self.wires().held.insert((to, purpose));
    }

    pub fn carried(&self, purpose: Purpose) -> (usize, usize) {
        self.wires().carried.get(&purpose).copied().unwrap_or_default()
    }

    fn is_cut(&self, from: u64, to: u64) -> bool {
        self.wires().cut.contains(&(from, to))
    }

    async fn released(&self, to: u64, purpose: Purpose) {
        let mut changed = self.wires().changed.subscribe();
        while self.wires().held.contains(&(to, purpose)) {
            changed.changed().await.unwrap();
        }
    }
}

impl Transport for Line {
    fn call(&self, to: u64, address: &str, purpose: Purpose, message: Bytes, limit: Duration) -> Answer {
        let (net, from, address) = (self.net.clone(), self.from, address.to_owned());
        let call = async move {
            {
                let mut wires = net.wires();
                let (largest, count) = wires.carried.entry(purpose).or_default();
                *largest = message.len().max(*largest);
                *count += 1;
            }
            net.released(to, purpose).await;
            if net.is_cut(from, to) || net.wires().deaf.contains(&to) {
                std::future::pending::<()>().await;
            }
            let there = net.wires().at.get(&address).cloned();
            let there = there.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            let message = Message::read(&message).map_err(io::Error::other)?;
            let answer = there.handle(message).await.map_err(io::Error::other);
            drop(there);
            if net.is_cut(to, from) {
                std::future::pending::<()>().await;
            }
            answer
        };
        Box::pin(async move {
            tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

/// Members, their folders, and the network between them.
pub struct Cluster {
    pub net: Net,
    folders: BTreeMap<u64, Folder>,
    addresses: BTreeMap<u64, String>,
    stores: BTreeMap<u64, Store>,
    tweak: fn(Config) -> Config,
}

impl Cluster {
    /// A cluster of members 1 to `size`.
    pub async fn of(size: u64) -> Cluster {
        Cluster::tweaked(size, |config| config).await
    }

    pub async fn tweaked(size: u64, tweak: fn(Config) -> Config) -> Cluster {
        let (folders, addresses, stores) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut cluster = Cluster { net: Net::default(), folders, addresses, stores, tweak };
        let first = Store::create(cluster.config(1)).await.unwrap();
        cluster.plug(1, first);
        for member in 2..=size {
            cluster.add(member).await;
        }
        cluster
    }

    pub fn config(&mut self, member: u64) -> Config {
        let folder = self.folders.entry(member).or_insert_with(Folder::new);
        let address = self.addresses.entry(member).or_insert_with(|| format!("member-{member}:2377"));
        let line = Line { net: self.net.clone(), from: member };
        (self.tweak)(Config::new(folder.path().join("state"), member, address.clone(), Arc::new(line)))
    }

    /// From now on a member lives at another address.
    pub fn move_to(&mut self, member: u64, address: &str) {
        self.addresses.insert(member, address.to_owned());
    }

    pub fn plug(&mut self, member: u64, store: Store) {
        self.net.wires().at.insert(self.addresses[&member].clone(), store.clone());
        self.stores.insert(member, store);
    }

    /// Takes a member off the network.
    pub fn unplug(&mut self, member: u64) -> Store {
        let store = self.stores.remove(&member).unwrap();
        self.net.wires().at.retain(|_, other| other.inner.member != member);
        store
    }

    /// Makes an empty member that waits.
    pub async fn join(&mut self, member: u64) {
        let store = Store::join(self.config(member)).await.unwrap();
        self.plug(member, store);
    }

    /// Makes a member and lets the leader take it in.
    pub async fn add(&mut self, member: u64) {
        self.join(member).await;
        let address = self.addresses[&member].clone();
        self.leader_but(&[member]).await.add_member(member, &address).await.unwrap();
    }

    /// Ends a member without a word to anybody.
    pub fn kill(&mut self, member: u64) {
        drop(self.unplug(member));
    }

    pub async fn reopen(&mut self, member: u64) {
        let config = self.config(member);
        let store = patiently(|| Store::open(config.clone())).await;
        self.plug(member, store);
    }

    pub fn store(&self, member: u64) -> &Store {
        &self.stores[&member]
    }

    pub fn ids(&self) -> Vec<u64> {
        self.stores.keys().copied().collect()
    }

    pub fn stores(&self) -> impl Iterator<Item = &Store> {
        self.stores.values()
    }

    /// The one member that leads, once all members follow it that are not in `apart`.
    pub async fn leader_but(&self, apart: &[u64]) -> Store {
        let deadline = Instant::now() + SOON;
        loop {
            let together = || self.stores.iter().filter(|(id, _)| !apart.contains(id));
            let leading: Vec<_> = together().filter(|(_, store)| leads(store)).collect();
            if let [(leader, store)] = leading[..]
                && together().all(|(id, store)| id == leader || follows(store, *leader))
            {
                return store.clone();
            }
            if Instant::now() > deadline {
                let views = self.stores.iter().map(|(id, store)| (id, store.leadership().borrow().clone()));
                panic!("no leader but {apart:?}: {:?}", views.collect::<Vec<_>>());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub async fn leader(&self) -> Store {
        self.leader_but(&[]).await
    }

    /// Proposes through whoever leads.
    pub async fn propose(&self, number: u64) -> Arc<Applied> {
        self.leader().await.propose(proposal([number])).await.unwrap()
    }

    /// Waits until every member has applied what the leader has.
    pub async fn level(&self) {
        let index = self.leader().await.read_index().await.unwrap();
        for store in self.stores() {
            store.applied(index).await.unwrap();
        }
    }

    pub async fn shutdown(self) {
        for store in self.stores() {
            // All at once would do; one after the other also lets each hand over.
            store.shutdown().await;
        }
    }
}

impl Store {
    /// Makes a member with a vote, all steps in one.
    pub async fn add_member(&self, id: u64, address: &str) -> Result<(), StoreError> {
        self.add_learner(id, address).await?;
        self.caught_up(id, address).await?;
        self.add_voter(id, address).await
    }
}

/// Opens what another owner may not have let go of yet.
pub async fn patiently<F: Future<Output = Result<Store, StoreError>>>(open: impl Fn() -> F) -> Store {
    let deadline = Instant::now() + SOON;
    loop {
        match open().await {
            Err(StoreError::InUse(_)) if Instant::now() < deadline => sleep(Duration::from_millis(1)).await,
            other => return other.unwrap(),
        }
    }
}

pub fn leads(store: &Store) -> bool {
    matches!(*store.leadership().borrow(), Leadership::Leader { .. })
}

pub fn follows(store: &Store, wanted: u64) -> bool {
    matches!(&*store.leadership().borrow(), Leadership::Follower { leader, .. } if *leader == wanted)
}
