//! The orchestrator on small clusters: a fixture in, the printed changes out. [`Fixture::plan`] also checks, every
//! time, that planning twice changes nothing.

mod jobs;
mod properties;
mod restart;
mod update;
mod whole;

use super::plan;
use crate::fixture::Fixture;

fn check(text: &str) -> String {
    Fixture::new(text).plan(plan)
}

/// Adds to a cluster and plans.
fn then(fixture: &mut Fixture, text: &str) -> String {
    fixture.add(text);
    fixture.plan(plan)
}

#[test]
fn a_new_service_gets_its_slots() {
    let changes = check("service web replicas=3");
    insta::assert_snapshot!(changes, @r"
    + web.1
    + web.2
    + web.3
    ");
}

#[test]
fn scaling_up_fills_the_lowest_free_numbers() {
    let changes = check(
        "node n1 ready
         service web replicas=4
         task web.1 n1 running
         task web.3 n1 running
         task web.6 n1 running",
    );
    assert_eq!(changes, "+ web.2\n");
}

#[test]
fn scaling_down_empties_the_fullest_node_and_the_highest_number() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         service web replicas=5
         task web.1 n1 running
         task web.2 n1 running
         task web.3 n1 running
         task web.4 n2 running
         task web.5 n2 running",
    );
    assert_eq!(fixture.plan(plan), "");
    assert_eq!(then(&mut fixture, "service web replicas=4"), "~ web.3 desired=remove\n");
    assert_eq!(then(&mut fixture, "service web replicas=3"), "~ web.5 desired=remove\n");
    let emptied = then(&mut fixture, "service web replicas=0");
    insta::assert_snapshot!(emptied, @r"
    ~ web.1 desired=remove
    ~ web.2 desired=remove
    ~ web.4 desired=remove
    ");
}

#[test]
fn scaling_down_prefers_what_does_not_run() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         service web replicas=3
         task web.1 n1 preparing
         task web.2 n1 running
         task web.3 n2 running",
    );
    assert_eq!(then(&mut fixture, "service web replicas=2"), "~ web.1 desired=remove\n");
    // What has no node yet goes before everything else.
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=3
         task web.1 pending
         task web.2 n1 running
         task web.3 n1 running",
    );
    insta::assert_snapshot!(then(&mut fixture, "service web replicas=2"), @r"
    ~ web.1 desired=remove
    - web.1
    ");
}

#[test]
fn a_slot_goes_with_its_history_and_its_number_is_free_at_once() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=2
         task web.1 n1 running
         task web.2 n1 failed desired=shutdown
         at 1s
         task web.2' n1 running",
    );
    insta::assert_snapshot!(then(&mut fixture, "service web replicas=1"), @r"
    ~ web.2 desired=remove
    ~ web.2' desired=remove
    - web.2
    ");
    assert_eq!(then(&mut fixture, "service web replicas=2"), "+ web.2''\n");
    assert_eq!(then(&mut fixture, "task web.2' shutdown"), "- web.2'\n");
}

#[test]
fn a_global_service_runs_on_every_node_that_fits() {
    let mut fixture = Fixture::new(
        "node n1 ready zone=a
         node n2 pause zone=a
         node n3 drain zone=a
         node n4 down zone=a
         node n5 unknown zone=a
         node n6 ready zone=b
         service agent global constraint=node.labels.zone==a",
    );
    insta::assert_snapshot!(fixture.plan(plan), @r"
    + agent.n1
    + agent.n5
    ");
    fixture.add("task agent.n1 running");
    fixture.add("task agent.n5 running");
    insta::assert_snapshot!(then(&mut fixture, "node n2 active\n node n3 active\n node n4 ready\n node n6 zone=a"), @r"
    + agent.n2
    + agent.n3
    + agent.n4
    + agent.n6
    ");
}

#[test]
fn a_global_task_leaves_with_its_node() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         node n3 ready
         service agent global
         task agent.n1 running
         task agent.n2 running
         task agent.n3 running",
    );
    assert_eq!(then(&mut fixture, "node n1 drain"), "~ agent.n1 desired=shutdown\n");
    assert_eq!(then(&mut fixture, "node n2 down"), "~ agent.n2 desired=shutdown\nwake 86400s\n");
    assert_eq!(then(&mut fixture, "remove node n3"), "- agent.n3\nwake 86400s\n");
    // What ran there before stops first.
    let changes = then(&mut fixture, "at 10s\n task agent.n1 shutdown\n node n2 ready");
    assert_eq!(changes, "+ agent.n2' desired=ready\nwake 70s\n");
    assert_eq!(then(&mut fixture, "at 20s"), "wake 70s\n");
    assert_eq!(then(&mut fixture, "at 30s\n task agent.n2 shutdown"), "~ agent.n2' desired=running\n");
    assert_eq!(then(&mut fixture, "at 40s\n node n1 active"), "+ agent.n1'\n");
}

#[test]
fn a_paused_node_keeps_its_global_task_and_gets_no_other() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service agent global
         task agent.n1 running
         node n1 pause",
    );
    assert_eq!(fixture.plan(plan), "");
    assert_eq!(then(&mut fixture, "service agent image=new"), "");
    assert_eq!(then(&mut fixture, "task agent.n1 failed"), "~ agent.n1 desired=shutdown\n");
    assert_eq!(then(&mut fixture, "node n1 active"), "+ agent.n1'\n");
}

#[test]
fn a_node_that_no_longer_fits_loses_its_tasks() {
    let mut fixture = Fixture::new(
        "node n1 ready zone=a
         node n2 ready zone=a
         service web constraint=node.labels.zone==a
         service agent global constraint=node.labels.zone==a
         task web.1 n1 running
         task agent.n1 running
         task agent.n2 running",
    );
    assert_eq!(fixture.plan(plan), "");
    let changes = then(&mut fixture, "node n1 zone=b");
    let mut lines: Vec<&str> = changes.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    + web.1' desired=ready not-before=5s attempts=1
    wake 5s
    ~ agent.n1 desired=shutdown
    ~ agent.n1 rejected "task rejected by constraint enforcer" "assigned node no longer meets constraints"
    ~ web.1 desired=shutdown
    ~ web.1 rejected "task rejected by constraint enforcer" "assigned node no longer meets constraints"
    "#);
}

#[test]
fn a_node_with_less_than_it_promised_loses_its_youngest_tasks() {
    let mut fixture = Fixture::new(
        "node n1 ready cpus=4 memory=1024
         service web replicas=2 cpus=1 memory=512 restart-delay=0s
         service db cpus=1 restart-delay=0s
         task web.1 n1 running
         at 1s
         task db.1 n1 running
         at 2s
         task web.2 n1 running",
    );
    assert_eq!(fixture.plan(plan), "");
    insta::assert_snapshot!(then(&mut fixture, "node n1 cpus=2"), @r#"
    ~ web.2 rejected "task rejected by constraint enforcer" "assigned node no longer meets constraints"
    ~ web.2 desired=shutdown
    + web.2' attempts=1
    "#);
    // What was never reported is not known to be too little.
    assert_eq!(then(&mut fixture, "node n1 cpus=0 memory=0"), "");
}

#[test]
fn a_task_whose_generic_resource_its_node_no_longer_has_goes() {
    let mut fixture = Fixture::new(
        "node n1 ready cpus=4 generic.gpu=one,two
         service web replicas=2 generic.gpu=1 restart-delay=0s
         task web.1 pending
         task web.2 pending",
    );
    let given = "~ web.1 node=n1 DOCKER_RESOURCE_GPU=one\n~ web.2 node=n1 DOCKER_RESOURCE_GPU=two\n";
    assert_eq!(fixture.plan(crate::scheduler::plan), given);
    fixture.add("task web.1 running\ntask web.2 running");
    assert_eq!(fixture.plan(plan), "");
    insta::assert_snapshot!(then(&mut fixture, "node n1 generic.gpu=two,three"), @r#"
    ~ web.1 rejected "task rejected by constraint enforcer" "assigned node no longer meets constraints"
    ~ web.1 desired=shutdown
    + web.1' attempts=1
    "#);
}

#[test]
fn a_removed_node_orphans_its_tasks_and_takes_its_attachments_along() {
    let mut fixture = Fixture::new(
        "node n1 ready
         network net 10.0.1.0/24 attachable
         service web replicas=2
         task web.1 n1 running net=10.0.1.2/24
         task web.2 n1 failed desired=shutdown
         task web.2' n1 starting
         attach box n1 net=10.0.1.9/24",
    );
    assert_eq!(fixture.plan(plan), "");
    insta::assert_snapshot!(then(&mut fixture, "remove node n1"), @r#"
    ~ web.1 orphaned "Task belonged to a node that has been deleted"
    ~ web.2' orphaned "Task belonged to a node that has been deleted"
    ~ web.1 desired=shutdown
    + web.1' attempts=1
    ~ web.2' desired=shutdown
    + web.2'' attempts=1
    - box
    "#);
}

#[test]
fn a_node_that_is_down_for_a_day_loses_its_tasks_for_good() {
    let mut fixture = Fixture::new(
        "node n1 ready
         node n2 ready
         service web
         task web.1 n1 running
         attach box n1
         at 10s
         node n1 down",
    );
    insta::assert_snapshot!(fixture.plan(plan), @r"
    ~ web.1 desired=shutdown
    + web.1' attempts=1
    wake 86410s
    ");
    fixture.add("task web.1' n2 running");
    assert_eq!(then(&mut fixture, "at 86409s"), "wake 86410s\n");
    insta::assert_snapshot!(then(&mut fixture, "at 86410s"), @r#"
    ~ web.1 orphaned "running"
    - box
    "#);
}

#[test]
fn a_removed_service_takes_its_tasks_along() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web replicas=4
         task web.1 n1 running
         task web.2 n1 failed
         task web.3 pending
         task web.4 n1 starting
         remove service web",
    );
    let changes = fixture.plan(plan);
    let mut lines: Vec<&str> = changes.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    - web.2
    - web.3
    ~ web.1 desired=remove
    ~ web.4 desired=remove
    ");
    assert_eq!(then(&mut fixture, "task web.1 shutdown"), "- web.1\n");
    assert_eq!(then(&mut fixture, "remove node n1"), "- web.4\n");
}

#[test]
fn history_is_kept_within_its_limit_oldest_first() {
    let text = "cluster history=3
         node n1 ready
         service web
         task web.1 n1 failed desired=shutdown
         at 1s
         task web.1' n1 failed desired=shutdown
         at 2s
         task web.1'' n1 failed desired=shutdown
         at 3s
         task web.1''' n1 running";
    assert_eq!(check(text), "- web.1\n");
    let mut fixture = Fixture::new(text);
    insta::assert_snapshot!(then(&mut fixture, "cluster history=0"), @r"
    - web.1
    - web.1'
    - web.1''
    ");
    assert_eq!(check(&text.replace("history=3", "history=-1")), "");
    // One more than the attempts, as in swarmkit.
    assert_eq!(check(&text.replace("service web", "service web attempts=1")), "- web.1\n- web.1'\n");
}

#[test]
fn what_still_runs_is_not_history() {
    let changes = check(
        "cluster history=1
         node n1 ready
         service web
         task web.1 n1 running desired=shutdown
         at 1s
         task web.1' n1 failed desired=shutdown
         at 2s
         task web.1'' n1 running",
    );
    assert_eq!(changes, "- web.1'\n");
}

#[test]
fn the_last_task_of_a_slot_that_ended_for_good_is_never_forgotten() {
    let mut fixture = Fixture::new(
        "cluster history=0
         node n1 ready
         service web restart=none
         task web.1 n1 complete",
    );
    assert_eq!(fixture.plan(plan), "~ web.1 desired=shutdown\n");
    assert_eq!(then(&mut fixture, "at 100s"), "");
}
