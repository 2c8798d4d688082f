//! The interfaces of the host, or of a container, and their addresses, by netlink.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use gam_core::plane::Mac;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags};

use super::namespace::Namespace;

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// `eth0`
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// What its packets may measure, in bytes.
    pub mtu: u32,
    /// Its hardware address, if that is of the usual kind.
    pub mac: Option<Mac>,
    /// The number of the bridge that it is a port of.
    pub controller: Option<u32>,
    /// The number of the other end of a pair, in the namespace where that is.
    pub peer: Option<u32>,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<IpAddr>,
}

/// Lists the interfaces of this network namespace, by index.
pub async fn interfaces() -> std::io::Result<Vec<Interface>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let listed = list(&handle).await;
    connection.abort();
    listed.map_err(std::io::Error::other)
}

/// The same of a container.
pub async fn interfaces_in(namespace: &Namespace) -> std::io::Result<Vec<Interface>> {
    let (handle, connection) = open_in(namespace).await?;
    let listed = list(&handle).await;
    connection.abort();
    listed.map_err(std::io::Error::other)
}

async fn open_in(namespace: &Namespace) -> std::io::Result<(rtnetlink::Handle, tokio::task::JoinHandle<()>)> {
    let runtime = tokio::runtime::Handle::current();
    let open = move || {
        let _entered = runtime.enter();
        rtnetlink::new_connection()
    };
    let (connection, handle, _) = namespace.run(open).await?;
    Ok((handle, tokio::spawn(connection)))
}

/// Gives the link of a container that has this address this hardware address.
pub async fn set_mac(namespace: &Namespace, address: IpAddr, mac: Mac) -> std::io::Result<()> {
    let (handle, connection) = open_in(namespace).await?;
    let set = async {
        let listed = list(&handle).await?;
        let Some(link) = listed.iter().find(|link| link.addresses.contains(&address)) else { return Ok(()) };
        let message = rtnetlink::LinkUnspec::new_with_index(link.index).address(mac.to_vec());
        handle.link().set(message.build()).execute().await
    };
    let set: Result<(), rtnetlink::Error> = set.await;
    connection.abort();
    set.map_err(std::io::Error::other)
}

async fn list(handle: &rtnetlink::Handle) -> Result<Vec<Interface>, rtnetlink::Error> {
    let mut found: BTreeMap<u32, Interface> = BTreeMap::new();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await? {
        let interface = found.entry(link.header.index).or_default();
        interface.index = link.header.index;
        interface.up = link.header.flags.contains(LinkFlags::Up);
        interface.loopback = link.header.flags.contains(LinkFlags::Loopback);
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::IfName(name) => interface.name = name,
                LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
                LinkAttribute::Address(mac) => interface.mac = mac.try_into().ok(),
                LinkAttribute::Controller(bridge) => interface.controller = Some(bridge),
                LinkAttribute::Link(peer) => interface.peer = Some(peer),
                _ => {}
            }
        }
    }
    let mut addresses = handle.address().get().execute();
    while let Some(address) = addresses.try_next().await? {
        let Some(interface) = found.get_mut(&address.header.index) else { continue };
        // `Local` is the interface's own end; `Address` is the peer's on a point-to-point link.
        let local = address.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(ip) => Some(*ip),
            _ => None,
        });
        let own = local.or_else(|| {
            address.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(ip) => Some(*ip),
                _ => None,
            })
        });
        interface.addresses.extend(own);
    }
    Ok(found.into_values().collect())
}
