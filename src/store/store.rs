//! The store's handle: making, opening, proposing, reading, closing.
//!
//! Puts the parts together and turns openraft's errors into [`StoreError`]; how long a caller waits is decided here. Called
//! by the leader's loop, the API and the daemon's start and stop. Messages of other members come in through `inbound`; who is
//! a member, and who leads, is changed in `membership`.

mod inbound;
mod membership;
mod opening;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gam_core::state::{Proposal, State};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::{BasicNode, RaftState, ReadPolicy, SnapshotPolicy};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::config::{Config, KeySource};
use crate::error::StoreError;
use crate::failure::Failure;
use crate::keys::Keyring;
use crate::leadership::{Leadership, Observer, Reign};
use crate::lineage::{History, Lineage};
use crate::log::Log;
use crate::machine::{Machine, Published};
use crate::network::{Addresses, Network};
use crate::raft::{Command, Raft, Types};
use crate::snapshot::{Arrivals, Snapshots};
use crate::{Applied, keeper};
pub use membership::Member;
use opening::Opened;

/// How long a proposal or a read may take, waiting for a leader included. Elections settle within a second; a quorum that does
/// not answer for this long is lost.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a member that is alone may take to lead after its start: one fsync, on a disk that may be busy.
const LEAD_DEADLINE: Duration = Duration::from_secs(30);
/// The first pause before asking again whether there is a leader: right after an election the answer is "no" for some
/// milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest such pause: a tenth of the shortest election time-out is soon enough.
const LONGEST_PAUSE: Duration = Duration::from_millis(30);
/// A proposal may have this many bytes: some 200,000 new tasks, far more than one step makes, and little enough to be held
/// several times in memory.
const MAX_PROPOSAL: usize = 128 << 20;
/// A proposal of more changes is encoded on a thread that may block.
const MANY_CHANGES: usize = 64;
/// What a message may add to a proposal: its own header, and the entries before it in the same message.
const MESSAGE_OVERHEAD: usize = 8 << 20;
/// The largest message between members, for the transport's limits.
pub const MAX_MESSAGE: usize = MAX_PROPOSAL + MESSAGE_OVERHEAD;
/// Pauses before a member that could not be reached is tried again. Short: it may be back after a moment, and a message costs little.
const BACKOFF: &str = "20ms, 40ms, 80ms ...100ms";
/// Entries in one message to a member that is behind, if they have few bytes ([`Log`] sees to that): it writes each message to its
/// disk by itself, and a minute's entries are to be a few of them.
const ENTRIES_MAX: u64 = 2000;
/// A leader that was not heard for so many of the longest election time-outs leads no more, as far as this member knows: by
/// then the others have elected another one, if they can.
const SILENT_ELECTIONS: u32 = 2;
/// Requests that may wait for Raft's core, so that a flood waits at its source.
const RAFT_QUEUE: u64 = 1024;

/// One member's store. Clones share it; [`Store::shutdown`] ends it for all of them.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    member: u64,
    raft: Raft,
    log: Log,
    keyring: Arc<Keyring>,
    snapshots: Arc<Snapshots>,
    published: Arc<Published>,
    leadership: watch::Receiver<Leadership>,
    reign: Arc<Reign>,
    lineage: Arc<Lineage>,
    network: Network,
    arrivals: Arc<Arrivals>,
    /// A member that was not heard for so long counts as unreachable.
    election: Duration,
    failure: Failure,
    stopped: AtomicBool,
    observer: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

impl Store {
    /// Makes a fresh cluster of one member and leads it. Refuses with [`StoreError::Exists`] if there is state already.
    ///
    /// A crash while it is made leaves nothing: the folder then counts as empty.
    pub async fn create(config: Config) -> Result<Store, StoreError> {
        let raft_config = raft_config(&config)?;
        let for_files = config.clone();
        let opened = blocking(move || opening::create(&for_files)).await?;
        let store = Store::start(&config, raft_config, opened).await?;
        let members = BTreeMap::from([(config.member, BasicNode::new(config.address))]);
        if let Err(error) = store.inner.raft.initialize(members).await {
            return Err(match error {
                RaftError::Fatal(fatal) => store.fatal(&fatal),
                RaftError::APIError(error) => StoreError::Damaged(error.to_string()),
            });
        }
        store.lead().await?;
        Ok(store)
    }

    /// An empty member that waits to be added by a leader ([`Store::add_learner`]); [`Store::open`] opens it again. Its raft id
    /// must be new to the cluster: one that was used before, with other files, would break what it has promised.
    ///
    /// Refuses with [`StoreError::Exists`] if there is state already.
    pub async fn join(config: Config) -> Result<Store, StoreError> {
        let raft_config = raft_config(&config)?;
        let for_files = config.clone();
        let opened = blocking(move || opening::join(&for_files)).await?;
        Store::start(&config, raft_config, opened).await
    }

    /// Opens the state on disk: log, vote, snapshot; committed entries are applied again. A member that is alone leads when
    /// this returns; one of several returns as soon as it follows the protocol (see [`Store::leadership`]).
    pub async fn open(config: Config) -> Result<Store, StoreError> {
        Store::open_with(config, opening::open).await
    }

    /// `--force-new-cluster`: opens the state, keeps every entry of the log, acknowledged or not, and makes this member the
    /// only one. Durable before it returns; the members left behind cannot send it anything any more.
    pub async fn recover_alone(config: Config) -> Result<Store, StoreError> {
        Store::open_with(config, opening::open_alone).await
    }

    async fn open_with(
        config: Config,
        open: impl FnOnce(&Config) -> Result<Opened, StoreError> + Send + 'static,
    ) -> Result<Store, StoreError> {
        let raft_config = raft_config(&config)?;
        let for_files = config.clone();
        let opened = blocking(move || open(&for_files)).await?;
        let store = Store::start(&config, raft_config, opened).await?;
        // Asked of the core: its metrics are empty until it has run for the first time.
        let voters = |state: &RaftState<Types>| state.membership_state.effective().voter_ids().collect::<Vec<u64>>();
        let voters = store.inner.raft.with_raft_state(voters).await.map_err(|fatal| store.fatal(&fatal))?;
        if voters == [config.member] {
            let elected = store.inner.raft.trigger().elect(false).await;
            elected.map_err(|fatal| store.fatal(&fatal))?;
            store.lead().await?;
        }
        Ok(store)
    }

    /// Whether there is state in a folder, or a trace of it: [`Store::open`] then says whether it is whole.
    pub fn exists(dir: &Path) -> bool {
        opening::exists(dir)
    }

    /// Removes all state in a folder. The store must be shut down. The log goes first: once it is gone, so is the cluster.
    pub fn destroy(dir: &Path) -> Result<(), StoreError> {
        opening::destroy(dir)
    }

    async fn start(config: &Config, raft_config: openraft::Config, opened: Opened) -> Result<Store, StoreError> {
        let Opened { disk, loaded, keyring, snapshots, recovered } = opened;
        let failure = Failure::new();
        let lineage = loaded.lineage.clone();
        let log = Log::start(disk, loaded, failure.clone()).map_err(StoreError::io(&config.dir))?;
        let lineage = Arc::new(Lineage::new(lineage, log.clone()));
        let snapshots = Arc::new(snapshots);
        let published = Published::new(config.snapshot_interval);
        let machine = Machine::new(recovered, published.clone(), snapshots.clone(), failure.clone());
        let addresses = Arc::new(Addresses::default());
        let network = Network {
            member: config.member,
            transport: config.transport.clone(),
            lineage: lineage.clone(),
            addresses: addresses.clone(),
            log: log.clone(),
            transfers: Arc::new(AtomicU64::new(0)),
        };
        let raft = match Raft::new(config.member, Arc::new(raft_config), network.clone(), log.clone(), machine).await {
            Ok(raft) => raft,
            Err(fatal) => {
                log.stop().await;
                return Err(StoreError::Damaged(fatal.to_string()));
            }
        };
        let election = Duration::from_millis(config.election_max_ms);
        let reign = Arc::new(Reign::default());
        let (leads, leadership) = watch::channel(Leadership::NoLeader);
        let observer = Observer {
            raft: raft.clone(),
            leadership: leads,
            reign: reign.clone(),
            addresses,
            failure: failure.clone(),
            silence: election * SILENT_ELECTIONS,
        };
        let observer = tokio::spawn(failure.clone().guard("the observer of the lead", observer.observe()));
        let keeping = keeper::keep(raft.clone(), log.clone(), published.clone(), snapshots.clone());
        let keeper = tokio::spawn(failure.clone().guard("the keeper of snapshots", keeping));
        let inner = Inner {
            member: config.member,
            raft,
            log,
            keyring,
            snapshots,
            published,
            leadership,
            reign,
            lineage,
            network,
            arrivals: Arc::default(),
            election,
            failure,
            stopped: AtomicBool::new(false),
            observer,
            keeper,
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Waits until this member, which is alone, leads.
    async fn lead(&self) -> Result<(), StoreError> {
        let mut leadership = self.leadership();
        let mut failed = self.failed();
        let leads = leadership.wait_for(|now| matches!(now, Leadership::Leader { .. }));
        let result = tokio::select! {
            leads = leads => leads.map(drop).map_err(|_| self.inner.failure.check().err().unwrap_or(StoreError::Stopped)),
            _ = failed.wait_for(Option::is_some) => self.inner.failure.check(),
            () = sleep(LEAD_DEADLINE) => Err(StoreError::NoLeader),
        };
        if result.is_err() {
            self.shutdown().await;
        }
        result
    }

    /// Proposes changes. `Ok` only after a quorum has them on disk and they are applied here.
    ///
    /// Waits out an election, at most ten seconds in all. [`StoreError::Unknown`] is the one error after which the changes may
    /// yet have been made; after every other one they have not.
    pub async fn propose(&self, proposal: Proposal) -> Result<Arc<Applied>, StoreError> {
        self.check()?;
        let command = if proposal.changes.len() > MANY_CHANGES {
            blocking(move || Ok(Command::new(proposal))).await?
        } else {
            Command::new(proposal)
        };
        let bytes = command.bytes().len();
        if bytes > MAX_PROPOSAL {
            return Err(StoreError::TooLarge { bytes, limit: MAX_PROPOSAL });
        }
        let mut patience = Patience::new(DEADLINE);
        loop {
            self.confirmed(patience.deadline).await?;
            let written = timeout_at(patience.deadline, self.inner.raft.client_write(command.clone())).await;
            let error = match written {
                Err(_) => return Err(StoreError::Unknown),
                Ok(Ok(response)) => {
                    let lost = || StoreError::Damaged("an applied proposal gave no result".to_owned());
                    return response.data.applied.ok_or_else(lost);
                }
                Ok(Err(RaftError::Fatal(fatal))) => return Err(self.fatal(&fatal)),
                Ok(Err(RaftError::APIError(error))) => error,
            };
            match error {
                ClientWriteError::ForwardToLeader(forward) => self.not_leader(&forward, &mut patience).await?,
                ClientWriteError::LogEntryDiscarded(_) => return Err(StoreError::Unknown),
                // Neither belongs to a plain write.
                error @ (ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_)) => {
                    return Err(StoreError::Config(error.to_string()));
                }
            }
        }
    }

    /// The newest state applied here. Never waits; on a follower, or after a restart, it may lie behind the leader's.
    pub fn state(&self) -> Arc<State> {
        self.inner.published.state()
    }

    /// A state that contains every proposal acknowledged anywhere before this call (Raft's read index). On a member that
    /// does not lead: [`StoreError::NotLeader`]. Goes on after a failure, if this member is alone.
    pub async fn read(&self) -> Result<Arc<State>, StoreError> {
        let read = async { self.applied(self.read_index().await?).await };
        match read.await {
            // Nobody else could have acknowledged anything since.
            Err(StoreError::Failed(_)) if self.stranded().is_some() => Ok(self.state()),
            read => read,
        }
    }

    /// An index of the log that contains every proposal acknowledged anywhere before this call; a quorum has confirmed meanwhile
    /// that this member leads. On a member that does not: [`StoreError::NotLeader`].
    pub async fn read_index(&self) -> Result<u64, StoreError> {
        self.check()?;
        let mut patience = Patience::new(DEADLINE);
        loop {
            let read = self.inner.raft.get_read_log_id(ReadPolicy::ReadIndex);
            match timeout_at(patience.deadline, read).await {
                Err(_) => return Err(StoreError::NoLeader),
                Ok(Ok((read, _))) => return Ok(read.index()),
                Ok(Err(RaftError::Fatal(fatal))) => return Err(self.fatal(&fatal)),
                Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                    self.not_leader(&forward, &mut patience).await?;
                }
                Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)))) => patience.pause().await?,
            }
        }
    }

    /// The state once this member has applied an index, which a leader gave by [`Store::read_index`]. Waits for it, at most ten
    /// seconds; then [`StoreError::Behind`].
    pub async fn applied(&self, index: u64) -> Result<Arc<State>, StoreError> {
        self.check()?;
        let mut reached = self.inner.published.reached();
        let mut failed = self.failed();
        let reaches = timeout(DEADLINE, reached.wait_for(|reached| *reached >= index));
        tokio::select! {
            reaches = reaches => match reaches {
                Ok(_) => Ok(self.state()),
                Err(_) => Err(StoreError::Behind { applied: *self.inner.published.reached().borrow(), wanted: index }),
            },
            _ = failed.wait_for(Option::is_some) => self.inner.failure.check().map(|()| self.state()),
        }
    }

    /// Every proposal applied from now on, in order. Bounded: a receiver that lags learns so, reads [`Store::state`], and goes
    /// on from there.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Applied>> {
        self.inner.published.subscribe()
    }

    /// The history of the cluster that this member belongs to.
    pub fn history(&self) -> History {
        History(self.inner.lineage.clone())
    }

    /// Who leads, followed.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// The failure of this store, if no other member can go on in its place.
    pub fn stranded(&self) -> Option<StoreError> {
        let error = self.inner.failure.check().err()?;
        let metrics = self.inner.raft.metrics();
        let alone = metrics.borrow_watched().membership_config.voter_ids().eq([self.inner.member]);
        alone.then_some(error)
    }

    /// Becomes `Some`, with a sentence, when the store has failed for good: it should be shut down, and opened anew once there
    /// is hope.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.inner.failure.watch()
    }

    /// Changes how often snapshots are taken (in entries) and how many older ones are kept; from the next one on.
    pub fn set_snapshot_policy(&self, interval: u64, keep_old: u64) {
        self.inner.published.set_snapshot_interval(interval);
        self.inner.snapshots.set_keep_old(keep_old);
    }

    /// Changes the key-encryption key: to one that the user keeps (the state is then locked at rest), or back to one on disk.
    /// Everything written from now on is sealed with a new data key. A crash leaves a store that opens with the old source or
    /// with the new one.
    ///
    /// Does nothing if it is this key already.
    pub async fn set_key(&self, source: KeySource) -> Result<(), StoreError> {
        self.check()?;
        if self.inner.keyring.is_held_by(&source) {
            return Ok(());
        }
        let keyring = self.inner.keyring.clone();
        blocking(move || keyring.change(&source)).await
    }

    /// Stops cleanly: a leader first hands over to another member, if one can be reached, and waits for that a moment. What
    /// was acknowledged is on disk, the file is closed when this returns. Later calls fail with [`StoreError::Stopped`], or
    /// with the failure if there was one before.
    pub async fn shutdown(&self) {
        self.leave_lead().await;
        self.inner.stopped.store(true, Ordering::Relaxed);
        self.inner.keeper.abort();
        stop(&self.inner.raft, &self.inner.snapshots, &self.inner.log).await;
    }

    fn check(&self) -> Result<(), StoreError> {
        self.inner.failure.check()?;
        if self.inner.stopped.load(Ordering::Relaxed) {
            return Err(StoreError::Stopped);
        }
        Ok(())
    }

    /// Raft has stopped: because the store failed, or because it was told to.
    fn fatal(&self, fatal: &Fatal<Types>) -> StoreError {
        match (self.check(), fatal) {
            (Err(error), _) => error,
            (Ok(()), Fatal::Stopped) => StoreError::Stopped,
            (Ok(()), fatal) => StoreError::Failed(fatal.to_string()),
        }
    }

    /// Waits while this member leads but has not heard a quorum for a while. What it took in meanwhile might come true long
    /// after its user was told that nobody knows.
    async fn confirmed(&self, deadline: Instant) -> Result<(), StoreError> {
        let mut leadership = self.leadership();
        let confirmed = |now: &Leadership| *now != Leadership::NoLeader || self.inner.reign.since().is_none();
        match timeout_at(deadline, leadership.wait_for(confirmed)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => self.check().and(Err(StoreError::Stopped)),
            Err(_) => Err(StoreError::NoLeader),
        }
    }

    /// Another leader is an error for the caller; no leader, right after an election, is a reason to wait a little.
    async fn not_leader(&self, forward: &ForwardToLeader<Types>, patience: &mut Patience) -> Result<(), StoreError> {
        match (forward.leader_id, &forward.leader_node) {
            (Some(leader), Some(node)) if leader != self.inner.member => {
                Err(StoreError::NotLeader { leader, address: node.addr.clone() })
            }
            _ => patience.pause().await,
        }
    }
}

impl Drop for Inner {
    /// A store that is dropped without [`Store::shutdown`] still stops, a little later, if the runtime lives on.
    fn drop(&mut self) {
        self.observer.abort();
        self.keeper.abort();
        if !self.stopped.load(Ordering::Relaxed)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (raft, snapshots, log) = (self.raft.clone(), self.snapshots.clone(), self.log.clone());
            runtime.spawn(async move { stop(&raft, &snapshots, &log).await });
        }
    }
}

/// Ends everything that touches the folder. The log comes last: it is what another process finds locked.
async fn stop(raft: &Raft, snapshots: &Arc<Snapshots>, log: &Log) {
    if let Err(error) = raft.shutdown().await {
        tracing::warn!(%error, "the consensus core did not stop cleanly");
    }
    // A snapshot that is being written is not cut off by stopping the task that waits for it.
    let snapshots = snapshots.clone();
    if let Err(error) = tokio::task::spawn_blocking(move || snapshots.close()).await {
        tracing::warn!(%error, "a snapshot may not be finished");
    }
    log.stop().await;
}

/// One caller's deadline and growing pauses.
struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Patience {
        Patience { deadline: Instant::now() + limit, pause: FIRST_PAUSE }
    }

    async fn pause(&mut self) -> Result<(), StoreError> {
        if Instant::now() + self.pause >= self.deadline {
            return Err(StoreError::NoLeader);
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Runs what blocks on a thread that may. A panic there (redb gives up that way on some damaged files) is damage.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Damaged(error.to_string())),
    }
}

fn raft_config(config: &Config) -> Result<openraft::Config, StoreError> {
    let raft = openraft::Config {
        cluster_name: "gam".to_owned(),
        heartbeat_interval: config.heartbeat_ms,
        election_timeout_min: config.election_min_ms,
        election_timeout_max: config.election_max_ms,
        // `keeper` decides when.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: keeper::KEPT_ENTRIES,
        api_channel_size: Some(RAFT_QUEUE),
        // A member that comes back does not disturb a leader that the others follow.
        enable_pre_vote: Some(true),
        backoff: BACKOFF.to_owned(),
        max_payload_entries: ENTRIES_MAX,
        // A leader that was restarted must be elected again: only a new term's first entry proves that all it has
        // acknowledged before is applied.
        enable_leader_restore: Some(false),
        ..openraft::Config::default()
    };
    if config.snapshot_interval == 0 {
        return Err(StoreError::Config("the snapshot interval must be at least 1".to_owned()));
    }
    raft.validate().map_err(|error| StoreError::Config(error.to_string()))
}

#[cfg(test)]
mod tests;
