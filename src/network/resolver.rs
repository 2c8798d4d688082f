//! The resolver of swarm networks: listens on the gateway of each, which every container on it is given as its DNS server
//! behind the engine's own.
//!
//! The engine's resolver forwards from inside of the container, so the source address of a question says who asks; who it
//! is decides what is told ([`gam_core::discovery`]). An answer with a virtual address is held until the asker's own
//! rules know it, and a container that was just started until it is known itself, so nobody is ever told what does not
//! work yet. All other names go to the servers outside. Decides nothing about names, and makes no rules.
//!
//! A flood costs what its answers cost: work that waits is counted, for each asker and for all, and beyond the counts
//! packets are dropped and streams closed.

pub mod message;
pub mod upstream;

mod limit;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gam_core::discovery::{Answer, Names};
use gam_core::model::NetworkId;
use hickory_proto::op::ResponseCode;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::sandboxes::{Sandbox, Sandboxes};
use limit::{Limit, Permit};
use message::{Asked, Bad, Transport};
use upstream::{Upstream, read_framed, write_framed};

/// How long an answer is held at most. Less than the 4 s for which the engine's resolver waits, and longer than a
/// container takes to be programmed on a busy host.
const HOLD: Duration = Duration::from_secs(3);
/// The port of DNS.
pub const PORT: u16 = 53;
/// Questions that wait for something: of all askers, and of one. The engine's resolver has as many under way for one
/// container (`moby: libnetwork/resolver.go`, `maxConcurrent`); each costs a few kilobytes here.
const WAITING: Limit = Limit { all: 4096, each: 1024 };
/// Streams that are open: of all askers, and of one.
const STREAMS: Limit = Limit { all: 512, each: 64 };
/// A stream without a question is closed after this long.
const IDLE: Duration = Duration::from_secs(10);
/// The largest question that is taken in a packet; there is no reason for a larger one.
const QUESTION_MAX: usize = 4096;
/// After an error of a socket: it has to be one that passes, and must not turn into a busy loop.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that wait for being accepted.
const BACKLOG: i32 = 128;

/// Answers questions; cheap to clone.
#[derive(Clone, Debug)]
pub struct Resolver {
    names: Arc<ArcSwap<Names>>,
    sandboxes: Sandboxes,
    waiting: limit::Counter,
    streams: limit::Counter,
}

/// A network that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The network.
    pub network: NetworkId,
    /// Its gateway, an address of this host.
    pub gateway: IpAddr,
    /// Its subnet, as an address and the length of its prefix. Nobody else is answered.
    pub subnet: (IpAddr, u8),
}

impl Resolver {
    /// A resolver that answers by these.
    pub fn new(names: Arc<ArcSwap<Names>>, sandboxes: Sandboxes) -> Resolver {
        Resolver { names, sandboxes, waiting: WAITING.into(), streams: STREAMS.into() }
    }

    /// Listens until it is dropped; an error if it cannot.
    pub async fn listen(&self, place: Listening) -> io::Result<()> {
        let address = SocketAddr::new(place.gateway, PORT);
        self.serve(place, udp(address)?, tcp(address)?).await;
        Ok(())
    }

    /// Serves on two sockets, for ever.
    async fn serve(&self, place: Listening, udp: UdpSocket, tcp: TcpListener) {
        tokio::join!(self.serve_packets(place, Arc::new(udp)), self.serve_streams(place, tcp));
    }

    async fn serve_packets(&self, place: Listening, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; QUESTION_MAX];
        loop {
            let (length, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    tracing::debug!(%error, "cannot read a question now");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let bytes = &buffer[..length];
            // What can be answered at once needs no place among those that wait.
            let reply = match self.at_once(place, from.ip(), bytes, Transport::Udp) {
                Some(reply) => reply,
                None => {
                    self.answer_later(place, from, bytes, &socket);
                    continue;
                }
            };
            if let Some(reply) = reply {
                // An asker that does not take its answer asks again.
                let _ = socket.try_send_to(&reply, from);
            }
        }
    }

    fn answer_later(&self, place: Listening, from: SocketAddr, bytes: &[u8], socket: &Arc<UdpSocket>) {
        let Some(permit) = self.waiting.take(from.ip()) else { return };
        let (resolver, bytes, socket) = (self.clone(), bytes.to_vec(), socket.clone());
        tokio::spawn(async move {
            if let Some(reply) = resolver.resolve(place, from.ip(), &bytes, Transport::Udp, permit).await {
                // As above.
                let _ = socket.send_to(&reply, from).await;
            }
        });
    }

    async fn serve_streams(&self, place: Listening, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let Some(permit) = self.streams.take(from.ip()) else { continue };
                    let resolver = self.clone();
                    tokio::spawn(async move { resolver.serve_stream(place, stream, from.ip(), permit).await });
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a stream of questions now");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// One question after the other, until the asker closes, or says nothing for too long.
    async fn serve_stream(&self, place: Listening, mut stream: TcpStream, from: IpAddr, _permit: Permit) {
        while let Ok(Ok(Some(bytes))) = timeout(IDLE, read_framed(&mut stream)).await {
            let Some(permit) = self.waiting.take(from) else { return };
            let Some(reply) = self.resolve(place, from, &bytes, Transport::Tcp, permit).await else { return };
            if !matches!(timeout(IDLE, write_framed(&mut stream, &reply)).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The whole answer to one question; `None` if there shall be none.
    async fn resolve(
        &self,
        place: Listening,
        from: IpAddr,
        bytes: &[u8],
        transport: Transport,
        _permit: Permit,
    ) -> Option<Vec<u8>> {
        let mut news = self.sandboxes.watch();
        let until = Instant::now() + HOLD;
        loop {
            news.borrow_and_update();
            if let Some(reply) = self.at_once(place, from, bytes, transport) {
                return reply;
            }
            let asked = Asked::read(bytes, transport).ok()?;
            let sandbox = self.sandbox(place, from);
            if let Some(sandbox) = sandbox.filter(|sandbox| self.is_foreign(&asked, sandbox)) {
                return Some(forward(&asked, &sandbox, bytes, transport).await);
            }
            if !matches!(timeout_at(until, news.changed()).await, Ok(Ok(()))) {
                return Some(asked.failure(ResponseCode::ServFail));
            }
        }
    }

    /// The answer that needs no waiting, which may be silence; `None` if there has to be some.
    fn at_once(&self, place: Listening, from: IpAddr, bytes: &[u8], transport: Transport) -> Option<Option<Vec<u8>>> {
        let asked = match Asked::read(bytes, transport) {
            Ok(asked) => asked,
            Err(Bad::Silence) => return Some(None),
            Err(Bad::Refusal(reply)) => return Some(Some(reply)),
        };
        if !place.has(from) {
            return Some(Some(asked.failure(ResponseCode::Refused)));
        }
        let sandbox = self.sandbox(place, from)?;
        let question = asked.question()?;
        match self.names.load().answer(&sandbox.asker, &question) {
            Answer::Unknown if sandbox.completes && asked.is_short() => {
                Some(Some(asked.answer(&Answer::Nothing, |_| {})))
            }
            Answer::Unknown => None,
            Answer::Addresses { virtual_ips, .. } if !sandbox.can_use(&virtual_ips) => None,
            answer => Some(Some(asked.answer(&answer, shuffle))),
        }
    }

    fn is_foreign(&self, asked: &Asked, sandbox: &Sandbox) -> bool {
        let names = self.names.load();
        asked.question().is_none_or(|question| names.answer(&sandbox.asker, &question) == Answer::Unknown)
    }

    fn sandbox(&self, place: Listening, from: IpAddr) -> Option<Arc<Sandbox>> {
        self.sandboxes.watch().borrow().get(&(place.network, from)).cloned()
    }
}

impl Listening {
    /// Whether an address is one of the network's, other than the host's own.
    fn has(&self, from: IpAddr) -> bool {
        let (base, length) = self.subnet;
        let same = match (base, from) {
            (IpAddr::V4(base), IpAddr::V4(from)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                u32::from(base) & mask == u32::from(from) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(from)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                u128::from(base) & mask == u128::from(from) & mask
            }
            _ => false,
        };
        same && from != self.gateway
    }
}

/// Asks outside.
async fn forward(asked: &Asked, sandbox: &Sandbox, bytes: &[u8], transport: Transport) -> Vec<u8> {
    let upstream = if !sandbox.servers.is_empty() {
        Upstream::of_container(&sandbox.servers, sandbox.namespace.clone())
    } else if sandbox.leads_outside {
        Upstream::of_host().await
    } else {
        return asked.failure(ResponseCode::ServFail);
    };
    upstream.ask(bytes, transport).await.unwrap_or_else(|| asked.failure(ResponseCode::ServFail))
}

/// Any order, so that clients that take the first address spread over all.
fn shuffle(addresses: &mut [IpAddr]) {
    let mut seed = [0; 8];
    // Without chance the order stays, which is an order as well.
    let _ = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::NONBLOCK);
    let mut state = u64::from_ne_bytes(seed);
    for at in (1..addresses.len()).rev() {
        // Knuth's generator (`MMIX`); its upper half is random enough to deal cards.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = (state >> 33) as usize % (at + 1);
        addresses.swap(at, other);
    }
}

/// A socket on an address that the host may not have yet: the engine makes the bridge when a container needs it, and
/// may make it anew.
pub(super) fn bound(address: SocketAddr, kind: socket2::Type) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
    if address.is_ipv4() {
        socket.set_freebind_v4(true)?
    } else {
        socket.set_freebind_v6(true)?
    };
    // A daemon that was killed leaves connections behind that are no reason not to listen.
    socket.set_reuse_address(kind == socket2::Type::STREAM)?;
    // The swarm may publish this very port on all addresses of the host ([`super::mesh`]); the kernel then brings here what
    // is for this address.
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bound(address, socket2::Type::DGRAM)?.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, socket2::Type::STREAM)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests;
