//! From assignments to entries, and from any kernel state to the wanted one.

use proptest::prelude::*;

use super::*;
use crate::fixture::Fixture;

const START: &str = "cluster history=5
    network net 10.0.1.0/24
    network other 10.0.2.0/24
    node n1 ready addr=192.0.2.1
    node n2 ready addr=192.0.2.2 data-path=198.51.100.2
    node n3 ready addr=192.0.2.3
    service web replicas=3
    service api replicas=2
    task web.1 n1 running net=10.0.1.2/24
    task web.2 n2 running net=10.0.1.3/24 mac.10.0.1.3=02:00:00:00:00:07
    task web.3 n3 assigned net=10.0.1.4/24
    task api.1 n1 running other=10.0.2.2/24";

fn bridge(name: &str) -> Bridge {
    Bridge { name: name.into(), mtu: 1450 }
}

fn plane(fixture: &Fixture) -> Plane {
    let node = fixture.node("n1");
    let bridges = ["net", "other"].map(|name| (fixture.network(name), bridge(name)));
    let own = BTreeSet::from(["192.0.2.1".parse().unwrap()]);
    render(&Assignments::of(&fixture.state, node), node, &bridges.into(), &own)
}

fn print(plane: &Plane) -> String {
    let mut text = String::new();
    for port in plane.values() {
        let Some(Tunnel { vni, port: udp, local, bridge, .. }) = &port.tunnel else { panic!("nothing is made") };
        text.push_str(&format!("{} {vni} {udp} {local:?} {}\n", bridge.name, bridge.mtu));
        for (host, mac) in &port.neighbours {
            text.push_str(&format!("  {host} {:02x}{:02x} at {}\n", mac[0], mac[5], port.forwards[mac].address));
        }
    }
    text
}

#[test]
fn each_remote_member_has_its_entries_and_only_networks_with_some_a_device() {
    let mut fixture = Fixture::new(START);
    assert_eq!(
        print(&plane(&fixture)),
        "net 4097 4789 Some(192.0.2.1) 1450\n  10.0.1.3 0207 at 198.51.100.2\n  10.0.1.4 0204 at 192.0.2.3\n"
    );
    // One that is being started has its own already, and one that is said to be here none.
    fixture.add("attach box n2 net=10.0.1.9/24\nnode n3 addr=192.0.2.1");
    let entries = "  10.0.1.3 0207 at 198.51.100.2\n  10.0.1.9 0209 at 198.51.100.2\n";
    assert_eq!(print(&plane(&fixture)), format!("net 4097 4789 Some(192.0.2.1) 1450\n{entries}"));
    // A node without a task of its own has nothing, whoever else is there.
    fixture.add("task web.1 failed");
    assert_eq!(print(&plane(&fixture)), "");
}

#[test]
fn in_the_routing_mesh_each_node_reaches_every_other_ones_bridge() {
    let text = format!(
        "network ingress 10.0.0.0/24 ingress\n{START}\nservice out publish=80:80\ntask out.1 n2 running ingress=10.0.0.3/24"
    );
    let mut fixture = Fixture::new(&text);
    fixture.plan(crate::allocator::plan);
    let node = fixture.node("n1");
    let mesh = fixture.network("ingress");
    let bridges = BTreeMap::from([(mesh, bridge("mesh"))]);
    let own = BTreeSet::from(["192.0.2.1".parse().unwrap()]);
    let plane = |fixture: &Fixture| render(&Assignments::of(&fixture.state, node), node, &bridges, &own);
    let found = plane(&fixture);
    let port = &found[&device_name(mesh)];
    let forward = |name: &str| port.forwards.get(&mesh_mac(fixture.node(name))).map(|hop| hop.address.to_string());
    assert_eq!(["n1", "n2", "n3"].map(forward), [None, Some("198.51.100.2".into()), Some("192.0.2.3".into())]);
    assert_eq!(port.neighbours.keys().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.3"]);
    fixture.add("remove service out\nremove task out.1");
    assert!(plane(&fixture).is_empty(), "nobody publishes anything");
}

#[test]
fn a_host_that_dies_leaves_nothing_behind() {
    let mut fixture = Fixture::new(START);
    fixture.add("node n2 down\ntask web.2 desired=shutdown");
    assert_eq!(print(&plane(&fixture)), "net 4097 4789 Some(192.0.2.1) 1450\n  10.0.1.4 0204 at 192.0.2.3\n");
}

#[test]
fn before_the_cluster_was_heard_nothing_is_known() {
    let assignments = Assignments::default();
    assert!(render(&assignments, 1.into(), &BTreeMap::new(), &BTreeSet::new()).is_empty());
}

#[test]
fn macs_are_read() {
    assert_eq!(parse_mac("02:42:0a:00:01:ff"), Some([2, 0x42, 0x0a, 0, 1, 0xff]));
    for wrong in ["", "02:42:0a:00:01", "02:42:0a:00:01:ff:00", "02:42:0a:00:01:f", "02:42:0a:00:01:xy"] {
        assert_eq!(parse_mac(wrong), None, "{wrong}");
    }
}

/// A kernel that does as it is told.
fn perform(mut kernel: Plane, steps: Vec<Step>) -> Plane {
    for step in steps {
        match step {
            Step::Remove(name) => drop(kernel.remove(&name).expect("it is there")),
            Step::Make(name, tunnel) => {
                let port = Port { tunnel: Some(tunnel), forwards: BTreeMap::new(), neighbours: BTreeMap::new() };
                assert!(kernel.insert(name, port).is_none(), "it is there already");
            }
            Step::Settle(name, bridge) => {
                kernel.get_mut(&name).unwrap().tunnel.as_mut().unwrap().bridge = bridge;
            }
            Step::Forward(name, mac, behind) => drop(kernel.get_mut(&name).unwrap().forwards.insert(mac, behind)),
            Step::Unforward(name, mac, behind) => {
                assert_eq!(kernel.get_mut(&name).unwrap().forwards.remove(&mac), Some(behind));
            }
            Step::Neighbour(name, host, mac) => drop(kernel.get_mut(&name).unwrap().neighbours.insert(host, mac)),
            Step::Unneighbour(name, host) => drop(kernel.get_mut(&name).unwrap().neighbours.remove(&host).unwrap()),
        }
    }
    kernel
}

fn any_port() -> impl Strategy<Value = Port> {
    let tunnel = (1..3_u32, 1..3_u16, 0..3_u8).prop_map(|(vni, port, last)| Tunnel {
        vni,
        port,
        local: Some(IpAddr::from([192, 0, 2, last])).filter(|_| last > 0),
        over: (last == 2).then(|| "under".to_owned()),
        bridge: Bridge { name: format!("b{}", vni % 2), mtu: 1400 + u32::from(port) },
    });
    let tables = prop::collection::btree_map(0..4_u8, 0..3_u8, 0..4);
    (prop::option::weighted(0.8, tunnel), tables.clone(), tables).prop_map(|(tunnel, forwards, neighbours)| Port {
        tunnel,
        forwards: forwards.into_iter().map(|(mac, last)| ([mac; 6], hop(last))).collect(),
        neighbours: neighbours.into_iter().map(|(last, mac)| (IpAddr::from([10, 0, 1, last]), [mac; 6])).collect(),
    })
}

fn hop(last: u8) -> Hop {
    Hop { address: IpAddr::from([192, 0, 2, last / 2]), over: (!last.is_multiple_of(2)).then(|| "under".to_owned()) }
}

fn any_plane() -> impl Strategy<Value = Plane> {
    prop::collection::btree_map("[ab]", any_port(), 0..3)
}

proptest! {
    #[test]
    fn whatever_is_there_becomes_what_is_wanted(mut wanted in any_plane(), seen in any_plane()) {
        wanted.retain(|_, port| port.tunnel.is_some());
        let made = perform(seen.clone(), steps(&wanted, &seen));
        prop_assert_eq!(&made, &wanted);
        prop_assert_eq!(steps(&wanted, &made), []);
    }
}
