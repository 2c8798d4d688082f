//! Single addresses of a network.
//!
//! A search starts behind the address that was handed out last and wraps, so that an address which became free is
//! not given to another task while somebody may still remember its old owner. Which addresses are in use is known to
//! the state alone; this module keeps nothing from one step to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::subnet::Subnet;
use crate::model::{Network, NetworkId};
use crate::state::State;

/// One pass over a state: what was parsed and what was found to be full is remembered until its end.
#[derive(Debug, Default)]
pub struct Ipam {
    pools: BTreeMap<NetworkId, Vec<Pool>>,
    full: BTreeSet<NetworkId>,
}

/// One subnet of a network and the part of it from which addresses are handed out.
#[derive(Clone, Copy, Debug)]
struct Pool {
    subnet: Subnet,
    range: Subnet,
    gateway: Option<u32>,
}

/// Why an address that was asked for cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not an address of the network.
    OutOfRange,
    /// Somebody has it, or it is the gateway's, the subnet's own or for broadcasts.
    InUse,
}

impl Ipam {
    /// A free address of `network` with prefix length, or `None` if it has none left. The caller must put it into the
    /// state before it asks for another one of the same network.
    ///
    /// Costs one look-up if the next address is free. A full network is searched once in a pass.
    pub fn take(&mut self, state: &State, network: &Network) -> Option<String> {
        if self.full.contains(&network.id) {
            return None;
        }
        let pools = self.pools.entry(network.id).or_insert_with(|| pools(network));
        let cursor = state.address_cursor(network.id);
        // The pool that holds the cursor goes first, the others follow in order.
        let at = pools.iter().position(|pool| cursor.is_some_and(|cursor| pool.range.contains(cursor))).unwrap_or(0);
        let found = pools[at..].iter().chain(&pools[..at]).find_map(|pool| pool.next_free(state, network.id, cursor));
        if found.is_none() {
            self.full.insert(network.id);
        }
        found
    }

    /// Forgets which networks are full: somebody just gave up addresses.
    pub fn retry(&mut self) {
        self.full.clear();
    }
}

/// The address `asked` (with or without prefix length) with the prefix length of its subnet, if it can be had. As in
/// Docker it may lie outside the range from which addresses are handed out.
pub fn ask(state: &State, network: &Network, asked: &str) -> Result<String, Refusal> {
    let address = asked.split('/').next().and_then(|host| host.parse::<Ipv4Addr>().ok()).map(u32::from);
    let address = address.ok_or(Refusal::OutOfRange)?;
    let pools = pools(network);
    let pool = pools.iter().find(|pool| pool.subnet.contains(address)).ok_or(Refusal::OutOfRange)?;
    if pool.is_free(state, network.id, address) { Ok(pool.text(address)) } else { Err(Refusal::InUse) }
}

/// The gateway of a new network: the first address of the range that a host may have (libnetwork).
pub fn first_gateway(subnet: Subnet, range: Option<Subnet>) -> Option<u32> {
    let range = range.unwrap_or(subnet);
    (range.first()..=range.last()).find(|address| !subnet.is_reserved(*address))
}

fn pools(network: &Network) -> Vec<Pool> {
    let parse = |config: &crate::model::IpamConfig| {
        let subnet = Subnet::parse(&config.subnet)?;
        let range = Subnet::parse(&config.range).filter(|range| range.overlaps(subnet) && range.bits() > subnet.bits());
        let gateway = config.gateway.parse::<Ipv4Addr>().ok().map(u32::from);
        Some(Pool { subnet, range: range.unwrap_or(subnet), gateway })
    };
    network.ipam.iter().filter_map(parse).collect()
}

impl Pool {
    fn next_free(&self, state: &State, network: NetworkId, cursor: Option<u32>) -> Option<String> {
        let (first, last) = (self.range.first(), self.range.last());
        let start = match cursor {
            Some(cursor) if self.range.contains(cursor) && cursor < last => cursor + 1,
            _ => first,
        };
        let mut candidates = (start..=last).chain(first..start);
        candidates.find(|address| self.is_free(state, network, *address)).map(|address| self.text(address))
    }

    fn is_free(&self, state: &State, network: NetworkId, address: u32) -> bool {
        !self.subnet.is_reserved(address) && self.gateway != Some(address) && !state.is_address_used(network, address)
    }

    fn text(&self, address: u32) -> String {
        format!("{}/{}", Ipv4Addr::from(address), self.subnet.bits())
    }
}
