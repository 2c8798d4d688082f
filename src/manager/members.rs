//! Keeps the consensus' members as the cluster's state wants them: managers are added, demoted ones leave, whoever leads
//! hands over before it goes.
//!
//! [`due`] is pure and looks at state alone, so that nothing is forgotten when the leader changes in the middle. One change of
//! the membership at a time, which must be settled before the next; but a manager that comes first has to catch up, which may
//! take long or never end, and nobody waits for that: not those who leave, nor others who come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gam_core::model::{ManagerStatus, Node, NodeId, NodeState};
use gam_core::state::State;
use gam_core::step::Input;
use gam_store::{Member, Store, StoreError};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

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

impl Duty {
    /// Whether it is done once a manager has caught up, whenever that is.
    fn is_coming(&self) -> bool {
        matches!(self, Duty::Add(..))
    }

    /// In words, for whoever reads the log: by the names of hosts, since nobody knows a number of the consensus.
    fn said(&self, state: &State) -> String {
        let name = |node: Option<&Arc<Node>>| match node {
            Some(node) if !node.description.hostname.is_empty() => {
                format!("{} ({})", node.description.hostname, node.id)
            }
            Some(node) => node.id.to_string(),
            None => "a node that is no manager any more".to_owned(),
        };
        match self {
            Duty::HandOver => "this manager hands over the lead, to leave the consensus".to_owned(),
            Duty::Remove(member) => format!("{} leaves the consensus", name(state.manager_of(*member))),
            Duty::Add(member, address) => {
                format!("{} comes into the consensus at {address}", name(state.manager_of(*member)))
            }
            Duty::Note(node) => format!("{} has left the consensus", name(state.node(*node))),
        }
    }
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

/// What of `due` is to begin now. A manager that comes holds nobody up, and nobody holds it up; of all else the most urgent begins
/// once nothing of the kind is under way.
fn begins<T>(due: Vec<Duty>, is_left_alone: impl Fn(&Duty) -> bool, under_way: &BTreeMap<Duty, T>) -> Vec<Duty> {
    let mut is_free = under_way.keys().all(Duty::is_coming);
    let mut beginning = Vec::new();
    for duty in due {
        if is_left_alone(&duty) || under_way.contains_key(&duty) || !(duty.is_coming() || is_free) {
            continue;
        }
        is_free &= duty.is_coming();
        beginning.push(duty);
    }
    beginning
}

/// A duty that is being done.
struct UnderWay {
    /// Whether it was done.
    job: JoinHandle<bool>,
    /// Ends it between two changes.
    _stop: DropGuard,
}

/// The leader's keeper of members.
#[derive(Default)]
pub(super) struct Keeper {
    under_way: BTreeMap<Duty, UnderWay>,
    failed: BTreeMap<Duty, Instant>,
    /// Held by whoever changes the membership.
    place: Arc<Mutex<()>>,
}

impl Keeper {
    /// Begins what is due, and ends the waiting for managers that are not to come any more. Called at every step, so it must be
    /// cheap.
    pub(super) async fn keep(&mut self, shared: &Arc<Shared>) {
        let now = Instant::now();
        for (duty, ended) in self.under_way.extract_if(.., |_, duty| duty.job.is_finished()) {
            if matches!(ended.job.await, Ok(false)) {
                self.failed.insert(duty, now);
            }
        }
        self.failed.retain(|_, at| now.saturating_duration_since(*at) < RETRY);
        let duties = due(&shared.store.state(), &shared.store.members(), shared.raft_id);
        self.under_way.retain(|duty, _| !duty.is_coming() || duties.contains(duty));
        for duty in begins(duties, |duty| self.failed.contains_key(duty), &self.under_way) {
            let stop = CancellationToken::new();
            let done = perform(shared.clone(), duty.clone(), self.place.clone(), stop.clone());
            let under_way = UnderWay { job: vital::spawn("a change of the managers", done), _stop: stop.drop_guard() };
            self.under_way.insert(duty, under_way);
        }
    }
}

/// Does one duty; says whether it is done.
async fn perform(shared: Arc<Shared>, duty: Duty, place: Arc<Mutex<()>>, stop: CancellationToken) -> bool {
    let said = duty.said(&shared.store.state());
    let done = match &duty {
        Duty::HandOver => {
            let _place = place.lock().await;
            shared.store.transfer_leadership(None).await
        }
        Duty::Remove(member) => {
            let _place = place.lock().await;
            shared.store.remove_member(*member).await
        }
        Duty::Add(member, address) => take_in(&shared.store, *member, address, &place, &stop).await,
        Duty::Note(node) => {
            let input = Input::Manager { node: *node, manager: None };
            // An error means that the loop has ended, and this with it.
            let _ = shared.inputs.send(Envelope { input, answer: None }).await;
            Ok(())
        }
    };
    match &done {
        Ok(()) if stop.is_cancelled() => {
            tracing::debug!("under way, and of no concern to this manager any more: {said}")
        }
        Ok(()) => tracing::info!("the managers changed: {said}"),
        Err(error) => tracing::warn!(error = %chain(error), "not done yet, and tried again: {said}"),
    }
    done.is_ok()
}

/// Makes a manager a member that votes, unless `stop` says that it is not to come any more. Only its catching up is waited for
/// outside the place.
async fn take_in(
    store: &Store,
    member: u64,
    address: &str,
    place: &Mutex<()>,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    {
        let _place = place.lock().await;
        if stop.is_cancelled() {
            return Ok(());
        }
        store.add_learner(member, address).await?;
    }
    let Some(caught_up) = stop.run_until_cancelled(store.caught_up(member, address)).await else { return Ok(()) };
    caught_up?;
    let _place = place.lock().await;
    if stop.is_cancelled() { Ok(()) } else { store.add_voter(member, address).await }
}

/// Whether a promotion ends with this manager, `own`, if it goes now: it alone has a vote, and a node that is there is still to get
/// one.
pub(super) fn is_promoting_alone(state: &State, members: &[Member], own: u64) -> bool {
    let is_alone = members.iter().filter(|member| member.voter).all(|member| member.id == own);
    let is_coming =
        |node: &Arc<Node>| node.is_manager() && node.status.state == NodeState::Ready && !is_voter(node, members);
    is_alone && state.nodes().any(is_coming)
}

/// Whether a node has become a member of the consensus that votes.
pub(super) fn is_voter(node: &Node, members: &[Member]) -> bool {
    let raft_id = node.manager.as_ref().map(|manager| manager.raft_id);
    members.iter().any(|member| Some(member.id) == raft_id && member.voter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::{Meta, NodeDescription, NodeSpec, NodeStatus};
    use gam_core::state::{Change, Proposal};

    fn node(number: u128, manager: Option<u64>) -> Node {
        let description = NodeDescription { hostname: format!("host{number}"), ..NodeDescription::default() };
        Node {
            id: NodeId::from(number),
            meta: Meta::default(),
            spec: NodeSpec { role: "manager".into(), ..NodeSpec::default() },
            description,
            status: NodeStatus { state: NodeState::Ready, ..NodeStatus::default() },
            manager: manager.map(|raft_id| ManagerStatus { raft_id, addr: "a:1".into() }),
        }
    }

    fn state(nodes: Vec<Node>) -> State {
        let changes = nodes.into_iter().map(|node| Change::NodeCreate(Box::new(node))).collect();
        let mut state = State::default();
        state.apply(1, &Proposal { changes, ..Proposal::default() });
        state
    }

    fn member(id: u64, voter: bool) -> Member {
        Member { id, address: "a:1".into(), voter }
    }

    #[test]
    fn only_a_promotion_that_nobody_else_can_finish_keeps_a_manager() {
        let one = member(11, true);
        assert!(!is_promoting_alone(&state(vec![node(1, Some(11))]), std::slice::from_ref(&one), 11));
        // It has been told, and has not even asked yet.
        let both = state(vec![node(1, Some(11)), node(2, None)]);
        assert!(is_promoting_alone(&both, std::slice::from_ref(&one), 11));
        let both = state(vec![node(1, Some(11)), node(2, Some(12))]);
        assert!(is_promoting_alone(&both, &[one.clone(), member(12, false)], 11));
        assert!(!is_promoting_alone(&both, &[one.clone(), member(12, true)], 11), "done");
        let third = state(vec![node(1, Some(11)), node(2, Some(12)), node(3, None)]);
        assert!(!is_promoting_alone(&third, &[one.clone(), member(12, true)], 11), "host2 goes on with it");
        let mut gone = node(2, None);
        gone.status.state = NodeState::Down;
        assert!(!is_promoting_alone(&state(vec![node(1, Some(11)), gone]), &[one], 11), "nobody waits for it");
    }

    #[test]
    fn whoever_comes_holds_up_nobody_who_leaves_nor_anybody_else_who_comes() {
        let (coming, other) = (Duty::Add(12, "a:1".into()), Duty::Add(13, "a:1".into()));
        let (leaves, next) = (Duty::Remove(14), Duty::Remove(15));
        let due = vec![leaves.clone(), next.clone(), coming.clone(), other.clone()];
        let begun = |failed: &[&Duty], under_way: &[&Duty]| {
            let under_way = under_way.iter().map(|duty| ((*duty).clone(), ())).collect();
            begins(due.clone(), |duty| failed.contains(&duty), &under_way)
        };
        assert_eq!(begun(&[], &[]), [leaves.clone(), coming.clone(), other.clone()], "one that leaves after the other");
        assert_eq!(begun(&[], &[&coming]), [leaves.clone(), other.clone()]);
        assert_eq!(begun(&[], &[&leaves, &coming]), std::slice::from_ref(&other));
        assert_eq!(begun(&[&leaves], &[&coming, &other]), [next], "what failed leaves its turn to others");
        assert_eq!(begun(&[&coming], &[]), [leaves, other]);
    }

    #[test]
    fn whoever_is_not_to_come_any_more_leaves_before_it_has_a_vote() {
        let mut demoted = node(2, Some(12));
        demoted.spec.role = "worker".into();
        let members = [member(11, true), member(12, false)];
        assert_eq!(
            due(&state(vec![node(1, Some(11)), node(2, Some(12))]), &members, 11),
            [Duty::Add(12, "a:1".into())]
        );
        assert_eq!(due(&state(vec![node(1, Some(11)), demoted]), &members, 11), [Duty::Remove(12)]);
        assert_eq!(due(&state(vec![node(1, Some(11))]), &members, 11), [Duty::Remove(12)], "nor one that was removed");
    }

    #[test]
    fn duties_are_told_by_the_names_of_hosts() {
        let state = state(vec![node(1, Some(11)), node(2, Some(12))]);
        let said = |duty: Duty| duty.said(&state);
        let id = NodeId::from(2);
        let coming = format!("host2 ({id}) comes into the consensus at a:1");
        assert_eq!(said(Duty::Add(12, "a:1".into())), coming);
        assert_eq!(said(Duty::Remove(12)), format!("host2 ({id}) leaves the consensus"));
        assert_eq!(said(Duty::Remove(99)), "a node that is no manager any more leaves the consensus");
        assert_eq!(said(Duty::Note(id)), format!("host2 ({id}) has left the consensus"));
    }
}
