//! The kernel's own WireGuard, where it has one: a device that is told its keys and peers, and carries packets by itself, also
//! while Gam is stopped.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use futures_util::StreamExt;
use gam_core::crypt::{CryptPeer, DEVICE, Key};
use gam_core::model::NodeId;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_generic::GenlMessage;
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardCmd,
    WireguardDeviceFlags, WireguardMessage, WireguardPeer, WireguardPeerAttribute, WireguardPeerFlags,
};

use super::keys::Pair;
use super::link;
use super::peers::KEEPALIVE_S;

/// Peers in one message: an attribute of netlink holds 64 KiB, and a peer needs some 150 bytes.
const PEERS_MAX: usize = 128;

/// The device.
#[derive(Debug)]
pub struct Kernel {
    /// The UDP port.
    pub port: u16,
    /// What it was told.
    told: Option<(Key, BTreeMap<Key, CryptPeer>)>,
}

impl Kernel {
    /// Makes the device, or takes over that of an earlier run; `None` if the kernel has no WireGuard.
    pub async fn open(port: u16) -> Result<Option<Kernel>, rtnetlink::Error> {
        Ok(link::make_wireguard().await?.then_some(Kernel { port, told: None }))
    }

    /// Has these peers from now on, under that key. Sessions with those that are as before go on.
    pub async fn set(&mut self, own: &Pair, peers: &BTreeMap<NodeId, CryptPeer>) -> io::Result<()> {
        let wanted: BTreeMap<Key, CryptPeer> = peers.values().map(|peer| (peer.key, *peer)).collect();
        let told = self.told.take();
        for message in messages(own, self.port, told.as_ref(), &wanted) {
            tell(message).await?;
        }
        self.told = Some((own.public, wanted));
        Ok(())
    }
}

/// What the device is to be told, as a few messages.
fn messages(
    own: &Pair,
    port: u16,
    told: Option<&(Key, BTreeMap<Key, CryptPeer>)>,
    wanted: &BTreeMap<Key, CryptPeer>,
) -> Vec<Vec<WireguardAttribute>> {
    let known = told.filter(|(key, _)| *key == own.public).map(|(_, peers)| peers);
    let mut peers = Vec::new();
    for key in known.into_iter().flat_map(BTreeMap::keys).filter(|key| !wanted.contains_key(*key)) {
        let flags = WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe);
        peers.push(WireguardPeer(vec![WireguardPeerAttribute::PublicKey(*key), flags]));
    }
    let is_known = |peer: &CryptPeer| known.is_some_and(|known| known.get(&peer.key) == Some(peer));
    peers.extend(wanted.values().filter(|peer| !is_known(peer)).map(described));
    let name = || WireguardAttribute::IfName(DEVICE.to_owned());
    let mut messages = Vec::new();
    if known.is_none() {
        // Also what an earlier run has told it is of no use.
        messages.push(vec![
            name(),
            WireguardAttribute::Flags(WireguardDeviceFlags::ReplacePeers),
            WireguardAttribute::PrivateKey(own.secret.to_bytes()),
            WireguardAttribute::ListenPort(port),
        ]);
    }
    messages.extend(peers.chunks(PEERS_MAX).map(|some| vec![name(), WireguardAttribute::Peers(some.to_vec())]));
    messages
}

/// A peer as the kernel takes it. A new one with signs of life is greeted at once.
fn described(peer: &CryptPeer) -> WireguardPeer {
    WireguardPeer(vec![
        WireguardPeerAttribute::PublicKey(peer.key),
        WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
        WireguardPeerAttribute::Endpoint(peer.endpoint),
        WireguardPeerAttribute::PersistentKeepalive(KEEPALIVE_S),
        WireguardPeerAttribute::AllowedIps(vec![WireguardAllowedIp(vec![
            WireguardAllowedIpAttr::Family(WireguardAddressFamily::Ipv6),
            WireguardAllowedIpAttr::IpAddr(IpAddr::V6(peer.address)),
            WireguardAllowedIpAttr::Cidr(128),
        ])]),
    ])
}

async fn tell(attributes: Vec<WireguardAttribute>) -> io::Result<()> {
    let (connection, mut handle, _) = genetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let message = GenlMessage::from_payload(WireguardMessage { cmd: WireguardCmd::SetDevice, attributes });
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    let told = async {
        let mut answers = handle.request(message).await.map_err(io::Error::other)?;
        while let Some(answer) = answers.next().await {
            match answer.map_err(io::Error::other)?.payload {
                // An acknowledgement looks like an error without a code.
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                _ => {}
            }
        }
        Ok(())
    };
    let told = told.await;
    connection.abort();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8, port: u16) -> CryptPeer {
        let address = gam_core::crypt::address(u128::from(number).into());
        CryptPeer { key: [number; 32], endpoint: ([192, 0, 2, number], port).into(), address }
    }

    fn peers(all: &[CryptPeer]) -> BTreeMap<Key, CryptPeer> {
        all.iter().map(|peer| (peer.key, *peer)).collect()
    }

    fn removed(number: u8) -> WireguardPeer {
        let flags = WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe);
        WireguardPeer(vec![WireguardPeerAttribute::PublicKey([number; 32]), flags])
    }

    #[test]
    fn only_what_changed_is_told() {
        let own = Pair::new([7; 32]);
        let first = peers(&[peer(1, 4788), peer(2, 4788), peer(3, 4788)]);
        let all = messages(&own, 4788, None, &first);
        assert!(all[0].contains(&WireguardAttribute::Flags(WireguardDeviceFlags::ReplacePeers)));
        assert!(all[0].contains(&WireguardAttribute::PrivateKey(own.secret.to_bytes())));
        assert_eq!(all[1][1], WireguardAttribute::Peers(first.values().map(described).collect()));
        let told = (own.public, first.clone());
        assert_eq!(messages(&own, 4788, Some(&told), &first), Vec::<Vec<_>>::new());
        // One is gone, one elsewhere, one as before.
        let second = peers(&[peer(1, 4788), peer(2, 5000)]);
        let change = messages(&own, 4788, Some(&told), &second);
        let expected = vec![removed(3), described(&peer(2, 5000))];
        assert_eq!(change, [[WireguardAttribute::IfName(DEVICE.into()), WireguardAttribute::Peers(expected)]]);
        // Under another key everything is said anew.
        assert_eq!(messages(&Pair::new([8; 32]), 4788, Some(&told), &first).len(), 2);
    }

    #[test]
    fn many_peers_are_several_messages() {
        let many = peers(&(1..=200).map(|number| peer(number, 4788)).collect::<Vec<_>>());
        let messages = messages(&Pair::new([7; 32]), 4788, None, &many);
        assert_eq!(messages.len(), 3);
    }

    #[tokio::test]
    async fn a_kernel_without_wireguard_says_so() {
        let attributes = vec![WireguardAttribute::IfName("no-such-link".into())];
        assert!(tell(attributes).await.is_err());
    }
}
