//! Takes snapshots when they are due and lets the log shrink behind them.
//!
//! One task beside Raft: it fixes the state (some pointers), writes the file on a thread that may block, and only then tells
//! Raft, which purges the log. A snapshot that cannot be written (a full disk) is therefore no failure of the store: the
//! log stays as it is, and the next interval tries again.

use std::sync::Arc;
use std::time::Duration;

use openraft::metrics::RaftMetrics;

use crate::log::Log;
use crate::machine::{Machine, Published};
use crate::raft::{Raft, Types};
use crate::snapshot::Snapshots;

/// The entries in a snapshot that stay in the log may have this many bytes; beyond it they all go. They serve members that
/// are a little behind, which a snapshot serves as well.
const MAX_KEPT_BYTES: usize = if cfg!(test) { 1 << 20 } else { 8 << 20 };
/// Entries in a snapshot that stay in the log, for members that are a little behind; swarmkit's number.
pub const KEPT_ENTRIES: u64 = if cfg!(test) { 100 } else { 500 };
/// How long Raft may take to notice a finished snapshot before the log is left alone until the next one.
const NOTICE: Duration = Duration::from_secs(10);

/// Runs until the store stops.
pub async fn keep(raft: Raft, log: Log, published: Arc<Published>, snapshots: Arc<Snapshots>) {
    loop {
        published.snapshot_due().await;
        if take(&raft, &log, &published, &snapshots).await.is_none() {
            return;
        }
    }
}

/// Takes one snapshot; `None` once Raft has stopped.
async fn take(raft: &Raft, log: &Log, published: &Published, snapshots: &Arc<Snapshots>) -> Option<()> {
    let frozen = raft.with_state_machine(|machine: &mut Machine| {
        let frozen = machine.freeze();
        Box::pin(async move { frozen })
    });
    let frozen = frozen.await.ok()?;
    let index = frozen.meta.last_log_id?.index();
    let started = std::time::Instant::now();
    let snapshots = snapshots.clone();
    let written = match tokio::task::spawn_blocking(move || snapshots.write(&frozen)).await {
        Ok(written) => written,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => return None,
        },
    };
    let sealed = match written {
        Ok(sealed) => sealed,
        Err(error) => {
            tracing::warn!(%error, index, "a snapshot could not be written; the log is kept until the next one");
            return Some(());
        }
    };
    tracing::info!(index, elapsed = ?started.elapsed(), "snapshot written");
    published.prepare(sealed);
    raft.trigger().snapshot().await.ok()?;
    let known = |metrics: &RaftMetrics<Types>| metrics.snapshot.is_some_and(|last| last.index() >= index);
    let noticed = raft.wait(Some(NOTICE)).metrics(known, "the snapshot is known").await;
    if noticed.is_ok() {
        if log.bytes() > MAX_KEPT_BYTES {
            raft.trigger().purge_log(index).await.ok()?;
            log.raise_floor(index);
        }
        // Raft itself keeps so many, as soon as no member is being sent earlier ones.
        log.raise_floor(index.saturating_sub(KEPT_ENTRIES));
    }
    Some(())
}
