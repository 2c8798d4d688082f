//! Endpoints as text, and what is told about them.
//!
//! ```text
//! net web.1 10.0.1.3,fd00::3 web=10.0.1.2 +www    network, name, addresses, service=virtual addresses (none: dnsrr),
//!                                                 +a further name (of the service, or of a container without one), down
//! ```

mod balance;
mod leavers;
mod mesh;
mod names;
mod returns;

use std::collections::BTreeMap;

use super::*;

/// The networks of the tests, by number.
const NETWORKS: [&str; 4] = ["net", "other", "a.b", "ingress"];

fn id(network: &str) -> NetworkId {
    let at = NETWORKS.iter().position(|name| *name == network).unwrap_or_else(|| panic!("no network {network}"));
    NetworkId::from(at as u128 + 1)
}

fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(',').filter(|text| !text.is_empty()).map(|text| text.parse().unwrap()).collect()
}

fn endpoints(text: &str) -> Vec<Endpoint> {
    text.lines().filter(|line| !line.trim().is_empty()).map(endpoint).collect()
}

fn endpoint(line: &str) -> Endpoint {
    let words: Vec<&str> = line.split_whitespace().collect();
    let further: Vec<String> = words.iter().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect();
    let service = words[3..].iter().find_map(|word| word.split_once('=')).map(|(name, virtual_ips)| {
        Arc::new(Served { name: name.into(), aliases: further.clone(), virtual_ips: addresses(virtual_ips) })
    });
    Endpoint {
        network: id(words[0]),
        name: words[1].into(),
        aliases: if service.is_some() { Vec::new() } else { further },
        addresses: addresses(words[2]),
        service,
        up: !words.contains(&"down"),
    }
}

#[test]
fn what_a_node_is_told_becomes_endpoints() {
    use crate::assignment::Assignments;
    use crate::fixture::Fixture;

    let mut fixture = Fixture::new(
        "network net 10.0.1.0/24
        node n1 ready
        node n2 ready
        service web network=net replicas=2
        service rr network=net mode=dnsrr
        attach Box n2 net=10.0.1.9/24",
    );
    fixture.plan(crate::allocator::plan);
    fixture.add(
        "task web.1 n1 running net=10.0.1.20/24
        task web.2 n2 starting net=10.0.1.21/24
        task rr.1 n2 running net=10.0.1.22/24",
    );
    let known = Assignments::of(&fixture.state, fixture.node("n1"));
    let told: Vec<String> = super::endpoints(&known)
        .iter()
        .map(|endpoint| {
            let service =
                endpoint.service.as_ref().map(|service| format!("{}={:?}", service.name, service.virtual_ips));
            let name = endpoint.name.split('.').next().unwrap();
            format!("{name} {:?} {} {}", endpoint.addresses, service.unwrap_or_default(), endpoint.up)
        })
        .collect();
    let mut told: Vec<&str> = told.iter().map(String::as_str).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "Box [10.0.1.9]  false",
            "rr [10.0.1.22] rr=[] true",
            "web [10.0.1.20] web=[10.0.1.10] true",
            "web [10.0.1.21] web=[10.0.1.10] false",
        ]
    );
}
