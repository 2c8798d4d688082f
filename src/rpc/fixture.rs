//! Authorities, certificates and a manager for tests, over loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gam_core::error::{Error, Kind};
use gam_core::model::{ClusterId, IdSource, NodeId};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    AgentMessage, Credentials, Errand, Inbound, IssueRequest, Issued, ManagerMessage, Outbound, Peer, Piece, ReadIndex,
    Role, Service, Tls, join_streams, serve,
};

/// How long anything in a test may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The history that the fake manager belongs to.
pub const OUR_HISTORY: u64 = 7;

pub fn node(number: u128) -> NodeId {
    NodeId::from(number)
}

pub fn cluster() -> ClusterId {
    IdSource::new([4; 32]).fresh()
}

/// A root with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "swarm-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Credentials that trust this authority only.
    pub fn issue(&self, node: NodeId, role: Role) -> Credentials {
        self.issue_with(node, role, cluster(), |_| {})
    }

    pub fn issue_with(
        &self,
        node: NodeId,
        role: Role,
        cluster: ClusterId,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut names = vec![role.unit().to_owned(), node.to_string()];
        if role == Role::Manager {
            names.push("swarm-ca".to_owned());
        }
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, cluster.to_string());
        params.distinguished_name.push(DnType::OrganizationalUnitName, role.unit());
        params.distinguished_name.push(DnType::CommonName, node.to_string());
        params.not_before = OffsetDateTime::now_utc() - Duration::from_secs(3600);
        params.not_after = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        change(&mut params);
        let chain_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Credentials { chain_pem, key_pem: key.serialize_pem(), roots_pem: vec![self.pem.clone()] }
    }
}

/// What happens in a session of the fake manager.
pub struct Talk {
    pub peer: Peer,
    pub inbound: Inbound<AgentMessage>,
    pub outbound: Outbound<ManagerMessage>,
    /// Ends the session.
    pub end: tokio::sync::oneshot::Sender<Result<(), Error>>,
}

/// A manager that answers so that a test sees what reached it.
pub struct Fake {
    root: String,
    talks: mpsc::Sender<Talk>,
    answers: mpsc::Sender<String>,
    slow: Arc<Notify>,
}

impl Service for Fake {
    async fn root(&self) -> Result<String, Error> {
        Ok(self.root.clone())
    }

    async fn issue(&self, peer: Option<Peer>, request: IssueRequest) -> Result<Issued, Error> {
        if request.token == "slow" {
            self.slow.notified().await;
        } else if peer.is_none() && request.token != "token" {
            return Err(Error::new(Kind::Invalid, "A valid join token is necessary to join this cluster"));
        }
        let (node, role) = peer.map_or((node(99), Role::Worker), |peer| (peer.node, peer.role));
        let chain_pem = String::from_utf8(request.csr_der).unwrap();
        Ok(Issued { node, cluster: cluster(), role, chain_pem, roots_pem: self.root.clone() })
    }

    async fn raft(&self, peer: Peer, message: Bytes) -> Result<Bytes, Error> {
        if message == "never" {
            return std::future::pending().await;
        }
        Ok(Bytes::from(format!("{} {}", peer.node, message.len())))
    }

    async fn submit(&self, _: Peer, request: Bytes) -> Result<Bytes, Error> {
        Err(Error::new(Kind::Conflict, format!("no: {}", String::from_utf8_lossy(&request))))
    }

    async fn tell(&self, _: Peer, _: Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn read_index(&self, _: Peer) -> Result<ReadIndex, Error> {
        Ok(ReadIndex { index: 7, leader: 8, unreachable: vec![9] })
    }

    fn admit_history(&self, peer: Peer, history: u64, as_manager: bool) -> Result<(), Error> {
        let said = format!("{} {history:x} {as_manager}", peer.node);
        if history == OUR_HISTORY { Ok(()) } else { Err(Error::new(Kind::Forbidden, said)) }
    }

    async fn join_raft(&self, _: Peer, raft_id: u64, address: String) -> Result<Option<String>, Error> {
        assert_eq!((raft_id, address.as_str()), (5, "10.0.0.5:2377"));
        Ok(Some("10.0.0.6:2377".to_owned()))
    }

    async fn leave_raft(&self, _: Peer) -> Result<(), Error> {
        Ok(())
    }

    async fn pass(&self, _: Peer, to: NodeId, errand: Errand) -> Result<(), Error> {
        assert_eq!((to, errand.ticket, errand.address.as_str()), (node(3), 6, "10.0.0.5:2377"));
        Ok(())
    }

    async fn answer(&self, peer: Peer, mut pieces: Inbound<Piece>) -> Result<(), Error> {
        let mut heard = format!("{}:", peer.node);
        while let Ok(Some(piece)) = pieces.recv().await {
            match piece {
                Piece::Ticket(ticket) => heard += &ticket.to_string(),
                Piece::Bytes(bytes) if bytes == "enough" => break,
                Piece::Bytes(bytes) => heard += &String::from_utf8_lossy(&bytes),
                Piece::End => heard += "!",
            }
        }
        let _ = self.answers.send(heard).await;
        Ok(())
    }

    /// Whoever comes is given what it said, with its ticket before that.
    async fn carry(&self, _: Peer, mut inbound: Inbound<Piece>, outbound: Outbound<Piece>) -> Result<(), Error> {
        let Ok(Some(Piece::Ticket(ticket))) = inbound.recv().await else { return Ok(()) };
        let (ours, mut theirs) = UnixStream::pair().map_err(Error::internal)?;
        let echo = async {
            theirs.write_all(ticket.to_string().as_bytes()).await.unwrap();
            let (mut reads, mut writes) = theirs.into_split();
            let _ = tokio::io::copy(&mut reads, &mut writes).await;
        };
        tokio::join!(join_streams(ours, inbound, outbound), echo);
        Ok(())
    }

    async fn place(&self, peer: Peer, question: Bytes) -> Result<Bytes, Error> {
        Ok(Bytes::from(format!("{} {}", peer.node, question.len())))
    }

    async fn session(
        &self,
        peer: Peer,
        inbound: Inbound<AgentMessage>,
        outbound: Outbound<ManagerMessage>,
    ) -> Result<(), Error> {
        let (end, ended) = tokio::sync::oneshot::channel();
        let _ = self.talks.send(Talk { peer, inbound, outbound, end }).await;
        ended.await.unwrap_or(Ok(()))
    }
}

/// A fake manager that serves.
pub struct Server {
    pub address: String,
    pub tls: Tls,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
    /// Lets a certificate be issued for the token `slow`.
    pub slow: Arc<Notify>,
    talks: Mutex<mpsc::Receiver<Talk>>,
    answers: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    pub async fn start(credentials: Credentials) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tls = Tls::new(credentials.clone()).unwrap();
        let (sender, talks) = mpsc::channel(16);
        let (answered, answers) = mpsc::channel(16);
        let slow = Arc::new(Notify::new());
        let root = credentials.roots_pem.concat();
        let fake = Fake { root, talks: sender, answers: answered, slow: slow.clone() };
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, tls.clone(), Arc::new(fake), stop.clone()));
        Server { address, tls, stop, served, slow, talks: Mutex::new(talks), answers: Mutex::new(answers) }
    }

    /// The next answer that a node gives, from end to end.
    pub async fn answer(&self) -> String {
        self.answers.lock().await.recv().await.unwrap()
    }

    /// The next session that an agent opens.
    pub async fn talk(&self) -> Talk {
        within(async { self.talks.lock().await.recv().await.unwrap() }).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The outcome of what must not take long.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("took too long")
}

/// A cable between clients and a server, which can be cut so that neither side hears of it.
pub struct Cable {
    pub address: String,
    /// While it is held, nothing passes.
    pub pass: Arc<tokio::sync::RwLock<()>>,
}

impl Cable {
    pub async fn to(server: &str) -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (pass, server): (_, SocketAddr) = (Arc::new(tokio::sync::RwLock::new(())), server.parse().unwrap());
        let gate = pass.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = tokio::net::TcpStream::connect(server).await.unwrap();
                let (near, far) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near.0, far.1, gate.clone()));
                tokio::spawn(carry(far.0, near.1, gate.clone()));
            }
        });
        Cable { address, pass }
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    pass: Arc<tokio::sync::RwLock<()>>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let _pass = pass.read().await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
