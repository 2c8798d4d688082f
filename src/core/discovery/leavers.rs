//! What a node says of members that are leaving: up to which log index it sends nobody to them any more, so that the manager
//! lets them stop ([`crate::release`]).
//!
//! A node turns people to members in two places that work at their own pace: the balancers of its containers, and its
//! published ports. Both have to be past the index at which the leaver was learnt; what else changes meanwhile, and it may
//! change all the time, is not waited for. Nothing is said without a leaver, for every word costs the managers a step.

use std::collections::BTreeMap;

use crate::assignment::Assignments;
use crate::model::{NetworkId, Phase, TaskId};

/// The members that are leaving, as one node knows them.
#[derive(Debug, Default)]
pub struct Leavers {
    /// The log index at which each was learnt.
    learnt: BTreeMap<(NetworkId, TaskId), u64>,
    /// The last word.
    said: u64,
}

/// How far the two places are, each as a log index.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The balancers; `None` while it is not known of all containers whether they have any.
    pub balanced: Option<u64>,
    /// The published ports.
    pub meshed: u64,
}

impl Leavers {
    /// Takes over what is known now.
    pub fn learn(&mut self, held: &Assignments) {
        let leaving = held.members.iter().filter(|(_, member)| member.phase == Phase::Leaving);
        let learnt = leaving.map(|(place, _)| (*place, self.learnt.get(place).copied().unwrap_or(held.index)));
        self.learnt = learnt.collect();
    }

    /// The log index that is to be said, if there is news of any leaver.
    pub fn acknowledge(&mut self, reach: Reach) -> Option<u64> {
        let reached = reach.balanced?.min(reach.meshed);
        let is_news = self.unsaid().any(|learnt| learnt <= reached);
        if is_news {
            self.said = reached;
        }
        is_news.then_some(reached)
    }

    /// Whether there is a leaver of which nothing was said yet.
    pub fn waits(&self) -> bool {
        self.unsaid().next().is_some()
    }

    /// When those were learnt of which nothing was said.
    fn unsaid(&self) -> impl Iterator<Item = u64> {
        self.learnt.values().copied().filter(|learnt| *learnt > self.said)
    }
}
