use super::*;
use crate::fixture::Fixture;

/// Two services on one network: `web` on `n1` and `n2`, who uses it on `n3`; `n4` has none of them.
const THREE: &str = "network net 10.0.1.0/24
    node n1 ready
    node n2 ready
    node n3 ready
    node n4 ready
    service web replicas=2
    service user replicas=1
    task web.1 n1 running net=10.0.1.2/24
    task web.2 n2 running net=10.0.1.3/24
    task user.1 n3 running net=10.0.1.4/24";

/// What is decided once these nodes have applied everything so far.
fn after(fixture: &mut Fixture, nodes: &[&str]) -> String {
    let index = fixture.state.index();
    let applied: Applied = nodes.iter().map(|node| (fixture.node(node), index)).collect();
    fixture.plan(|plan_now| plan(plan_now, &applied))
}

#[test]
fn a_task_is_released_when_everybody_who_stays_has_forgotten_it() {
    let mut fixture = Fixture::new(THREE);
    assert_eq!(after(&mut fixture, &[]), "");
    let before = fixture.state.index();
    fixture.add("task web.1 desired=shutdown");
    assert_eq!(after(&mut fixture, &["n2"]), "wake 2s\n");
    let early: Applied = ["n2", "n3"].map(|node| (fixture.node(node), before)).into();
    assert_eq!(fixture.plan(|plan_now| plan(plan_now, &early)), "wake 2s\n", "that was before it began");
    assert_eq!(after(&mut fixture, &["n2", "n3"]), "~ web.1 released\n", "its own node sends nobody there any more");
    assert_eq!(after(&mut fixture, &[]), "");
}

#[test]
fn nobody_is_waited_for_who_cannot_answer() {
    let mut fixture = Fixture::new(THREE);
    fixture.add("task web.1 desired=remove\nnode n2 down");
    assert_eq!(after(&mut fixture, &["n3"]), "~ web.1 released\n");
    fixture.add("task user.1 desired=shutdown\nat 1s");
    assert_eq!(after(&mut fixture, &[]), "~ user.1 released\n", "of a whole network that goes, nobody stays");
    let mut fixture = Fixture::new(THREE);
    fixture.add("task web.1 desired=shutdown\nat 1s");
    assert_eq!(after(&mut fixture, &["n2"]), "wake 2s\n");
    fixture.add("at 2s");
    assert_eq!(after(&mut fixture, &["n2"]), "~ web.1 released\n", "a silent node holds nobody up for long");
}

#[test]
fn of_the_routing_mesh_every_node_must_know() {
    let mut fixture = Fixture::new(&THREE.replace("10.0.1.0/24", "10.0.1.0/24 ingress"));
    fixture.add("task web.1 desired=shutdown");
    assert_eq!(after(&mut fixture, &["n1", "n2", "n3"]), "wake 2s\n");
    assert_eq!(after(&mut fixture, &["n1", "n2", "n3", "n4"]), "~ web.1 released\n");
}

#[test]
fn who_was_never_announced_or_ends_by_itself_is_not_held() {
    let mut fixture = Fixture::new(THREE);
    fixture.add("network own predefined\nservice plain replicas=1\ntask plain.1 n1 running");
    fixture.add("task web.3 n1 starting net=10.0.1.5/24\ntask web.3 desired=shutdown\ntask plain.1 desired=shutdown");
    assert_eq!(fixture.state.held().count(), 0);
    fixture.add("task web.1 desired=shutdown");
    assert_eq!(fixture.state.held().count(), 1);
    fixture.add("task web.1 failed");
    assert_eq!(fixture.state.held().count(), 0);
    fixture.add("task web.2 desired=shutdown\nremove task web.2");
    assert_eq!(after(&mut fixture, &[]), "");
}

#[test]
fn what_is_held_survives_a_snapshot() {
    let mut fixture = Fixture::new(THREE);
    fixture.add("task web.1 desired=shutdown");
    let held = |state: &State| state.held().map(|task| (task.id, task.parting)).collect::<Vec<_>>();
    let again = crate::state::codec::decode_state(&crate::state::codec::encode_state(&fixture.state)).unwrap();
    assert_eq!(held(&again), held(&fixture.state));
    let version = fixture.state.task(fixture.task("web.1")).unwrap().meta.clone();
    after(&mut fixture, &["n1", "n2", "n3"]);
    let task = fixture.state.task(fixture.task("web.1")).unwrap();
    assert_eq!((task.meta.clone(), task.parting.unwrap().released), (version, true));
}
