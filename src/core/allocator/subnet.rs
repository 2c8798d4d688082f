//! IPv4 subnets: reading and comparing them, and choosing a free one for a new network.
//!
//! Decides nothing about single addresses ([`super::ipam`] does). Called by `control` when a network is made.

use std::fmt;
use std::net::Ipv4Addr;

use crate::model::TaskState;
use crate::state::State;

/// The pool from which networks get their subnets if the cluster names none (Docker's default).
pub const DEFAULT_POOL: &str = "10.0.0.0/8";
/// The prefix length of a subnet if the cluster names none (Docker's default).
pub const DEFAULT_SIZE: u32 = 24;

/// An IPv4 subnet in canonical form: no bit is set behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    base: u32,
    bits: u32,
}

impl Subnet {
    /// The subnet of the first `bits` bits (at most 32) of `address`.
    pub fn new(address: u32, bits: u32) -> Subnet {
        let bits = bits.min(32);
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        Subnet { base: address & mask, bits }
    }

    /// Reads `10.0.1.7/24` as `10.0.1.0/24`. `None` if it is no IPv4 prefix in Go's strict notation.
    pub fn parse(text: &str) -> Option<Subnet> {
        let (address, bits) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (bits.len() > 1 && bits.starts_with('0')) {
            return None;
        }
        let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Subnet::new(address.into(), bits))
    }

    /// Prefix length.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// The first address, which names the subnet.
    pub fn first(self) -> u32 {
        self.base
    }

    /// The last address, to which one broadcasts.
    pub fn last(self) -> u32 {
        self.base | u32::MAX.checked_shr(self.bits).unwrap_or(0)
    }

    /// Whether `address` is inside.
    pub fn contains(self, address: u32) -> bool {
        (self.first()..=self.last()).contains(&address)
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Subnet) -> bool {
        self.first() <= other.last() && other.first() <= self.last()
    }

    /// Whether `address` cannot be a host's: the subnet's name or its broadcast address. A subnet of one or two
    /// addresses has neither (RFC 3021, and libnetwork).
    pub fn is_reserved(self, address: u32) -> bool {
        self.bits < 31 && (address == self.first() || address == self.last())
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

/// The subnets of all networks.
pub fn in_use(state: &State) -> Vec<Subnet> {
    state.networks().flat_map(|network| &network.ipam).filter_map(|config| Subnet::parse(&config.subnet)).collect()
}

/// The lowest free subnet of the cluster's pools, of the cluster's size unless `bits` asks for another. The error is
/// libnetwork's sentence.
pub fn choose(state: &State, bits: Option<u32>) -> Result<Subnet, &'static str> {
    let cluster = state.cluster();
    let pools = cluster.map_or(&[][..], |cluster| &cluster.default_addr_pool);
    let mut pools: Vec<Subnet> = pools.iter().filter_map(|pool| Subnet::parse(pool)).collect();
    if pools.is_empty() {
        pools.extend(Subnet::parse(DEFAULT_POOL));
    }
    pools.sort();
    let size = cluster.map_or(0, |cluster| cluster.subnet_size);
    let bits = bits.unwrap_or(if size == 0 { DEFAULT_SIZE } else { size });
    let mut taken = in_use(state);
    taken.extend(still_leaving(state));
    taken.sort();
    let free = pools.iter().find_map(|pool| free_in(*pool, bits, &taken));
    free.ok_or("all predefined address pools have been fully subnetted")
}

/// The subnets of removed networks whose tasks have not stopped yet. A new network must not get one of them: on the
/// tasks' nodes the old network still stands.
fn still_leaving(state: &State) -> Vec<Subnet> {
    let ending = state.tasks().filter(|task| {
        task.desired > TaskState::Running && !task.status.state.is_terminal() && !task.networks.is_empty()
    });
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
    if bits < pool.bits() || bits > 32 {
        return None;
    }
    // 64 bits wide, so that the end of the address space is a number too.
    let size = 1_u64 << (32 - bits);
    let mut next = u64::from(pool.first());
    for other in taken.iter().filter(|other| other.overlaps(pool)) {
        if next + size <= u64::from(other.first()) {
            break;
        }
        next = next.max((u64::from(other.last()) + 1).next_multiple_of(size));
    }
    let fits = next + size <= u64::from(pool.last()) + 1;
    fits.then(|| u32::try_from(next).ok().map(|base| Subnet::new(base, bits))).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn reads_prefixes_as_go_does() {
        assert_eq!(subnet("10.0.1.7/24").to_string(), "10.0.1.0/24");
        assert_eq!(subnet("0.0.0.0/0").last(), u32::MAX);
        assert_eq!(subnet("10.0.0.9/32").first(), subnet("10.0.0.9/32").last());
        for bad in ["10.0.1.0", "10.0.1.0/", "10.0.1.0/33", "10.0.1.0/024", "10.0.1.0/+8", "010.0.1.0/8", "fd00::/64"] {
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

    proptest! {
        #[test]
        fn a_chosen_subnet_overlaps_none(
            taken in prop::collection::vec((any::<u16>(), 12_u32..=30), 0..40), bits in 10_u32..=28,
        ) {
            let pool = subnet("10.0.0.0/10");
            let mut taken: Vec<Subnet> =
                taken.iter().map(|(at, bits)| Subnet::new(0x0a00_0000 | u32::from(*at) << 6, *bits)).collect();
            taken.sort();
            match free_in(pool, bits, &taken) {
                Some(free) => {
                    prop_assert!(taken.iter().all(|other| !other.overlaps(free)));
                    prop_assert!(pool.contains(free.first()) && pool.contains(free.last()));
                    prop_assert_eq!(free.bits(), bits);
                }
                None => {
                    let mut candidates = (0..1_u32 << (bits - 10)).map(|at| pool.first() + (at << (32 - bits)));
                    let missed = candidates.find(|base| {
                        taken.iter().all(|other| !other.overlaps(Subnet::new(*base, bits)))
                    });
                    prop_assert_eq!(missed, None);
                }
            }
        }
    }
}
