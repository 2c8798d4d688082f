//! What hyper reads of a client: heads that were looked at first, one at a time, and bodies as they are.
//!
//! hyper refuses what it cannot parse without a word of why, and `http::Uri` takes fewer bytes than Go's. So each head is
//! judged here ([`super::refusal`]) before hyper sees it: one may be spelled anew, and after one that is refused hyper
//! sees the end of the connection, so that it answers what came before, and the refusal is sent behind that. hyper reads
//! nothing while it answers, so bytes after a request that becomes a raw stream stay here, untouched. [`super`] puts this
//! around a [`ClientIo`] and takes that back.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::refusal::{Judged, judge};
use crate::api::listen::ClientIo;
use crate::api::straight::Body;

/// A client's stream, as hyper is to read it.
pub(in crate::api) struct Entry {
    io: ClientIo,
    /// What was read and not looked at.
    unread: BytesMut,
    /// What was looked at and goes to hyper.
    ready: Bytes,
    next: Next,
    /// What is still to be written before the end.
    farewell: Bytes,
}

/// What comes next.
enum Next {
    Head,
    Body(Body),
    /// Whatever it is, it is not what was announced: hyper says so.
    Garbage,
    /// Nothing.
    End,
}

impl Entry {
    pub(super) fn new(io: ClientIo) -> Entry {
        Entry { io, unread: BytesMut::new(), ready: Bytes::new(), next: Next::Head, farewell: Bytes::new() }
    }

    /// The stream beneath, with all that hyper has not read.
    pub(in crate::api) fn into_io(self) -> ClientIo {
        let Entry { mut io, unread, ready, .. } = self;
        io.unread(unread.freeze());
        io.unread(ready);
        io
    }

    /// Looks for a head in what was read.
    fn look(&mut self, ended: bool) {
        let (len, spelled, body) = match judge(&self.unread, ended) {
            Judged::Partial => return,
            Judged::Whole { len, spelled, body } => (len, spelled, body),
            Judged::Refused(refusal) => {
                self.unread.clear();
                self.farewell = refusal.answer();
                self.next = Next::End;
                return;
            }
        };
        let head = self.unread.split_to(len).freeze();
        self.ready = spelled.map_or(head, Bytes::from);
        self.next = Next::Body(body);
    }

    /// How many of these bytes are of the body.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let Next::Body(body) = &mut self.next else { return bytes.len() };
        let passed = body.pass(bytes);
        let is_over = body.is_over();
        match passed {
            Ok(n) if is_over => {
                self.next = Next::Head;
                n
            }
            Ok(n) => n,
            Err(_) => {
                self.next = Next::Garbage;
                bytes.len()
            }
        }
    }
}

impl AsyncRead for Entry {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready.is_empty() {
            match this.next {
                Next::End => return Poll::Ready(Ok(())),
                Next::Head => {
                    if !this.unread.is_empty() {
                        this.look(false);
                    }
                    if !matches!(this.next, Next::Head) {
                        continue;
                    }
                    if ready!(poll_read_buf(Pin::new(&mut this.io), cx, &mut this.unread))? == 0 {
                        this.next = Next::End;
                        if !this.unread.is_empty() {
                            this.look(true);
                        }
                    }
                }
                Next::Body(body) if body.is_over() => this.next = Next::Head,
                Next::Body(_) | Next::Garbage if !this.unread.is_empty() => {
                    let mut unread = std::mem::take(&mut this.unread);
                    let n = this.pass(&unread);
                    this.ready = unread.split_to(n).freeze();
                    this.unread = unread;
                }
                Next::Body(_) | Next::Garbage => {
                    let before = buf.filled().len();
                    ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
                    let of_body = before + this.pass(&buf.filled()[before..]);
                    this.unread.extend_from_slice(&buf.filled()[of_body..]);
                    buf.set_filled(of_body);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let n = this.ready.len().min(buf.remaining());
        buf.put_slice(&this.ready[..n]);
        this.ready.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Entry {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.farewell.is_empty() {
            let n = ready!(Pin::new(&mut this.io).poll_write(cx, &this.farewell))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.farewell.advance(n);
        }
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
