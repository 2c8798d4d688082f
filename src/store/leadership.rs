//! Who leads, as the rest of Gam sees it.
//!
//! Turns Raft's metrics into [`Leadership`], reports Raft's end as a failure, keeps the addresses of the members, and lets
//! the ticking rest while this member is alone. One task per store; decides nothing about elections, but does not call a
//! leader what has not been heard for a while: neither this member, without a quorum, nor another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use openraft::metrics::RaftMetrics;
use openraft::{Instant as _, RaftState};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::failure::Failure;
use crate::network::Addresses;
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

/// What this member's leadership looks like to the other tasks of the store.
#[derive(Default)]
pub struct Reign {
    since: Mutex<Option<Instant>>,
}

impl Reign {
    /// Since when this member leads; `None` if it does not.
    pub fn since(&self) -> Option<Instant> {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, leads: bool) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = leads.then(|| since.unwrap_or_else(Instant::now));
    }
}

/// Follows Raft for one store.
pub struct Observer {
    pub raft: Raft,
    pub leadership: watch::Sender<Leadership>,
    pub reign: Arc<Reign>,
    pub addresses: Arc<Addresses>,
    pub failure: Failure,
    /// A leader that was not heard for so long, or that has not heard a quorum for so long, leads no more.
    pub silence: Duration,
}

impl Observer {
    /// Runs until Raft stops.
    pub async fn observe(self) {
        let mut metrics = self.raft.metrics();
        let mut ticking = true;
        let mut heard = Instant::now();
        let ended = loop {
            let seen = metrics.borrow_and_update().clone();
            if let Err(fatal) = seen.running_state {
                break fatal;
            }
            self.addresses.learn(seen.membership_config.membership());
            let leads = seen.state.is_leader();
            self.reign.note(leads);
            let sole = leads && seen.membership_config.voter_ids().eq([seen.id]);
            let alone = sole && seen.membership_config.nodes().count() == 1;
            // Ticks are for heartbeats and elections; a member alone needs neither, and an idle daemon should sleep.
            if ticking == alone {
                ticking = !alone;
                self.raft.runtime_config().tick(ticking);
            }
            if let Some(acknowledged) = seen.last_quorum_acked.filter(|_| leads) {
                heard = before(acknowledged.elapsed());
            } else if !sole && heard.elapsed() > self.silence {
                // The metrics of a follower do not say when its leader was last heard; the core knows.
                heard = self.last_heard().await.unwrap_or(heard);
            }
            self.tell(if sole || heard.elapsed() <= self.silence { of(&seen) } else { Leadership::NoLeader });
            let changed = metrics.changed();
            let changed = if alone { Ok(changed.await) } else { timeout(self.silence / 2, changed).await };
            if changed.is_ok_and(|changed| changed.is_err()) {
                break Fatal::Stopped;
            }
        };
        match ended {
            Fatal::Stopped => {}
            Fatal::Panicked => self.failure.report("the consensus core panicked"),
            Fatal::StorageError(error) => self.failure.report(error.to_string()),
        }
        self.tell(Leadership::NoLeader);
    }

    async fn last_heard(&self) -> Option<Instant> {
        let heard = |state: &RaftState<Types>| state.vote_last_modified();
        let heard = self.raft.with_raft_state(heard).await.ok()??;
        Some(before(heard.elapsed()))
    }

    fn tell(&self, now: Leadership) {
        self.leadership.send_if_modified(|present| {
            let changed = *present != now;
            *present = now;
            changed
        });
    }
}

/// The moment that lies so far back.
fn before(elapsed: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(elapsed).unwrap_or(now)
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
