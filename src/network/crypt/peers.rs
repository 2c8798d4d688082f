//! Which packet goes to which node, and under which key: WireGuard's protocol for all peers of this node, without any I/O.
//!
//! As in the kernel's WireGuard an address on the device belongs to one peer: it names the peer that a packet is for, and a
//! packet from a peer with any other source address is dropped. Unlike there, a peer is answered where the managers say that it
//! is, wherever its packets come from.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};
use boringtun::x25519::PublicKey;
use gam_core::crypt::{CryptPeer, Key};
use gam_core::model::NodeId;

use super::keys::Pair;

/// Beginnings of a session that are answered in a second without proof of the sender's address. Each costs two operations on
/// the curve, so this is a few percent of one core; a peer begins one every two minutes.
const HANDSHAKES_MAX: u64 = 200;
/// A sign of life goes to each peer so often, so that there is always a session when a packet comes.
pub const KEEPALIVE_S: u16 = 25;
/// Between two tries to begin a session where there is none. WireGuard's own 5 s are long where all nodes learn of each other
/// at nearly the same time.
const RETRY: Duration = Duration::from_secs(1);
/// Of a number that names a session, the lowest bits are the protocol's, the others name the peer.
const SESSION_BITS: u32 = 8;
/// What WireGuard puts around a packet, and the least that a message needs.
pub const ROOM: usize = 148;

/// Where a packet goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Carry<'a> {
    /// To a node, encrypted.
    There(SocketAddr, &'a [u8]),
    /// To this host.
    Here(&'a [u8]),
}

struct Peer {
    what: CryptPeer,
    number: u32,
    session: Mutex<Session>,
}

struct Session {
    tunnel: Tunn,
    tried: Option<Instant>,
}

/// All peers, under one key of this node. A change is another table, which keeps the sessions of those that are as before.
pub struct Peers {
    own: Pair,
    limiter: RateLimiter,
    by_address: HashMap<Ipv6Addr, Arc<Peer>>,
    by_key: HashMap<Key, Arc<Peer>>,
    by_number: HashMap<u32, Arc<Peer>>,
    next_number: u32,
}

impl Peers {
    /// No peers yet. Numbers of sessions begin with `number`, which should differ from run to run: a peer may still hold some.
    pub fn new(own: Pair, number: u32) -> Peers {
        Peers {
            limiter: RateLimiter::new(&PublicKey::from(own.public), HANDSHAKES_MAX),
            own,
            by_address: HashMap::new(),
            by_key: HashMap::new(),
            by_number: HashMap::new(),
            next_number: number,
        }
    }

    /// These peers instead of the present ones, under that key.
    pub fn renewed(&self, own: &Pair, wanted: &BTreeMap<NodeId, CryptPeer>) -> Peers {
        let mut new = Peers::new(own.clone(), self.next_number);
        for what in wanted.values() {
            let old = self.by_address.get(&what.address).filter(|_| own.public == self.own.public);
            let peer = match old.filter(|old| old.what == *what) {
                Some(same) => same.clone(),
                None => new.meet(*what),
            };
            new.by_address.insert(what.address, peer.clone());
            new.by_key.insert(what.key, peer.clone());
            new.by_number.insert(peer.number, peer);
        }
        new
    }

    fn meet(&mut self, what: CryptPeer) -> Arc<Peer> {
        let number = self.next_number & (u32::MAX >> SESSION_BITS);
        self.next_number = self.next_number.wrapping_add(1);
        let their = PublicKey::from(what.key);
        let tunnel = Tunn::new(self.own.secret.clone(), their, None, Some(KEEPALIVE_S), number, None);
        Arc::new(Peer { what, number, session: Mutex::new(Session { tunnel, tried: None }) })
    }

    /// A packet of this host. `room` has [`ROOM`] more bytes than it.
    pub fn outgoing(&self, packet: &[u8], room: &mut [u8], carry: &mut impl FnMut(Carry<'_>)) {
        let Some(peer) = destination(packet).and_then(|address| self.by_address.get(&address)) else { return };
        if let TunnResult::WriteToNetwork(sealed) = peer.session().tunnel.encapsulate(packet, room) {
            carry(Carry::There(peer.what.endpoint, sealed));
        }
    }

    /// A datagram from anybody.
    pub fn incoming(&self, datagram: &[u8], from: SocketAddr, room: &mut [u8], carry: &mut impl FnMut(Carry<'_>)) {
        let peer = match Tunn::parse_incoming_packet(datagram) {
            Ok(Packet::HandshakeInit(_)) => self.beginner(datagram, from, room, carry),
            Ok(Packet::HandshakeResponse(packet)) => self.numbered(packet.receiver_idx),
            Ok(Packet::PacketCookieReply(packet)) => self.numbered(packet.receiver_idx),
            Ok(Packet::PacketData(packet)) => self.numbered(packet.receiver_idx),
            Err(_) => None,
        };
        let Some(peer) = peer else { return };
        let mut session = peer.session();
        let mut is_more = peer.take(session.tunnel.decapsulate(Some(from.ip()), datagram, room), carry);
        // A new session may let out what waited for it.
        while is_more {
            is_more = peer.take(session.tunnel.decapsulate(None, &[], room), carry);
        }
    }

    /// Who begins a session, if it is a peer.
    fn beginner(
        &self,
        datagram: &[u8],
        from: SocketAddr,
        room: &mut [u8],
        carry: &mut impl FnMut(Carry<'_>),
    ) -> Option<&Arc<Peer>> {
        match self.limiter.verify_packet(Some(from.ip()), datagram, room) {
            Ok(Packet::HandshakeInit(begun)) => {
                let half = parse_handshake_anon(&self.own.secret, &PublicKey::from(self.own.public), &begun).ok()?;
                self.by_key.get(&half.peer_static_public)
            }
            Err(TunnResult::WriteToNetwork(cookie)) => {
                carry(Carry::There(from, cookie));
                None
            }
            _ => None,
        }
    }

    fn numbered(&self, session: u32) -> Option<&Arc<Peer>> {
        self.by_number.get(&(session >> SESSION_BITS))
    }

    /// What is due now: to be called some times a second.
    pub fn tick(&self, now: Instant, room: &mut [u8], carry: &mut impl FnMut(Carry<'_>)) {
        self.limiter.reset_count();
        for peer in self.by_address.values() {
            let mut session = peer.session();
            let mut due = session.tunnel.update_timers(room);
            let is_silent = !matches!(due, TunnResult::WriteToNetwork(_));
            let may_try = session.tried.is_none_or(|tried| now.duration_since(tried) >= RETRY);
            if is_silent && may_try && session.tunnel.time_since_last_handshake().is_none() {
                session.tried = Some(now);
                due = session.tunnel.format_handshake_initiation(room, true);
            }
            peer.take(due, carry);
        }
    }
}

impl Peer {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the protocol says; returns whether it may have more to say.
    fn take(&self, result: TunnResult<'_>, carry: &mut impl FnMut(Carry<'_>)) -> bool {
        match result {
            TunnResult::WriteToNetwork(sealed) => {
                carry(Carry::There(self.what.endpoint, sealed));
                true
            }
            TunnResult::WriteToTunnelV6(packet, source) => {
                if source == self.what.address {
                    carry(Carry::Here(packet));
                }
                false
            }
            TunnResult::WriteToTunnelV4(..) | TunnResult::Done | TunnResult::Err(_) => false,
        }
    }
}

/// Where an IPv6 packet goes.
fn destination(packet: &[u8]) -> Option<Ipv6Addr> {
    let (first, address) = (packet.first()?, packet.get(24..40)?);
    (first >> 4 == 6).then(|| <[u8; 16]>::try_from(address).ok().map(Ipv6Addr::from)).flatten()
}

#[cfg(test)]
mod tests;
