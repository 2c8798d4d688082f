//! The socket that holds a published port of this host, so that no other process takes it, and serves what the rules do not
//! turn: the node's own connections to it, on `127.0.0.1` above all, and clients that speak IPv6. To tasks these come from
//! this node.
//!
//! Of SCTP the port is only held. Connections outlive the port: who is connected when a service goes is served until its task
//! has gone, as those are that the rules have turned.

mod connections;
mod datagrams;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gam_core::discovery::mesh::{Port, Protocol};
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::network::resolver;
use connections::{Activity, Bounds, Connections, Told};

/// Connections of one port that are served at the same time. Further ones wait to be accepted, until one ends or has been
/// silent for a while.
const CONNECTIONS: Bounds = Bounds { places: 1024, silence: Duration::from_secs(10) };
/// A client or a task whose host is silent is asked after so long whether it is still there, and again after each such time.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// As long may a task take to accept a connection, before another one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What the kernel keeps of connections that were not accepted yet.
const BACKLOG: i32 = 1024;
/// The pause after a connection could not be accepted: the host is out of something.
const PAUSE: Duration = Duration::from_millis(100);

/// Who serves a port.
type Behind = Arc<ArcSwap<Vec<SocketAddrV4>>>;

/// A port of this host, held until this is dropped.
#[derive(Debug)]
pub struct Holder {
    behind: Behind,
    /// What serves connections, and what serves datagrams.
    accepting: Vec<AbortHandle>,
    datagrams: Vec<AbortHandle>,
    _accepting: DropGuard,
    _sockets: Vec<Socket>,
}

/// Of connections only the acceptance ends.
impl Drop for Holder {
    fn drop(&mut self) {
        self.datagrams.iter().for_each(AbortHandle::abort);
    }
}

impl Holder {
    /// Takes the port on all addresses.
    pub fn open((protocol, number): Port) -> io::Result<Holder> {
        let (behind, mut sockets, stop) = (Behind::default(), Vec::new(), CancellationToken::new());
        let (mut accepting, mut datagrams) = (Vec::new(), Vec::new());
        for address in [SocketAddr::from((Ipv4Addr::UNSPECIFIED, number)), (Ipv6Addr::UNSPECIFIED, number).into()] {
            match bind(protocol, address) {
                Ok(socket) => sockets.push(socket),
                // The host has no IPv6, or no SCTP.
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if protocol != Protocol::Sctp {
            for socket in sockets.drain(..) {
                let behind = behind.clone();
                if protocol == Protocol::Tcp {
                    let accept = accept(TcpListener::from_std(socket.into())?, behind, CONNECTIONS, stop.clone());
                    accepting.push(tokio::spawn(accept).abort_handle());
                } else {
                    let serve = datagrams::serve(UdpSocket::from_std(socket.into())?, behind);
                    datagrams.push(tokio::spawn(serve).abort_handle());
                }
            }
        }
        Ok(Holder { behind, accepting, datagrams, _accepting: stop.drop_guard(), _sockets: sockets })
    }

    /// From now on the port is served by these.
    pub fn serve(&self, behind: &BTreeSet<SocketAddrV4>) {
        if !self.behind.load().iter().eq(behind) {
            self.behind.store(Arc::new(behind.iter().copied().collect()));
        }
    }

    /// Whether it still serves.
    pub fn is_alive(&self) -> bool {
        self.accepting.iter().chain(&self.datagrams).all(|task| !task.is_finished())
    }
}

fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
    let (kind, number) = match protocol {
        Protocol::Tcp => (Type::STREAM, socket2::Protocol::TCP),
        Protocol::Udp => (Type::DGRAM, socket2::Protocol::UDP),
        Protocol::Sctp => (Type::STREAM, socket2::Protocol::SCTP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(number))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if protocol == Protocol::Tcp {
        // Old connections that are not quite forgotten do not matter.
        socket.set_reuse_address(true)?;
    }
    if address.port() == resolver::PORT && protocol != Protocol::Sctp {
        // The swarm's own resolver listens on the addresses of its networks, and goes on to be asked there.
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if protocol == Protocol::Tcp {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

fn is_unknown(error: &io::Error) -> bool {
    let unknown = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL, Errno::PROTONOSUPPORT];
    error.raw_os_error().is_some_and(|code| unknown.iter().any(|unknown| unknown.raw_os_error() == code))
}

async fn accept(listener: TcpListener, behind: Behind, bounds: Bounds, stop: CancellationToken) {
    let mut connections = Connections::new(bounds);
    loop {
        tokio::select! {
            () = stop.cancelled() => return connections.release(),
            () = connections.room() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return connections.release(),
            () = connections.ended() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let behind = behind.load_full();
                    connections.serve(|activity| async move {
                        // The end of one of the two sides is no matter of this host's.
                        let _ = pass(client, &behind, activity).await;
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection to a published port");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// What tells in time that the other host is gone.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let times = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
    SockRef::from(stream).set_tcp_keepalive(&times)
}

/// One connection, to one of those behind the port.
async fn pass(client: TcpStream, behind: &[SocketAddrV4], activity: Activity) -> io::Result<()> {
    let start = start(behind.len());
    for at in 0..behind.len() {
        let connecting = TcpStream::connect(behind[(start + at) % behind.len()]);
        if let Ok(Ok(mut task)) = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            client.set_nodelay(true)?;
            task.set_nodelay(true)?;
            keep_alive(&client)?;
            keep_alive(&task)?;
            // What is said on either side comes from the other or goes there.
            tokio::io::copy_bidirectional(&mut Told::new(client, activity), &mut task).await?;
            return Ok(());
        }
    }
    // A client whose connection nobody takes is refused, as far as that is still possible.
    client.set_zero_linger()
}

/// Any of so many, by chance.
fn start(count: usize) -> usize {
    let mut bytes = [0; 8];
    // Without chance the first one is as good as any.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    (u64::from_ne_bytes(bytes) % (count.max(1) as u64)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port that was free a moment ago.
    fn free() -> u16 {
        std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn what_another_process_has_is_refused_and_free_again_later() {
        let port = (Protocol::Udp, free());
        let other = std::net::UdpSocket::bind(("0.0.0.0", port.1)).unwrap();
        assert_eq!(Holder::open(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(other);
        Holder::open(port).unwrap();
    }

    #[tokio::test]
    async fn connections_and_datagrams_reach_one_that_is_there() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let SocketAddr::V4(task) = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() else {
            unreachable!()
        };
        let listener = TcpListener::bind(task).await.unwrap();
        let datagrams = UdpSocket::bind(task).await.unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 16];
            let (length, from) = datagrams.recv_from(&mut bytes).await.unwrap();
            datagrams.send_to(&bytes[..length], from).await.unwrap();
        });
        tokio::spawn(async move { listener.accept().await.unwrap().0.write_all(b"here").await.unwrap() });
        let closed = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free());
        let number = free();
        let (tcp, udp) =
            (Holder::open((Protocol::Tcp, number)).unwrap(), Holder::open((Protocol::Udp, number)).unwrap());
        tcp.serve(&[task, closed].into());
        udp.serve(&[task].into());
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", number)).await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "here");
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(("127.0.0.1", number)).await.unwrap();
        client.send(b"echo").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(client.recv(&mut bytes).await.unwrap(), 4);
        assert!(tcp.is_alive() && udp.is_alive());
    }

    /// A task that answers each byte.
    async fn echo() -> SocketAddrV4 {
        use tokio::io::AsyncReadExt;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.into_split();
                    let mut byte = [0];
                    while reader.read_exact(&mut byte).await.is_ok() {
                        tokio::io::AsyncWriteExt::write_all(&mut writer, &byte).await.unwrap();
                    }
                });
            }
        });
        address
    }

    /// Whether the other side answers; an error if it has ended.
    async fn answers(stream: &mut TcpStream) -> io::Result<()> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await.map(drop)
    }

    #[tokio::test]
    async fn who_is_connected_when_the_port_goes_is_served_on() {
        let (task, number) = (echo().await, free());
        let holder = Holder::open((Protocol::Tcp, number)).unwrap();
        holder.serve(&[task].into());
        let mut client = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
        answers(&mut client).await.unwrap();
        drop(holder);
        while TcpStream::connect(("127.0.0.1", number)).await.is_ok() {
            tokio::task::yield_now().await;
        }
        answers(&mut client).await.unwrap();
    }

    #[tokio::test]
    async fn the_silent_make_room_and_nobody_else_does() {
        let behind = Behind::default();
        behind.store(Arc::new(vec![echo().await]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds { places: 2, silence: Duration::from_millis(300) };
        tokio::spawn(accept(listener, behind, bounds, CancellationToken::new()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        answers(&mut silent).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        let mut waiting = TcpStream::connect(address).await.unwrap();
        let wait = answers(&mut waiting);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => break done.unwrap(),
                done = answers(&mut busy) => done.unwrap(),
            }
        }
        answers(&mut busy).await.unwrap();
        assert!(answers(&mut silent).await.is_err(), "it made room");
    }

    #[tokio::test]
    async fn the_port_of_names_is_shared_with_the_resolver_and_with_nobody_else() {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let kind = if protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, resolver::PORT));
            let own = SocketAddr::from(([127, 0, 0, 53], resolver::PORT));
            // Whoever has the port of the host on which this runs has it.
            let Ok(held) = bind(protocol, any) else { continue };
            let resolver = resolver::bound(own, kind).unwrap();
            let other = Socket::new(Domain::IPV4, kind, None).unwrap();
            assert_eq!(other.bind(&own.into()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            drop(held);
            drop((resolver, bind(protocol, any).unwrap()));
        }
    }
}
