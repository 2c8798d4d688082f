//! Hosts that want in.

use super::super::{Rotate, join_token};
use super::*;
use crate::model::{Cluster, JoinTokens, Role, RootCa, SwarmSpec};

const REFUSED: &str = "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster";

fn world() -> World {
    let mut world = World::empty();
    let digest = "1to5bxlabau44i1bcvva371mlbw5uzip1hgrzxmtlf9jq08mtr";
    world.apply(vec![Change::ClusterCreate(Box::new(Cluster {
        id: 1.into(),
        meta: Meta::default(),
        spec: SwarmSpec { name: "default".into(), ..SwarmSpec::default() },
        root_ca: RootCa::default(),
        join_tokens: JoinTokens { worker: join_token(digest, [1; 32]), manager: join_token(digest, [2; 32]) },
        unlock_key: String::new(),
        default_addr_pool: Vec::new(),
        subnet_size: 24,
        data_path_port: 4789,
    }))]);
    world
}

fn tokens(world: &World) -> JoinTokens {
    world.state.cluster().unwrap().join_tokens.clone()
}

fn join(world: &mut World, token: &str, id: u128, availability: &str) -> Result<Response, Error> {
    world.ask(Request::Join {
        token: token.to_owned(),
        node: id.into(),
        availability: availability.to_owned(),
        addr: "192.0.2.7".into(),
        description: Box::new(NodeDescription { hostname: "beta".into(), ..NodeDescription::default() }),
    })
}

#[test]
fn the_token_decides_the_role() {
    let mut world = world();
    let JoinTokens { worker, manager } = tokens(&world);
    let joined = |id: u128, role| Ok(Response::Joined { node: id.into(), role });
    assert_eq!(join(&mut world, &worker, 2, ""), joined(2, Role::Worker));
    assert_eq!(join(&mut world, &manager, 3, "Drain"), joined(3, Role::Manager));
    let node = world.state.node(2.into()).unwrap();
    assert_eq!((node.spec.role.as_str(), node.spec.availability.as_str()), ("worker", "active"));
    assert_eq!((node.status.state, node.status.addr.as_str()), (NodeState::Unknown, "192.0.2.7"));
    assert!(!world.state.may_act_as_manager(2.into()) && world.state.is_member(2.into()));
    let node = world.state.node(3.into()).unwrap();
    assert_eq!((node.spec.role.as_str(), node.spec.availability.as_str()), ("manager", "drain"));
    assert!(node.manager.is_none(), "it is not in the consensus yet");
    assert!(world.state.may_act_as_manager(3.into()));
    // Nothing is placed on a node that was never heard.
    assert!(!node.is_schedulable());
}

#[test]
fn wrong_tokens_are_refused_in_dockers_words() {
    let mut world = world();
    let JoinTokens { worker, manager } = tokens(&world);
    let other = join_token("6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof", [1; 32]);
    for token in ["", "x", &worker[..worker.len() - 1], &worker.to_uppercase(), &format!("{manager} "), &other] {
        assert_eq!(shown(join(&mut world, token, 2, "")), (400, REFUSED.to_owned()), "{token:?}");
    }
    assert_eq!(shown(join(&mut world, &worker, 2, "asleep")), (500, "invalid Availability: \"asleep\"".to_owned()));
    assert_eq!(shown(join(&mut World::empty(), &worker, 2, "")).0, 503);
}

#[test]
fn a_token_that_was_rotated_is_worth_nothing() {
    let mut world = world();
    let old = tokens(&world);
    let version = world.state.cluster().unwrap().meta.version;
    let rotate = Rotate { worker_token: true, ..Rotate::default() };
    world.ask(Request::SwarmUpdate { spec: Box::default(), version, rotate, authority: None }).unwrap();
    assert_eq!(shown(join(&mut world, &old.worker, 2, "")), (400, REFUSED.to_owned()));
    let new = tokens(&world);
    join(&mut world, &new.worker, 2, "").unwrap();
    join(&mut world, &old.manager, 3, "").unwrap();
}

#[test]
fn an_identifier_is_used_once() {
    let mut world = world();
    let JoinTokens { worker, manager } = tokens(&world);
    join(&mut world, &worker, 2, "").unwrap();
    let node = NodeId::from(2);
    let message = format!("rpc error: code = AlreadyExists desc = node {node} is already part of this swarm");
    assert_eq!(shown(join(&mut world, &manager, 2, "")), (409, message));
    assert_eq!(world.state.node(node).unwrap().role(), Role::Worker);
    // Two hosts of one name are two nodes.
    join(&mut world, &worker, 3, "").unwrap();
    assert_eq!(world.state.find_node("beta").unwrap_err().message, "node beta is ambiguous (2 matches found)");
}
