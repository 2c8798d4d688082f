//! Connections to dockerd: opening them, carrying one request each at a time, and keeping some for the next request.
//!
//! A connection is driven by the task that waits for its answer, not by a task of its own: each hop between tasks
//! would cost a wake-up, and the answer to a `GET /_ping` has four of them. Once an answer has been read whole, its
//! connection waits for the next request, as clients of dockerd do; before it is used again the kernel is asked
//! whether dockerd has closed it. What is sent is the business of [`super`].

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::ProxyError;
use crate::api::listen::{Socket, Unwatched};
use crate::api::relay::Relay;

/// Connections kept for the next request: as many as clients that ask at the same moment. More are opened when
/// needed, and closed after use.
const MAX_IDLE: usize = 32;
/// A local socket refuses for a moment when its queue is full; so often is it tried again,
const CONNECT_ATTEMPTS: u32 = 10;
/// after so long, half a second in all.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Largest head of an answer, and most that is read ahead of the client: hyper's own limit is less than the 1 MiB that
/// Go's server, and so dockerd, allows.
pub(in crate::api) const MAX_HEAD: usize = 1024 * 1024;

/// The engine's socket and the connections to it that wait for work.
#[derive(Debug)]
pub(super) struct Engine {
    path: PathBuf,
    /// A connection that was opened elsewhere, and is the only one.
    given: Option<Mutex<Option<Socket>>>,
    idle: Mutex<VecDeque<EngineConn>>,
}

/// One connection to dockerd. It is large, so it stays where it is while it changes hands.
pub(super) struct EngineConn(Box<Driven>);

struct Driven {
    sender: SendRequest<ClientBody>,
    conn: Connection<TokioIo<Socket>, ClientBody>,
    socket: Socket,
    relay: Relay,
    /// The connection has ended; it must not be polled again.
    done: bool,
}

impl std::fmt::Debug for EngineConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConn").field("done", &self.0.done).finish_non_exhaustive()
    }
}

impl Engine {
    pub(super) fn new(path: PathBuf) -> Engine {
        Engine { path, given: None, idle: Mutex::default() }
    }

    pub(super) fn over(socket: Socket) -> Engine {
        Engine { path: PathBuf::new(), given: Some(Mutex::new(Some(socket))), idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a raw connection.
    pub(super) async fn dial(&self) -> Result<Socket, ProxyError> {
        if let Some(given) = &self.given {
            return given.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(ProxyError::Silent);
        }
        let unreachable = |source| ProxyError::Unreachable { path: self.path.clone(), source };
        let watch = |stream| Unwatched::unix(stream)?.watch();
        for _ in 1..CONNECT_ATTEMPTS {
            match UnixStream::connect(&self.path).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(CONNECT_PAUSE).await,
                result => return result.and_then(watch).map_err(unreachable),
            }
        }
        UnixStream::connect(&self.path).await.and_then(watch).map_err(unreachable)
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<EngineConn, ProxyError> {
        let socket = self.dial().await?;
        let (sender, conn) = http1::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(socket.clone()))
            .await?;
        Ok(EngineConn(Box::new(Driven { sender, conn, socket, relay: Relay::new(), done: false })))
    }

    /// An idle connection that dockerd has not closed, if there is one; and whether some had been closed, which
    /// dockerd does only when it stops.
    pub(super) fn idle(&self) -> (Option<EngineConn>, bool) {
        let mut closed = false;
        loop {
            // The latest used first: the others may then be the ones that nobody needs.
            let Some(conn) = self.lock().pop_back() else { return (None, closed) };
            if conn.0.socket.is_quiet() {
                return (Some(conn), closed);
            }
            closed = true;
        }
    }

    /// Keeps a connection whose answer has been read, if it can carry another request.
    fn keep(&self, conn: EngineConn) {
        if conn.is_idle() {
            conn.0.relay.detach();
            let mut idle = self.lock();
            if idle.len() < MAX_IDLE {
                idle.push_back(conn);
            }
        }
    }

    /// The body of an answer; its connection is kept once it has been read to its end.
    pub(super) fn body(self: Arc<Self>, incoming: Incoming, conn: EngineConn) -> Body {
        if conn.is_idle() {
            // All of it has arrived already and waits in `incoming`.
            self.keep(conn);
            return Body::new(incoming);
        }
        Body::new(EngineBody { incoming, conn: Some(conn), engine: self, failed: None })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<EngineConn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineConn {
    /// Sends a request and waits for the head of the answer. A request of which nothing was written comes back.
    #[allow(clippy::type_complexity, clippy::result_large_err)]
    pub(super) async fn send(
        mut self,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, EngineConn), (ProxyError, Option<Request<Body>>)> {
        let socket = self.0.socket.clone();
        let request = request.map(|body| ClientBody { body, socket, state: Sending::Whole });
        let mut answer = pin!(self.0.sender.try_send_request(request));
        let answered = poll_fn(|cx| self.drive(cx, |cx| answer.as_mut().poll(cx)));
        match answered.await {
            Ok(response) => Ok((response, self)),
            Err(mut error) => {
                let unsent = error.take_message().map(|request| request.map(|sent| sent.body));
                Err((error.into_error().into(), unsent))
            }
        }
    }

    /// Moves bytes both ways as far as they go, and polls what they may have made ready.
    fn drive<T>(&mut self, cx: &mut Context<'_>, mut then: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let Driven { conn, relay, done, .. } = &mut *self.0;
        relay.poll(cx, |cx| {
            // Failures reach whoever waits for the answer or its body.
            *done = *done || conn.poll_without_shutdown(cx).is_ready();
            then(cx)
        })
    }

    fn is_idle(&self) -> bool {
        !self.0.done && self.0.sender.is_ready()
    }

    /// Gives the socket back after dockerd has gone over to raw bytes, with the bytes of these that came along.
    pub(super) async fn into_raw(mut self, mut body: Incoming) -> Result<(Socket, Vec<Bytes>), ProxyError> {
        if body.is_end_stream() {
            // A 101: hyper says when its part is over.
            poll_fn(|cx| {
                // One look at the connection at a time; what it still has to do wakes it again.
                let _: Poll<()> = self.drive(cx, |_| Poll::Pending);
                if self.0.done { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        let parts = self.0.conn.into_parts();
        // Without its connection the body ends after what had arrived.
        let mut early = Vec::new();
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            early.extend(frame.into_data());
        }
        early.push(parts.read_buf);
        Ok((parts.io.into_inner(), early))
    }
}

/// A client's body on its way to dockerd. When it breaks off, dockerd sees it break off, too, and says what it makes of
/// that; hyper would close the connection.
struct ClientBody {
    body: Body,
    socket: Socket,
    state: Sending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Whole,
    /// What came before is being written.
    BrokenOff,
    /// dockerd knows.
    Told,
}

impl HttpBody for ClientBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.state {
            Sending::Whole => match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Err(_))) => {
                    self.state = Sending::BrokenOff;
                    cx.waker().wake_by_ref();
                }
                polled => return polled,
            },
            Sending::BrokenOff => {
                self.state = Sending::Told;
                // If there is nobody to be told, the answer's end says so.
                let _ = self.socket.finish();
            }
            Sending::Told => {}
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which drives its connection while it is read.
struct EngineBody {
    incoming: Incoming,
    conn: Option<EngineConn>,
    engine: Arc<Engine>,
    /// What broke the body off, held back once.
    failed: Option<hyper::Error>,
}

impl HttpBody for EngineBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let incoming = &mut this.incoming;
        let polled = match &mut this.conn {
            Some(conn) => conn.drive(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx)),
            None => Pin::new(incoming).poll_frame(cx),
        };
        if let Poll::Ready(Some(Err(error))) = polled {
            // The server drops what it has not sent yet when a body fails; it gets a chance to send that first.
            this.failed = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let ended = match &polled {
            Poll::Ready(Some(Ok(_))) => this.incoming.is_end_stream(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if ended && let Some(mut conn) = this.conn.take() {
            // What is left to do once the last byte was read.
            let _ = conn.drive(cx, |_| Poll::Ready(()));
            this.engine.keep(conn);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
