//! Who is a member, and who leads.
//!
//! A change goes in small steps, each a committed entry; between two steps everything is looked at anew, so that a change that
//! was cut short (a lost leader, a crash) is finished by asking for it again. Decides that a member votes only once it has
//! caught up and while it answers, and that none is removed without whom too few of the rest can be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::metrics::RaftMetrics;
use openraft::network::RPCOption;
use openraft::raft::TransferLeaderRequest;
use openraft::{BasicNode, ChangeMembers, Instant as _, RaftNetworkV2 as _};
use tokio::time::{timeout, timeout_at};

use super::{Patience, Store};
use crate::error::StoreError;
use crate::raft::{Membership, Raft, Types};
use crate::transport::Purpose;

/// How long one change of the members may take: a quorum must be heard.
const CHANGE: Duration = Duration::from_secs(60);
/// How long a new member may take to catch up: a large state over a slow link.
const CATCH_UP: Duration = Duration::from_secs(60);
/// How long it may then take to write what has come since. Other changes wait meanwhile.
const LAST_STEP: Duration = Duration::from_secs(2);
/// How long a stop waits for that: nobody shall wait long for a daemon to end.
const HAND_OVER: Duration = Duration::from_millis(150);
/// How long another member may take over the lead: it writes what it still lacks, then its vote, and so do the others.
const TAKE_OVER: Duration = Duration::from_secs(2);

/// A member of the cluster's consensus: a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its raft id.
    pub id: u64,
    /// Its advertised address.
    pub address: String,
    /// Whether it counts for a quorum. A member without a vote is catching up.
    pub voter: bool,
}

fn members(membership: &Membership) -> Vec<Member> {
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let member =
        |(id, node): (&u64, &BasicNode)| Member { id: *id, address: node.addr.clone(), voter: voters.contains(id) };
    membership.nodes().map(member).collect()
}

fn matched(metrics: &RaftMetrics<Types>, member: u64) -> Option<u64> {
    metrics.replication.as_ref()?.get(&member)?.as_ref().map(|id| id.index())
}

impl Store {
    /// The members, as far as this one knows.
    pub fn members(&self) -> Vec<Member> {
        members(self.inner.raft.metrics().borrow_watched().membership_config.membership())
    }

    /// Leader only: members from which no acknowledgement came for longer than an election time-out; none on another member.
    pub fn unreachable(&self) -> Vec<u64> {
        let Some(since) = self.inner.reign.since() else { return Vec::new() };
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(acknowledged) = &metrics.heartbeat else { return Vec::new() };
        // A leader that has just begun gives everybody the same time for the first answer.
        let silent =
            |last: &Option<_>| since.elapsed() > self.inner.election && last.is_none_or(|at| self.is_silent(at));
        let others = acknowledged.iter().filter(|(id, _)| **id != self.inner.member);
        others.filter(|(_, last)| silent(last)).map(|(id, _)| *id).collect()
    }

    /// Leader only: when each other member acknowledged a heartbeat last; none on another member.
    pub fn acknowledged(&self) -> BTreeMap<u64, std::time::Instant> {
        if self.inner.reign.since().is_none() {
            return BTreeMap::new();
        }
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(acknowledged) = &metrics.heartbeat else { return BTreeMap::new() };
        let others = acknowledged.iter().filter(|(id, _)| **id != self.inner.member);
        let now = std::time::Instant::now();
        others.filter_map(|(id, last)| Some((*id, now.checked_sub(last.as_ref()?.elapsed())?))).collect()
    }

    fn is_silent(&self, heard: impl std::ops::Deref<Target = openraft::TokioInstant>) -> bool {
        heard.elapsed() > self.inner.election
    }

    /// Leader only: makes a member of the cluster, without a vote if it is new. Also changes the address of a member. If everything
    /// is so already, nothing happens.
    pub async fn add_learner(&self, id: u64, address: &str) -> Result<(), StoreError> {
        let node = BTreeMap::from([(id, BasicNode::new(address))]);
        let mut patience = Patience::new(CHANGE);
        loop {
            let membership = self.settled(&mut patience).await?;
            let change = match membership.get_node(&id) {
                None => ChangeMembers::AddNodes(node.clone()),
                Some(present) if present.addr != address => ChangeMembers::SetNodes(node.clone()),
                Some(_) => return Ok(()),
            };
            self.change(change, true, &mut patience).await?;
        }
    }

    /// Leader only: waits until a member without a vote has everything that was in the log when the waiting began, at most a minute;
    /// then [`StoreError::NotCaughtUp`]. Changes nothing, and holds up nobody who does.
    pub async fn caught_up(&self, id: u64, address: &str) -> Result<(), StoreError> {
        let votes = self.members().iter().any(|member| member.id == id && member.voter);
        if votes { self.check() } else { self.catch_up(id, address, CATCH_UP).await }
    }

    /// Leader only: gives a member its vote. It must have caught up, and still answer: the little that it lacks since is waited for a
    /// moment, and then it is refused with [`StoreError::NotCaughtUp`].
    pub async fn add_voter(&self, id: u64, address: &str) -> Result<(), StoreError> {
        let mut patience = Patience::new(CHANGE);
        loop {
            let membership = self.settled(&mut patience).await?;
            let votes = membership.voter_ids().any(|voter| voter == id);
            let change = match membership.get_node(&id) {
                None => return Err(StoreError::NotCaughtUp { member: id, address: address.to_owned() }),
                Some(_) if votes && membership.get_joint_config().len() == 1 => return Ok(()),
                // Ends a change that another leader left half done.
                Some(_) if votes => ChangeMembers::AddVoterIds(BTreeSet::new()),
                Some(_) => {
                    self.catch_up(id, address, LAST_STEP).await?;
                    self.answers(id, address).await?;
                    ChangeMembers::AddVoterIds(BTreeSet::from([id]))
                }
            };
            self.change(change, true, &mut patience).await?;
        }
    }

    /// Leader only: removes a member. If it is none, nothing happens. Refuses with [`StoreError::QuorumLoss`] if too few of the
    /// others can be reached, or none is left.
    ///
    /// A leader that is asked to remove itself hands over the lead and answers [`StoreError::NotLeader`]: the new leader can.
    pub async fn remove_member(&self, id: u64) -> Result<(), StoreError> {
        let mut patience = Patience::new(CHANGE);
        loop {
            let membership = self.settled(&mut patience).await?;
            let votes = membership.voter_ids().any(|voter| voter == id);
            let joint = membership.get_joint_config().len() > 1;
            let change = match membership.get_node(&id) {
                None if joint => ChangeMembers::AddVoterIds(BTreeSet::new()),
                None => return Ok(()),
                Some(_) if votes => {
                    self.check_quorum_without(id, &membership)?;
                    if id == self.inner.member {
                        self.transfer_leadership(None).await?;
                        continue;
                    }
                    ChangeMembers::RemoveVoters(BTreeSet::from([id]))
                }
                Some(_) => ChangeMembers::RemoveNodes(BTreeSet::from([id])),
            };
            self.change(change, false, &mut patience).await?;
        }
    }

    fn check_quorum_without(&self, id: u64, membership: &Membership) -> Result<(), StoreError> {
        let rest: BTreeSet<u64> = membership.voter_ids().filter(|voter| *voter != id).collect();
        let lost = self.unreachable();
        let reached = rest.iter().filter(|voter| !lost.contains(voter)).count();
        if reached > rest.len() / 2 { Ok(()) } else { Err(StoreError::QuorumLoss) }
    }

    /// The members once the last change of them is committed. On a member that does not lead: [`StoreError::NotLeader`].
    async fn settled(&self, patience: &mut Patience) -> Result<Membership, StoreError> {
        loop {
            self.check()?;
            {
                let metrics = self.inner.raft.metrics();
                let metrics = metrics.borrow_watched();
                let (effective, committed) = (&metrics.membership_config, &metrics.committed_membership_config);
                match metrics.current_leader {
                    Some(leader) if leader != self.inner.member => {
                        let address = effective.get_node(&leader).map(|node| node.addr.clone()).unwrap_or_default();
                        return Err(StoreError::NotLeader { leader, address });
                    }
                    Some(_) if metrics.state.is_leader() && effective.log_id() == committed.log_id() => {
                        return Ok(effective.membership().clone());
                    }
                    _ => {}
                }
            }
            patience.pause().await?;
        }
    }

    /// One step. Returns without an error too when it was not the time for it: the caller looks again.
    async fn change(
        &self,
        change: ChangeMembers<u64, BasicNode>,
        retain: bool,
        patience: &mut Patience,
    ) -> Result<(), StoreError> {
        let written = timeout_at(patience.deadline, self.inner.raft.change_membership(change, retain)).await;
        let error = match written {
            Err(_) => return Err(StoreError::Unknown),
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(RaftError::Fatal(fatal))) => return Err(self.fatal(&fatal)),
            Ok(Err(RaftError::APIError(error))) => error,
        };
        match error {
            ClientWriteError::ForwardToLeader(forward) => self.not_leader(&forward, patience).await,
            ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::PreconditionFailed(_)
            | ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_)
                | ChangeMembershipError::LearnerNotFound(_)
                | ChangeMembershipError::UncommittedLeaderLog(_),
            ) => patience.pause().await,
            ClientWriteError::ChangeMembershipError(error) => Err(StoreError::Config(error.to_string())),
        }
    }

    /// Waits for a moment until a member acknowledges heartbeats, if it ever did: one that writes what it has just received does so
    /// late. One that is new has had none yet.
    async fn answers(&self, id: u64, address: &str) -> Result<(), StoreError> {
        let answers = |metrics: &RaftMetrics<Types>| {
            let last = metrics.heartbeat.as_ref().and_then(|acknowledged| *acknowledged.get(&id)?);
            !metrics.state.is_leader() || last.is_none_or(|at| !self.is_silent(at))
        };
        match timeout(LAST_STEP, wait(&self.inner.raft, answers)).await {
            Ok(true) => Ok(()),
            Ok(false) => self.check().and(Err(StoreError::Stopped)),
            Err(_) => Err(StoreError::NotCaughtUp { member: id, address: address.to_owned() }),
        }
    }

    /// Waits until a member has everything that was in the log when the waiting began.
    async fn catch_up(&self, id: u64, address: &str, limit: Duration) -> Result<(), StoreError> {
        let last = self.inner.raft.metrics().borrow_watched().last_log_index;
        let caught_up = |metrics: &RaftMetrics<Types>| !metrics.state.is_leader() || matched(metrics, id) >= last;
        match timeout(limit, wait(&self.inner.raft, caught_up)).await {
            Ok(true) => Ok(()),
            Ok(false) => self.check().and(Err(StoreError::Stopped)),
            Err(_) => Err(StoreError::NotCaughtUp { member: id, address: address.to_owned() }),
        }
    }

    /// Leader only: hands the lead to a member with a vote, to the one that has most of the log if none is named, and waits until
    /// it is taken over, at most two seconds. Proposals of that time wait, and find the new leader.
    pub async fn transfer_leadership(&self, to: Option<u64>) -> Result<(), StoreError> {
        self.settled(&mut Patience::new(TAKE_OVER)).await?;
        let to = self.successor(to)?;
        self.inner.raft.trigger().transfer_leader(to).await.map_err(|fatal| self.fatal(&fatal))?;
        let me = self.inner.member;
        self.taken(to, move |metrics| metrics.current_leader.is_some_and(|leader| leader != me)).await
    }

    /// Leader only: asks another member to take over the lead, one after the other by `turn`, and leads on until an answer to a call
    /// of its own says that one is about to; waits for that at most two seconds. For a leader that the others cannot call: one that has handed over is silent until
    /// somebody calls it (openraft's `transfer_to`), and so this one would be for ever, also when nobody could take the lead.
    pub async fn offer_leadership(&self, turn: usize) -> Result<(), StoreError> {
        self.settled(&mut Patience::new(TAKE_OVER)).await?;
        let (request, others) = self.offer(turn)?;
        // All of them, as in openraft's own hand-over: else they refuse to vote for the next one until they have long heard
        // nothing of this one.
        let calls = others.iter().map(|(id, node)| {
            let (mut way, request) = (self.inner.network.connect(*id, node, Purpose::Heartbeat), request.clone());
            async move { (*id, way.transfer_leader(request, RPCOption::new(TAKE_OVER)).await) }
        });
        let to = *request.to_node_id();
        let refused = |why: String| StoreError::NotHandedOver(format!("member {to:x}: {why}"));
        for (_, answer) in join_all(calls).await.into_iter().filter(|(id, _)| *id == to) {
            answer.map_err(|error| refused(error.to_string()))?.map_err(|error| refused(error.to_string()))?;
        }
        let me = self.inner.member;
        self.taken(to, move |metrics| metrics.current_leader != Some(me)).await
    }

    /// What is said to whom: to all others with a vote that can be reached, which one of them shall lead.
    fn offer(&self, turn: usize) -> Result<(TransferLeaderRequest<Types>, BTreeMap<u64, BasicNode>), StoreError> {
        let lost = self.unreachable();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        let others = members.voter_ids().filter(|id| *id != self.inner.member && !lost.contains(id));
        let able: BTreeMap<_, _> = others.filter_map(|id| Some((id, members.get_node(&id)?.clone()))).collect();
        let Some(to) = able.keys().copied().cycle().nth(turn % able.len().max(1)) else { return Err(nobody_else()) };
        // What it is known to have: whether that is enough, the others say when it asks for their votes.
        let has = metrics.replication.as_ref().and_then(|replication| *replication.get(&to)?);
        Ok((TransferLeaderRequest::new(metrics.vote, to, has), able))
    }

    async fn taken(&self, by: u64, fulfilled: impl FnMut(&RaftMetrics<Types>) -> bool) -> Result<(), StoreError> {
        match timeout(TAKE_OVER, wait(&self.inner.raft, fulfilled)).await {
            Ok(true) => Ok(()),
            Ok(false) => self.check().and(Err(StoreError::Stopped)),
            Err(_) => Err(StoreError::NotHandedOver(format!("member {by:x} did not take it in time"))),
        }
    }

    fn successor(&self, wished: Option<u64>) -> Result<u64, StoreError> {
        let lost = self.unreachable();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let others = metrics.membership_config.voter_ids().filter(|id| *id != self.inner.member);
        let able: Vec<u64> = others.filter(|id| !lost.contains(id)).collect();
        match wished {
            Some(wished) if able.contains(&wished) => Ok(wished),
            Some(wished) => {
                Err(StoreError::NotHandedOver(format!("member {wished:x} has no vote or cannot be reached")))
            }
            None => {
                let best = able.into_iter().max_by_key(|id| matched(&metrics, *id));
                best.ok_or_else(nobody_else)
            }
        }
    }

    /// Hands over, if this member leads and can, before it stops; waits for that a moment.
    pub async fn leave_lead(&self) {
        if self.inner.reign.since().is_none() || self.check().is_err() {
            return;
        }
        match timeout(HAND_OVER, self.transfer_leadership(None)).await {
            Ok(Err(error)) => tracing::debug!(%error, "stopping as the leader"),
            Ok(Ok(())) => {}
            Err(_) => tracing::info!("nobody has taken over the lead yet"),
        }
    }
}

fn nobody_else() -> StoreError {
    StoreError::NotHandedOver("no other member with a vote can be reached".to_owned())
}

/// Waits until the metrics fulfil a condition; `false` if Raft stops before.
async fn wait(raft: &Raft, mut fulfilled: impl FnMut(&RaftMetrics<Types>) -> bool) -> bool {
    let mut metrics = raft.metrics();
    loop {
        if fulfilled(&metrics.borrow_and_update()) {
            return true;
        }
        if metrics.changed().await.is_err() {
            return false;
        }
    }
}
