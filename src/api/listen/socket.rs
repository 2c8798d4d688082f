//! A connected stream socket that several owners hold at once: one speaks HTTP on it, another watches whether the
//! peer is still there.
//!
//! tokio's own streams want `&mut` to read and write, which the HTTP connection keeps to itself. This one reads and
//! writes through `&self`, so that a request can be cancelled when its client vanishes, and a proxied connection can
//! be judged before it is used again. It decides nothing; [`super::super::serve`] and the proxy do.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use rustix::net::{RecvFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// How often a peer that has closed its sending half is looked at again. Few do that and stay, so it may be coarse.
const HALF_CLOSED_POLL: Duration = Duration::from_millis(500);
/// How long a peer over TCP that has closed its sending half is still waited for. On TCP that looks just as if it had
/// gone; on a unix socket the kernel tells the two apart.
const HALF_CLOSED_TCP: Duration = Duration::from_secs(10);

/// A connected socket, cheap to clone; it closes with its last clone.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Stream>);

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Does the same on either kind of stream.
macro_rules! on {
    ($self:expr, $stream:ident => $what:expr) => {
        match &*$self.0 {
            Stream::Unix($stream) => $what,
            Stream::Tcp($stream) => $what,
        }
    };
}

impl Socket {
    /// A unix socket.
    #[must_use]
    pub fn unix(stream: UnixStream) -> Socket {
        Socket(Arc::new(Stream::Unix(stream)))
    }

    /// A TCP socket.
    #[must_use]
    pub fn tcp(stream: TcpStream) -> Socket {
        Socket(Arc::new(Stream::Tcp(stream)))
    }

    /// Waits until the peer is gone for good. A unix peer that only closed its sending half is still there.
    pub async fn hangup(&self) {
        // "Priority" never fires on these sockets by itself, but wakes up when the peer's sending half closes.
        if on!(self, s => s.ready(Interest::PRIORITY).await).is_err() {
            return;
        }
        let mut waited = Duration::ZERO;
        loop {
            let both = Interest::PRIORITY | Interest::WRITABLE;
            let gone = match on!(self, s => s.ready(both).await) {
                Ok(ready) => ready.is_write_closed() || ready.is_error(),
                Err(_) => true,
            };
            if gone || (matches!(&*self.0, Stream::Tcp(_)) && waited >= HALF_CLOSED_TCP) {
                return;
            }
            tokio::time::sleep(HALF_CLOSED_POLL).await;
            waited += HALF_CLOSED_POLL;
        }
    }

    /// Whether an idle connection may carry another request: the peer has neither closed it nor sent anything.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0_u8; 1];
        let peeked = rustix::net::recv(self.fd(), &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.is_err_and(|errno| errno == rustix::io::Errno::AGAIN)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        on!(self, s => s.as_fd())
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(on!(self, s => s.poll_read_ready(cx)))?;
            match on!(self, s => s.try_read_buf(buf)) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(on!(self, s => s.poll_write_ready(cx)))?;
            match on!(self, s => s.try_write(buf)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(on!(self, s => s.poll_write_ready(cx)))?;
            match on!(self, s => s.try_write_vectored(bufs)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(self.fd(), Shutdown::Write) {
            // A peer that is gone already has nothing left to be told.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(errno) => Poll::Ready(Err(errno.into())),
        }
    }
}

/// A client's stream: bytes that were read too early, then the socket, through TLS or not.
#[derive(Debug)]
pub struct ClientIo {
    early: Bytes,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl ClientIo {
    /// Without TLS.
    #[must_use]
    pub fn plain(socket: Socket) -> ClientIo {
        ClientIo { early: Bytes::new(), inner: Inner::Plain(socket) }
    }

    /// After the handshake.
    #[must_use]
    pub fn tls(stream: TlsStream<Socket>) -> ClientIo {
        ClientIo { early: Bytes::new(), inner: Inner::Tls(Box::new(stream)) }
    }

    /// Gives bytes back that were read and belong to what comes next.
    pub fn unread(&mut self, bytes: Bytes) {
        self.early = match (bytes.is_empty(), self.early.is_empty()) {
            (true, _) => return,
            (false, true) => bytes,
            (false, false) => [bytes, std::mem::take(&mut self.early)].concat().into(),
        };
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let n = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..n]);
            self.early.advance(n);
            return Poll::Ready(Ok(()));
        }
        match &mut self.inner {
            Inner::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Inner::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(socket) => socket.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
