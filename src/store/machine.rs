//! The state machine: committed entries go in, states and events come out.
//!
//! Applies proposals through [`State::apply`], publishes each new state for wait-free readers, and tells subscribers in
//! index order. Decides when a snapshot is due; never writes one by itself (`keeper` does, off this path), so writers are
//! never held up. Called by openraft alone, from one task.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use futures_util::{Stream, TryStreamExt};
use gam_core::state::{Event, Proposal, State};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};
use tokio::sync::{Notify, broadcast, watch};

use crate::Applied;
use crate::error::StoreError;
use crate::failure::Failure;
use crate::raft::{Answer, LeaderId, LogId, SnapshotMeta, StoredMembership, Types};
use crate::snapshot::{Frozen, Sealed, Snapshots};

/// Applied proposals kept for a subscriber that falls behind; then it reads the state anew.
const SUBSCRIPTION: usize = 1024;
/// A proposal of more bytes is applied on a thread that may block: it can take tens of milliseconds.
const LARGE_PROPOSAL: usize = 64 << 10;
/// Bytes of proposals that make a snapshot due before the interval does (or as many as the last snapshot has, if that is
/// more, so that writing snapshots never costs more than writing the log): the log lives in memory and is read at the start.
const MAX_LOG_BYTES: u64 = if cfg!(test) { 1 << 20 } else { 16 << 20 };

type RaftSnapshot = Snapshot<LeaderId, u64, openraft::BasicNode, Sealed>;

/// What the state machine shows to the rest of the store.
pub struct Published {
    state: ArcSwap<State>,
    applied: broadcast::Sender<Arc<Applied>>,
    /// The index of the last entry that is in `state`, Raft's own entries included.
    reached: watch::Sender<u64>,
    snapshot_interval: AtomicU64,
    snapshot_due: Notify,
    /// A snapshot that `keeper` has written and Raft does not know yet.
    prepared: Mutex<Option<Sealed>>,
}

impl Published {
    pub fn new(snapshot_interval: u64) -> Arc<Published> {
        Arc::new(Published {
            state: ArcSwap::default(),
            applied: broadcast::Sender::new(SUBSCRIPTION),
            reached: watch::Sender::new(0),
            snapshot_interval: AtomicU64::new(snapshot_interval),
            snapshot_due: Notify::new(),
            prepared: Mutex::default(),
        })
    }

    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Applied>> {
        self.applied.subscribe()
    }

    /// The index of the last entry that the state contains, followed.
    pub fn reached(&self) -> watch::Receiver<u64> {
        self.reached.subscribe()
    }

    pub fn set_snapshot_interval(&self, entries: u64) {
        self.snapshot_interval.store(entries.max(1), Ordering::Relaxed);
    }

    /// Waits until a snapshot is due.
    pub async fn snapshot_due(&self) {
        self.snapshot_due.notified().await;
    }

    /// Hands a written snapshot to Raft, which takes it at the next trigger.
    pub fn prepare(&self, sealed: Sealed) {
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sealed);
    }
}

/// The state machine.
pub struct Machine {
    state: State,
    applied: Option<LogId>,
    membership: StoredMembership,
    published: Arc<Published>,
    snapshots: Arc<Snapshots>,
    failure: Failure,
    /// Entries and bytes applied since a snapshot was last due.
    entries_since: u64,
    bytes_since: u64,
}

impl Machine {
    /// A state machine at a snapshot, or at the beginning.
    pub fn new(
        recovered: Option<Frozen>,
        published: Arc<Published>,
        snapshots: Arc<Snapshots>,
        failure: Failure,
    ) -> Machine {
        let mut machine = Machine {
            state: State::default(),
            applied: None,
            membership: StoredMembership::default(),
            published,
            snapshots,
            failure,
            entries_since: 0,
            bytes_since: 0,
        };
        if let Some(frozen) = recovered {
            machine.take(frozen);
        }
        machine
    }

    fn take(&mut self, frozen: Frozen) {
        self.applied = frozen.meta.last_log_id;
        self.membership = frozen.meta.last_membership;
        self.state = frozen.state;
        self.published.state.store(Arc::new(self.state.clone()));
        self.reach();
    }

    fn reach(&self) {
        self.published.reached.send_replace(self.applied.map_or(0, |last| last.index()));
    }

    /// The present state, fixed. Costs some pointers.
    pub fn freeze(&self) -> Frozen {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        Frozen { meta, state: self.state.clone() }
    }

    async fn apply_proposal(&mut self, index: u64, proposal: Proposal, bytes: usize) -> io::Result<Arc<Applied>> {
        let events = if bytes > LARGE_PROPOSAL {
            let mut state = self.state.clone();
            let apply = move || {
                let events = state.apply(index, &proposal);
                (state, events)
            };
            let (state, events) = tokio::task::spawn_blocking(apply).await.map_err(io::Error::other)?;
            self.state = state;
            events
        } else {
            self.state.apply(index, &proposal)
        };
        self.count(bytes);
        Ok(self.publish(index, events))
    }

    fn publish(&self, index: u64, events: Vec<Event>) -> Arc<Applied> {
        let state = Arc::new(self.state.clone());
        self.published.state.store(state.clone());
        let applied = Arc::new(Applied { index, state, events });
        // Nobody need be listening.
        let _ = self.published.applied.send(applied.clone());
        applied
    }

    fn count(&mut self, bytes: usize) {
        self.entries_since += 1;
        self.bytes_since += bytes as u64;
        let interval = self.published.snapshot_interval.load(Ordering::Relaxed);
        if self.entries_since >= interval || self.bytes_since >= MAX_LOG_BYTES.max(self.snapshots.size()) {
            self.entries_since = 0;
            self.bytes_since = 0;
            self.published.snapshot_due.notify_one();
        }
    }

    /// Raft stops at an error here; the reason goes to whoever watches the store.
    fn fail(&self, index: u64, error: &StoreError) -> io::Error {
        let reason = format!("entry {index} could not be applied: {error}");
        self.failure.report(reason.clone());
        io::Error::other(reason)
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Sealed;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let mut answer = Answer::default();
            let index = entry.log_id.index();
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
                EntryPayload::Normal(command) => {
                    let proposal = command.take().map_err(|error| self.fail(index, &error))?;
                    answer.applied = Some(self.apply_proposal(index, proposal, command.bytes().len()).await?);
                }
            }
            self.applied = Some(entry.log_id);
            self.reach();
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let prepared = self.published.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        Builder { prepared, frozen: self.freeze(), snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Sealed) -> Result<(), io::Error> {
        let snapshots = self.snapshots.clone();
        let install = move || {
            let frozen = snapshot.read().map_err(io::Error::other)?;
            snapshots.place(snapshot)?;
            Ok::<Frozen, io::Error>(frozen)
        };
        let installed = tokio::task::spawn_blocking(install).await.map_err(io::Error::other)?;
        let frozen =
            installed.inspect_err(|error| self.failure.report(format!("a snapshot was not taken: {error}")))?;
        self.take(Frozen { meta: meta.clone(), state: frozen.state });
        // What happened in between is not known one by one; subscribers learn that the state has moved.
        self.publish(self.state.index(), Vec::new());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        Ok(self.snapshots.newest().map(raft_snapshot))
    }
}

fn raft_snapshot(sealed: Sealed) -> RaftSnapshot {
    Snapshot { meta: sealed.meta.clone(), snapshot: sealed }
}

/// Gives Raft the snapshot that was prepared, or writes one now.
pub struct Builder {
    prepared: Option<Sealed>,
    frozen: Frozen,
    snapshots: Arc<Snapshots>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Sealed;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        if let Some(prepared) = self.prepared.take() {
            return Ok(raft_snapshot(prepared));
        }
        let (frozen, snapshots) = (self.frozen.clone(), self.snapshots.clone());
        let written = tokio::task::spawn_blocking(move || snapshots.write(&frozen)).await.map_err(io::Error::other)?;
        written.map(raft_snapshot)
    }
}
