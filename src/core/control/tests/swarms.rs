//! The cluster: how it begins, and how its spec, tokens and keys change.

use super::super::{InitRequest, Rotate, init, join_token};
use super::*;
use crate::model::{Cluster, ClusterId, JoinTokens, RootCa, SwarmSpec};
use crate::state::codec;

const DIGEST: &str = "1to5bxlabau44i1bcvva371mlbw5uzip1hgrzxmtlf9jq08mtr";

fn swarm(text: &str) -> SwarmSpec {
    json::from_slice(text.as_bytes()).unwrap()
}

fn request() -> InitRequest {
    InitRequest {
        cluster: ClusterId::from(1),
        spec: SwarmSpec::default(),
        root_ca: RootCa::default(),
        join_tokens: JoinTokens { worker: join_token(DIGEST, [1; 32]), manager: join_token(DIGEST, [2; 32]) },
        unlock_key: String::new(),
        default_addr_pool: Vec::new(),
        subnet_size: 0,
        data_path_port: 0,
        node: Node {
            id: NodeId::from(9),
            meta: Meta::default(),
            spec: NodeSpec::default(),
            description: NodeDescription::default(),
            status: NodeStatus::default(),
            manager: Some(ManagerStatus::default()),
        },
    }
}

/// Founds a cluster; a refusal must leave nothing behind.
fn found(request: InitRequest) -> Result<World, Error> {
    let mut world = World::empty();
    let mut plan = Plan::new(&world.state, world.now, &mut world.ids);
    let answer = init(&mut plan, request);
    let (changes, _) = plan.finish();
    assert_eq!(answer.is_err(), changes.is_empty(), "{answer:?}: {changes:?}");
    world.apply(changes);
    answer.map(|()| world)
}

fn cluster(world: &World) -> &Cluster {
    world.state.cluster().unwrap()
}

fn update(world: &mut World, spec: &str, rotate: Rotate) -> Result<Response, Error> {
    let version = cluster(world).meta.version;
    world.ask(Request::SwarmUpdate { spec: Box::new(swarm(spec)), version, rotate, authority: None })
}

#[test]
fn a_new_cluster_has_dockers_defaults() {
    let world = found(request()).unwrap();
    let text = serde_json::to_string(&cluster(&world).spec).unwrap();
    assert_eq!(
        text,
        r#"{"Name":"default","Labels":{},"Orchestration":{"TaskHistoryRetentionLimit":5},"Raft":{"SnapshotInterval":10000,"KeepOldSnapshots":0,"LogEntriesForSlowFollowers":500,"ElectionTick":10,"HeartbeatTick":1},"Dispatcher":{"HeartbeatPeriod":5000000000},"CAConfig":{"NodeCertExpiry":7776000000000000},"TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":false}}"#
    );
    let cluster = cluster(&world);
    assert_eq!(
        (&cluster.default_addr_pool[..], cluster.subnet_size, cluster.data_path_port),
        (&[] as &[String], 24, 4789)
    );
    assert_eq!(cluster.unlock_key, "");
    let node = world.state.nodes().next().unwrap();
    assert_eq!((node.spec.role.as_str(), node.spec.availability.as_str()), ("manager", "active"));
    let seen: Vec<&str> = world.state.networks().map(|network| network.name()).collect();
    assert_eq!(seen, ["ingress"]);
}

#[test]
fn services_may_ask_for_the_engines_own_networks() {
    let mut world = found(request()).unwrap();
    for name in ["host", "bridge"] {
        let network = world.state.network_named(name).unwrap().clone();
        assert_eq!((network.driver(), network.vni, network.ipam.len()), (name, 0, 0));
        let id = world.create(spec(&format!(
            r#"{{"Name":"{name}","TaskTemplate":{{"ContainerSpec":{{"Image":"a"}},"Networks":[{{"Target":"{name}"}}]}}}}"#
        )));
        assert_eq!(world.service(id.unwrap()).spec.task_template.networks[0].target, network.id.to_string());
        let refusal = shown(world.ask(Request::NetworkRemove { id: network.id }));
        assert_eq!(refusal, (404, format!("network {} not found", network.id)));
    }
    let copy = codec::decode_state(&codec::encode_state(&world.state)).unwrap();
    assert!(copy.network_named("host").is_some(), "a snapshot keeps what is not shown");
}

#[test]
fn what_the_user_asks_for_is_laid_over_the_defaults() {
    let mut asked = request();
    asked.spec = swarm(
        r#"{"EncryptionConfig":{"AutoLockManagers":true},"Labels":{"a":"b"},"Orchestration":{"TaskHistoryRetentionLimit":-3},"Raft":{"ElectionTick":-1,"KeepOldSnapshots":7}}"#,
    );
    asked.default_addr_pool = vec!["10.1.2.3/16".into(), " 10.2.0.0/16".into()];
    asked.subnet_size = 26;
    asked.data_path_port = 5000;
    asked.node.spec.availability = "Drain".into();
    let world = found(asked).unwrap();
    let cluster = cluster(&world);
    let text = serde_json::to_string(&cluster.spec).unwrap();
    assert_eq!(
        text,
        r#"{"Name":"default","Labels":{"a":"b"},"Orchestration":{"TaskHistoryRetentionLimit":-3},"Raft":{"SnapshotInterval":10000,"KeepOldSnapshots":7,"LogEntriesForSlowFollowers":500,"ElectionTick":4294967295,"HeartbeatTick":1},"Dispatcher":{"HeartbeatPeriod":5000000000},"CAConfig":{"NodeCertExpiry":7776000000000000},"TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":true}}"#
    );
    assert_eq!(cluster.default_addr_pool, ["10.1.2.3/16", "10.2.0.0/16"]);
    assert_eq!((cluster.subnet_size, cluster.data_path_port), (26, 5000));
    assert!(cluster.unlock_key.starts_with("SWMKEY-1-"));
    assert_eq!(world.state.nodes().next().unwrap().spec.availability, "drain");
}

#[test]
fn a_cluster_is_not_founded_on_nonsense() {
    fn with(change: impl FnOnce(&mut InitRequest)) -> InitRequest {
        let mut request = request();
        change(&mut request);
        request
    }
    let pool = |pool: &str, size: u32| {
        with(|request| {
            request.default_addr_pool = vec![pool.into()];
            request.subnet_size = size;
        })
    };
    let spec = |text: &str| with(|request| request.spec = swarm(text));
    for (request, status, message) in [
        (pool("x", 0), 500, "invalid base pool x: invalid CIDR address: x"),
        (pool(" 10.1.0.0/33 ", 0), 500, "invalid base pool 10.1.0.0/33: invalid CIDR address: 10.1.0.0/33"),
        (pool("10.1.0.0", 0), 500, "invalid base pool 10.1.0.0: invalid CIDR address: 10.1.0.0"),
        (pool("10.1.0.0/8", 30), 500, "subnet size is out of range: 30"),
        (pool("10.1.0.0/16", 12), 500, "invalid CIDR: \"10.1.0.0/16\". Subnet size is too small for pool: 12"),
        (pool("2001:db8::/32", 24), 500, "invalid CIDR: \"2001:db8::/32\". Subnet size is too small for pool: 24"),
        (
            pool("2001::/16", 24),
            501,
            "rpc error: code = Unimplemented desc = IPv6 address pools are not honoured by gam yet; use IPv4 pools",
        ),
        (
            with(|request| request.data_path_port = 80),
            500,
            "Datapath port number is not in valid range (1024-49151) : 80",
        ),
        (
            with(|request| request.data_path_port = 60000),
            500,
            "Datapath port number is not in valid range (1024-49151) : 60000",
        ),
        (with(|request| request.node.spec.availability = "foo".into()), 500, "invalid Availability: \"foo\""),
        (spec(r#"{"Name":"foo"}"#), 400, "swarm spec must be named \"default\""),
        (
            spec(r#"{"CAConfig":{"ExternalCAs":[{"Protocol":"foo","URL":"x"}]}}"#),
            500,
            "error updating cluster settings: invalid protocol: \"foo\"",
        ),
        (
            spec(r#"{"CAConfig":{"NodeCertExpiry":1}}"#),
            500,
            "error updating cluster settings: rpc error: code = InvalidArgument desc = minimum certificate expiry time is: 1h0m0s",
        ),
        (
            spec(r#"{"Dispatcher":{"HeartbeatPeriod":-1}}"#),
            500,
            "error updating cluster settings: rpc error: code = InvalidArgument desc = heartbeat time period cannot be a negative duration",
        ),
    ] {
        assert_eq!(shown(found(request).map(|_| ())), (status, message.to_owned()));
    }
    // The first root is new, and as good as one that was rotated so often.
    let founded = found(spec(r#"{"CAConfig":{"ForceRotate":6}}"#)).unwrap();
    let rotated = cluster(&founded);
    assert_eq!((rotated.spec.ca_config.force_rotate, rotated.root_ca.last_forced_rotation), (6, 6));
    // Without pools the size does not count; the same pool twice is one pool.
    assert_eq!(cluster(&found(with(|request| request.subnet_size = 30)).unwrap()).subnet_size, 24);
}

#[test]
fn a_cluster_is_founded_once() {
    let mut world = found(request()).unwrap();
    let mut plan = Plan::new(&world.state, world.now, &mut world.ids);
    let (status, message) = shown(init(&mut plan, request()));
    assert_eq!(status, 503);
    assert!(message.starts_with("This node is already part of a swarm."), "{message}");
}

#[test]
fn an_update_replaces_the_whole_spec() {
    let mut world = found(request()).unwrap();
    let kept = serde_json::to_string(&cluster(&world).spec).unwrap();
    update(&mut world, &kept, Rotate::default()).unwrap();
    assert_eq!(serde_json::to_string(&cluster(&world).spec).unwrap(), kept, "posting back what was read");
    update(&mut world, "{}", Rotate::default()).unwrap();
    assert_eq!(
        serde_json::to_string(&cluster(&world).spec).unwrap(),
        r#"{"Name":"default","Labels":{},"Orchestration":{"TaskHistoryRetentionLimit":0},"Raft":{"KeepOldSnapshots":0,"ElectionTick":0,"HeartbeatTick":0},"Dispatcher":{},"CAConfig":{},"TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":false}}"#
    );
}

#[test]
fn what_the_swarm_does_to_itself_makes_no_update_stale() {
    let mut world = found(request()).unwrap();
    let version = cluster(&world).meta.version;
    let ask = |world: &mut World| {
        let (spec, rotate) = (Box::default(), Rotate::default());
        world.ask(Request::SwarmUpdate { spec, version, rotate, authority: None })
    };
    world.apply(vec![Change::ClusterRootCa(Box::default()), Change::ClusterTokens(Default::default())]);
    assert!(cluster(&world).meta.version > version);
    ask(&mut world).unwrap();
    assert_eq!(shown(ask(&mut world)).1, "rpc error: code = Unknown desc = update out of sequence");
}

#[test]
fn updates_are_refused_in_dockerds_words() {
    let mut world = found(request()).unwrap();
    let version = cluster(&world).meta.version;
    for (spec, version, status, message) in [
        (r#"{"Name":"x"}"#, 77, 400, "swarm spec must be named \"default\""),
        (r#"{"Name":"Default"}"#, version, 400, "swarm spec must be named \"default\""),
        ("{}", 77, 500, "rpc error: code = Unknown desc = update out of sequence"),
        (
            r#"{"CAConfig":{"NodeCertExpiry":3599999999999}}"#,
            77,
            400,
            "rpc error: code = InvalidArgument desc = minimum certificate expiry time is: 1h0m0s",
        ),
        (
            r#"{"Dispatcher":{"HeartbeatPeriod":-1}}"#,
            77,
            400,
            "rpc error: code = InvalidArgument desc = heartbeat time period cannot be a negative duration",
        ),
        (r#"{"CAConfig":{"ExternalCAs":[{"Protocol":"foo"}]}}"#, 77, 400, "invalid protocol: \"foo\""),
        (
            r#"{"CAConfig":{"SigningCAKey":"x"}}"#,
            77,
            400,
            "rpc error: code = InvalidArgument desc = if a signing CA key is provided, the signing CA cert must also be provided",
        ),
        (
            r#"{"CAConfig":{"SigningCACert":"x","SigningCAKey":"x"}}"#,
            77,
            400,
            "rpc error: code = InvalidArgument desc = if a signing CA key is provided, the signing CA cert must also be provided",
        ),
        (
            r#"{"CAConfig":{"ForceRotate":1}}"#,
            version,
            501,
            "rpc error: code = Unimplemented desc = the first root need not be rotated",
        ),
    ] {
        let request =
            Request::SwarmUpdate { spec: Box::new(swarm(spec)), version, rotate: Rotate::default(), authority: None };
        assert_eq!(shown(world.ask(request)), (status, message.to_owned()), "{spec}");
    }
    let request = Request::SwarmUpdate { spec: Box::default(), version, rotate: Rotate::default(), authority: None };
    assert_eq!(shown(World::empty().ask(request)).0, 503);
}

#[test]
fn tokens_rotate_one_by_one_and_keep_the_digest() {
    let mut world = found(request()).unwrap();
    let before = cluster(&world).join_tokens.clone();
    update(&mut world, "{}", Rotate { worker_token: true, ..Rotate::default() }).unwrap();
    let after = cluster(&world).join_tokens.clone();
    assert_eq!(after.manager, before.manager);
    assert_ne!(after.worker, before.worker);
    assert_eq!((&after.worker[..60], after.worker.len()), (&before.worker[..60], before.worker.len()));
    update(&mut world, "{}", Rotate { manager_token: true, ..Rotate::default() }).unwrap();
    assert_eq!(cluster(&world).join_tokens.worker, after.worker);
    assert_ne!(cluster(&world).join_tokens.manager, before.manager);
}

#[test]
fn the_unlock_key_follows_autolock() {
    const LOCK: &str = r#"{"EncryptionConfig":{"AutoLockManagers":true}}"#;
    let rotate = Rotate { unlock_key: true, ..Rotate::default() };
    let mut world = found(request()).unwrap();
    update(&mut world, "{}", rotate).unwrap();
    assert_eq!(cluster(&world).unlock_key, "", "nothing to rotate");
    update(&mut world, LOCK, Rotate::default()).unwrap();
    let first = cluster(&world).unlock_key.clone();
    assert!(first.starts_with("SWMKEY-1-") && first.len() == 9 + 43, "{first}");
    update(&mut world, LOCK, Rotate::default()).unwrap();
    assert_eq!(cluster(&world).unlock_key, first);
    update(&mut world, LOCK, rotate).unwrap();
    assert_ne!(cluster(&world).unlock_key, first);
    update(&mut world, "{}", Rotate::default()).unwrap();
    assert_eq!(cluster(&world).unlock_key, "");
}
