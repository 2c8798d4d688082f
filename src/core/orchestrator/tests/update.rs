//! Rolling updates and rollbacks.

use super::*;

const THREE: &str = "node n1 ready
    service web replicas=3 image=old
    task web.1 n1 running
    task web.2 n1 running
    task web.3 n1 running
    at 10s";

fn three(options: &str) -> Fixture {
    Fixture::new(&THREE.replace("image=old", &format!("image=old {options}")))
}

#[test]
fn slots_are_replaced_one_by_one() {
    let mut fixture = three("");
    insta::assert_snapshot!(then(&mut fixture, "service web image=new"), @r#"
    ~ web update=updating "update in progress"
    + web.1' desired=ready
    ~ web.1 desired=shutdown
    wake 70s
    "#);
    assert_eq!(then(&mut fixture, "at 11s\n task web.1' n1 ready"), "wake 70s\n");
    assert_eq!(then(&mut fixture, "at 12s\n task web.1 shutdown"), "~ web.1' desired=running\n");
    insta::assert_snapshot!(then(&mut fixture, "at 13s\n task web.1' running"), @r"
    + web.2' desired=ready
    ~ web.2 desired=shutdown
    wake 73s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 14s\n task web.2 shutdown\n task web.2' n1 running"), @r"
    ~ web.2' desired=running
    + web.3' desired=ready
    ~ web.3 desired=shutdown
    wake 74s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 15s\n task web.3 shutdown\n task web.3' n1 running"), @r"
    ~ web.3' desired=running
    wake 20s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 20s"), @r#"~ web update=completed "update completed""#);
    assert_eq!(then(&mut fixture, "at 99s"), "");
}

#[test]
fn what_makes_a_task_outdated() {
    let outdated = ["image=new", "force=1", "env=A=1", "publish=80:80/tcp/host", "publish=80:80", "cpus=1"];
    for option in outdated {
        let changes = then(&mut three(""), &format!("service web {option}"));
        assert!(changes.contains("+ web.1'"), "{option}: {changes}");
    }
    for option in ["label=x", "parallelism=2", "order=start-first", "constraint=node.hostname==n1", "force=0"] {
        assert_eq!(then(&mut three(""), &format!("service web {option}")), "", "{option}");
    }
    let moved = then(&mut three(""), "service web constraint=node.hostname==n2");
    assert!(moved.contains("~ web.1 desired=shutdown\n") && !moved.contains("web.2"), "{moved}");
    assert_eq!(then(&mut three(""), "service web replicas=4"), "+ web.4\n");
}

/// swarmkit#971: whoever has its image needs no other credential for it.
#[test]
fn another_credential_is_for_tasks_that_have_no_image_yet() {
    assert_eq!(then(&mut three(""), "service web credential=x"), "");
    assert_eq!(then(&mut three("credential=x"), "service web credential="), "");
    let mut fixture =
        Fixture::new("node n1 ready\n service web replicas=1 image=old\n task web.1 n1 preparing\n at 10s");
    let changes = then(&mut fixture, "service web credential=x");
    assert!(changes.contains("+ web.1'") && changes.contains("~ web.1 desired=shutdown"), "{changes}");
    let changes = then(&mut three(""), "service web credential=x image=new");
    assert!(changes.contains("+ web.1'"), "{changes}");
}

#[test]
fn parallelism_zero_takes_all_at_once() {
    insta::assert_snapshot!(then(&mut three("parallelism=0"), "service web image=new"), @r#"
    ~ web update=updating "update in progress"
    + web.1' desired=ready
    ~ web.1 desired=shutdown
    + web.2' desired=ready
    ~ web.2 desired=shutdown
    + web.3' desired=ready
    ~ web.3 desired=shutdown
    wake 70s
    "#);
}

#[test]
fn the_delay_follows_each_slot_and_the_last_one_is_watched_longer_than_it() {
    let mut fixture = three("delay=10s");
    then(&mut fixture, "service web image=new");
    assert!(!then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 running").contains("web.2"));
    assert_eq!(then(&mut fixture, "at 20s"), "wake 21s\n");
    assert!(then(&mut fixture, "at 21s").contains("+ web.2'"));
    then(&mut fixture, "at 22s\n task web.2 shutdown\n task web.2' n1 running\n at 32s");
    fixture.plan(plan);
    let last = then(&mut fixture, "at 33s\n task web.3 shutdown\n task web.3' n1 running");
    assert_eq!(last, "~ web.3' desired=running\nwake 54s\n");
    assert!(then(&mut fixture, "at 54s").contains("update completed"));
}

#[test]
fn start_first_keeps_the_old_task_until_the_new_one_runs() {
    let mut fixture = three("order=start-first");
    insta::assert_snapshot!(then(&mut fixture, "service web image=new"), @r#"
    ~ web update=updating "update in progress"
    + web.1'
    "#);
    assert_eq!(then(&mut fixture, "at 11s\n task web.1' n1 starting"), "");
    insta::assert_snapshot!(then(&mut fixture, "at 12s\n task web.1' running"), @r"
    ~ web.1 desired=shutdown
    + web.2'
    ");
}

#[test]
fn start_first_keeps_the_old_task_if_the_new_one_fails() {
    let mut fixture = three("order=start-first action=continue restart-delay=1s");
    then(&mut fixture, "service web image=new");
    insta::assert_snapshot!(then(&mut fixture, "at 11s\n task web.1' n1 failed"), @r"
    ~ web.1' desired=shutdown
    + web.1'' desired=ready not-before=12s attempts=1
    + web.2'
    wake 12s
    ");
    assert_eq!(then(&mut fixture, "at 12s\n task web.1'' n1 preparing"), "~ web.1'' desired=running\n");
    assert_eq!(then(&mut fixture, "at 13s\n task web.1'' running"), "~ web.1 desired=shutdown\n");
}

/// One attempt after the other, as slowly as the policy says, beside the old task; the update waits for none of them.
#[test]
fn start_first_tries_again_beside_the_old_task_for_as_long_as_it_takes() {
    let mut fixture = Fixture::new(
        "cluster history=2
         node n1 ready
         service web image=old order=start-first action=continue restart-delay=5s
         task web.1 n1 running
         at 10s",
    );
    then(&mut fixture, "service web image=new");
    let (mut now, mut task, mut completed) = (10, "web.1'".to_owned(), 0);
    for turn in 1..100 {
        // It is refused at once, before its time has come, and looked at again every second.
        let mut news = then(&mut fixture, &format!("at {now}s\n task {task} n1 rejected"));
        while !news.contains("+ web.1") {
            assert!(now < 400 * turn, "{turn}: no other one follows");
            now += 1;
            news += &then(&mut fixture, &format!("at {now}s"));
        }
        assert!(!news.contains("~ web.1 desired"), "the old one stays: {news}");
        assert_eq!(news.matches("+ web.1").count(), 1, "{turn}: {news}");
        completed += news.matches("update completed").count();
        task.push('\'');
    }
    assert_eq!(completed, 1);
    assert!(now > 20_000, "as slowly as the policy says, and slower each time: {now}");
    let news = then(&mut fixture, &format!("at {now}s\n task {task} n1 running"));
    assert!(news.contains("~ web.1 desired=shutdown"), "{news}");
}

#[test]
fn an_update_that_fails_pauses_until_the_next_one() {
    let mut fixture = three("");
    then(&mut fixture, "service web image=new");
    let paused = then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 failed exit=1");
    // The failure waits for the restart delay of its own task, not for anything else.
    insta::assert_snapshot!(paused.replace(&fixture.task("web.1'").to_string(), "ID"), @r#"
    ~ web.1' desired=shutdown
    + web.1'' desired=ready not-before=16s attempts=1
    ~ web update=paused "update paused due to failure or early termination of task ID"
    wake 16s
    "#);
    assert_eq!(then(&mut fixture, "at 16s"), "~ web.1'' desired=running\n");
    // The restarted task has the new spec; the other slots wait.
    assert_eq!(then(&mut fixture, "at 17s\n task web.1'' n1 running"), "");
    insta::assert_snapshot!(then(&mut fixture, "at 100s\n service web label=again"), @r#"
    ~ web update=updating "update in progress"
    + web.2' desired=ready
    ~ web.2 desired=shutdown
    wake 160s
    "#);
}

#[test]
fn failures_are_borne_up_to_the_ratio() {
    let mut fixture = three("parallelism=2 ratio=0.4 restart-delay=1s");
    then(&mut fixture, "service web image=new");
    let first = then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 failed");
    assert!(first.contains("+ web.3'") && !first.contains("paused"), "{first}");
    let second = then(&mut fixture, "at 12s\n task web.2 shutdown\n task web.2' n1 failed");
    assert!(second.contains("update paused due to failure"), "{second}");
}

#[test]
fn a_failure_long_after_the_start_is_none_of_the_updates() {
    let mut fixture = three("delay=5m monitor=10s");
    then(&mut fixture, "service web image=new");
    then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 running exit=0");
    let later = then(&mut fixture, "at 111s\n task web.1' failed exit=1");
    assert!(later.contains("+ web.1''") && !later.contains("paused"), "{later}");
}

#[test]
fn whoever_ends_before_it_ran_has_failed_however_long_that_took() {
    let mut fixture = three("delay=5m monitor=10s");
    then(&mut fixture, "service web image=new");
    then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 starting exit=0");
    let later = then(&mut fixture, "at 200s\n task web.1' failed err=unhealthy");
    assert!(later.contains("update paused due to failure"), "{later}");
}

#[test]
fn who_ran_for_longer_than_it_is_watched_is_none_of_the_updates() {
    for state in ["failed", "complete"] {
        let mut fixture = three("delay=12s monitor=3s");
        then(&mut fixture, "service web image=new");
        then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 running");
        let later = then(&mut fixture, &format!("at 15s\n task web.1' {state}"));
        assert!(later.contains("+ web.1''") && !later.contains("paused"), "{later}");
        let mut fixture = three("delay=12s monitor=3s");
        then(&mut fixture, "service web image=new");
        then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 running");
        let soon = then(&mut fixture, &format!("at 13s\n task web.1' {state}"));
        assert!(soon.contains("update paused due to failure"), "{soon}");
    }
}

#[test]
fn what_was_done_in_a_time_that_was_given_up_was_done_long_ago() {
    let mut fixture = three("delay=5m");
    then(&mut fixture, "service web image=new");
    then(&mut fixture, "at 100s\n task web.1 shutdown\n task web.1' n1 running");
    let changes = then(&mut fixture, "at 20s");
    assert!(changes.contains("+ web.2'"), "{changes}");
}

#[test]
fn a_health_check_is_watched_for_its_own_window_unless_the_user_says_for_how_long() {
    for (options, is_failure) in [
        ("health=3s,3", true),
        ("health=3s,2", false),
        ("health=,", true),
        ("health=off", false),
        ("health=3s,3 monitor=6s", false),
        ("", false),
    ] {
        let mut fixture = three(&format!("delay=5m {options}"));
        then(&mut fixture, "service web image=new");
        then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 running");
        let ended = then(&mut fixture, "at 20s\n task web.1' failed err=unhealthy");
        assert_eq!(ended.contains("paused"), is_failure, "{options}: {ended}");
    }
}

#[test]
fn an_update_that_fails_rolls_back_and_the_rollback_completes() {
    let mut fixture = three("action=rollback rollback-parallelism=0");
    then(&mut fixture, "service web image=new");
    let back = then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 rejected");
    insta::assert_snapshot!(back.replace(&fixture.task("web.1'").to_string(), "ID"), @r#"
    ~ web.1' desired=shutdown
    + web.1'' desired=ready not-before=16s attempts=1
    ~ web image=old update=rollback_started "update rolled back due to failure or early termination of task ID"
    + web.1'''
    ~ web.1'' desired=shutdown
    wake 16s
    "#);
    assert_eq!(then(&mut fixture, "at 12s\n task web.1''' n1 running"), "wake 17s\n");
    insta::assert_snapshot!(then(&mut fixture, "at 17s"), @r#"~ web update=rollback_completed "rollback completed""#);
    assert_eq!(fixture.state.service_named("web").unwrap().previous_spec, None);
}

#[test]
fn a_rollback_does_not_wait_for_what_the_update_before_it_still_stops() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=1 image=old
         task web.1 n1 running
         at 10s",
    );
    let changes = then(&mut fixture, "service web image=new");
    assert!(changes.contains("+ web.1' desired=ready\n~ web.1 desired=shutdown\n"), "{changes}");
    let changes = then(&mut fixture, "at 11s\n service web image=old status=rollback_started");
    assert!(changes.starts_with("+ web.1''\n~ web.1' desired=shutdown\n"), "{changes}");
    // Had the new one come as far as a container, that would be waited for, and the oldest still would not.
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=1 image=old
         task web.1 n1 running
         at 10s",
    );
    then(&mut fixture, "service web image=new");
    fixture.add("at 11s\n task web.1' n1 ready");
    let changes = then(&mut fixture, "at 12s\n service web image=old status=rollback_started");
    assert!(changes.starts_with("+ web.1'' desired=ready\n~ web.1' desired=shutdown\n"), "{changes}");
    let changes = then(&mut fixture, "at 13s\n task web.1' shutdown");
    assert!(changes.contains("~ web.1'' desired=running\n"), "{changes}");
}

#[test]
fn a_rollback_is_never_rolled_back() {
    let mut fixture = three("rollback-action=rollback");
    fixture.add("service web image=new status=rollback_started");
    fixture.plan(plan);
    let paused = then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 rejected");
    assert!(paused.contains("update=rollback_paused \"rollback paused due to failure"), "{paused}");
}

#[test]
fn a_rollback_fills_slots_that_had_ended_for_good() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=2 image=old restart=none
         task web.1 n1 complete desired=shutdown
         task web.2 n1 running
         at 10s
         service web label=back status=rollback_started",
    );
    assert_eq!(fixture.plan(plan), "+ web.1'\n~ web update=rollback_completed \"rollback completed\"\n");
    // Once.
    assert_eq!(then(&mut fixture, "at 11s\n task web.1' n1 complete"), "~ web.1' desired=shutdown\n");
}

#[test]
fn another_update_takes_over_where_nothing_runs() {
    let mut fixture = three("");
    fixture.add("service web parallelism=1");
    then(&mut fixture, "service web image=new");
    insta::assert_snapshot!(then(&mut fixture, "at 11s\n service web image=newer"), @r#"
    ~ web update=updating "update in progress"
    + web.1''
    ~ web.1' desired=shutdown
    wake 70s
    "#);
    // The first task of the slot is what the first update waited for, and the second does not.
    let changes = then(&mut fixture, "at 12s\n task web.1 shutdown");
    assert!(!changes.contains("web.1''"), "{changes}");
}

#[test]
fn scaling_goes_on_during_an_update() {
    let mut fixture = three("");
    insta::assert_snapshot!(then(&mut fixture, "service web image=new replicas=4"), @r#"
    + web.4
    ~ web update=updating "update in progress"
    + web.1' desired=ready
    ~ web.1 desired=shutdown
    wake 70s
    "#);
    // The rest is a smaller update.
    then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 running\n task web.4 n1 running");
    let down = then(&mut fixture, "at 12s\n service web replicas=1");
    assert!(down.contains("~ web.2 desired=remove") && down.contains("~ web.3 desired=remove"), "{down}");
}

#[test]
fn a_global_service_is_updated_node_by_node() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         node n3 pause
         service agent global image=old
         task agent.n1 running
         task agent.n2 running
         task agent.n3 running",
    );
    insta::assert_snapshot!(then(&mut fixture, "service agent image=new"), @r#"
    ~ agent update=updating "update in progress"
    + agent.n1' desired=ready
    ~ agent.n1 desired=shutdown
    wake 60s
    "#);
    insta::assert_snapshot!(then(&mut fixture, "at 1s\n task agent.n1 shutdown\n task agent.n1' running"), @r"
    ~ agent.n1' desired=running
    + agent.n2' desired=ready
    ~ agent.n2 desired=shutdown
    wake 61s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 2s\n task agent.n2 shutdown\n task agent.n2' running\n at 7s"), @r#"
    ~ agent.n2' desired=running
    ~ agent update=completed "update completed"
    "#);
}

#[test]
fn failures_of_the_update_under_way_stay_in_history() {
    let mut fixture = three("action=pause ratio=0.9 parallelism=1 restart-delay=0s");
    fixture.add("cluster history=1");
    then(&mut fixture, "service web image=new");
    let first = then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 failed");
    assert!(first.contains("- web.1\n") && !first.contains("- web.1'\n"), "{first}");
    then(&mut fixture, "at 12s\n task web.1'' n1 running");
    then(&mut fixture, "at 13s\n task web.2 shutdown\n task web.2' n1 failed");
    let third = then(&mut fixture, "at 14s\n task web.3 shutdown\n task web.3' n1 failed");
    assert!(third.contains("update paused"), "{third}");
    assert!(third.contains("- web.1'\n") && third.contains("- web.2'\n"), "{third}");
}

#[test]
fn a_second_try_at_a_spec_that_failed_is_an_update_of_its_own() {
    let one = "node n1 ready
        service web replicas=1 image=old restart=none
        task web.1 n1 running
        at 10s";
    let mut fixture = Fixture::new(one);
    assert!(then(&mut fixture, "service web image=new").contains("+ web.1'"));
    then(&mut fixture, "at 11s\n task web.1 shutdown\n task web.1' n1 rejected");
    assert!(then(&mut fixture, "at 12s\n service web image=old").contains("+ web.1''"));
    then(&mut fixture, "at 13s\n task web.1'' n1 running");
    then(&mut fixture, "at 60s");
    let again = then(&mut fixture, "at 90s\n service web image=new");
    assert!(again.contains("update=updating") && again.contains("+ web.1'''"), "{again}");
}
