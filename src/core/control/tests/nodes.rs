//! Nodes, in dockerd's words.

use super::*;
use crate::control::{leave_refusal, leave_refusal_closed};
use crate::model::Role;

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
fn a_status_that_changes_in_between_hurts_nobody() {
    let mut world = World::empty();
    let id = world.add_node("n1", "manager", NodeState::Ready, true);
    let seen = version(&world, id);
    let report = Change::NodeReport { id, status: NodeStatus::default(), description: None };
    world.apply(vec![report]);
    assert!(version(&world, id) > seen);
    update(&mut world, id, "manager", "pause", seen).unwrap();
    let late = (500, "rpc error: code = Unknown desc = update out of sequence".to_owned());
    let again = update(&mut world, id, "manager", "drain", seen);
    assert_eq!(shown(again), late, "somebody else has said since what is wanted");
    let future = version(&world, id) + 1;
    assert_eq!(shown(update(&mut world, id, "manager", "drain", future)), late);
}

#[test]
fn a_manager_is_demoted_only_if_others_can_go_on() {
    let mut world = World::empty();
    let n1 = world.add_node("n1", "manager", NodeState::Ready, true);
    let last = "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm";
    // The version is looked at after that.
    assert_eq!(shown(update(&mut world, n1, "worker", "active", 77)), (400, last.to_owned()));

    let quorum = "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would result in a loss of quorum";
    // A manager that has not yet joined the consensus is a manager, but cannot go on by itself.
    let n2 = world.add_node("n2", "manager", NodeState::Ready, false);
    assert_eq!(shown(update(&mut world, n1, "worker", "active", 77)), (400, quorum.to_owned()));
    assert_eq!(
        shown(update(&mut world, n2, "worker", "active", 77)),
        (404, "rpc error: code = NotFound desc = can't find manager in raft memberlist".to_owned())
    );

    let n3 = world.add_node("n3", "manager", NodeState::Down, true);
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

#[test]
fn of_three_managers_two_may_go_and_the_last_stays() {
    let mut world = World::empty();
    let ids = ["n1", "n2", "n3"].map(|name| world.add_node(name, "manager", NodeState::Ready, true));
    for (at, id) in ids.into_iter().enumerate() {
        let seen = version(&world, id);
        let answer = update(&mut world, id, "worker", "active", seen);
        if at == 2 {
            let last = "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm";
            assert_eq!(shown(answer), (400, last.to_owned()));
            continue;
        }
        answer.unwrap();
        // It has no say any more, but leaves the consensus only when the leader lets it go.
        assert!(!world.state.may_act_as_manager(id) && world.state.may_vote(id) && world.state.is_member(id));
        assert_eq!(world.state.node(id).unwrap().role(), Role::Manager);
        world.apply(vec![Change::NodeManager { id, manager: None }]);
        assert_eq!(world.state.node(id).unwrap().role(), Role::Worker);
        assert!(!world.state.may_vote(id));
    }
    // One that was demoted can be removed, and then is nobody.
    world.ask(Request::NodeRemove { id: ids[0], force: true }).unwrap();
    assert!(!world.state.is_member(ids[0]));
    // And one may be promoted again.
    let seen = version(&world, ids[1]);
    update(&mut world, ids[1], "manager", "active", seen).unwrap();
    assert!(world.state.may_act_as_manager(ids[1]));
}

#[test]
fn managers_that_are_on_their_way_out_do_not_remain() {
    let mut world = World::empty();
    let ids = ["n1", "n2", "n3"].map(|name| world.add_node(name, "manager", NodeState::Ready, true));
    let refused = ids.map(|id| {
        let seen = version(&world, id);
        update(&mut world, id, "worker", "active", seen).err().map(|error| error.message)
    });
    let last = "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm";
    assert_eq!(refused, [None, None, Some(last.to_owned())], "all three are in the consensus still");
}

#[test]
fn a_manager_does_not_leave_by_accident() {
    fn said(count: usize, reachable: usize, is_heard: bool) -> String {
        let mut world = World::empty();
        let ids: Vec<NodeId> =
            (0..count).map(|at| world.add_node(&format!("n{at}"), "manager", NodeState::Ready, true)).collect();
        world.add_node("worker", "worker", NodeState::Ready, false);
        let heard = if is_heard { &ids[..reachable] } else { &ids[1..] };
        let refusal = leave_refusal(Some(&world.state), ids[0], |node| heard.contains(&node.id));
        assert_eq!(refusal.kind.status(), 503);
        refusal.message
    }
    let begin = "You are attempting to leave the swarm on a node that is participating as a manager. ";
    let end = "The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this message.";
    let leaves = |left, all| {
        format!(
            "{begin}Removing this node leaves {left} managers out of {all}. Without a Raft quorum your swarm will be inaccessible. {end}"
        )
    };
    let last =
        "Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. ";
    assert_eq!(said(1, 1, true), format!("{begin}{last}"));
    assert_eq!(said(2, 2, true), leaves(1, 2));
    assert_eq!(said(3, 3, true), format!("{begin}{end}"));
    assert_eq!(said(3, 2, true), leaves(1, 3));
    assert_eq!(said(5, 4, true), format!("{begin}{end}"));
    assert_eq!(said(5, 3, true), leaves(2, 5));
    assert_eq!(said(3, 2, false), format!("{begin}{end}"), "who is not heard itself takes nothing away");
    assert_eq!(leave_refusal(None, NodeId::from(1), |_| true).message, format!("{begin}{end}"), "nobody leads");
    let closed = leave_refusal_closed().message;
    assert_eq!(closed, format!("{begin}Doing so may lose the consensus of your cluster. {end}"));
}
