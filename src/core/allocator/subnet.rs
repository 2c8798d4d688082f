//! Subnets of both families: reading and comparing them, and choosing a free one for a new network.
//!
//! Decides nothing about single addresses ([`super::ipam`] does). Called by `control` when a network is made.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::state::State;

/// The pool from which networks get their subnets if the cluster names none (Docker's default).
pub const DEFAULT_POOL: &str = "10.0.0.0/8";
/// The prefix length of a subnet if the cluster names none (Docker's default).
pub const DEFAULT_SIZE: u32 = 24;
/// The prefix length of an IPv6 subnet that nobody chose, as dockerd has it, and of the pool that it comes from (RFC 4193).
const IPV6_SIZE: u32 = 64;
const IPV6_POOL_SIZE: u32 = 48;

/// A subnet in canonical form: no bit is set behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    base: IpAddr,
    bits: u32,
}

/// How many bits an address of the family has.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl Subnet {
    /// The subnet of the first `bits` bits (at most 32, or 128) of `address`.
    pub fn new(address: impl Into<IpAddr>, bits: u32) -> Subnet {
        let base = address.into();
        let bits = bits.min(width(base));
        let subnet = Subnet { base, bits };
        Subnet { base: subnet.address(number(base) & !subnet.host_mask()), bits }
    }

    /// Reads `10.0.1.7/24` as `10.0.1.0/24`, and IPv6 likewise. `None` if it is no prefix in Go's strict notation.
    pub fn parse(text: &str) -> Option<Subnet> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (bits.len() > 1 && bits.starts_with('0')) {
            return None;
        }
        let bits = bits.parse().ok().filter(|bits| *bits <= width(address))?;
        Some(Subnet::new(address, bits))
    }

    /// Prefix length.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// Whether its addresses are IPv4.
    pub fn is_ipv4(self) -> bool {
        self.base.is_ipv4()
    }

    /// The first address, which names the subnet.
    pub fn first(self) -> IpAddr {
        self.base
    }

    /// The last address, to which one broadcasts if it is of IPv4.
    pub fn last(self) -> IpAddr {
        self.address(number(self.base) | self.host_mask())
    }

    /// The address behind `address`, which is inside; `None` behind the last one.
    pub fn next(self, address: IpAddr) -> Option<IpAddr> {
        (address < self.last()).then(|| self.address(number(address) + 1))
    }

    /// Whether `address` is inside.
    pub fn contains(self, address: IpAddr) -> bool {
        (self.first()..=self.last()).contains(&address)
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Subnet) -> bool {
        self.first() <= other.last() && other.first() <= self.last()
    }

    /// Whether `address` cannot be a host's: the subnet's name, which of IPv6 is for its routers (RFC 4291), or its broadcast
    /// address. An IPv4 subnet of one or two addresses has neither (RFC 3021, and libnetwork).
    pub fn is_reserved(self, address: IpAddr) -> bool {
        if !self.is_ipv4() {
            return address == self.first();
        }
        self.bits < 31 && (address == self.first() || address == self.last())
    }

    fn host_mask(self) -> u128 {
        let all = if self.is_ipv4() { u32::MAX.into() } else { u128::MAX };
        match self.bits {
            0 => all,
            bits => all & ((1_u128 << (width(self.base) - bits)) - 1),
        }
    }

    /// The address of this family with that number.
    fn address(self, number: u128) -> IpAddr {
        match self.base {
            // No number of an IPv4 address is larger.
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
            IpAddr::V6(_) => IpAddr::V6(number.into()),
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// The subnets of all networks.
pub fn in_use(state: &State) -> Vec<Subnet> {
    state.networks().flat_map(|network| &network.ipam).filter_map(|config| Subnet::parse(&config.subnet)).collect()
}

/// The lowest free IPv4 subnet of the cluster's pools, of the cluster's size unless `bits` asks for another, that touches none of
/// `also`; `None` if there is none.
pub fn choose(state: &State, also: &[Subnet], bits: Option<u32>) -> Option<Subnet> {
    let cluster = state.cluster();
    let pools = cluster.map_or(&[][..], |cluster| &cluster.default_addr_pool);
    let mut pools: Vec<Subnet> =
        pools.iter().filter_map(|pool| Subnet::parse(pool)).filter(|pool| pool.is_ipv4()).collect();
    if pools.is_empty() {
        pools.extend(Subnet::parse(DEFAULT_POOL));
    }
    pools.sort();
    let size = cluster.map_or(0, |cluster| cluster.subnet_size);
    let bits = bits.unwrap_or(if size == 0 { DEFAULT_SIZE } else { size });
    let taken = taken(state, also);
    pools.iter().find_map(|pool| free_in(*pool, bits, &taken))
}

/// The lowest free IPv6 subnet of the addresses that are this cluster's own, of 64 bits unless `bits` asks for another. dockerd
/// takes one of its host's own for such a network, so that its hosts do not agree (`moby: daemon/libnetwork/ipamutils`).
pub fn choose_ipv6(state: &State, also: &[Subnet], bits: Option<u32>) -> Option<Subnet> {
    let pool = ipv6_pool(state.cluster().map_or(0, |cluster| cluster.id.number()));
    free_in(pool, bits.unwrap_or(IPV6_SIZE), &taken(state, also))
}

/// `fd` and forty bits that no other cluster is likely to have (RFC 4193).
fn ipv6_pool(cluster: u128) -> Subnet {
    let own = (cluster ^ cluster >> 64) & ((1 << 40) - 1);
    Subnet::new(Ipv6Addr::from(0xfd << 120 | own << 80), IPV6_POOL_SIZE)
}

/// The subnets that a new network must not get, in order.
fn taken(state: &State, also: &[Subnet]) -> Vec<Subnet> {
    let mut taken = in_use(state);
    taken.extend(also);
    taken.extend(still_leaving(state));
    taken.sort();
    taken
}

/// The subnets of removed networks whose tasks have not stopped yet. A new network must not get one of them: on the
/// tasks' nodes the old network still stands.
fn still_leaving(state: &State) -> Vec<Subnet> {
    let ending =
        state.tasks().filter(|task| !task.is_wanted() && !task.status.state.is_terminal() && !task.networks.is_empty());
    let attachments = ending.flat_map(|task| &task.networks);
    let orphans = attachments.filter(|attachment| attachment.network.is_some_and(|id| state.network(id).is_none()));
    let mut subnets: Vec<Subnet> =
        orphans.flat_map(|attachment| &attachment.addresses).filter_map(|address| Subnet::parse(address)).collect();
    subnets.sort();
    subnets.dedup();
    subnets
}

/// The lowest subnet of `bits` bits in `pool` that touches none of `taken`, which is sorted.
fn free_in(pool: Subnet, bits: u32, taken: &[Subnet]) -> Option<Subnet> {
    if bits < pool.bits() || bits > width(pool.first()) {
        return None;
    }
    let size = 1_u128.checked_shl(width(pool.first()) - bits)?;
    let mut next = number(pool.first());
    for other in taken.iter().filter(|other| other.overlaps(pool)) {
        if next.checked_add(size - 1)? < number(other.first()) {
            break;
        }
        next = next.max(number(other.last()).checked_add(1)?.checked_next_multiple_of(size)?);
    }
    let fits = next.checked_add(size - 1)? <= number(pool.last());
    fits.then(|| Subnet::new(pool.address(next), bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    fn v4(address: u32, bits: u32) -> Subnet {
        Subnet::new(std::net::Ipv4Addr::from(address), bits)
    }

    #[test]
    fn reads_prefixes_as_go_does() {
        assert_eq!(subnet("10.0.1.7/24").to_string(), "10.0.1.0/24");
        assert_eq!(subnet("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(subnet("fd00::5:7/112").to_string(), "fd00::5:0/112");
        assert_eq!(subnet("::/0").last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(subnet("10.0.0.9/32").first(), subnet("10.0.0.9/32").last());
        for bad in ["10.0.1.0", "10.0.1.0/", "10.0.1.0/33", "10.0.1.0/024", "10.0.1.0/+8", "010.0.1.0/8", "fd00::/129"]
        {
            assert_eq!(Subnet::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_lowest_gap_is_found() {
        let pool = subnet("10.0.0.0/8");
        let free = |taken: &[&str]| {
            let mut taken: Vec<Subnet> = taken.iter().map(|text| subnet(text)).collect();
            taken.sort();
            free_in(pool, 24, &taken).map(|subnet| subnet.to_string())
        };
        assert_eq!(free(&[]).unwrap(), "10.0.0.0/24");
        assert_eq!(free(&["10.0.0.0/24", "10.0.2.0/24"]).unwrap(), "10.0.1.0/24");
        assert_eq!(free(&["10.0.0.0/24", "10.0.1.128/25", "192.168.0.0/16"]).unwrap(), "10.0.2.0/24");
        assert_eq!(free(&["10.0.0.0/15"]).unwrap(), "10.2.0.0/24");
        assert_eq!(free(&["0.0.0.0/0"]), None);
        assert_eq!(free_in(subnet("255.255.255.0/24"), 24, &[subnet("255.255.255.255/32")]), None);
    }

    #[test]
    fn the_families_share_nothing() {
        let (v4, v6) = (subnet("0.0.0.0/0"), subnet("::/0"));
        assert!(!v4.overlaps(v6) && !v6.overlaps(v4));
        assert!(!v4.contains(v6.last()) && !v6.contains(v4.first()));
        assert_eq!(v6.next(v6.last()), None);
        assert_eq!(v4.next("9.255.255.255".parse().unwrap()).unwrap().to_string(), "10.0.0.0");
        // The first address of an IPv6 subnet is its routers', and nothing is broadcast.
        let small = subnet("fd00::/126");
        assert!(small.is_reserved(small.first()) && !small.is_reserved(small.last()));
    }

    #[test]
    fn every_cluster_has_ipv6_subnets_of_its_own() {
        let pool = ipv6_pool(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);
        assert_eq!(pool.to_string(), "fdd1:1dd9:9dd1::/48");
        assert_ne!(ipv6_pool(1), ipv6_pool(2));
        let free = |taken: &[&str]| {
            let taken: Vec<Subnet> = taken.iter().map(|text| subnet(text)).collect();
            free_in(subnet("fd00:1:2::/48"), IPV6_SIZE, &taken).map(|subnet| subnet.to_string())
        };
        assert_eq!(free(&["10.0.0.0/8"]).unwrap(), "fd00:1:2::/64");
        assert_eq!(free(&["fd00:1:2::/64", "fd00:1:2:1:8000::/65"]).unwrap(), "fd00:1:2:2::/64");
        assert_eq!(free(&["fd00::/16"]), None);
        assert_eq!(free_in(subnet("::/0"), 0, &[]), None, "there is no number for its size");
    }

    proptest! {
        #[test]
        fn a_chosen_subnet_overlaps_none(
            taken in prop::collection::vec((any::<u16>(), 12_u32..=30), 0..40), bits in 10_u32..=28,
        ) {
            let pool = subnet("10.0.0.0/10");
            let mut taken: Vec<Subnet> =
                taken.iter().map(|(at, bits)| v4(0x0a00_0000 | u32::from(*at) << 6, *bits)).collect();
            taken.sort();
            match free_in(pool, bits, &taken) {
                Some(free) => {
                    prop_assert!(taken.iter().all(|other| !other.overlaps(free)));
                    prop_assert!(pool.contains(free.first()) && pool.contains(free.last()));
                    prop_assert_eq!(free.bits(), bits);
                }
                None => {
                    let mut candidates = (0..1_u32 << (bits - 10)).map(|at| 0x0a00_0000 + (at << (32 - bits)));
                    let missed = candidates.find(|base| taken.iter().all(|other| !other.overlaps(v4(*base, bits))));
                    prop_assert_eq!(missed, None);
                }
            }
        }
    }
}
