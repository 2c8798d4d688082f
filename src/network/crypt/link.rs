//! The link of the tunnel in this network namespace, by netlink, whoever moves its packets: its address, its size, that it is up.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use futures_util::TryStreamExt;
use gam_core::crypt::DEVICE;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkUnspec, LinkWireguard};

use crate::network::interfaces::Interface;

/// The addresses of all nodes on the device are of one local link.
const PREFIX_LENGTH: u8 = 64;

/// Whether the link is as it should be, going by what the host's interfaces are.
pub fn is_settled(interfaces: &[Interface], mtu: u32, address: Ipv6Addr) -> bool {
    let found = interfaces.iter().find(|interface| interface.name == DEVICE);
    found.is_some_and(|link| link.up && link.mtu == mtu && link.addresses.contains(&IpAddr::V6(address)))
}

/// Makes it so.
pub async fn settle(mtu: u32, address: Ipv6Addr) -> Result<(), rtnetlink::Error> {
    with(async |handle| {
        let Some(link) = find(&handle).await? else { return Err(rtnetlink::Error::RequestFailed) };
        let index = link.header.index;
        allow_ipv6();
        handle.link().set(LinkUnspec::new_with_index(index).mtu(mtu).up().build()).execute().await?;
        handle.address().add(index, IpAddr::V6(address), PREFIX_LENGTH).replace().execute().await
    })
    .await
}

/// On hosts that have IPv6 switched off by a setting it is needed on this link all the same. If it cannot be had, the address is
/// refused, and that is said.
fn allow_ipv6() {
    let setting = Path::new("/proc/sys/net/ipv6/conf").join(DEVICE).join("disable_ipv6");
    if std::fs::read_to_string(&setting).is_ok_and(|now| now.trim() != "0") {
        // See above.
        let _ = std::fs::write(&setting, "0");
    }
}

/// Whether the link is there.
pub async fn is_there() -> Result<bool, rtnetlink::Error> {
    with(async |handle| Ok(find(&handle).await?.is_some())).await
}

/// Removes the link, if it is there.
pub async fn remove() -> Result<(), rtnetlink::Error> {
    with(async |handle| match find(&handle).await? {
        Some(link) => handle.link().del(link.header.index).execute().await,
        None => Ok(()),
    })
    .await
}

/// Makes the link one of the kernel's WireGuard, unless it is that already; `false` if the kernel has none.
pub async fn make_wireguard() -> Result<bool, rtnetlink::Error> {
    with(async |handle| {
        if find(&handle).await?.as_ref().is_some_and(is_wireguard) {
            return Ok(true);
        }
        match handle.link().add(LinkWireguard::new(DEVICE).build()).execute().await {
            Ok(()) => Ok(true),
            // A kernel without it says that it does not know the type. Whatever else it means, the other way may be open.
            Err(error) => {
                tracing::debug!(%error, "the kernel makes no WireGuard device");
                Ok(false)
            }
        }
    })
    .await
}

fn is_wireguard(link: &LinkMessage) -> bool {
    let is_kind = |info: &LinkInfo| *info == LinkInfo::Kind(InfoKind::Wireguard);
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.iter().any(is_kind),
        _ => false,
    })
}

async fn find(handle: &Handle) -> Result<Option<LinkMessage>, rtnetlink::Error> {
    const ABSENT: i32 = rustix::io::Errno::NODEV.raw_os_error();
    match handle.link().get().match_name(DEVICE.to_owned()).execute().try_next().await {
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -ABSENT => Ok(None),
        found => found,
    }
}

async fn with<T>(act: impl AsyncFnOnce(Handle) -> Result<T, rtnetlink::Error>) -> Result<T, rtnetlink::Error> {
    let opened = rtnetlink::new_connection();
    let (connection, handle, _) = opened.map_err(|error| rtnetlink::Error::NamespaceError(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let done = act(handle).await;
    connection.abort();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_s_own_is_taken_over() {
        let link = |kind: Option<InfoKind>| {
            let mut link = LinkMessage::default();
            link.attributes = vec![LinkAttribute::Mtu(1420)];
            link.attributes.extend(kind.map(|kind| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)])));
            link
        };
        assert!(is_wireguard(&link(Some(InfoKind::Wireguard))));
        assert!(!is_wireguard(&link(Some(InfoKind::Tun))) && !is_wireguard(&link(None)));
    }
}
