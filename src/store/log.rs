//! The Raft log as openraft sees it: entries, the vote, the commit mark.
//!
//! The log lives in memory and readers never touch the disk. All writes go, in order, through one queue to one thread
//! ([`writer`]), which puts everything that waits into one transaction ([`disk`]), commits it with an fsync and only then
//! calls back. Nothing here decides anything: openraft does.

mod disk;
mod writer;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{EntryPayload, LogState, OptionalSend, RaftLogReader};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::lineage::Descent;
use crate::raft::{Entry, LogId, Types, Vote};

pub use disk::{Change, Disk, Loaded, open_file};
use writer::Write;

/// Writes that may wait for the disk; beyond it, appending waits too, and so the proposers.
const QUEUE: usize = 1024;
/// What one read for another member may hold in bytes (at least one entry): a message, not the whole log.
const MAX_READ_BYTES: usize = 4 << 20;
/// What an entry costs besides its proposal, roughly, for the account of the log's size.
const ENTRY_OVERHEAD: usize = 128;

/// A handle to the log; clones share it.
#[derive(Clone)]
pub struct Log {
    memory: Arc<Mutex<Memory>>,
    /// See [`Log::floor`].
    floor: Arc<AtomicU64>,
    writes: mpsc::Sender<Write>,
}

#[derive(Default)]
struct Memory {
    entries: BTreeMap<u64, Entry>,
    bytes: usize,
    purged: Option<LogId>,
    vote: Option<Vote>,
    committed: Option<LogId>,
}

fn cost(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(command) => ENTRY_OVERHEAD + command.bytes().len(),
        _ => ENTRY_OVERHEAD,
    }
}

fn total(entries: &BTreeMap<u64, Entry>) -> usize {
    entries.values().map(cost).sum()
}

impl Memory {
    fn insert(&mut self, entry: Entry) {
        self.bytes += cost(&entry);
        if let Some(old) = self.entries.insert(entry.index(), entry) {
            self.bytes -= cost(&old);
        }
    }

    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }
}

/// The error of a log whose writer is gone; the reason was reported when it went.
fn closed() -> io::Error {
    io::Error::other("the log is closed")
}

impl Log {
    /// A log over what was loaded from a disk; starts the thread that writes to it from now on.
    pub fn start(disk: Disk, loaded: Loaded, failure: Failure) -> io::Result<Log> {
        let bytes = total(&loaded.entries);
        let Loaded { entries, purged, vote, committed, .. } = loaded;
        let memory = Memory { entries, bytes, purged, vote, committed };
        let (writes, queue) = mpsc::channel(QUEUE);
        let run = move || failure.guard_thread("the log's writer", || writer::run(disk, queue, &failure));
        std::thread::Builder::new().name("gam-log".to_owned()).spawn(run)?;
        Ok(Log { memory: Arc::new(Mutex::new(memory)), floor: Arc::default(), writes })
    }

    /// The index up to which entries are to go. A member that still needs one of them is sent a snapshot instead: otherwise
    /// a slow one would keep the log, and so the memory, growing.
    pub fn floor(&self) -> u64 {
        self.floor.load(Ordering::Relaxed)
    }

    /// Raises the floor; it never sinks.
    pub fn raise_floor(&self, index: u64) {
        self.floor.fetch_max(index, Ordering::Relaxed);
    }

    /// Writes down which lineage this log belongs to from now on.
    pub async fn adopt(&self, lineage: Descent) -> io::Result<()> {
        let (done, adopted) = oneshot::channel();
        self.write(Write::Lineage { lineage, done }).await?;
        adopted.await.map_err(|_| closed())?
    }

    /// The size of the log in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.memory().bytes
    }

    /// Closes the database; returns once the file is released. Later writes fail.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.writes.send(Write::Stop { done }).await.is_ok() {
            // An error means that the thread is gone, which is what was asked for.
            let _ = stopped.await;
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics between two changes that belong together.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, write: Write) -> io::Result<()> {
        self.writes.send(write).await.map_err(|_| closed())
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        if is_empty(bounds) {
            return Ok(Vec::new());
        }
        Ok(self.memory().entries.range(bounds).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.memory().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (_, entry) in self.memory().entries.range(start..end.max(start)) {
            bytes += cost(entry);
            if bytes > MAX_READ_BYTES && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }
}

/// Whether a range is empty or inverted, which a map refuses by a panic.
fn is_empty(bounds: (Bound<u64>, Bound<u64>)) -> bool {
    match bounds {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end) | Bound::Included(end)) => start >= end,
        _ => false,
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let memory = self.memory();
        Ok(LogState { last_purged_log_id: memory.purged, last_log_id: memory.last() })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, saved) = oneshot::channel();
        self.write(Write::Vote { vote: *vote, done }).await?;
        saved.await.map_err(|_| closed())??;
        self.memory().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(upto) = committed else { return Ok(()) };
        self.memory().committed = Some(upto);
        // Goes to the disk with the next write; see `writer`.
        self.write(Write::Committed { upto }).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.memory().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        {
            let mut memory = self.memory();
            for entry in &entries {
                memory.insert(entry.clone());
            }
        }
        self.write(Write::Append { entries, done: callback }).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.map_or(0, |last| last.index() + 1);
        {
            let mut memory = self.memory();
            let removed = memory.entries.split_off(&from);
            memory.bytes -= total(&removed);
        }
        let (done, truncated) = oneshot::channel();
        self.write(Write::Truncate { from, done }).await?;
        truncated.await.map_err(|_| closed())?
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        {
            let mut memory = self.memory();
            let kept = memory.entries.split_off(&(upto.index() + 1));
            let removed = std::mem::replace(&mut memory.entries, kept);
            memory.bytes -= total(&removed);
            memory.purged = memory.purged.max(Some(upto));
        }
        // Not waited for: the entries are in a snapshot, and finding them again after a crash does no harm.
        self.write(Write::Purge { upto }).await
    }
}

#[cfg(test)]
mod tests;
