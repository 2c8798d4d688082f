//! Whole steps over nodes that come, go silent, and come back.

use proptest::prelude::*;

use super::*;
use crate::fixture::{Fixture, SECOND};
use crate::model::{Backoff, NodeState, TaskState};
use crate::state::codec;

/// What a leader does without any input.
fn passes(plan: &mut Plan<'_>) {
    orchestrator::plan(plan);
    allocator::plan(plan);
    scheduler::plan(plan);
}

fn then(fixture: &mut Fixture, text: &str) -> String {
    fixture.add(text);
    fixture.plan(passes)
}

/// A step as the leader takes it; its changes are applied.
fn step_with(fixture: &mut Fixture, inputs: Vec<Input>) -> Vec<Change> {
    let outcome = step(&fixture.state, inputs, fixture.now, &mut fixture.ids, &mut Memory::default());
    fixture.apply(outcome.changes.clone());
    outcome.changes
}

fn session(fixture: &Fixture, name: &str, state: NodeState) -> Input {
    let status = NodeStatus { state, ..NodeStatus::default() };
    Input::Session { node: fixture.node(name), status, description: None }
}

const TWO: &str = "node n1 ready
    node n2 ready
    service web replicas=2 restart-delay=0s
    service agent global
    task web.1 n1 running
    task web.2 n2 running
    task agent.n1 running
    task agent.n2 running";

#[test]
fn a_node_of_which_nothing_is_known_keeps_its_tasks() {
    let mut fixture = Fixture::new(TWO);
    assert_eq!(fixture.plan(passes), "");
    for state in ["unknown", "disconnected", "ready", "unknown"] {
        assert_eq!(then(&mut fixture, &format!("node n1 {state}")), "", "{state}");
    }
    // Whatever is new goes where somebody answers.
    let changes = then(&mut fixture, "service web replicas=3");
    assert_eq!(changes, "+ web.3\n~ web.3\n~ web.3 node=n2\n");
}

#[test]
fn a_dead_node_is_replaced_once_and_adopted_when_it_returns() {
    let mut fixture = Fixture::new(TWO);
    insta::assert_snapshot!(then(&mut fixture, "at 10s\n node n1 down"), @r"
    ~ agent.n1 desired=shutdown
    ~ web.1 desired=shutdown
    + web.1' attempts=1
    ~ web.1'
    ~ web.1' node=n2
    wake 86410s
    ");
    fixture.add("at 15s\n task web.1' running");
    // As in Docker the lost tasks are shown as they were last seen, until the node says more or is given up.
    insta::assert_snapshot!(fixture.tasks(), @r"
    agent.n1 n1 running desired=shutdown
    agent.n2 n2 running desired=running
    web.1 n1 running desired=shutdown
    web.1' n2 running desired=running
    web.2 n2 running desired=running
    ");
    // It returns: what was replaced stops, what was not comes back once the old container is gone.
    insta::assert_snapshot!(then(&mut fixture, "at 30s\n node n1 ready"), @r#"
    + agent.n1' desired=ready
    ~ agent.n1'
    ~ agent.n1' assigned "scheduler confirmed task can run on preassigned node"
    wake 90s
    "#);
    let changes = then(&mut fixture, "at 31s\n task web.1 shutdown\n task agent.n1 shutdown");
    assert_eq!(changes, "~ agent.n1' desired=running\n");
    assert_eq!(then(&mut fixture, "task agent.n1' running"), "");
}

#[test]
fn without_another_node_the_replacement_waits_for_the_one_that_was_lost() {
    let mut fixture = Fixture::new(
        "node n1 ready
         service web restart-delay=0s
         task web.1 n1 running
         at 10s
         node n1 down",
    );
    insta::assert_snapshot!(fixture.plan(passes), @r#"
    ~ web.1 desired=shutdown
    + web.1' attempts=1
    ~ web.1'
    ~ web.1' pending "pending task scheduling" "no suitable node (1 node not available for new tasks)"
    wake 86410s
    "#);
    assert_eq!(then(&mut fixture, "at 20s\n node n1 ready"), "~ web.1' node=n1\n");
}

#[test]
fn a_node_that_is_removed_takes_its_tasks_along_at_once() {
    let mut fixture = Fixture::new(TWO);
    then(&mut fixture, "at 10s\n node n1 down");
    insta::assert_snapshot!(then(&mut fixture, "at 20s\n task web.1' running\n remove node n1"), @r#"
    - agent.n1
    ~ web.1 orphaned "Task belonged to a node that has been deleted"
    "#);
    // What it still says is not heard.
    let status = TaskStatus { state: TaskState::Orphaned, message: "late".into(), ..TaskStatus::default() };
    let inputs = vec![
        session(&fixture, "n1", NodeState::Ready),
        Input::Manager { node: fixture.node("n1"), manager: Some(ManagerStatus::default()) },
        Input::Report { node: fixture.node("n2"), statuses: vec![(fixture.task("web.1"), status)] },
    ];
    assert_eq!(step_with(&mut fixture, inputs), []);
}

/// In the words of an agent that says everything again: there is nothing to write down, and so nothing to take back.
#[test]
fn a_status_that_is_said_again_takes_nothing_from_what_was_decided() {
    let mut fixture = Fixture::new(TWO);
    then(&mut fixture, "at 1s\n task web.1 failed err=exit");
    let id = fixture.task("web.1");
    fixture.apply(vec![Change::TaskBackoff { id, backoff: Backoff { row: 5, delay: 10_000_000_000 } }]);
    let task = fixture.state.task(id).unwrap().clone();
    let again = Input::Report { node: fixture.node("n1"), statuses: vec![(id, task.status.clone())] };
    let inputs = vec![session(&fixture, "n1", NodeState::Ready), again];
    assert_eq!(step_with(&mut fixture, inputs), []);
    let later = TaskStatus { timestamp: fixture.now.plus(1), ..task.status.clone() };
    let again = Input::Report { node: fixture.node("n1"), statuses: vec![(id, later)] };
    assert_eq!(step_with(&mut fixture, vec![again]).len(), 1);
    assert_eq!(fixture.state.task(id).unwrap().error(), "exit; failed 5 times in a row, next start in 10s");
}

#[test]
fn nobody_takes_over_a_number_in_the_consensus() {
    let mut fixture = Fixture::new("node n1 ready manager\nnode n2 ready manager\nnode n3 ready");
    let manager = |raft_id: u64| Some(ManagerStatus { raft_id, addr: "192.0.2.1:2377".into() });
    let changed = |fixture: &mut Fixture, name: &str, manager: Option<ManagerStatus>| {
        let node = fixture.node(name);
        step_with(fixture, vec![Input::Manager { node, manager }]).len()
    };
    assert_eq!(changed(&mut fixture, "n1", manager(11)), 1);
    assert_eq!(changed(&mut fixture, "n1", manager(11)), 0, "that is no news");
    assert_eq!(changed(&mut fixture, "n2", manager(11)), 0, "that is another one");
    assert_eq!(changed(&mut fixture, "n3", manager(13)), 0, "it is a worker");
    assert_eq!(changed(&mut fixture, "n1", None), 1);
    assert_eq!(changed(&mut fixture, "n1", manager(11)), 0, "it was given up");
    assert_eq!(changed(&mut fixture, "n1", manager(14)), 1);
}

#[test]
fn a_drained_node_hands_over_and_a_paused_one_keeps_what_it_has() {
    let mut fixture = Fixture::new(TWO);
    assert_eq!(then(&mut fixture, "node n1 pause"), "");
    insta::assert_snapshot!(then(&mut fixture, "at 10s\n node n1 drain"), @r"
    ~ agent.n1 desired=shutdown
    ~ web.1 desired=shutdown
    + web.1' desired=ready attempts=1
    ~ web.1'
    ~ web.1' node=n2
    wake 70s
    ");
    // A drained node that dies cannot be waited for.
    assert_eq!(then(&mut fixture, "at 11s\n node n1 down"), "~ web.1' desired=running\nwake 86411s\n");
}

#[test]
fn a_node_is_heard_under_the_address_it_had() {
    let mut fixture = Fixture::new(TWO);
    let node = fixture.node("n1");
    let status = NodeStatus { state: NodeState::Ready, addr: "192.0.2.1".into(), ..NodeStatus::default() };
    step_with(&mut fixture, vec![Input::Session { node, status: status.clone(), description: None }]);
    let inputs = vec![session(&fixture, "n1", NodeState::Unknown)];
    step_with(&mut fixture, inputs);
    assert_eq!(fixture.state.node(node).unwrap().status.addr, "192.0.2.1");
    let moved = NodeStatus { addr: "192.0.2.2".into(), ..status };
    step_with(&mut fixture, vec![Input::Session { node, status: moved.clone(), description: None }]);
    assert_eq!(fixture.state.node(node).unwrap().status, moved);
    assert_eq!(step_with(&mut fixture, vec![Input::Session { node, status: moved, description: None }]), []);
}

/// Agents of nodes that are heard bring every task where it should be; the leader goes on until nothing changes.
fn settle(fixture: &mut Fixture) {
    // Every task takes a step for its place and one for its start, and may be held for a minute.
    const STEPS_MAX: usize = 200;
    for _ in 0..STEPS_MAX {
        fixture.now = fixture.now.plus(SECOND);
        let mut inputs = Vec::new();
        for task in fixture.state.tasks() {
            let Some(node) = task.node.and_then(|node| fixture.state.node(node)) else { continue };
            let is_heard = node.status.state == NodeState::Ready;
            let state = match (task.status.state, task.desired) {
                (state, _) if state.is_terminal() || state < TaskState::Assigned => continue,
                (_, desired) if desired > TaskState::Running => TaskState::Shutdown,
                (state, desired) if state < desired => desired,
                _ => continue,
            };
            let status = TaskStatus { state, timestamp: fixture.now, ..TaskStatus::default() };
            if is_heard {
                inputs.push(Input::Report { node: node.id, statuses: vec![(task.id, status)] });
            }
        }
        let is_quiet = inputs.is_empty();
        if step_with(fixture, inputs).is_empty() && is_quiet {
            return;
        }
    }
    panic!("never settled:\n{}", fixture.tasks());
}

/// Another manager takes over: it has read the state, and its identifiers are its own.
fn change_leader(fixture: &mut Fixture, seed: u8) {
    fixture.state = codec::decode_state(&codec::encode_state(&fixture.state)).unwrap();
    fixture.ids = IdSource::new([seed; 32]);
}

fn made(changes: &[Change]) -> usize {
    changes.iter().filter(|change| matches!(change, Change::TaskCreate { .. })).count()
}

/// Every replicated slot has one task that is wanted and runs, and no container beside it on a node that is heard.
fn check_whole(fixture: &Fixture) {
    for service in fixture.state.services() {
        let Some(replicas) = service.replicas() else { continue };
        let mut slots: Vec<u64> = fixture
            .state
            .tasks_of_service(service.id)
            .filter(|task| (TaskState::Assigned..=TaskState::Running).contains(&task.status.state))
            .filter(|task| fixture.state.node(task.node.unwrap()).unwrap().status.state != NodeState::Down)
            .map(|task| task.slot)
            .collect();
        slots.sort_unstable();
        assert_eq!(slots, (1..=replicas).collect::<Vec<_>>(), "{}:\n{}", service.name(), fixture.tasks());
    }
}

/// Clusters of some nodes with some services.
fn cluster() -> impl Strategy<Value = String> {
    let delay = prop::sample::select(vec!["0s", "2s"]);
    (2..5_usize, 1..6_u8, 0..4_u8, delay, any::<bool>()).prop_map(|(nodes, web, api, delay, is_global)| {
        let mut text: String = (1..=nodes).map(|node| format!("node n{node} ready\n")).collect();
        text += &format!("service web replicas={web} restart-delay={delay}\nservice api replicas={api}\n");
        if is_global {
            text += "service agent global\n";
        }
        text
    })
}

/// A cluster whose services run.
fn running(cluster: &str) -> Fixture {
    let mut fixture = Fixture::new(cluster);
    settle(&mut fixture);
    check_whole(&fixture);
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn silence_restarts_nothing(cluster in cluster(), news in prop::collection::vec((1..6_u8, 0..3_usize), 1..8)) {
        let mut fixture = running(&cluster);
        for (node, state) in news {
            let state = [NodeState::Unknown, NodeState::Disconnected, NodeState::Ready][state];
            let inputs = vec![session(&fixture, &format!("n{node}"), state)];
            let changes = step_with(&mut fixture, inputs);
            let is_report = |change: &Change| matches!(change, Change::NodeReport { .. });
            prop_assert!(changes.iter().all(is_report), "{changes:?}");
            fixture.now = fixture.now.plus(SECOND);
            change_leader(&mut fixture, node);
            prop_assert_eq!(step_with(&mut fixture, Vec::new()), []);
        }
    }

    #[test]
    fn each_task_of_a_dead_node_is_replaced_once(
        cluster in cluster(),
        cut in any::<prop::sample::Index>(),
        is_early in any::<bool>(),
    ) {
        let mut fixture = running(&cluster);
        let dead = fixture.node("n1");
        let lost = fixture.state.tasks_of_node(dead).filter(|task| task.slot > 0 && task.is_wanted()).count();
        fixture.now = fixture.now.plus(SECOND);
        let inputs = vec![session(&fixture, "n1", NodeState::Down)];
        let outcome = step(&fixture.state, inputs, fixture.now, &mut fixture.ids, &mut Memory::default());
        prop_assert_eq!(made(&outcome.changes), lost);
        // The leader is lost too, with a part of its plan committed; the next one goes on from there.
        let mut changes = outcome.changes;
        changes.truncate(1 + cut.index(changes.len()));
        let before = made(&changes);
        fixture.apply(changes);
        change_leader(&mut fixture, 77);
        let after = made(&step_with(&mut fixture, Vec::new()));
        prop_assert_eq!(before + after, lost);
        change_leader(&mut fixture, 78);
        prop_assert_eq!(step_with(&mut fixture, Vec::new()), []);
        if !is_early {
            settle(&mut fixture);
            check_whole(&fixture);
        }
        // It comes back, with everything that ran on it still running: what was replaced stops, nothing runs twice.
        let others: Vec<TaskId> = fixture.state.tasks_of_node(fixture.node("n2")).map(|task| task.id).collect();
        let inputs = vec![session(&fixture, "n1", NodeState::Ready)];
        step_with(&mut fixture, inputs);
        settle(&mut fixture);
        check_whole(&fixture);
        let kept = |id: &TaskId| fixture.state.task(*id).is_some_and(|task| task.status.state <= TaskState::Running);
        prop_assert!(others.iter().all(kept), "the other nodes noticed:\n{}", fixture.tasks());
    }
}
