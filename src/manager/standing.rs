//! What a manager knows of its own place among the managers: whether it is none any more, or not one of them yet. Then nobody
//! leads as far as it is concerned, and Docker's sentence for its case says more than that there is no leader.

use gam_core::error::Error;
use gam_core::state::State;
use gam_store::Member;

/// moby: `daemon/cluster/errors.go`, `daemon/cluster/cluster.go` (`errNoManager`).
pub const WORKER: &str = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";
/// The same for a manager that has not come into the consensus yet.
const PREPARED: &str =
    "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.";

/// A manager's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// One of them; or it does not know better.
    Member,
    /// It was told that it is to go.
    Demoted,
    /// It has no vote yet.
    Candidate,
}

impl Standing {
    /// The place of the manager whose number is `raft_id`, by what it has applied.
    pub(super) fn of(state: &State, members: &[Member], raft_id: u64) -> Standing {
        // One that has just started with a state that is there has not looked for the members yet.
        let is_known = !members.is_empty() || state.cluster().is_none();
        let votes = members.iter().any(|member| member.id == raft_id && member.voter);
        match () {
            () if state.was_demoted(raft_id) => Standing::Demoted,
            () if is_known && !votes => Standing::Candidate,
            () => Standing::Member,
        }
    }

    /// Why it is no help, in Docker's words; `None` if it should be.
    pub(super) fn excuse(self) -> Option<Error> {
        match self {
            Standing::Member => None,
            Standing::Demoted => Some(Error::unavailable(WORKER)),
            Standing::Candidate => Some(Error::unavailable(PREPARED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::{ManagerStatus, Meta, Node, NodeDescription, NodeId, NodeSpec, NodeStatus};
    use gam_core::state::{Change, Proposal};

    const OWN: NodeId = NodeId::MIN;

    fn state(changes: Vec<Change>) -> State {
        let node = Node {
            id: OWN,
            meta: Meta::default(),
            spec: NodeSpec { role: "manager".into(), ..NodeSpec::default() },
            description: NodeDescription::default(),
            status: NodeStatus::default(),
            manager: Some(ManagerStatus { raft_id: 7, addr: "a:1".into() }),
        };
        let mut state = State::default();
        let changes = std::iter::once(Change::NodeCreate(Box::new(node))).chain(changes).collect();
        state.apply(1, &Proposal { changes, ..Proposal::default() });
        state
    }

    fn member(id: u64, voter: bool) -> Member {
        Member { id, address: "a:1".into(), voter }
    }

    #[test]
    fn who_has_no_vote_yet_is_being_prepared() {
        assert_eq!(Standing::of(&State::default(), &[], 7), Standing::Candidate, "it has nothing of the swarm");
        let present = state(Vec::new());
        assert_eq!(Standing::of(&present, &[member(1, true)], 7), Standing::Candidate);
        assert_eq!(Standing::of(&present, &[member(1, true), member(7, false)], 7), Standing::Candidate);
        assert_eq!(Standing::of(&present, &[member(1, true), member(7, true)], 7), Standing::Member);
    }

    #[test]
    fn who_is_to_go_is_a_worker() {
        let spec = NodeSpec { role: "worker".into(), ..NodeSpec::default() };
        let update = Change::NodeUpdate { id: OWN, spec };
        let leaves = Change::NodeManager { id: OWN, manager: None };
        let voters = [member(1, true), member(7, true)];
        assert_eq!(Standing::of(&state(vec![update.clone()]), &voters, 7), Standing::Demoted);
        assert_eq!(Standing::of(&state(vec![update.clone(), leaves.clone()]), &voters[..1], 7), Standing::Demoted);
        // Promoted again it has another number, and reads of the old one while it catches up.
        assert_eq!(Standing::of(&state(vec![update, leaves]), &voters[..1], 8), Standing::Candidate);
    }
}
