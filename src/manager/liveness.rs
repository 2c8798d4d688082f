//! Which nodes are heard from. Kept by every manager for the agents whose sessions it holds, and by the leader for all.
//!
//! A verdict is a comparison of "last heard" with now, taken anew at each look; nothing has to be remembered between a
//! node's silence and its return. Whoever was stopped itself (a paused machine, a process that did not get the
//! processor) has heard nobody meanwhile and must not hold that against the others: see [`Liveness::look`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gam_core::model::{NodeId, SwarmSpec};

/// How often an agent is heard, and looks are taken, as a part of the time after which it counts as gone.
const BEATS: u32 = 20;
/// A look that comes later than this many beats after the one before says that this manager itself stood still.
const STALL_BEATS: u32 = 4;

/// Docker takes any period, also 0; below this one a busy host would be taken for a dead one.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
/// Docker's default, for a manager that does not know the cluster yet.
const DEFAULT_PERIOD: Duration = Duration::from_secs(5);

/// Where a node was last heard, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The moment.
    pub at: Instant,
    /// The address that it came from, without the port.
    pub addr: String,
}

/// Who was heard when.
#[derive(Debug)]
pub struct Liveness {
    period: Duration,
    nodes: BTreeMap<NodeId, Heard>,
    looked: Instant,
}

impl Liveness {
    /// Nobody was heard yet.
    pub fn new(now: Instant) -> Liveness {
        Liveness { period: DEFAULT_PERIOD, nodes: BTreeMap::new(), looked: now }
    }

    /// How often an agent should be heard, and looks should be taken.
    pub fn beat(&self) -> Duration {
        self.period / BEATS
    }

    /// One beat less than the period: with the time that it takes to start a task elsewhere, a dead host costs little
    /// more than the period; and a stall of four fifths of it is forgiven.
    fn expiry(&self) -> Duration {
        self.period - self.beat()
    }

    /// Takes over the dispatcher's heartbeat period: whoever is silent for (nearly) so long is gone. A manager that joins
    /// learns of its cluster only after its start, and the cluster's spec may change, so this is asked for anew at every use.
    pub fn follow(&mut self, spec: Option<&SwarmSpec>) {
        let nanos = spec.map(|spec| u64::try_from(spec.dispatcher.heartbeat_period).unwrap_or_default());
        self.period = nanos.map_or(DEFAULT_PERIOD, Duration::from_nanos).max(SHORTEST_PERIOD);
    }

    /// A node was heard.
    pub fn hear(&mut self, node: NodeId, heard: Heard) {
        match self.nodes.get_mut(&node) {
            Some(known) if known.at >= heard.at => {}
            Some(known) => *known = heard,
            None => {
                self.nodes.insert(node, heard);
            }
        }
    }

    /// Gives a node the whole time anew, as a new leader does that cannot know when it was heard last.
    pub fn expect(&mut self, node: NodeId, now: Instant) {
        self.nodes.entry(node).or_insert(Heard { at: now, addr: String::new() }).at = now;
    }

    /// Forgets nodes.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|node, _| keep(*node));
    }

    /// To be called every beat, before verdicts are asked for: forgives everyone the time in which nobody looked.
    pub fn look(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.looked);
        self.looked = now;
        if since > self.beat() * STALL_BEATS {
            tracing::warn!(?since, "this manager stood still; no node is blamed for the time");
            for heard in self.nodes.values_mut() {
                heard.at = (heard.at + since).min(now);
            }
        }
    }

    /// Whether a node counts as there.
    pub fn is_alive(&self, node: NodeId, now: Instant) -> bool {
        self.nodes.get(&node).is_some_and(|heard| now.saturating_duration_since(heard.at) < self.expiry())
    }

    /// Everyone who was heard at or after a moment.
    pub fn since(&self, moment: Instant) -> impl Iterator<Item = (NodeId, &Heard)> {
        self.nodes.iter().filter(move |(_, heard)| heard.at >= moment).map(|(node, heard)| (*node, heard))
    }

    /// The address at which a node was last heard; empty if it never was.
    pub fn addr(&self, node: NodeId) -> &str {
        self.nodes.get(&node).map_or("", |heard| &heard.addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    fn heard(at: Instant) -> Heard {
        Heard { at, addr: "192.0.2.1".into() }
    }

    /// Looks every beat for so long.
    fn pass(liveness: &mut Liveness, from: Instant, time: Duration) -> Instant {
        let mut now = from;
        while now < from + time {
            now += liveness.beat();
            liveness.look(now);
        }
        now
    }

    #[test]
    fn a_stall_of_four_seconds_is_forgiven_and_a_dead_node_is_gone_before_the_period() {
        let start = Instant::now();
        let node = NodeId::from(1);
        let mut liveness = Liveness::new(start);
        liveness.hear(node, heard(start));
        let now = pass(&mut liveness, start, Duration::from_millis(4_500));
        assert!(liveness.is_alive(node, now));
        let now = pass(&mut liveness, now, Duration::from_millis(250));
        assert!(!liveness.is_alive(node, now));
        liveness.hear(node, heard(now));
        assert!(liveness.is_alive(node, now), "it is back");
    }

    #[test]
    fn who_stood_still_itself_blames_nobody() {
        let start = Instant::now();
        let node = NodeId::from(1);
        let mut liveness = Liveness::new(start);
        liveness.hear(node, heard(start));
        let now = start + Duration::from_secs(60);
        liveness.look(now);
        assert!(liveness.is_alive(node, now));
        let now = pass(&mut liveness, now, PERIOD);
        assert!(!liveness.is_alive(node, now), "but a node that stays silent afterwards is gone");
    }

    #[test]
    fn a_new_leader_waits_for_everyone() {
        let start = Instant::now();
        let (known, stranger) = (NodeId::from(1), NodeId::from(2));
        let mut liveness = Liveness::new(start);
        liveness.expect(known, start);
        assert!(liveness.is_alive(known, start) && !liveness.is_alive(stranger, start));
        assert_eq!(liveness.since(start).count(), 1);
        liveness.retain(|node| node != known);
        assert!(!liveness.is_alive(known, start));
    }

    #[test]
    fn the_period_is_the_clusters_as_soon_as_it_is_known() {
        let mut liveness = Liveness::new(Instant::now());
        assert_eq!(liveness.beat(), PERIOD / BEATS, "a manager that joins knows no cluster");
        for (seconds, beat) in [(60, Duration::from_secs(3)), (0, SHORTEST_PERIOD / BEATS), (5, PERIOD / BEATS)] {
            let mut spec = SwarmSpec::default();
            spec.dispatcher.heartbeat_period = seconds * 1_000_000_000;
            liveness.follow(Some(&spec));
            assert_eq!(liveness.beat(), beat);
        }
    }

    #[test]
    fn old_news_change_nothing() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let node = NodeId::from(1);
        liveness.hear(node, heard(start + Duration::from_secs(2)));
        liveness.hear(node, heard(start));
        assert!(liveness.is_alive(node, start + Duration::from_secs(6)));
    }
}
