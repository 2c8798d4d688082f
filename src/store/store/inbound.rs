//! Messages of other members: taken apart, given to Raft, answered.
//!
//! Lets nothing pass from another history of the cluster (`lineage`), nothing that is for another member, and nothing that
//! Raft could not have been sent (`message`). Who may send as which member is the daemon's to decide, by the certificate of the
//! connection.

use bytes::Bytes;
use openraft::Snapshot;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{Infallible, RaftError};

use super::{Store, blocking};
use crate::error::StoreError;
use crate::message::{self, Envelope, Message, Piece, Request, Response};
use crate::raft::{Types, Vote};

impl Store {
    /// A message of another member; the answer to send back.
    ///
    /// Waits as long as the disk does. An error is for the sender's log: it sends again.
    pub async fn handle(&self, message: Message) -> Result<Bytes, StoreError> {
        self.check()?;
        let Message { envelope: Envelope { from, to, descent }, request } = message;
        // An address may have gone over to this member from another one, and what it answered would count as that one's word.
        if let Some(meant) = to.filter(|to| *to != self.inner.member) {
            return Err(StoreError::Misdirected { meant, own: self.inner.member });
        }
        self.inner.lineage.admit(&descent).await?;
        let raft = &self.inner.raft;
        let response = match request {
            Request::Append(append) => {
                Response::Appended(raft.append_entries(append).await.map_err(|error| self.stopped(error))?)
            }
            Request::Vote(vote) => Response::Voted(raft.vote(vote).await.map_err(|error| self.stopped(error))?),
            Request::PreVote(vote) => Response::Voted(raft.pre_vote(vote).await.map_err(|error| self.stopped(error))?),
            Request::Transfer(transfer) => {
                let transferred = raft.handle_transfer_leader(transfer).await;
                Response::Transferred(transferred.map_err(|fatal| self.fatal(&fatal))?)
            }
            Request::Piece(piece) => Response::Received(self.take_piece(from, piece).await?),
        };
        Ok(message::encode_response(&response))
    }

    fn stopped(&self, error: RaftError<Types, Infallible>) -> StoreError {
        match error {
            RaftError::Fatal(fatal) => self.fatal(&fatal),
            RaftError::APIError(never) => match never {},
        }
    }

    /// Takes a piece of a snapshot, and installs the snapshot once it is whole. Gives the vote that this member holds to.
    async fn take_piece(&self, from: u64, piece: Piece) -> Result<Vote, StoreError> {
        let vote = piece.vote;
        let held = self.inner.raft.metrics().borrow_watched().vote;
        if held > vote {
            return Ok(held);
        }
        let (arrivals, snapshots) = (self.inner.arrivals.clone(), self.inner.snapshots.clone());
        let Some(sealed) = blocking(move || arrivals.take(&snapshots, from, &piece)).await? else { return Ok(vote) };
        let snapshot = Snapshot { meta: sealed.meta.clone(), snapshot: sealed };
        let installed = self.inner.raft.install_full_snapshot(vote, snapshot).await;
        installed.map(|response| response.vote).map_err(|fatal| self.fatal(&fatal))
    }
}
