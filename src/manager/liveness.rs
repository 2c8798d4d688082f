//! Which nodes are heard from. Kept by every manager for the agents whose sessions it holds, and by the leader for all.
//!
//! A verdict is a comparison of "last heard" with now, taken anew at each look; nothing has to be remembered between a
//! node's silence and its return. Whoever was stopped itself (a paused machine, a process that did not get the
//! processor) has heard nobody meanwhile and must not hold that against the others: see [`Liveness::look`]. A leader that waits
//! for its disk hears agents all the same, so somebody else looks meanwhile: [`keep_looking`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gam_core::model::NodeId;
use gam_core::state::State;

/// How often an agent is heard in two periods. Each time costs its manager some microseconds, and there may be thousands.
const BEATS: u32 = 22;
/// How often in a period the leader looks who was heard, and the other managers tell it.
const LOOKS: u32 = 25;
/// A look that comes later than this many looks after the one before says that this manager itself stood still.
const STALL_LOOKS: u32 = 6;
/// How often somebody looks who has nothing else to do, in looks: well within that time.
const IDLE_LOOKS: u32 = 2;
/// What is missing from a period when a node counts as gone, as a part of it: with the time that it takes to start a task
/// elsewhere, a dead host costs little more than the period. A stall of four fifths of it is forgiven, with a beat before it, a
/// look after it, and time to find a manager anew.
const EARLY: u32 = 20;

/// The period of a cluster that is not known yet; Docker's default.
const DEFAULT_PERIOD: Duration = Duration::from_secs(5);
/// Docker takes any period, also 0; below this one a busy host would be taken for a dead one.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);

/// A node that goes from one address to another and back so often is at both of them: somebody has copied its state directory.
const TURNS: u32 = 6;
/// Each time within so long after the one before. One that moves, or whose line changes, does not do so.
const TURN_LIMIT: Duration = Duration::from_secs(10);

/// Where a node was last heard, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The moment.
    pub at: Instant,
    /// The address that it came from, without the port.
    pub addr: String,
}

/// What is known of one node.
#[derive(Debug)]
struct Known {
    /// From itself.
    heard: Heard,
    /// When it was last known to be there by another way, which says nothing of its address.
    there: Instant,
    turns: Turns,
}

impl Known {
    fn new(heard: Heard, there: Instant) -> Known {
        Known { turns: Turns { count: 0, last: there, from: String::new() }, heard, there }
    }
}

/// How often a node went back to the address from which it had come.
#[derive(Debug)]
struct Turns {
    count: u32,
    last: Instant,
    /// Where it was before.
    from: String,
}

impl Turns {
    /// Notes that the node is heard elsewhere than before; whether it is now certain that it is at two places.
    fn take(&mut self, before: &Heard, now: &Heard) -> bool {
        if before.addr == now.addr || before.addr.is_empty() || now.addr.is_empty() {
            return false;
        }
        let is_back = self.from == now.addr && now.at.saturating_duration_since(self.last) < TURN_LIMIT;
        *self = Turns { count: if is_back { self.count + 1 } else { 0 }, last: now.at, from: before.addr.clone() };
        // Said once, and not again before it was quiet for a while.
        self.count == TURNS
    }
}

/// Who was heard when.
#[derive(Debug)]
pub struct Liveness {
    period: Duration,
    nodes: BTreeMap<NodeId, Known>,
    /// When somebody was last looked at; `None` if there was nobody, or nobody has looked yet.
    looked: Option<Instant>,
}

impl Liveness {
    /// Nobody was heard yet.
    pub fn new() -> Liveness {
        Liveness { period: DEFAULT_PERIOD, nodes: BTreeMap::new(), looked: None }
    }

    /// Takes the period from the cluster's spec, the dispatcher's heartbeat period: whoever is silent for (nearly) so long is
    /// gone. A manager that is only just joining knows no cluster yet, so this is to be called again and again.
    pub fn follow(&mut self, state: &State) {
        if let Some(cluster) = state.cluster() {
            self.set_period(cluster.spec.dispatcher.heartbeat_period);
        }
    }

    fn set_period(&mut self, nanos: i64) {
        self.period = Duration::from_nanos(u64::try_from(nanos).unwrap_or_default()).max(SHORTEST_PERIOD);
    }

    /// How often an agent should be heard.
    pub fn beat(&self) -> Duration {
        self.period * 2 / BEATS
    }

    /// How often looks should be taken, and the leader told.
    pub fn look_interval(&self) -> Duration {
        self.period / LOOKS
    }

    fn expiry(&self) -> Duration {
        self.period - self.period / EARLY
    }

    /// A node was heard.
    pub fn hear(&mut self, node: NodeId, heard: Heard) {
        match self.nodes.get_mut(&node) {
            Some(known) if known.heard.at >= heard.at => {}
            Some(known) => {
                if known.turns.take(&known.heard, &heard) {
                    warn_of_double(node, &known.heard.addr, &heard.addr);
                }
                known.heard = heard;
            }
            None => {
                let at = heard.at;
                self.nodes.insert(node, Known::new(heard, at));
            }
        }
    }

    /// A node is there, though it was not heard itself. Makes no node known: that must come from itself.
    pub fn hear_of(&mut self, node: NodeId, at: Instant) {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.there = known.there.max(at);
        }
    }

    /// Gives these nodes the whole time anew, as a new leader does that cannot know when they were heard last. It looks from
    /// now on.
    pub fn begin(&mut self, nodes: impl Iterator<Item = NodeId>, now: Instant) {
        self.looked = Some(now);
        for node in nodes {
            let unheard = Known::new(Heard { at: now, addr: String::new() }, now);
            self.nodes.entry(node).or_insert(unheard).there = now;
        }
    }

    /// Forgets nodes.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|node, _| keep(*node));
    }

    /// How long [`keep_looking`] may rest: where nobody is watched there is nothing to forgive.
    fn rest(&self) -> Duration {
        if self.nodes.is_empty() { self.period } else { self.look_interval() * IDLE_LOOKS }
    }

    /// To be called at every look, before verdicts are asked for: forgives everyone the time in which nobody looked, since then
    /// the whole process did nothing.
    pub fn look(&mut self, now: Instant) {
        // Who watches nobody sleeps long.
        let watching = (!self.nodes.is_empty()).then_some(now);
        let Some(before) = std::mem::replace(&mut self.looked, watching) else { return };
        let since = now.saturating_duration_since(before);
        if since > self.look_interval() * STALL_LOOKS {
            tracing::warn!(?since, "this manager stood still; no node is blamed for the time");
            self.forgive(since, now);
        }
    }

    /// Does not count a time that ends now against anyone: nothing could have been heard in it.
    pub fn forgive(&mut self, time: Duration, now: Instant) {
        for known in self.nodes.values_mut() {
            known.there = (known.there.max(known.heard.at) + time).min(now);
        }
    }

    /// Whether a node counts as there.
    pub fn is_alive(&self, node: NodeId, now: Instant) -> bool {
        let last = self.nodes.get(&node).map(|known| known.there.max(known.heard.at));
        last.is_some_and(|last| now.saturating_duration_since(last) < self.expiry())
    }

    /// Everyone who was heard at or after a moment.
    pub fn since(&self, moment: Instant) -> impl Iterator<Item = (NodeId, &Heard)> {
        let heard = self.nodes.iter().map(|(node, known)| (*node, &known.heard));
        heard.filter(move |(_, heard)| heard.at >= moment)
    }

    /// The address at which a node was last heard; empty if it never was.
    pub fn addr(&self, node: NodeId) -> &str {
        self.nodes.get(&node).map_or("", |known| &known.heard.addr)
    }
}

/// Two hosts that are one node undo each other's tasks, and nothing else would say why.
fn warn_of_double(node: NodeId, one: &str, other: &str) {
    tracing::warn!(
        %node,
        "this node is heard from {one} and from {other} in turn: its state directory was copied to a second host; \
         take the copy out with `docker swarm leave --force` on that host, and join it as a node of its own"
    );
}

/// Looks all the time, in a task of its own, which only waits if the whole process does.
pub async fn keep_looking(liveness: &Mutex<Liveness>) {
    let lock = || liveness.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let rest = lock().rest();
        tokio::time::sleep(rest).await;
        lock().look(Instant::now());
    }
}

#[cfg(test)]
mod tests;
