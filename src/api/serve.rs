//! Serves the router on open listeners: one task a connection, HTTP/1.1 as dockerd speaks it.
//!
//! A connection begins in [`super::straight`], where most stay; from the first request that is not for there on it is
//! hyper's and the router's. What the router answers is none of this module's business. It keeps the connections in bounds, cancels what a
//! vanished client asked for, survives a panic in a handler, and hands a connection over when it stops being HTTP: to
//! the proxy for a hijack, straight to dockerd for HTTP/2 (BuildKit's gRPC). `main` calls [`serve`] once.

mod carriers;
mod entry;
mod lenient;
mod progress;
mod refusal;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;
use tracing::{debug, error, warn};

use super::ApiError;
use super::listen::{Accepted, ClientIo, Listener, Socket, Unwatched};
use super::proxy::Proxy;
use super::relay::Relay;
use super::straight::Straight;
use super::version;
use super::way::is_endless;
pub use carriers::Carriers;
pub(super) use entry::Entry;
pub(super) use progress::Progress;
use progress::Underway;
pub(super) use refusal::MAX_TARGET;
use refusal::{LONG_QUERY, MAX_FIELDS};

/// Most connections at once, over all listeners: each may hold one to dockerd as well, and further ones wait in the
/// kernel's queue. A busy host has some hundreds.
pub const MAX_CONNECTIONS: usize = 8192;
/// File descriptors needed for that many connections, and as much again for all else.
const WANTED_FILES: u64 = 4 * MAX_CONNECTIONS as u64;
/// How long the head of a request may take, at least, and how long an idle connection is kept; as long as dockerd waits
/// for a head (`moby: cmd/dockerd`, `ReadHeaderTimeout`), so that no client meets a connection closed under it. hyper's
/// own limit sets a timer for every request, which alone would cost a tenth of what passing a small request on costs.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a TLS handshake may take; a healthy one takes milliseconds.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what a client asked for goes on after the client has gone: some scripts send a command and leave at once,
/// and it should still reach its place.
const HANGUP_GRACE: Duration = Duration::from_millis(250);
/// How long the answer to a client over TCP that has closed its sending half is still worked on. On TCP that looks just as
/// if the client had gone, for which dockerd does not wait at all.
pub const HALF_CLOSED_TCP: Duration = Duration::from_secs(10);
/// How long connections that were told to end may take; they end at their next step.
const CUT_LIMIT: Duration = Duration::from_secs(1);
/// Pause after a failure to accept, which means that the process or the host has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What an HTTP/2 client sends first, and no HTTP/1 client ever (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Takes a connection over that is no longer HTTP, with the bytes that were read ahead.
pub type TakeOver = Box<dyn FnOnce(ClientIo, Bytes) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Request extension: the connection on which the request came. Holding it holds the connection's place among the
/// [`MAX_CONNECTIONS`].
#[derive(Clone)]
pub struct ClientConnection {
    socket: Socket,
    take_over: mpsc::Sender<TakeOver>,
    stop: CancellationToken,
    _place: Arc<OwnedSemaphorePermit>,
}

impl ClientConnection {
    /// The raw socket, to see whether the client is still there ([`Socket::hangup`]).
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Cancelled when the daemon stops and has waited for the requests under way.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Ends HTTP on this connection at once and gives it to the function. The handler that calls this must not
    /// return: it is dropped, and so is the request.
    pub fn take_over(&self, function: TakeOver) {
        // One request at a time is served on a connection, so there is room for the one that takes it over.
        if self.take_over.try_send(function).is_err() {
            debug!("the connection is gone already");
        }
    }
}

/// How long is waited for clients.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the answers under way at a stop.
    pub drain: Duration,
    /// [`HALF_CLOSED_TCP`]; tests have less.
    pub half_closed: Duration,
}

/// Request extension: a query that is too long for a URI.
#[derive(Debug, Clone)]
pub(super) struct LongQuery(pub(super) String);

/// What all connections share.
#[derive(Clone)]
struct Shared {
    router: Router,
    carriers: Carriers,
    /// The runtime of handlers.
    runtime: Handle,
    proxy: Proxy,
    http: http1::Builder,
    places: Arc<Semaphore>,
    /// [`HEADER_READ_TIMEOUT`].
    idle: Duration,
    half_closed: Duration,
    /// No new requests.
    draining: CancellationToken,
    /// The end of everything.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    fn new(
        router: Router,
        carriers: Carriers,
        proxy: Proxy,
        shutdown: CancellationToken,
        half_closed: Duration,
    ) -> Shared {
        Shared {
            router,
            carriers,
            runtime: Handle::current(),
            proxy,
            http: http_settings(),
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            idle: HEADER_READ_TIMEOUT,
            half_closed,
            draining: shutdown,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }
}

/// Serves until `shutdown` is cancelled and the requests under way have finished, or the patience with them has passed: short ones
/// finish, streams that never do are not waited for, and those who follow one connect again. The sockets' files are gone when this returns.
///
/// The carriers serve what needs no router; every other request goes through [`version::strip`] before the router sees
/// it. The router's fallback (and its `method_not_allowed_fallback`) should be [`Proxy::forward`].
pub async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    carriers: Carriers,
    proxy: Proxy,
    shutdown: CancellationToken,
    patience: Patience,
) {
    let shared = Shared::new(router, carriers, proxy, shutdown, patience.half_closed);
    run(listeners, shared, patience.drain).await;
}

/// Serves connections of managers, which come in by other ways than a listener, until `shutdown` is cancelled. Each goes to the
/// router from its first byte on: nothing may pass it by.
pub async fn serve_visitors(
    mut visitors: mpsc::Receiver<UnixStream>,
    router: Router,
    carriers: Carriers,
    proxy: Proxy,
    shutdown: CancellationToken,
) {
    let shared = Shared::new(router, carriers, proxy, shutdown, HALF_CLOSED_TCP);
    let stop = shared.draining.clone();
    while let Some(Some(stream)) = stop.run_until_cancelled(visitors.recv()).await {
        let Ok(place) = shared.places.clone().try_acquire_owned() else {
            warn!("a connection of a manager is turned away: there are too many");
            continue;
        };
        let Ok(socket) = Unwatched::unix(stream).and_then(Unwatched::watch) else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            let io = ClientIo::plain(socket.clone());
            routed(io, socket, place, &shared, &Arc::default()).await;
        });
    }
    shared.stop.cancel();
}

async fn run(listeners: Vec<Listener>, shared: Shared, drain: Duration) {
    let accepting = listeners.into_iter().map(|listener| accept_loop(listener, shared.clone()));
    futures_util::future::join_all(accepting).await;
    shared.tasks.close();
    if timeout(drain, shared.tasks.wait()).await.is_err() {
        debug!(connections = shared.tasks.len(), "connections are cut off");
    }
    shared.stop.cancel();
    // Nothing in a connection's task blocks, so this does not run out.
    let _ = timeout(CUT_LIMIT, shared.tasks.wait()).await;
}

/// Raises the limit of open files as far as the system lets a process, for [`MAX_CONNECTIONS`]. Called once at start.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED_FILES, |maximum| maximum.min(WANTED_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            warn!(%error, wanted, "the limit of open files stays as it is");
        }
    }
}

fn http_settings() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.preserve_header_case(true)
        // Only for names that no message brought along: Gam's own answers are spelled like dockerd's.
        .title_case_headers(true)
        .auto_date_header(false)
        .half_close(true)
        .header_read_timeout(None)
        .max_headers(MAX_FIELDS)
        // What is longer was refused before.
        .max_buf_size(2 * super::proxy::MAX_HEAD);
    http
}

async fn accept_loop(listener: Listener, shared: Shared) {
    loop {
        let accepted = tokio::select! {
            () = shared.draining.cancelled() => return,
            accepted = accept(&listener, &shared) => accepted,
        };
        match accepted {
            Ok((accepted, place)) => {
                begin(accepted, place, &shared);
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Starts to serve a connection: by a carrier, unless there are bytes to be deciphered.
fn begin(accepted: Accepted, place: OwnedSemaphorePermit, shared: &Shared) {
    if accepted.is_tls() {
        shared.tasks.spawn(connection(accepted, place, None, shared.clone()));
        return;
    }
    let carrier = shared.carriers.next();
    let connection = connection(accepted, place, Some(carrier.straight.clone()), shared.clone());
    carrier.runtime.spawn(shared.tasks.track_future(connection));
}

/// Waits for a free place first, so that a client beyond the limit waits in the kernel's queue.
async fn accept(listener: &Listener, shared: &Shared) -> io::Result<(Accepted, OwnedSemaphorePermit)> {
    let place = shared.places.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, place))
}

/// Serves a connection on the runtime in which this is called, until it ends or leaves for the router.
async fn connection(accepted: Accepted, place: OwnedSemaphorePermit, straight: Option<Straight>, shared: Shared) {
    let opened = tokio::select! {
        opened = open(accepted, shared.idle) => opened,
        () = shared.draining.cancelled() => return,
    };
    match opened {
        Ok(Opened { io, socket, is_http2: true }) => http2_connection(io, socket, shared).await,
        Ok(Opened { io, socket, .. }) => http1_connection(io, socket, straight, place, shared).await,
        Err(error) => debug!(%error, "a connection ended before its first request"),
    }
}

struct Opened {
    io: ClientIo,
    socket: Socket,
    is_http2: bool,
}

/// Does the TLS handshake if there is one, and looks at the first bytes without losing them.
async fn open(accepted: Accepted, wait: Duration) -> io::Result<Opened> {
    let (mut io, socket) = timeout(HANDSHAKE_TIMEOUT, accepted.open()).await??;
    let mut first = BytesMut::with_capacity(FIRST_READ);
    let is_http2 = loop {
        let n = timeout(wait, io.read_buf(&mut first)).await??;
        if n == 0 || !HTTP2_PREFACE.starts_with(&first) {
            break first.starts_with(HTTP2_PREFACE);
        }
        if first.len() == HTTP2_PREFACE.len() {
            break true;
        }
    };
    io.unread(first.freeze());
    Ok(Opened { io, socket, is_http2 })
}

/// First read of a connection; the head of an ordinary request fits.
const FIRST_READ: usize = 1024;

/// HTTP/2 without TLS is gRPC to BuildKit, which only dockerd speaks: the whole connection is its.
async fn http2_connection(io: ClientIo, socket: Socket, shared: Shared) {
    match shared.proxy.dial().await {
        Ok(engine) => tokio::select! {
            () = super::proxy::splice(io, engine) => {}
            () = socket.gone() => {}
            () = shared.draining.cancelled() => {}
        },
        Err(error) => debug!(%error, "an HTTP/2 connection cannot be passed on"),
    }
}

async fn http1_connection(
    io: ClientIo,
    socket: Socket,
    straight: Option<Straight>,
    place: OwnedSemaphorePermit,
    shared: Shared,
) {
    let progress = Arc::new(Progress::default());
    let Some(straight) = straight else { return routed(io, socket, place, &shared, &progress).await };
    let unread = tokio::select! {
        biased;
        unread = straight.serve(socket.clone(), io.into_early(), &progress, &shared.draining) => unread,
        () = ended(&socket, &progress, &shared) => return,
    };
    let (Some(unread), Ok(socket)) = (unread, socket.unwatched()) else { return };
    let (runtime, tasks) = (shared.runtime.clone(), shared.tasks.clone());
    runtime.spawn(tasks.track_future(async move {
        let Ok(socket) = socket.watch() else { return };
        let mut io = ClientIo::plain(socket.clone());
        io.unread(unread);
        routed(io, socket, place, &shared, &progress).await;
    }));
}

/// Waits until a connection has to end, whatever is under way on it.
async fn ended(socket: &Socket, progress: &Progress, shared: &Shared) {
    let gone = async {
        socket.hangup(shared.half_closed).await;
        tokio::time::sleep(HANGUP_GRACE).await;
    };
    let told = async {
        shared.draining.cancelled().await;
        if !progress.is_endless() {
            pending().await
        }
    };
    tokio::select! {
        () = gone => {}
        () = told => {}
        () = progress.idle(shared.idle) => {}
        () = shared.stop.cancelled() => {}
    }
}

/// Serves a connection through the router until it ends.
async fn routed(io: ClientIo, socket: Socket, place: OwnedSemaphorePermit, shared: &Shared, progress: &Arc<Progress>) {
    let (take_over, mut taken) = mpsc::channel(1);
    let mut ended = pin!(ended(&socket, progress, shared));
    let client =
        ClientConnection { socket: socket.clone(), take_over, stop: shared.stop.clone(), _place: Arc::new(place) };
    let service = service_fn(|request: Request<Incoming>| {
        let endless = request.uri().path_and_query().is_some_and(|target| is_endless(target.as_str()));
        let underway = progress.begin(endless);
        let answered = answer(shared.router.clone(), client.clone(), request);
        async move { answered.await.map(|response| response.map(|body| Underway { body, _guard: underway })) }
    });
    let mut connection = shared.http.serve_connection(TokioIo::new(Entry::new(io)), service).with_upgrades();
    let relay = Relay::new();
    let mut draining = false;
    let take = loop {
        tokio::select! {
            biased;
            Some(take) = taken.recv() => break take,
            result = poll_fn(|cx| relay.poll(cx, |cx| Pin::new(&mut connection).poll(cx))) => {
                if let Err(error) = result {
                    debug!(%error, "a connection ended");
                }
                return;
            }
            () = shared.draining.cancelled(), if !draining => {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = &mut ended => return,
        }
    };
    let Some(parts) = connection.into_parts() else { return };
    // A raw stream does not end by itself; a stop does not wait for it.
    tokio::select! {
        () = take(parts.io.into_inner().into_io(), parts.read_buf) => {}
        () = shared.draining.cancelled() => {}
    }
}

/// Answers one request; a panic on the way costs this request its answer, and nobody else anything.
async fn answer(
    mut router: Router,
    client: ClientConnection,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(client);
    if let Some(query) = request.headers_mut().remove(LONG_QUERY) {
        request.extensions_mut().insert(LongQuery(query.to_str().unwrap_or_default().to_owned()));
    }
    version::strip(&mut request);
    let answered = AssertUnwindSafe(router.call(request)).catch_unwind();
    Ok(match answered.await {
        Ok(Ok(mut response)) => {
            // The router names the methods of a path that it knows, where dockerd just does not know the page.
            response.headers_mut().remove(header::ALLOW);
            response
        }
        Err(panic) => {
            error!(panic = panic_text(&*panic), "a request handler panicked; this is a bug in Gam");
            let text = "Gam failed to handle this request; its log has the reason";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "unknown",
    }
}
