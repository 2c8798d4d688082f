//! Differences lead where they say, with and without bytes in between.

use proptest::prelude::*;

use super::*;
use crate::fixture::Fixture;
use crate::wire;

const START: &str = "network net 10.0.1.0/24
    network other 10.0.2.0/24
    node n1 ready
    node n2 ready
    service web replicas=3 env=A=1
    service api replicas=2
    task web.1 n1 running net=10.0.1.2/24
    task web.2 n2 running net=10.0.1.3/24
    task api.1 n1 running other=10.0.2.2/24";

fn held(fixture: &Fixture) -> Assignments {
    Assignments::of(&fixture.state, fixture.node("n1"))
}

#[test]
fn a_change_of_wish_carries_no_spec() {
    let mut fixture = Fixture::new(START);
    let before = held(&fixture);
    fixture.add("task web.1 desired=shutdown");
    let difference = before.difference(&held(&fixture));
    assert_eq!(difference.tasks.len(), 1);
    assert!(difference.tasks[0].keeps_spec);
    let text = String::from_utf8(wire::encode_difference(&difference)).unwrap();
    assert!(!text.contains("busybox") && text.len() < 600, "{} bytes: {text}", text.len());
}

#[test]
fn networks_come_and_go_with_their_tasks() {
    let mut fixture = Fixture::new(START);
    let before = held(&fixture);
    fixture.add("remove task api.1");
    let mut after = held(&fixture);
    let difference = before.difference(&after);
    assert_eq!(difference.tasks_gone, [fixture.task("api.1")]);
    assert_eq!(difference.networks_gone, [fixture.network("other")]);
    assert!(!difference.is_empty());
    // The other node's tasks are not this node's business.
    fixture.add("task web.2 failed");
    let next = held(&fixture);
    let difference = after.difference(&next);
    assert!(difference.is_empty());
    after.apply(difference).unwrap();
    assert_eq!(after, next);
}

#[test]
fn the_routing_mesh_is_on_every_node_and_a_network_is_found_by_its_name() {
    let fixture = Fixture::new(&format!("network ingress 10.0.0.0/24 ingress\n{START}\nnode n3 ready"));
    let idle = Assignments::of(&fixture.state, fixture.node("n3"));
    assert_eq!(idle.networks.keys().copied().collect::<Vec<_>>(), [fixture.network("ingress")]);
    let known = held(&fixture).network_state();
    assert_eq!(known.find_network("net").unwrap(), *fixture.state.network(fixture.network("net")).unwrap());
    assert!(idle.network_state().find_network("net").is_err());
}

#[test]
fn a_difference_that_does_not_lead_on_changes_nothing() {
    let mut fixture = Fixture::new(START);
    let first = held(&fixture);
    fixture.add("task web.1 desired=shutdown");
    let second = held(&fixture);
    let difference = first.difference(&second);
    let gap = second.clone().apply(difference.clone()).unwrap_err();
    assert_eq!((gap.held, gap.from, gap.index), (second.index, first.index, second.index));
    // Nor can a spec be kept that was never there.
    let mut empty = Assignments { index: first.index, ..Assignments::default() };
    assert!(empty.apply(difference).is_err());
    assert_eq!(empty, Assignments { index: first.index, ..Assignments::default() });
}

fn line() -> impl Strategy<Value = String> {
    let task = || prop::sample::select(vec!["web.1", "web.2", "web.3", "api.1", "api.2"]);
    let word = prop::sample::select(vec![
        "n1",
        "n2",
        "assigned",
        "running",
        "failed",
        "shutdown",
        "desired=shutdown",
        "desired=remove",
        "net=10.0.1.9/24",
        "other=10.0.2.9/24",
        "exit=3",
    ]);
    prop_oneof![
        6 => (task(), word).prop_map(|(task, word)| format!("task {task} {word}")),
        2 => task().prop_map(|task| format!("remove task {task}")),
        1 => (0..3_u8).prop_map(|image| format!("service web image=image{image}")),
        1 => Just("service api env=B=2".to_owned()),
    ]
}

proptest! {
    #[test]
    fn a_holder_of_differences_holds_the_newest_set(lines in prop::collection::vec(line(), 1..40), skip in 1..4_usize) {
        let mut fixture = Fixture::new(START);
        let mut sent = held(&fixture);
        let mut near = sent.clone();
        let mut far = wire::decode_assignments(&wire::encode_assignments(&sent)).unwrap();
        prop_assert_eq!(&far, &sent);
        for lines in lines.chunks(skip) {
            for line in lines {
                fixture.add(line);
            }
            let newest = held(&fixture);
            let difference = sent.difference(&newest);
            prop_assert_eq!(difference.is_empty(), sent.same_as(&newest));
            far.apply(wire::decode_difference(&wire::encode_difference(&difference)).unwrap()).unwrap();
            near.apply(difference).unwrap();
            prop_assert_eq!(&near, &newest);
            prop_assert_eq!(&far, &newest);
            sent = newest;
        }
        let full = wire::decode_assignments(&wire::encode_assignments(&sent)).unwrap();
        prop_assert_eq!(full, sent);
    }
}
