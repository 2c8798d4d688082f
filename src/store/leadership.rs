//! Who leads, as the rest of Gam sees it.
//!
//! Turns Raft's metrics into [`Leadership`], reports Raft's end as a failure, and lets the ticking rest while this member is
//! alone. One task per store; decides nothing about elections.

use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use openraft::metrics::RaftMetrics;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::raft::{Raft, Types};

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This member leads, and its state holds everything that was acknowledged in earlier terms.
    Leader {
        /// The term; each term has at most one leader at a time, and a later leadership has a later term.
        term: u64,
    },
    /// Another member leads.
    Follower {
        /// The leader's raft id.
        leader: u64,
        /// The leader's advertised address.
        address: String,
    },
    /// Nobody leads, as far as this member knows.
    NoLeader,
}

fn of(metrics: &RaftMetrics<Types>) -> Leadership {
    match metrics.current_leader {
        Some(leader) if leader == metrics.id => {
            // A leader begins with an entry of its own; once that is applied, so is everything before it. (After a restart
            // the metrics name the leader of the term before, though it no longer leads.)
            let begun =
                metrics.last_applied.is_some_and(|last| last.committed_leader_id().term == metrics.current_term);
            if begun && metrics.state.is_leader() {
                Leadership::Leader { term: metrics.current_term }
            } else {
                Leadership::NoLeader
            }
        }
        Some(leader) => match metrics.membership_config.get_node(&leader) {
            Some(node) => Leadership::Follower { leader, address: node.addr.clone() },
            None => Leadership::NoLeader,
        },
        None => Leadership::NoLeader,
    }
}

/// Follows Raft until it stops.
pub async fn observe(raft: Raft, leadership: watch::Sender<Leadership>, failure: Failure) {
    let mut metrics = raft.metrics();
    let mut ticking = true;
    let ended = loop {
        let (now, alone, running) = {
            let metrics = metrics.borrow_and_update();
            let alone = metrics.state.is_leader() && metrics.membership_config.nodes().count() == 1;
            (of(&metrics), alone, metrics.running_state.clone())
        };
        if let Err(fatal) = running {
            break fatal;
        }
        leadership.send_if_modified(|present| {
            let changed = *present != now;
            *present = now;
            changed
        });
        // Ticks are for heartbeats and elections; a member alone needs neither, and an idle daemon should sleep.
        if ticking == alone {
            ticking = !alone;
            raft.runtime_config().tick(ticking);
        }
        if metrics.changed().await.is_err() {
            break Fatal::Stopped;
        }
    };
    match ended {
        Fatal::Stopped => {}
        Fatal::Panicked => failure.report("the consensus core panicked"),
        Fatal::StorageError(error) => failure.report(error.to_string()),
    }
    leadership.send_replace(Leadership::NoLeader);
}
