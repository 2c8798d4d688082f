//! From assignments to the device.

use super::*;
use crate::fixture::Fixture;

const START: &str = "cluster history=5
    network secret 10.0.1.0/24 encrypted
    network plain 10.0.2.0/24
    node n1 ready addr=192.0.2.1 key=11
    node n2 ready addr=192.0.2.2 data-path=198.51.100.2 key=22
    node n3 ready addr=192.0.2.3
    node n4 ready addr=192.0.2.4 key=44
    service web replicas=3
    service api replicas=2
    task web.1 n1 running secret=10.0.1.2/24
    task web.2 n2 running secret=10.0.1.3/24
    task web.3 n3 running secret=10.0.1.4/24
    task api.1 n1 running plain=10.0.2.2/24
    task api.2 n4 running plain=10.0.2.3/24";

fn rendered(fixture: &Fixture) -> (Option<Crypt>, plane::Plane) {
    let node = fixture.node("n1");
    let bridge = |name: &str, mtu| (fixture.network(name), Bridge { name: name.into(), mtu });
    let bridges = BTreeMap::from([bridge("secret", 1350), bridge("plain", 1450)]);
    let own = BTreeSet::from(["192.0.2.1".parse().unwrap()]);
    let assignments = Assignments::of(&fixture.state, node);
    (render(&assignments, node, &bridges, &own), plane::render(&assignments, node, &bridges, &own))
}

#[test]
fn only_nodes_on_an_encrypted_network_with_a_key_are_peers() {
    let mut fixture = Fixture::new(START);
    let (crypt, plane) = rendered(&fixture);
    let crypt = crypt.unwrap();
    let [n1, n2, n3] = ["n1", "n2", "n3"].map(|name| fixture.node(name));
    assert_eq!((crypt.key, crypt.port, crypt.address, crypt.mtu), (Some([0x11; 32]), 4788, address(n1), 1420));
    let peer = CryptPeer { key: [0x22; 32], endpoint: "198.51.100.2:4788".parse().unwrap(), address: address(n2) };
    assert_eq!(crypt.peers, [(n2, peer)].into());
    // The packets of the encrypted network have no other way, those of the other one are as ever.
    let port = |name| &plane[&plane::device_name(fixture.network(name))];
    let tunnel = port("secret").tunnel.as_ref().unwrap();
    assert_eq!((tunnel.over.as_deref(), tunnel.local), (Some(DEVICE), Some(IpAddr::V6(address(n1)))));
    let hop = plane::Hop { address: IpAddr::V6(address(n2)), over: Some(DEVICE.into()) };
    assert_eq!(port("secret").forwards.values().collect::<Vec<_>>(), [&hop]);
    let tunnel = port("plain").tunnel.as_ref().unwrap();
    assert_eq!((tunnel.over.as_deref(), tunnel.local), (None, Some([192, 0, 2, 1].into())));
    let hop = plane::Hop { address: [192, 0, 2, 4].into(), over: None };
    assert_eq!(port("plain").forwards.values().collect::<Vec<_>>(), [&hop]);
    // The third one says its key.
    fixture.add("node n3 key=33");
    let (crypt, plane) = rendered(&fixture);
    assert_eq!(crypt.unwrap().peers[&n3].key, [0x33; 32]);
    assert_eq!(plane[&plane::device_name(fixture.network("secret"))].forwards.len(), 2);
}

#[test]
fn of_an_encrypted_routing_mesh_every_node_is_a_peer() {
    let mut fixture = Fixture::new(
        "cluster history=5
        network secret 10.0.0.0/24 ingress encrypted
        network plain 10.0.2.0/24
        node n1 ready addr=192.0.2.1 key=11
        node n2 ready addr=192.0.2.2 key=22
        node n3 ready addr=192.0.2.3 key=33
        service web publish=8080:80",
    );
    fixture.plan(crate::allocator::plan);
    // A node without a task takes clients, too, and a task answers whoever sends it one.
    fixture.add("task web.1 n2 running secret=10.0.0.9/24");
    let peers = |fixture: &Fixture| {
        let crypt = rendered(fixture).0.unwrap();
        crypt.peers.into_iter().map(|(node, peer)| (node, peer.key[0])).collect::<Vec<_>>()
    };
    let mut expected = vec![(fixture.node("n2"), 0x22), (fixture.node("n3"), 0x33)];
    expected.sort_unstable();
    assert_eq!(peers(&fixture), expected);
    // Until the last one has gone.
    fixture.add("remove service web\ntask web.1 desired=remove");
    assert_eq!(peers(&fixture), expected);
    fixture.add("remove task web.1");
    assert_eq!(rendered(&fixture).0, None);
}

#[test]
fn nothing_is_needed_without_an_encrypted_network() {
    let mut fixture = Fixture::new(START);
    let node = fixture.node("n1");
    assert!(is_needed(&Assignments::of(&fixture.state, node), node));
    fixture.add("task web.1 failed");
    assert!(!is_needed(&Assignments::of(&fixture.state, node), node));
    assert_eq!(rendered(&fixture).0, None);
    assert_eq!(render(&Assignments::default(), node, &BTreeMap::new(), &BTreeSet::new()), None);
}

#[test]
fn addresses_are_of_the_local_link() {
    let text = |number: u128| address(number.into()).to_string();
    assert_eq!(text(1), "fe80:0:0:6763::1");
    assert_eq!(text(u128::MAX << 64), "fe80::6763:ffff:ffff:ffff:ffff");
    assert_eq!(text(0x0123_4567_89ab_cdef << 64 | 0xf), "fe80::6763:123:4567:89ab:cde0");
}

#[test]
fn keys_are_read_as_they_are_written() {
    let key: Key = std::array::from_fn(|at| at as u8 * 7);
    assert_eq!(parse_key(&print_key(&key)), Some(key));
    for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"+f".repeat(32), &"é0".repeat(21)] {
        assert_eq!(parse_key(wrong), None, "{wrong}");
    }
}

#[test]
fn the_port_is_the_one_below() {
    assert_eq!([4789, 7789, 1, 0, 70_000].map(port), [Some(4788), Some(7788), None, None, None]);
}
