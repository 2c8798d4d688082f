//! Random lives of a cluster: whatever users, nodes and containers do, the orchestrator keeps its promises on the way,
//! and once they leave it alone it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fixture::SECOND;
use crate::model::{NodeId, Service, Task, TaskState, TaskStatus, Timestamp, UpdateState};
use crate::orchestrator::slot::{Fill, Slot};
use crate::orchestrator::{calm, reaper, round, scope::Scope, slot, update};
use crate::plan::Plan;
use crate::state::{Change, State};

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
enum Happening {
    /// A line of the fixture language: what users do, and nodes.
    Line(String),
    /// The nth running task ends.
    End(usize, TaskState),
    /// Agents and the scheduler do this many steps, a second each.
    Go(u8),
    /// Nothing, for this many seconds.
    Wait(u16),
}

fn options() -> impl Strategy<Value = String> {
    let order = prop_oneof![Just("stop-first"), Just("start-first")];
    let action = prop_oneof![Just("pause"), Just("continue"), Just("rollback")];
    (0..4_u8, 0..4_u8, order, action, prop_oneof![Just(0.0), Just(0.5)], 0..3_u8).prop_map(
        |(parallelism, delay, order, action, ratio, restart)| {
            format!(
                "parallelism={parallelism} delay={delay}s order={order} action={action} ratio={ratio} \
                 restart-delay={restart}s"
            )
        },
    )
}

/// Tasks of the image `bad` fail when they start, those of `worse` cannot be pulled.
fn image() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("one"), 3 => Just("two"), 1 => Just("bad"), 1 => Just("worse")]
}

fn happening() -> impl Strategy<Value = Happening> {
    let service =
        || prop_oneof![3 => Just("web"), 3 => Just("agent"), 2 => Just("batch"), 1 => Just("job"), 1 => Just("sweep")];
    let policy = prop_oneof![
        Just("restart=none"),
        Just("restart=on-failure"),
        Just("restart=any"),
        Just("attempts=0"),
        Just("attempts=1"),
        Just("attempts=2"),
        Just("window=0s"),
        Just("window=9s"),
    ];
    let condition = prop_oneof![
        6 => Just("ready"), 2 => Just("down"), 1 => Just("unknown"), 2 => Just("drain"), 2 => Just("pause"),
        6 => Just("active"), 1 => Just("zone=a"), 1 => Just("zone=b"),
    ];
    prop_oneof![
        3 => (0..7_u8).prop_map(|count| Happening::Line(format!("service web replicas={count}"))),
        2 => (0..5_u8, 0..4_u8).prop_map(|(total, at_once)| {
            Happening::Line(format!("service job job={total} concurrent={at_once}"))
        }),
        2 => (prop_oneof![Just("job"), Just("sweep")], any::<u8>())
            .prop_map(|(name, force)| Happening::Line(format!("service {name} force={force}"))),
        1 => (0..3_u8).prop_map(|count| Happening::Line(format!("service batch replicas={count}"))),
        2 => policy.prop_map(|policy| Happening::Line(format!("service batch {policy}"))),
        4 => (service(), image()).prop_map(|(name, image)| Happening::Line(format!("service {name} image={image}"))),
        2 => (service(), options()).prop_map(|(name, options)| Happening::Line(format!("service {name} {options}"))),
        1 => service().prop_map(|name| Happening::Line(format!("service {name} status=rollback_started"))),
        4 => (1..5_u8, condition).prop_map(|(node, what)| Happening::Line(format!("node n{node} {what}"))),
        1 => (0..4_i8).prop_map(|limit| Happening::Line(format!("cluster history={limit}"))),
        4 => (any::<usize>(), prop_oneof![Just(TaskState::Failed), Just(TaskState::Complete)])
            .prop_map(|(which, state)| Happening::End(which, state)),
        6 => (1..12_u8).prop_map(Happening::Go),
        2 => (1..90_u16).prop_map(Happening::Wait),
    ]
}

struct World {
    fixture: Fixture,
    wake: Option<Timestamp>,
}

impl World {
    fn new(options: &str) -> World {
        let fixture = Fixture::new(&format!(
            "cluster history=2
             node n1 ready zone=a
             node n2 ready zone=a
             node n3 ready zone=b
             node n4 ready zone=a
             service web replicas=3 image=one {options}
             service agent global image=one constraint=node.labels.zone==a {options}
             service batch replicas=2 image=one restart=on-failure attempts=1 {options}
             service job job=3 concurrent=2 image=one restart=on-failure restart-delay=1s
             service sweep global-job image=one constraint=node.labels.zone==a restart-delay=1s"
        ));
        World { fixture, wake: None }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Line(line) => self.fixture.add(line),
            Happening::End(which, state) => {
                let running: Vec<Arc<Task>> = self
                    .fixture
                    .state
                    .tasks()
                    .filter(|task| task.status.state == TaskState::Running)
                    .cloned()
                    .collect();
                if !running.is_empty() {
                    let task = &running[which % running.len()];
                    self.report(task, *state);
                }
            }
            Happening::Go(steps) => {
                for _ in 0..*steps {
                    self.go();
                }
            }
            Happening::Wait(seconds) => self.fixture.now = self.fixture.now.plus(i64::from(*seconds) * SECOND),
        }
        self.step();
    }

    /// One second in which scheduler and agents do what they can.
    fn go(&mut self) {
        self.fixture.now = self.fixture.now.plus(SECOND);
        self.schedule();
        self.act();
        self.step();
    }

    /// One step of the orchestrator, with everything that must hold after it.
    fn step(&mut self) {
        let before = self.fixture.state.clone();
        let fixture = &mut self.fixture;
        let (changes, wake) = fixture.run(plan);
        fixture.apply(changes);
        self.wake = wake;
        let (again, _) = fixture.run(plan);
        assert!(again.is_empty(), "planned twice: {}", fixture.apply(again));
        self.check_time();
        let services: Vec<Arc<Service>> = self.fixture.state.services().cloned().collect();
        for service in services {
            self.check_calm(&service);
            check_slots(&self.fixture.state, &service, self.fixture.now);
            check_job(&self.fixture.state, &service);
            check_parallelism(&before, &self.fixture.state, &service);
        }
    }

    /// Time alone changes nothing before the moment that was asked for.
    fn check_time(&mut self) {
        let now = self.fixture.now;
        let last = self.wake.map_or(now.plus(1_000_000 * SECOND), |wake| Timestamp(wake.0 - 1));
        for at in [last, Timestamp(i64::midpoint(now.0, last.0))] {
            if at > now {
                self.fixture.now = at;
                let (early, _) = self.fixture.run(plan);
                assert!(early.is_empty(), "woken too late: {}", self.fixture.apply(early));
            }
        }
        self.fixture.now = now;
    }

    /// The shortcut never skips a service that a phase would change.
    fn check_calm(&mut self, service: &Service) {
        let state = self.fixture.state.clone();
        let scope = Scope::new(&state, service, self.fixture.now);
        if calm::survey(&scope, &mut calm::Scratch::default()).calm {
            let mut plan = Plan::new(&state, self.fixture.now, &mut self.fixture.ids);
            assert!(!round(&mut plan, service), "not calm: {:?}", plan.finish());
        }
    }

    /// A scheduler that takes the nodes in turn.
    fn schedule(&mut self) {
        let state = self.fixture.state.clone();
        let nodes: Vec<NodeId> = state.nodes().filter(|node| node.is_schedulable()).map(|node| node.id).collect();
        let waiting = state.tasks().filter(|task| task.status.state < TaskState::Assigned && task.is_wanted());
        let mut changes = Vec::new();
        for (index, task) in waiting.enumerate() {
            let node = task.node.or_else(|| nodes.get(index % nodes.len().max(1)).copied());
            if let Some(node) = node.filter(|node| nodes.contains(node)) {
                changes.push(Change::TaskAssign { id: task.id, node, generic: Vec::new() });
            }
        }
        self.fixture.apply(changes);
    }

    /// Agents that take every task one state further.
    fn act(&mut self) {
        let state = self.fixture.state.clone();
        for task in state.tasks() {
            let is_heard =
                task.node.and_then(|node| state.node(node)).is_some_and(|node| node.status.state.as_str() == "ready");
            if is_heard && let Some(next) = next_state(task) {
                self.report(task, next);
            }
        }
    }

    fn report(&mut self, task: &Task, state: TaskState) {
        let status = TaskStatus { state, timestamp: self.fixture.now, ..TaskStatus::default() };
        self.fixture.apply(vec![Change::TaskReport { id: task.id, status }]);
    }

    /// Leaves the cluster alone and sees where it gets.
    fn arrive(&mut self) {
        // Long enough for every delay, wait and retry of a dozen slots that are taken one by one.
        const PATIENCE: usize = 600;
        self.fixture.add(
            "node n1 ready active zone=a
             node n2 ready active zone=a
             node n3 ready active zone=b
             node n4 ready active zone=a
             service web replicas=5 image=last action=continue
             service agent image=last action=continue
             service batch image=last
             service job job=4 concurrent=2 image=last
             service sweep image=last",
        );
        for _ in 0..PATIENCE {
            self.go();
            if self.has_arrived() {
                return;
            }
        }
        panic!("never arrived:\n{}", self.fixture.tasks());
    }

    fn has_arrived(&self) -> bool {
        let state = &self.fixture.state;
        let running = |name: &str| -> Vec<&Arc<Task>> {
            let tasks = state.tasks_of_service(self.fixture.service(name));
            let exists = |task: &&Arc<Task>| task.is_wanted() || task.status.state >= TaskState::Assigned;
            tasks.filter(|task| !task.status.state.is_terminal()).filter(exists).collect()
        };
        let is_new = |task: &&Arc<Task>| {
            let image = &task.spec().container_spec.as_ref().unwrap().image;
            image == "last" && task.status.state == TaskState::Running && task.is_wanted()
        };
        let (web, agent) = (running("web"), running("agent"));
        let slots: BTreeSet<u64> = web.iter().map(|task| task.slot).collect();
        let nodes: BTreeSet<Option<NodeId>> = agent.iter().map(|task| task.node).collect();
        let completions = |name: &str| {
            let service = state.service(self.fixture.service(name)).unwrap();
            let tasks = state.tasks_of_service(service.id).filter(|task| task.iteration == iteration_of(service));
            tasks.filter(|task| task.is_accomplished()).count()
        };
        completions("job") == 4
            && completions("sweep") == 3
            && running("job").is_empty()
            && running("sweep").is_empty()
            && web.len() == 5
            && slots.len() == 5
            && web.iter().all(is_new)
            && agent.len() == 3
            && nodes.len() == 3
            && agent.iter().all(is_new)
            && state.services().filter(|service| service.name() != "batch").all(|service| {
                service.update_status.as_ref().is_none_or(|status| status.state == UpdateState::Completed)
            })
            && self.wake.is_none()
    }
}

fn next_state(task: &Task) -> Option<TaskState> {
    use TaskState::*;
    let image = task.spec().container_spec.as_ref().unwrap().image.as_str();
    let state = task.status.state;
    if state.is_terminal() || state < Assigned {
        return None;
    }
    if task.desired > Complete {
        return Some(Shutdown);
    }
    match (state, image) {
        (Preparing, "worse") => Some(Rejected),
        (Ready, "bad") if task.desired == Running => Some(Failed),
        (Assigned, _) => Some(Accepted),
        (Accepted, _) => Some(Preparing),
        (Preparing, _) => Some(Ready),
        (Ready, "bad") if task.desired == Complete => Some(Failed),
        (Ready, _) if task.desired >= Running => Some(Running),
        // What a job runs ends by itself.
        (Running, _) if task.desired == Complete => Some(Complete),
        _ => None,
    }
}

/// What must hold of a service after every step.
fn check_slots(state: &State, service: &Service, now: Timestamp) {
    let scope = Scope::new(state, service, now);
    let tasks = slot::gather(&scope);
    let slots = slot::group(&tasks, service.is_by_node());
    if let Some(replicas) = service.replicas() {
        // What ends for good keeps its slot, but there is nothing of that kind where the policy restarts everything.
        let ends = service.name() == "batch";
        let is_filled = |slot: &&Slot<'_>| slot.wanted().next().is_some() || ends && slot.fill(&scope) == Fill::Retired;
        assert_eq!(slots.iter().filter(is_filled).count() as u64, replicas);
    }
    // History: what is over is kept up to the limit, besides what is still needed.
    let limit = reaper::history_limit(&scope);
    for slot in &slots {
        let mut kinds: BTreeMap<bool, usize> = BTreeMap::new();
        for task in slot.tasks.iter().filter(|task| task.desired != TaskState::Remove) {
            let is_over = task.status.state.is_terminal() || task.status.state < TaskState::Assigned;
            let is_needed = task.is_wanted() || !is_over || update::remembers(&scope, task) || scope.is_achieved(task);
            *kinds.entry(is_needed).or_default() += 1;
        }
        let (needed, over) = (kinds.get(&true).copied().unwrap_or(0), kinds.get(&false).copied().unwrap_or(0));
        assert!(over <= limit.saturating_sub(needed).max(1), "{over} ended and {needed} needed tasks in a slot");
    }
}

fn iteration_of(service: &Service) -> Option<u64> {
    service.job.map(|job| job.iteration)
}

/// What must hold of a job after every step: of no execution but the present one anything is wanted, no more run at once
/// than may, and no slot is done twice or begun beside what is done.
fn check_job(state: &State, service: &Service) {
    let tasks = || state.tasks_of_service(service.id);
    let iteration = iteration_of(service);
    assert!(tasks().all(|task| task.iteration == iteration || !task.is_wanted()));
    let counts = |task: &&Arc<Task>| task.iteration == iteration && (task.is_wanted() || task.is_accomplished());
    let Some(job) = &service.spec.mode.replicated_job else {
        if service.is_job() {
            let nodes: Vec<_> = tasks().filter(counts).map(|task| task.node).collect();
            assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), nodes.len());
        }
        return;
    };
    let (total, at_once) = (job.total_completions.unwrap(), job.max_concurrent.unwrap());
    let slots: Vec<u64> = tasks().filter(counts).map(|task| task.slot).collect();
    assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len(), "a slot is done twice");
    assert!(slots.iter().all(|slot| *slot < total));
    let wanted = tasks().filter(|task| task.is_wanted()).count() as u64;
    let done = slots.len() as u64 - wanted;
    // Under `on-failure` without a limit no slot is given up.
    assert_eq!(wanted, at_once.min(total - done), "{done} of {total} done");
}

/// An update takes no slot while as many as it may take at once are in flight.
fn check_parallelism(before: &State, state: &State, service: &Service) {
    let config = match service.update_status.as_ref().map(|status| status.state) {
        Some(UpdateState::RollbackStarted) => &service.spec.rollback_config,
        _ => &service.spec.update_config,
    };
    let parallelism = config.as_ref().map_or(1, |config| config.parallelism);
    let in_flight: Vec<&Arc<Task>> = state
        .tasks_of_service(service.id)
        .filter(|task| {
            task.is_wanted()
                && task.status.state < TaskState::Running
                && task.restart.attempts == 0
                && task.restart.not_before == task.meta.created_at
                && task.origin.task_template == service.spec.task_template
                // What a pause caught in flight does not hold up the other nodes.
                && !(service.is_global() && is_paused(state, task))
        })
        .collect();
    let is_taking = in_flight.iter().any(|task| before.task(task.id).is_none());
    let count = in_flight.len() as u64;
    assert!(!is_taking || parallelism == 0 || count <= parallelism, "{count} slots in flight of {parallelism}");
}

fn is_paused(state: &State, task: &Task) -> bool {
    task.node.and_then(|node| state.node(node)).is_some_and(|node| node.spec.availability == "pause")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_are_kept_and_the_cluster_arrives(
        options in options(),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut world = World::new(&options);
        world.step();
        for happening in &happenings {
            world.happen(happening);
        }
        world.arrive();
    }
}
