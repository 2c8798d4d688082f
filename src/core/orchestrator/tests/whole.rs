//! What an update, a rollback and a job promise as a whole, from their beginning to their end: for any size and options, in
//! whatever order the news come, and though the leader is lost at any moment, with or without what it had just decided.

use std::collections::BTreeMap;
use std::iter::repeat;

use proptest::prelude::*;

use super::*;
use crate::fixture::SECOND;
use crate::model::{IdSource, Service, Task, TaskState, TaskStatus, UpdateState};
use crate::state::{Change, codec};

/// Turns until something must have ended: each of fifteen slots, one by one, with a delay and a rollback behind it.
const PATIENCE: usize = 1500;

/// A cluster of three nodes whose agents do as chance has it.
struct World {
    fixture: Fixture,
    /// How many tasks of a job are still to fail.
    failures: usize,
}

impl World {
    fn new(service: &str) -> World {
        let nodes = "cluster history=9\nnode n1 ready\nnode n2 ready\nnode n3 ready\n";
        World { fixture: Fixture::new(&format!("{nodes}{service}")), failures: 0 }
    }

    /// A service `web` whose tasks run.
    fn running(options: &str) -> World {
        let mut world = World::new(&format!("service web image=old {options}"));
        while !world.tasks().iter().all(|task| task.status.state == TaskState::Running) || world.tasks().is_empty() {
            world.turn(u8::MAX);
        }
        world
    }

    fn service(&self) -> Service {
        (**self.fixture.state.service(self.fixture.service("web")).unwrap()).clone()
    }

    fn update_state(&self) -> Option<UpdateState> {
        self.service().update_status.map(|status| status.state)
    }

    fn tasks(&self) -> Vec<Task> {
        self.fixture.state.tasks_of_service(self.fixture.service("web")).map(|task| (**task).clone()).collect()
    }

    /// How many tasks of an image there were in each slot.
    fn made(&self, image: &str) -> BTreeMap<u64, usize> {
        let mut made = BTreeMap::new();
        for task in self.tasks().iter().filter(|task| image_of(task) == image) {
            *made.entry(task.slot).or_default() += 1;
        }
        made
    }

    fn count(&self, counts: impl Fn(&Task) -> bool) -> usize {
        self.tasks().iter().filter(|task| counts(task)).count()
    }

    /// A second, in which some of the tasks come a step further and the leader does what there is to do. Chance says which
    /// tasks, and whether the leader is lost.
    fn turn(&mut self, chance: u8) {
        let fixture = &mut self.fixture;
        fixture.now = fixture.now.plus(SECOND);
        for (at, task) in self.tasks().into_iter().enumerate() {
            if chance == u8::MAX || (at + usize::from(chance)).is_multiple_of(3) {
                self.advance(&task);
            }
        }
        let fixture = &mut self.fixture;
        if chance.is_multiple_of(5) {
            // What it decides now is never agreed upon.
            fixture.run(plan);
        }
        if chance.is_multiple_of(2) {
            fixture.state = codec::decode_state(&codec::encode_state(&fixture.state)).unwrap();
            fixture.ids = IdSource::new(std::array::from_fn(|at| (fixture.now.0 >> (8 * (at % 8))) as u8));
        }
        fixture.plan(plan);
    }

    /// One step of a task: by the scheduler, or by its agent. Of the image `new` the tasks of slots below the number behind it
    /// fail before they run.
    fn advance(&mut self, task: &Task) {
        use TaskState::*;
        let bad = image_of(task).strip_prefix("new").and_then(|bad| bad.parse().ok());
        let next = match task.status.state {
            state if state.is_terminal() => return,
            _ if task.desired > Complete => Shutdown,
            state if state < Assigned => {
                let node = self.fixture.node(["n1", "n2", "n3"][task.slot as usize % 3]);
                self.fixture.apply(vec![Change::TaskAssign { id: task.id, node, generic: Vec::new() }]);
                return;
            }
            Assigned => Preparing,
            Preparing => Ready,
            Ready if task.desired < Running => return,
            Ready if bad.is_some_and(|bad: u64| task.slot <= bad) => Failed,
            Ready => Running,
            Running if task.desired == Complete && self.failures > 0 => {
                self.failures -= 1;
                Failed
            }
            Running if task.desired == Complete => Complete,
            _ => return,
        };
        let status = TaskStatus { state: next, timestamp: self.fixture.now, ..TaskStatus::default() };
        self.fixture.apply(vec![Change::TaskReport { id: task.id, status }]);
    }

    /// Takes turns until it is so, and looks after each whether all is as it must be.
    fn until(&mut self, chances: &[u8], is_so: impl Fn(&World) -> bool, look: impl Fn(&World)) {
        for chance in chances.iter().cycle().take(PATIENCE) {
            if is_so(self) {
                return;
            }
            self.turn(*chance);
            look(self);
        }
        panic!("it never ends: {:?}\n{}", self.update_state(), self.fixture.tasks());
    }

    /// Nothing is made any more, whatever time passes.
    fn rests(&mut self) {
        let before = self.tasks().len();
        for _ in 0..70 {
            self.turn(u8::MAX);
        }
        assert!(self.tasks().len() <= before, "it goes on:\n{}", self.fixture.tasks());
    }
}

fn image_of(task: &Task) -> &str {
    &task.spec().container_spec.as_ref().unwrap().image
}

fn is_running(task: &Task) -> bool {
    task.status.state == TaskState::Running
}

/// With at least one turn in which everybody does something.
fn chances() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..30).prop_map(|chances| chances.into_iter().chain([u8::MAX]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn an_update_makes_one_task_for_each_slot(
        replicas in 1..16_usize,
        parallelism in 0..5_usize,
        delay in 0..3_u8,
        is_start_first in any::<bool>(),
        chances in chances(),
    ) {
        let order = if is_start_first { "start-first" } else { "stop-first" };
        let options = format!("replicas={replicas} parallelism={parallelism} delay={delay}s order={order} restart-delay=0s");
        let mut world = World::running(&options);
        world.fixture.add("service web image=new");
        let at_once = if parallelism == 0 { replicas } else { parallelism };
        // What is in service on the way: of the old version until the new one runs, or all but those that are being replaced.
        let least = if is_start_first { replicas } else { replicas.saturating_sub(at_once) };
        world.until(&chances, |world| world.update_state() == Some(UpdateState::Completed), |world| {
            assert!(world.made("new").values().all(|count| *count == 1), "a slot twice:\n{}", world.fixture.tasks());
            assert!(world.count(is_running) >= least, "too few run:\n{}", world.fixture.tasks());
        });
        prop_assert_eq!(world.made("new"), (1..=replicas as u64).zip(repeat(1)).collect());
        let is_done = |world: &World| world.count(is_running) == replicas && world.count(Task::is_wanted) == replicas;
        world.until(&[u8::MAX], is_done, |_| {});
        prop_assert_eq!(world.count(|task| is_running(task) && image_of(task) == "new"), replicas);
        world.rests();
    }

    #[test]
    fn an_update_ends_early_if_too_many_tasks_fail_and_only_then(
        replicas in 1..16_u64,
        bad in 0..16_u64,
        parallelism in 0..4_u8,
        ratio in prop::sample::select(vec![0.0_f32, 0.2, 0.5, 0.9, 1.0]),
        action in prop::sample::select(vec!["pause", "continue", "rollback"]),
        chances in chances(),
    ) {
        let bad = bad.min(replicas);
        let options = format!("replicas={replicas} parallelism={parallelism} action={action} ratio={ratio} restart=none");
        let mut world = World::running(&options);
        world.fixture.add(&format!("service web image=new{bad}"));
        let is_too_much = bad as f32 / replicas as f32 > ratio;
        let wanted = match action {
            "pause" if is_too_much => UpdateState::Paused,
            "rollback" if is_too_much => UpdateState::RollbackCompleted,
            _ => UpdateState::Completed,
        };
        let is_over = |world: &World| match world.update_state() {
            None | Some(UpdateState::Updating | UpdateState::RollbackStarted) => false,
            Some(_) => true,
        };
        let image = format!("new{bad}");
        world.until(&chances, is_over, |world| {
            assert!(world.made(&image).values().all(|count| *count == 1), "a slot twice:\n{}", world.fixture.tasks());
        });
        prop_assert_eq!(world.update_state(), Some(wanted), "{} of {} failed, {}", bad, replicas, world.fixture.tasks());
        let made = world.made(&image).len() as u64;
        match wanted {
            UpdateState::Completed => {
                prop_assert_eq!(made, replicas);
                let runs = |task: &Task| is_running(task) && image_of(task) == image;
                prop_assert_eq!(world.count(runs) as u64, replicas - bad);
            }
            // Everything is as it was, whatever the update had reached.
            UpdateState::RollbackCompleted => {
                let runs = |task: &Task| is_running(task) && task.is_wanted() && image_of(task) == "old";
                prop_assert_eq!(world.count(runs) as u64, replicas, "{}", world.fixture.tasks());
                prop_assert_eq!(world.count(Task::is_wanted) as u64, replicas);
            }
            _ => {}
        }
        world.rests();
        prop_assert_eq!(world.update_state(), Some(wanted), "an end is an end");
    }

    #[test]
    fn a_job_completes_each_slot_once_and_once_more_when_it_is_run_again(
        total in 1..13_usize,
        concurrent in 1..5_usize,
        failures in 0..9_usize,
        chances in chances(),
    ) {
        let mut world =
            World::new(&format!("service web job={total} concurrent={concurrent} image=one restart=on-failure restart-delay=0s"));
        for run in 0..2_u64 {
            world.failures = failures;
            if run > 0 {
                world.fixture.add(&format!("service web force={run}"));
            }
            world.turn(u8::MAX);
            let iteration = world.service().job.map(|job| job.iteration);
            let is_of = |task: &Task| task.iteration == iteration;
            let is_over = |world: &World| world.count(|task| is_of(task) && task.is_accomplished()) == total;
            world.until(&chances, is_over, |world| {
                assert!(world.count(is_running) <= concurrent, "too many at once:\n{}", world.fixture.tasks());
            });
            let done = world.tasks().into_iter().filter(|task| is_of(task) && task.is_accomplished());
            let mut slots: Vec<u64> = done.map(|task| task.slot).collect();
            slots.sort_unstable();
            prop_assert_eq!(slots, (0..total as u64).collect::<Vec<_>>());
            prop_assert_eq!(world.failures, 0);
            world.rests();
            prop_assert_eq!(world.count(Task::is_wanted), 0);
        }
    }
}
