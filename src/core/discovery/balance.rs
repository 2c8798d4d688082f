//! Virtual addresses without IPVS: the rules of one container's own network namespace, as text for `nft -f`.
//!
//! A connection to a virtual address is turned to one of the endpoints behind it before it leaves the container, so it
//! keeps the client's address and takes no further hop. Only the first packet of a connection asks the rules: those that
//! stand go on to where they go, also when their endpoint is taken out. A virtual address behind which nobody is up refuses
//! at once, as IPVS does, instead of waiting for an answer to ARP.
//!
//! [`render`] gives one transaction from what is there to what is wanted, so a change of one service among hundreds
//! costs as little as one. Text is made of addresses alone: nothing that a user wrote gets into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use super::Endpoint;
use crate::model::NetworkId;

/// The table, which is Gam's alone.
pub const TABLE: &str = "gam";

/// Who is behind each virtual address of one container's networks; behind some there may be nobody.
pub type Balance = BTreeMap<IpAddr, BTreeSet<IpAddr>>;

/// The virtual addresses of all networks.
#[derive(Clone, Debug, Default)]
pub struct Balancers {
    networks: BTreeMap<NetworkId, Balance>,
    /// What was asked for, by networks: containers on the same ones share it.
    made: BTreeMap<BTreeSet<NetworkId>, Arc<Balance>>,
}

impl Balancers {
    /// Those of these endpoints.
    pub fn new<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Balancers {
        let mut networks: BTreeMap<NetworkId, Balance> = BTreeMap::new();
        for endpoint in endpoints {
            for virtual_ip in endpoint.service.iter().flat_map(|service| &service.virtual_ips) {
                let network = networks.entry(endpoint.network).or_default();
                let behind = network.entry(*virtual_ip).or_default();
                let fits = |address: &&IpAddr| address.is_ipv4() == virtual_ip.is_ipv4();
                behind.extend(endpoint.addresses.iter().filter(fits).filter(|_| endpoint.up));
            }
        }
        Balancers { networks, made: BTreeMap::new() }
    }

    /// The same of these endpoints. What somebody holds, and does not change by that, stays shared.
    pub fn renew<'a>(&mut self, endpoints: impl IntoIterator<Item = &'a Endpoint>) {
        let new = Balancers::new(endpoints);
        self.networks = new.networks;
        let networks = &self.networks;
        self.made.retain(|on, made| Arc::strong_count(made) > 1 && **made == merged(networks, on));
    }

    /// What a container on these networks needs.
    pub fn of(&mut self, networks: impl IntoIterator<Item = NetworkId>) -> Arc<Balance> {
        let on: BTreeSet<NetworkId> = networks.into_iter().collect();
        if let Some(made) = self.made.get(&on) {
            return made.clone();
        }
        let made = Arc::new(merged(&self.networks, &on));
        self.made.insert(on, made.clone());
        made
    }
}

fn merged(networks: &BTreeMap<NetworkId, Balance>, on: &BTreeSet<NetworkId>) -> Balance {
    let mut balance = Balance::new();
    for (virtual_ip, behind) in on.iter().filter_map(|network| networks.get(network)).flatten() {
        balance.entry(*virtual_ip).or_default().extend(behind);
    }
    balance
}

/// Transactions that several containers need, each rendered once.
#[derive(Debug, Default)]
pub struct Texts(Vec<Rendered>);

/// One of them, with the two ends that it leads between.
#[derive(Debug)]
struct Rendered {
    old: Option<Arc<Balance>>,
    new: Arc<Balance>,
    text: Arc<str>,
}

impl Texts {
    /// [`render`] from `old` to `new`.
    pub fn from(&mut self, old: Option<&Arc<Balance>>, new: &Arc<Balance>) -> Arc<str> {
        let is_same = |known: &Rendered| {
            Arc::ptr_eq(&known.new, new) && known.old.as_ref().map(Arc::as_ptr) == old.map(Arc::as_ptr)
        };
        if let Some(known) = self.0.iter().find(|known| is_same(known)) {
            return known.text.clone();
        }
        let text: Arc<str> = render(old.map(Arc::as_ref), new).into();
        self.0.push(Rendered { old: old.cloned(), new: new.clone(), text: text.clone() });
        text
    }
}

/// The table without any address. Adding before deleting makes the first line work whether the table is there or not.
/// Gam's chains come before the engine's own, whose priority is that of `dstnat`; the second pair refuses what no rule of
/// the first pair has turned.
const EMPTY: &str = "\
add table inet gam
delete table inet gam
table inet gam {
	map v4 { type ipv4_addr : verdict; }
	map v6 { type ipv6_addr : verdict; }
	set idle4 { type ipv4_addr; }
	set idle6 { type ipv6_addr; }
	chain own {
		type nat hook output priority -101; policy accept;
		ip daddr vmap @v4
		ip6 daddr vmap @v6
	}
	chain passing {
		type nat hook prerouting priority -101; policy accept;
		ip daddr vmap @v4
		ip6 daddr vmap @v6
	}
	chain refuse {
		meta l4proto tcp reject with tcp reset
		reject
	}
	chain own_idle {
		type filter hook output priority 0; policy accept;
		ip daddr @idle4 goto refuse
		ip6 daddr @idle6 goto refuse
	}
	chain passing_idle {
		type filter hook forward priority 0; policy accept;
		ip daddr @idle4 goto refuse
		ip6 daddr @idle6 goto refuse
	}
}
";

/// One transaction that leads from `old`, or from whatever there may be, to `new`. Empty if there is nothing to do.
pub fn render(old: Option<&Balance>, new: &Balance) -> String {
    let mut text = String::new();
    if old.is_none() {
        text.push_str(EMPTY);
    }
    let nothing = Balance::new();
    let old = old.unwrap_or(&nothing);
    for (virtual_ip, behind) in old {
        if new.get(virtual_ip) != Some(behind) {
            leave(&mut text, *virtual_ip, behind, new.get(virtual_ip));
        }
    }
    for (virtual_ip, behind) in new {
        if old.get(virtual_ip) != Some(behind) {
            enter(&mut text, *virtual_ip, behind, old.get(virtual_ip));
        }
    }
    text
}

/// Takes away what `new` does not keep.
fn leave(text: &mut String, virtual_ip: IpAddr, old: &BTreeSet<IpAddr>, new: Option<&BTreeSet<IpAddr>>) {
    let family = family(virtual_ip);
    let chain = chain(virtual_ip);
    match (old.is_empty(), new.is_some_and(|new| !new.is_empty())) {
        (true, _) => line(text, format_args!("delete element inet gam idle{family} {{ {virtual_ip} }}")),
        // The chain stays, with other rules.
        (false, true) => line(text, format_args!("flush chain inet gam {chain}")),
        (false, false) => {
            line(text, format_args!("delete element inet gam v{family} {{ {virtual_ip} }}"));
            line(text, format_args!("flush chain inet gam {chain}"));
            line(text, format_args!("delete chain inet gam {chain}"));
        }
    }
}

/// Adds what `old` has not.
fn enter(text: &mut String, virtual_ip: IpAddr, new: &BTreeSet<IpAddr>, old: Option<&BTreeSet<IpAddr>>) {
    let family = family(virtual_ip);
    if new.is_empty() {
        line(text, format_args!("add element inet gam idle{family} {{ {virtual_ip} }}"));
        return;
    }
    let chain = chain(virtual_ip);
    let is_there = old.is_some_and(|old| !old.is_empty());
    if !is_there {
        line(text, format_args!("add chain inet gam {chain}"));
    }
    line(text, format_args!("add rule inet gam {chain} {}", turn(new)));
    if !is_there {
        line(text, format_args!("add element inet gam v{family} {{ {virtual_ip} : goto {chain} }}"));
    }
}

/// The rule that turns a connection to one of these. By chance: a count would begin anew with every container and every
/// change, and the first of all would get most.
fn turn(behind: &BTreeSet<IpAddr>) -> String {
    let ip = if behind.iter().all(IpAddr::is_ipv4) { "ip" } else { "ip6" };
    if let (1, Some(only)) = (behind.len(), behind.first()) {
        return format!("dnat {ip} to {only}");
    }
    let numbered: Vec<String> = behind.iter().enumerate().map(|(at, address)| format!("{at} : {address}")).collect();
    format!("dnat {ip} to numgen random mod {} map {{ {} }}", behind.len(), numbered.join(", "))
}

/// A chain's name may have dots, but no colons.
fn chain(virtual_ip: IpAddr) -> String {
    match virtual_ip {
        IpAddr::V4(address) => format!("vip-{address}"),
        IpAddr::V6(address) => {
            format!("vip-{}", address.segments().map(|segment| format!("{segment:x}")).join("."))
        }
    }
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

/// Whether anybody who was behind a virtual address is not any more, so that flows may have to be forgotten. Of rules that
/// are not known that must be assumed.
pub fn drops(old: Option<&Balance>, new: &Balance) -> bool {
    let has_left = |(virtual_ip, behind): (&IpAddr, &BTreeSet<IpAddr>)| {
        new.get(virtual_ip).is_none_or(|kept| !behind.is_subset(kept))
    };
    old.is_none_or(|old| old.iter().any(has_left))
}

/// Whether a flow that goes to `behind` although it was meant for `destination` has to be forgotten, for protocols without
/// connections and connections that were not answered yet: its next packet then asks the rules anew. Of a virtual address that nobody knows any more all flows go.
pub fn is_dropped(old: Option<&Balance>, new: &Balance, destination: IpAddr, behind: IpAddr) -> bool {
    let was_known = old.is_some_and(|old| old.contains_key(&destination));
    new.get(&destination).map_or(was_known, |kept| !kept.contains(&behind))
}
