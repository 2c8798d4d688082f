//! Who is on a network, as every node on it must know: for its packets, its names and its balancing.
//!
//! Three tables, so that one change is one record: a [`Member`] is one task's place on one network, a [`Peer`] the node
//! behind it, a [`NamedService`] what several of them are called together.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{NetworkId, NodeId, PortConfig, ServiceId, TaskId, VirtualIp};

/// A task, or a container that the swarm did not make, on one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The network.
    pub network: NetworkId,
    /// The task.
    pub task: TaskId,
    /// Where it runs.
    pub node: NodeId,
    /// Its service; `None` for a container that the swarm did not make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// The name of its container: `service.slot.id`, or what the user called it.
    pub name: String,
    /// The engine's id of its container, 64 characters; empty until there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// Addresses with prefix length, `10.0.1.3/24`.
    pub addresses: Vec<String>,
    /// Its hardware address, `02:42:0a:00:01:03`: the one that it is made with until its container tells it; empty if it has no
    /// IPv4 address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// The engine's name for this place, 64 characters; empty until its container tells it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Names beside the service's and its own under which it is found on this network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How far it is.
    pub phase: Phase,
}

impl Member {
    /// Whether resolvers and balancers should send anybody to it.
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// The addresses without prefix length.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|address| address.split('/').next().unwrap_or(address))
    }
}

/// How far a member is. Its packets flow in every phase; only the third one is to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It has its addresses and its node, and does not run yet, or is not healthy yet.
    Coming,
    /// Its node is not heard from, and nobody has taken its place.
    Lost,
    /// It runs, is healthy, and is meant to.
    Serving,
    /// It is to be stopped.
    Leaving,
}

/// A node with members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// Its host name.
    pub name: String,
    /// The address at which it takes the packets of overlays; empty if it is not known.
    pub data_path: String,
    /// The public key of its tunnel for encrypted networks; empty if it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tunnel_key: String,
}

/// A service with members. Without it its members have a name each, and none together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedService {
    /// The service.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its addresses on the networks that the node is on; none if it has its name answered with its members'.
    pub virtual_ips: Vec<VirtualIp>,
    /// The ports that every node publishes for it, all with a number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortConfig>,
    /// Whether its tasks are to see the address of a node instead of the client's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masquerades: bool,
}

/// The hardware address that goes with an IPv4 address: `02:42:` and the four bytes, as Docker's overlay makes them.
/// Containers of tasks are made with it; others have it only by chance.
pub fn mac_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The hardware address of a node's bridge of the routing mesh: all have the same IP address, and by this one tasks
/// know where to answer. No container's begins so ([`mac_of`]); a trillion different ones leave none for two nodes.
pub fn mesh_mac(node: NodeId) -> [u8; 6] {
    let [.., a, b, c, d, e] = node.number().to_be_bytes();
    [0x06, a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_follow_addresses() {
        assert_eq!(mac_of(Ipv4Addr::new(10, 61, 0, 77)), "02:42:0a:3d:00:4d");
    }
}
