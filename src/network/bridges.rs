//! The bridges beneath this node's overlay networks, which are dockerd's to make: what somebody else broke of one, and how
//! it is mended. dockerd makes a bridge once, with its network, and never looks again.
//!
//! Pure: [`super::overlay`] looks and mends. A bridge is made anew with the hardware address that it had, since the
//! containers on it would go on sending to that for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gam_core::model::NetworkId;
use gam_core::plane::Mac;

use super::interfaces::Interface;

/// What a bridge should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// What its packets may measure.
    pub mtu: u32,
    /// The gateways of its network, with the lengths of the subnets' prefixes: the resolver listens there.
    pub gateways: Vec<(IpAddr, u8)>,
    /// The host's ends of its containers' links, by number.
    pub plugs: BTreeSet<u32>,
}

/// One thing to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// There is no such bridge.
    Make {
        /// Whose it is.
        network: NetworkId,
        /// Its name.
        name: String,
        /// What its packets may measure.
        mtu: u32,
        /// The address that it had.
        mac: Option<Mac>,
    },
    /// It is down.
    Raise(String),
    /// It lacks its address.
    Address(String, IpAddr, u8),
    /// A container's link is not, or not up, on its bridge.
    Plug(u32, String),
}

/// What is to be mended. `known` are hardware addresses that bridges had.
pub fn repairs(wanted: &[Wanted], seen: &[Interface], known: &BTreeMap<String, Mac>) -> Vec<Repair> {
    let mut repairs = Vec::new();
    for bridge in wanted {
        let there = seen.iter().find(|link| link.name == bridge.name);
        let name = || bridge.name.clone();
        match there {
            None => {
                let mac = known.get(&bridge.name).copied();
                repairs.push(Repair::Make { network: bridge.network, name: name(), mtu: bridge.mtu, mac });
            }
            Some(link) if !link.up => repairs.push(Repair::Raise(name())),
            Some(_) => {}
        }
        let lacks = |address: &IpAddr| !there.is_some_and(|link| link.addresses.contains(address));
        for (address, length) in bridge.gateways.iter().filter(|(address, _)| lacks(address)) {
            repairs.push(Repair::Address(name(), *address, *length));
        }
        for plug in seen.iter().filter(|link| bridge.plugs.contains(&link.index)) {
            let is_on = there.is_some_and(|link| plug.controller == Some(link.index));
            if !is_on || !plug.up {
                repairs.push(Repair::Plug(plug.index, name()));
            }
        }
    }
    repairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> [Wanted; 1] {
        let gateways = vec![("10.0.1.1".parse().unwrap(), 24), ("fd00::1".parse().unwrap(), 64)];
        [Wanted { network: 7.into(), name: "gam-x".into(), mtu: 1450, gateways, plugs: [5, 6, 9].into() }]
    }

    fn link(index: u32, name: &str, controller: Option<u32>, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Interface { index, name: name.into(), up: true, controller, addresses, ..Interface::default() }
    }

    fn whole() -> Vec<Interface> {
        vec![
            link(2, "eth0", None, &[]),
            link(4, "gam-x", None, &["fe80::1", "fd00::1", "10.0.1.1"]),
            link(5, "veth5", Some(4), &[]),
            link(6, "veth6", Some(4), &[]),
        ]
    }

    #[test]
    fn what_is_whole_is_left_alone() {
        assert_eq!(repairs(&wanted(), &whole(), &BTreeMap::new()), []);
    }

    #[test]
    fn each_harm_is_mended() {
        let mut seen = whole();
        seen[1].up = false;
        seen[1].addresses.truncate(1);
        seen[2].controller = None;
        seen[3].up = false;
        let raise = Repair::Raise("gam-x".into());
        let addresses = [("10.0.1.1", 24), ("fd00::1", 64)]
            .map(|(address, length)| Repair::Address("gam-x".into(), address.parse().unwrap(), length));
        let plugs = [5, 6].map(|plug| Repair::Plug(plug, "gam-x".into()));
        let all = [&[raise], &addresses[..], &plugs].concat();
        assert_eq!(repairs(&wanted(), &seen, &BTreeMap::new()), all);
        // A bridge that was made anew by somebody else is not the one that they were on.
        let mut seen = whole();
        seen[1].index = 8;
        assert_eq!(repairs(&wanted(), &seen, &BTreeMap::new()), plugs);
        seen.remove(1);
        let mac = [2, 0, 0, 0, 0, 1];
        let make = Repair::Make { network: 7.into(), name: "gam-x".into(), mtu: 1450, mac: Some(mac) };
        let known = [("gam-x".to_owned(), mac)].into();
        assert_eq!(repairs(&wanted(), &seen, &known), [&[make], &addresses[..], &plugs].concat());
    }
}
