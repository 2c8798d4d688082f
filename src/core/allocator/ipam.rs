//! Single addresses of a network: one of IPv4, and one of IPv6 too if it has subnets of that family.
//!
//! A search starts behind the address that was handed out last and wraps, so that an address which became free is
//! not given to another task while somebody may still remember its old owner. Which addresses are in use is known to
//! the state alone; this module keeps nothing from one step to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::subnet::Subnet;
use crate::model::{IpamConfig, Network, NetworkId};
use crate::state::State;

/// One pass over a state: what was parsed and what was found to be full is remembered until its end.
#[derive(Debug, Default)]
pub struct Ipam {
    pools: BTreeMap<NetworkId, Vec<Pool>>,
    full: BTreeSet<NetworkId>,
}

/// One subnet of a network and the part of it from which addresses are handed out.
#[derive(Clone, Debug)]
struct Pool {
    subnet: Subnet,
    range: Subnet,
    /// The gateway, and what the user keeps for others.
    kept: BTreeSet<IpAddr>,
}

/// Why an address cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was asked for is not an address of the network.
    OutOfRange(String),
    /// Somebody has what was asked for, or it is the gateway's, kept for others, the subnet's own or for broadcasts.
    InUse(String),
    /// There is none left.
    Full,
}

impl Ipam {
    /// A free address of `network` of each of its families, with prefix length, IPv4 first; `None` if it has none left of one
    /// of them. The caller must put them into the state before it asks for others of the same network.
    ///
    /// Costs one look-up if the next address is free. A full network is searched once in a pass.
    pub fn take(&mut self, state: &State, network: &Network) -> Option<Vec<String>> {
        self.give(state, network, &[]).ok()
    }

    /// The same with the addresses that were `asked` for (with or without prefix length), at most one of each family. As in
    /// Docker these may lie outside the range from which addresses are handed out.
    pub fn give(&mut self, state: &State, network: &Network, asked: &[String]) -> Result<Vec<String>, Refusal> {
        let pools = self.pools.entry(network.id).or_insert_with(|| pools(network));
        let asked = asked.iter().map(|asked| ask(state, network.id, pools, asked)).collect::<Result<Vec<_>, _>>()?;
        let mut given = Vec::new();
        for is_ipv4 in [true, false] {
            if let Some((_, text)) = asked.iter().find(|(address, _)| address.is_ipv4() == is_ipv4) {
                given.push(text.clone());
            } else if is_ipv4 || pools.iter().any(|pool| !pool.subnet.is_ipv4()) {
                let free = if self.full.contains(&network.id) { None } else { free(state, network.id, pools, is_ipv4) };
                let Some(free) = free else {
                    self.full.insert(network.id);
                    return Err(Refusal::Full);
                };
                given.push(free);
            }
        }
        Ok(given)
    }

    /// Forgets which networks are full: somebody just gave up addresses.
    pub fn retry(&mut self) {
        self.full.clear();
    }
}

/// The next free address of a family.
fn free(state: &State, network: NetworkId, pools: &[Pool], is_ipv4: bool) -> Option<String> {
    let pools: Vec<&Pool> = pools.iter().filter(|pool| pool.subnet.is_ipv4() == is_ipv4).collect();
    let cursor = state.address_cursor(network, is_ipv4);
    // The pool that holds the cursor goes first, the others follow in order.
    let at = pools.iter().position(|pool| cursor.is_some_and(|cursor| pool.range.contains(cursor))).unwrap_or(0);
    pools[at..].iter().chain(&pools[..at]).find_map(|pool| pool.next_free(state, network, cursor))
}

fn ask(state: &State, network: NetworkId, pools: &[Pool], asked: &str) -> Result<(IpAddr, String), Refusal> {
    let outside = || Refusal::OutOfRange(asked.to_owned());
    let address: IpAddr = asked.split('/').next().and_then(|host| host.parse().ok()).ok_or_else(outside)?;
    let pool = pools.iter().find(|pool| pool.subnet.contains(address)).ok_or_else(outside)?;
    if pool.is_free(state, network, address) {
        Ok((address, pool.text(address)))
    } else {
        Err(Refusal::InUse(asked.to_owned()))
    }
}

/// The gateway of a new network: the first address of the range that a host may have and that is not `kept` for others
/// (libnetwork, which knows of nothing kept in swarm mode).
pub fn first_gateway(subnet: Subnet, range: Option<Subnet>, kept: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let range = range.unwrap_or(subnet);
    let mut addresses = std::iter::successors(Some(range.first()), |address| range.next(*address));
    addresses.find(|address| !subnet.is_reserved(*address) && !kept.contains(address))
}

/// The part of a subnet from which addresses are handed out, if that is less than all of it.
pub fn range_of(config: &IpamConfig, subnet: Subnet) -> Option<Subnet> {
    Subnet::parse(&config.range).filter(|range| range.overlaps(subnet) && range.bits() > subnet.bits())
}

/// The addresses of a subnet that the user keeps for others.
pub fn kept_for_others(config: &IpamConfig) -> BTreeSet<IpAddr> {
    config.auxiliary_addresses.values().filter_map(|address| address.parse().ok()).collect()
}

fn pools(network: &Network) -> Vec<Pool> {
    let parse = |config: &IpamConfig| {
        let subnet = Subnet::parse(&config.subnet)?;
        let mut kept = kept_for_others(config);
        kept.extend(config.gateway.parse::<IpAddr>());
        Some(Pool { subnet, range: range_of(config, subnet).unwrap_or(subnet), kept })
    };
    network.ipam.iter().filter_map(parse).collect()
}

impl Pool {
    fn next_free(&self, state: &State, network: NetworkId, cursor: Option<IpAddr>) -> Option<String> {
        let first = self.range.first();
        let behind = cursor.filter(|cursor| self.range.contains(*cursor)).and_then(|cursor| self.range.next(cursor));
        let start = behind.unwrap_or(first);
        let from = |start: IpAddr| std::iter::successors(Some(start), |address| self.range.next(*address));
        let mut candidates = from(start).chain(from(first).take_while(|address| *address < start));
        candidates.find(|address| self.is_free(state, network, *address)).map(|address| self.text(address))
    }

    fn is_free(&self, state: &State, network: NetworkId, address: IpAddr) -> bool {
        !self.subnet.is_reserved(address) && !self.kept.contains(&address) && !state.is_address_used(network, address)
    }

    fn text(&self, address: IpAddr) -> String {
        format!("{address}/{}", self.subnet.bits())
    }
}
