//! Calls to managers, over connections that are kept.
//!
//! One connection for each address and lane, dialled when first needed and once for all who wait. It is dialled anew when it is
//! closed, when the node's credentials have changed, and after a call that got no answer: behind a cable that was cut, TCP
//! would try again for minutes. One that is not used for a while is closed: an agent makes a call now and then, and its manager
//! would keep a connection for each agent. Nothing is sent twice here; a caller that may, does.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, Shared, WeakShared};
use futures_util::{StreamExt as _, stream};
use gam_core::model::NodeId;
use http::Uri;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status};

use crate::carried::Carried;
use crate::dial::{Connection, Expected, MANAGER_NAME};
use crate::error::RpcError;
use crate::gate::{HISTORY, MANAGER_MESSAGE_MAX};
use crate::join::issued;
use crate::message::{AgentMessage, Errand, IssueRequest, Issued, ManagerMessage, Piece, ReadIndex, Wire as _};
use crate::peer::Peer;
use crate::proto::control_client::ControlClient;
use crate::proto::dispatch_client::DispatchClient;
use crate::proto::trust_client::TrustClient;
use crate::proto::{self, Payload};
use crate::stream::{Inbound, Outbound, direction};
use crate::tls::{Held, Tls};

/// How long a call may take unless its caller says otherwise; a write waits for a quorum's disks.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long a dial may take for calls that somebody waits for, and for sessions.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a dial may take for raft. TCP repeats a lost first packet only after a second, so a fresh dial is sooner through.
const RAFT_CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Connections kept. Seven managers need 28; more addresses than that come only from managers that have moved.
const KEPT_MAX: usize = 64;

/// How long a connection is kept that no call is begun on. A call that lasts longer keeps it for itself.
const IDLE: Duration = Duration::from_secs(10);

/// What a connection is for: calls of one lane do not wait behind those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Requests, reports, reads, certificates.
    Control,
    /// Entries of the log.
    Replication,
    /// Heartbeats and votes.
    Heartbeat,
    /// Snapshots.
    Snapshot,
}

impl Lane {
    fn connect_limit(self) -> Duration {
        match self {
            Lane::Control => CONNECT_LIMIT,
            Lane::Replication | Lane::Heartbeat | Lane::Snapshot => RAFT_CONNECT_LIMIT,
        }
    }
}

/// All connections of a node to managers. Clones share them.
#[derive(Clone)]
pub struct Clients(Arc<Pool>);

type Belief = Box<dyn Fn() -> Option<u64> + Send + Sync>;

struct Pool {
    tls: Tls,
    idle: Duration,
    history: OnceLock<Belief>,
    kept: Mutex<HashMap<(String, Lane), Link>>,
}

/// A connection that exists or is being made.
#[derive(Clone)]
struct Link {
    /// Made with these credentials.
    held: Arc<Held>,
    used: Instant,
    dialled: Shared<Dialling>,
}

type Dialling = BoxFuture<'static, Result<Connection, RpcError>>;

impl Link {
    /// Dials in a task of its own, so that a caller in a hurry does not take the connection from those who wait.
    fn dial(address: &str, held: Arc<Held>, limit: Duration) -> Link {
        let (dialling, to) = (held.clone(), address.to_owned());
        let task = tokio::spawn(async move {
            let expected = Expected::ManagerOf(dialling.own.cluster);
            let dialled = Connection::dial(&to, dialling.client.clone(), MANAGER_NAME, expected, limit).await;
            dialled.map_err(|error| RpcError::connect(&to, error))
        });
        let to = address.to_owned();
        let dialled = task.map(move |ended| ended.unwrap_or_else(|error| Err(RpcError::connect(&to, error.into()))));
        Link { held, used: Instant::now(), dialled: dialled.boxed().shared() }
    }

    fn is_usable(&self, held: &Arc<Held>) -> bool {
        Arc::ptr_eq(&self.held, held)
            && match self.dialled.peek() {
                Some(Ok(connection)) => !connection.is_closed(),
                Some(Err(_)) => false,
                None => true,
            }
    }
}

impl Clients {
    /// Calls that show the newest credentials of `tls`.
    pub fn new(tls: Tls) -> Clients {
        Clients::that_keep(tls, IDLE)
    }

    /// The same, with connections that are closed after so long without a call.
    pub(crate) fn that_keep(tls: Tls, idle: Duration) -> Clients {
        Clients(Arc::new(Pool { tls, idle, history: OnceLock::new(), kept: Mutex::default() }))
    }

    /// Calls say from now on to which history of the cluster this node belongs, if it knows. It can be told once.
    pub fn of_history(&self, history: impl Fn() -> Option<u64> + Send + Sync + 'static) {
        // Whoever told it first is the one who knows.
        let _ = self.0.history.set(Box::new(history));
    }

    /// The manager at `host:port`.
    pub fn to(&self, address: &str) -> Client {
        Client { pool: self.0.clone(), address: address.to_owned(), lane: Lane::Control, limit: CALL_LIMIT }
    }

    /// Closes all connections to an address, once their calls have ended.
    pub fn forget(&self, address: &str) {
        self.0.lock().retain(|(kept, _), _| kept != address);
    }
}

impl Pool {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, Lane), Link>> {
        // The map is whole between any two of its operations.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(self: &Arc<Self>, address: &str, lane: Lane) -> Link {
        let held = self.tls.held();
        let key = (address.to_owned(), lane);
        let mut kept = self.lock();
        if let Some(link) = kept.get_mut(&key).filter(|link| link.is_usable(&held)) {
            link.used = Instant::now();
            return link.clone();
        }
        let link = Link::dial(address, held, lane.connect_limit());
        if let Some(dialled) = link.dialled.downgrade() {
            tokio::spawn(expire(Arc::downgrade(self), key.clone(), dialled, self.idle));
        }
        kept.insert(key, link.clone());
        if kept.len() > KEPT_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, link)| link.used).map(|(key, _)| key.clone())
        {
            kept.remove(&oldest);
        }
        link
    }

    /// A message, and with it to which history this node belongs.
    fn said<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let number = self.history.get().and_then(|history| history());
        if let Some(value) = number.and_then(|number| AsciiMetadataValue::try_from(format!("{number:x}")).ok()) {
            request.metadata_mut().insert(HISTORY, value);
        }
        request
    }

    /// Does not use this link again.
    fn drop_link(&self, address: &str, lane: Lane, link: &Link) {
        let key = (address.to_owned(), lane);
        let mut kept = self.lock();
        if kept.get(&key).is_some_and(|newest| newest.dialled.ptr_eq(&link.dialled)) {
            kept.remove(&key);
        }
    }
}

/// Lets go of a connection once it has been idle, unless another has taken its place.
async fn expire(pool: Weak<Pool>, key: (String, Lane), dialled: WeakShared<Dialling>, idle: Duration) {
    let mut at = Instant::now() + idle;
    loop {
        sleep_until(at).await;
        let (Some(pool), Some(dialled)) = (pool.upgrade(), dialled.upgrade()) else { return };
        let mut kept = pool.lock();
        let Some(link) = kept.get(&key).filter(|link| link.dialled.ptr_eq(&dialled)) else { return };
        at = link.used + idle;
        if at <= Instant::now() {
            kept.remove(&key);
            return;
        }
    }
}

/// The way to one manager. Making one costs nothing and connects nowhere.
#[derive(Clone)]
pub struct Client {
    pool: Arc<Pool>,
    address: String,
    lane: Lane,
    limit: Duration,
}

/// An agent's session with a manager.
pub struct Session {
    /// The manager, by its certificate.
    pub manager: Peer,
    /// What the agent says.
    pub outbound: Outbound<AgentMessage>,
    /// What it is told.
    pub inbound: Inbound<ManagerMessage>,
}

impl Client {
    /// Over this lane's connection.
    pub fn over(mut self, lane: Lane) -> Client {
        self.lane = lane;
        self
    }

    /// With this much time, a dial included.
    pub fn within(mut self, limit: Duration) -> Client {
        self.limit = limit;
        self
    }

    /// See [`crate::Service::root`].
    pub async fn root(&self) -> Result<String, RpcError> {
        let call = |mut client: TrustClient<_>| async move { client.root(proto::RootRequest {}).await };
        Ok(self.call(|to| call(TrustClient::with_origin(to, origin()))).await?.pem)
    }

    /// Who answers at the address now, by its certificate.
    pub async fn peer(&self) -> Result<Peer, RpcError> {
        let asked = self.root().await;
        // Also a refusal is an answer: it is there.
        if let Err(error) = asked.map(drop)
            && !matches!(error, RpcError::Refused(_))
        {
            return Err(error);
        }
        let link = self.pool.link(&self.address, self.lane);
        let connection = self.connected(&link, Instant::now() + self.limit).await?;
        let nobody = || io::Error::new(io::ErrorKind::InvalidData, "who answers has no name");
        connection.peer().ok_or_else(|| RpcError::connect(&self.address, nobody()))
    }

    /// A new certificate for this node; see [`crate::Service::issue`].
    pub async fn issue(&self, request: IssueRequest) -> Result<Issued, RpcError> {
        let request = self.pool.said(proto::IssueRequest::from(request));
        let call = |mut client: TrustClient<_>| async move { client.issue(request).await };
        issued(&self.address, self.call(|to| call(TrustClient::with_origin(to, origin()))).await?)
    }

    /// See [`crate::Service::raft`].
    pub async fn raft(&self, message: Bytes) -> Result<Bytes, RpcError> {
        let message = self.pool.said(Payload { bytes: message });
        let call = |to| async move { control(to).raft(message).await };
        Ok(self.call(call).await?.bytes)
    }

    /// See [`crate::Service::submit`].
    pub async fn submit(&self, request: Bytes) -> Result<Bytes, RpcError> {
        let request = self.pool.said(Payload { bytes: request });
        let call = |to| async move { control(to).submit(request).await };
        Ok(self.call(call).await?.bytes)
    }

    /// See [`crate::Service::tell`].
    pub async fn tell(&self, inputs: Bytes) -> Result<(), RpcError> {
        let inputs = self.pool.said(Payload { bytes: inputs });
        self.call(|to| async move { control(to).tell(inputs).await }).await.map(|_| ())
    }

    /// See [`crate::Service::read_index`].
    pub async fn read_index(&self) -> Result<ReadIndex, RpcError> {
        let request = self.pool.said(proto::ReadIndexRequest {});
        let call = |to| async move { control(to).read_index(request).await };
        let proto::ReadIndexResponse { index, leader, unreachable } = self.call(call).await?;
        Ok(ReadIndex { index, leader, unreachable })
    }

    /// See [`crate::Service::join_raft`].
    pub async fn join_raft(&self, raft_id: u64, address: &str) -> Result<Option<String>, RpcError> {
        let request = self.pool.said(proto::JoinRaftRequest { raft_id, address: address.to_owned() });
        let joined = self.call(|to| async move { control(to).join_raft(request).await }).await?;
        Ok(Some(joined.leader).filter(|leader| !leader.is_empty()))
    }

    /// See [`crate::Service::leave_raft`].
    pub async fn leave_raft(&self) -> Result<(), RpcError> {
        let request = self.pool.said(proto::LeaveRaftRequest {});
        self.call(|to| async move { control(to).leave_raft(request).await }).await.map(|_| ())
    }

    /// See [`crate::Service::pass`].
    pub async fn pass(&self, node: NodeId, errand: Errand) -> Result<(), RpcError> {
        let request = self.pool.said(proto::PassRequest { node: node.to_string(), errand: Some(errand.into()) });
        self.call(|to| async move { control(to).pass(request).await }).await.map(|_| ())
    }

    /// See [`crate::Service::place`].
    pub async fn place(&self, question: Bytes) -> Result<Bytes, RpcError> {
        let question = self.pool.said(Payload { bytes: question });
        let call = |mut client: DispatchClient<_>| async move { client.place(question).await };
        Ok(self.call(|to| call(DispatchClient::with_origin(to, origin()))).await?.bytes)
    }

    /// Begins to answer an errand, on a connection of its own, so that a reader who is slow holds up nothing else. The answer ends
    /// when the sender is dropped, or closes when the manager wants no more. The limit is for the dial.
    pub async fn answer(&self, ticket: u64) -> Result<Outbound<Piece>, RpcError> {
        let link = Link::dial(&self.address, self.pool.tls.held(), CONNECT_LIMIT);
        let connection = self.connected(&link, Instant::now() + self.limit).await?;
        let (outbound, mut pieces) = direction();
        let first = stream::iter([Piece::Ticket(ticket)]);
        let pieces = first.chain(stream::poll_fn(move |cx| pieces.poll_recv(cx))).map(Piece::to_wire);
        let mut client = DispatchClient::with_origin(connection, origin());
        // However it ends, the manager has what it wanted, or is gone.
        tokio::spawn(async move { client.answer(pieces).await });
        Ok(outbound)
    }

    /// Opens the connection that an errand asks for, over a connection of its own, so that a reader who is slow holds up nothing
    /// else. The limit is for the opening.
    pub async fn carry(&self, ticket: u64) -> Result<Carried, RpcError> {
        let deadline = Instant::now() + self.limit;
        let (connection, manager) = self.own_connection(deadline).await?;
        let (outbound, mut pieces) = direction();
        let first = stream::iter([Piece::Ticket(ticket)]);
        let pieces = first.chain(stream::poll_fn(move |cx| pieces.poll_recv(cx))).map(Piece::to_wire);
        let mut client = DispatchClient::with_origin(connection.clone(), origin());
        let opened = timeout_at(deadline, client.carry(pieces)).await.map_err(|_| self.late())?;
        let opened = opened.map_err(|status| RpcError::from_status(&self.address, &status))?;
        let inbound = Inbound::new(opened.into_inner(), self.address.clone(), connection);
        Ok(Carried { manager, outbound, inbound })
    }

    /// Opens a session, on a connection of its own that ends with it. The limit is for the opening.
    pub async fn session(&self) -> Result<Session, RpcError> {
        let deadline = Instant::now() + self.limit;
        let (connection, manager) = self.own_connection(deadline).await?;
        let (outbound, mut messages) = direction();
        let messages = stream::poll_fn(move |cx| messages.poll_recv(cx)).map(AgentMessage::to_wire);
        let client = DispatchClient::with_origin(connection.clone(), origin());
        let mut client = client.max_decoding_message_size(MANAGER_MESSAGE_MAX);
        let messages = self.pool.said(messages);
        let opened = timeout_at(deadline, client.session(messages)).await.map_err(|_| self.late())?;
        let opened = opened.map_err(|status| RpcError::from_status(&self.address, &status))?;
        let inbound = Inbound::new(opened.into_inner(), self.address.clone(), connection);
        Ok(Session { manager, outbound, inbound })
    }

    /// A connection that no other call shares, and who is at its other end.
    async fn own_connection(&self, deadline: Instant) -> Result<(Connection, Peer), RpcError> {
        let link = Link::dial(&self.address, self.pool.tls.held(), CONNECT_LIMIT);
        let connection = self.connected(&link, deadline).await?;
        let nobody = || io::Error::new(io::ErrorKind::InvalidData, "who answers has no name");
        let manager = connection.peer().ok_or_else(|| RpcError::connect(&self.address, nobody()))?;
        Ok((connection, manager))
    }

    async fn call<T, F>(&self, call: impl FnOnce(Connection) -> F) -> Result<T, RpcError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let deadline = Instant::now() + self.limit;
        let link = self.pool.link(&self.address, self.lane);
        let connection = self.connected(&link, deadline).await?;
        match timeout_at(deadline, call(connection)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(RpcError::from_status(&self.address, &status)),
            Err(_) => {
                self.pool.drop_link(&self.address, self.lane, &link);
                Err(self.late())
            }
        }
    }

    async fn connected(&self, link: &Link, deadline: Instant) -> Result<Connection, RpcError> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {:?}", self.limit));
        timeout_at(deadline, link.dialled.clone()).await.map_err(|_| RpcError::connect(&self.address, late()))?
    }

    fn late(&self) -> RpcError {
        RpcError::TimedOut { address: self.address.clone(), limit: self.limit }
    }
}

fn control(to: Connection) -> ControlClient<Connection> {
    ControlClient::with_origin(to, origin()).max_decoding_message_size(MANAGER_MESSAGE_MAX)
}

/// What HTTP/2 wants as the server's name; TLS has checked the real one.
fn origin() -> Uri {
    Uri::from_static("https://swarm-manager")
}
