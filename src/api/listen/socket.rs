//! A connected stream socket that several owners hold at once: one speaks HTTP on it, another watches whether the
//! peer is still there.
//!
//! tokio's own streams want `&mut` to read and write, which the HTTP connection keeps to itself. This one reads and
//! writes through `&self`, so that a request can be cancelled when its client vanishes, and a proxied connection can
//! be judged before it is used again. And it asks the kernel about writing only while a write does not go through:
//! tokio's streams always do, and then every answer that a client picks up wakes this process once more for nothing,
//! which is a good part of what a small proxied request costs. It decides nothing; [`super::super::serve`] and the
//! proxy do.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::task::noop_waker_ref;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, sockopt};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// How often a peer that has closed its sending half is looked at again. Few do that and stay, so it may be coarse.
const HALF_CLOSED_POLL: Duration = Duration::from_millis(500);
/// Go's settings for accepted connections (`net.KeepAliveConfig`): a peer that is silent for so long is asked whether it
/// is there, as often again,
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// and is gone when it has not answered so many times.
const KEEP_ALIVE_PROBES: u32 = 9;
/// Least bytes of one read: the head of nearly every request fits.
const READ_MIN: usize = 2 * 1024;
/// Most bytes of one read. A unix socket holds some 200 KiB.
const READ_MAX: usize = 128 * 1024;

/// A connected socket, cheap to clone; it closes with its last clone.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reads: AsyncFd<OwnedFd>,
    /// There while a write waits.
    writes: Mutex<Option<AsyncFd<OwnedFd>>>,
    /// Bytes that the next read makes room for: twice what the last one brought. The room is cleared before each read,
    /// which would cost more than the read itself if it were always as much as may come.
    room: AtomicUsize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unix,
    Tcp,
}

/// A connected socket that no runtime watches.
#[derive(Debug)]
pub struct Unwatched {
    fd: OwnedFd,
    kind: Kind,
}

impl Unwatched {
    /// Of a unix socket.
    ///
    /// # Errors
    /// The operating system's.
    pub fn unix(stream: UnixStream) -> io::Result<Unwatched> {
        Ok(Unwatched { fd: stream.into_std()?.into(), kind: Kind::Unix })
    }

    /// Of a TCP socket, set up as Go's server does.
    ///
    /// # Errors
    /// The operating system's.
    pub fn tcp(stream: TcpStream) -> io::Result<Unwatched> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
        sockopt::set_tcp_keepcnt(&stream, KEEP_ALIVE_PROBES)?;
        Ok(Unwatched { fd: stream.into_std()?.into(), kind: Kind::Tcp })
    }

    /// The socket, watched by the runtime in which this is called.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn watch(self) -> io::Result<Socket> {
        let Unwatched { fd, kind } = self;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; these descriptors are owned, so the old one is sound here"
        )]
        let reads = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Socket(Arc::new(Inner { reads, writes: Mutex::default(), room: AtomicUsize::new(READ_MIN), kind })))
    }
}

impl Socket {
    /// The same socket for another runtime, once this one is no longer used.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn unwatched(&self) -> io::Result<Unwatched> {
        Ok(Unwatched { fd: self.fd().try_clone_to_owned()?, kind: self.0.kind })
    }

    /// Waits until nobody waits for an answer any more: the peer is gone for good, or looks so on TCP for longer than
    /// `half_closed`. A unix peer that only closed its sending half is still there: the kernel tells the two apart.
    pub async fn hangup(&self, half_closed: Duration) {
        self.closed((self.0.kind == Kind::Tcp).then_some(half_closed)).await;
    }

    /// The same for a raw stream, where the end of input is no sign of the end: a TCP peer counts as gone once it refuses
    /// what is written, or does not answer the kernel.
    pub async fn gone(&self) {
        self.closed(None).await;
    }

    /// Waits until both halves are closed, or the peer's sending half has been for so long.
    async fn closed(&self, patience: Option<Duration>) {
        // "Priority" never fires on these sockets by itself, but wakes up when the peer's sending half closes.
        if self.0.reads.ready(Interest::PRIORITY).await.is_err() {
            return;
        }
        let mut waited = Duration::ZERO;
        loop {
            let gone = match self.0.reads.ready(Interest::PRIORITY | Interest::WRITABLE).await {
                Ok(guard) => guard.ready().is_write_closed(),
                Err(_) => true,
            };
            if gone || patience.is_some_and(|patience| waited >= patience) {
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
        peeked.is_err_and(|errno| errno == Errno::AGAIN)
    }

    /// The same, and the kernel is asked only if the runtime has heard of something: it may be what was read already.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.0.reads.poll_read_ready(&mut Context::from_waker(noop_waker_ref())).is_pending() || self.is_quiet()
    }

    /// The next bytes, which stay to be read; none at the end.
    pub(super) async fn peek<'a>(&self, room: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (_, n) = self.draw(|fd| rustix::net::recv(fd, &mut *room, peek)).await?;
        Ok(&room[..n])
    }

    /// Takes bytes in a way of the caller's, as soon as there are any.
    pub(in crate::api) async fn draw<T>(
        &self,
        mut take: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let mut guard = self.0.reads.readable().await?;
            match take(self.fd()) {
                Ok(taken) => return Ok(taken),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Sends bytes in a way of the caller's, as soon as the peer has room for some.
    pub(in crate::api) async fn give(
        &self,
        send: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send(cx, &send)).await
    }

    /// Closes the sending half.
    ///
    /// # Errors
    /// The operating system's.
    pub fn finish(&self) -> io::Result<()> {
        match rustix::net::shutdown(self.fd(), Shutdown::Write) {
            // A peer that is gone already has nothing left to be told.
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.reads.get_ref().as_fd()
    }

    /// Writes at once if the kernel takes it, else when it will.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        send: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut writes = self.0.writes.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let sent = match &*writes {
                None => send(self.fd()),
                Some(watch) => {
                    let mut ready = ready!(watch.poll_write_ready(cx))?;
                    let sent = send(self.fd());
                    if sent == Err(Errno::AGAIN) {
                        ready.clear_ready();
                        continue;
                    }
                    sent
                }
            };
            match sent {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    #[expect(deprecated, reason = "see `Unwatched::watch`")]
                    let watch = AsyncFd::with_interest(self.fd().try_clone_to_owned()?, Interest::WRITABLE)?;
                    *writes = Some(watch);
                }
                sent => {
                    // Watched on, each read of the peer's would wake this process.
                    *writes = None;
                    return Poll::Ready(sent.map_err(io::Error::from));
                }
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.reads.poll_read_ready(cx))?;
            let room = self.0.room.load(Ordering::Relaxed);
            let space = buf.initialize_unfilled_to(buf.remaining().min(room));
            let wanted = space.len();
            match rustix::net::recv(self.fd(), space, RecvFlags::DONTWAIT) {
                Ok((_, n)) => {
                    if 0 < n && n < wanted {
                        // That was all there is; the kernel will say when there is more.
                        guard.clear_ready();
                    }
                    self.0.room.store((2 * n).clamp(READ_MIN, READ_MAX), Ordering::Relaxed);
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |fd| rustix::net::send(fd, buf, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The descriptor never blocks, and Rust programs ignore the signal for a peer that is gone.
        self.poll_send(cx, |fd| rustix::io::writev(fd, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

/// A client's stream: bytes that were read too early, then the socket, through TLS or not.
#[derive(Debug)]
pub struct ClientIo {
    early: Bytes,
    stream: ClientStream,
}

#[derive(Debug)]
enum ClientStream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl ClientIo {
    /// Without TLS.
    #[must_use]
    pub fn plain(socket: Socket) -> ClientIo {
        ClientIo { early: Bytes::new(), stream: ClientStream::Plain(socket) }
    }

    /// After the handshake.
    #[must_use]
    pub fn tls(stream: TlsStream<Socket>) -> ClientIo {
        ClientIo { early: Bytes::new(), stream: ClientStream::Tls(Box::new(stream)) }
    }

    /// The bytes that were read too early; the stream is given up.
    #[must_use]
    pub fn into_early(self) -> Bytes {
        self.early
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
        match &mut self.stream {
            ClientStream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            ClientStream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            ClientStream::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            ClientStream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            ClientStream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            ClientStream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            ClientStream::Plain(socket) => socket.is_write_vectored(),
            ClientStream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            ClientStream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            ClientStream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            ClientStream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            ClientStream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn the_kernel_is_asked_only_while_a_write_waits() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let socket = Unwatched::unix(near).unwrap().watch().unwrap();
        let is_watched = || socket.0.writes.lock().unwrap().is_some();
        let bytes = [1; 64 * 1024];
        let send = |fd: BorrowedFd<'_>| rustix::net::send(fd, &bytes[..], SendFlags::DONTWAIT);
        let mut sent = 0;
        while let Poll::Ready(n) = socket.poll_send(&mut Context::from_waker(noop_waker_ref()), send) {
            assert!(!is_watched(), "it went through");
            sent += n.unwrap();
        }
        assert!(is_watched(), "it waits");
        let mut room = vec![0; sent];
        far.read_exact(&mut room).await.unwrap();
        assert!(socket.give(send).await.unwrap() > 0);
        assert!(!is_watched(), "it waits no longer");
    }
}
