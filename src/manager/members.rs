//! Keeps the consensus' members as the cluster's state wants them: managers are added, demoted ones leave, whoever leads
//! hands over before it goes.
//!
//! [`due`] is pure and looks at state alone, so that nothing is forgotten when the leader changes in the middle. One
//! duty at a time: a change of membership must be settled before the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gam_core::model::{ManagerStatus, Node, NodeId};
use gam_core::state::State;
use gam_core::step::Input;
use gam_store::{Member, StoreError};
use tokio::task::JoinHandle;

use super::{Envelope, Shared, chain};
use crate::vital;

/// How long a duty that failed is left alone, so that others have their turn: a member that is down cannot be added.
const RETRY: Duration = Duration::from_secs(1);

/// One change that is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Duty {
    /// This member, which leads, is to be no manager any more.
    HandOver,
    /// A member belongs to no manager.
    Remove(u64),
    /// A manager is no member, or at another address.
    Add(u64, String),
    /// A node that is to be a worker has left the consensus.
    Note(NodeId),
}

/// Everything that is due, the most urgent first.
fn due(state: &State, members: &[Member], own: u64) -> Vec<Duty> {
    let managers = || state.nodes().filter_map(|node| node.manager.as_ref().map(|manager| (node, manager)));
    let is_wanted =
        |member: &Member| managers().any(|(node, manager)| manager.raft_id == member.id && node.is_manager());
    let is_member = |manager: &ManagerStatus| members.iter().any(|member| member.id == manager.raft_id);
    let is_settled = |manager: &ManagerStatus| {
        members.iter().any(|member| member.id == manager.raft_id && member.address == manager.addr && member.voter)
    };
    let mut duties = Vec::new();
    for member in members.iter().filter(|member| !is_wanted(member)) {
        duties.push(if member.id == own { Duty::HandOver } else { Duty::Remove(member.id) });
    }
    for (node, manager) in managers() {
        if node.is_manager() && !is_settled(manager) {
            duties.push(Duty::Add(manager.raft_id, manager.addr.clone()));
        }
        if !node.is_manager() && !is_member(manager) {
            duties.push(Duty::Note(node.id));
        }
    }
    duties.sort();
    duties
}

/// The leader's keeper of members.
#[derive(Default)]
pub(super) struct Keeper {
    job: Option<JoinHandle<Option<Duty>>>,
    failed: BTreeMap<Duty, Instant>,
}

impl Keeper {
    /// Begins what is due, unless something is under way. Called at every step, so it must be cheap.
    pub(super) async fn keep(&mut self, shared: &Arc<Shared>) {
        match self.job.take() {
            Some(job) if !job.is_finished() => {
                self.job = Some(job);
                return;
            }
            Some(job) => {
                if let Ok(Some(failed)) = job.await {
                    self.failed.insert(failed, Instant::now());
                }
            }
            None => {}
        }
        let now = Instant::now();
        self.failed.retain(|_, at| now.saturating_duration_since(*at) < RETRY);
        let state = shared.store.state();
        let duties = due(&state, &shared.store.members(), shared.raft_id);
        let next = duties.into_iter().find(|duty| !self.failed.contains_key(duty));
        self.job = next.map(|duty| vital::spawn("a change of the managers", perform(shared.clone(), duty)));
    }
}

/// Does one duty; returns it if it failed.
async fn perform(shared: Arc<Shared>, duty: Duty) -> Option<Duty> {
    let done = match &duty {
        Duty::HandOver => shared.store.transfer_leadership(None).await,
        Duty::Remove(member) => shared.store.remove_member(*member).await,
        Duty::Add(member, address) => shared.store.add_member(*member, address).await,
        Duty::Note(node) => {
            let input = Input::Manager { node: *node, manager: None };
            // An error means that the loop has ended, and this with it.
            let _ = shared.inputs.send(Envelope { input, answer: None }).await;
            Ok::<(), StoreError>(())
        }
    };
    match done {
        Ok(()) => {
            tracing::info!(?duty, "the managers changed");
            None
        }
        Err(error) => {
            tracing::warn!(?duty, error = %chain(&error), "the managers could not be changed; it is tried again");
            Some(duty)
        }
    }
}

/// Whether a node has become a member of the consensus that votes.
pub(super) fn is_voter(node: &Node, members: &[Member]) -> bool {
    let raft_id = node.manager.as_ref().map(|manager| manager.raft_id);
    members.iter().any(|member| Some(member.id) == raft_id && member.voter)
}
