//! The one thread that writes the log: group commit, in order.
//!
//! Takes what waits in the queue, puts it into one transaction, commits it, then calls back. The commit mark alone is not
//! worth an fsync: it is remembered and goes with the next write (a mark that lags costs a replay of some entries at the
//! next start, after which Raft commits them anew). The first error is final: everything after it is refused.

use std::io;

use openraft::storage::IOFlushed;
use tokio::sync::{mpsc, oneshot};

use super::disk::{Change, Disk};
use crate::failure::Failure;
use crate::lineage::Descent;
use crate::raft::{Entry, LogId, Types, Vote};

/// Writes that one transaction takes: what waits behind it should not wait for long.
const MAX_BATCH: usize = 256;

/// One write.
pub enum Write {
    Append { entries: Vec<Entry>, done: IOFlushed<Types> },
    Vote { vote: Vote, done: oneshot::Sender<io::Result<()>> },
    Truncate { from: u64, done: oneshot::Sender<io::Result<()>> },
    Purge { upto: LogId },
    Lineage { lineage: Descent, done: oneshot::Sender<io::Result<()>> },
    Committed { upto: LogId },
    Stop { done: oneshot::Sender<()> },
}

/// Whom to tell when a transaction is on the disk.
enum Waiter {
    Raft(IOFlushed<Types>),
    Caller(oneshot::Sender<io::Result<()>>),
}

impl Waiter {
    fn tell(self, result: io::Result<()>) {
        match self {
            Waiter::Raft(done) => done.io_completed(result),
            // The caller may have gone away; the write stands.
            Waiter::Caller(done) => drop(done.send(result)),
        }
    }
}

/// What one transaction will hold.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    waiters: Vec<Waiter>,
    committed: Option<LogId>,
    stop: Option<oneshot::Sender<()>>,
}

impl Batch {
    fn take(&mut self, write: Write) {
        match write {
            Write::Append { entries, done } => {
                self.changes.push(Change::Append(entries));
                self.waiters.push(Waiter::Raft(done));
            }
            Write::Vote { vote, done } => {
                self.changes.push(Change::Vote(vote));
                self.waiters.push(Waiter::Caller(done));
            }
            Write::Truncate { from, done } => {
                self.changes.push(Change::TruncateFrom(from));
                self.waiters.push(Waiter::Caller(done));
            }
            Write::Purge { upto } => self.changes.push(Change::Purge(upto)),
            Write::Lineage { lineage, done } => {
                self.changes.push(Change::Lineage(lineage));
                self.waiters.push(Waiter::Caller(done));
            }
            Write::Committed { upto } => self.committed = Some(upto),
            Write::Stop { done } => self.stop = Some(done),
        }
    }
}

/// Runs until it is told to stop or nobody holds the log any more.
pub fn run(disk: Disk, mut queue: mpsc::Receiver<Write>, failure: &Failure) {
    // Outlives a batch: the mark waits here for a write that takes it along.
    let mut committed = None;
    let mut failed: Option<String> = None;
    let mut stop = None;
    while stop.is_none()
        && let Some(first) = queue.blocking_recv()
    {
        let mut batch = Batch { committed: committed.take(), ..Batch::default() };
        batch.take(first);
        while batch.changes.len() < MAX_BATCH
            && batch.stop.is_none()
            && let Ok(next) = queue.try_recv()
        {
            batch.take(next);
        }
        stop = batch.stop.take();
        if batch.changes.is_empty() && stop.is_none() {
            committed = batch.committed;
            continue;
        }
        if failed.is_none()
            && let Err(error) = write(&disk, &mut batch)
        {
            let reason = format!("writing the log failed: {error}");
            failure.report(reason.clone());
            failed = Some(reason);
        }
        for waiter in batch.waiters {
            waiter.tell(failed.as_ref().map_or(Ok(()), |reason| Err(io::Error::other(reason.clone()))));
        }
    }
    drop(disk);
    if let Some(done) = stop {
        // Whoever asked may have given up waiting.
        let _ = done.send(());
    }
}

fn write(disk: &Disk, batch: &mut Batch) -> io::Result<()> {
    // The mark comes last: what it marks is in this transaction or in an earlier one.
    batch.changes.extend(batch.committed.take().map(Change::Committed));
    if batch.changes.is_empty() { Ok(()) } else { disk.commit(&batch.changes) }
}
