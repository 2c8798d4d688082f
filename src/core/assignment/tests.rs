//! Differences lead where they say, with and without bytes in between.

use proptest::prelude::*;

use super::*;
use crate::fixture::Fixture;
use crate::model::{Endpoint, VirtualIp};
use crate::state::codec::{decode_state, encode_state};
use crate::wire;

const START: &str = "network net 10.0.1.0/24
    network other 10.0.2.0/24
    node n1 ready addr=192.0.2.1
    node n2 ready addr=192.0.2.2
    secret key
    secret mine
    config conf
    service web replicas=3 env=A=1 secret=key config=conf
    service api replicas=2 secret=mine
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
    assert!(!text.contains("busybox") && text.len() < 1000, "{} bytes: {text}", text.len());
}

#[test]
fn a_credential_goes_to_the_nodes_with_tasks_of_its_service_and_to_no_other() {
    let mut fixture = Fixture::new(START);
    let before = held(&fixture);
    fixture.add(
        "service db credential=hush-1\n task db.1 n1 assigned\n service far credential=hush-2 \n task far.1 n2 running",
    );
    let after = held(&fixture);
    let full = wire::encode_assignments(&after);
    assert_eq!(wire::decode_assignments(&full).unwrap(), after);
    let difference = wire::encode_difference(&before.difference(&after));
    for bytes in [full, difference.clone()] {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("hush-1") && !text.contains("hush-2"), "{text}");
    }
    let mut told = before;
    told.apply(wire::decode_difference(&difference).unwrap()).unwrap();
    assert_eq!(told, after);
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
    // Of the other node's tasks this node's only business is who is on its network.
    fixture.add("task web.2 failed");
    let next = held(&fixture);
    let difference = after.difference(&next);
    assert_eq!((difference.tasks.len(), difference.tasks_gone.len(), difference.members.len()), (0, 0, 0));
    assert_eq!(difference.members_gone, [(fixture.network("net"), fixture.task("web.2"))]);
    assert_eq!(difference.peers_gone, [fixture.node("n2")]);
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

/// The names of the secrets and configs of a node.
fn entrusted(fixture: &Fixture, node: &str) -> Vec<String> {
    let held = Assignments::of(&fixture.state, fixture.node(node));
    let secrets = held.secrets.values().map(|secret| secret.spec.name.clone());
    let mut names: Vec<String> = secrets.chain(held.configs.values().map(|config| config.spec.name.clone())).collect();
    names.sort();
    names
}

#[test]
fn a_node_has_the_secrets_of_its_tasks_until_these_end() {
    let mut fixture = Fixture::new(&format!("{START}\nnode n3 ready\ntask web.3 pending"));
    assert_eq!(entrusted(&fixture, "n1"), ["conf", "key", "mine"]);
    assert_eq!(entrusted(&fixture, "n2"), ["conf", "key"], "no task of it needs the other one");
    assert!(entrusted(&fixture, "n3").is_empty(), "it has no task");
    fixture.add("task web.2 desired=shutdown");
    assert_eq!(entrusted(&fixture, "n2"), ["conf", "key"], "it may read them until it has ended");
    fixture.add("task web.2 shutdown\ntask web.1 failed");
    assert!(entrusted(&fixture, "n2").is_empty());
    assert_eq!(entrusted(&fixture, "n1"), ["mine"]);
    fixture.add("remove secret mine");
    assert!(entrusted(&fixture, "n1").is_empty());
}

#[test]
fn no_value_is_printed() {
    let fixture = Fixture::new("node n1 ready\nsecret hush-hush\nservice web secret=hush-hush\ntask web.1 n1 running");
    let mut held = held(&fixture);
    assert_eq!(held.secrets.len(), 1);
    // Its name is its value here.
    let nameless = |(id, secret): (&SecretId, &Arc<Secret>)| {
        let mut secret = Secret::clone(secret);
        secret.spec.name.clear();
        (*id, Arc::new(secret))
    };
    held.secrets = held.secrets.iter().map(nameless).collect();
    let printed = format!("{held:?} {:?}", Assignments::default().difference(&held));
    assert!(printed.contains("<9 bytes>") && !printed.contains("hush") && !printed.contains("aHVz"), "{printed}");
}

/// Members as `network task node phase mac`.
fn members(fixture: &Fixture, held: &Assignments) -> String {
    let line = |member: &Arc<Member>| {
        let [network, task, node] =
            [member.network.number(), member.task.number(), member.node.number()].map(|number| fixture.name(number));
        format!("{network} {task} {node} {:?} {}\n", member.phase, member.mac)
    };
    held.members.values().map(line).collect()
}

#[test]
fn a_node_knows_everybody_on_its_networks_and_nobody_else() {
    let mut fixture = Fixture::new(START);
    fixture.add("task web.3 n2 assigned net=10.0.1.4/24\nattach box n1 net=10.0.1.9/24");
    let known = members(&fixture, &held(&fixture));
    let expected = "net box n1 Coming 02:42:0a:00:01:09\nnet web.1 n1 Serving 02:42:0a:00:01:02\nnet web.2 n2 Serving 02:42:0a:00:01:03\n\
        net web.3 n2 Coming 02:42:0a:00:01:04\nother api.1 n1 Serving 02:42:0a:00:02:02\n";
    assert_eq!(known, expected);
    let n2 = Assignments::of(&fixture.state, fixture.node("n2"));
    assert!(!members(&fixture, &n2).contains("other"), "it has no task there");
    let services = |held: &Assignments| held.services.values().map(|service| service.name.clone()).collect::<Vec<_>>();
    assert_eq!((services(&held(&fixture)), services(&n2)), (vec!["api".into(), "web".into()], vec!["web".to_owned()]));
    let peers: Vec<String> = n2.peers.values().map(|peer| peer.data_path.clone()).collect();
    assert_eq!(peers, ["192.0.2.1", "192.0.2.2"]);
    fixture.add("node n1 data-path=198.51.100.1");
    let n2 = Assignments::of(&fixture.state, fixture.node("n2"));
    assert_eq!(n2.peers[&fixture.node("n1")].data_path, "198.51.100.1", "what the user said wins");
    // A task that has ended is on no network, though its node still knows it.
    let mut ended = Fixture::new(START);
    ended.add("task api.1 failed");
    let n1 = held(&ended);
    assert!(n1.tasks.contains_key(&ended.task("api.1")) && !n1.networks.contains_key(&ended.network("other")));
    // Only a node that is there itself is told.
    fixture.add("node n3 ready addr=192.0.2.3\ntask web.2 desired=shutdown\ntask web.3 failed");
    let n3 = Assignments::of(&fixture.state, fixture.node("n3"));
    assert_eq!((n3.members.len(), n3.peers.len()), (0, 1));
    let known = members(&fixture, &held(&fixture));
    assert!(known.contains("net web.2 n2 Leaving") && !known.contains("web.3"), "{known}");
}

#[test]
fn the_engines_own_mac_wins_and_a_container_is_found_once_it_has_one() {
    let mut fixture = Fixture::new(START);
    fixture.add("attach box n2 net=10.0.1.9/24\ntask web.2 running mac.10.0.1.3=02:00:00:00:00:01");
    assert!(members(&fixture, &held(&fixture)).contains("net web.2 n2 Serving 02:00:00:00:00:01"));
    let id = fixture.task("box");
    let mut status = fixture.state.task(id).unwrap().status.clone();
    status.container.as_mut().unwrap().macs = [([10, 0, 1, 9].into(), "02:00:00:00:00:09".to_owned())].into();
    status.container.as_mut().unwrap().endpoints = [([10, 0, 1, 9].into(), "e9".to_owned())].into();
    fixture.apply(vec![crate::state::Change::TaskReport { id, status }]);
    assert!(members(&fixture, &held(&fixture)).contains("net box n2 Serving 02:00:00:00:00:09"));
    let held = held(&fixture);
    let endpoints: Vec<&str> = held.members.values().map(|member| member.endpoint.as_str()).collect();
    assert_eq!(
        endpoints.iter().filter(|endpoint| **endpoint == "e9").count(),
        1,
        "the name of its place is told: {endpoints:?}"
    );
}

#[test]
fn of_a_lost_node_only_those_are_left_whose_place_nobody_takes() {
    let mut fixture = Fixture::new(START);
    fixture.add("attach box n2 net=10.0.1.9/24\nnode n2 down");
    let known = members(&fixture, &held(&fixture));
    assert!(known.contains("web.2 n2 Lost") && known.contains("box n2 Lost"), "{known}");
    fixture.add("task web.2 desired=shutdown");
    let known = members(&fixture, &held(&fixture));
    assert!(!known.contains("web.2") && known.contains("box n2 Lost"), "{known}");
    fixture.add("node n2 ready");
    let known = members(&fixture, &held(&fixture));
    assert!(known.contains("web.2 n2 Leaving"), "it is back, and still there: {known}");
    fixture.add("remove node n2");
    let known = members(&fixture, &held(&fixture));
    assert!(!known.contains("web.2"), "{known}");
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
        "ingress=10.0.0.9/24",
        "other=10.0.2.9/24",
        "exit=3",
    ]);
    prop_oneof![
        6 => (task(), word).prop_map(|(task, word)| format!("task {task} {word}")),
        2 => task().prop_map(|task| format!("remove task {task}")),
        1 => (0..3_u8).prop_map(|image| format!("service web image=image{image}")),
        1 => prop::sample::select(vec!["secret key x", "config conf x", "remove secret key", "remove config conf", "service api secret=key"])
            .prop_map(str::to_owned),
        1 => Just("service api env=B=2".to_owned()),
        1 => prop::sample::select(vec!["node n2 down", "node n2 ready", "node n1 data-path=198.51.100.1", "cluster history=5"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["node n3 ready", "remove node n3", "network third 10.0.3.0/24", "remove network other"])
            .prop_map(str::to_owned),
        2 => prop::sample::select(vec!["publish web 80", "publish api 81", "publish web 0", "publish api 0", "remove service api"])
            .prop_map(str::to_owned),
    ]
}

/// Beside the lines of a fixture: `publish web 80`, on every node; port 0 takes it back.
fn change(fixture: &mut Fixture, line: &str) {
    let Some((service, port)) = line.strip_prefix("publish ").and_then(|rest| rest.split_once(' ')) else {
        // Not every line makes sense at every moment.
        let is_task_of_none = line.starts_with("task api") && fixture.state.service(fixture.service("api")).is_none();
        let task = line.split(' ').nth(1).map(|name| fixture.task(name));
        if !is_task_of_none || task.is_some_and(|task| fixture.state.task(task).is_some()) {
            fixture.add(line);
        }
        return;
    };
    let id = fixture.service(service);
    let port = PortConfig { published_port: port.parse().unwrap(), target_port: 80, ..PortConfig::default() };
    let network = fixture.network("net");
    let virtual_ips = vec![VirtualIp { network, address: "10.0.1.200/24".into() }];
    let endpoint = Endpoint { ports: vec![port], virtual_ips, ..Endpoint::default() };
    fixture.apply(vec![crate::state::Change::ServiceEndpoint { id, endpoint }]);
}

#[test]
fn following_costs_what_changed() {
    let mut text = START.to_owned();
    for task in 10..2010 {
        text.push_str(&format!("\ntask web.{task} n2 running net=10.0.{}.{}/16", 100 + task / 250, task % 250 + 2));
    }
    let mut fixture = Fixture::new(&text);
    let mut follower = Follower::new(fixture.node("n1"));
    follower.follow(&fixture.state);
    assert!(follower.work() > 2000, "it begins with everybody");
    for line in [
        "task web.77 desired=shutdown",
        "task web.77 failed",
        "task api.1 failed",
        "task web.9 n1 running net=10.0.1.9/24",
    ] {
        let before = follower.work();
        fixture.add(line);
        let held = follower.follow(&fixture.state);
        assert_eq!(held, Assignments::of(&fixture.state, fixture.node("n1")), "{line}");
        let work = follower.work() - before;
        assert!(work < 20, "{line}: {work} records");
    }
}

proptest! {
    #[test]
    fn a_holder_of_differences_holds_the_newest_set(lines in prop::collection::vec(line(), 1..40), skip in 1..4_usize) {
        let mut fixture = Fixture::new(&format!("network ingress 10.0.0.0/24 ingress\n{START}"));
        let mut followers = ["n1", "n2", "n3"].map(|node| (fixture.node(node), Follower::new(fixture.node(node))));
        let mut sent = held(&fixture);
        let mut near = sent.clone();
        let mut far = wire::decode_assignments(&wire::encode_assignments(&sent)).unwrap();
        prop_assert_eq!(&far, &sent);
        for lines in lines.chunks(skip) {
            for line in lines {
                change(&mut fixture, line);
            }
            for (node, follower) in &mut followers {
                prop_assert_eq!(follower.follow(&fixture.state), Assignments::of(&fixture.state, *node));
            }
            let newest = held(&fixture);
            let difference = sent.difference(&newest);
            prop_assert_eq!(difference.is_empty(), sent.same_as(&newest));
            far.apply(wire::decode_difference(&wire::encode_difference(&difference)).unwrap()).unwrap();
            near.apply(difference).unwrap();
            prop_assert_eq!(&near, &newest);
            prop_assert_eq!(&far, &newest);
            // What is kept up with every change is what would be made anew.
            let anew = decode_state(&encode_state(&fixture.state)).unwrap();
            prop_assert_eq!(Assignments::of(&anew, fixture.node("n1")), newest.clone());
            sent = newest;
        }
        let full = wire::decode_assignments(&wire::encode_assignments(&sent)).unwrap();
        prop_assert_eq!(full, sent);
    }
}
