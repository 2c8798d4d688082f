//! Where the containers of this host are plugged into the bridges of its networks: the host's ends of their links.
//!
//! dockerd does not tell them; what tells is the container's own end, which names the other one. Found by
//! [`super::discovery`] when it finds a container, used by [`super::overlay`] to mend and to guard bridges.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use gam_core::model::NetworkId;
use gam_core::plane::Mac;

use super::interfaces::interfaces_in;
use super::namespace::Namespace;

/// One container's link on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plug {
    /// The network.
    pub network: NetworkId,
    /// The number of the host's end.
    pub index: u32,
    /// The hardware address of the container's end.
    pub mac: Option<Mac>,
    /// The container's addresses there.
    pub addresses: Vec<IpAddr>,
    /// The container's network namespace.
    pub namespace: Namespace,
}

/// Those of all containers, by the engine's ids.
pub type Plugs = BTreeMap<String, Vec<Plug>>;

/// The links of the container in `namespace`, which has these places.
pub async fn plugs_of(namespace: &Namespace, places: &[(NetworkId, Vec<IpAddr>)]) -> io::Result<Vec<Plug>> {
    let links = interfaces_in(namespace).await?;
    let plug = |(network, addresses): &(NetworkId, Vec<IpAddr>)| {
        let link = links.iter().find(|link| addresses.iter().any(|address| link.addresses.contains(address)))?;
        Some(Plug {
            network: *network,
            index: link.peer?,
            mac: link.mac,
            addresses: addresses.clone(),
            namespace: namespace.clone(),
        })
    };
    Ok(places.iter().filter_map(plug).collect())
}
