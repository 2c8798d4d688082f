//! The link of the tunnel in this network namespace, by netlink, whoever moves its packets: its address, its size, that it is up.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use futures_util::TryStreamExt;
use gam_core::crypt::DEVICE;
use rtnetlink::{Handle, LinkUnspec};

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
    with_link(|handle, index| async move {
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

async fn with_link<F: Future<Output = Result<(), rtnetlink::Error>>>(
    act: impl FnOnce(Handle, u32) -> F,
) -> Result<(), rtnetlink::Error> {
    let opened = rtnetlink::new_connection();
    let (connection, handle, _) = opened.map_err(|error| rtnetlink::Error::NamespaceError(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let found = handle.link().get().match_name(DEVICE.to_owned()).execute().try_next().await;
    let done = match found {
        Ok(Some(link)) => act(handle, link.header.index).await,
        Ok(None) => Err(rtnetlink::Error::RequestFailed),
        Err(error) => Err(error),
    };
    connection.abort();
    done
}
