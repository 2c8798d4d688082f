use proptest::prelude::*;

use super::*;

const PERIOD: Duration = DEFAULT_PERIOD;

fn heard(at: Instant) -> Heard {
    Heard { at, addr: "192.0.2.1".into() }
}

/// Looks for so long.
fn pass(liveness: &mut Liveness, from: Instant, time: Duration) -> Instant {
    let mut now = from;
    while now < from + time {
        now += liveness.look_interval();
        liveness.look(now);
    }
    now
}

#[test]
fn a_stall_of_four_seconds_is_forgiven_and_a_dead_node_is_gone_before_the_period() {
    let start = Instant::now();
    let node = NodeId::from(1);
    let mut liveness = Liveness::new();
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
    let mut liveness = Liveness::new();
    liveness.hear(node, heard(start));
    liveness.look(start);
    let now = start + Duration::from_secs(60);
    liveness.look(now);
    assert!(liveness.is_alive(node, now));
    let now = pass(&mut liveness, now, PERIOD);
    assert!(!liveness.is_alive(node, now), "but a node that stays silent afterwards is gone");
}

#[test]
fn who_watched_nobody_did_not_stand_still() {
    let start = Instant::now();
    let node = NodeId::from(1);
    let mut liveness = Liveness::new();
    liveness.look(start);
    let joined = start + Duration::from_secs(30);
    liveness.hear(node, heard(joined));
    let later = joined + PERIOD;
    liveness.look(later);
    assert!(!liveness.is_alive(node, later), "alone it slept; that forgives a node that came later nothing");
}

#[test]
fn the_period_is_dockers_until_the_cluster_is_known_and_never_too_short() {
    let mut liveness = Liveness::new();
    liveness.follow(&State::default());
    assert_eq!(liveness.period, PERIOD);
    liveness.set_period(30_000_000_000);
    assert_eq!(liveness.beat(), Duration::from_secs(60) / BEATS);
    for nonsense in [0, -1] {
        liveness.set_period(nonsense);
        assert_eq!(liveness.period, SHORTEST_PERIOD);
    }
}

#[test]
fn a_new_leader_waits_for_everyone() {
    let start = Instant::now();
    let (known, stranger) = (NodeId::from(1), NodeId::from(2));
    let mut liveness = Liveness::new();
    liveness.begin([known].into_iter(), start);
    assert!(liveness.is_alive(known, start) && !liveness.is_alive(stranger, start));
    assert_eq!(liveness.since(start).count(), 1);
    liveness.retain(|node| node != known);
    assert!(!liveness.is_alive(known, start));
}

#[test]
fn a_new_leader_has_not_stood_still_before() {
    let start = Instant::now();
    let node = NodeId::from(1);
    let mut liveness = Liveness::new();
    let later = start + Duration::from_secs(60);
    liveness.hear(node, heard(later - Duration::from_secs(3)));
    liveness.begin([].into_iter(), later);
    liveness.look(later);
    assert!(!liveness.is_alive(node, later + Duration::from_secs(2)), "nothing is forgiven that was looked at");
}

#[test]
fn what_is_heard_of_a_node_counts_but_makes_none_known() {
    let start = Instant::now();
    let (known, stranger) = (NodeId::from(1), NodeId::from(2));
    let mut liveness = Liveness::new();
    liveness.hear(known, heard(start));
    let later = start + Duration::from_secs(4);
    liveness.hear_of(known, later);
    liveness.hear_of(known, start);
    liveness.hear_of(stranger, later);
    assert!(liveness.is_alive(known, start + Duration::from_secs(8)));
    assert!(!liveness.is_alive(stranger, later));
    // What comes from the node itself is not made old by it.
    liveness.hear(known, Heard { at: start + Duration::from_secs(1), addr: "192.0.2.2".into() });
    assert_eq!(liveness.addr(known), "192.0.2.2");
}

#[test]
fn old_news_change_nothing() {
    let start = Instant::now();
    let mut liveness = Liveness::new();
    let node = NodeId::from(1);
    liveness.hear(node, heard(start + Duration::from_secs(2)));
    liveness.hear(node, heard(start));
    assert!(liveness.is_alive(node, start + Duration::from_secs(6)));
}

/// What happens to a leader for a while, in ms.
#[derive(Clone, Debug)]
enum While {
    /// Its loop takes its turns.
    Idle(u64),
    /// Its loop waits for the disk; the process runs.
    Disk(u64),
    /// The process is stopped.
    Stopped(u64),
}

fn any_while() -> impl Strategy<Value = While> {
    prop_oneof![
        (0_u64..3_000).prop_map(While::Idle),
        (0_u64..6_000).prop_map(While::Disk),
        (0_u64..20_000).prop_map(While::Stopped),
    ]
}

/// A leader with one node that beats on and one that died at the start.
struct Leader {
    liveness: Liveness,
    start: Instant,
    now: Instant,
    stopped: Duration,
}

const LIVING: u128 = 1;
const DEAD: u128 = 2;
const STEP: Duration = Duration::from_millis(20);

impl Leader {
    fn new() -> Leader {
        let (start, mut liveness) = (Instant::now(), Liveness::new());
        liveness.hear(DEAD.into(), heard(start));
        liveness.hear(LIVING.into(), heard(start));
        liveness.begin([].into_iter(), start);
        Leader { liveness, start, now: start, stopped: Duration::ZERO }
    }

    /// Time passes in which the process runs: beats are heard and somebody looks, whatever the loop does.
    fn run(&mut self, time: Duration, turns: bool) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            let since = (self.now - self.start).as_millis();
            let every = |time: Duration| since % time.as_millis() < STEP.as_millis();
            if every(self.liveness.beat()) {
                self.liveness.hear(LIVING.into(), heard(self.now));
            }
            if every(self.liveness.rest()) {
                self.liveness.look(self.now);
            }
            if turns && every(self.liveness.look_interval()) {
                self.turn();
            }
        }
    }

    /// A turn of the loop: it looks, and passes its verdicts.
    fn turn(&mut self) {
        self.liveness.look(self.now);
        assert!(self.liveness.is_alive(LIVING.into(), self.now), "it beats");
        let silent = self.now - self.start;
        if silent > PERIOD + self.stopped {
            assert!(
                !self.liveness.is_alive(DEAD.into(), self.now),
                "dead for {silent:?}, of which {:?} count for nothing",
                self.stopped
            );
        }
    }

    fn pass(&mut self, what: &While) {
        match *what {
            While::Idle(time) => self.run(Duration::from_millis(time), true),
            While::Disk(time) => self.run(Duration::from_millis(time), false),
            While::Stopped(time) => {
                self.now += Duration::from_millis(time);
                // The look before it may be this old.
                self.stopped += Duration::from_millis(time) + self.liveness.rest() + STEP;
            }
        }
        self.turn();
        // Whoever goes on hears what waits for him before he is stopped again.
        self.run(self.liveness.beat() + STEP, false);
    }
}

proptest! {
    #[test]
    fn a_slow_disk_is_no_excuse_for_the_dead_and_a_stop_no_blame_for_the_living(
        days in prop::collection::vec(any_while(), 0..30),
    ) {
        let mut leader = Leader::new();
        for what in &days {
            leader.pass(what);
        }
    }
}

#[test]
fn a_dead_node_is_gone_in_time_while_every_write_takes_two_seconds() {
    let mut leader = Leader::new();
    while leader.now < leader.start + PERIOD {
        leader.pass(&While::Disk(2_000));
    }
    assert!(!leader.liveness.is_alive(DEAD.into(), leader.now));
    assert_eq!(leader.stopped, Duration::ZERO);
}

#[tokio::test]
async fn somebody_looks_while_the_loop_waits_for_its_disk() {
    let liveness = Mutex::new(Liveness::new());
    let lock = || liveness.lock().unwrap();
    lock().set_period(1);
    lock().hear(DEAD.into(), heard(Instant::now()));
    let write = lock().look_interval() * STALL_LOOKS * 2;
    let until_gone = async {
        loop {
            tokio::time::sleep(write).await;
            let now = Instant::now();
            lock().look(now);
            if !lock().is_alive(DEAD.into(), now) {
                return;
            }
        }
    };
    tokio::select! {
        () = keep_looking(&liveness) => {}
        gone = tokio::time::timeout(PERIOD * 4, until_gone) => gone.expect("it is forgiven every write"),
    }
}

#[test]
fn a_node_at_two_places_is_told_from_one_that_moves() {
    let start = Instant::now();
    let doubles = |places: &[&str], step: Duration| {
        let mut turns = Known::new(heard(start), start).turns;
        let heard = |(n, place): (u32, &&str)| Heard { at: start + step * n, addr: (*place).to_owned() };
        let heard: Vec<_> = (0..).zip(places).map(heard).collect();
        heard.windows(2).filter(|pair| turns.take(&pair[0], &pair[1])).count()
    };
    let beat = Duration::from_millis(400);
    let in_turn = ["a", "b"].repeat(20);
    assert_eq!(doubles(&in_turn, beat), 1, "said once");
    assert_eq!(doubles(&in_turn, TURN_LIMIT), 0, "a host that is carried to and fro");
    assert_eq!(doubles(&["a", "a", "b", "b", "b"], beat), 0, "one that moves");
    assert_eq!(doubles(&["a", "b", "c"].repeat(20), beat), 0, "three places are a list of addresses");
    assert_eq!(doubles(&["a", ""].repeat(20), beat), 0, "a new leader knows no address");
    assert_eq!(doubles(&["a", "b", "b", "a", "a", "a", "b", "a", "b", "b", "a", "b", "a"], beat), 1);
}
