//! Puts the ways back to the mesh's nodes into a task's network namespace: a neighbour, a route and a rule for each. What they
//! are, and the marks by which connections find them, is decided by [`gam_core::discovery::returns`].

mod watch;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use gam_core::discovery::returns::{Returns, mark, neighbour, neighbour_number, number};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Error, Handle, IpVersion, RouteMessageBuilder};

use crate::network::namespace::Namespace;
pub use watch::Watch;

/// Where the rules stand among those of the namespace: before the main table's.
const PRIORITY: u32 = 90;

/// Makes the ways back be these; the marks that lead to them come with the rest of the sandbox's rules. What `watch` has seen
/// until then does not count any more. `false` if the container has no interface on the mesh.
pub async fn lead_back(namespace: &Namespace, returns: &Returns, watch: &Watch) -> io::Result<bool> {
    watch.reset();
    let runtime = tokio::runtime::Handle::current();
    let opening = namespace.run(move || {
        let _inside = runtime.enter();
        rtnetlink::new_connection()
    });
    let (connection, handle, _) = opening.await?;
    let connection = tokio::spawn(connection);
    let done = ways(&handle, returns).await;
    connection.abort();
    let Some(interface) = done.map_err(io::Error::other)? else { return Ok(false) };
    // Clients come in where the way to them does not lead out.
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
    namespace.run(move || std::fs::write(path, "2")).await?;
    Ok(true)
}

/// Brings neighbours, routes and rules up to date; returns the name of the mesh's interface, if it is there.
async fn ways(handle: &Handle, returns: &Returns) -> Result<Option<String>, Error> {
    let wanted: BTreeSet<u16> = returns.nodes.values().copied().collect();
    let known = clear(handle, &wanted).await?;
    let Some(index) = interface(handle, returns.address).await? else { return Ok(None) };
    for (mac, number) in &returns.nodes {
        let way = neighbour(*number);
        let entry = handle.neighbours().add(index, IpAddr::V4(way)).link_layer_address(mac);
        entry.state(NeighbourState::Permanent).replace().execute().await?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new().table_id(mark(*number)).gateway(way);
        let route = route.output_interface(index).onlink().build();
        handle.route().add(route).replace().execute().await?;
        if !known.contains(number) {
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

/// Removes the ways to nodes that are not wanted; returns the nodes that have a rule.
async fn clear(handle: &Handle, wanted: &BTreeSet<u16>) -> Result<BTreeSet<u16>, Error> {
    let is_gone = |number: &u16| !wanted.contains(number);
    let rules: Vec<RuleMessage> = handle.rule().get(IpVersion::V4).execute().try_collect().await?;
    let rules: Vec<(u16, RuleMessage)> = rules.into_iter().filter_map(|rule| Some((of_rule(&rule)?, rule))).collect();
    for (_, rule) in rules.iter().filter(|(number, _)| is_gone(number)) {
        unless_gone(handle.rule().del(rule.clone()).execute().await)?;
    }
    let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let routes: Vec<RouteMessage> = handle.route().get(all).execute().try_collect().await?;
    for route in routes.into_iter().filter(|route| of_route(route).as_ref().is_some_and(is_gone)) {
        unless_gone(handle.route().del(route).execute().await)?;
    }
    let all = handle.neighbours().get().set_address_family(AddressFamily::Inet).execute();
    let neighbours: Vec<NeighbourMessage> = all.try_collect().await?;
    for entry in neighbours.into_iter().filter(|entry| of_neighbour(entry).as_ref().is_some_and(is_gone)) {
        unless_gone(handle.neighbours().del(entry).execute().await)?;
    }
    Ok(rules.into_iter().map(|(number, _)| number).filter(|number| !is_gone(number)).collect())
}

/// What went meanwhile is as good as removed.
fn unless_gone(done: Result<(), Error>) -> Result<(), Error> {
    use rustix::io::Errno;

    let gone = [Errno::NOENT, Errno::SRCH, Errno::NODEV].map(|code| -code.raw_os_error());
    match done {
        Err(Error::NetlinkError(error)) if gone.contains(&error.raw_code()) => Ok(()),
        done => done,
    }
}

/// The number of the node that one of our rules is for.
fn of_rule(rule: &RuleMessage) -> Option<u16> {
    let has = |attribute: &RuleAttribute| matches!(attribute, RuleAttribute::Priority(PRIORITY));
    let mark = |attribute: &RuleAttribute| match attribute {
        RuleAttribute::FwMark(mark) => number(*mark),
        _ => None,
    };
    rule.attributes.iter().any(has).then(|| rule.attributes.iter().find_map(mark))?
}

/// The same of a route: ours are in tables of their own.
fn of_route(route: &RouteMessage) -> Option<u16> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => number(*table),
        _ => None,
    })
}

/// The same of a neighbour.
fn of_neighbour(entry: &NeighbourMessage) -> Option<u16> {
    let address = entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
        _ => None,
    })?;
    let mac = entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(mac) => <[u8; 6]>::try_from(&mac[..]).ok(),
        _ => None,
    })?;
    (entry.header.state == NeighbourState::Permanent).then(|| neighbour_number(address, mac))?
}

/// The number of the interface with this address.
async fn interface(handle: &Handle, address: Ipv4Addr) -> Result<Option<u32>, Error> {
    let mut addresses = handle.address().get().execute();
    while let Some(found) = addresses.try_next().await? {
        if found.attributes.contains(&AddressAttribute::Local(IpAddr::V4(address))) {
            return Ok(Some(found.header.index));
        }
    }
    Ok(None)
}
