//! The kernel's part of a node's overlay networks: what it should hold, and the steps from what it holds to that.
//!
//! A network that has members on other nodes gets a VXLAN device as one more port of its bridge here. Nothing is learned and
//! nothing flooded: which hardware address is behind which node, and which IP address has which hardware address, is all in
//! the node's assignments. Pure; the shell in the daemon looks at the kernel and performs the steps.

pub mod guard;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::assignment::Assignments;
use crate::crypt;
use crate::model::{Member, NetworkId, NodeId, mesh_mac};

/// What the names of the devices begin with; no other link is touched.
pub const PREFIX: &str = "gvx-";
/// How much of a network's id goes into a device's name: with [`PREFIX`] the 15 characters that Linux allows.
const NAME_ID_LENGTH: usize = 11;

/// A hardware address.
pub type Mac = [u8; 6];

/// The bridge of a network on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// What its packets may measure.
    pub mtu: u32,
}

/// A VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The network's number on the wire.
    pub vni: u32,
    /// The UDP port, here and at the other nodes.
    pub port: u16,
    /// The address that its packets come from; `None` leaves it to the routes.
    pub local: Option<IpAddr>,
    /// The only link that its packets go over; `None` leaves it to the routes.
    pub over: Option<String>,
    /// The bridge that it is a port of.
    pub bridge: Bridge,
}

/// The way to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Its address.
    pub address: IpAddr,
    /// The only link to be used; `None` leaves it to the routes. An entry without one does not inherit its device's.
    pub over: Option<String>,
}

/// A device with its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The device; of one that is there, `None` if it can only be made anew.
    pub tunnel: Option<Tunnel>,
    /// The node behind each hardware address.
    pub forwards: BTreeMap<Mac, Hop>,
    /// The hardware address of each IP address, by which the device answers who asks for it.
    pub neighbours: BTreeMap<IpAddr, Mac>,
}

/// All devices, by name.
pub type Plane = BTreeMap<String, Port>;

/// One change of the kernel's state. They are to be made in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove a device, and its tables with it.
    Remove(String),
    /// Make a device, as a port of its bridge, up.
    Make(String, Tunnel),
    /// Make an existing device a port of its bridge again, of the right size, up.
    Settle(String, Bridge),
    /// This hardware address is behind that node.
    Forward(String, Mac, Hop),
    /// This hardware address is behind no node.
    Unforward(String, Mac, Hop),
    /// This IP address has that hardware address.
    Neighbour(String, IpAddr, Mac),
    /// Nobody has this IP address.
    Unneighbour(String, IpAddr),
}

/// The name of a network's device, the same on every node.
pub fn device_name(network: NetworkId) -> String {
    format!("{PREFIX}{}", &network.to_string()[..NAME_ID_LENGTH])
}

/// Reads `02:42:0a:00:01:03`.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = Mac::default();
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = parts.next().filter(|part| part.len() == 2).and_then(|part| u8::from_str_radix(part, 16).ok())?;
    }
    parts.next().is_none().then_some(mac)
}

/// What the kernel of `node` should hold. `bridges` are those that are there, `own` the host's addresses.
pub fn render(
    assignments: &Assignments,
    node: NodeId,
    bridges: &BTreeMap<NetworkId, Bridge>,
    own: &BTreeSet<IpAddr>,
) -> Plane {
    let Ok(port @ 1..) = u16::try_from(assignments.data_path_port) else { return Plane::default() };
    let mut plane = Plane::default();
    for (network, bridge) in bridges {
        let Some(network) = assignments.networks.get(network).filter(|network| network.vni > 0) else { continue };
        let way = Way { assignments, own, is_encrypted: network.is_encrypted() };
        let tunnel = Tunnel { vni: network.vni, port, local: way.here(node), over: way.over(), bridge: bridge.clone() };
        let mut found = Port { tunnel: Some(tunnel), forwards: BTreeMap::new(), neighbours: BTreeMap::new() };
        if assignments.is_needed(node, network.id) {
            for member in assignments.members_of(network.id).filter(|member| member.node != node) {
                found.add(&way, member);
            }
            // Tasks answer through the node that their client came by.
            for peer in assignments.peers.keys().filter(|peer| network.spec.ingress && **peer != node) {
                let hop = way.there(*peer).map(|address| Hop { address, over: way.over() });
                found.forwards.extend(hop.map(|hop| (mesh_mac(*peer), hop)));
            }
        }
        if !found.forwards.is_empty() {
            plane.insert(device_name(network.id), found);
        }
    }
    plane
}

impl Port {
    fn add(&mut self, way: &Way<'_>, member: &Member) {
        let (Some(behind), Some(mac)) = (way.there(member.node), parse_mac(&member.mac)) else { return };
        self.forwards.insert(mac, Hop { address: behind, over: way.over() });
        self.neighbours.extend(member.hosts().filter_map(|host| host.parse().ok()).map(|host: IpAddr| (host, mac)));
    }
}

/// The way of a network's packets: from data path to data path, or, encrypted, from end to end of the tunnels between nodes.
struct Way<'a> {
    assignments: &'a Assignments,
    own: &'a BTreeSet<IpAddr>,
    is_encrypted: bool,
}

impl Way<'_> {
    fn here(&self, node: NodeId) -> Option<IpAddr> {
        if self.is_encrypted {
            return Some(IpAddr::V6(crypt::address(node)));
        }
        data_path(self.assignments, node).filter(|address| self.own.contains(address))
    }

    fn there(&self, node: NodeId) -> Option<IpAddr> {
        // A node that says it is where this one is would have its packets go round in circles.
        let address = data_path(self.assignments, node).filter(|address| !self.own.contains(address))?;
        if self.is_encrypted {
            return crypt::key_of(self.assignments, node).map(|_| IpAddr::V6(crypt::address(node)));
        }
        Some(address)
    }

    fn over(&self) -> Option<String> {
        self.is_encrypted.then(|| crypt::DEVICE.to_owned())
    }
}

/// Where a node takes packets.
pub(crate) fn data_path(assignments: &Assignments, node: NodeId) -> Option<IpAddr> {
    let address: IpAddr = assignments.peers.get(&node)?.data_path.parse().ok()?;
    let is_usable = !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
    is_usable.then_some(address)
}

/// The way from what the kernel holds to what it should hold; nothing if it is that already.
pub fn steps(wanted: &Plane, seen: &Plane) -> Vec<Step> {
    let gone = seen.keys().filter(|name| !wanted.contains_key(*name));
    let mut steps: Vec<Step> = gone.map(|name| Step::Remove(name.clone())).collect();
    for (name, port) in wanted {
        let Some(tunnel) = &port.tunnel else { continue };
        let old = seen.get(name);
        let known = old.and_then(|old| old.tunnel.as_ref());
        let identity = |tunnel: &Tunnel| (tunnel.vni, tunnel.port, tunnel.local, tunnel.over.clone());
        let is_same = |known: &&Tunnel| identity(known) == identity(tunnel);
        match (old, known.filter(is_same)) {
            (_, Some(known)) => {
                if known.bridge != tunnel.bridge {
                    steps.push(Step::Settle(name.clone(), tunnel.bridge.clone()));
                }
                tables(name, port, old, &mut steps);
            }
            (there, None) => {
                if there.is_some() {
                    steps.push(Step::Remove(name.clone()));
                }
                steps.push(Step::Make(name.clone(), tunnel.clone()));
                tables(name, port, None, &mut steps);
            }
        }
    }
    steps
}

/// Entries that are wrong are replaced at once, so that no packet falls between.
fn tables(name: &str, wanted: &Port, seen: Option<&Port>, steps: &mut Vec<Step>) {
    let none = (BTreeMap::new(), BTreeMap::new());
    let (forwards, neighbours) = seen.map_or((&none.0, &none.1), |seen| (&seen.forwards, &seen.neighbours));
    let name = || name.to_owned();
    for (mac, behind) in &wanted.forwards {
        if forwards.get(mac) != Some(behind) {
            steps.push(Step::Forward(name(), *mac, behind.clone()));
        }
    }
    for (host, mac) in &wanted.neighbours {
        if neighbours.get(host) != Some(mac) {
            steps.push(Step::Neighbour(name(), *host, *mac));
        }
    }
    for host in neighbours.keys().filter(|host| !wanted.neighbours.contains_key(*host)) {
        steps.push(Step::Unneighbour(name(), *host));
    }
    for (mac, behind) in forwards.iter().filter(|(mac, _)| !wanted.forwards.contains_key(*mac)) {
        steps.push(Step::Unforward(name(), *mac, behind.clone()));
    }
}
