//! Passing the rest of a body on, while it comes.
//!
//! Most bodies are copied through one room. A long one that comes in big pieces, as an image does, is not copied: the
//! kernel hands its pages on from socket to socket through a pipe, and only the lines between the pieces are looked
//! at. That is a third of the copy's work, which dockerd and the client on the same processors can use.
//!
//! One that comes in a rush of small pieces, as a log does, is let gather ([`Rush`]): else each of dockerd's writes
//! wakes this process, which costs dockerd more than the write itself.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bytes::Bytes;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::body::Body;
use super::rush::Rush;
use crate::api::listen::Socket;

/// First room for a stream. Most are the logs and events of somebody who waits, and wait with it.
const STREAM_ROOM: usize = 8 * 1024;
/// Most bytes of a stream at once: about what a unix socket holds.
const MAX_STREAM_ROOM: usize = 256 * 1024;
/// A body is long after so many bytes.
const LONG: usize = 1024 * 1024;
/// A piece is big from so many bytes on; below, handing it on costs more than copying it.
const BIG: u64 = 16 * 1024;
/// Room of the pipe. It is counted in pages, and a piece of whatever size may take one.
const PIPE_ROOM: usize = 1024 * 1024;
/// Bytes read at once between two pieces: the lines there are shorter, and what is read of a piece is copied.
const BETWEEN: usize = 16;

/// Which end of a one-way copy failed.
pub(super) enum Broken {
    Reading,
    Writing,
}

/// Passes the rest of a body on; returns what was read after its end.
pub(super) async fn pour(from: &mut Socket, to: &mut Socket, body: &mut Body) -> Result<Bytes, Broken> {
    let mut room = vec![0; STREAM_ROOM];
    let mut passed = 0;
    let mut rush = Rush::default();
    loop {
        if passed >= LONG
            && body.unseen() >= BIG
            && let Ok(mut pipe) = Pipe::new()
        {
            while pipe.end.is_none() && !pipe.small {
                pipe.pass(from, to, body).await?;
            }
            match pipe.end {
                Some(End::Over(rest)) => return Ok(rest),
                Some(End::Broken) => return Err(Broken::Reading),
                None => passed = 0,
            }
        }
        let n = from.read(&mut room).await.map_err(|_| Broken::Reading)?;
        if n == 0 {
            return if *body == Body::ToTheEnd { Ok(Bytes::new()) } else { Err(Broken::Reading) };
        }
        let Ok(of_body) = body.pass(&room[..n]) else {
            // Whoever gets it sees best what is wrong with it.
            let _ = to.write_all(&room[..n]).await;
            return Err(Broken::Reading);
        };
        to.write_all(&room[..of_body]).await.map_err(|_| Broken::Writing)?;
        if body.is_over() {
            return Ok(Bytes::copy_from_slice(&room[of_body..n]));
        }
        passed += n;
        rush.passed(n);
        if n == room.len() && n < MAX_STREAM_ROOM {
            room = vec![0; 2 * n];
        }
    }
}

/// What a stream in a pipe came to.
enum End {
    /// The end of the body, and what was read after it.
    Over(Bytes),
    /// The end of the connection, or bytes that are no body.
    Broken,
}

/// A pipe between two sockets.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// Bytes in it.
    held: usize,
    /// What follows those and found no room.
    late: Vec<u8>,
    /// Whether the pieces have become small.
    small: bool,
    end: Option<End>,
}

impl Pipe {
    fn new() -> io::Result<Pipe> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&write, PIPE_ROOM)?;
        Ok(Pipe { read, write, held: 0, late: Vec::new(), small: false, end: None })
    }

    /// Passes on what has come, or comes next.
    async fn pass(&mut self, from: &Socket, to: &Socket, body: &mut Body) -> Result<(), Broken> {
        from.draw(|from| self.fill(from, body)).await.map_err(|_| Broken::Reading)?;
        while self.held > 0 {
            let (read, held) = (&self.read, self.held);
            let sent = to.give(|to| splice(read, None, to, None, held, SpliceFlags::NONBLOCK)).await;
            self.held -= sent.map_err(|_| Broken::Writing)?;
        }
        let late = std::mem::take(&mut self.late);
        to.clone().write_all(&late).await.map_err(|_| Broken::Writing)
    }

    /// Takes what has come of the body; fails if that is nothing.
    fn fill(&mut self, from: BorrowedFd<'_>, body: &mut Body) -> rustix::io::Result<()> {
        while self.held < MAX_STREAM_ROOM && self.late.is_empty() && self.end.is_none() && !self.small {
            let taken = match body.unseen() {
                0 => self.read(from, body),
                unseen => self.take(from, body, unseen),
            };
            match taken {
                Err(Errno::INTR) => {}
                // Or the pipe is full, which comes to the same: what it holds goes on.
                Err(Errno::AGAIN) if self.held > 0 => return Ok(()),
                taken => taken?,
            }
        }
        Ok(())
    }

    /// Takes a part of a piece as it is.
    fn take(&mut self, from: BorrowedFd<'_>, body: &mut Body, unseen: u64) -> rustix::io::Result<()> {
        let most = usize::try_from(unseen).map_or(MAX_STREAM_ROOM, |unseen| unseen.min(MAX_STREAM_ROOM));
        let n = splice(from, None, &self.write, None, most, SpliceFlags::NONBLOCK)?;
        if n == 0 {
            self.end = Some(if *body == Body::ToTheEnd { End::Over(Bytes::new()) } else { End::Broken });
        }
        body.skip(n as u64);
        self.held += n;
        if body.is_over() {
            self.end = Some(End::Over(Bytes::new()));
        }
        Ok(())
    }

    /// Reads what stands between two pieces.
    fn read(&mut self, from: BorrowedFd<'_>, body: &mut Body) -> rustix::io::Result<()> {
        let mut bytes = [0; BETWEEN];
        let (n, _) = rustix::net::recv(from, &mut bytes[..], RecvFlags::DONTWAIT)?;
        let bytes = &bytes[..n];
        let of_body = match body.pass(bytes) {
            Ok(of_body) if n > 0 => of_body,
            _ => {
                self.end = Some(End::Broken);
                n
            }
        };
        self.small = (1..BIG).contains(&body.unseen());
        if body.is_over() {
            self.end = Some(End::Over(Bytes::copy_from_slice(&bytes[of_body..])));
        }
        let kept = rustix::io::write(&self.write, &bytes[..of_body]).unwrap_or(0);
        self.held += kept;
        self.late.extend_from_slice(&bytes[kept..of_body]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::listen::Unwatched;
    use tokio::net::UnixStream;

    /// What came out at the other end, and what `pour` said.
    async fn poured(mut body: Body, sent: &[u8], step: usize) -> (Vec<u8>, Result<Bytes, Broken>) {
        let socket = |stream| Unwatched::unix(stream).unwrap().watch().unwrap();
        let ((mut source, from), (to, mut sink)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let (mut from, mut to) = (socket(from), socket(to));
        let send = async {
            for piece in sent.chunks(step) {
                // Of a broken body not all is read.
                let _ = source.write_all(piece).await;
            }
            drop(source);
        };
        let pour = async {
            let result = pour(&mut from, &mut to, &mut body).await;
            drop((from, to));
            result
        };
        let mut out = Vec::new();
        let ((), result, read) = tokio::join!(send, pour, sink.read_to_end(&mut out));
        read.unwrap();
        (out, result)
    }

    fn chunks(sizes: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, &size) in sizes.iter().enumerate() {
            bytes.extend(format!("{size:x}\r\n").bytes());
            bytes.extend((0..size).map(|n| (n * 7 + at) as u8));
            bytes.extend(b"\r\n");
        }
        bytes
    }

    /// Long enough to be handed on, with small pieces in between.
    fn long() -> Vec<u8> {
        let mut sizes = vec![32 * 1024; 60];
        sizes.extend([1, 70_000, 16, 5000, 900_000]);
        sizes.extend([100; 30]);
        sizes.extend([300_000; 5]);
        chunks(&sizes)
    }

    #[tokio::test]
    async fn a_long_body_arrives_as_it_was_sent() {
        let mut sent = long();
        sent.extend(b"0\r\n\r\n");
        for step in [1024, 4096, 33_333, usize::MAX] {
            let (out, result) = poured(Body::chunked(), &sent, step).await;
            assert!(out == sent && result.is_ok_and(|rest| rest.is_empty()), "in steps of {step}");
        }
        let (out, result) = poured(Body::Length(sent.len() as u64), &sent, 10_000).await;
        assert!(out == sent && result.is_ok_and(|rest| rest.is_empty()));
        let (out, result) = poured(Body::ToTheEnd, &sent, 10_000).await;
        assert!(out == sent && result.is_ok_and(|rest| rest.is_empty()));
    }

    #[tokio::test]
    async fn what_follows_a_long_body_is_told() {
        let mut sent = chunks(&[32 * 1024; 60]);
        sent.extend(b"0\r\n\r\n");
        let whole = sent.len();
        sent.extend(b"GET /");
        let (out, result) = poured(Body::chunked(), &sent, usize::MAX).await;
        assert_eq!(out.len(), whole);
        let rest = result.ok().unwrap();
        assert!(!rest.is_empty() && b"GET /".starts_with(&rest), "{rest:?}");
        let (out, result) = poured(Body::Length(2_000_000), &[1; 2_000_005], 50_000).await;
        assert_eq!((out.len(), result.is_ok_and(|rest| rest.is_empty())), (2_000_000, true));
    }

    #[tokio::test]
    async fn a_long_body_that_breaks_off_is_no_whole_one() {
        let sent = long();
        for end in [&b""[..], b"8000\r\nshort", b"no size\r\n"] {
            let sent = [&sent, end].concat();
            let (out, result) = poured(Body::chunked(), &sent, 33_333).await;
            assert!(sent.starts_with(&out) && out.len() + BETWEEN > sent.len(), "{} of {}", out.len(), sent.len());
            assert!(matches!(result, Err(Broken::Reading)));
        }
        let (_, result) = poured(Body::Length(5_000_000), &sent, 33_333).await;
        assert!(matches!(result, Err(Broken::Reading)));
    }
}
