use proptest::prelude::*;

use super::*;

const LOOK: Duration = Duration::from_millis(200);

/// What a voter does from one look to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Acknowledges heartbeats, and calls.
    Both,
    /// Acknowledges them only.
    Acknowledges,
    /// Stands still, or is gone.
    Nothing,
}
use Does::{Acknowledges, Both, Nothing};

struct Swarm {
    callers: Callers,
    acknowledged: Vec<Option<Instant>>,
    now: Instant,
}

impl Swarm {
    fn of_others(others: usize) -> Swarm {
        let now = Instant::now();
        Swarm { callers: Callers::new(now), acknowledged: vec![None; others], now }
    }

    fn look(&mut self, does: &[Does], after: Duration) -> Finding {
        self.now += after;
        let voter = |number: usize| NodeId::from(number as u128 + 1);
        for (number, does) in does.iter().enumerate() {
            if *does != Nothing {
                self.acknowledged[number] = Some(self.now);
            }
            if *does == Both {
                self.callers.call(voter(number), self.now);
            }
        }
        let acknowledged = self.acknowledged.iter().enumerate();
        let others: Vec<Voter> =
            acknowledged.map(|(number, at)| Voter { node: Some(voter(number)), acknowledged: *at }).collect();
        self.callers.look(&others, LOOK, self.now)
    }

    /// For how long it goes on so until the lead is handed over, a minute at most.
    fn keeps_lead(&mut self, does: &[Does]) -> Option<Duration> {
        let begun = self.now;
        while self.now < begun + Duration::from_secs(60) {
            if self.look(does, LOOK) == Finding::InVain {
                return Some(self.now - begun);
            }
        }
        None
    }
}

#[test]
fn a_leader_that_is_acknowledged_and_not_called_hands_over_after_three_seconds() {
    let mut swarm = Swarm::of_others(2);
    assert_eq!(swarm.keeps_lead(&[Both, Both]), None);
    assert_eq!(swarm.keeps_lead(&[Acknowledges, Acknowledges]), Some(SHORTEST_PATIENCE));
}

#[test]
fn time_without_calls_counts_against_nobody_long_before() {
    let mut swarm = Swarm::of_others(2);
    for _ in 1..VAIN_LOOKS {
        assert_eq!(swarm.look(&[Acknowledges, Acknowledges], LOOK), Finding::Called);
    }
    for _ in VAIN_LOOKS..PATIENCE_LOOKS {
        assert_eq!(swarm.look(&[Acknowledges, Acknowledges], LOOK), Finding::Unheard(LOOK));
    }
    assert_eq!(swarm.look(&[Both, Acknowledges], LOOK), Finding::Called, "one call, and all is well");
}

#[test]
fn whom_a_majority_needs_keeps_the_lead() {
    assert_eq!(Swarm::of_others(0).keeps_lead(&[]), None, "alone");
    assert_eq!(Swarm::of_others(1).keeps_lead(&[Nothing]), None, "the other one of two is down");
    assert_eq!(Swarm::of_others(1).keeps_lead(&[Acknowledges]), None, "it could do nothing alone");
    assert_eq!(Swarm::of_others(2).keeps_lead(&[Acknowledges, Nothing]), None);
    assert_eq!(Swarm::of_others(2).keeps_lead(&[Acknowledges, Both]), None, "and one is heard");
    assert_eq!(Swarm::of_others(3).keeps_lead(&[Acknowledges, Acknowledges, Both]), None);
    assert_eq!(Swarm::of_others(4).keeps_lead(&[Acknowledges, Acknowledges, Both, Both]), None);
    let three_of_five = [Acknowledges, Acknowledges, Acknowledges, Both];
    assert_eq!(Swarm::of_others(4).keeps_lead(&three_of_five), Some(SHORTEST_PATIENCE));
}

#[test]
fn who_comes_back_from_standing_still_has_the_whole_time() {
    let mut swarm = Swarm::of_others(2);
    assert_eq!(swarm.keeps_lead(&[Nothing, Nothing]), None);
    assert_eq!(swarm.look(&[Acknowledges, Acknowledges], LOOK), Finding::Called);
    // And a leader that stood still itself takes the time for short.
    assert_eq!(swarm.look(&[Acknowledges, Acknowledges], Duration::from_secs(60)), Finding::Called);
}

#[test]
fn looks_that_are_rare_take_more_time() {
    let mut callers = Callers::new(Instant::now());
    let interval = Duration::from_secs(2);
    assert_eq!(callers.patience(interval), Duration::from_secs(30));
    callers.handed_over = 1;
    assert_eq!(callers.patience(interval), Duration::from_secs(60));
    callers.handed_over = u32::MAX;
    assert_eq!(callers.patience(Duration::from_millis(40)), SHORTEST_PATIENCE * 16, "never for ever");
}

#[test]
fn a_lead_that_comes_back_is_kept_for_longer_each_time_until_a_majority_calls() {
    let mut swarm = Swarm::of_others(2);
    for times in [1, 2, 4, 8, 16, 16] {
        let now = swarm.now;
        swarm.callers.begin(now);
        assert_eq!(swarm.keeps_lead(&[Acknowledges, Acknowledges]), Some(SHORTEST_PATIENCE * times));
    }
    swarm.look(&[Acknowledges, Both], LOOK);
    assert_eq!(swarm.keeps_lead(&[Acknowledges, Acknowledges]), Some(SHORTEST_PATIENCE));
}

#[test]
fn a_member_that_is_no_manager_yet_owes_nothing() {
    let now = Instant::now();
    let mut callers = Callers::new(now);
    let others = [Voter { node: None, acknowledged: Some(now) }; 2];
    for look in 1..100 {
        assert_eq!(callers.look(&others, Duration::from_millis(1), now + LOOK * look), Finding::Called);
    }
}

fn some_looks() -> impl Strategy<Value = Vec<Vec<Does>>> {
    let does = prop_oneof![1 => Just(Both), 12 => Just(Acknowledges), 1 => Just(Nothing)];
    (0..5_usize).prop_flat_map(move |others| prop::collection::vec(prop::collection::vec(does.clone(), others), 0..80))
}

proptest! {
    /// Only a leader without which a majority was there for all of the time, and has not called, hands over.
    #[test]
    fn nobody_hands_over_without_need(looks in some_looks()) {
        let others = looks.first().map_or(0, Vec::len);
        let mut swarm = Swarm::of_others(others);
        for (number, does) in looks.iter().enumerate() {
            if swarm.look(does, LOOK) != Finding::InVain {
                continue;
            }
            let before = (number + 1).checked_sub(PATIENCE_LOOKS as usize);
            let patience = &looks[before.expect("it has the whole time")..=number];
            let is_vain = |other: &usize| patience.iter().all(|does| does[*other] != Both);
            let majority = others.div_ceil(2) + 1;
            prop_assert!((0..others).filter(is_vain).count() >= majority);
        }
    }
}
