//! What this node does at once for other nodes, beside its tasks: errands of managers, each answered to the one that gave it.
//!
//! A manager may have anything run here anyway, so it may also see what became of it.

use futures_util::{StreamExt as _, stream};
use gam_rpc::{Clients, Errand, Piece, RpcError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::{self, Engine};
use crate::manager::chain;

/// Errands under way at once; each has a connection to a manager and one to dockerd. More wait.
const UNDER_WAY_MAX: usize = 256;

/// Does errands as they come; all of them end with this.
pub(super) async fn run(engine: Engine, clients: Clients, mut errands: mpsc::Receiver<Errand>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = under_way.join_next() => {}
            errand = errands.recv(), if under_way.len() < UNDER_WAY_MAX => match errand {
                Some(errand) => {
                    under_way.spawn(perform(engine.clone(), clients.clone(), errand));
                }
                None => return,
            },
        }
    }
}

async fn perform(engine: Engine, clients: Clients, errand: Errand) {
    let Errand { ticket, address, bytes } = errand;
    let pieces = match engine::Errand::decode(&bytes) {
        Ok(errand) => engine.run(errand),
        Err(error) => return tracing::warn!(%error, "an errand that this gam does not know"),
    };
    // Without dockerd there is nothing to tell, which is an answer too.
    let mut pieces = pieces.unwrap_or_else(|error| {
        tracing::debug!(error = %chain(&error), "an errand came to nothing");
        stream::empty().boxed()
    });
    let sent = async {
        let answer = clients.to(&address).answer(ticket).await?;
        loop {
            let piece = tokio::select! {
                piece = pieces.next() => piece,
                () = answer.closed() => None,
            };
            let Some(piece) = piece else { return Ok::<_, RpcError>(()) };
            if answer.send(Piece::Bytes(piece)).await.is_err() {
                return Ok(());
            }
        }
    };
    if let Err(error) = sent.await {
        tracing::debug!(error = %chain(&error), manager = address, "an errand was not answered");
    }
}
