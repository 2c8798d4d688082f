//! Services whose tasks run to completion.

use super::*;

#[test]
fn a_job_runs_a_few_at_a_time_until_all_are_complete() {
    let mut fixture = Fixture::new("node n1 ready\n service job job=4 concurrent=2");
    assert_eq!(fixture.plan(plan), "+ job.0\n+ job.1\n");
    assert_eq!(then(&mut fixture, "at 1s\n task job.0 n1 running\n task job.1 n1 running"), "");
    assert_eq!(then(&mut fixture, "at 2s\n task job.1 complete"), "+ job.2\n");
    assert_eq!(then(&mut fixture, "at 3s\n task job.2 n1 complete\n task job.0 complete"), "+ job.3\n");
    assert_eq!(then(&mut fixture, "at 4s\n task job.3 n1 complete"), "");
    // Done is done, whatever becomes of the nodes.
    assert_eq!(then(&mut fixture, "at 5s\n node n1 drain"), "");
    assert_eq!(then(&mut fixture, "at 6s\n remove node n1"), "");
    assert_eq!(fixture.tasks().matches("complete desired=complete").count(), 4);
}

#[test]
fn a_job_with_nothing_to_do_does_nothing() {
    assert_eq!(check("node n1 ready\n service job job=0"), "");
    assert_eq!(check("node n1 ready\n service job job=3 concurrent=0"), "");
    assert_eq!(check("node n1 ready\n service job job=1 concurrent=9"), "+ job.0\n");
}

#[test]
fn a_failed_task_of_a_job_is_tried_again_in_its_slot() {
    let mut fixture = Fixture::new("node n1 ready\n service job job=2 restart-delay=2s\n task job.0 n1 running");
    assert_eq!(fixture.plan(plan), "+ job.1\n");
    insta::assert_snapshot!(then(&mut fixture, "at 1s\n task job.1 n1 complete\n task job.0 failed"), @r"
    ~ job.0 desired=shutdown
    + job.0' desired=ready not-before=3s attempts=1
    wake 3s
    ");
    assert_eq!(then(&mut fixture, "at 3s\n task job.0' n1 ready"), "~ job.0' desired=complete\n");
    assert_eq!(then(&mut fixture, "at 4s\n task job.0' complete"), "");
}

/// Where swarmkit would try it again after another task ended.
#[test]
fn what_failed_for_good_is_left_whatever_else_ends() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         service job job=3 concurrent=2 restart=none
         service each global-job restart=none
         task job.0 n1 failed
         task job.1 n2 running
         task each.n1 failed
         task each.n2 running",
    );
    insta::assert_snapshot!(fixture.plan(plan), @r"
    ~ each.n1 desired=shutdown
    ~ job.0 desired=shutdown
    + job.2
    ");
    let changes = then(&mut fixture, "at 1s\n task job.1 complete\n task each.n2 failed\n task job.2 n1 failed");
    assert_eq!(changes, "~ each.n2 desired=shutdown\n~ job.2 desired=shutdown\n");
    assert_eq!(then(&mut fixture, "at 2s\n node n1 drain\n node n2 drain"), "");
    assert_eq!(then(&mut fixture, "at 3s\n node n1 active\n node n2 active"), "");
}

/// Swarmkit takes `any` for `on-failure` where a job is concerned.
#[test]
fn completion_ends_a_slot_under_every_condition_and_failure_only_where_nothing_restarts() {
    for (condition, follows) in [("any", true), ("on-failure", true), ("none", false)] {
        let text = format!("node n1 ready\n service job job=1 restart={condition} restart-delay=0s\n task job.0 n1");
        assert_eq!(check(&format!("{text} complete")), "", "{condition}");
        let mut fixture = Fixture::new(&format!("{text} failed"));
        let changes = fixture.plan(plan);
        assert_eq!(changes.contains("+ job.0' attempts=1"), follows, "{condition}: {changes}");
        // And it stays so when something else happens.
        assert_eq!(then(&mut fixture, "at 9s\n node n2 ready"), "", "{condition}");
    }
}

#[test]
fn attempts_of_a_job_run_out_and_leave_its_other_slots_alone() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service job job=2 concurrent=1 attempts=1 restart-delay=0s
         task job.0 n1 failed",
    );
    insta::assert_snapshot!(then(&mut fixture, "at 1s"), @r"
    ~ job.0 desired=shutdown
    + job.0' attempts=1
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 2s\n task job.0' n1 failed"), @r"
    ~ job.0' desired=shutdown
    + job.1
    ");
    assert_eq!(then(&mut fixture, "at 3s\n task job.1 n1 complete"), "");
    // An execution is a new chance for both.
    assert_eq!(then(&mut fixture, "at 4s\n service job force=1"), "+ job.0''\n- job.0\n");
    assert_eq!(then(&mut fixture, "at 5s\n task job.0'' n1 complete"), "+ job.1'\n");
}

#[test]
fn another_execution_ends_the_one_before_and_waits_for_its_containers() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service job job=3 concurrent=2
         task job.0 n1 complete
         task job.1 n1 running
         task job.2 pending",
    );
    assert_eq!(fixture.plan(plan), "");
    insta::assert_snapshot!(then(&mut fixture, "at 1s\n service job force=1"), @r"
    ~ job.1 desired=remove
    ~ job.2 desired=remove
    + job.0'
    + job.1' desired=ready
    - job.2
    wake 61s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 2s\n task job.1 shutdown"), @r"
    ~ job.1' desired=complete
    - job.1
    ");
    // What was complete is history, and one of three is not done again.
    assert_eq!(then(&mut fixture, "at 3s\n task job.0' n1 complete"), "+ job.2'\n");
}

#[test]
fn a_task_that_failed_before_the_next_execution_is_not_tried_again() {
    let mut fixture = Fixture::new("node n1 ready\n service job job=1\n task job.0 n1 failed\n service job force=1");
    insta::assert_snapshot!(fixture.plan(plan), @r"
    ~ job.0 desired=remove
    + job.0'
    - job.0
    ");
}

#[test]
fn what_a_lost_node_had_is_done_elsewhere() {
    let text = "node n2 ready
         node n3 ready
         service job job=3 restart-delay=9s
         task job.0 n3 complete
         task job.1 n2 running
         task job.2 n3 running";
    let mut fixture = Fixture::new(text);
    assert_eq!(fixture.plan(plan), "");
    insta::assert_snapshot!(then(&mut fixture, "at 2s\n node n2 down"), @r"
    ~ job.1 desired=shutdown
    + job.1' attempts=1
    wake 86402s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 3s\n remove node n3"), @r#"
    ~ job.2 orphaned "Task belonged to a node that has been deleted"
    ~ job.2 desired=shutdown
    + job.2' attempts=1
    wake 86402s
    "#);
}

/// Swarmkit tells a replicated job nothing of nodes, and its `constraintenforcer` passes over what is desired as complete.
#[test]
fn on_a_drained_node_what_is_under_way_goes_on_to_its_end() {
    let mut fixture = Fixture::new(
        "node n1 ready zone=a
         node n2 ready zone=a
         service job job=4 restart-delay=9s constraint=node.labels.zone==a
         task job.0 n1 running
         task job.1 n1 preparing
         task job.2 n1 assigned desired=ready not-before=2s
         task job.3 n1 running",
    );
    assert_eq!(then(&mut fixture, "at 1s\n node n1 drain"), "wake 2s\n");
    assert_eq!(then(&mut fixture, "at 2s"), "~ job.2 desired=complete\n");
    assert_eq!(then(&mut fixture, "at 3s\n task job.0 complete\n task job.1 running"), "");
    // What fails there is tried elsewhere, without delay.
    insta::assert_snapshot!(then(&mut fixture, "at 4s\n task job.3 failed"), @r"
    ~ job.3 desired=shutdown
    + job.3' attempts=1
    ");
    assert_eq!(then(&mut fixture, "at 5s\n task job.3' n2 running\n node n2 zone=b\n node n1 zone=b"), "");
    // Until there is another execution, or the node is lost.
    insta::assert_snapshot!(then(&mut fixture, "at 6s\n node n1 down"), @r"
    ~ job.1 desired=shutdown
    + job.1' attempts=1
    ~ job.2 desired=shutdown
    + job.2' attempts=1
    wake 86406s
    ");
}

#[test]
fn a_drained_node_is_as_a_paused_one_to_a_global_job() {
    for away in ["drain", "pause", "zone=b"] {
        let mut fixture = Fixture::new(
            "node n1 ready zone=a
             node n2 ready zone=a
             node n3 ready zone=a
             service job global-job restart-delay=0s constraint=node.labels.zone==a
             task job.n1 running
             task job.n2 running
             task job.n3 complete",
        );
        let changes = then(&mut fixture, &format!("at 1s\n node n1 {away}\n node n2 {away}\n node n3 {away}"));
        assert_eq!(changes, "", "{away}");
        assert_eq!(then(&mut fixture, "at 2s\n task job.n1 complete"), "", "{away}");
        // Nothing is begun there, and nothing is tried again before the node is back.
        assert_eq!(then(&mut fixture, "at 3s\n task job.n2 failed"), "~ job.n2 desired=shutdown\n", "{away}");
        assert_eq!(then(&mut fixture, "at 4s\n node n2 active zone=a"), "+ job.n2'\n", "{away}");
    }
}

#[test]
fn a_global_job_runs_once_on_every_node_that_fits() {
    let mut fixture = Fixture::new(
        "node n1 ready zone=a
         node n2 pause zone=a
         node n3 drain zone=a
         node n4 down zone=a
         node n5 ready zone=b
         service job global-job constraint=node.labels.zone==a",
    );
    assert_eq!(fixture.plan(plan), "+ job.n1\n");
    assert_eq!(then(&mut fixture, "at 1s\n task job.n1 complete"), "");
    // Nodes that come, or come back, have their part; n1 has had it.
    insta::assert_snapshot!(then(&mut fixture, "at 2s\n node n6 ready zone=a\n node n2 active\n node n3 active"), @r"
    + job.n2
    + job.n3
    + job.n6
    ");
    assert_eq!(then(&mut fixture, "at 3s\n node n1 drain"), "");
    assert_eq!(then(&mut fixture, "at 4s\n node n1 active"), "");
}

#[test]
fn a_global_job_begins_anew_on_every_node() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         service job global-job
         task job.n1 complete
         task job.n2 running",
    );
    assert_eq!(fixture.plan(plan), "");
    insta::assert_snapshot!(then(&mut fixture, "at 1s\n service job force=1"), @r"
    ~ job.n1 desired=remove
    ~ job.n2 desired=remove
    + job.n1'
    + job.n2' desired=ready
    - job.n1
    wake 61s
    ");
    insta::assert_snapshot!(then(&mut fixture, "at 2s\n task job.n2 shutdown\n task job.n1' complete"), @r"
    ~ job.n2' desired=complete
    - job.n2
    ");
}

#[test]
fn a_node_that_leaves_in_the_middle_of_a_global_job_is_served_when_it_is_back() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         node n3 ready
         service job global-job
         task job.n1 running
         task job.n2 running
         task job.n3 complete",
    );
    assert_eq!(then(&mut fixture, "at 1s\n node n1 down"), "~ job.n1 desired=shutdown\nwake 86401s\n");
    assert_eq!(then(&mut fixture, "at 2s\n task job.n1 shutdown\n node n1 ready"), "+ job.n1'\n");
    assert_eq!(then(&mut fixture, "at 3s\n remove node n2"), "- job.n2\n");
    // What was achieved on a node is not undone by its going.
    assert_eq!(then(&mut fixture, "at 4s\n remove node n3"), "");
}

#[test]
fn what_is_complete_counts_even_if_another_task_of_its_slot_is_as_young() {
    for (job, slot) in [("job=1", "0"), ("global-job", "n1")] {
        let changes = check(&format!(
            "cluster history=0
             node n1 ready
             service job {job}
             task job.{slot} n1 complete
             task job.{slot}' n1 shutdown desired=shutdown"
        ));
        assert_eq!(changes, "", "{job}");
    }
}

#[test]
fn the_history_of_a_job_has_its_limit() {
    let mut fixture = Fixture::new("cluster history=2\n node n1 ready\n service job job=2 concurrent=1");
    fixture.plan(plan);
    for execution in 1..5_i64 {
        let primes = "'".repeat(usize::try_from(execution).unwrap() - 1);
        for slot in 0..2 {
            then(&mut fixture, &format!("at {}s\n task job.{slot}{primes} n1 complete", execution * 10 + slot));
        }
        then(&mut fixture, &format!("at {}s\n service job force={execution}", execution * 10 + 5));
    }
    let kept = fixture.tasks();
    // In the first slot one of the four before goes on with the new one; the second is not reached yet.
    assert_eq!(kept.matches("job.0").count(), 2, "{kept}");
    assert!(kept.matches("job.1").count() <= 3, "{kept}");
}
