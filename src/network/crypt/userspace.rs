//! WireGuard in this process, over a TUN device, where the kernel has none.
//!
//! Two threads carry packets, one for each way; the second one also keeps time. The device is gone when this is dropped, or
//! when the process ends in whatever way, and the kernel then removes the VXLAN devices over it: nothing goes unencrypted.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use gam_core::crypt::{CryptPeer, DEVICE};
use gam_core::model::NodeId;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::RecvFlags;
use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::keys::Pair;
use super::peers::{Carry, Peers, ROOM};
use crate::vital;

/// How often the protocol's timers are looked at; they count seconds.
const TICK: Duration = Duration::from_millis(250);
/// The largest packet.
const PACKET_MAX: usize = 65_535;
/// What the socket may hold: some milliseconds at the speed that one core encrypts with.
const SOCKET_BUFFER: usize = 4 << 20;
/// Packets that wait for the first thread; about the same again.
const QUEUE: u32 = 2000;
/// Packets read one after the other before the thread looks whether it shall end.
const BURST: usize = 64;

/// The device and its threads.
pub struct Userspace {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The UDP port.
    pub port: u16,
}

struct Shared {
    device: SyncDevice,
    socket: Socket,
    peers: ArcSwap<Peers>,
    /// Readable once the threads shall end.
    stop: OwnedFd,
    has_ended: AtomicBool,
}

impl Userspace {
    /// Makes the device, without an address, and begins.
    pub fn open(own: &Pair, port: u16) -> io::Result<Userspace> {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM.cloexec(), Some(Protocol::UDP))?;
        socket.set_only_v6(false)?;
        for set in [Socket::set_recv_buffer_size, Socket::set_send_buffer_size] {
            set(&socket, SOCKET_BUFFER)?;
        }
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
        let device = DeviceBuilder::new().name(DEVICE).with(|linux| {
            linux.tx_queue_len(QUEUE);
        });
        let device = device.enable(false).build_sync()?;
        device.set_nonblocking(true)?;
        let mut number = [0; 4];
        super::random(&mut number)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let peers = ArcSwap::from_pointee(Peers::new(own.clone(), u32::from_ne_bytes(number)));
        let shared = Arc::new(Shared { device, socket, peers, stop, has_ended: AtomicBool::new(false) });
        let mut threads = Vec::new();
        for (name, work) in [("encryption", Shared::outgoing as fn(&Shared)), ("decryption", Shared::incoming)] {
            let shared = shared.clone();
            threads.push(vital::thread(name, move || {
                work(&shared);
                shared.has_ended.store(true, Ordering::Relaxed);
            })?);
        }
        Ok(Userspace { shared, threads, port })
    }

    /// Whether it works; otherwise it must be made anew, since somebody removed the device.
    pub fn is_alive(&self) -> bool {
        !self.shared.has_ended.load(Ordering::Relaxed)
    }

    /// Has these peers from now on, under that key.
    pub fn set(&self, own: &Pair, peers: &BTreeMap<NodeId, CryptPeer>) {
        let renewed = self.shared.peers.load().renewed(own, peers);
        self.shared.peers.store(Arc::new(renewed));
        // Whoever learns of the other last begins the session, and no packet has to wait for it.
        self.shared.tick(&mut [0; ROOM]);
    }
}

impl Drop for Userspace {
    fn drop(&mut self) {
        // Adding one to a counter of 64 bits that begins at 0 works.
        let _ = rustix::io::write(&self.shared.stop, &1_u64.to_ne_bytes());
        for thread in self.threads.drain(..) {
            // It panicked: whoever depends on it knows already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// From this host to the others, until the device is gone.
    fn outgoing(&self) {
        let (mut packet, mut room) = (vec![0; PACKET_MAX], vec![0; PACKET_MAX + ROOM]);
        while self.wait(&self.device, None) {
            let peers = self.peers.load();
            for _ in 0..BURST {
                match self.device.recv(&mut packet) {
                    Ok(length) => peers.outgoing(&packet[..length], &mut room, &mut |carry| self.carry(carry)),
                    Err(error) if is_passing(&error) => break,
                    Err(error) => {
                        tracing::debug!(%error, "the device for encrypted networks cannot be read");
                        return;
                    }
                }
            }
        }
    }

    /// From the others to this host.
    fn incoming(&self) {
        let (mut datagram, mut room) = (vec![0; PACKET_MAX], vec![0; PACKET_MAX + ROOM]);
        let mut ticked = Instant::now();
        while self.wait(&self.socket, Some(TICK)) && !self.has_ended.load(Ordering::Relaxed) {
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick(&mut room);
            }
            let peers = self.peers.load();
            for _ in 0..BURST {
                let received = rustix::net::recvfrom(&self.socket, &mut datagram[..], RecvFlags::DONTWAIT);
                // An error is of a packet sent before, which somebody refused, or says that there is no more.
                let Ok((_, length, Some(from))) = received else { break };
                let Ok(from) = SocketAddr::try_from(from) else { continue };
                peers.incoming(&datagram[..length], from, &mut room, &mut |carry| self.carry(carry));
            }
        }
    }

    fn tick(&self, room: &mut [u8]) {
        self.peers.load().tick(Instant::now(), room, &mut |carry| self.carry(carry));
    }

    /// What cannot be delivered is lost, as packets may be.
    fn carry(&self, carry: Carry<'_>) {
        let result = match carry {
            Carry::There(to, sealed) => self.socket.send_to(sealed, &mapped(to).into()),
            Carry::Here(packet) => self.device.send(packet),
        };
        if let Err(error) = result {
            tracing::trace!(%error, "a packet of an encrypted network is lost");
        }
    }

    /// Waits until there is something to read, or for so long; `false` once it is time to end.
    fn wait(&self, source: &impl AsFd, limit: Option<Duration>) -> bool {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut both = [PollFd::new(source, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
        match poll(&mut both, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => both[1].revents().is_empty(),
            Err(_) => false,
        }
    }
}

/// Whether reading goes on later: nothing is there, or the link is down for now.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// An address as a socket for both families takes it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port()),
        IpAddr::V6(_) => address,
    }
}
