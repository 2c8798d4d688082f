//! A connection between two nodes, carried by one call: bytes both ways, each way with an end of its own.
//!
//! Nothing piles up on the way: a piece is read from the stream on one side only when there is room for it in the short queue
//! before the call ([`crate::stream`]), and a side that does not write to its stream reads no further from the call.

use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use crate::message::Piece;
use crate::peer::Peer;
use crate::stream::{Inbound, Outbound};

/// Most bytes in a piece.
const PIECE_MAX: usize = 32 * 1024;
/// How often whoever has closed its sending half is looked at, for the kernel does not say when it closes the other half, too.
const HALF_CLOSED_POLL: Duration = Duration::from_millis(500);
/// How long the other side may take to see that both directions have ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// A node's end of a connection that a manager asked for.
pub struct Carried {
    /// The manager, by its certificate.
    pub manager: Peer,
    /// What the node says.
    pub outbound: Outbound<Piece>,
    /// What it is told.
    pub inbound: Inbound<Piece>,
}

impl Carried {
    /// Copies bytes between the connection and a stream; see [`join`].
    pub async fn join(self, stream: UnixStream) {
        join(stream, self.inbound, self.outbound).await;
    }
}

/// Copies bytes between the two directions of a call and a stream, until both have ended, or until either side is gone; then the
/// other one sees its end close.
pub async fn join(stream: UnixStream, mut inbound: Inbound<Piece>, outbound: Outbound<Piece>) {
    let (reads, writes) = stream.into_split();
    let mut read_out = None;
    let mut is_told_all = false;
    {
        let (mut up, mut down) = (pin!(send(reads, &outbound)), pin!(receive(&mut inbound, writes)));
        while read_out.is_none() || !is_told_all {
            tokio::select! {
                sent = &mut up, if read_out.is_none() => match sent {
                    Some(reads) => read_out = Some(reads),
                    None => return,
                },
                received = &mut down, if !is_told_all => match received {
                    Some(()) => is_told_all = true,
                    None => return,
                },
                () = outbound.closed() => return,
                () = hung_up(read_out.as_ref()), if read_out.is_some() => return,
            }
        }
    }
    drop(outbound);
    // What was said last must arrive before the call is let go.
    let _ = timeout(FAREWELL, inbound.recv()).await;
}

/// Hands on what the stream says, to its end; gives it back then. `None` if either side is gone before.
async fn send(mut reads: OwnedReadHalf, outbound: &Outbound<Piece>) -> Option<OwnedReadHalf> {
    let mut bytes = BytesMut::new();
    loop {
        bytes.reserve(PIECE_MAX);
        let room = (&mut bytes).limit(PIECE_MAX);
        match reads.read_buf(&mut { room }).await {
            Ok(0) => {
                outbound.send(Piece::End).await.ok()?;
                return Some(reads);
            }
            Ok(_) => outbound.send(Piece::Bytes(bytes.split().freeze())).await.ok()?,
            Err(_) => return None,
        }
    }
}

/// Writes what comes to the stream, and closes that half at the end. `None` if either side is gone before.
async fn receive(inbound: &mut Inbound<Piece>, mut writes: OwnedWriteHalf) -> Option<()> {
    loop {
        match inbound.recv().await {
            Ok(Some(Piece::Bytes(bytes))) => writes.write_all(&bytes).await.ok()?,
            // The half closes as it is dropped.
            Ok(Some(Piece::End)) => return Some(()),
            Ok(Some(Piece::Ticket(_)) | None) | Err(_) => return None,
        }
    }
}

/// Waits until a peer that has closed its sending half closes the other one, too.
async fn hung_up(reads: Option<&OwnedReadHalf>) {
    let Some(reads) = reads else { return std::future::pending().await };
    loop {
        match reads.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => sleep(HALF_CLOSED_POLL).await,
            Ok(_) | Err(_) => return,
        }
    }
}
