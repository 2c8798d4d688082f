//! Who is found under which name, and who shares the load of which virtual address: both made from one list of
//! endpoints, so that the names of a service and its balancing never tell different stories.
//!
//! Nothing here speaks DNS or knows a kernel: [`Names`] answers questions that were read already, [`balance`] gives
//! text for others to apply. What is asked depends on who asks: a container sees the networks that it is on, and no
//! other. Follows moby's `libnetwork` (`service_common.go`, `network.go`, `sandbox.go`).

pub mod balance;
pub mod leavers;
pub mod mesh;
pub mod names;
pub mod returns;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::assignment::Assignments;
use crate::model::{Member, NetworkId, ServiceId};

pub use balance::{Balance, Balancers};
pub use names::{Answer, Asker, Family, Names, Question};

/// One container's place on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The network.
    pub network: NetworkId,
    /// The container's name: `web.1.<task id>`, or what the user called it.
    pub name: String,
    /// Further names of this container alone.
    pub aliases: Vec<String>,
    /// Its addresses there.
    pub addresses: Vec<IpAddr>,
    /// The service that it belongs to.
    pub service: Option<Arc<Served>>,
    /// Whether it runs, is healthy, and is not about to be stopped. One that is not is found by nobody, but a service
    /// whose endpoints are all down is still known to be there.
    pub up: bool,
}

/// A service as one network knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Its further names on this network.
    pub aliases: Vec<String>,
    /// Its virtual addresses on this network; none in mode `dnsrr`.
    pub virtual_ips: Vec<IpAddr>,
}

/// How much of a container's id is a name, too: as much as the CLI shows of it.
const SHORT_ID: usize = 12;

/// Everybody whom a node knows.
pub fn endpoints(assignments: &Assignments) -> Vec<Endpoint> {
    let mut served: BTreeMap<(ServiceId, NetworkId), Vec<Arc<Served>>> = BTreeMap::new();
    assignments.members.values().map(|member| endpoint(assignments, &mut served, member)).collect()
}

/// Members of one service with the same aliases share what is known of it.
fn endpoint(
    assignments: &Assignments,
    served: &mut BTreeMap<(ServiceId, NetworkId), Vec<Arc<Served>>>,
    member: &Member,
) -> Endpoint {
    let short = member.container.get(..SHORT_ID).map(str::to_owned);
    let service = member.service.and_then(|id| assignments.services.get(&id));
    let own = if member.service.is_none() { &member.aliases[..] } else { &[] };
    let service = service.map(|service| {
        let known = served.entry((service.id, member.network)).or_default();
        if let Some(known) = known.iter().find(|known| known.aliases == member.aliases) {
            return known.clone();
        }
        let here = service.virtual_ips.iter().filter(|virtual_ip| virtual_ip.network == member.network);
        let virtual_ips = here.filter_map(|virtual_ip| virtual_ip.address.split('/').next()?.parse().ok()).collect();
        let new = Served { name: service.name.clone(), aliases: member.aliases.clone(), virtual_ips };
        known.push(Arc::new(new));
        known[known.len() - 1].clone()
    });
    Endpoint {
        network: member.network,
        name: member.name.clone(),
        aliases: own.iter().cloned().chain(short).collect(),
        addresses: member.hosts().filter_map(|address| address.parse().ok()).collect(),
        service,
        up: member.is_serving(),
    }
}
