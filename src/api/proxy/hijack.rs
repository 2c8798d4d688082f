//! Requests after which the connection carries raw bytes: `attach`, `exec start`, BuildKit's `/session` and `/grpc`.
//!
//! Two ways lead there. With an `Upgrade` header dockerd answers `101 UPGRADED`, and both sides leave HTTP in order.
//! Without one it answers a bare `200` and just goes raw, which no HTTP library can follow: the client's socket is
//! then taken away from the server ([`ClientConnection::take_over`]), dockerd's head is written by hand, and bytes are
//! copied. So it is, with and without `Upgrade`, when dockerd refuses an attach: it has the connection by then, and its
//! refusal ends with that. Either way the halves close one by one, as they would without Gam in between.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::engine::EngineConn;
use super::{Proxy, ProxyError, collect};
use crate::api::listen::Socket;
use crate::api::serve::{ClientConnection, Entry};
use crate::api::version;

/// Largest body of a hijacking request without `Upgrade`, which has to be known before the connection goes raw. It is
/// the few flags of `exec start`.
const MAX_BODY: usize = 1024 * 1024;
/// Read and written at once; terminals need less, `docker exec cat` of a large file gains nothing from more.
const COPY_BUFFER: usize = 32 * 1024;
/// dockerd ends a stream by closing its sending half, and leaves the rest to the client; one that does not go is
/// dropped after this.
const LINGER: Duration = Duration::from_secs(60);
/// How long the client's connection may take to send the `101` before its side is given up.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Passes on a request with an `Upgrade` header; dockerd may still answer it as an ordinary one.
pub(super) async fn upgrade(proxy: &Proxy, mut request: Request<Body>) -> Result<Response, ProxyError> {
    let on_client = hyper::upgrade::on(&mut request);
    let client = request.extensions_mut().remove::<ClientConnection>();
    proxy.lift(&mut request).await;
    let (mut response, conn) = send(proxy, request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if let Some(client) = client.filter(|_| is_raw(&response)) {
            return go_raw(response, conn, client).await;
        }
        return Ok(proxy.answer(response.map(|body| proxy.0.engine.clone().body(body, conn))));
    }
    // hyper's own handle to dockerd's side; the socket itself is taken instead.
    drop(hyper::upgrade::on(&mut response));
    let (head, body) = response.into_parts();
    let (socket, early) = conn.into_raw(body).await?;
    tokio::spawn(async move {
        let upgraded = match tokio::time::timeout(SWITCH_TIMEOUT, on_client).await {
            Ok(Ok(upgraded)) => upgraded,
            Ok(Err(error)) => return debug!(%error, "the client left before the upgrade"),
            Err(_) => return debug!("the client did not take the upgrade"),
        };
        // Below hyper there is always the stream that `serve` put there; anything else is served without watching it.
        let end = End::of(client.as_ref());
        match upgraded.downcast::<TokioIo<Entry>>() {
            Ok(parts) => {
                let mut io = parts.io.into_inner().into_io();
                io.unread(parts.read_buf);
                splice_until(io, socket, early, end).await;
            }
            Err(upgraded) => splice_until(TokioIo::new(upgraded), socket, early, end).await,
        }
    });
    Ok(proxy.answer(Response::from_parts(head, Body::empty())))
}

/// Whether dockerd may answer this with a bare `200` and go raw: attach, or exec start, without an `Upgrade` header.
pub(super) fn may_go_raw(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    request.method() == Method::POST
        && !request.headers().contains_key(UPGRADE)
        && is_hijack(version::split(path).map_or(path, |(_, rest)| rest))
}

/// Whether a path without its version is one of the two calls that may go raw.
pub(in crate::api) fn is_hijack(path: &str) -> bool {
    let between = |start, end| {
        path.strip_prefix(start).and_then(|rest: &str| rest.strip_suffix(end)).is_some_and(|id| !id.contains('/'))
    };
    between("/containers/", "/attach") || between("/exec/", "/start")
}

/// Passes on a request that may go raw. If dockerd does, this never returns: the connection is no longer HTTP.
pub(super) async fn raw(proxy: &Proxy, request: Request<Body>) -> Result<Response, ProxyError> {
    let (mut parts, body) = request.into_parts();
    // What the client sends after this body is no longer HTTP, so the body is read to its end before dockerd is asked.
    let body = collect(body, MAX_BODY).await?;
    if parts.headers.remove(TRANSFER_ENCODING).is_some() {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    parts.version = Version::HTTP_11;
    let client = parts.extensions.remove::<ClientConnection>();
    let mut request = Request::from_parts(parts, Body::from(body));
    proxy.lift(&mut request).await;
    let (response, conn) = send(proxy, request).await?;
    match client.filter(|_| is_raw(&response)) {
        Some(client) => go_raw(response, conn, client).await,
        None => Ok(proxy.answer(response.map(|body| proxy.0.engine.clone().body(body, conn)))),
    }
}

/// Gives the client dockerd's bytes as they come, until one of the two is done; never returns but for an error.
async fn go_raw(
    response: http::Response<hyper::body::Incoming>,
    conn: EngineConn,
    client: ClientConnection,
) -> Result<Response, ProxyError> {
    let (head, body) = response.into_parts();
    let (socket, mut early) = conn.into_raw(body).await?;
    early.insert(0, head_bytes(head.status, &head.headers));
    let end = End::of(Some(&client));
    client.take_over(Box::new(move |io, unread| {
        Box::pin(async move {
            let mut io = io;
            io.unread(unread);
            splice_until(io, socket, early, end).await;
        })
    }));
    pending().await
}

async fn send(
    proxy: &Proxy,
    request: Request<Body>,
) -> Result<(http::Response<hyper::body::Incoming>, EngineConn), ProxyError> {
    // A connection of its own: it will not come back, and a request that changes it must not meet a stale one.
    proxy.connect().await?.send(request).await.map_err(|(error, _)| error)
}

/// dockerd's bare `200`, or its refusal in the same manner (`moby: daemon/server/router/container`): a raw stream, and no
/// length that would end it.
fn is_raw<B>(response: &http::Response<B>) -> bool {
    let headers = response.headers();
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
        && (kind == b"application/vnd.docker.raw-stream" || kind == b"application/vnd.docker.multiplexed-stream")
}

/// The head that dockerd sent, written again: names in Go's spelling, which is dockerd's.
fn head_bytes(status: StatusCode, headers: &HeaderMap) -> Bytes {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        let mut start = true;
        head.extend(name.as_str().bytes().map(|byte| {
            let byte_out = if start { byte.to_ascii_uppercase() } else { byte };
            start = byte == b'-';
            byte_out
        }));
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// What ends a spliced connection from outside.
struct End {
    socket: Option<Socket>,
    stop: CancellationToken,
    /// Holds the client's place among the connections until the end.
    _client: Option<ClientConnection>,
}

impl End {
    fn of(client: Option<&ClientConnection>) -> End {
        End {
            socket: client.map(|client| client.socket().clone()),
            stop: client.map(|client| client.stop().clone()).unwrap_or_default(),
            _client: client.cloned(),
        }
    }

    async fn wait(&self) {
        let gone = async {
            match &self.socket {
                Some(socket) => socket.gone().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = gone => {}
            () = self.stop.cancelled() => {}
        }
    }
}

async fn splice_until(mut client: impl AsyncRead + AsyncWrite + Unpin, engine: Socket, early: Vec<Bytes>, end: End) {
    for bytes in early {
        if client.write_all(&bytes).await.is_err() {
            return;
        }
    }
    tokio::select! {
        () = splice(client, engine) => {}
        () = end.wait() => {}
    }
}

/// Copies bytes both ways until both sides have said that they are done, or one of them is gone. A side that closes
/// its sending half has that passed on, and still receives.
pub(in crate::api) async fn splice(client: impl AsyncRead + AsyncWrite, engine: Socket) {
    let (client_read, client_write) = tokio::io::split(client);
    let (mut up_done, mut down_done) = (false, false);
    let mut up = pin!(pump(client_read, engine.clone()));
    let mut down = pin!(pump(engine, client_write));
    let mut linger = pin!(None);
    loop {
        tokio::select! {
            // A client that can no longer be written to is gone.
            result = &mut down, if !down_done => match result {
                Err(Broken::Writing) => return,
                Ok(()) | Err(Broken::Reading) if up_done => return,
                Ok(()) | Err(Broken::Reading) => {
                    down_done = true;
                    linger.set(Some(tokio::time::sleep(LINGER)));
                }
            },
            // An engine that takes no more input may still have output to give.
            result = &mut up, if !up_done => match result {
                Err(Broken::Reading) => return,
                Ok(()) | Err(Broken::Writing) if down_done => return,
                Ok(()) | Err(Broken::Writing) => up_done = true,
            },
            () = wait(linger.as_mut().as_pin_mut()), if down_done => return,
        }
    }
}

async fn wait(sleep: Option<std::pin::Pin<&mut tokio::time::Sleep>>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => pending().await,
    }
}

/// Which end of a one-way copy failed.
enum Broken {
    Reading,
    Writing,
}

/// Copies one way until the end of input, and passes that end on.
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> Result<(), Broken> {
    let mut buffer = vec![0_u8; COPY_BUFFER];
    loop {
        let n = from.read(&mut buffer).await.map_err(|_| Broken::Reading)?;
        if n == 0 {
            return to.shutdown().await.map_err(|_| Broken::Writing);
        }
        to.write_all(&buffer[..n]).await.map_err(|_| Broken::Writing)?;
        to.flush().await.map_err(|_| Broken::Writing)?;
    }
}
