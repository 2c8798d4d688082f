//! Whether those who follow a leader can call it. A leader's heartbeats go over connections that it has opened, so it may go on
//! leading where nobody opens one to it (its address has changed, a firewall lets nothing in): no request reaches it then, and
//! nothing of what agents say.
//!
//! Every follower tells the leader something at each look. One that acknowledges heartbeats and does not call calls in vain.
//! Where a majority does so, which needs the leader for nothing, time does not count against nodes ([`Finding::Unheard`]), and
//! after a while the leader hands over ([`Finding::InVain`]). It does not get the lead back from those who hear the new leader;
//! if they lose that one, it may, and then keeps it for longer each time before it hands over again. Called by the leader's
//! loop; [`Callers`] reads no clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gam_core::model::NodeId;

use super::Shared;
use crate::vital;

/// A voter that has acknowledged nothing for so long may stand still, and owes no call.
const ACKNOWLEDGED: Duration = Duration::from_secs(1);
/// Whoever has not called for so many looks calls in vain: more than one call takes that the leader is slow to answer, its pause
/// included (`TELL_LOOKS`), and much less than makes a node count as gone.
const VAIN_LOOKS: u32 = 8;
/// A leader hands over after so many looks, at the default period three seconds: several calls have failed by then.
const PATIENCE_LOOKS: u32 = 15;
/// But not before this, where looks are frequent.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(3);
/// A leader that handed over in vain, or got the lead back and is not called, waits twice as long the next time; so often at most.
const DOUBLINGS_MAX: u32 = 4;
/// A time between two looks counts for so many looks at most: a leader that stood still has heard nobody meanwhile.
const LATE_LOOKS: u32 = 2;
/// How often a leader looks whose followers could not do without it.
const REST: Duration = Duration::from_secs(5);

/// Another voter.
#[derive(Clone, Copy, Debug)]
struct Voter {
    /// `None` if no manager is known to be this member.
    node: Option<NodeId>,
    /// When it acknowledged a heartbeat last.
    acknowledged: Option<Instant>,
}

/// What a look finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// Nothing to do.
    Called,
    /// A majority calls in vain: for so long since the look before, nothing can have been heard of nodes.
    Unheard(Duration),
    /// It has done so for too long: the lead is to be handed over.
    InVain,
}

/// Who has called, and for how long others have not.
#[derive(Debug)]
pub(super) struct Callers {
    looked: Instant,
    /// Who has called since the lead began, or since the last try to hand it over.
    called: BTreeMap<NodeId, Instant>,
    /// For how long each voter has acknowledged heartbeats without a call.
    vain: BTreeMap<NodeId, Duration>,
    /// How often the lead was handed over without a call of a majority since.
    handed_over: u32,
}

impl Callers {
    pub(super) fn new(now: Instant) -> Callers {
        Callers { looked: now, called: BTreeMap::new(), vain: BTreeMap::new(), handed_over: 0 }
    }

    /// This member leads from now on; whoever is to follow it has the whole time.
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Callers { handed_over: self.handed_over, ..Callers::new(now) };
    }

    /// A manager has called, whatever it said.
    pub(super) fn call(&mut self, node: NodeId, now: Instant) {
        self.called.insert(node, now);
    }

    /// To be called at every look, with all voters but this one.
    fn look(&mut self, others: &[Voter], interval: Duration, now: Instant) -> Finding {
        let before = std::mem::replace(&mut self.looked, now);
        let since = now.saturating_duration_since(before);
        let passed = since.min(interval * LATE_LOOKS);
        self.called.retain(|node, _| others.iter().any(|voter| voter.node == Some(*node)));
        let vain = |voter: &Voter| {
            let node = voter.node?;
            let is_there = voter.acknowledged.is_some_and(|at| now.saturating_duration_since(at) < ACKNOWLEDGED);
            let has_called = self.called.get(&node).is_some_and(|at| *at > before);
            let so_far = self.vain.get(&node).copied().unwrap_or_default();
            Some((node, if is_there && !has_called { so_far + passed } else { Duration::ZERO }))
        };
        self.vain = others.iter().filter_map(vain).collect();
        let majority = others.len().div_ceil(2) + 1;
        if self.called.len() + 1 >= majority {
            self.handed_over = 0;
        }
        let mut longest: Vec<Duration> = self.vain.values().copied().collect();
        longest.sort_unstable_by(|a, b| b.cmp(a));
        // Fewer could not go on without this one.
        let by_majority = longest.get(majority - 1).copied().unwrap_or_default();
        if by_majority >= self.patience(interval) {
            self.vain.clear();
            self.called.clear();
            self.handed_over += 1;
            return Finding::InVain;
        }
        if by_majority >= interval * VAIN_LOOKS { Finding::Unheard(since) } else { Finding::Called }
    }

    fn patience(&self, interval: Duration) -> Duration {
        (interval * PATIENCE_LOOKS).max(SHORTEST_PATIENCE) * (1 << self.handed_over.min(DOUBLINGS_MAX))
    }
}

/// Looks while this member leads, in a task of its own, which never waits for the disk; hands over when it must.
pub(super) async fn keep_looking(shared: Arc<Shared>) {
    loop {
        let others = others(&shared);
        let interval = shared.look_interval();
        let now = Instant::now();
        match shared.lock_callers(|callers| callers.look(&others, interval, now)) {
            Finding::Called => {}
            Finding::Unheard(since) => shared.lock_liveness(|liveness| liveness.forgive(since, now)),
            Finding::InVain => {
                tracing::warn!(
                    addr = shared.addr,
                    "this manager leads, and the others acknowledge it, but they cannot call it: it hands over the lead"
                );
                // By itself, since it takes a moment, and this task ends with the lead.
                let turn = shared.lock_callers(|callers| callers.handed_over);
                vital::spawn("the hand-over of the lead", hand_over(shared.clone(), turn as usize));
            }
        }
        tokio::time::sleep(if others.len() > 1 { interval } else { REST }).await;
    }
}

async fn hand_over(shared: Arc<Shared>, turn: usize) {
    // It leads on until the answer to a heartbeat of its own says that there is another leader, who cannot call it.
    if let Err(error) = shared.store.offer_leadership(turn).await {
        tracing::info!(%error, "nobody has taken over the lead yet");
    }
}

/// All voters but this one.
fn others(shared: &Shared) -> Vec<Voter> {
    let (state, acknowledged) = (shared.store.state(), shared.store.acknowledged());
    let others = shared.store.members().into_iter().filter(|member| member.voter && member.id != shared.raft_id);
    let voter = |id: u64| Voter {
        node: state.manager_of(id).map(|node| node.id),
        acknowledged: acknowledged.get(&id).copied(),
    };
    others.map(|member| voter(member.id)).collect()
}

#[cfg(test)]
mod tests;
