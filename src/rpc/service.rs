//! What a manager serves to other nodes. The daemon implements it.

use bytes::Bytes;
use gam_core::error::Error;
use gam_core::model::NodeId;

use crate::message::{AgentMessage, Errand, IssueRequest, Issued, ManagerMessage, Piece, ReadIndex};
use crate::peer::Peer;
use crate::stream::{Inbound, Outbound};

/// The calls of a manager. Implementations write them as `async fn`.
///
/// `peer` comes from the certificate of the actual connection; its cluster and, where a call is for managers, its role have
/// been checked. Whether the node is still a member, and still wanted in that role, is for the implementation to check.
///
/// A future is dropped where it stands when the caller gives up or its connection breaks, so what must not be left half done
/// belongs in a task of its own.
pub trait Service: Send + Sync + 'static {
    /// The trusted roots, PEM, for anyone who asks.
    fn root(&self) -> impl Future<Output = Result<String, Error>> + Send;

    /// Gives a node a certificate: to one without (`peer` is `None`) for a join token, to a node of the cluster anew.
    fn issue(&self, peer: Option<Peer>, request: IssueRequest) -> impl Future<Output = Result<Issued, Error>> + Send;

    /// Refuses a node of another history of the cluster, in which it was before one manager went on alone, or in which it has
    /// gone on elsewhere: `history` is what it says. `as_manager`: it calls what only managers call, or is one.
    fn admit_history(&self, peer: Peer, history: u64, as_manager: bool) -> Result<(), Error>;

    /// A raft message of another manager; its answer.
    fn raft(&self, peer: Peer, message: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// A request that another manager passes on; its response.
    fn submit(&self, peer: Peer, request: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// Reports and news of sessions that another manager passes on.
    fn tell(&self, peer: Peer, inputs: Bytes) -> impl Future<Output = Result<(), Error>> + Send;

    /// How far a manager must have applied before it may answer a reader.
    fn read_index(&self, peer: Peer) -> impl Future<Output = Result<ReadIndex, Error>> + Send;

    /// The peer becomes a member of the consensus, or has a new address. Only the leader can see to that; another manager says
    /// at which address (`host:port`) it is.
    fn join_raft(
        &self,
        peer: Peer,
        raft_id: u64,
        address: String,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    /// The peer leaves the consensus.
    fn leave_raft(&self, peer: Peer) -> impl Future<Output = Result<(), Error>> + Send;

    /// Another manager's errand for a node whose session may be here; refused if it is not.
    fn pass(&self, peer: Peer, node: NodeId, errand: Errand) -> impl Future<Output = Result<(), Error>> + Send;

    /// What a node answers to an errand of this manager. The node stops when this returns.
    fn answer(&self, peer: Peer, pieces: Inbound<Piece>) -> impl Future<Output = Result<(), Error>> + Send;

    /// A connection that a node opens for an errand of this manager. It ends when this returns, when the node goes away, or
    /// when the manager stops.
    fn carry(
        &self,
        peer: Peer,
        inbound: Inbound<Piece>,
        outbound: Outbound<Piece>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// What a node asks about places of its containers on networks, and the answer.
    fn place(&self, peer: Peer, question: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// A node's session. It ends when this returns, when the agent goes away, or when the manager stops.
    fn session(
        &self,
        peer: Peer,
        inbound: Inbound<AgentMessage>,
        outbound: Outbound<ManagerMessage>,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
