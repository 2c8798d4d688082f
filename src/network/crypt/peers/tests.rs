//! Two nodes and the wire between them.

use std::collections::VecDeque;

use super::*;

struct Node {
    peers: Peers,
    address: SocketAddr,
    /// What has come for this host.
    arrived: Vec<Vec<u8>>,
}

struct World {
    nodes: [Node; 2],
    wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// All that was ever on the wire.
    seen: Vec<Vec<u8>>,
}

fn address(node: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, node as u16 + 1)
}

fn endpoint(node: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, node as u8 + 1], 4788))
}

fn pair(secret: u8) -> Pair {
    Pair::new([secret; 32])
}

fn packet(from: Ipv6Addr, to: Ipv6Addr, text: &str) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, text.len() as u8, 59, 64];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(text.as_bytes());
    packet
}

impl World {
    fn new() -> World {
        let node = |at: usize| Node {
            peers: Peers::new(pair(at as u8 + 1), 7 * at as u32),
            address: endpoint(at),
            arrived: Vec::new(),
        };
        let mut world = World { nodes: [node(0), node(1)], wire: VecDeque::new(), seen: Vec::new() };
        world.know(0, 1, 2);
        world.know(1, 2, 1);
        world
    }

    /// The node has this private key, and knows the other one by the public key of that.
    fn know(&mut self, node: usize, own: u8, other: u8) {
        let peer = CryptPeer { key: pair(other).public, endpoint: endpoint(1 - node), address: address(1 - node) };
        let wanted = BTreeMap::from([(NodeId::from(1), peer)]);
        self.nodes[node].peers = self.nodes[node].peers.renewed(&pair(own), &wanted);
    }

    fn act(&mut self, node: usize, act: impl FnOnce(&Peers, &mut [u8], &mut dyn FnMut(Carry<'_>))) {
        let Node { peers, address, arrived } = &mut self.nodes[node];
        let mut room = vec![0; 2048];
        act(peers, &mut room, &mut |carry| match carry {
            Carry::There(to, sealed) => {
                self.seen.push(sealed.to_vec());
                self.wire.push_back((*address, to, sealed.to_vec()));
            }
            Carry::Here(packet) => arrived.push(packet.to_vec()),
        });
    }

    fn send(&mut self, node: usize, packet: &[u8]) {
        self.act(node, |peers, room, mut carry| peers.outgoing(packet, room, &mut carry));
    }

    /// Carries what is on the wire until there is nothing.
    fn settle(&mut self) {
        while let Some((from, to, datagram)) = self.wire.pop_front() {
            let Some(node) = self.nodes.iter().position(|node| node.address == to) else { continue };
            self.act(node, |peers, room, mut carry| peers.incoming(&datagram, from, room, &mut carry));
        }
    }

    fn tick(&mut self, node: usize, now: Instant) {
        self.act(node, |peers, room, mut carry| peers.tick(now, room, &mut carry));
        self.settle();
    }

    /// Whether a packet from one to the other arrives, and no other.
    fn arrives(&mut self, from: usize, text: &str) -> bool {
        let sent = packet(address(from), address(1 - from), text);
        self.send(from, &sent);
        self.settle();
        let arrived = std::mem::take(&mut self.nodes[1 - from].arrived);
        assert!(arrived.iter().all(|packet| *packet == sent));
        !arrived.is_empty()
    }
}

#[test]
fn packets_arrive_both_ways_and_nobody_reads_them() {
    let mut world = World::new();
    // The first one waits for the session.
    assert!(world.arrives(0, "silverspoon"));
    assert!(world.arrives(1, "silverspoon"));
    assert!(world.arrives(0, "silverspoon"));
    assert!(world.seen.iter().all(|seen| !seen.windows(11).any(|window| window == b"silverspoon")));
}

#[test]
fn a_wrong_key_lets_nothing_pass_until_the_right_one_is_back() {
    let mut world = World::new();
    assert!(world.arrives(0, "before"));
    // The second one has another key now, of which the first one does not know.
    world.know(1, 3, 1);
    let start = Instant::now();
    for at in 0..4_u32 {
        world.tick(0, start + at * RETRY);
        world.tick(1, start + at * RETRY);
        assert!(!world.arrives(0, "there"));
        assert!(!world.arrives(1, "back"));
    }
    world.know(0, 1, 3);
    world.tick(0, start + 4 * RETRY);
    assert!(world.arrives(0, "there") && world.arrives(1, "back"));
}

#[test]
fn the_one_that_learns_last_begins_the_session() {
    let mut world = World::new();
    assert!(world.arrives(0, "before"));
    world.know(0, 4, 2);
    let start = Instant::now();
    world.tick(0, start);
    assert!(!world.arrives(1, "back"), "the other one does not know the new key");
    world.know(1, 2, 4);
    world.tick(1, start);
    assert!(world.arrives(1, "back") && world.arrives(0, "there"));
}

#[test]
fn a_session_outlives_a_change_of_others() {
    let mut world = World::new();
    assert!(world.arrives(0, "before"));
    let count = world.seen.len();
    world.know(0, 1, 2);
    world.know(1, 2, 1);
    assert!(world.arrives(0, "after"));
    assert_eq!(world.seen.len(), count + 1, "no session was begun");
}

#[test]
fn an_address_belongs_to_one_peer() {
    let mut world = World::new();
    assert!(world.arrives(0, "before"));
    let foreign = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    world.send(0, &packet(foreign, address(1), "spoofed"));
    world.settle();
    assert!(world.nodes[1].arrived.is_empty(), "the source is not the peer's");
    let count = world.seen.len();
    world.send(0, &packet(address(0), foreign, "lost"));
    world.send(0, &packet(address(0), Ipv6Addr::LOCALHOST, "lost"));
    world.send(0, b"\x45short");
    world.send(0, b"");
    assert_eq!(world.seen.len(), count, "nobody has these addresses");
}

#[test]
fn strangers_are_not_answered() {
    let mut world = World::new();
    world.know(0, 5, 2);
    world.tick(0, Instant::now());
    assert_eq!(world.seen.len(), 1, "the second one does not know this key, and is silent");
    for nonsense in [vec![], vec![1], vec![1; 148], vec![4; 200], [&[1, 0, 0, 0][..], &[7; 144]].concat()] {
        let from = endpoint(8);
        world.act(1, |peers, room, mut carry| peers.incoming(&nonsense, from, room, &mut carry));
    }
    assert_eq!(world.seen.len(), 1);
}
