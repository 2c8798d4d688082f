//! How a manager gets into the consensus: it asks to be a member, at its address, until it is one.
//!
//! What the cluster's state says of managers and who is a member are two things that the leader brings together
//! (`manager/members`); here is what a manager itself does for it.

use std::time::Duration;

use gam_core::error::{Error, Kind};
use gam_core::model::{ManagerStatus, NodeSpec};
use gam_core::state::{Change, Proposal};
use gam_rpc::{Clients, RpcError};
use gam_store::{Leadership, Store, StoreError};

use super::Node;
use super::directory::Identity;
use super::trust::Trust;
use crate::manager::clock::not_before;
use crate::manager::{Manager, now};
use crate::vital;

/// Between two tries of a manager to become a member of the consensus.
pub(super) const ADMIT_RETRY: Duration = Duration::from_millis(500);

/// Whether this manager counts, at the address that it has.
pub(super) fn is_voter(manager: &Manager, identity: &Identity) -> bool {
    let members = manager.store().members();
    members.iter().any(|member| member.id == identity.raft_id && member.voter && member.address == identity.advertise)
}

/// Who is alone in the consensus knows that nobody else is in it. Whom the state calls a manager all the same was left behind
/// by a `--force-new-cluster`, and must not be taken in with what it believes; or was about to come in, and asks again.
pub(super) async fn forget_others(store: &Store, own: &Identity) -> Result<(), StoreError> {
    if store.members().iter().any(|member| member.id != own.raft_id) || store.members().is_empty() {
        return Ok(());
    }
    let state = store.state();
    let others = state.nodes().filter(|node| node.id != own.node && node.manager.is_some());
    let changes: Vec<Change> = others.map(|node| Change::NodeManager { id: node.id, manager: None }).collect();
    if !changes.is_empty() {
        store.propose(Proposal { at: not_before(state.latest_time(), now()), changes }).await?;
    }
    Ok(())
}

/// Who goes on alone is a manager, also if it was to become a worker when the others were lost.
pub(super) async fn stay_manager(store: &Store, own: &Identity) -> Result<(), StoreError> {
    let state = store.state();
    let Some(node) = state.node(own.node).filter(|node| !node.is_manager()) else { return Ok(()) };
    let spec = NodeSpec { role: "manager".into(), ..node.spec.clone() };
    let changes = vec![Change::NodeUpdate { id: node.id, spec }];
    store.propose(Proposal { at: not_before(state.latest_time(), now()), changes }).await.map(|_| ())
}

impl Node {
    /// Asks to be made a member, at this address, until it is so. A member whose address is as it was has nothing to ask.
    pub(super) async fn seek_membership(self, manager: Manager, identity: Identity, trust: Trust) {
        while !is_voter(&manager, &identity) {
            if let Err(error) = ask_in(&manager, &identity, &trust).await {
                if self.begins_anew(&identity, &trust, &manager, &error).await {
                    return;
                }
                tracing::info!(%error, "not a member of the consensus at this address yet");
            }
            tokio::time::sleep(ADMIT_RETRY).await;
        }
    }

    /// A number in the consensus that was given up, by a demotion of which this node never heard, never comes back: then it
    /// begins anew with another one, and another certificate, and true is returned.
    pub(super) async fn begins_anew(
        &self,
        identity: &Identity,
        trust: &Trust,
        manager: &Manager,
        refusal: &Error,
    ) -> bool {
        if refusal.kind != Kind::Conflict {
            return false;
        }
        if let Err(error) = self.certify_anew(identity, trust, manager).await {
            tracing::warn!(%error, "no new certificate for this manager yet");
            return false;
        }
        tracing::warn!(error = %refusal, "this manager fetches the swarm's state anew");
        // That ends the roles of which the caller is one.
        let (node, raft_id) = (self.clone(), identity.raft_id);
        vital::spawn("the fetching of the swarm's state", async move { node.begin_anew(raft_id).await });
        true
    }
}

/// Asks once. [`Kind::Conflict`]: this number in the consensus cannot be had.
pub(super) async fn ask_in(manager: &Manager, identity: &Identity, trust: &Trust) -> Result<(), Error> {
    if matches!(*manager.store().leadership().borrow(), Leadership::Leader { .. }) {
        // Nobody else needs to be asked, or is there to be asked.
        let own = ManagerStatus { raft_id: identity.raft_id, addr: identity.advertise.clone() };
        return manager.admit(identity.node, own).await;
    }
    let mut last = Error::unavailable("no other manager is known");
    for address in identity.managers_of(&manager.state()).iter().filter(|address| **address != identity.advertise) {
        match ask(&trust.clients, address, identity).await.map_err(Error::from) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind == Kind::Conflict => return Err(error),
            Err(error) => last = Error { message: format!("{address}: {}", error.message), ..error },
        }
    }
    Err(last)
}

/// Asks one manager, and the leader if it names that.
async fn ask(clients: &Clients, address: &str, identity: &Identity) -> Result<(), RpcError> {
    let join = async |address: &str| clients.to(address).join_raft(identity.raft_id, &identity.advertise).await;
    match join(address).await? {
        Some(leader) if leader != identity.advertise => match join(&leader).await? {
            None => Ok(()),
            Some(_) => Err(RpcError::Refused(Error::unavailable("the lead has just changed hands"))),
        },
        Some(_) => Err(RpcError::Refused(Error::unavailable("it takes this manager for the leader"))),
        None => Ok(()),
    }
}
