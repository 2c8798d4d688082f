//! Encrypted networks: how packets of networks made with `--opt encrypted` get from node to node, as a pure function of what a
//! node was assigned.
//!
//! All nodes on such networks are joined by one WireGuard device each, [`DEVICE`]. The VXLAN packets of these networks go
//! between addresses of the local link of that device and nowhere else: such an address has no meaning on any other link, so
//! the kernel neither sends these packets elsewhere nor takes what comes from elsewhere, and without the device there is
//! nothing. Each node makes its keys itself and says the public one in its description; managers hand it to the nodes that
//! need it. A node whose key is not known gets no packets.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::assignment::Assignments;
use crate::model::{NetworkId, NodeId};
use crate::plane::{self, Bridge};

/// The device through which encrypted networks reach other nodes, the same on every node. The bridges of networks have longer
/// names, their VXLAN devices others.
pub const DEVICE: &str = "gam-crypt";
/// What VXLAN over IPv6 puts around a packet.
pub const VXLAN_OVERHEAD: u32 = 70;
/// What WireGuard over IPv6 puts around that; over IPv4 it is 20 less, but the nodes of a cluster have to agree.
pub const WIREGUARD_OVERHEAD: u32 = 80;
/// The smallest packet size with which Linux has IPv6 on a link.
const IPV6_MIN_MTU: u32 = 1280;
/// The largest packet of which something is left in a UDP datagram.
const MAX_MTU: u32 = 65_535 - WIREGUARD_OVERHEAD;

/// A public key.
pub type Key = [u8; 32];

/// What a node's device should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypt {
    /// The node's own key, as the others know it; `None` while they know none.
    pub key: Option<Key>,
    /// The UDP port, here and at the other nodes.
    pub port: u16,
    /// The node's address on the device.
    pub address: Ipv6Addr,
    /// What packets on the device may measure.
    pub mtu: u32,
    /// The nodes that are on an encrypted network of this one.
    pub peers: BTreeMap<NodeId, CryptPeer>,
}

/// Another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptPeer {
    /// Its key.
    pub key: Key,
    /// Where it takes packets.
    pub endpoint: SocketAddr,
    /// Its address on the device: the only one that may stand in its packets, and the only one that leads to it.
    pub address: Ipv6Addr,
}

/// The first half of all addresses on the device. Every link has `fe80::/64`, so that these lead nowhere also for whoever forgets
/// to name the device.
const PREFIX: u128 = 0xfe80_0000_0000_6763 << 64;

/// A node's address on the device. The ids of nodes are random, so that these are as different as they are.
pub fn address(node: NodeId) -> Ipv6Addr {
    let number = node.number();
    let low = (number >> 64) as u64 ^ number as u64;
    Ipv6Addr::from(PREFIX | u128::from(low))
}

/// The UDP port of the device: the one below that of the data path. It follows where a firewall lets the data path through; the
/// ports above 4789 are known for VXLAN-GPE and RoCE, this one for nothing over UDP, and 51820 may be a user's own WireGuard.
pub fn port(data_path_port: u32) -> Option<u16> {
    u16::try_from(data_path_port).ok()?.checked_sub(1).filter(|port| *port > 0)
}

/// Writes a key as a description says it.
pub fn print_key(key: &Key) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads it.
pub fn parse_key(text: &str) -> Option<Key> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = Key::default();
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

/// The key that managers know of a node.
pub fn key_of(assignments: &Assignments, node: NodeId) -> Option<Key> {
    parse_key(&assignments.peers.get(&node)?.tunnel_key)
}

/// Whether `node` is on an encrypted network, so that it needs a key.
pub fn is_needed(assignments: &Assignments, node: NodeId) -> bool {
    let mut encrypted = assignments.networks.values().filter(|network| network.is_encrypted());
    encrypted.any(|network| assignments.is_needed(node, network.id))
}

/// What the device of `node` should be; `None` if it needs none. `bridges` are those that are there, `own` the host's addresses.
pub fn render(
    assignments: &Assignments,
    node: NodeId,
    bridges: &BTreeMap<NetworkId, Bridge>,
    own: &BTreeSet<IpAddr>,
) -> Option<Crypt> {
    let port = port(assignments.data_path_port)?;
    let mut crypt = Crypt {
        key: key_of(assignments, node),
        port,
        address: address(node),
        mtu: IPV6_MIN_MTU,
        peers: BTreeMap::new(),
    };
    let encrypted = assignments.networks.values().filter(|network| network.is_encrypted());
    let used: Vec<_> = encrypted.filter(|network| assignments.is_needed(node, network.id)).collect();
    for network in &used {
        let Some(bridge) = bridges.get(&network.id) else { continue };
        crypt.mtu = crypt.mtu.max(bridge.mtu.saturating_add(VXLAN_OVERHEAD)).min(MAX_MTU);
        // Tasks on the routing mesh answer every node.
        let mesh = assignments.peers.keys().filter(|_| network.spec.ingress);
        let nodes = assignments.members_of(network.id).map(|member| &member.node).chain(mesh);
        for peer in nodes.filter(|peer| **peer != node) {
            let behind = plane::data_path(assignments, *peer).filter(|address| !own.contains(address));
            let (Some(behind), Some(key)) = (behind, key_of(assignments, *peer)) else { continue };
            let endpoint = SocketAddr::new(behind, port);
            crypt.peers.insert(*peer, CryptPeer { key, endpoint, address: address(*peer) });
        }
    }
    used.iter().any(|network| bridges.contains_key(&network.id)).then_some(crypt)
}
