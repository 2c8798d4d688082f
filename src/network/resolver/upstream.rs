//! What the swarm does not know is asked elsewhere: of the servers that the user gave a container (`--dns`), from inside of
//! its network as the engine does, or else of the host's own, from the host.
//!
//! The question goes on as it came, so that whatever it carries arrives; only its id is another one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{Transport, answers, id, is_failure, with_id};
use crate::network::namespace::Namespace;

/// After this long without an answer the next server is asked, too: a live one answers sooner.
const NEXT: Duration = Duration::from_secs(1);
/// How long answers are waited for in all. The engine's own resolver, in front of this one, waits 4 s
/// (`moby: libnetwork/resolver.go`, `extIOTimeout`).
const PATIENCE: Duration = Duration::from_millis(3600);
/// Servers that are asked at most, as many as the C library knows.
const SERVERS_MAX: usize = 3;
/// The largest answer that is taken in a packet.
const PACKET_MAX: usize = 4096;
/// The port of DNS.
const PORT: u16 = 53;
/// What the host's own resolver is asked.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The servers, in order.
    pub servers: Vec<SocketAddr>,
    /// From where; `None` is the host.
    pub from: Option<Namespace>,
}

impl Upstream {
    /// These servers, from inside of a container.
    pub fn of_container(servers: &[IpAddr], from: Namespace) -> Upstream {
        Upstream { servers: servers.iter().map(|ip| SocketAddr::new(*ip, PORT)).collect(), from: Some(from) }
    }

    /// The host's servers, read anew: they change with the network that a host is on.
    pub async fn of_host() -> Upstream {
        let text = tokio::fs::read_to_string(RESOLV_CONF).await.unwrap_or_default();
        Upstream { servers: servers(&text), from: None }
    }

    /// The first good answer, or else the last bad one; `None` if there is none at all.
    pub async fn ask(&self, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
        timeout(PATIENCE, self.ask_all(question, transport)).await.ok().flatten()
    }

    async fn ask_all(&self, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let mut waiting = self.servers.iter().take(SERVERS_MAX);
        let mut asked = FuturesUnordered::new();
        let mut bad = None;
        asked.push(self.ask_one(*waiting.next()?, question, transport));
        loop {
            tokio::select! {
                answer = asked.next() => match answer {
                    Some(Ok(answer)) if !is_failure(&answer) => return Some(answer),
                    Some(answer) => bad = answer.ok().or(bad),
                    None => return bad,
                },
                () = tokio::time::sleep(NEXT), if waiting.len() > 0 => {}
            }
            if let Some(server) = waiting.next() {
                asked.push(self.ask_one(*server, question, transport));
            }
        }
    }

    async fn ask_one(&self, server: SocketAddr, question: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
        let asker = id(question);
        let mut fresh = [0; 2];
        rustix::rand::getrandom(&mut fresh, rustix::rand::GetRandomFlags::empty())?;
        let question = with_id(question.to_vec(), u16::from_ne_bytes(fresh));
        let answer = match transport {
            Transport::Udp => self.ask_by_packet(server, &question).await?,
            Transport::Tcp => self.ask_by_stream(server, &question).await?,
        };
        Ok(with_id(answer, asker))
    }

    async fn ask_by_packet(&self, server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = UdpSocket::from_std(
            self.open(move || {
                let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
                // A port of its own for each question is what makes an answer hard to forge.
                let socket = std::net::UdpSocket::bind((any, 0))?;
                socket.connect(server)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .await?,
        )?;
        socket.send(question).await?;
        let mut buffer = vec![0; PACKET_MAX];
        loop {
            let length = socket.recv(&mut buffer).await?;
            let answer = &buffer[..length];
            if id(answer) == id(question) && answers(question, answer) {
                return Ok(answer.to_vec());
            }
        }
    }

    async fn ask_by_stream(&self, server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = self
            .open(move || {
                let domain = socket2::Domain::for_address(server);
                let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .await?;
        let mut stream: TcpStream = tokio::net::TcpSocket::from_std_stream(socket.into()).connect(server).await?;
        write_framed(&mut stream, question).await?;
        let answer = read_framed(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if id(&answer) == id(question) && answers(question, &answer) {
            return Ok(answer);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is to another question"))
    }

    /// Opens a socket where this asks from.
    async fn open<T: Send + 'static>(&self, open: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        match &self.from {
            Some(namespace) => namespace.run(open).await,
            None => open(),
        }
    }
}

/// Reads a message with its length before it; `None` at the end of the stream.
pub async fn read_framed(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Writes a message with its length before it, in one piece.
pub async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let framed: Vec<u8> = length.to_be_bytes().iter().chain(message).copied().collect();
    stream.write_all(&framed).await
}

/// The servers of a `resolv.conf`.
fn servers(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        Some(SocketAddr::new(address.parse().ok()?, PORT))
    };
    text.lines().filter_map(server).collect()
}
