//! The socket that holds a published port of this host, so that no other process takes it, and serves what the rules do not
//! turn: the node's own connections to it, on `127.0.0.1` above all, and clients that speak IPv6. To tasks these come from
//! this node.
//!
//! Of SCTP the port is only held.

mod datagrams;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gam_core::discovery::mesh::{Port, Protocol};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

/// Connections of one port that are served at the same time; further ones wait to be accepted.
const CONNECTIONS: usize = 1024;
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
    tasks: Vec<AbortHandle>,
    _sockets: Vec<Socket>,
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Holder {
    /// Takes the port on all addresses.
    pub fn open((protocol, number): Port) -> io::Result<Holder> {
        let (behind, mut tasks, mut sockets) = (Behind::default(), Vec::new(), Vec::new());
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
                let task = match protocol {
                    Protocol::Tcp => tokio::spawn(accept(TcpListener::from_std(socket.into())?, behind)),
                    _ => tokio::spawn(datagrams::serve(UdpSocket::from_std(socket.into())?, behind)),
                };
                tasks.push(task.abort_handle());
            }
        }
        Ok(Holder { behind, tasks, _sockets: sockets })
    }

    /// From now on the port is served by these.
    pub fn serve(&self, behind: &BTreeSet<SocketAddrV4>) {
        if !self.behind.load().iter().eq(behind) {
            self.behind.store(Arc::new(behind.iter().copied().collect()));
        }
    }

    /// Whether it still serves.
    pub fn is_alive(&self) -> bool {
        self.tasks.iter().all(|task| !task.is_finished())
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

async fn accept(listener: TcpListener, behind: Behind) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    // Ends with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let client = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => break client,
                    Err(error) => {
                        tracing::debug!(%error, "cannot accept a connection to a published port");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        };
        let behind = behind.load_full();
        connections.spawn(async move {
            // The end of one of the two sides is no matter of this host's.
            let _ = pass(client, &behind).await;
            drop(permit);
        });
    }
}

/// One connection, to one of those behind the port.
async fn pass(mut client: TcpStream, behind: &[SocketAddrV4]) -> io::Result<()> {
    let start = start(behind.len());
    for at in 0..behind.len() {
        let connecting = TcpStream::connect(behind[(start + at) % behind.len()]);
        if let Ok(Ok(mut task)) = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            client.set_nodelay(true)?;
            task.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut client, &mut task).await?;
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
}
