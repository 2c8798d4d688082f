//! openraft's messages over the [`Transport`].
//!
//! openraft asks [`Network`] for one [`Connection`] per member and purpose. Each call is one message and one answer, bounded in
//! time; whatever goes wrong counts as a member that cannot be reached, which Raft tries again after a pause. Decides how
//! long a call may take, and that a member which needs entries that are to go is sent a snapshot instead.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot};

use crate::lineage::Lineage;
use crate::log::Log;
use crate::message::{self, Envelope, Piece, Request, Response};
use crate::raft::{LeaderId, Membership, Types, Vote};
use crate::snapshot::Sealed;
use crate::transport::{Purpose, Transport};

/// What a member may take to write and answer a message of little content; its disk may be busy.
const CALL: Duration = Duration::from_secs(2);
/// And for each MiB besides: a link of 8 Mbit/s.
const CALL_PER_MIB: Duration = Duration::from_secs(1);
/// What it may take to install a snapshot that it has received whole.
const INSTALL: Duration = Duration::from_secs(60);

fn limit(bytes: usize) -> Duration {
    CALL + CALL_PER_MIB.mul_f64(bytes as f64 / f64::from(1 << 20))
}

/// The newest addresses of the members. openraft hands out an address when a connection is made and keeps connections over a
/// change of it.
#[derive(Default)]
pub struct Addresses(ArcSwap<BTreeMap<u64, String>>);

impl Addresses {
    pub fn learn(&self, membership: &Membership) {
        let known = self.0.load();
        if !membership.nodes().map(|(id, node)| (id, &node.addr)).eq(known.iter()) {
            let all = membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect();
            self.0.store(Arc::new(all));
        }
    }
}

/// Makes connections to members.
#[derive(Clone)]
pub struct Network {
    pub member: u64,
    pub transport: Arc<dyn Transport>,
    pub lineage: Arc<Lineage>,
    pub addresses: Arc<Addresses>,
    pub log: Log,
    /// Numbers the snapshots that are sent.
    pub transfers: Arc<AtomicU64>,
}

/// The way to one member for one purpose.
pub struct Connection {
    network: Network,
    target: u64,
    /// The address when the connection was made.
    address: String,
    purpose: Purpose,
}

impl Network {
    pub fn connect(&self, target: u64, node: &BasicNode, purpose: Purpose) -> Connection {
        Connection { network: self.clone(), target, address: node.addr.clone(), purpose }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        self.connect(target, node, Purpose::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        self.connect(target, node, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        self.connect(target, node, Purpose::Snapshot)
    }
}

fn unreachable(error: &io::Error) -> Unreachable<Types> {
    Unreachable::new(error)
}

fn unexpected(response: &Response) -> Unreachable<Types> {
    unreachable(&io::Error::new(io::ErrorKind::InvalidData, format!("an answer to another question: {response:?}")))
}

impl Connection {
    /// One message and its answer. `wait` is what Raft allows; replication and snapshots have their own measure.
    async fn ask(&self, purpose: Purpose, request: &Request, wait: Option<Duration>) -> io::Result<Response> {
        let Network { member, transport, lineage, addresses, .. } = &self.network;
        let descent = lineage.known().ok_or_else(|| io::Error::other("this member belongs to no cluster yet"))?;
        let envelope = Envelope { from: *member, to: Some(self.target), descent: descent.clone() };
        let message = message::encode_request(&envelope, request);
        let wait = wait.unwrap_or_else(|| limit(message.len()));
        let call = {
            let known = addresses.0.load();
            let address = known.get(&self.target).unwrap_or(&self.address);
            transport.call(self.target, address, purpose, message, wait)
        };
        let answer = tokio::time::timeout(wait, call).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        message::decode_response(&answer).map_err(io::Error::other)
    }

    /// Whether the member still needs entries that are to go.
    fn is_too_late(&self, request: &AppendEntriesRequest<Types>) -> bool {
        let floor = self.network.log.floor();
        let prev = request.prev_log_id.map(|prev| prev.index());
        floor > 0 && !request.entries.is_empty() && prev.is_none_or(|prev| prev < floor)
    }

    async fn ask_vote(&self, request: Request, wait: Duration) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.ask(Purpose::Heartbeat, &request, Some(wait)).await {
            Ok(Response::Voted(voted)) => Ok(voted),
            Ok(other) => Err(unexpected(&other).into()),
            Err(error) => Err(unreachable(&error).into()),
        }
    }

    /// Sends a snapshot piece by piece; stops early when the other member knows of a later leader.
    async fn send(&self, vote: Vote, snapshot: Sealed) -> io::Result<Vote> {
        let transfer = self.network.transfers.fetch_add(1, Ordering::Relaxed);
        let mut pieces = snapshot.pieces();
        loop {
            let read = move || {
                let piece = pieces.next();
                (piece, pieces)
            };
            let piece;
            (piece, pieces) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?;
            let (number, last, data) = piece.unwrap_or_else(|| Err(io::Error::other("the snapshot has no end")))?;
            let request = Request::Piece(Piece { vote, transfer, number, last, data: data.into() });
            let wait = last.then_some(INSTALL);
            match self.ask(Purpose::Snapshot, &request, wait).await? {
                Response::Received(theirs) if last || theirs > vote => return Ok(theirs),
                Response::Received(_) => {}
                other => return Err(io::Error::other(unexpected(&other))),
            }
        }
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = Sealed;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let is_heartbeat = self.purpose == Purpose::Heartbeat;
        if !is_heartbeat && self.is_too_late(&request) {
            // Ends the stream of entries, which lets go of the log; Raft goes on with a snapshot.
            return Err(unreachable(&io::Error::other("it needs entries that are to go")).into());
        }
        let wait = is_heartbeat.then(|| option.hard_ttl());
        match self.ask(self.purpose, &Request::Append(request), wait).await {
            Ok(Response::Appended(appended)) => Ok(appended),
            Ok(other) => Err(unexpected(&other).into()),
            Err(error) => Err(unreachable(&error).into()),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask_vote(Request::Vote(request), option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask_vote(Request::PreVote(request), option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<LeaderId, u64, BasicNode, Sealed>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let address = &self.address;
        tracing::info!("sending the state as of {} to the manager at {address}", shown(&snapshot));
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = self.send(vote, snapshot.snapshot) => {
                sent.map(SnapshotResponse::new).map_err(|error| StreamingError::Unreachable(unreachable(&error)))
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.ask(Purpose::Heartbeat, &Request::Transfer(request), Some(option.hard_ttl())).await {
            Ok(Response::Transferred(transferred)) => Ok(transferred),
            Ok(other) => Err(unexpected(&other).into()),
            Err(error) => Err(unreachable(&error).into()),
        }
    }
}

fn shown(snapshot: &Snapshot<LeaderId, u64, BasicNode, Sealed>) -> impl Display {
    format!("index {}", snapshot.meta.last_log_id.map_or(0, |last| last.index()))
}
