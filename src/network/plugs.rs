//! Where the containers of this host are plugged into the bridges of its networks: the host's ends of their links.
//!
//! dockerd does not tell them; what tells is the container's own end, which names the other one. Found by
//! [`super::discovery`] when it finds a container, used by [`super::overlay`] to mend and to guard bridges.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use gam_core::model::NetworkId;
use gam_core::plane::Mac;

use super::interfaces::{Interface, interfaces_in};
use super::namespace::Namespace;

/// One container's link on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plug {
    /// The network.
    pub network: NetworkId,
    /// The number of the host's end, as the container's end names it: the container may have made that itself.
    pub index: u32,
    /// The number of the container's end, which the host's end names.
    pub inner: u32,
    /// The hardware address of the container's end.
    pub mac: Option<Mac>,
    /// The container's addresses there.
    pub addresses: Vec<IpAddr>,
    /// The container's network namespace.
    pub namespace: Namespace,
}

/// Those of all containers, by the engine's ids.
pub type Plugs = BTreeMap<String, Vec<Plug>>;

impl Plug {
    /// The host's end, if it is one: a link of a pair with the container's end, and nothing that the host uses itself. A
    /// container that may make links can name any number.
    pub fn host_end<'a>(&self, links: &'a [Interface]) -> Option<&'a Interface> {
        let is_end = |link: &&Interface| {
            link.index == self.index && link.peer == Some(self.inner) && link.addresses.iter().all(is_link_local)
        };
        links.iter().find(is_end)
    }
}

/// What the kernel gives a link by itself.
fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The links of the container in `namespace`, which has these places.
pub async fn plugs_of(namespace: &Namespace, places: &[(NetworkId, Vec<IpAddr>)]) -> io::Result<Vec<Plug>> {
    let links = interfaces_in(namespace).await?;
    let plug = |(network, addresses): &(NetworkId, Vec<IpAddr>)| {
        let link = links.iter().find(|link| addresses.iter().any(|address| link.addresses.contains(address)))?;
        Some(Plug {
            network: *network,
            index: link.peer?,
            inner: link.index,
            mac: link.mac,
            addresses: addresses.clone(),
            namespace: namespace.clone(),
        })
    };
    Ok(places.iter().filter_map(plug).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_container_names_no_link_but_the_other_end_of_its_own() {
        let namespace = Namespace::open(Path::new("/proc/self/ns/net")).unwrap();
        let plug = |index, inner| Plug {
            network: 7.into(),
            index,
            inner,
            mac: None,
            addresses: Vec::new(),
            namespace: namespace.clone(),
        };
        let link = |index, peer, addresses: &[&str]| Interface {
            index,
            peer,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Interface::default()
        };
        let links = [link(2, None, &["192.0.2.7"]), link(5, Some(3), &["fe80::1"]), link(6, Some(3), &["192.0.2.8"])];
        let found = |index, inner| plug(index, inner).host_end(&links).map(|link| link.index);
        assert_eq!(found(5, 3), Some(5));
        assert_eq!(found(5, 4), None, "the other end of another pair");
        assert_eq!(found(2, 3), None, "the host's own link");
        assert_eq!(found(6, 3), None, "the host uses it itself");
    }
}
