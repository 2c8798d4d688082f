//! The names of all networks, and the answer to one question about them.
//!
//! A question is answered from the networks of whoever asks. `name.network` is found where `name` is; since both parts may
//! have dots, every way to cut is tried, as in moby's `Sandbox.ResolveName`. What nobody here is called is for the
//! resolvers outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Endpoint;
use crate::model::NetworkId;

/// Before the name of a service: all of its tasks instead of its virtual address.
const TASKS: &str = "tasks.";

/// All names of all networks that a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    zones: BTreeMap<NetworkId, Zone>,
}

/// The names of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Zone {
    /// What the network is called.
    network: String,
    /// In small letters, as DNS has no case.
    names: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Containers by address; a virtual address has no name, as in Docker.
    containers: BTreeMap<IpAddr, String>,
    /// Which of the addresses are virtual ones.
    virtual_ips: BTreeSet<IpAddr>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// The networks that it is on, in the order in which names are looked for: the routing mesh comes last.
    pub networks: Vec<NetworkId>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The addresses behind a name; no dot at its end is needed.
    Addresses(&'a str, Family),
    /// Anything else about a name.
    Other(&'a str),
    /// Who has an address.
    Name(IpAddr),
}

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `A`
    V4,
    /// `AAAA`
    V6,
}

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The addresses, in order. Whoever sends them shuffles them, so that clients that take the first one spread.
    Addresses {
        /// At least one.
        found: Vec<IpAddr>,
        /// Those of them that work only once the asker's own balancing knows them.
        virtual_ips: Vec<IpAddr>,
    },
    /// Who has the address, `container.network`.
    Name(String),
    /// The name exists, but nothing of the kind that was asked for.
    Nothing,
    /// No name of ours.
    Unknown,
}

impl Names {
    /// The names of these endpoints. A network that is not among `networks` has none.
    pub fn new<'a>(
        networks: impl IntoIterator<Item = (NetworkId, &'a str)>,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
    ) -> Names {
        let zone = |(id, name): (NetworkId, &str)| (id, Zone { network: name.to_owned(), ..Zone::default() });
        let mut zones: BTreeMap<NetworkId, Zone> = networks.into_iter().map(zone).collect();
        for endpoint in endpoints.into_iter().filter(|endpoint| endpoint.up) {
            if let Some(zone) = zones.get_mut(&endpoint.network) {
                zone.add(endpoint);
            }
        }
        Names { zones }
    }

    /// Answers one question.
    pub fn answer(&self, asker: &Asker, question: &Question<'_>) -> Answer {
        match question {
            Question::Addresses(name, family) => self.addresses(asker, name, *family),
            Question::Other(name) => match self.find(asker, name, |_| true) {
                Found::Yes(..) | Found::Barely => Answer::Nothing,
                Found::No => Answer::Unknown,
            },
            Question::Name(address) => {
                let owner = self.zones_of(asker).find_map(|zone| Some((zone.containers.get(address)?, &zone.network)));
                owner.map_or(Answer::Unknown, |(name, network)| Answer::Name(format!("{name}.{network}")))
            }
        }
    }

    fn addresses(&self, asker: &Asker, name: &str, family: Family) -> Answer {
        match self.find(asker, name, |address| family.has(address)) {
            Found::Yes(zone, found) => {
                let virtual_ips = found.iter().filter(|ip| zone.virtual_ips.contains(ip)).copied().collect();
                Answer::Addresses { found, virtual_ips }
            }
            Found::Barely => Answer::Nothing,
            Found::No => Answer::Unknown,
        }
    }

    /// The addresses of a name that are `wanted`, in the first network that has any.
    fn find(&self, asker: &Asker, name: &str, wanted: impl Fn(&IpAddr) -> bool) -> Found<'_> {
        let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
        for (name, network) in cuts(&name) {
            let mut exists = false;
            for zone in self.zones_of(asker).filter(|zone| network.is_none_or(|network| zone.is_called(network))) {
                let Some(addresses) = zone.names.get(name) else { continue };
                let found: Vec<IpAddr> = addresses.iter().filter(|address| wanted(address)).copied().collect();
                if !found.is_empty() {
                    return Found::Yes(zone, found);
                }
                exists = true;
            }
            if exists {
                return Found::Barely;
            }
        }
        Found::No
    }

    fn zones_of<'a, 'b>(&'a self, asker: &'b Asker) -> impl Iterator<Item = &'a Zone> + use<'a, 'b> {
        asker.networks.iter().filter_map(|network| self.zones.get(network))
    }
}

enum Found<'a> {
    Yes(&'a Zone, Vec<IpAddr>),
    /// There is such a name, without any address of the kind.
    Barely,
    No,
}

impl Zone {
    fn add(&mut self, endpoint: &Endpoint) {
        let own = &endpoint.addresses;
        self.name(&endpoint.name, own);
        endpoint.aliases.iter().for_each(|alias| self.name(alias, own));
        for address in own {
            // One address has one name: should two claim it, all nodes agree on the first.
            let name = self.containers.entry(*address).or_insert_with(|| endpoint.name.clone());
            if endpoint.name < *name {
                name.clone_from(&endpoint.name);
            }
        }
        let Some(service) = &endpoint.service else { return };
        self.virtual_ips.extend(&service.virtual_ips);
        for name in std::iter::once(&service.name).chain(&service.aliases) {
            self.name(&format!("{TASKS}{name}"), own);
            self.name(name, if service.virtual_ips.is_empty() { own } else { &service.virtual_ips });
        }
    }

    fn name(&mut self, name: &str, addresses: &[IpAddr]) {
        if !name.is_empty() && !addresses.is_empty() {
            self.names.entry(name.to_lowercase()).or_default().extend(addresses);
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.network.eq_ignore_ascii_case(name)
    }
}

impl Family {
    fn has(self, address: &IpAddr) -> bool {
        address.is_ipv4() == (self == Family::V4)
    }
}

/// Every way to read `a.b.c`: as a name in any network, as `a.b` in the network `c`, as `a` in the network `b.c`.
fn cuts(name: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let dots = name.rmatch_indices('.').map(|(at, _)| (&name[..at], Some(&name[at + 1..])));
    std::iter::once((name, None)).chain(dots)
}
