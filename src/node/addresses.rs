//! Which addresses a node listens on and tells others, from what the user said and what the host has.
//!
//! Pure: the host's interfaces are an input. Rules and sentences are moby's (`daemon/cluster/listen_addr.go`).

use std::net::{IpAddr, Ipv4Addr};

use gam_core::error::Error;

use super::directory::Advertised;
use crate::network::interfaces::Interface;

/// Docker's port for the swarm (`moby: daemon/cluster/cluster.go`).
pub const DEFAULT_PORT: u16 = 2377;

/// An address and a port, printed as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The address.
    pub host: IpAddr,
    /// The port, as it was given.
    pub port: String,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            IpAddr::V4(host) => write!(f, "{host}:{}", self.port),
            IpAddr::V6(host) => write!(f, "[{host}]:{}", self.port),
        }
    }
}

/// What the user said does not name an address.
#[derive(Debug, PartialEq, Eq)]
enum Unresolved {
    /// Neither an address nor an interface.
    Unknown,
    /// An interface without one address of its own; the sentence says why.
    Interface(String),
}

/// Refuses an address to listen on that is empty.
pub fn is_given(listen: &str) -> Result<(), Error> {
    if listen.is_empty() {
        return Err(Error::invalid("invalid ListenAddr \"\": invalid empty address"));
    }
    Ok(())
}

/// The address to listen on; a missing port is Docker's.
pub fn listen(given: &str, interfaces: &[Interface]) -> Result<HostPort, Error> {
    is_given(given)?;
    let (host, port) = split(given);
    let port = port.unwrap_or_else(|| DEFAULT_PORT.to_string());
    let host = if host.is_empty() { "0.0.0.0" } else { &host };
    let host = resolve(host, true, interfaces).map_err(|error| {
        refuse(error, "listen address must be an IP address or network interface (with optional port number)")
    })?;
    Ok(HostPort { host, port })
}

/// The address to tell others: what the user said, or the host's only one.
pub fn advertise(given: &str, listen: &HostPort, interfaces: &[Interface], own: &[Subnet]) -> Result<HostPort, Error> {
    if given.is_empty() {
        return Ok(HostPort { host: only_address(interfaces, own)?, port: listen.port.clone() });
    }
    let (host, port) = split(given);
    let host = resolve(&host, false, interfaces).map_err(|error| {
        refuse(
            error,
            "advertise address must be a non-zero IP address or network interface (with optional port number)",
        )
    })?;
    Ok(HostPort { host, port: port.unwrap_or_else(|| listen.port.clone()) })
}

/// Where the address comes from that others are told: `given` is what the user said. An address on which alone the node listens
/// was given, too.
pub fn advertised(given: &str, listen: &HostPort, interfaces: &[Interface]) -> Advertised {
    let (host, _) = split(given);
    if interfaces.iter().any(|interface| interface.name == host) {
        return Advertised::Interface(host);
    }
    if given.is_empty() && listen.host.is_unspecified() { Advertised::Chosen } else { Advertised::Given }
}

/// The address that others are to be told from now on, if it is no longer `old`: that of the interface which the user named;
/// or instead of one that Gam chose before, and which the host has lost, `found`, which it would choose now. Only a usable one of
/// the same family counts: while a host starts it may have no other one than that of its link yet.
pub fn moved(old: IpAddr, advertised: &Advertised, found: Option<IpAddr>, interfaces: &[Interface]) -> Option<IpAddr> {
    let counts = |address: &IpAddr| is_global(address) && address.is_ipv4() == old.is_ipv4();
    let new = match advertised {
        Advertised::Given => None,
        Advertised::Interface(name) => {
            let named = interfaces.iter().find(|interface| interface.name == *name)?;
            single(named, counts, None).ok().flatten()
        }
        Advertised::Chosen if interfaces.iter().any(|interface| interface.addresses.contains(&old)) => None,
        Advertised::Chosen => found.filter(counts),
    };
    new.filter(|new| *new != old)
}

/// The address of the data path; `None` if the user said nothing.
pub fn data_path(given: &str, interfaces: &[Interface]) -> Result<Option<IpAddr>, Error> {
    if given.is_empty() {
        return Ok(None);
    }
    resolve(given, false, interfaces).map(Some).map_err(|error| {
        refuse(error, "data path address must be a non-zero IP address or network interface (without a port number)")
    })
}

/// The node must know an address of its own: the listening one, or the advertised one if the host has it.
pub fn check_local(
    listen: &HostPort,
    advertise: &HostPort,
    interfaces: &[Interface],
    own: &[Subnet],
) -> Result<(), Error> {
    let has = interfaces.iter().any(|interface| interface.addresses.contains(&advertise.host));
    if !listen.host.is_unspecified() || has || only_address(interfaces, own).is_ok() {
        return Ok(());
    }
    Err(Error::invalid(
        "must specify a listening address because the address to advertise is not recognized as a system address, \
         and a system's IP address to use could not be uniquely identified",
    ))
}

/// A subnet that dockerd manages, whose addresses are not the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its first address.
    pub network: Ipv4Addr,
    /// Its prefix length.
    pub prefix: u8,
}

impl Subnet {
    /// Reads `172.17.0.0/16`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Subnet> {
        let (network, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some(Subnet { network: network.parse().ok()?, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        u32::from(address) & mask == u32::from(self.network) & mask
    }
}

/// The host of `host:port`.
pub fn host(given: &str) -> String {
    split(given).0
}

/// `host:port`, `[v6]:port`, or a host alone.
fn split(given: &str) -> (String, Option<String>) {
    let given = given.strip_prefix("tcp://").unwrap_or(given);
    if let Some((host, port)) = given.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return (host.to_owned(), Some(port.to_owned()));
    }
    match given.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host.to_owned(), Some(port.to_owned())),
        _ => (given.trim_matches(['[', ']']).to_owned(), None),
    }
}

fn refuse(error: Unresolved, sentence: &str) -> Error {
    Error::invalid(match error {
        Unresolved::Unknown => sentence.to_owned(),
        Unresolved::Interface(why) => why,
    })
}

/// An interface's address, or the address itself.
fn resolve(input: &str, unspecified: bool, interfaces: &[Interface]) -> Result<IpAddr, Unresolved> {
    if let Some(interface) = interfaces.iter().find(|interface| interface.name == input) {
        return single(interface, |_| true, None).and_then(|found| {
            let none = || format!("interface {input} has no usable IPv4 or IPv6 address");
            found.ok_or_else(|| Unresolved::Interface(none()))
        });
    }
    match input.parse::<IpAddr>() {
        Ok(address) if unspecified || !address.is_unspecified() => Ok(address),
        _ => Err(Unresolved::Unknown),
    }
}

/// Says that two interfaces, or one, have these two addresses.
type Words = fn(&str, &str, IpAddr, IpAddr) -> String;

/// The one IPv4 address of an interface, else its one IPv6 address; several of a family are a refusal.
fn single(
    interface: &Interface,
    counts: impl Fn(&IpAddr) -> bool,
    refusal: Option<Words>,
) -> Result<Option<IpAddr>, Unresolved> {
    let (mut v4, mut v6) = (None, None);
    for address in interface.addresses.iter().copied().filter(counts) {
        let (slot, family) = if address.is_ipv4() { (&mut v4, "IPv4") } else { (&mut v6, "IPv6") };
        if let Some(first) = slot.replace(address) {
            let name = &interface.name;
            return Err(Unresolved::Interface(match refusal {
                Some(words) => words(name, name, first, address),
                None => format!("interface {name} has more than one {family} address ({first} and {address})"),
            }));
        }
    }
    Ok(v4.or(v6))
}

/// The host's only address, if it has but one that is not dockerd's.
pub fn only_address(interfaces: &[Interface], own: &[Subnet]) -> Result<IpAddr, Error> {
    let mut found: Option<(&str, IpAddr)> = None;
    for interface in interfaces.iter().filter(|interface| interface.up && !interface.loopback) {
        if interface.addresses.iter().any(|address| own.iter().any(|subnet| subnet.contains(*address))) {
            continue;
        }
        let address = single(interface, is_global, Some(several)).map_err(|error| refuse(error, ""))?;
        let Some(address) = address else { continue };
        if let Some((name, first)) = found {
            return Err(Error::invalid(several(name, &interface.name, first, address)));
        }
        found = Some((&interface.name, address));
    }
    found.map(|(_, address)| address).ok_or_else(|| {
        // Docker's CLI adds what to do about it.
        Error::invalid("could not find the system's IP address")
    })
}

/// Go's `IsGlobalUnicast`.
fn is_global(address: &IpAddr) -> bool {
    !(address.is_loopback() || address.is_multicast() || address.is_unspecified())
        && match address {
            IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        }
}

fn several(first: &str, second: &str, a: IpAddr, b: IpAddr) -> String {
    if first == second {
        return format!(
            "could not choose an IP address to advertise since this system has multiple addresses on interface {first} ({a} and {b})"
        );
    }
    format!(
        "could not choose an IP address to advertise since this system has multiple addresses on different interfaces ({a} on {first} and {b} on {second})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<Interface> {
        let interface = |name: &str, loopback, addresses: &[&str]| Interface {
            name: name.into(),
            up: true,
            loopback,
            mtu: 1500,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Interface::default()
        };
        vec![
            interface("lo", true, &["127.0.0.1", "::1"]),
            interface("eth0", false, &["192.0.2.1", "fe80::1"]),
            interface("docker0", false, &["172.17.0.1"]),
            interface("two", false, &["192.0.2.9", "192.0.2.10"]),
        ]
    }

    fn docker() -> [Subnet; 1] {
        [Subnet::parse("172.17.0.0/16").unwrap()]
    }

    #[test]
    fn takes_addresses_interfaces_and_ports() {
        let host = host();
        let any = listen("0.0.0.0:2377", &host).unwrap();
        assert_eq!(any.to_string(), "0.0.0.0:2377");
        assert_eq!(listen("eth0:4000", &host).unwrap().to_string(), "192.0.2.1:4000");
        assert_eq!(advertise("eth0", &any, &host, &docker()).unwrap().to_string(), "192.0.2.1:2377");
        assert_eq!(advertise("[2001:db8::1]:7", &any, &host, &docker()).unwrap().to_string(), "[2001:db8::1]:7");
    }

    #[test]
    fn an_address_that_was_not_given_follows_the_host() {
        let (before, any) = (host(), listen("0.0.0.0", &host()).unwrap());
        let one = listen("192.0.2.1", &before).unwrap();
        let interface = Advertised::Interface("eth0".into());
        assert_eq!(advertised("eth0:7", &any, &before), interface);
        assert_eq!(advertised("192.0.2.1", &any, &before), Advertised::Given);
        assert_eq!(advertised("", &one, &before), Advertised::Given);
        assert_eq!(advertised("", &any, &before), Advertised::Chosen);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (old, new) = (address("192.0.2.1"), address("192.0.2.33"));
        let mut after = host();
        after.pop();
        after[1].addresses = vec![new];
        let moved_to = |advertised: &Advertised, found, after: &[Interface]| moved(old, advertised, found, after);
        assert_eq!(moved_to(&interface, None, &after), Some(new));
        assert_eq!(moved_to(&interface, None, &before), None, "it is the same one");
        assert_eq!(moved_to(&interface, None, &[]), None, "the interface may come yet");
        assert_eq!(moved_to(&Advertised::Given, Some(new), &after), None);
        assert_eq!(moved_to(&Advertised::Chosen, Some(new), &before), None, "the host has it still");
        assert_eq!(moved_to(&Advertised::Chosen, Some(new), &after), Some(new));
        assert_eq!(moved_to(&Advertised::Chosen, None, &after), None, "nobody knows which one the others reach");
        assert_eq!(moved_to(&Advertised::Chosen, Some(address("127.0.0.1")), &after), None, "no way to others");
        for early in ["fe80::1", "2001:db8::1"].map(address) {
            after[1].addresses = vec![early];
            assert_eq!(moved_to(&interface, None, &after), None, "the other one may come yet");
            assert_eq!(moved_to(&Advertised::Chosen, Some(early), &after), None, "the other one may come yet");
        }
    }

    #[test]
    fn refuses_in_dockers_words() {
        let host = host();
        let any = listen("0.0.0.0", &host).unwrap();
        let said = |given: &str| advertise(given, &any, &host, &docker()).unwrap_err().message;
        assert!(said("nonsense").starts_with("advertise address must be a non-zero IP address"));
        assert!(said("0.0.0.0").starts_with("advertise address must be a non-zero IP address"));
        assert_eq!(said("two"), "interface two has more than one IPv4 address (192.0.2.9 and 192.0.2.10)");
        assert!(said("").contains("multiple addresses on interface two (192.0.2.9 and 192.0.2.10)"), "{}", said(""));
    }

    #[test]
    fn finds_the_only_address_beside_dockers_own() {
        let host = &host()[..3];
        let any = listen("0.0.0.0", host).unwrap();
        assert_eq!(advertise("", &any, host, &docker()).unwrap().to_string(), "192.0.2.1:2377");
        assert!(advertise("", &any, host, &[]).is_err(), "docker0 counts unless it is known to be dockerd's");
    }
}
