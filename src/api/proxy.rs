//! The way through to dockerd: a request that is not Gam's own goes to the engine's socket as it came, and the answer
//! comes back as it is.
//!
//! Method, path, query, headers (their spelling included) and bodies pass unchanged and unbuffered; nothing limits
//! the size or the duration of a body. Rewritten is only what a new engine would refuse: an old version prefix
//! ([`super::version::lift`]), and a missing `Host`, which HTTP/1.0 does not need and HTTP/1.1 does. Requests that turn the connection into a raw stream are the business of
//! [`hijack`], connections to dockerd that of [`engine`]. The router's fallback calls [`Proxy::forward`]; handlers of
//! merged routes ask dockerd through [`Proxy::fetch`] and [`Proxy::open`].

mod engine;
mod hijack;
#[cfg(test)]
pub(in crate::api) mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, SERVER, UPGRADE};
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::ApiError;
use super::listen::Socket;
use super::version::{self, ApiVersion, EngineVersion, OriginalUri};
use engine::Engine;
pub(super) use engine::MAX_HEAD;
pub(super) use hijack::{is_hijack, splice};

/// Most bytes that [`Proxy::fetch`] takes: lists of a host with tens of thousands of containers fit, a stream that
/// never ends does not.
pub const FETCH_LIMIT: usize = 64 * 1024 * 1024;
/// How long [`Proxy::fetch`] waits for the whole answer; `/system/df` walks disks and may take most of it.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a request waits to learn the engine's version; a healthy engine needs a millisecond.
const LEARN_TIMEOUT: Duration = Duration::from_secs(2);
/// After a failure to learn it, so long is not tried again: requests must not queue behind an engine that hangs.
const LEARN_PAUSE: Duration = Duration::from_secs(1);

const API_VERSION: HeaderName = HeaderName::from_static("api-version");

/// Response extension: this is dockerd's own answer, headers and all.
#[derive(Debug, Clone, Copy)]
pub struct Proxied;

/// Speaks to dockerd; cheap to clone, and all clones share the idle connections.
#[derive(Debug, Clone)]
pub struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    version: ArcSwapOption<EngineVersion>,
    /// The version may have changed: the engine closed connections, or answered with other headers.
    outdated: AtomicBool,
    /// One at a time asks for the version; holds when that last failed.
    learning: Mutex<Option<Instant>>,
}

/// Why dockerd gave no answer. As a response it says so in Docker's words.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nobody serves the engine's socket. The text is the docker CLI's own.
    #[error("Cannot connect to the Docker daemon at unix://{path}. Is the docker daemon running?")]
    Unreachable {
        /// The engine's socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The engine went away, or broke off, before it answered.
    #[error("The Docker daemon closed the connection before it answered: {0}")]
    Broken(#[from] hyper::Error),
    /// The answer's or the request's body broke off.
    #[error("The body broke off: {0}")]
    Body(String),
    /// [`FETCH_LIMIT`], or the limit of a body that has to be read whole.
    #[error("The body is larger than {0} bytes")]
    TooLarge(usize),
    /// [`FETCH_TIMEOUT`].
    #[error("The Docker daemon did not answer within {} s", FETCH_TIMEOUT.as_secs())]
    Timeout,
    /// The path or a header of a request made by Gam is not valid.
    #[error("Not a valid request: {0}")]
    Request(#[from] http::Error),
    /// The same, where hyper was not in between.
    #[error("The Docker daemon closed the connection before it answered")]
    Silent,
    /// The answer is none.
    #[error("The Docker daemon's answer cannot be read")]
    Garbled,
    /// dockerd switched protocols where nobody asked for it.
    #[error("The Docker daemon switched protocols unasked")]
    Switched,
}

impl ProxyError {
    /// The status of the answer: 503 means "try again", 502 that the engine failed in the middle.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            ProxyError::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ProxyError::Broken(_) | ProxyError::Silent | ProxyError::Garbled | ProxyError::Switched => {
                StatusCode::BAD_GATEWAY
            }
            ProxyError::Body(_) | ProxyError::Request(_) => StatusCode::BAD_REQUEST,
            ProxyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ProxyError::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> ApiError {
        ApiError::new(error.status(), error.to_string())
    }
}

impl IntoResponse for ProxyError {
    fn into_response(self) -> Response {
        let mut response = ApiError::from(self).into_response();
        version::stamp(response.headers_mut());
        response
    }
}

impl Proxy {
    /// A way to the engine at this socket. Opens nothing yet.
    #[must_use]
    pub fn new(engine_socket: PathBuf) -> Proxy {
        Proxy(Arc::new(Inner {
            engine: Arc::new(Engine::new(engine_socket)),
            version: ArcSwapOption::empty(),
            outdated: AtomicBool::new(true),
            learning: Mutex::new(None),
        }))
    }

    /// A way over a connection that is open already, for one request. Whoever is at its other end lifts versions.
    #[must_use]
    pub fn over(socket: Socket) -> Proxy {
        Proxy(Arc::new(Inner {
            engine: Arc::new(Engine::over(socket)),
            version: ArcSwapOption::empty(),
            outdated: AtomicBool::new(false),
            learning: Mutex::new(None),
        }))
    }

    /// The engine's socket.
    #[must_use]
    pub fn engine_socket(&self) -> &Path {
        self.0.engine.path()
    }

    /// Passes one request of a client on, and dockerd's answer back; failures come back as an answer, too.
    ///
    /// Upgrades and hijacks work only for requests that [`super::serve::serve`] has received.
    pub async fn forward(&self, request: Request<Body>) -> Response {
        self.try_forward(request).await.unwrap_or_else(|error| {
            debug!(%error, "no answer from dockerd");
            error.into_response()
        })
    }

    async fn try_forward(&self, mut request: Request<Body>) -> Result<Response, ProxyError> {
        as_asked(&mut request);
        if request.headers().contains_key(UPGRADE) && request.version() == Version::HTTP_11 {
            return hijack::upgrade(self, request).await;
        }
        if hijack::may_go_raw(&request) {
            return hijack::raw(self, request).await;
        }
        self.open(request).await
    }

    /// Sends a request and gives the answer as soon as its head is there; the body streams. For answers that are
    /// merged while they flow, such as `/events`. Nothing is limited but what the caller limits.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn open(&self, mut request: Request<Body>) -> Result<Response, ProxyError> {
        // The answer's framing depends on the version of the request, and the client's is no business of the engine's.
        *request.version_mut() = Version::HTTP_11;
        as_asked(&mut request);
        let (idle, restarted) = self.0.engine.idle();
        if restarted {
            self.outdate();
        }
        self.lift(&mut request).await;
        let reused = idle.is_some();
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        let answer = match conn.send(request).await {
            // The connection was closed under us, and not one byte was written: another one may carry the request.
            Err((_, Some(unsent))) if reused => self.connect().await?.send(unsent).await,
            answer => answer,
        };
        let (response, conn) = answer.map_err(|(error, _)| error)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ProxyError::Switched);
        }
        Ok(self.answer(response.map(|body| self.0.engine.clone().body(body, conn))))
    }

    /// Asks dockerd and waits for the whole answer, at most [`FETCH_LIMIT`] bytes and [`FETCH_TIMEOUT`]. The path may
    /// carry a version; a body is JSON.
    ///
    /// # Errors
    /// When there is no answer; an answer with an error status is an answer.
    pub async fn fetch(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), ProxyError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "docker");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from))?;
        let fetched = async {
            let (parts, body) = self.open(request).await?.into_parts();
            let body = collect(body, FETCH_LIMIT).await?;
            Ok((parts.status, parts.headers, body))
        };
        timeout(FETCH_TIMEOUT, fetched).await.unwrap_or(Err(ProxyError::Timeout))
    }

    /// What the engine says it is: what is known, at once; while nothing is known, the engine is asked. An engine that
    /// does not answer is assumed to be what it last was, or what Gam was made for.
    pub async fn engine_version(&self) -> Arc<EngineVersion> {
        let known = self.0.version.load_full();
        if self.0.outdated.load(Ordering::Relaxed) {
            if let Some(known) = known {
                let proxy = self.clone();
                tokio::spawn(async move { proxy.learn().await });
                return known;
            }
            self.learn().await;
        }
        self.0.version.load_full().unwrap_or_else(|| Arc::new(EngineVersion::assumed()))
    }

    /// Asks the engine for its version if that is not known for certain.
    ///
    /// Called at start by `main`, to say early that there is no engine.
    ///
    /// # Errors
    /// None: what cannot be learnt stays as it is. Returns whether the version is now known.
    pub async fn learn(&self) -> bool {
        let mut failed = self.0.learning.lock().await;
        if !self.0.outdated.load(Ordering::Relaxed) {
            return true;
        }
        if failed.is_some_and(|at| at.elapsed() < LEARN_PAUSE) {
            return false;
        }
        let learnt = timeout(LEARN_TIMEOUT, self.ask_version()).await.ok().flatten();
        match learnt {
            Some(version) => {
                self.0.version.store(Some(Arc::new(version)));
                self.0.outdated.store(false, Ordering::Relaxed);
                *failed = None;
            }
            None => *failed = Some(Instant::now()),
        }
        failed.is_none()
    }

    /// Asks on a connection of its own, past [`Proxy::open`], which would wait for this very answer.
    async fn ask_version(&self) -> Option<EngineVersion> {
        let request = Request::get("/version").header(HOST, "docker").body(Body::empty()).ok()?;
        let (response, conn) = self.0.engine.connect().await.ok()?.send(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = self.0.engine.clone().body(response.into_body(), conn);
        EngineVersion::from_answer(&collect(body, FETCH_LIMIT).await.ok()?)
    }

    /// Opens a raw connection to the engine's socket, for bytes that are not a request.
    ///
    /// # Errors
    /// When nobody serves it.
    pub async fn dial(&self) -> Result<Socket, ProxyError> {
        self.0.engine.dial().await.inspect_err(|_| self.outdate())
    }

    /// Notes that whoever answers next may be another engine: one has closed connections.
    pub(super) fn outdate(&self) {
        self.0.outdated.store(true, Ordering::Relaxed);
    }

    async fn connect(&self) -> Result<engine::EngineConn, ProxyError> {
        self.0.engine.connect().await.inspect_err(|_| self.outdate())
    }

    /// Whether the engine is too new for the version that a request asks for.
    pub(super) async fn is_lifted(&self, asked: Option<ApiVersion>) -> bool {
        let Some(asked) = asked else { return false };
        self.learn_if_outdated().await;
        self.0.version.load().as_ref().is_some_and(|engine| version::is_lifted(asked, engine))
    }

    /// Lifts a version that the engine is too new for.
    async fn lift(&self, request: &mut Request<Body>) {
        if version::split(request.uri().path()).is_none() {
            return;
        }
        self.learn_if_outdated().await;
        let known = self.0.version.load();
        if let Some(lifted) = known.as_ref().and_then(|engine| version::lift(request.uri(), engine)) {
            debug!(from = %request.uri(), to = %lifted, "version lifted to the engine's minimum");
            *request.uri_mut() = lifted;
        }
    }

    async fn learn_if_outdated(&self) {
        if self.0.outdated.load(Ordering::Relaxed) {
            self.learn().await;
        }
    }

    /// Marks an answer as dockerd's own, and notices when it is another dockerd than before.
    fn answer(&self, mut response: Response) -> Response {
        let value = |name: &HeaderName| response.headers().get(name).map(HeaderValue::as_bytes);
        self.look_at(value(&API_VERSION), value(&SERVER));
        response.extensions_mut().insert(Proxied);
        response
    }

    /// Notices by the headers `Api-Version` and `Server` of an answer when it is another dockerd than before.
    pub(super) fn look_at(&self, api: Option<&[u8]>, server: Option<&[u8]>) {
        let known = self.0.version.load();
        let Some(known) = known.as_ref() else { return };
        let differs = |value: Option<&[u8]>, known: String| value.is_some_and(|value| value != known.as_bytes());
        if differs(api, known.api.to_string()) || differs(server, known.server()) {
            self.outdate();
        }
    }
}

/// Puts the version back that was taken off for routing, and names a host where the client had no need to.
fn as_asked(request: &mut Request<Body>) {
    request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("docker"));
    if let Some(OriginalUri(uri)) = request.extensions_mut().remove() {
        *request.uri_mut() = uri;
    }
}

/// Reads a body whole, up to a limit.
async fn collect(body: Body, limit: usize) -> Result<Bytes, ProxyError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ProxyError::TooLarge(limit)),
        Err(error) => Err(ProxyError::Body(error.to_string())),
    }
}
