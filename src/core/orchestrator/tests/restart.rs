//! What follows a task that ended.

use super::*;

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
