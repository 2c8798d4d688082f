//! The routing mesh of one node: what it publishes for everybody, as text for `nft -f`.
//!
//! A connection to a published port of the node is turned to one of the tasks behind it, here or on another node, and
//! keeps the client's address: nothing masquerades it. The task's own rules ([`super::returns`]) send the answer back to
//! this node, which turns it back. What the node itself and the mesh's tasks here send to its addresses, `127.0.0.1` above
//! all, is not turned: the socket that holds the port serves it. A port behind which nobody is up refuses at once.
//!
//! [`render`] gives the whole table as one transaction: connections that stand do not ask it. Text is made of numbers
//! and addresses alone: nothing that a user wrote gets into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use crate::allocator::subnet::Subnet;
use crate::assignment::Assignments;
use crate::model::{Member, NamedService, Network, PortConfig, ServiceId};

/// The table, which is Gam's alone.
pub const TABLE: &str = "gam_ingress";

/// What a container asks the resolver of its own network, by the gateway's address there. It is no client of a DNS server that
/// the swarm publishes: one that asks the host's address is.
const OWN_NAMES: &str = "iifname \"gam-*\" meta l4proto { tcp, udp } th dport 53 fib daddr . iif type local";

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `sctp`
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ();

    /// No word means TCP, as in Docker.
    fn from_str(word: &str) -> Result<Protocol, ()> {
        Ok(match word {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return Err(()),
        })
    }
}

/// A port of every node.
pub type Port = (Protocol, u16);

/// Who serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The service that it was published for.
    pub service: String,
    /// The tasks that are up.
    pub behind: BTreeSet<SocketAddrV4>,
    /// Whether they see the node instead of the client.
    pub masquerades: bool,
}

/// Everything that is published on every node.
pub type Mesh = BTreeMap<Port, Published>;

/// What is published.
pub fn mesh(assignments: &Assignments) -> Mesh {
    let Some(network) = assignments.mesh() else { return Mesh::new() };
    let mut serving: BTreeMap<ServiceId, Vec<Ipv4Addr>> = BTreeMap::new();
    for member in assignments.members_of(network.id).filter(|member| member.is_serving()) {
        if let Some(service) = member.service {
            serving.entry(service).or_default().extend(addresses(member));
        }
    }
    let ports = assignments.services.values().flat_map(|service| service.ports.iter().map(move |port| (service, port)));
    let none = Vec::new();
    ports.filter_map(|(service, port)| published(service, port, serving.get(&service.id).unwrap_or(&none))).collect()
}

fn published(service: &NamedService, port: &PortConfig, serving: &[Ipv4Addr]) -> Option<(Port, Published)> {
    let number = |number: u32| u16::try_from(number).ok().filter(|number| *number > 0);
    let key = (port.protocol.parse().ok()?, number(port.published_port)?);
    let target = number(port.target_port)?;
    let behind = serving.iter().map(|address| SocketAddrV4::new(*address, target)).collect();
    Some((key, Published { service: service.name.clone(), behind, masquerades: service.masquerades }))
}

fn addresses(member: &Member) -> impl Iterator<Item = Ipv4Addr> {
    member.hosts().filter_map(|address| address.parse().ok())
}

/// One transaction that makes the table this, whatever was there before. `bridge` is the mesh's here. Adding before
/// deleting makes the first line work whether the table is there or not.
///
/// The chains come before the engine's own, whose priorities are those of `dstnat` and `srcnat`. The mesh's own tasks are
/// served by the socket, like the node itself: one that met itself through a turned connection would not know whom to
/// answer.
pub fn render(bridge: &str, mesh: &Mesh) -> String {
    let mut text = format!(
        "\
add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
	map ports {{ type inet_proto . inet_service : verdict; }}
	set idle {{ type inet_proto . inet_service; }}
	chain arriving {{
		type nat hook prerouting priority -101; policy accept;
		iifname {{ \"lo\", \"{bridge}\" }} return
		{OWN_NAMES} return
		fib daddr type local meta l4proto . th dport vmap @ports
	}}
	chain masquerading {{
	}}
	chain leaving {{
		type nat hook postrouting priority 99; policy accept;
		oifname \"{bridge}\" ct status dnat jump masquerading
	}}
	chain refuse {{
		meta l4proto tcp reject with tcp reset
		reject
	}}
	chain unserved {{
		type filter hook input priority 0; policy accept;
		{OWN_NAMES} return
		meta l4proto . th dport @idle goto refuse
	}}
}}
"
    );
    for ((protocol, number), published) in mesh {
        let mut line = |words: fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{words}");
        };
        if published.behind.is_empty() {
            line(format_args!("add element ip {TABLE} idle {{ {protocol} . {number} }}"));
            continue;
        }
        let chain = format!("{protocol}-{number}");
        line(format_args!("add chain ip {TABLE} {chain}"));
        line(format_args!("add rule ip {TABLE} {chain} meta l4proto {protocol} {}", turn(&published.behind)));
        line(format_args!("add element ip {TABLE} ports {{ {protocol} . {number} : goto {chain} }}"));
        if published.masquerades {
            line(format_args!(
                "add rule ip {TABLE} masquerading meta l4proto {protocol} ct original proto-dst {number} masquerade"
            ));
        }
    }
    text
}

/// Takes the table away, if it is there.
pub fn render_nothing() -> String {
    format!("add table ip {TABLE}\ndelete table ip {TABLE}\n")
}

/// The rule that turns a connection to one of these, by chance, as it is done for virtual addresses.
fn turn(behind: &BTreeSet<SocketAddrV4>) -> String {
    if let (1, Some(only)) = (behind.len(), behind.first()) {
        return format!("dnat ip to {only}");
    }
    let numbered: Vec<String> =
        behind.iter().enumerate().map(|(at, to)| format!("{at} : {} . {}", to.ip(), to.port())).collect();
    format!("dnat ip to numgen random mod {} map {{ {} }}", behind.len(), numbered.join(", "))
}

/// The subnets of the mesh's network.
pub fn subnets(network: &Network) -> Vec<Subnet> {
    network.ipam.iter().filter_map(|config| Subnet::parse(&config.subnet)).collect()
}

/// Whether a flow to this port that went on to `behind` has to be forgotten, for protocols without connections: its next
/// packet then asks the rules anew. What goes elsewhere than to the mesh's `subnets` somebody else has turned.
pub fn is_stale(mesh: &Mesh, subnets: &[Subnet], port: Port, behind: (IpAddr, u16)) -> bool {
    let (IpAddr::V4(address), number) = behind else { return false };
    subnets.iter().any(|subnet| subnet.contains(behind.0))
        && mesh.get(&port).is_some_and(|published| !published.behind.contains(&SocketAddrV4::new(address, number)))
}

/// Whether there may be such flows after what is published went from `old` (`None` if that is not known) to `new`: only then
/// are all flows of the host looked at.
pub fn leaves_stale(old: Option<&Mesh>, new: &Mesh) -> bool {
    let mut datagrams = new.iter().filter(|((protocol, _), _)| *protocol == Protocol::Udp);
    // Of a port that was not known, there may be flows of the last time it was published.
    datagrams.any(|(port, published)| {
        let before = old.and_then(|old| old.get(port));
        before.is_none_or(|before| !before.behind.is_subset(&published.behind))
    })
}
