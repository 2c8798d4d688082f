//! How Raft's messages reach other members.
//!
//! openraft asks [`Network`] for one [`Connection`] per member and purpose: replication, heartbeats and snapshots must not wait
//! for each other. A store of one member has nobody to talk to: every call says that there is no route, which Raft takes as a
//! member that is down. Messages to real members go through the same two types.

use std::future::Future;
use std::io;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot};

use crate::raft::{LeaderId, Types, Vote};
use crate::snapshot::Sealed;

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Replication,
    Heartbeat,
    Snapshot,
}

/// Makes connections to members.
#[derive(Debug)]
pub struct Network;

/// The way to one member for one purpose.
#[derive(Debug)]
pub struct Connection {
    member: u64,
    address: String,
    purpose: Purpose,
}

impl Connection {
    fn new(member: u64, node: &BasicNode, purpose: Purpose) -> Connection {
        Connection { member, address: node.addr.clone(), purpose }
    }

    fn no_route(&self) -> Unreachable<Types> {
        let Connection { member, address, purpose } = self;
        let text = format!("there is no route to member {member:x} at {address} for {purpose:?}");
        Unreachable::new(&io::Error::new(io::ErrorKind::HostUnreachable, text))
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        Connection::new(target, node, Purpose::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        Connection::new(target, node, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        Connection::new(target, node, Purpose::Snapshot)
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = Sealed;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.no_route().into())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.no_route().into())
    }

    // The default would grant, and a member that is cut off would think that it may stand for election.
    async fn pre_vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.no_route().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot<LeaderId, u64, BasicNode, Sealed>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.no_route().into())
    }
}
