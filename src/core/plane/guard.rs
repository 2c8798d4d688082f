//! Who may send what: the rules that keep strangers out of a node's overlay networks, as text for `nft -f`.
//!
//! Two tables. One refuses packets of overlays that come from elsewhere than from a node with members on that very
//! network (the lesson of CVE-2023-28840 to 28842: whoever reaches the UDP port could otherwise speak on every network),
//! and keeps containers from sending such packets themselves, which would carry the host's address. Only frames with
//! numbers of Gam's own networks are looked at, so others on the same port are none of its business. The other table
//! refuses, where a container is plugged into its bridge, what claims to be from another member: its hardware address,
//! or an address of the network. Addresses outside the network's subnets are let through, since a container may be a
//! router.
//!
//! Both are swapped as a whole, in one transaction. Text is made of numbers, addresses and names of the kernel's links.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::{Mac, Plane};

/// Both tables, which are Gam's alone.
pub const TABLE: &str = "gam-guard";

/// Where a container is plugged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plug {
    /// The host's end of its link, by name.
    pub link: String,
    /// Hardware addresses that it may have.
    pub macs: BTreeSet<Mac>,
    /// Its addresses.
    pub hosts: BTreeSet<IpAddr>,
    /// The subnets of the network: addresses and lengths of prefixes.
    pub subnets: BTreeSet<(IpAddr, u8)>,
}

/// One transaction that makes both tables, whatever there was. A table that nobody needs is removed.
pub fn render(plane: &Plane, plugs: &[Plug]) -> String {
    let mut text = String::new();
    for family in ["inet", "bridge"] {
        // Adding before deleting makes this work whether the table is there or not.
        line(&mut text, format_args!("add table {family} {TABLE}\ndelete table {family} {TABLE}"));
    }
    tunnels(&mut text, plane);
    let plugs: Vec<&Plug> = plugs.iter().filter(|plug| is_plain(&plug.link)).collect();
    if !plugs.is_empty() {
        sockets(&mut text, &plugs);
    }
    text
}

/// What lists both, as they are now, on standard output.
pub fn list(plane: &Plane, plugs: &[Plug]) -> String {
    let mut text = String::new();
    if plane.values().any(|port| port.tunnel.is_some()) {
        line(&mut text, format_args!("list table inet {TABLE}"));
    }
    if plugs.iter().any(|plug| is_plain(&plug.link)) {
        line(&mut text, format_args!("list table bridge {TABLE}"));
    }
    text
}

fn tunnels(text: &mut String, plane: &Plane) {
    // The addresses that may send, by port and number of the network.
    let mut senders: BTreeMap<(u16, u32), BTreeSet<IpAddr>> = BTreeMap::new();
    for port in plane.values() {
        let Some(tunnel) = &port.tunnel else { continue };
        senders.entry((tunnel.port, tunnel.vni)).or_default().extend(port.forwards.values().map(|hop| hop.address));
    }
    if senders.is_empty() {
        return;
    }
    let ports: BTreeSet<u16> = senders.keys().map(|(port, _)| *port).collect();
    line(text, format_args!("table inet {TABLE} {{"));
    for ((port, vni), senders) in &senders {
        line(text, format_args!("\tchain in-{port}-{vni} {{"));
        among(text, "saddr", senders, "return");
        line(text, format_args!("\t\tdrop\n\t}}\n\tchain out-{port}-{vni} {{"));
        among(text, "daddr", senders, "drop");
        line(text, format_args!("\t}}"));
    }
    for (chain, hook) in [("in", "input"), ("out", "forward")] {
        // Before everybody else's rules: what these let in is not refused by chance, and the other way round.
        line(text, format_args!("\tchain {chain} {{\n\t\ttype filter hook {hook} priority -160; policy accept;"));
        for port in &ports {
            let numbers = senders.keys().filter(|key| key.0 == *port).map(|(_, vni)| vni);
            let jumps = joined(numbers.map(|vni| format!("{vni} : jump {chain}-{port}-{vni}")));
            // The number stands behind the head of UDP and the flags of VXLAN.
            line(text, format_args!("\t\tudp dport {port} @th,96,24 vmap {{ {jumps} }}"));
        }
        line(text, format_args!("\t}}"));
    }
    line(text, format_args!("}}"));
}

/// One rule for each family that there are addresses of.
fn among(text: &mut String, side: &str, addresses: &BTreeSet<IpAddr>, verdict: &str) {
    for (family, is_of) in [("ip", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("ip6", IpAddr::is_ipv6)] {
        let list = joined(addresses.iter().filter(|address| is_of(address)));
        if !list.is_empty() {
            line(text, format_args!("\t\t{family} {side} {{ {list} }} {verdict}"));
        }
    }
}

fn sockets(text: &mut String, plugs: &[&Plug]) {
    line(text, format_args!("table bridge {TABLE} {{"));
    for (number, plug) in plugs.iter().enumerate() {
        line(text, format_args!("\tchain plug-{number} {{"));
        if !plug.macs.is_empty() {
            line(text, format_args!("\t\tether saddr != {{ {} }} drop", joined(plug.macs.iter().map(mac))));
        }
        neighbours(text, plug);
        among(text, "saddr", &plug.hosts, "return");
        let own = joined(plug.hosts.iter().filter(|host| host.is_ipv4()).map(ToString::to_string));
        // Who asks whether an address is free gives none of its own.
        let own = if own.is_empty() { "0.0.0.0".to_owned() } else { format!("0.0.0.0, {own}") };
        line(text, format_args!("\t\tarp saddr ip {{ {own} }} return"));
        for (subnet, length) in &plug.subnets {
            if subnet.is_ipv4() {
                line(
                    text,
                    format_args!("\t\tip saddr {subnet}/{length} drop\n\t\tarp saddr ip {subnet}/{length} drop"),
                );
            } else {
                line(text, format_args!("\t\tip6 saddr {subnet}/{length} drop"));
            }
        }
        line(text, format_args!("\t}}"));
    }
    let jumps =
        joined(plugs.iter().enumerate().map(|(number, plug)| format!("\"{}\" : goto plug-{number}", plug.link)));
    line(text, format_args!("\tmap plugs {{\n\t\ttype ifname : verdict\n\t\telements = {{ {jumps} }}\n\t}}"));
    line(text, format_args!("\tchain in {{\n\t\ttype filter hook prerouting priority -350; policy accept;"));
    line(text, format_args!("\t\tiifname vmap @plugs\n\t}}\n}}"));
}

/// Who answers that an address of the network is its own, as in IPv6 neighbours are found, has it: the answer may come from any
/// of its addresses, and names the one that it is about behind the head and the flags of the message.
fn neighbours(text: &mut String, plug: &Plug) {
    let own = joined(plug.hosts.iter().filter_map(|host| match host {
        IpAddr::V6(host) => Some(format!("{:#034x}", u128::from(*host))),
        IpAddr::V4(_) => None,
    }));
    for (subnet, length) in &plug.subnets {
        let IpAddr::V6(subnet) = subnet else { continue };
        let mask = u128::MAX.checked_shl(128_u32.saturating_sub((*length).into())).unwrap_or(0);
        let others = if own.is_empty() { String::new() } else { format!("@th,64,128 != {{ {own} }} ") };
        let subnet = u128::from(*subnet);
        line(
            text,
            format_args!("\t\ticmpv6 type nd-neighbor-advert @th,64,128 & {mask:#034x} == {subnet:#034x} {others}drop"),
        );
    }
}

/// Names of links are the kernel's, or whoever made them: only those that need no quoting are written.
fn is_plain(link: &str) -> bool {
    !link.is_empty() && link.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn mac(mac: &Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn joined(words: impl Iterator<Item = impl Display>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::{Bridge, Hop, Port, Tunnel};

    fn plane(networks: &[(u32, &[&str])]) -> Plane {
        let port = |(vni, nodes): &(u32, &[&str])| {
            let bridge = Bridge { name: "b".into(), mtu: 1450 };
            let hop = |node: &&str| Hop { address: node.parse().unwrap(), over: None };
            let forwards = nodes.iter().enumerate().map(|(at, node)| ([2, 0, 0, 0, 0, at as u8], hop(node)));
            let tunnel = Some(Tunnel { vni: *vni, port: 4789, local: None, over: None, bridge });
            (format!("gvx-{vni}"), Port { tunnel, forwards: forwards.collect(), neighbours: BTreeMap::new() })
        };
        networks.iter().map(port).collect()
    }

    fn plug(link: &str) -> Plug {
        Plug {
            link: link.into(),
            macs: [[2, 0x42, 10, 0, 1, 3]].into(),
            hosts: ["10.0.1.3".parse().unwrap()].into(),
            subnets: [("10.0.1.0".parse().unwrap(), 24)].into(),
        }
    }

    #[test]
    fn each_network_hears_its_own_nodes_alone() {
        let text = render(&plane(&[(4097, &["192.0.2.2", "192.0.2.3"]), (4098, &["fd00::2"])]), &[]);
        for line in [
            "chain in-4789-4097 {\n\t\tip saddr { 192.0.2.2, 192.0.2.3 } return\n\t\tdrop\n",
            "chain in-4789-4098 {\n\t\tip6 saddr { fd00::2 } return\n\t\tdrop\n",
            "chain out-4789-4097 {\n\t\tip daddr { 192.0.2.2, 192.0.2.3 } drop\n\t}",
            "udp dport 4789 @th,96,24 vmap { 4097 : jump in-4789-4097, 4098 : jump in-4789-4098 }",
        ] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
        assert!(!text.contains("table bridge gam-guard {"), "{text}");
    }

    #[test]
    fn a_container_speaks_for_itself_alone() {
        let text = render(&Plane::new(), &[plug("veth1"), plug("ve\"th; drop")]);
        for line in [
            "ether saddr != { 02:42:0a:00:01:03 } drop",
            "ip saddr { 10.0.1.3 } return",
            "arp saddr ip { 0.0.0.0, 10.0.1.3 } return\n\t\tip saddr 10.0.1.0/24 drop\n\t\tarp saddr ip 10.0.1.0/24 drop",
            "elements = { \"veth1\" : goto plug-0 }",
        ] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
        assert!(!text.contains("table inet gam-guard {"), "{text}");
    }

    #[test]
    fn a_container_answers_for_its_own_ipv6_address_alone() {
        let mut both = plug("veth1");
        both.hosts.insert("fd00:2::3".parse().unwrap());
        both.subnets.insert(("fd00:2::".parse().unwrap(), 64));
        let text = render(&Plane::new(), &[both.clone()]);
        let answers = "icmpv6 type nd-neighbor-advert @th,64,128 & 0xffffffffffffffff0000000000000000 == \
                       0xfd000002000000000000000000000000 ";
        let own = "@th,64,128 != { 0xfd000002000000000000000000000003 } drop";
        let senders = ["\t\tip6 saddr { fd00:2::3 } return\n", "\t\tip6 saddr fd00:2::/64 drop\n"];
        let places = [&format!("{answers}{own}\n"), senders[0], senders[1]].map(|line| text.find(line));
        assert!(places.is_sorted() && places[0].is_some(), "{text}");
        both.hosts.retain(IpAddr::is_ipv4);
        assert!(render(&Plane::new(), &[both]).contains(&format!("{answers}drop\n")), "it has none of its own");
    }

    #[test]
    fn nothing_to_guard_leaves_nothing() {
        let text = render(&Plane::new(), &[]);
        assert_eq!(text.lines().filter(|line| line.starts_with("delete table")).count(), 2);
        assert_eq!(text.lines().count(), 4);
        assert_eq!(list(&Plane::new(), &[]), "");
    }

    #[test]
    fn only_what_is_made_is_listed() {
        let mut idle = plane(&[(4097, &["192.0.2.2"])]);
        idle.values_mut().for_each(|port| port.tunnel = None);
        for plane in [Plane::new(), idle, plane(&[(4097, &["192.0.2.2"])]), plane(&[(4097, &[])])] {
            for plugs in [vec![], vec![plug("veth1")], vec![plug("ve\"th")]] {
                let (text, list) = (render(&plane, &plugs), list(&plane, &plugs));
                for family in ["inet", "bridge"] {
                    let is_made = text.contains(&format!("\ntable {family} {TABLE} {{"));
                    assert_eq!(list.contains(&format!("list table {family} {TABLE}\n")), is_made, "{text}{list}");
                }
            }
        }
    }
}
