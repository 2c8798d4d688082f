//! The shortcut against the whole: whatever happens, a step that looks at little misses nothing.

use proptest::prelude::*;

use super::*;
use crate::fixture::{Fixture, SECOND};
use crate::model::{NodeState, TaskStatus, Timestamp};
use crate::plan::Plan;
use crate::state::Change;
use crate::step::{Input, step};

/// A leader and its cluster.
struct World {
    fixture: Fixture,
    memory: Memory,
}

impl World {
    fn new(text: &str) -> World {
        World { fixture: Fixture::new(text), memory: Memory::default() }
    }

    /// A step of the leader; what it decides is agreed upon, or it forgets what it found.
    fn step(&mut self, is_agreed: bool) -> (Vec<Change>, Option<Timestamp>) {
        let inputs = self.reports();
        let fixture = &mut self.fixture;
        let outcome = step(&fixture.state, inputs, fixture.now, &mut fixture.ids, &mut self.memory);
        if is_agreed {
            fixture.apply(outcome.changes.clone());
        } else {
            self.memory = Memory::default();
        }
        (outcome.changes, outcome.wake_at)
    }

    /// What agents of nodes that are heard say: tasks are as they should be.
    fn reports(&self) -> Vec<Input> {
        let state = &self.fixture.state;
        let mut inputs = Vec::new();
        for task in state.tasks() {
            let node = task.node.and_then(|node| state.node(node)).filter(|node| node.status.state == NodeState::Ready);
            let next = match (task.status.state, task.desired) {
                (state, _) if state.is_terminal() || state < TaskState::Assigned => continue,
                (_, desired) if desired > TaskState::Complete => TaskState::Shutdown,
                (TaskState::Ready, TaskState::Ready) | (TaskState::Running, TaskState::Running) => continue,
                (TaskState::Assigned, _) => TaskState::Ready,
                (TaskState::Ready, _) => TaskState::Running,
                (_, desired) => desired,
            };
            let status = TaskStatus { state: next, timestamp: self.fixture.now, ..TaskStatus::default() };
            inputs.extend(node.map(|node| Input::Report { node: node.id, statuses: vec![(task.id, status)] }));
        }
        inputs
    }

    /// What the next step will look at, by name.
    fn looks_at(&self) -> Vec<String> {
        let focus = self.memory.focus(&self.fixture.state);
        focus.services().into_iter().map(|service| self.fixture.name(service.number())).collect()
    }

    /// Steps, each with its second, until one changes nothing.
    fn settle(&mut self) -> Option<Timestamp> {
        for _ in 0..100 {
            self.fixture.now = self.fixture.now.plus(SECOND);
            let (changes, wake) = self.step(true);
            if changes.is_empty() && self.reports().is_empty() {
                return wake;
            }
        }
        panic!("never settled:\n{}", self.fixture.tasks());
    }
}

const NODES: &str = "cluster history=1
    node n1 ready cpus=2 zone=a
    node n2 ready cpus=1 zone=b
    network net 10.0.1.0/29";

#[test]
fn one_new_service_among_many_is_all_that_a_step_looks_at() {
    let services: String = (0..50).map(|at| format!("service s{at} replicas=2\n")).collect();
    let mut world = World::new(&format!("{NODES}\n{services}service idle constraint=node.labels.zone==c"));
    world.settle();
    assert_eq!(world.looks_at(), Vec::<String>::new());
    world.fixture.add("service new");
    assert_eq!(world.looks_at(), ["new"]);
    world.settle();
    // A node concerns all.
    world.fixture.add("node n2 zone=c");
    assert_eq!(world.looks_at().len(), 52);
    world.settle();
    world.fixture.add("remove service new");
    assert_eq!(world.looks_at(), Vec::<String>::new(), "its tasks are nobody's");
    world.settle();
    assert!(!world.fixture.tasks().contains("new"), "{}", world.fixture.tasks());
}

#[test]
fn who_waits_for_room_is_looked_at_when_there_is_some() {
    let mut world = World::new(&format!("{NODES}\nservice big replicas=3 cpus=1\nservice late cpus=1"));
    world.settle();
    let waits = |world: &World| world.fixture.tasks().contains("late.1 - pending");
    assert!(waits(&world));
    world.fixture.add("service other");
    world.settle();
    assert!(waits(&world));
    world.fixture.add("service big replicas=2");
    world.settle();
    assert!(!waits(&world), "{}", world.fixture.tasks());
}

#[test]
fn who_waits_for_an_address_is_looked_at_until_there_is_one() {
    let mut world = World::new(&format!("{NODES}\nservice a replicas=3 network=net\nservice b replicas=3 network=net"));
    world.settle();
    assert!(world.fixture.tasks().contains("new"), "{}", world.fixture.tasks());
    world.fixture.add("remove service a");
    world.settle();
    assert!(!world.fixture.tasks().contains("new"), "{}", world.fixture.tasks());
}

fn happening() -> impl Strategy<Value = String> {
    let service = || prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    let word = prop::sample::select(vec![
        "replicas=0",
        "replicas=1",
        "replicas=4",
        "cpus=1",
        "image=other",
        "constraint=node.labels.zone==a",
        "max-per-node=1",
        "network=net",
        "publish=80:80/tcp/host",
        "publish=80:80/tcp",
        "restart-delay=3s",
        "order=start-first",
        "delay=2s",
    ]);
    let fate = prop::sample::select(vec!["ready", "down", "unknown", "drain", "active", "pause", "zone=a", "zone=b"]);
    prop_oneof![
        6 => (service(), word).prop_map(|(name, word)| format!("service {name} {word}")),
        2 => service().prop_map(|name| format!("remove service {name}")),
        2 => (1..4_u8, fate).prop_map(|(node, fate)| format!("node n{node} {fate}")),
        1 => (0..4_u8).prop_map(|limit| format!("cluster history={limit}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_step_that_looks_at_little_misses_nothing(
        happenings in prop::collection::vec((happening(), 0..4_u8, 0..9_u8), 1..24),
    ) {
        let mut world = World::new(&format!(
            "{NODES}\nnetwork ingress 10.0.0.0/24 ingress\nservice a replicas=2 cpus=1\nservice b global\n\
             service c replicas=2 cpus=1\nservice d job=2 concurrent=1 network=net\nservice e replicas=4 network=net"
        ));
        for (line, steps, chance) in happenings {
            world.fixture.add(&line);
            for _ in 0..steps {
                world.fixture.now = world.fixture.now.plus(SECOND);
                world.step(chance > 0);
            }
        }
        let wake = world.settle();
        let fixture = &mut world.fixture;
        let whole = step(&fixture.state, Vec::new(), fixture.now, &mut fixture.ids, &mut Memory::default());
        prop_assert_eq!(whole.changes, []);
        prop_assert_eq!(whole.wake_at, wake);
        // The passes called one by one, as elsewhere in tests, look at everything too.
        let mut plan = Plan::new(&fixture.state, fixture.now, &mut fixture.ids);
        prop_assert_eq!(plan.focus().services().len(), fixture.state.services().count());
    }
}
