//! Puts the ways back to the mesh's nodes into a task's network namespace: a neighbour, a route and a rule for each. What they
//! are, and the marks by which connections find them, is decided by [`gam_core::discovery::returns`].

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use gam_core::discovery::returns::{Returns, mark, neighbour, number};
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::neighbour::NeighbourState;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

use crate::network::namespace::Namespace;

/// Where the rules stand among those of the namespace: before the main table's.
const PRIORITY: u32 = 90;

/// Makes the ways back be these; the marks that lead to them come with the rest of the sandbox's rules.
pub async fn lead_back(namespace: &Namespace, returns: &Returns) -> io::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let opening = namespace.run(move || {
        let _inside = runtime.enter();
        rtnetlink::new_connection()
    });
    let (connection, handle, _) = opening.await?;
    let connection = tokio::spawn(connection);
    let done = ways(&handle, returns).await;
    connection.abort();
    if let Some(interface) = done.map_err(io::Error::other)? {
        // Clients come in where the way to them does not lead out.
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
        namespace.run(move || std::fs::write(path, "2")).await?;
    }
    Ok(())
}

/// Brings neighbours, routes and rules up to date; returns the name of the mesh's interface.
async fn ways(handle: &Handle, returns: &Returns) -> Result<Option<String>, rtnetlink::Error> {
    let rules: Vec<RuleMessage> = handle.rule().get(IpVersion::V4).execute().try_collect().await?;
    let old: Vec<(u16, RuleMessage)> = rules.into_iter().filter_map(|rule| Some((ours(&rule)?, rule))).collect();
    let wanted: BTreeSet<u16> = returns.nodes.values().copied().collect();
    for (_, rule) in old.iter().filter(|(number, _)| !wanted.contains(number)) {
        handle.rule().del(rule.clone()).execute().await?;
    }
    let Some(index) = interface(handle, returns.address).await? else { return Ok(None) };
    for (mac, number) in &returns.nodes {
        let way = neighbour(*number);
        let entry = handle.neighbours().add(index, IpAddr::V4(way)).link_layer_address(mac);
        entry.state(NeighbourState::Permanent).replace().execute().await?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new().table_id(mark(*number)).gateway(way);
        let route = route.output_interface(index).onlink().build();
        handle.route().add(route).replace().execute().await?;
        if !old.iter().any(|(known, _)| known == number) {
            let rule = handle.rule().add().v4().priority(PRIORITY).fw_mark(mark(*number)).table_id(mark(*number));
            rule.action(RuleAction::ToTable).execute().await?;
        }
    }
    let mut links = handle.link().get().match_index(index).execute();
    while let Some(link) = links.try_next().await? {
        for attribute in link.attributes {
            if let LinkAttribute::IfName(name) = attribute {
                return Ok(Some(name));
            }
        }
    }
    Ok(None)
}

/// The number of the node that one of our rules is for.
fn ours(rule: &RuleMessage) -> Option<u16> {
    let has = |attribute: &RuleAttribute| matches!(attribute, RuleAttribute::Priority(PRIORITY));
    let mark = |attribute: &RuleAttribute| match attribute {
        RuleAttribute::FwMark(mark) => number(*mark),
        _ => None,
    };
    rule.attributes.iter().any(has).then(|| rule.attributes.iter().find_map(mark))?
}

/// The number of the interface with this address.
async fn interface(handle: &Handle, address: Ipv4Addr) -> Result<Option<u32>, rtnetlink::Error> {
    let mut addresses = handle.address().get().execute();
    while let Some(found) = addresses.try_next().await? {
        if found.attributes.contains(&AddressAttribute::Local(IpAddr::V4(address))) {
            return Ok(Some(found.header.index));
        }
    }
    Ok(None)
}
