//! The three laws of the state: deterministic, monotonic, and the same after a round trip through bytes.

use super::*;
use crate::model::{
    Attachment, ContainerSpec, IdSource, ManagerStatus, Meta, NodeDescription, NodeSpec, NodeStatus, ReplicatedService,
    RestartPlan, ServiceMode, ServiceSpec, TaskSpec, TaskState, TaskStatus,
};

fn ids() -> IdSource {
    IdSource::new([3; 32])
}

fn web() -> ServiceSpec {
    ServiceSpec {
        name: "web".into(),
        task_template: TaskSpec {
            container_spec: Some(ContainerSpec { image: "busybox".into(), ..ContainerSpec::default() }),
            ..TaskSpec::default()
        },
        mode: ServiceMode { replicated: Some(ReplicatedService { replicas: Some(2) }), ..ServiceMode::default() },
        ..ServiceSpec::default()
    }
}

fn put(state: &mut State, changes: Vec<Change>) -> Vec<Event> {
    let index = state.index() + 1;
    state.apply(index, &Proposal { at: Timestamp(index as i64 * 1_000_000_000), changes })
}

/// A state with one service, two tasks, and an address taken.
fn sample() -> (State, Vec<TaskId>, NetworkId) {
    let mut ids = ids();
    let (service, network): (ServiceId, NetworkId) = (ids.fresh(), ids.fresh());
    let tasks: Vec<TaskId> = (0..2).map(|_| ids.fresh()).collect();
    let mut state = State::default();
    put(&mut state, vec![Change::ServiceCreate { id: service, spec: Box::new(web()) }]);
    for (slot, id) in (1..).zip(&tasks) {
        let create = Change::TaskCreate {
            id: *id,
            service,
            slot,
            node: None,
            desired: TaskState::Running,
            restart: RestartPlan::default(),
        };
        let networks = vec![Attachment {
            network: Some(network),
            addresses: vec![format!("10.0.1.{}/24", slot + 2)],
            aliases: vec![],
        }];
        put(&mut state, vec![create, Change::TaskAllocate { id: *id, networks }]);
    }
    (state, tasks, network)
}

fn report(state: &mut State, id: TaskId, to: TaskState) {
    let status = TaskStatus { state: to, message: to.to_string(), ..TaskStatus::default() };
    put(state, vec![Change::TaskReport { id, status }]);
}

#[test]
fn task_state_only_grows() {
    let (mut state, tasks, _) = sample();
    report(&mut state, tasks[0], TaskState::Running);
    report(&mut state, tasks[0], TaskState::Preparing);
    assert_eq!(state.task(tasks[0]).unwrap().status.state, TaskState::Running);
    put(&mut state, vec![Change::TaskDesire { id: tasks[0], state: TaskState::Shutdown }]);
    put(&mut state, vec![Change::TaskDesire { id: tasks[0], state: TaskState::Running }]);
    assert_eq!(state.task(tasks[0]).unwrap().desired, TaskState::Shutdown);
}

#[test]
fn a_task_is_found_by_its_container_as_long_as_it_has_it() {
    let (mut state, tasks, _) = sample();
    let ids = ["c0ffee".repeat(11)[..64].to_owned(), "c0ffef".repeat(11)[..64].to_owned()];
    let run = |state: &mut State, task: TaskId, container: &str| {
        let container = Some(crate::model::ContainerStatus { id: container.into(), ..Default::default() });
        let status = TaskStatus { state: TaskState::Running, container, ..TaskStatus::default() };
        put(state, vec![Change::TaskReport { id: task, status }]);
    };
    for (task, id) in tasks.iter().zip(&ids) {
        run(&mut state, *task, id);
    }
    let found = |state: &State, beginning: &str| -> Vec<TaskId> {
        state.tasks_by_container(beginning).map(|task| task.id).collect()
    };
    let copy = codec::decode_state(&codec::encode_state(&state)).unwrap();
    for state in [&state, &copy] {
        for beginning in ["", "c", "c0ffe"] {
            assert_eq!(found(state, beginning), tasks, "{beginning}");
        }
        for (task, id) in tasks.iter().zip(&ids) {
            for length in [6, 15, 16, 17, 64] {
                assert_eq!(found(state, &id[..length]), [*task], "{}", &id[..length]);
            }
        }
        let other_end = format!("{}0", &ids[0][..63]);
        for none in [&other_end, "c1", "C0", "web"] {
            assert_eq!(found(state, none), [], "{none}");
        }
    }
    run(&mut state, tasks[0], &"ab".repeat(32));
    assert_eq!((found(&state, "c0ffee"), found(&state, "ab")), (vec![], vec![tasks[0]]));
    put(&mut state, vec![Change::TaskRemove { id: tasks[0] }]);
    assert_eq!(found(&state, ""), [tasks[1]]);
}

#[test]
fn an_address_is_free_once_its_task_ended() {
    let (mut state, tasks, network) = sample();
    let address = std::net::IpAddr::from([10, 0, 1, 3]);
    assert!(state.is_address_used(network, address));
    report(&mut state, tasks[0], TaskState::Failed);
    assert!(!state.is_address_used(network, address));
    put(&mut state, vec![Change::TaskRemove { id: tasks[0] }]);
    assert_eq!(state.addresses_used(network), 1);
}

#[test]
fn a_state_survives_its_bytes_and_tasks_still_share_their_spec() {
    let (state, tasks, network) = sample();
    let bytes = codec::encode_state(&state);
    let copy = codec::decode_state(&bytes).unwrap();
    assert_eq!(codec::encode_state(&copy), bytes);
    assert_eq!(copy.index(), state.index());
    assert_eq!(copy.addresses_used(network), 2);
    let service = copy.find_service("web").unwrap();
    assert!(Arc::ptr_eq(&copy.task(tasks[0]).unwrap().origin, &copy.task(tasks[1]).unwrap().origin));
    assert!(Arc::ptr_eq(&copy.task(tasks[0]).unwrap().origin, &service.spec));
}

#[test]
fn the_last_change_of_a_spec_survives_bytes_and_an_older_state_takes_the_very_version_only() {
    let (mut state, ..) = sample();
    let id = state.services().next().unwrap().id;
    put(&mut state, vec![Change::ServiceUpdateStatus { id, status: None }]);
    let meta = state.services().next().unwrap().meta.clone();
    let admitted = |meta: &Meta| [0, meta.version - 1, meta.version, meta.version + 1].map(|seen| meta.admits(seen));
    assert_eq!(admitted(&meta), [false, true, true, false]);
    let bytes = codec::encode_state(&state);
    let copy = codec::decode_state(&bytes).unwrap();
    assert_eq!(copy.services().next().unwrap().meta, meta);

    let older = String::from_utf8(bytes).unwrap().replace("\"spec_version\"", "\"unheard_of\"");
    let copy = codec::decode_state(older.as_bytes()).unwrap();
    assert_eq!(admitted(&copy.services().next().unwrap().meta), [false, false, true, false]);
}

#[test]
fn a_removed_node_is_remembered_as_long_as_its_certificate_can_be_valid() {
    let node = |number: u128| Node {
        id: NodeId::from(number),
        meta: Meta::default(),
        spec: NodeSpec::default(),
        description: NodeDescription::default(),
        status: NodeStatus::default(),
        manager: None,
    };
    let mut state = State::default();
    let create = |number: u128| Change::NodeCreate(Box::new(node(number)));
    let remove = |number: u128| Change::NodeRemove { id: NodeId::from(number) };
    put(&mut state, vec![create(1), create(2), create(3), remove(1), remove(9)]);
    let removed = |state: &State| [1, 2, 9].map(|number| state.was_removed(NodeId::from(number)));
    assert_eq!(removed(&state), [true, false, false], "who was never here was not removed either");
    let mut state = codec::decode_state(&codec::encode_state(&state)).unwrap();
    assert_eq!(removed(&state), [true, false, false]);
    let day = |days: i64| Timestamp(days * 24 * 3600 * 1_000_000_000);
    state.apply(state.index() + 1, &Proposal { at: day(89), changes: vec![remove(2)] });
    assert_eq!(removed(&state), [true, true, false]);
    state.apply(state.index() + 1, &Proposal { at: day(91), changes: vec![remove(3)] });
    assert_eq!(removed(&state), [false, true, false]);
}

#[test]
fn a_number_in_the_consensus_is_given_up_for_ever() {
    let manager = |raft_id: u64, addr: &str| Some(ManagerStatus { raft_id, addr: addr.into() });
    let node = |number: u128, raft_id: u64| Node {
        id: NodeId::from(number),
        meta: Meta::default(),
        spec: NodeSpec { role: "manager".into(), ..NodeSpec::default() },
        description: NodeDescription::default(),
        status: NodeStatus::default(),
        manager: manager(raft_id, "a"),
    };
    let mut state = State::default();
    let [one, two] = [1, 2].map(NodeId::from);
    let become_ = |id, manager| Change::NodeManager { id, manager };
    put(&mut state, vec![Change::NodeCreate(Box::new(node(1, 11))), Change::NodeCreate(Box::new(node(2, 12)))]);
    assert!(state.may_be_member(one, 11) && state.may_be_member(one, 13));
    assert!(!state.may_be_member(two, 11), "that is another one");
    put(&mut state, vec![become_(one, manager(11, "b"))]);
    assert!(state.may_be_member(one, 11), "another address is no other member");
    assert_eq!([11, 12, 99].map(|member| state.was_demoted(member)), [false; 3]);
    let worker = NodeSpec { role: "worker".into(), ..NodeSpec::default() };
    put(&mut state, vec![Change::NodeUpdate { id: one, spec: worker }]);
    assert!(state.was_demoted(11) && !state.was_member(11), "it is to go, and has not gone yet");
    let old = Timestamp(-2_000_000_000);
    assert!(state.may_be_promoted(one, old), "it still speaks");
    put(&mut state, vec![become_(one, None), become_(two, manager(22, "a"))]);
    assert_eq!([11, 12, 22].map(|member| state.was_demoted(member)), [true, true, false]);
    let mut state = codec::decode_state(&codec::encode_state(&state)).unwrap();
    assert_eq!([11, 12, 22, 99].map(|member| state.was_member(member)), [true, true, false, false]);
    assert!(!state.may_be_member(one, 11) && state.manager_of(11).is_none());
    let may_be_promoted = |state: &State| [old, state.latest_time()].map(|issued| state.may_be_promoted(one, issued));
    assert_eq!(may_be_promoted(&state), [false, true], "only with a certificate from since then");
    let manager_again = NodeSpec { role: "manager".into(), ..NodeSpec::default() };
    put(&mut state, vec![Change::NodeUpdate { id: one, spec: manager_again }]);
    assert_eq!(may_be_promoted(&state), [true, true]);
    assert_eq!(state.manager_of(22).unwrap().id, two);
    // As long as a certificate may be valid with which one could speak so.
    let day = |days: i64| Timestamp(days * 24 * 3600 * 1_000_000_000);
    state.apply(state.index() + 1, &Proposal { at: day(91), changes: vec![become_(two, None)] });
    assert_eq!([11, 12, 22].map(|member| state.was_member(member)), [false, false, true]);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let mut bytes = codec::encode_proposal(&Proposal::default());
    bytes[0] = codec::FORMAT + 1;
    assert!(matches!(codec::decode_proposal(&bytes), Err(codec::CodecError::Newer(_))));
}

#[test]
fn what_restarts_go_by_is_read_from_states_that_had_less_of_it() {
    let old = r#"{"not_before":"2026-01-02T03:04:05Z","attempts":3,"recent":["2026-01-02T03:04:05Z"]}"#;
    let plan: RestartPlan = serde_json::from_str(old).unwrap();
    assert_eq!((plan.attempts, plan.recent.len(), plan.row, plan.runs_since, plan.backoff), (3, 1, 0, None, None));
    // And where nothing failed, what is written is what an older Gam reads.
    assert_eq!(serde_json::to_string(&plan).unwrap(), old);
}

#[test]
fn how_long_a_task_ran_is_known_though_an_older_gam_did_not_note_it() {
    let (mut state, tasks, _) = sample();
    report(&mut state, tasks[0], TaskState::Running);
    let bytes = codec::encode_state(&state);
    let text = String::from_utf8(bytes[1..].to_vec()).unwrap();
    let at = text.find(",\"runs_since\":\"").unwrap();
    let end = at + 15 + text[at + 15..].find('"').unwrap() + 1;
    let text = text.as_bytes();
    let older = [&bytes[..1], &text[..at], &text[end..]].concat();
    let mut state = codec::decode_state(&older).unwrap();
    assert_eq!(state.task(tasks[0]).unwrap().restart.runs_since, None);
    let ran = state.task(tasks[0]).unwrap().observed_at();
    report(&mut state, tasks[0], TaskState::Failed);
    assert_eq!(state.task(tasks[0]).unwrap().restart.runs_since, Some(ran));
}

#[test]
fn it_is_noted_once_that_a_task_runs_and_that_it_ended_by_the_leaders_clock() {
    let (mut state, tasks, _) = sample();
    let since = |state: &State| state.task(tasks[0]).unwrap().restart.runs_since;
    report(&mut state, tasks[0], TaskState::Starting);
    assert_eq!(since(&state), None);
    report(&mut state, tasks[0], TaskState::Running);
    let first = state.task(tasks[0]).unwrap().meta.updated_at;
    assert_eq!(since(&state), Some(first));
    let status = TaskStatus { state: TaskState::Running, message: "again".into(), ..TaskStatus::default() };
    put(&mut state, vec![Change::TaskReport { id: tasks[0], status }]);
    assert_eq!(state.task(tasks[0]).unwrap().observed_at(), first);
    report(&mut state, tasks[0], TaskState::Failed);
    assert_eq!(since(&state), Some(first));
    let task = state.task(tasks[0]).unwrap();
    assert_eq!((task.observed_at(), task.restart.ended_at), (task.meta.updated_at, Some(task.meta.updated_at)));
    let ended = task.meta.updated_at;
    put(&mut state, vec![Change::TaskDesire { id: tasks[0], state: TaskState::Shutdown }]);
    assert_eq!(state.task(tasks[0]).unwrap().observed_at(), ended);
}

/// What the first release wrote, before roots were rotated.
#[test]
fn a_cluster_of_the_first_format_is_still_read() {
    const FIRST: &str = r#"{"index":9,"cluster":{"id":"0000000000000000000000001","meta":{"version":3,"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:06.5Z"},
        "spec":{"Name":"default","Labels":{},"CAConfig":{"NodeCertExpiry":7776000000000000}},
        "root_ca":{"cert":"c","key":"k","subject":"s","public_key":"p","rotation_in_progress":false},
        "join_tokens":{"worker":"w","manager":"m"},"unlock_key":"","default_addr_pool":[],"subnet_size":24,"data_path_port":4789},
        "nodes":[],"specs":[],"services":[],"tasks":[],"networks":[],"secrets":[],"configs":[],"cursors":[]}"#;
    let state = codec::decode_state(&[&[1], FIRST.as_bytes()].concat()).unwrap();
    let cluster = state.cluster().unwrap();
    assert_eq!((state.index(), cluster.meta.version), (9, 3));
    assert_eq!((cluster.root_ca.issuer(), cluster.root_ca.rotation.is_none()), (("s", "p"), true));
    let change = r#"{"at":"2026-01-02T03:04:05Z","changes":[{"ClusterCreate":{"id":"0000000000000000000000001","meta":{"version":0,"created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z"},
        "spec":{},"root_ca":{"rotation_in_progress":false},"join_tokens":{},"unlock_key":"","default_addr_pool":[],
        "subnet_size":24,"data_path_port":4789}}]}"#;
    codec::decode_proposal(&[&[1], change.as_bytes()].concat()).unwrap();
}

#[test]
fn finds_by_id_name_and_prefix() {
    let (state, tasks, _) = sample();
    let service = state.find_service("web").unwrap();
    let id = service.id.to_string();
    assert_eq!(state.find_service(&id).unwrap().id, service.id);
    assert_eq!(state.find_service(&id[..5]).unwrap().id, service.id);
    assert_eq!(state.find_service("nope").unwrap_err().message, "service nope not found");
    let task = state.task(tasks[1]).unwrap();
    assert_eq!(task.name(), format!("web.2.{}", task.id));
    assert_eq!(state.find_task(&task.name()).unwrap().id, task.id);
}

#[test]
fn events_tell_what_changed() {
    let (mut state, _, _) = sample();
    let service = state.find_service("web").unwrap();
    let mut spec = web();
    spec.mode.replicated = Some(ReplicatedService { replicas: Some(5) });
    let update = Change::ServiceUpdate { id: service.id, spec: Box::new(spec), previous: None, update_status: None };
    let events = put(&mut state, vec![update]);
    let attributes: Vec<_> = events[0].attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(attributes, ["name=web", "replicas.new=5", "replicas.old=2"]);
}

#[test]
fn names_are_found_as_written_and_are_taken_in_any_letters() {
    let mut fixture = crate::fixture::Fixture::new("network Net 10.0.1.0/24\n service Web");
    let is_there = |fixture: &crate::fixture::Fixture, name: &str| {
        let state = &fixture.state;
        let named = state.service_named(name).is_some() || state.network_named(name).is_some();
        (named, state.service_alike(name).is_some() || state.network_alike(name).is_some())
    };
    for (name, expected) in [
        ("Net", (true, true)),
        ("nEt", (false, true)),
        ("Web", (true, true)),
        ("web", (false, true)),
        ("w", (false, false)),
    ] {
        assert_eq!(is_there(&fixture, name), expected, "{name}");
    }
    let copy = codec::decode_state(&codec::encode_state(&fixture.state)).expect("a snapshot is read again");
    assert!(copy.service_alike("WEB").is_some() && copy.network_alike("NET").is_some());
    fixture.add("remove service Web\n remove network Net");
    assert_eq!(["Net", "web"].map(|name| is_there(&fixture, name)), [(false, false); 2]);
}
