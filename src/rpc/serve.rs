//! The accept loop: TCP in, a checked caller out, and HTTP/2 between them.
//!
//! Everything a stranger can hold is bounded: connections without a certificate are few, short-lived and small, and whoever has
//! the most of them loses the oldest ([`crate::strangers`]).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::gate::{Caller, Gate};
use crate::peer::{Peer, Role};
use crate::service::Service;
use crate::strangers::{Complaint, Place, Strangers};
use crate::tls::Tls;

/// Connections at once: ten thousand agents, each with one session and one call, leave room.
const CONNECTIONS_MAX: usize = 24 * 1024;
/// How long a handshake may take: three round trips to the far end of the world, on a busy host.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection without a certificate may live: it has one small thing to ask, over a line that may be long.
const STRANGER_LIMIT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
/// How much longer if its question was heard in whole and is being answered: a join waits so long for its certificate.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long such an answer may be on its way.
const FAREWELL: Duration = Duration::from_secs(1);
/// Calls at once on one connection; further ones wait at the caller's.
const CALLS_MAX: u32 = 256;
/// Bytes that a node may send on one call ahead of being read.
const NODE_WINDOW: u32 = 64 * 1024;
/// The same for a manager, whose snapshots should also move fast over long lines.
const MANAGER_WINDOW: u32 = 1024 * 1024;
/// Windows of a connection: this many calls can be ahead.
const WINDOWS: u32 = 4;
/// Headers of a call; ours are far under 1 KiB.
const HEADERS_MAX: u32 = 8 * 1024;
/// A connection that is silent for this long is asked for a sign of life …
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// … and closed when none comes for this long. Sessions judge liveness sooner; this frees what a dead host held.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(10);
/// How long to rest when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long calls in progress may take when the manager stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Serves until `stop` is cancelled, then lets calls in progress finish, within a limit, and ends sessions at once.
pub async fn serve<S: Service>(listener: TcpListener, tls: Tls, service: Arc<S>, stop: CancellationToken) {
    let gate = Arc::new(Gate::new(tls.clone(), service, stop.clone()));
    let strangers = Strangers::default();
    let [mut too_many, mut crowded, mut failing] = <[Complaint; 3]>::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, from)) if connections.len() < CONNECTIONS_MAX => {
                let (place, had_to_go) = strangers.enter(from.ip());
                if had_to_go && let Some(times) = crowded.due(Instant::now()) {
                    tracing::warn!(%from, times, "closed a connection without a certificate to make room for another");
                }
                connections.spawn(connection(tcp, from, tls.clone(), gate.clone(), place, stop.clone()));
            }
            Ok((_, from)) => {
                if let Some(times) = too_many.due(Instant::now()) {
                    tracing::warn!(%from, times, "turned a connection away: there are too many");
                }
            }
            Err(error) => {
                if let Some(times) = failing.due(Instant::now()) {
                    tracing::warn!(%error, times, "cannot accept a connection");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // What has not finished by then is aborted with the set.
    let _ = timeout(DRAIN_LIMIT, async { while connections.join_next().await.is_some() {} }).await;
}

/// One connection from handshake to end. It holds `place` for as long as its caller is unproven.
async fn connection<S: Service>(
    tcp: TcpStream,
    from: SocketAddr,
    tls: Tls,
    gate: Arc<Gate<S>>,
    place: Place,
    stop: CancellationToken,
) {
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_LIMIT, shake_hands(tcp, &tls)) => shaken,
        () = place.lost() => return tracing::debug!(%from, "gave up on a handshake for another one"),
        () = stop.cancelled() => return,
    };
    let (stream, peer) = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => return tracing::debug!(%from, %error, "refused a connection"),
        Err(_) => return tracing::debug!(%from, "gave up on a handshake"),
    };
    let calls = place.calls().clone();
    let talk = talk(stream, Caller { peer, from, calls: calls.clone() }, gate, stop);
    if peer.is_some() {
        drop(place);
        return talk.await;
    }
    tokio::select! {
        () = talk => {}
        () = place.lost() => tracing::debug!(%from, "closed a connection without a certificate for another one"),
        () = outstayed(calls.subscribe()) => tracing::debug!(%from, "closed a connection without a certificate"),
    }
}

/// Returns when a connection without a certificate has lived for long enough.
async fn outstayed(mut calls: watch::Receiver<u32>) {
    sleep(STRANGER_LIMIT).await;
    if *calls.borrow() > 0 {
        // However the wait ends, it has been long enough.
        let _ = timeout(ANSWER_LIMIT, calls.wait_for(|calls| *calls == 0)).await;
        sleep(FAREWELL).await;
    }
}

/// The TLS handshake, and whom the caller's certificate names. A certificate that names nobody is refused.
async fn shake_hands(tcp: TcpStream, tls: &Tls) -> io::Result<(TlsStream<TcpStream>, Option<Peer>)> {
    tcp.set_nodelay(true)?;
    let addr = tcp.peer_addr()?.ip();
    let stream = TlsAcceptor::from(tls.held().server.clone()).accept(tcp).await?;
    let peer = match stream.get_ref().1.peer_certificates().and_then(<[_]>::first) {
        Some(certificate) => Some(Peer::of_certificate(certificate, addr).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the certificate names no node, role and cluster")
        })?),
        None => None,
    };
    Ok((stream, peer))
}

/// HTTP/2 until the caller closes, breaks, or the manager stops.
async fn talk<S: Service>(stream: TlsStream<TcpStream>, caller: Caller, gate: Arc<Gate<S>>, stop: CancellationToken) {
    let is_manager = caller.peer.is_some_and(|peer| peer.role == Role::Manager);
    let from = caller.from;
    let window = if is_manager { MANAGER_WINDOW } else { NODE_WINDOW };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    builder.keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE_LIMIT);
    builder.max_concurrent_streams(CALLS_MAX).max_header_list_size(HEADERS_MAX);
    builder.initial_stream_window_size(window).initial_connection_window_size(window * WINDOWS);
    let answer = service_fn(move |request| {
        let (gate, caller) = (gate.clone(), caller.clone());
        async move { Ok::<_, Infallible>(gate.answer(caller, request).await) }
    });
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

#[cfg(test)]
mod tests;
