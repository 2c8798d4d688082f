//! One root takes over from another.

use super::super::{Authority, AuthorityNeeds, NextRoot, Rotate, authority_needs, join_token};
use super::*;
use crate::focus::Memory;
use crate::model::{CaConfig, Cluster, ExternalCa, JoinTokens, RootCa, RootRotation, SwarmSpec};
use crate::step::{Input, step};

const YEAR: i64 = 365 * 24 * 3600 * 1_000_000_000;
const CFSSL: &str = "https://ca.example:8888";

fn pem(name: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n")
}

/// A cluster with the root `OLD` and nodes that have certificates of it.
fn world(nodes: &[&str]) -> World {
    let mut world = World::empty();
    let root_ca = RootCa {
        cert: pem("OLD"),
        key: "old key".into(),
        subject: "subject OLD".into(),
        public_key: "public OLD".into(),
        ..RootCa::default()
    };
    world.apply(vec![Change::ClusterCreate(Box::new(Cluster {
        id: 1.into(),
        meta: Meta::default(),
        spec: SwarmSpec { name: "default".into(), ..SwarmSpec::default() },
        root_ca,
        join_tokens: JoinTokens { worker: join_token("old", [1; 32]), manager: join_token("old", [2; 32]) },
        unlock_key: String::new(),
        default_addr_pool: Vec::new(),
        subnet_size: 24,
        data_path_port: 4789,
    }))]);
    for name in nodes {
        let id = world.add_node(name, "manager", NodeState::Ready, true);
        describe(&mut world, id, "OLD");
    }
    world
}

fn node_of(issuer: &str) -> NodeDescription {
    NodeDescription {
        cert_issuer_subject: format!("subject {issuer}"),
        cert_issuer_public_key: format!("public {issuer}"),
        ..NodeDescription::default()
    }
}

/// The agent of a node says whose certificate it has; the leader takes a step.
fn describe(world: &mut World, node: NodeId, issuer: &str) {
    let status = NodeStatus { state: NodeState::Ready, ..NodeStatus::default() };
    let description = Some(Box::new(node_of(issuer)));
    let inputs = vec![Input::Session { node, status, description }];
    let outcome = step(&world.state, inputs, world.now, &mut world.ids, &mut Memory::default());
    world.apply(outcome.changes);
    let again = step(&world.state, Vec::new(), world.now, &mut world.ids, &mut Memory::default());
    assert!(again.changes.is_empty(), "{:?}", again.changes);
}

fn cluster(world: &World) -> &Cluster {
    world.state.cluster().unwrap()
}

/// What a shell prepares that can do everything: every external authority answers, every certificate is read.
fn prepare(world: &World, config: &CaConfig) -> Authority {
    let root = &cluster(world).root_ca;
    let needs = authority_needs(root, config);
    let next = |name: &str, cert: String, key: String| NextRoot {
        root: RootRotation {
            subject: format!("subject {name}"),
            public_key: format!("public {name}"),
            digest: name.to_lowercase(),
            cross_signed: if needs.cross_sign { pem("CROSS") } else { String::new() },
            cert,
            key,
        },
        signed_by: root.cert.clone(),
        expires: Timestamp(2 * YEAR),
    };
    let read = needs.read.clone().map(|(cert, key)| {
        let name = cert.lines().nth(1).unwrap().to_owned();
        next(&name, cert, key)
    });
    Authority {
        next: read.or_else(|| needs.make.then(|| next("MADE", pem("MADE"), "made key".into()))),
        reachable: needs.probe.iter().map(|(url, _)| url.clone()).collect(),
    }
}

fn ask(world: &mut World, config: CaConfig, prepared: Option<Authority>) -> Result<Response, Error> {
    let version = cluster(world).meta.version;
    let spec = SwarmSpec { ca_config: config, ..SwarmSpec::default() };
    let rotate = Rotate::default();
    world.ask(Request::SwarmUpdate { spec: Box::new(spec), version, rotate, authority: prepared.map(Box::new) })
}

fn change(world: &mut World, config: CaConfig) -> Result<RootCa, Error> {
    let prepared = prepare(world, &config);
    ask(world, config, Some(prepared)).map(|_| cluster(world).root_ca.clone())
}

fn forced(version: u64) -> CaConfig {
    CaConfig { force_rotate: version, ..CaConfig::default() }
}

fn own(name: &str, key: &str) -> CaConfig {
    CaConfig { signing_ca_cert: pem(name), signing_ca_key: key.into(), ..CaConfig::default() }
}

fn external(config: CaConfig, cert: &str) -> CaConfig {
    let ca_cert = if cert.is_empty() { String::new() } else { pem(cert) };
    let external = ExternalCa { protocol: "cfssl".into(), url: CFSSL.into(), ca_cert, ..ExternalCa::default() };
    CaConfig { external_cas: vec![external], ..config }
}

fn refused(sentence: &str) -> (u16, String) {
    (400, format!("rpc error: code = InvalidArgument desc = {sentence}"))
}

#[test]
fn a_forced_rotation_ends_when_every_node_has_the_new_root() {
    let mut world = world(&["n1", "n2"]);
    let ids: Vec<NodeId> = world.state.nodes().map(|node| node.id).collect();
    let tokens = cluster(&world).join_tokens.clone();
    let root = change(&mut world, forced(1)).unwrap();
    assert_eq!(root.cert, pem("OLD"), "the old root is trusted until the end");
    assert_eq!(root.issuer(), ("subject MADE", "public MADE"));
    assert_eq!(root.rotation.as_ref().unwrap().cross_signed, pem("CROSS"));
    assert!(world.state.nodes().all(|node| world.state.must_renew(node)));
    describe(&mut world, ids[0], "MADE");
    assert!(!world.state.must_renew(world.state.node(ids[0]).unwrap()));
    assert_eq!(cluster(&world).join_tokens, tokens, "not every node has it");
    // Asking again for the same changes nothing, and one that is down is waited for.
    assert_eq!(change(&mut world, forced(1)).unwrap(), root);
    world.apply(vec![Change::NodeReport {
        id: ids[1],
        status: NodeStatus { state: NodeState::Down, ..NodeStatus::default() },
        description: None,
    }]);
    assert!(cluster(&world).root_ca.rotation.is_some());
    describe(&mut world, ids[1], "MADE");
    let done = cluster(&world).root_ca.clone();
    assert_eq!((done.cert, done.key.as_str(), done.rotation), (pem("MADE"), "made key", None));
    assert_eq!(done.last_forced_rotation, 1);
    let tokens = &cluster(&world).join_tokens;
    for token in [&tokens.worker, &tokens.manager] {
        assert!(token.starts_with(&format!("SWMTKN-1-{:0>50}-", "made")), "{token}");
    }
    assert_ne!(tokens.worker, tokens.manager);
    assert!(!world.state.nodes().any(|node| world.state.must_renew(node)));
}

#[test]
fn a_node_that_is_removed_is_not_waited_for() {
    let mut world = world(&["n1", "n2"]);
    let ids: Vec<NodeId> = world.state.nodes().map(|node| node.id).collect();
    change(&mut world, forced(1)).unwrap();
    world.apply(vec![Change::NodeRemove { id: ids[1] }]);
    describe(&mut world, ids[0], "MADE");
    assert_eq!(cluster(&world).root_ca.cert, pem("MADE"));
}

#[test]
fn an_own_root_takes_over_and_its_key_is_seen_nowhere() {
    let mut world = world(&["n1"]);
    let root = change(&mut world, own("MINE", "my key")).unwrap();
    let rotation = root.rotation.unwrap();
    assert_eq!((rotation.cert, rotation.key.as_str()), (pem("MINE"), "my key"));
    assert_eq!(cluster(&world).spec.ca_config, CaConfig::default());
    // Going back to the root that is still trusted ends the rotation at once.
    let root = change(&mut world, own("OLD", "old key")).unwrap();
    assert_eq!((root.key.as_str(), root.rotation), ("old key", None));
    // And a second root can take over from a first that has not arrived.
    change(&mut world, own("MINE", "my key")).unwrap();
    let root = change(&mut world, own("OTHER", "other key")).unwrap();
    assert_eq!((root.cert, root.rotation.unwrap().cert), (pem("OLD"), pem("OTHER")));
}

#[test]
fn roots_that_cannot_take_over_are_refused_in_dockers_words() {
    let mut world = world(&["n1"]);
    let config = own("MINE", "my key");
    let mut prepared = prepare(&world, &config);
    prepared.next.as_mut().unwrap().expires = world.now.plus(YEAR - 1);
    let answer = ask(&mut world, config.clone(), Some(prepared));
    assert_eq!(shown(answer), refused("CA certificate expires too soon"));
    let answer = change(&mut world, own("MINE", "old key"));
    assert_eq!(shown(answer), refused("Cannot update to a cert with an identical key"));
    let answer = ask(&mut world, config.clone(), Some(Authority::default()));
    assert_eq!(shown(answer), refused("could not parse the desired CA certificate"));
    // Prepared for another state.
    let mut prepared = prepare(&world, &config);
    prepared.next.as_mut().unwrap().signed_by = pem("OLDER");
    let late = (500, "rpc error: code = Unknown desc = update out of sequence".to_owned());
    assert_eq!(shown(ask(&mut world, config, Some(prepared))), late);
    let unsigned = "rpc error: code = Internal desc = unable to generate a cross-signed certificate for root rotation";
    assert_eq!(shown(ask(&mut world, forced(1), Some(Authority::default()))), (500, unsigned.to_owned()));
    // And without any preparation nothing is touched.
    assert_eq!(shown(ask(&mut world, forced(1), None)).0, 501);
}

#[test]
fn an_external_authority_takes_over_and_gives_back() {
    let none = |which| {
        refused(&format!(
            "there must be at least one valid, reachable external CA corresponding to the {which} CA certificate"
        ))
    };
    let mut world = world(&["n1"]);
    let id = world.state.nodes().next().unwrap().id;
    // Without a key in the cluster somebody else must sign.
    assert_eq!(shown(change(&mut world, own("THEIRS", ""))), none("desired"));
    assert_eq!(shown(change(&mut world, external(own("THEIRS", ""), ""))), none("desired"));
    let root = change(&mut world, external(own("THEIRS", ""), "THEIRS")).unwrap();
    assert_eq!(root.rotation.unwrap().key, "");
    assert_eq!(cluster(&world).external_urls(), [CFSSL]);
    assert_eq!(shown(change(&mut world, forced(0))), none("next"));
    describe(&mut world, id, "THEIRS");
    assert_eq!((cluster(&world).root_ca.cert.clone(), cluster(&world).root_ca.key.as_str()), (pem("THEIRS"), ""));
    assert_eq!(cluster(&world).external_urls(), [CFSSL], "by name");
    change(&mut world, external(forced(0), "")).unwrap();
    assert_eq!(cluster(&world).external_urls(), [CFSSL], "for want of a name");
    // It may not be forgotten while it is the only one that signs, nor give way to another of its kind.
    assert_eq!(shown(change(&mut world, forced(0))), none("current"));
    let mut two = external(own("OTHER", ""), "");
    two.external_cas.push(external(CaConfig::default(), "OTHER").external_cas.remove(0));
    let sentence = "rotating from one external CA to a different external CA is not supported";
    assert_eq!(shown(change(&mut world, two)), refused(sentence));
    // The cluster learns the key, and can do without.
    let root = change(&mut world, own("THEIRS", "their key")).unwrap();
    assert_eq!((root.key.as_str(), root.rotation), ("their key", None));
    assert_eq!(cluster(&world).external_urls(), [""; 0]);
}

#[test]
fn only_what_is_needed_is_prepared() {
    let world = world(&[]);
    let root = &cluster(&world).root_ca;
    assert_eq!(authority_needs(root, &forced(0)), AuthorityNeeds::default());
    assert_eq!(authority_needs(root, &external(forced(0), "")), AuthorityNeeds::default());
    let made = AuthorityNeeds { make: true, cross_sign: true, ..AuthorityNeeds::default() };
    assert_eq!(authority_needs(root, &forced(3)), made);
    let read = |name: &str, key: &str| Some((pem(name), key.to_owned()));
    let needs = authority_needs(root, &own("OLD", "old key"));
    assert_eq!(needs, AuthorityNeeds { read: read("OLD", "old key"), ..AuthorityNeeds::default() });
    let needs = authority_needs(root, &external(own("THEIRS", ""), "THEIRS"));
    let probe = vec![(CFSSL.to_owned(), pem("THEIRS"))];
    assert_eq!(needs, AuthorityNeeds { read: read("THEIRS", ""), make: false, cross_sign: true, probe });
}
