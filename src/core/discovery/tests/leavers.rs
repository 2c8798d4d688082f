//! What is said of those who leave.

use proptest::prelude::*;

use super::super::leavers::{Leavers, Reach};
use crate::assignment::Assignments;
use crate::fixture::Fixture;

const START: &str = "network net 10.0.1.0/24
    node n1 ready
    node n2 ready
    service web replicas=9
    task web.1 n1 running net=10.0.1.2/24
    task web.2 n2 running net=10.0.1.3/24";

fn held(fixture: &Fixture) -> Assignments {
    Assignments::of(&fixture.state, fixture.node("n1"))
}

#[test]
fn a_leaver_is_acknowledged_once_both_places_are_past_it() {
    let mut fixture = Fixture::new(START);
    let mut leavers = Leavers::default();
    leavers.learn(&held(&fixture));
    let reach = |balanced, meshed| Reach { balanced, meshed };
    assert!(!leavers.waits());
    assert_eq!(leavers.acknowledge(reach(Some(1000), 1000)), None, "nobody leaves, so nobody asks");
    fixture.add("task web.2 desired=shutdown");
    let known = held(&fixture);
    leavers.learn(&known);
    let (now, before) = (known.index, known.index - 1);
    assert_eq!(leavers.acknowledge(reach(None, now)), None, "not all containers were seen");
    assert_eq!(leavers.acknowledge(reach(Some(now), before)), None);
    assert_eq!(leavers.acknowledge(reach(Some(before), now)), None);
    assert!(leavers.waits());
    // What comes later is no matter of this one's.
    fixture.add("service web env=A=1");
    let later = held(&fixture);
    leavers.learn(&later);
    assert_eq!(leavers.acknowledge(reach(Some(later.index), now)), Some(now));
    assert!(!leavers.waits());
    assert_eq!(leavers.acknowledge(reach(Some(later.index), later.index)), None, "it was said");
}

proptest! {
    /// Every step brings a change, and every other of them another leaver; the published ports take their time, and look at
    /// the newest whenever they are ready, as a watcher does.
    #[test]
    fn under_constant_change_nobody_waits_longer_than_the_slower_place_takes(
        paces in prop::collection::vec(1..8_usize, 4..20),
        fails in prop::collection::vec(any::<bool>(), 64),
    ) {
        let mut fixture = Fixture::new(START);
        let mut leavers = Leavers::default();
        let mut waiting: Vec<(u64, usize)> = Vec::new();
        let (mut meshed, mut balanced, mut said) = (0, None, 0);
        let mut step = 0;
        for pace in paces {
            // What the published ports take up now they are done with after so many steps.
            let taken = held(&fixture).index;
            for _ in 0..pace {
                step += 1;
                let task = 10 + step;
                fixture.add(&format!("task web.{task} n2 running net=10.0.1.{task}/24"));
                if step % 2 == 0 {
                    fixture.add(&format!("task web.{task} desired=shutdown"));
                    waiting.push((held(&fixture).index, step));
                }
                let known = held(&fixture);
                leavers.learn(&known);
                if !fails[step % fails.len()] || step % 4 == 0 {
                    balanced = Some(known.index);
                }
                if let Some(word) = leavers.acknowledge(Reach { balanced, meshed }) {
                    prop_assert!(word <= meshed && Some(word) <= balanced && word > said);
                    said = word;
                    waiting.retain(|(left, _)| *left > word);
                }
                // Two turns of at most seven steps, and three until the balancers are up to date.
                prop_assert!(waiting.iter().all(|(_, since)| step - since <= 2 * 7 + 3), "{step}: {waiting:?}");
            }
            meshed = taken;
        }
    }
}
