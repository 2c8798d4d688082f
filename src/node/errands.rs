//! What this node does at once for other nodes, beside its tasks: errands of managers, each answered to the one that gave it.
//!
//! A manager may have anything run here anyway, so it may also see what became of it.

use futures_util::{StreamExt as _, stream};
use gam_core::model::NodeId;
use gam_rpc::{Clients, Errand, Piece, RpcError};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::dispatcher::Directive;
use crate::engine::{self, Engine};
use crate::manager::chain;

/// Errands under way at once; each has a connection to a manager and one to dockerd. More wait.
const UNDER_WAY_MAX: usize = 256;

/// What errands are done with.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) engine: Engine,
    pub(super) clients: Clients,
    /// Who the managers are.
    pub(super) directives: watch::Receiver<Directive>,
    /// Takes connections of managers to this node's API.
    pub(super) door: mpsc::Sender<UnixStream>,
}

/// Does errands as they come; all of them end with this.
pub(super) async fn run(means: Means, mut errands: mpsc::Receiver<Errand>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = under_way.join_next() => {}
            errand = errands.recv(), if under_way.len() < UNDER_WAY_MAX => match errand {
                Some(errand) => {
                    under_way.spawn(perform(means.clone(), errand));
                }
                None => return,
            },
        }
    }
}

async fn perform(means: Means, errand: Errand) {
    let Errand { ticket, address, bytes } = errand;
    let done = match engine::Errand::decode(&bytes) {
        Ok(engine::Errand::Connect) => connect(&means, &address, ticket).await,
        Ok(errand) => tell(&means, &address, ticket, errand).await,
        Err(error) => return tracing::warn!(%error, "an errand that this gam does not know"),
    };
    if let Err(error) = done {
        tracing::debug!(error = %chain(&error), manager = address, "an errand was not answered");
    }
}

/// Tells the manager what the engine has to say.
async fn tell(means: &Means, address: &str, ticket: u64, errand: engine::Errand) -> Result<(), RpcError> {
    // Without dockerd there is nothing to tell, which is an answer too.
    let mut pieces = means.engine.run(errand).unwrap_or_else(|error| {
        tracing::debug!(error = %chain(&error), "an errand came to nothing");
        stream::empty().boxed()
    });
    let answer = means.clients.to(address).answer(ticket).await?;
    loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = answer.closed() => None,
        };
        let Some(piece) = piece else { return Ok(()) };
        if answer.send(Piece::Bytes(piece)).await.is_err() {
            return Ok(());
        }
    }
}

/// Connects a manager with this node's API, which decides what it may ask. Whoever answers at the address has shown a manager's
/// certificate of this swarm; one that was demoted or removed may still have such a certificate, so the node must also know it as a
/// manager now.
async fn connect(means: &Means, address: &str, ticket: u64) -> Result<(), RpcError> {
    let carried = means.clients.to(address).carry(ticket).await?;
    let manager = carried.manager.node;
    if !is_manager(&means.directives.borrow(), manager) {
        tracing::warn!(%manager, "a node that is no manager of this swarm may ask nothing of containers");
        return Ok(());
    }
    match UnixStream::pair() {
        Ok((ours, theirs)) => {
            // Nobody is at the door when the daemon stops.
            if means.door.send(theirs).await.is_ok() {
                tokio::select! {
                    () = carried.join(ours) => {}
                    () = is_deposed(means.directives.clone(), manager) => {
                        tracing::info!(%manager, "a connection ends: the node is no manager any more");
                    }
                }
            }
        }
        Err(error) => tracing::warn!(%error, "no connection can be made for a manager"),
    }
    Ok(())
}

/// Waits until a node is no manager any more. As long as nobody says so it is one: a session that has ended says nothing.
async fn is_deposed(mut directives: watch::Receiver<Directive>, node: NodeId) {
    if directives.wait_for(|directive| !is_manager(directive, node)).await.is_err() {
        std::future::pending().await
    }
}

fn is_manager(directive: &Directive, node: NodeId) -> bool {
    directive.managers.iter().any(|(manager, _)| *manager == node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whom_the_cluster_names_is_a_manager() {
        let (manager, demoted) = (NodeId::from(1), NodeId::from(2));
        let directive = Directive { managers: vec![(manager, "m:2377".into())], ..Directive::default() };
        assert!(is_manager(&directive, manager));
        assert!(!is_manager(&directive, demoted));
        assert!(!is_manager(&Directive::default(), manager), "nor whom it has not named yet");
    }

    #[tokio::test]
    async fn a_connection_lasts_as_long_as_its_manager_is_one() {
        let (manager, other) = (NodeId::from(1), NodeId::from(2));
        let named = |nodes: &[NodeId]| Directive {
            managers: nodes.iter().map(|node| (*node, "m:2377".into())).collect(),
            ..Directive::default()
        };
        let (say, heard) = watch::channel(named(&[manager, other]));
        let mut deposed = std::pin::pin!(is_deposed(heard, manager));
        assert!(futures_util::poll!(deposed.as_mut()).is_pending());
        say.send_replace(named(&[manager]));
        assert!(futures_util::poll!(deposed.as_mut()).is_pending());
        say.send_replace(named(&[other]));
        deposed.await;
    }
}
