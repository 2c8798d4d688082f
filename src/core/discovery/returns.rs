//! How a task answers the clients that the routing mesh sends it: through the node by which they came, which alone can
//! turn the answer back.
//!
//! In the task's network namespace each connection is marked by the hardware address of the bridge that its packets come
//! from ([`mesh_mac`]), and for each mark there is a route by way of a neighbour that has this address. All connections of
//! other kinds go where they went. [`numbers`] gives each node its number, from which mark, route and neighbour follow.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::model::{NodeId, mesh_mac};
use crate::plane::Mac;

/// The table, which is Gam's alone.
pub const TABLE: &str = "gam_returns";
/// What the marks begin with: `ga`. What else the container marks its connections with is left alone.
const MARK: u32 = 0x6761_0000;
/// The part of a mark that says it is one.
const MARK_MASK: u32 = 0xffff_0000;
/// The first and the last number: 169.254.1.0 to 169.254.254.255, the addresses for links (RFC 3927).
const FIRST: u16 = 256;
const LAST: u16 = 65279;
/// 169.254.169.254, where clouds tell a host of itself.
const METADATA: u16 = 0xa9fe;

/// What one task's namespace needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returns {
    /// The task's address on the mesh.
    pub address: Ipv4Addr,
    /// The number of each node, by the hardware address of its bridge.
    pub nodes: BTreeMap<Mac, u16>,
}

/// The nodes' numbers: the same on all nodes, and the same whoever comes and goes, but for the rare two that would have
/// the same number.
pub fn numbers(nodes: impl IntoIterator<Item = NodeId>) -> BTreeMap<Mac, u16> {
    let mut sorted: Vec<NodeId> = nodes.into_iter().collect();
    sorted.sort_unstable();
    sorted.truncate(usize::from(LAST - FIRST));
    let mut taken = BTreeMap::new();
    for node in sorted {
        let mac = mesh_mac(node);
        let mut number = FIRST + u16::from_be_bytes([mac[4], mac[5]]) % (LAST - FIRST + 1);
        while number == METADATA || taken.contains_key(&number) {
            number = if number == LAST { FIRST } else { number + 1 };
        }
        taken.insert(number, mac);
    }
    taken.into_iter().map(|(number, mac)| (mac, number)).collect()
}

/// The mark of connections that came by a node. It is the number of the table with their route, too.
pub fn mark(number: u16) -> u32 {
    MARK | u32::from(number)
}

/// The number behind a mark.
pub fn number(mark: u32) -> Option<u16> {
    (mark & MARK_MASK == MARK).then_some((mark & !MARK_MASK) as u16)
}

/// The neighbour by way of which answers go to a node.
pub fn neighbour(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(169, 254, high, low)
}

/// Whether this is the address of such a neighbour, of whatever node.
pub fn is_neighbour(address: Ipv4Addr) -> bool {
    let [a, b, high, low] = address.octets();
    [a, b] == [169, 254] && (FIRST..=LAST).contains(&u16::from_be_bytes([high, low]))
}

/// The number of the node whose neighbour this is, if it is one: no other has such a hardware address.
pub fn neighbour_number(address: Ipv4Addr, mac: Mac) -> Option<u16> {
    let [.., high, low] = address.octets();
    (is_neighbour(address) && mac[0] == mesh_mac(NodeId::MIN)[0]).then(|| u16::from_be_bytes([high, low]))
}

/// One transaction that makes the table this, whatever was there before.
///
/// A connection is marked by any of its packets that has none, not by the first alone: the first may come before the
/// rules do.
pub fn render(returns: &Returns) -> String {
    let mac = |mac: &Mac| mac.map(|byte| format!("{byte:02x}")).join(":");
    let nodes: Vec<String> =
        returns.nodes.iter().map(|(node, number)| format!("{} : {:#x}", mac(node), mark(*number))).collect();
    let mut text = format!("add table inet {TABLE}\ndelete table inet {TABLE}\n");
    if nodes.is_empty() {
        return text;
    }
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\
table inet {TABLE} {{
	map nodes {{ type ether_addr : mark; elements = {{ {} }}; }}
	chain arriving {{
		type filter hook prerouting priority -150; policy accept;
		ip daddr {} ct direction original ct mark 0 ct mark set ether saddr map @nodes
		ct direction reply ct mark & {MARK_MASK:#x} == {MARK:#x} meta mark set ct mark
	}}
	chain answering {{
		type route hook output priority -150; policy accept;
		ct direction reply ct mark & {MARK_MASK:#x} == {MARK:#x} meta mark set ct mark
	}}
}}
",
        nodes.join(", "),
        returns.address
    );
    text
}
