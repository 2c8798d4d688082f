//! VXLAN devices and their tables in this network namespace, by netlink: what there is, and one step at a time.
//!
//! Decides nothing: [`gam_core::plane`] says what to do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use gam_core::plane::{Bridge, Hop, Mac, PREFIX, Plane, Port, Step, Tunnel};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVxlan};
use tokio::task::JoinHandle;

use crate::network::bridges::Repair;

/// A way to the kernel's tables.
pub struct Kernel {
    handle: Handle,
    connection: JoinHandle<()>,
    /// The numbers of all links, by name.
    links: BTreeMap<String, u32>,
}

/// The kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No netlink socket could be had.
    #[error("cannot speak to the kernel")]
    Open(#[source] std::io::Error),
    /// A table could not be read.
    #[error("cannot read {0}")]
    Read(&'static str, #[source] Box<rtnetlink::Error>),
    /// A step could not be made.
    #[error("the kernel refuses {0:?}")]
    Refused(Box<Step>, #[source] Box<rtnetlink::Error>),
    /// A bridge could not be mended.
    #[error("the kernel refuses {0:?}")]
    Unmended(Box<Repair>, #[source] Box<rtnetlink::Error>),
    /// A step names a link that is not there.
    #[error("there is no link {0}")]
    NoLink(String),
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Kernel {
    /// Opens it.
    pub fn open() -> Result<Kernel, KernelError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(KernelError::Open)?;
        Ok(Kernel { handle, connection: tokio::spawn(connection), links: BTreeMap::new() })
    }

    /// What there is of ours.
    pub async fn see(&mut self) -> Result<Plane, KernelError> {
        let links = self.learn_links().await?;
        let names: BTreeMap<u32, &str> = links.iter().map(|link| (link.header.index, name(link))).collect();
        let ours = links.iter().filter(|link| name(link).starts_with(PREFIX));
        let mut ports: BTreeMap<u32, Port> = ours.map(|link| (link.header.index, port(link, &names))).collect();
        if ports.is_empty() {
            return Ok(Plane::new());
        }
        let read = |error| KernelError::Read("forwarding entries", Box::new(error));
        let request = self.handle.neighbours().get().set_address_family(AddressFamily::Bridge);
        let forwards: Vec<NeighbourMessage> = request.execute().try_collect().await.map_err(read)?;
        for (index, mac, behind) in forwards.iter().filter_map(|entry| forward(entry, &names)) {
            if let Some(port) = ports.get_mut(&index) {
                port.forwards.insert(mac, behind);
            }
        }
        let read = |error| KernelError::Read("neighbours", Box::new(error));
        let neighbours: Vec<NeighbourMessage> =
            self.handle.neighbours().get().execute().try_collect().await.map_err(read)?;
        for (index, host, mac) in neighbours.iter().filter_map(neighbour) {
            if let Some(port) = ports.get_mut(&index) {
                port.neighbours.insert(host, mac);
            }
        }
        let name = |index: u32| names.get(&index).map_or_else(String::new, |name| (*name).to_owned());
        Ok(ports.into_iter().map(|(index, port)| (name(index), port)).collect())
    }

    /// Makes one step. What is to be removed may be gone already.
    pub async fn perform(&mut self, step: &Step) -> Result<(), KernelError> {
        let neighbours = self.handle.neighbours();
        let done = match step {
            Step::Remove(name) => gone(self.handle.link().del(self.index(name)?).execute().await),
            Step::Make(name, tunnel) => self.make(name, tunnel).await?,
            Step::Settle(name, bridge) => {
                let message = LinkUnspec::new_with_index(self.index(name)?).mtu(bridge.mtu);
                self.handle.link().set(message.controller(self.index(&bridge.name)?).up().build()).execute().await
            }
            Step::Forward(name, mac, behind) => {
                let mut request = neighbours.add_bridge(self.index(name)?, mac).destination(behind.address);
                request.message_mut().attributes.extend(self.via(behind)?);
                request.flags(NeighbourFlags::Own).replace().execute().await
            }
            Step::Neighbour(name, host, mac) => {
                neighbours.add(self.index(name)?, *host).link_layer_address(mac).replace().execute().await
            }
            Step::Unforward(name, mac, behind) => {
                let mut entry = neighbours.add_bridge(self.index(name)?, mac).destination(behind.address);
                entry.message_mut().header.flags = NeighbourFlags::Own;
                entry.message_mut().attributes.extend(self.via(behind)?);
                gone(neighbours.del(entry.message_mut().clone()).execute().await)
            }
            Step::Unneighbour(name, host) => {
                let mut entry = neighbours.add(self.index(name)?, *host);
                gone(neighbours.del(entry.message_mut().clone()).execute().await)
            }
        };
        done.map_err(|error| KernelError::Refused(Box::new(step.clone()), Box::new(error)))
    }

    /// Mends a bridge. What the links are is asked anew each time: there is seldom something to be mended.
    pub async fn mend(&mut self, repair: &Repair) -> Result<(), KernelError> {
        let links = self.handle.link();
        if !matches!(repair, Repair::Make { .. }) {
            self.learn_links().await?;
        }
        let done = match repair {
            Repair::Make { name, mtu, mac, .. } => {
                let bridge = LinkBridge::new(name).mtu(*mtu).up();
                let bridge = mac.iter().fold(bridge, |bridge, mac| bridge.address(mac.to_vec()));
                links.add(bridge.build()).execute().await
            }
            Repair::Raise(name) => {
                links.set(LinkUnspec::new_with_index(self.index(name)?).up().build()).execute().await
            }
            Repair::Address(name, address, length) => {
                self.handle.address().add(self.index(name)?, *address, *length).replace().execute().await
            }
            Repair::Plug(plug, bridge) => {
                let message = LinkUnspec::new_with_index(*plug).controller(self.index(bridge)?).up();
                gone(links.set(message.build()).execute().await)
            }
        };
        done.map_err(|error| KernelError::Unmended(Box::new(repair.clone()), Box::new(error)))
    }

    /// Removes a bridge, if it is there.
    pub async fn remove(&mut self, bridge: &str) -> Result<(), KernelError> {
        self.learn_links().await?;
        if !self.links.contains_key(bridge) {
            return Ok(());
        }
        self.perform(&Step::Remove(bridge.to_owned())).await
    }

    async fn learn_links(&mut self) -> Result<Vec<LinkMessage>, KernelError> {
        let read = |error| KernelError::Read("links", Box::new(error));
        let links: Vec<LinkMessage> = self.handle.link().get().execute().try_collect().await.map_err(read)?;
        self.links = links.iter().map(|link| (name(link).to_owned(), link.header.index)).collect();
        Ok(links)
    }

    async fn make(&mut self, name: &str, tunnel: &Tunnel) -> Result<Result<(), rtnetlink::Error>, KernelError> {
        let device = LinkVxlan::new(name, tunnel.vni).port(tunnel.port).learning(false).proxy(true);
        let device = match tunnel.local {
            Some(IpAddr::V4(local)) => device.local(local),
            Some(IpAddr::V6(local)) => device.local6(local),
            None => device,
        };
        let device = match &tunnel.over {
            Some(over) => device.dev(self.index(over)?),
            None => device,
        };
        let device = device.mtu(tunnel.bridge.mtu).controller(self.index(&tunnel.bridge.name)?).up();
        if let Err(error) = self.handle.link().add(device.build()).execute().await {
            return Ok(Err(error));
        }
        let read = |error| KernelError::Read("a link", Box::new(error));
        let mut made = self.handle.link().get().match_name(name).execute();
        while let Some(link) = made.try_next().await.map_err(read)? {
            self.links.insert(name.to_owned(), link.header.index);
        }
        Ok(Ok(()))
    }

    fn via(&self, hop: &Hop) -> Result<Option<NeighbourAttribute>, KernelError> {
        hop.over.as_ref().map(|over| Ok(NeighbourAttribute::IfIndex(self.index(over)?))).transpose()
    }

    fn index(&self, name: &str) -> Result<u32, KernelError> {
        self.links.get(name).copied().ok_or_else(|| KernelError::NoLink(name.to_owned()))
    }
}

/// That something is gone already is as good as that it was removed.
fn gone(removed: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    const ABSENT: [i32; 2] = [rustix::io::Errno::NOENT.raw_os_error(), rustix::io::Errno::NODEV.raw_os_error()];
    match removed {
        Err(rtnetlink::Error::NetlinkError(error)) if ABSENT.contains(&-error.raw_code()) => Ok(()),
        other => other,
    }
}

fn name(link: &LinkMessage) -> &str {
    let named = |attribute: &'_ LinkAttribute| matches!(attribute, LinkAttribute::IfName(_));
    match link.attributes.iter().find(|attribute| named(attribute)) {
        Some(LinkAttribute::IfName(name)) => name,
        _ => "",
    }
}

/// A device without its tables. One that is not up, or on no bridge, has a bridge without a name.
fn port(link: &LinkMessage, names: &BTreeMap<u32, &str>) -> Port {
    let (mut bridge, mut tunnel) = (Bridge { name: String::new(), mtu: 0 }, None);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => bridge.mtu = *mtu,
            LinkAttribute::Controller(index) => bridge.name = names.get(index).copied().unwrap_or_default().to_owned(),
            LinkAttribute::LinkInfo(infos) => tunnel = vxlan(infos, names),
            _ => {}
        }
    }
    if !link.header.flags.contains(LinkFlags::Up) {
        bridge.name.clear();
    }
    let tunnel = tunnel.map(|tunnel| Tunnel { bridge, ..tunnel });
    Port { tunnel, forwards: BTreeMap::new(), neighbours: BTreeMap::new() }
}

/// A device without its bridge, if it is one that learns nothing and answers for its neighbours.
fn vxlan(infos: &[LinkInfo], names: &BTreeMap<u32, &str>) -> Option<Tunnel> {
    if !infos.contains(&LinkInfo::Kind(InfoKind::Vxlan)) {
        return None;
    }
    let data = infos.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vxlan(data)) => Some(data),
        _ => None,
    })?;
    let (mut vni, mut port, mut local, mut over, mut is_ours) = (0, 0, None, None, [false; 2]);
    for info in data {
        match info {
            InfoVxlan::Id(number) => vni = *number,
            InfoVxlan::Port(number) => port = *number,
            InfoVxlan::Local(address) => local = Some(IpAddr::V4(*address)),
            InfoVxlan::Local6(address) => local = Some(IpAddr::V6(*address)),
            InfoVxlan::Link(index) => over = Some(names.get(index).copied().unwrap_or_default().to_owned()),
            InfoVxlan::Learning(learns) => is_ours[0] = !learns,
            InfoVxlan::Proxy(answers) => is_ours[1] = *answers,
            _ => {}
        }
    }
    let bridge = Bridge { name: String::new(), mtu: 0 };
    (is_ours == [true; 2]).then_some(Tunnel { vni, port, local, over, bridge })
}

/// An entry of a VXLAN device's own table; those of the bridge have no destination.
fn forward(entry: &NeighbourMessage, names: &BTreeMap<u32, &str>) -> Option<(u32, Mac, Hop)> {
    let (mut behind, mut over) = (None, None);
    for attribute in &entry.attributes {
        match attribute {
            NeighbourAttribute::Destination(address) => behind = ip(address),
            NeighbourAttribute::IfIndex(index) => over = names.get(index).map(|name| (*name).to_owned()),
            _ => {}
        }
    }
    Some((entry.header.ifindex, mac(entry)?, Hop { address: behind?, over }))
}

/// A permanent entry of the kernel's table of neighbours.
fn neighbour(entry: &NeighbourMessage) -> Option<(u32, IpAddr, Mac)> {
    let host = entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(address) => ip(address),
        _ => None,
    });
    let is_static = entry.header.state == NeighbourState::Permanent;
    Some((entry.header.ifindex, host?, mac(entry)?)).filter(|_| is_static)
}

fn mac(entry: &NeighbourMessage) -> Option<Mac> {
    entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(address) => Mac::try_from(address.as_slice()).ok(),
        _ => None,
    })
}

/// In the tables of bridges addresses of both families stand as bytes.
fn ip(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(address) => Some(IpAddr::V4(*address)),
        NeighbourAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        NeighbourAddress::Other(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes.as_slice()).ok().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
            _ => <[u8; 16]>::try_from(bytes.as_slice()).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
        },
        _ => None,
    }
}
