//! Nodes, in dockerd's words.

use super::*;

fn update(world: &mut World, id: NodeId, role: &str, availability: &str, version: u64) -> Result<Response, Error> {
    let spec = NodeSpec { role: role.into(), availability: availability.into(), ..NodeSpec::default() };
    world.ask(Request::NodeUpdate { id, spec: Box::new(spec), version })
}

fn version(world: &World, id: NodeId) -> u64 {
    world.state.node(id).unwrap().meta.version
}

#[test]
fn words_are_known_in_any_case() {
    let mut world = World::empty();
    let id = world.add_node("n1", "manager", NodeState::Ready, true);
    let seen = version(&world, id);
    update(&mut world, id, "MANAGER", "Drain", seen).unwrap();
    let spec = &world.state.node(id).unwrap().spec;
    assert_eq!((spec.role.as_str(), spec.availability.as_str()), ("manager", "drain"));
    for (role, availability, message) in [
        ("", "active", "invalid Role: \"\""),
        ("foo", "bar", "invalid Role: \"foo\""),
        ("manager", "", "invalid Availability: \"\""),
        ("manager", "b\"r", "invalid Availability: \"b\\\"r\""),
    ] {
        assert_eq!(shown(update(&mut world, id, role, availability, 1)), (400, message.to_owned()));
    }
    assert_eq!(
        shown(update(&mut world, id, "manager", "active", 77)),
        (500, "rpc error: code = Unknown desc = update out of sequence".to_owned())
    );
    let gone = NodeId::from(7);
    assert_eq!(
        shown(update(&mut world, gone, "manager", "active", 1)),
        (404, format!("rpc error: code = NotFound desc = node {gone} not found"))
    );
}

#[test]
fn a_manager_is_demoted_only_if_others_can_go_on() {
    let mut world = World::empty();
    let n1 = world.add_node("n1", "manager", NodeState::Ready, true);
    let last = "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm";
    // The version is looked at after that.
    assert_eq!(shown(update(&mut world, n1, "worker", "active", 77)), (400, last.to_owned()));

    let n2 = world.add_node("n2", "manager", NodeState::Down, false);
    assert_eq!(shown(update(&mut world, n1, "worker", "active", 77)), (400, last.to_owned()));
    assert_eq!(
        shown(update(&mut world, n2, "worker", "active", 77)),
        (404, "rpc error: code = NotFound desc = can't find manager in raft memberlist".to_owned())
    );

    let n3 = world.add_node("n3", "manager", NodeState::Down, true);
    let quorum = "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would result in a loss of quorum";
    assert_eq!(shown(update(&mut world, n1, "worker", "active", 77)), (400, quorum.to_owned()));
    let seen = version(&world, n3);
    update(&mut world, n3, "worker", "active", seen).unwrap();
    assert_eq!(world.state.node(n3).unwrap().spec.role, "worker");
}

#[test]
fn a_node_is_removed_once_it_is_down_or_by_force() {
    let mut world = World::empty();
    let n1 = world.add_node("n1", "manager", NodeState::Ready, true);
    let n2 = world.add_node("n2", "worker", NodeState::Ready, false);
    let n3 = world.add_node("n3", "worker", NodeState::Down, false);
    for force in [false, true] {
        let message = format!(
            "rpc error: code = FailedPrecondition desc = node {n1} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
        );
        assert_eq!(shown(world.ask(Request::NodeRemove { id: n1, force })), (400, message));
    }
    let message = format!("rpc error: code = FailedPrecondition desc = node {n2} is not down and can't be removed");
    assert_eq!(shown(world.ask(Request::NodeRemove { id: n2, force: false })), (400, message));
    world.ask(Request::NodeRemove { id: n2, force: true }).unwrap();
    world.ask(Request::NodeRemove { id: n3, force: false }).unwrap();
    assert_eq!(world.state.nodes().count(), 1);
    let message = format!("rpc error: code = NotFound desc = node {n3} not found");
    assert_eq!(shown(world.ask(Request::NodeRemove { id: n3, force: true })), (404, message));
}
