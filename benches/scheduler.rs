//! How long one step's placement and allocation take on a large cluster. Pure computation: no I/O, no sockets.
//!
//! `cargo bench --bench scheduler` prints the best of three runs of each case in milliseconds. The first line is the
//! number to beat: swarmkit's scheduler needs about 20 s for the same work.

use std::time::{Duration, Instant};

use gam_core::model::{
    IdSource, IpamConfig, Meta, Network, NetworkAttachmentConfig, NetworkId, NetworkSpec, Node, NodeDescription,
    NodeSpec, NodeState, NodeStatus, Placement, PlacementPreference, ReplicatedService, ResourceRequirements,
    Resources, RestartPlan, ServiceId, ServiceMode, ServiceSpec, SpreadOver, TaskId, TaskState, Timestamp,
};
use gam_core::plan::Plan;
use gam_core::state::{Change, Proposal, State};
use gam_core::{allocator, scheduler};

const NODES: usize = 1_000;
const TASKS: usize = 100_000;
/// The best of so many runs counts: the others measure what else the machine does.
const RUNS: usize = 3;
const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

type Edit = fn(&mut ServiceSpec);
type Pass = fn(&mut Plan<'_>);

fn main() {
    let mut ids = IdSource::new([1; 32]);
    println!("{TASKS} tasks, {NODES} nodes: best of {RUNS} runs");
    let cases: [(&str, usize, Edit); 5] = [
        ("one service", 1, |_| {}),
        ("100 services, constraint", 100, |spec| placement(spec).constraints.push("node.labels.az!=c".into())),
        ("100 services, reservations", 100, reserve),
        ("one service, spread over a label", 1, |spec| {
            let spread = Some(SpreadOver { spread_descriptor: "node.labels.az".into() });
            placement(spec).preferences.push(PlacementPreference { spread });
        }),
        ("100 services, nothing fits", 100, |spec| placement(spec).constraints.push("node.labels.az==z".into())),
    ];
    for (name, services, edit) in cases {
        let state = pending(&mut ids, services, edit);
        measure(name, &state, &mut ids, scheduler::plan);
    }
    let mut idle = pending(&mut ids, 1, |_| {});
    apply_pass(&mut idle, &mut ids, scheduler::plan);
    measure("all placed already: nothing to do", &idle, &mut ids, scheduler::plan);
    measure("addresses for 60,000 tasks of one network", &unallocated(&mut ids), &mut ids, allocator::plan);
}

fn measure(name: &str, state: &State, ids: &mut IdSource, pass: Pass) {
    let mut best = Duration::MAX;
    let mut count = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut plan = Plan::new(state, NOW, ids);
        pass(&mut plan);
        count = plan.len();
        best = best.min(start.elapsed());
    }
    println!("{:>8.1} ms  {count:>6} changes  {name}", best.as_secs_f64() * 1e3);
}

fn apply(state: &mut State, changes: Vec<Change>) {
    state.apply(state.index() + 1, &Proposal { at: NOW, changes });
}

fn apply_pass(state: &mut State, ids: &mut IdSource, pass: Pass) {
    let mut plan = Plan::new(state, NOW, ids);
    pass(&mut plan);
    let (changes, _) = plan.finish();
    apply(state, changes);
}

fn placement(spec: &mut ServiceSpec) -> &mut Placement {
    spec.task_template.placement.get_or_insert_default()
}

fn reserve(spec: &mut ServiceSpec) {
    let reservations = Some(Resources { nano_cpus: 10_000_000, memory_bytes: 1 << 20, ..Resources::default() });
    spec.task_template.resources = Some(ResourceRequirements { reservations, ..ResourceRequirements::default() });
}

fn node(ids: &mut IdSource, at: usize) -> Change {
    let zone = ["a", "b", "c"][at % 3];
    let description = NodeDescription {
        hostname: format!("node{at}"),
        resources: Resources { nano_cpus: 16_000_000_000, memory_bytes: 64 << 30, ..Resources::default() },
        ..NodeDescription::default()
    };
    let spec =
        NodeSpec { role: "worker".into(), labels: [("az".to_owned(), zone.to_owned())].into(), ..NodeSpec::default() };
    let status = NodeStatus { state: NodeState::Ready, ..NodeStatus::default() };
    Change::NodeCreate(Box::new(Node {
        id: ids.fresh(),
        meta: Meta::default(),
        spec,
        description,
        status,
        manager: None,
    }))
}

fn service(ids: &mut IdSource, at: usize, edit: impl Fn(&mut ServiceSpec)) -> (ServiceId, Change) {
    let replicated = Some(ReplicatedService { replicas: Some(1) });
    let mut spec = ServiceSpec {
        name: format!("service{at}"),
        mode: ServiceMode { replicated, ..ServiceMode::default() },
        ..ServiceSpec::default()
    };
    edit(&mut spec);
    let id = ids.fresh();
    (id, Change::ServiceCreate { id, spec: Box::new(spec) })
}

fn task(ids: &mut IdSource, service: ServiceId, slot: u64) -> (TaskId, Change) {
    let (id, restart) = (ids.fresh(), RestartPlan::default());
    (id, Change::TaskCreate { id, service, slot, node: None, desired: TaskState::Running, restart })
}

/// All nodes, and all tasks waiting for one, in so many services.
fn pending(ids: &mut IdSource, services: usize, edit: Edit) -> State {
    let mut state = State::default();
    let mut changes: Vec<Change> = (0..NODES).map(|at| node(ids, at)).collect();
    for at in 0..services {
        let (service, create) = service(ids, at, edit);
        changes.push(create);
        for slot in 1..=TASKS / services {
            let (id, create) = task(ids, service, slot as u64);
            changes.extend([create, Change::TaskAllocate { id, networks: Vec::new() }]);
        }
    }
    apply(&mut state, changes);
    state
}

/// 60,000 new tasks of one service on one network of 65,536 addresses.
fn unallocated(ids: &mut IdSource) -> State {
    let mut state = State::default();
    let network: NetworkId = ids.fresh();
    let config = IpamConfig { subnet: "10.5.0.0/16".into(), gateway: "10.5.0.1".into(), ..IpamConfig::default() };
    let spec = NetworkSpec { name: "net".into(), ..NetworkSpec::default() };
    let made = Network { id: network, meta: Meta::default(), spec, ipam: vec![config], vni: 4097 };
    let (service, create) = service(ids, 0, |spec| {
        let target = network.to_string();
        spec.task_template.networks = vec![NetworkAttachmentConfig { target, ..Default::default() }];
    });
    let mut changes = vec![Change::NetworkCreate(Box::new(made)), create];
    changes.extend((1..=60_000).map(|slot| task(ids, service, slot).1));
    apply(&mut state, changes);
    state
}
