//! What is published, and the rules for it.

use std::net::SocketAddr;

use super::super::leavers::Leavers;
use super::super::mesh::{Mesh, Protocol, is_stale, leaves_stale, mesh, render, render_nothing, subnets};
use crate::assignment::Assignments;
use crate::fixture::Fixture;

const START: &str = "network ingress 10.0.0.0/24 ingress
    network net 10.0.1.0/24
    node n1 ready addr=192.0.2.1
    node n2 ready addr=192.0.2.2
    node n3 ready addr=192.0.2.3
    service web network=net replicas=3 publish=8080:80 publish=53:5353/udp publish=81:80/tcp/host
    service idle publish=90:80/sctp
    service inside network=net
    task web.1 n1 running ingress=10.0.0.3/24
    task web.2 n2 running ingress=10.0.0.4/24
    task web.3 n2 starting ingress=10.0.0.5/24
    task inside.1 n1 running net=10.0.1.3/24";

fn fixture(text: &str) -> Fixture {
    let mut fixture = Fixture::new(text);
    fixture.plan(crate::allocator::plan);
    fixture
}

/// What a node is told is published.
fn told(fixture: &Fixture, node: &str) -> Mesh {
    mesh(&Assignments::of(&fixture.state, fixture.node(node)))
}

#[test]
fn every_node_publishes_the_same_and_only_to_tasks_that_are_up() {
    let fixture = fixture(START);
    let mesh = told(&fixture, "n1");
    let printed = mesh.iter().map(|((protocol, number), published)| {
        format!("{number}/{protocol} {} {:?}\n", published.service, published.behind)
    });
    insta::assert_snapshot!(printed.collect::<String>(), @r"
    8080/tcp web {10.0.0.3:80, 10.0.0.4:80}
    53/udp web {10.0.0.3:5353, 10.0.0.4:5353}
    90/sctp idle {}
    ");
    assert!(["n2", "n3"].iter().all(|node| told(&fixture, node) == mesh));
}

#[test]
fn nothing_published_is_nothing_to_know() {
    let fixture = fixture("network ingress 10.0.0.0/24 ingress\nnode n1 ready\nnode n2 ready\nservice web");
    let assignments = Assignments::of(&fixture.state, fixture.node("n1"));
    assert_eq!((mesh(&assignments).len(), assignments.services.len(), assignments.peers.len()), (0, 0, 1));
    assert!(!assignments.is_needed(fixture.node("n1"), fixture.network("ingress")));
}

#[test]
fn whoever_publishes_knows_all_nodes() {
    let fixture = fixture(START);
    let assignments = Assignments::of(&fixture.state, fixture.node("n3"));
    assert_eq!(assignments.peers.len(), 3);
    assert!(assignments.is_needed(fixture.node("n3"), fixture.network("ingress")));
    assert!(!assignments.is_needed(fixture.node("n3"), fixture.network("net")));
}

#[test]
fn the_table_is_whole() {
    let mut mesh = told(&fixture(START), "n1");
    mesh.get_mut(&(Protocol::Udp, 53)).unwrap().behind.pop_first();
    mesh.get_mut(&(Protocol::Udp, 53)).unwrap().masquerades = true;
    insta::assert_snapshot!(render("gam-abc", &mesh), @r#"
    add table ip gam_ingress
    delete table ip gam_ingress
    table ip gam_ingress {
    	map ports { type inet_proto . inet_service : verdict; }
    	set idle { type inet_proto . inet_service; }
    	chain arriving {
    		type nat hook prerouting priority -101; policy accept;
    		iifname { "lo", "gam-abc" } return
    		iifname "gam-*" meta l4proto { tcp, udp } th dport 53 fib daddr . iif type local return
    		fib daddr type local meta l4proto . th dport vmap @ports
    	}
    	chain masquerading {
    	}
    	chain leaving {
    		type nat hook postrouting priority 99; policy accept;
    		oifname "gam-abc" ct status dnat jump masquerading
    	}
    	chain refuse {
    		meta l4proto tcp reject with tcp reset
    		reject
    	}
    	chain unserved {
    		type filter hook input priority 0; policy accept;
    		iifname "gam-*" meta l4proto { tcp, udp } th dport 53 fib daddr . iif type local return
    		meta l4proto . th dport @idle goto refuse
    	}
    }
    add chain ip gam_ingress tcp-8080
    add rule ip gam_ingress tcp-8080 meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.0.0.3 . 80, 1 : 10.0.0.4 . 80 }
    add element ip gam_ingress ports { tcp . 8080 : goto tcp-8080 }
    add chain ip gam_ingress udp-53
    add rule ip gam_ingress udp-53 meta l4proto udp dnat ip to 10.0.0.4:5353
    add element ip gam_ingress ports { udp . 53 : goto udp-53 }
    add rule ip gam_ingress masquerading meta l4proto udp ct original proto-dst 53 masquerade
    add element ip gam_ingress idle { sctp . 90 }
    "#);
    assert_eq!(render_nothing(), "add table ip gam_ingress\ndelete table ip gam_ingress\n");
}

#[test]
fn a_label_gives_the_client_away() {
    let mut fixture = fixture(START);
    let service = fixture.state.service(fixture.service("web")).unwrap().clone();
    let mut spec = (*service.spec).clone();
    spec.labels.insert("gam.ingress.masquerade".into(), "true".into());
    let (id, spec) = (service.id, Box::new(spec));
    fixture.apply(vec![crate::state::Change::ServiceUpdate { id, spec, previous: None, update_status: None }]);
    let mesh = told(&fixture, "n1");
    assert!(mesh[&(Protocol::Tcp, 8080)].masquerades && !mesh[&(Protocol::Sctp, 90)].masquerades);
}

#[test]
fn flows_to_who_is_gone_are_stale() {
    let fixture = fixture(START);
    let mesh = told(&fixture, "n1");
    let subnets = subnets(fixture.state.network(fixture.network("ingress")).unwrap());
    let stale = |port, address: &str| {
        let to: SocketAddr = address.parse().unwrap();
        is_stale(&mesh, &subnets, (Protocol::Udp, port), (to.ip(), to.port()))
    };
    assert!(!stale(53, "10.0.0.3:5353"));
    assert!(stale(53, "10.0.0.9:5353"));
    assert!(!stale(54, "10.0.0.9:5353"), "it is somebody else's");
    assert!(!stale(53, "10.0.1.9:5353") && !stale(53, "[::1]:5353"), "somebody else has turned it");
}

#[test]
fn all_flows_are_looked_at_only_when_datagrams_lose_a_task() {
    let mut fixture = fixture(START);
    let before = told(&fixture, "n1");
    assert!(leaves_stale(None, &before));
    assert!(!leaves_stale(Some(&before), &before));
    fixture.add("task web.3 running");
    let more = told(&fixture, "n1");
    assert!(before != more && !leaves_stale(Some(&before), &more), "one that comes takes nothing away");
    assert!(leaves_stale(Some(&more), &before));
    let only = |port| Mesh::from([(port, more[&(Protocol::Udp, 53)].clone())]);
    assert!(!leaves_stale(None, &only((Protocol::Tcp, 53))), "connections end by themselves");
    assert!(leaves_stale(Some(&Mesh::new()), &only((Protocol::Udp, 53))), "it may have been published before");
    assert!(!leaves_stale(Some(&only((Protocol::Udp, 53))), &Mesh::new()));
}

#[test]
fn the_mesh_is_in_use_until_the_last_task_of_the_last_service_is_gone() {
    let mut fixture = fixture(
        "network ingress 10.0.0.0/24 ingress
        node n1 ready
        node n2 ready
        service web publish=8080:80
        task web.1 n1 running ingress=10.0.0.3/24",
    );
    let at = |fixture: &Fixture, node| Assignments::of(&fixture.state, fixture.node(node));
    let needs = |fixture: &Fixture, node| at(fixture, node).is_needed(fixture.node(node), fixture.network("ingress"));
    fixture.add("remove service web\ntask web.1 desired=remove");
    let (n1, n2) = (at(&fixture, "n1"), at(&fixture, "n2"));
    assert!(needs(&fixture, "n1") && needs(&fixture, "n2"), "its clients may be connected by either");
    assert_eq!((n1.peers.len(), n2.peers.len()), (2, 2), "whom it answers");
    // So both can say that they send nobody to it any more, and nobody waits for them in vain.
    let mut leavers = Leavers::default();
    leavers.learn(&n2);
    assert!(leavers.waits());
    assert!(mesh(&n2).is_empty());
    fixture.add("remove task web.1");
    assert!(!needs(&fixture, "n1") && !needs(&fixture, "n2"));
    assert_eq!(at(&fixture, "n2").peers.len(), 1);
}
