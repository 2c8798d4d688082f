//! One connection to a manager: TCP, TLS, and a look at the certificate of whoever answers.
//!
//! A dial is over only when the other side has taken our certificate too: in TLS 1.3 its refusal comes after the client's
//! handshake has ended, so the first bytes of HTTP/2 are waited for. From then on a failure may mean that a call was heard.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gam_core::model::ClusterId;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use crate::body::Ahead;
use crate::peer::{Peer, Role};

/// The name of every manager in its certificate; who it is, its subject says.
pub(crate) const MANAGER_NAME: &str = "swarm-manager";
/// The name under which managers issue certificates.
pub(crate) const AUTHORITY_NAME: &str = "swarm-ca";
/// A connection with a call in progress that is silent for this long is asked for a sign of life …
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// … and given up when none comes for this long, so that an agent turns to another manager within four seconds.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(2);
/// Between two first packets to an address that does not answer …
const KNOCK: Duration = Duration::from_millis(100);
/// … of which so many wait for an answer at once, two seconds' worth; then TCP's own repetitions of them are as frequent.
const KNOCKS_MAX: usize = 20;
/// Bytes that a manager may send on one call ahead of being read.
const CALL_WINDOW: u32 = 256 * 1024;
/// Bytes that it may send on all calls of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Whom a dial must find.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// A manager of this cluster.
    ManagerOf(ClusterId),
    /// Whoever the TLS configuration lets through.
    AsConfigured,
}

/// A connection on which calls can be made, many at once. It ends when the last clone and the last call are gone.
#[derive(Clone)]
pub(crate) struct Connection {
    send: http2::SendRequest<Ahead>,
    peer: Option<Peer>,
}

/// The call was not sent: the connection was closed before.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed")]
pub(crate) struct Unsent;

impl Connection {
    /// Connects to `host:port` within `limit`.
    pub(crate) async fn dial(
        address: &str,
        config: Arc<ClientConfig>,
        name: &'static str,
        expected: Expected,
        limit: Duration,
    ) -> io::Result<Connection> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"));
        timeout(limit, connect(address, config, name, expected)).await.map_err(|_| late())?
    }

    /// Who answered, by its certificate.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Whether no call can be made on it any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }
}

async fn connect(
    address: &str,
    config: Arc<ClientConfig>,
    name: &'static str,
    expected: Expected,
) -> io::Result<Connection> {
    let tcp = knock(address).await?;
    let addr = tcp.peer_addr()?.ip();
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let mut tls = TlsConnector::from(config).connect(name, tcp).await?;
    let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let peer = certificate.and_then(|certificate| Peer::of_certificate(certificate, addr));
    if let Expected::ManagerOf(cluster) = expected
        && !peer.is_some_and(|peer| peer.role == Role::Manager && peer.cluster == cluster)
    {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "who answers is no manager of this cluster"));
    }
    if tls.fill_buf().await?.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    builder.keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE_LIMIT);
    builder.initial_stream_window_size(CALL_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let (send, driver) = builder.handshake(TokioIo::new(tls)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to a manager broke");
        }
    });
    Ok(Connection { send, peer })
}

/// A TCP connection. TCP repeats a lost first packet only after one second, after two more, and four: a cable that is back
/// should be used sooner, or a host behind it counts as gone though it is there.
async fn knock(address: &str) -> io::Result<TcpStream> {
    let mut knocks = FuturesUnordered::new();
    loop {
        if knocks.len() < KNOCKS_MAX {
            knocks.push(TcpStream::connect(address));
        }
        if let Ok(Some(answered)) = timeout(KNOCK, knocks.next()).await {
            return answered;
        }
    }
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.send.poll_ready(cx).map_err(|_| Unsent.into())
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.send.send_request(request.map(Ahead::of));
        Box::pin(
            async move { answer.await.map_err(|error| if error.is_canceled() { Unsent.into() } else { error.into() }) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;
    use tokio::time::Instant;

    #[tokio::test]
    async fn knocks_again_before_tcp_does() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // Whoever comes while one more than the backlog waits to be accepted is not heard, as behind a cut cable.
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let _waiting = [knock(&address).await.unwrap(), knock(&address).await.unwrap()];
        let mut knocking = Box::pin(knock(&address));
        assert!(timeout(KNOCK / 2, &mut knocking).await.is_err());
        let (first, second) = tokio::join!(listener.accept(), listener.accept());
        let (began, _accepted) = (Instant::now(), (first.unwrap(), second.unwrap()));
        timeout(Duration::from_secs(10), knocking).await.unwrap().unwrap();
        // TCP's own first repetition would come after a second.
        assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    }
}
