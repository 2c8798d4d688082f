//! What follows a task that ended.

use proptest::prelude::*;

use super::*;
use crate::fixture::SECOND;
use crate::model::Task;
use crate::state::codec;

const ONE: &str = "node n1 ready
    node n2 ready
    service web restart-delay=2s
    task web.1 n1 running";

#[test]
fn a_failed_task_is_replaced_after_its_delay() {
    let mut fixture = Fixture::new(ONE);
    insta::assert_snapshot!(then(&mut fixture, "at 10s\n task web.1 failed"), @r"
    ~ web.1 desired=shutdown
    + web.1' desired=ready not-before=12s attempts=1
    wake 12s
    ");
    assert_eq!(then(&mut fixture, "at 11s\n task web.1' n1 ready"), "wake 12s\n");
    assert_eq!(then(&mut fixture, "at 12s"), "~ web.1' desired=running\n");
    assert_eq!(then(&mut fixture, "at 20s\n task web.1' running"), "");
}

#[test]
fn the_delay_is_five_seconds_unless_given_and_none_if_zero() {
    let text = "node n1 ready\n service web\n task web.1 n1 failed";
    assert!(check(text).contains("not-before=5s"));
    let changes = check(&text.replace("service web", "service web restart-delay=0s"));
    assert_eq!(changes, "~ web.1 desired=shutdown\n+ web.1' attempts=1\n");
}

#[test]
fn a_task_that_fails_while_it_waits_is_replaced_only_after_its_delay() {
    let mut fixture = Fixture::new(ONE);
    then(&mut fixture, "at 10s\n task web.1 failed");
    assert_eq!(then(&mut fixture, "at 11s\n task web.1' n1 rejected"), "wake 12s\n");
    insta::assert_snapshot!(then(&mut fixture, "at 12s"), @r"
    ~ web.1' desired=shutdown
    + web.1'' desired=ready not-before=14s attempts=2
    wake 14s
    ");
}

#[test]
fn a_drained_node_hands_over_without_delay_but_not_before_the_container_stopped() {
    let mut fixture = Fixture::new(ONE);
    insta::assert_snapshot!(then(&mut fixture, "at 10s\n node n1 drain"), @r"
    ~ web.1 desired=shutdown
    + web.1' desired=ready attempts=1
    wake 70s
    ");
    let mut patient = Fixture::new(ONE);
    then(&mut patient, "at 10s\n node n1 drain");
    assert_eq!(then(&mut fixture, "at 12s\n task web.1 shutdown"), "~ web.1' desired=running\n");
    // A container that does not stop is waited for no longer than a minute.
    assert_eq!(then(&mut patient, "at 69s"), "wake 70s\n");
    assert_eq!(then(&mut patient, "at 70s"), "~ web.1' desired=running\n");
}

#[test]
fn a_node_that_is_down_is_not_waited_for() {
    let mut fixture = Fixture::new(ONE);
    insta::assert_snapshot!(then(&mut fixture, "at 10s\n node n1 down"), @r"
    ~ web.1 desired=shutdown
    + web.1' attempts=1
    wake 86410s
    ");
}

#[test]
fn conditions_decide_whether_another_task_follows() {
    let cases = [
        ("any", "complete", true),
        ("any", "failed", true),
        ("on-failure", "complete", false),
        ("on-failure", "failed", true),
        ("on-failure", "rejected", true),
        ("none", "complete", false),
        ("none", "failed", false),
    ];
    for (condition, state, follows) in cases {
        let text = format!("node n1 ready\n service web restart={condition}\n task web.1 n1 {state}");
        let changes = check(&text);
        assert_eq!(changes.contains("+ web.1'"), follows, "{condition} {state}: {changes}");
        assert!(changes.contains("~ web.1 desired=shutdown"));
    }
}

#[test]
fn a_slot_that_ended_for_good_stays_filled_until_an_update() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=2 restart=none
         task web.1 n1 complete
         task web.2 n1 running",
    );
    assert_eq!(fixture.plan(plan), "~ web.1 desired=shutdown\n");
    assert_eq!(then(&mut fixture, "service web replicas=3"), "+ web.3\n");
    insta::assert_snapshot!(then(&mut fixture, "at 1s\n task web.3 n1 running\n service web image=new"), @r#"
    ~ web update=updating "update in progress"
    + web.1'
    "#);
}

#[test]
fn attempts_are_counted_until_the_policy_has_enough() {
    let mut fixture = Fixture::new("node n1 ready\n service web attempts=2 restart-delay=0s\n task web.1 n1 failed");
    assert!(fixture.plan(plan).contains("+ web.1' attempts=1"));
    assert!(then(&mut fixture, "at 1s\n task web.1' n1 failed").contains("+ web.1'' attempts=2"));
    assert_eq!(then(&mut fixture, "at 2s\n task web.1'' n1 failed"), "~ web.1'' desired=shutdown\n");
    assert_eq!(then(&mut fixture, "at 999s"), "");
    // Scaling is no new chance, another spec is.
    assert_eq!(then(&mut fixture, "service web replicas=2"), "+ web.2\n");
    assert!(then(&mut fixture, "task web.2 n1 running\n service web image=new").contains("+ web.1'''\n"));
    assert!(then(&mut fixture, "at 1000s\n task web.1''' n1 failed").contains("attempts=1"));
}

#[test]
fn attempts_outside_the_window_do_not_count() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web attempts=2 window=10s restart-delay=0s
         at 1s
         task web.1 n1 failed",
    );
    assert!(fixture.plan(plan).contains("+ web.1' attempts=1"));
    assert!(then(&mut fixture, "at 2s\n task web.1' n1 failed").contains("+ web.1'' attempts=2"));
    // At 11.5 s the restart of the first second is out of the window again.
    let mut early = Fixture::new("node n1 ready");
    std::mem::swap(&mut early, &mut fixture);
    assert!(then(&mut early, "at 11500ms\n task web.1'' n1 failed").contains("+ web.1''' attempts=3"));
    assert_eq!(then(&mut early, "at 11600ms\n task web.1''' n1 failed"), "~ web.1''' desired=shutdown\n");
    // And what was decided stays decided.
    assert_eq!(then(&mut early, "at 500s"), "");
}

#[test]
fn a_task_without_a_node_is_not_restarted() {
    assert_eq!(check("service web\n task web.1 pending"), "");
}

/// The slot whose tasks the tests below let end, time after time.
const LOOP: &str = "node n1 ready\n node n2 ready\n service web\n task web.1 pending";

/// Lets the task with so many primes run for so long and then end, and plans: how long the next one waits, and what is told
/// of the one that ended.
fn end(fixture: &mut Fixture, primes: usize, seconds: i64, state: &str) -> (i64, String) {
    let name = format!("web.1{}", "'".repeat(primes));
    let due = task(fixture, &name).restart.not_before;
    fixture.now = fixture.now.max(due);
    fixture.plan(plan);
    then(fixture, &format!("task {name} n1 running"));
    fixture.now = fixture.now.plus(seconds * SECOND);
    let now = fixture.now;
    then(fixture, &format!("task {name} {state}"));
    let next = task(fixture, &format!("{name}'")).restart.not_before;
    (next.since(now).max(0) / SECOND, task(fixture, &name).error().into_owned())
}

fn task<'f>(fixture: &'f Fixture, name: &str) -> &'f Task {
    fixture.state.task(fixture.task(name)).unwrap_or_else(|| panic!("no {name}:\n{}", fixture.tasks()))
}

/// How long each of the next tasks waits, when all end after a second. The history keeps what ended.
fn waits(fixture: &mut Fixture, primes: std::ops::Range<usize>, state: &str) -> Vec<i64> {
    primes.map(|primes| end(fixture, primes, 1, state).0).collect()
}

#[test]
fn a_slot_that_ends_again_and_again_waits_longer_and_longer() {
    for state in ["failed", "rejected"] {
        let waits = waits(&mut Fixture::new(LOOP), 0..12, state);
        assert_eq!(waits, [5, 5, 5, 5, 10, 20, 40, 80, 160, 300, 300, 300], "{state}");
    }
    let cases: [(&str, &[i64]); 4] = [
        ("restart-delay=0s", &[0, 0, 0, 0, 2, 4, 8, 16]),
        ("restart-delay=200s", &[200, 200, 200, 200, 300, 300]),
        ("restart-delay=10m", &[600, 600, 600, 600, 600, 600]),
        ("restart=on-failure window=1h", &[5, 5, 5, 5, 10, 20]),
    ];
    for (options, expected) in cases {
        let mut fixture = Fixture::new(&LOOP.replace("service web", &format!("service web {options}")));
        assert_eq!(waits(&mut fixture, 0..expected.len(), "failed"), expected, "{options}");
    }
}

#[test]
fn a_task_that_was_done_is_no_failure() {
    let mut fixture = Fixture::new(LOOP);
    assert_eq!(waits(&mut fixture, 0..8, "complete"), [5; 8]);
    assert_eq!(waits(&mut fixture, 8..14, "failed"), [5, 5, 5, 5, 10, 20]);
    assert_eq!(end(&mut fixture, 14, 1, "complete"), (5, String::new()));
    assert_eq!(end(&mut fixture, 15, 1, "failed").0, 5);
}

#[test]
fn where_attempts_are_counted_no_delay_grows() {
    for options in ["attempts=20", "attempts=20 window=1h"] {
        let mut fixture = Fixture::new(&LOOP.replace("service web", &format!("service web {options}")));
        assert_eq!(waits(&mut fixture, 0..12, "failed"), [5; 12], "{options}");
    }
}

#[test]
fn a_task_that_ran_for_long_ends_the_row() {
    let mut fixture = Fixture::new(LOOP);
    assert_eq!(waits(&mut fixture, 0..8, "failed").last(), Some(&80));
    // It waited for 80 s before, and 79 are less.
    assert_eq!(end(&mut fixture, 8, 79, "failed").0, 160);
    assert_eq!(end(&mut fixture, 9, 160, "failed"), (5, String::new()));
    assert_eq!((10..14).map(|primes| end(&mut fixture, primes, 59, "failed").0).collect::<Vec<_>>(), [5, 5, 5, 10]);
    assert_eq!(end(&mut fixture, 14, 60, "failed").0, 5);
}

#[test]
fn only_the_time_in_which_it_runs_counts() {
    let mut fixture = Fixture::new(LOOP);
    waits(&mut fixture, 0..4, "failed");
    then(&mut fixture, "at 1h\n task web.1'''' n1 preparing");
    insta::assert_snapshot!(then(&mut fixture, "at 2h\n task web.1'''' rejected"), @r"
    ~ web.1'''' desired=shutdown
    ~ web.1'''' failed 5 times in a row, next start in 10s
    + web.1''''' desired=ready not-before=7210s attempts=5
    - web.1
    wake 7210s
    ");
}

#[test]
fn another_spec_or_another_node_begins_anew() {
    for line in ["service web force=1", "service web image=new", "node n1 drain", "node n1 down", "remove node n1"] {
        let mut fixture = Fixture::new(LOOP);
        waits(&mut fixture, 0..6, "failed");
        then(&mut fixture, "at 10m");
        then(&mut fixture, &format!("task web.1'''''' n1 running\n {line}"));
        then(&mut fixture, "at 11m\n node n1 ready active\n task web.1'''''' shutdown");
        assert_eq!(end(&mut fixture, 7, 1, "failed"), (5, String::new()), "{line}");
    }
    // Other news of the service do not.
    let mut fixture = Fixture::new(LOOP);
    waits(&mut fixture, 0..6, "failed");
    then(&mut fixture, "service web replicas=2 label=a");
    assert_eq!(end(&mut fixture, 6, 1, "failed").0, 40);
}

#[test]
fn a_row_is_told_with_the_error_and_no_report_changes_that() {
    let mut fixture = Fixture::new(LOOP);
    for primes in 0..4 {
        assert_eq!(end(&mut fixture, primes, 1, "failed err=exit:1").1, "exit:1");
    }
    let told = "exit:1; failed 5 times in a row, next start in 10s";
    assert_eq!(end(&mut fixture, 4, 1, "failed err=exit:1").1, told);
    // The agent says its own again, word by word, or with another time; so does a new session.
    for again in ["", "at 1h\n "] {
        fixture.add(&format!("{again}task web.1'''' failed err=exit:1"));
        assert_eq!(task(&fixture, "web.1''''").error(), told);
        assert_eq!(task(&fixture, "web.1''''").status.err, "exit:1");
    }
    fixture.plan(plan);
    assert_eq!(task(&fixture, "web.1''''").error(), told);
    assert_eq!(end(&mut fixture, 5, 1, "failed err=").1, "failed 6 times in a row, next start in 20s");
    assert_eq!(end(&mut fixture, 6, 1, "failed err=").1, "failed 7 times in a row, next start in 40s");
    assert_eq!(end(&mut fixture, 7, 1, "failed err=").1, "failed 8 times in a row, next start in 1m20s");
}

#[test]
fn a_row_is_counted_on_by_the_next_leader() {
    let mut fixture = Fixture::new(LOOP);
    for (primes, waited) in [5, 5, 5, 5, 10, 20, 40, 80].into_iter().enumerate() {
        assert_eq!(end(&mut fixture, primes, 1, "failed").0, waited);
        fixture.state = codec::decode_state(&codec::encode_state(&fixture.state)).unwrap();
    }
    assert_eq!(task(&fixture, "web.1''''").error(), "failed 5 times in a row, next start in 10s");
}

#[test]
fn a_job_backs_off_by_the_same_rule() {
    let mut fixture = Fixture::new(&LOOP.replace("service web", "service web job=2 concurrent=1 restart-delay=1s"));
    assert_eq!(waits(&mut fixture, 0..7, "failed"), [1, 1, 1, 1, 2, 4, 8]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However long tasks run, and whoever leads: a wait depends on the row and on nothing else.
    #[test]
    fn waits_follow_the_row(
        ends in prop::collection::vec(
            (prop_oneof![4 => 0..10_i64, 1 => 50..70_i64, 2 => 0..400_i64], any::<bool>(), any::<bool>()),
            1..24,
        ),
    ) {
        let mut fixture = Fixture::new(LOOP);
        let (mut row, mut waited) = (0, 0);
        for (primes, (ran, has_failed, is_led_anew)) in ends.into_iter().enumerate() {
            let (wait, told) = end(&mut fixture, primes, ran, if has_failed { "failed" } else { "complete" });
            row = if !has_failed { 0 } else if ran >= waited.max(60) { 1 } else { row + 1 };
            waited = if row <= 4 { 5 } else { (2 * waited).min(300) };
            prop_assert_eq!(wait, waited);
            let expected = format!("failed {row} times in a row, next start in ");
            prop_assert!(if row <= 4 { told.is_empty() } else { told.starts_with(&expected) }, "{}", told);
            if is_led_anew {
                fixture.state = codec::decode_state(&codec::encode_state(&fixture.state)).unwrap();
            }
        }
    }
}
