//! A manager as others meet it on its port, over true TLS: who may call what is tried with every kind of certificate. (That a
//! worker's certificate opens no manager's service and that a stranger may only join, `gam_rpc` tests call by call.)

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gam_core::control::{self, InitRequest};
use gam_core::model::{
    ClusterId, JoinTokens, Meta, Node as NodeObject, NodeSpec, NodeState, NodeStatus, RootCa, SwarmSpec, Timestamp,
};
use gam_core::plan::Plan;
use gam_core::state::{Change, Proposal};
use gam_rpc::{AgentMessage, Client, Clients, Credentials, PROTOCOL, RpcError, Tls, serve};
use gam_store::{KeySource, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::agent::AgentConfig;
use crate::dispatcher::link::{self, LinkState};
use crate::engine::Engine;
use crate::manager::now;
use crate::network::Networks;
use crate::node::directory::{Advertised, Directory, Identity, NodeRole};
use crate::node::membership::stay_manager;
use crate::node::trust::Trust;

const DAY: i64 = 24 * 3600 * 1_000_000_000;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A swarm of one manager, without a dockerd. It has gone on alone once.
struct Swarm {
    manager: Manager,
    address: String,
    root: RootCa,
    identity: Identity,
    tokens: JoinTokens,
    /// The history that it went on from.
    past: u64,
    folder: PathBuf,
    stop: CancellationToken,
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Swarm {
    async fn found() -> Swarm {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("gam-service-{}-{count}", std::process::id()));
        let engine = Engine::new("/nowhere/docker.sock");
        let agent = AgentConfig::new(engine.clone(), Networks::new(engine), None);
        let node = Node::open(Directory::open(&folder).unwrap(), agent).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut ids = IdSource::new(seed().unwrap());
        let identity = Identity {
            format: 0,
            node: ids.fresh(),
            cluster: ids.fresh(),
            role: NodeRole::Manager,
            raft_id: 7,
            listen: address.clone(),
            advertise: address.clone(),
            advertised: Advertised::Given,
            data_path: None,
            managers: Vec::new(),
            history: None,
        };
        let root = ca::new_root().unwrap();
        let (key, csr) = ca::new_key_and_csr().unwrap();
        let chain = ca::sign(&root, &csr, identity.cluster, identity.node, Role::Manager, DAY).unwrap();
        node.0.directory.keep_certificates(&root.cert, &chain, &key).unwrap();
        let trust = Trust::open(&node.0.directory).unwrap();
        let store = Store::create(node.store_config(&identity, KeySource::OnDisk, &trust)).await.unwrap();
        let past = store.history().number().unwrap();
        store.shutdown().await;
        let store = Store::recover_alone(node.store_config(&identity, KeySource::OnDisk, &trust)).await.unwrap();
        let digest = ca::digest(&root.cert);
        let mut token = || control::join_token(&digest, ids.bytes());
        let tokens = JoinTokens { worker: token(), manager: token() };
        store.propose(founding(&identity, &root, &tokens)).await.unwrap();
        let stop = CancellationToken::new();
        let own = (identity.node, "127.0.0.1".to_owned(), identity.raft_id);
        let manager = Manager::start(own.0, own.1, own.2, store, trust.clients.clone(), stop.clone()).unwrap();
        let service = Arc::new(ManagerService { node, manager: manager.clone() });
        tokio::spawn(serve(listener, trust.tls, service, stop.clone()));
        Swarm { manager, address, root, identity, tokens, past, folder, stop }
    }

    /// A host joins by a token.
    async fn join(&self, token: &str) -> (NodeId, Tls) {
        let (key, csr_der) = ca::new_key_and_csr().unwrap();
        let request = IssueRequest { token: token.to_owned(), csr_der, ..IssueRequest::default() };
        let issued = gam_rpc::issue(&self.address, &self.root.cert, request).await.unwrap();
        (issued.node, tls(issued.chain_pem, key, &issued.roots_pem))
    }

    /// A certificate that says what the test wants, signed by this swarm's root.
    fn sign(&self, node: NodeId, cluster: ClusterId, role: Role, expiry: i64) -> Tls {
        let (key, csr) = ca::new_key_and_csr().unwrap();
        tls(ca::sign(&self.root, &csr, cluster, node, role, expiry).unwrap(), key, &self.root.cert)
    }

    /// The node is this member of the consensus, or none, as far as the cluster's state says.
    async fn be_member(&self, node: NodeId, raft_id: Option<u64>) {
        let manager = raft_id.map(|raft_id| ManagerStatus { raft_id, addr: "127.0.0.1:1".into() });
        let changes = vec![Change::NodeManager { id: node, manager }];
        self.manager.store().propose(Proposal { at: now(), changes }).await.unwrap();
    }

    fn client(&self, tls: &Tls) -> Client {
        Clients::new(tls.clone()).to(&self.address)
    }

    /// The node is a worker from now on. (A demotion that is asked for waits for members of the consensus, of which this is none.)
    async fn demote(&self, node: NodeId) {
        let spec = self.manager.read().await.unwrap().node(node).map(|node| node.spec.clone()).unwrap();
        let change = Change::NodeUpdate { id: node, spec: NodeSpec { role: "worker".into(), ..spec } };
        self.manager.store().propose(Proposal { at: now(), changes: vec![change] }).await.unwrap();
    }

    async fn remove(&self, node: NodeId) {
        self.manager.submit(Request::NodeRemove { id: node, force: true }).await.unwrap();
    }
}

fn tls(chain_pem: String, key_pem: String, roots_pem: &str) -> Tls {
    Tls::new(Credentials { chain_pem, key_pem, roots_pem: vec![roots_pem.to_owned()] }).unwrap()
}

fn founding(identity: &Identity, root: &RootCa, tokens: &JoinTokens) -> Proposal {
    let node = NodeObject {
        id: identity.node,
        meta: Meta::default(),
        spec: NodeSpec { role: "manager".into(), ..NodeSpec::default() },
        description: NodeDescription { hostname: "host1".into(), ..NodeDescription::default() },
        status: NodeStatus { state: NodeState::Ready, addr: "127.0.0.1".into(), ..NodeStatus::default() },
        manager: Some(ManagerStatus { raft_id: identity.raft_id, addr: identity.advertise.clone() }),
    };
    let request = InitRequest {
        cluster: identity.cluster,
        spec: SwarmSpec::default(),
        root_ca: root.clone(),
        join_tokens: tokens.clone(),
        unlock_key: String::new(),
        default_addr_pool: Vec::new(),
        subnet_size: 0,
        data_path_port: 0,
        node,
    };
    let (at, state, mut ids) = (now(), State::default(), IdSource::new([8; 32]));
    let mut plan = Plan::new(&state, at, &mut ids);
    control::init(&mut plan, request).unwrap();
    Proposal { at, changes: plan.finish().0 }
}

/// A question of the consensus that changes nothing, as `from` asks it: `gam_store`'s form on the wire.
fn pre_vote(swarm: &Swarm, from: u64) -> Bytes {
    let lineage = swarm.manager.store().history().number().unwrap();
    let vote = serde_json::json!({ "term": 1, "leader": from, "granted": false });
    let request = serde_json::json!({ "pre_vote": { "vote": vote, "last": null } });
    let header =
        serde_json::to_vec(&serde_json::json!({ "from": from, "lineage": lineage, "request": request })).unwrap();
    let length = u32::try_from(header.len()).unwrap().to_be_bytes();
    [&[1], &length[..], &header].concat().into()
}

/// Every call that only managers may make, by its name.
async fn control_calls(client: &Client) -> Vec<(&'static str, Result<(), RpcError>)> {
    let request = Bytes::from(wire::encode_request(&Request::NodeRemove { id: NodeId::MIN, force: true }));
    let relay = Bytes::from(serde_json::to_vec(&Relay::default()).unwrap());
    vec![
        ("raft", client.raft(Bytes::from_static(b"vote for me")).await.map(drop)),
        ("submit", client.submit(request).await.map(drop)),
        ("tell", client.tell(relay).await),
        ("read_index", client.read_index().await.map(drop)),
        ("join_raft", client.join_raft(9, "127.0.0.1:1").await.map(drop)),
        ("leave_raft", client.leave_raft().await),
    ]
}

#[track_caller]
fn all_forbidden(calls: Vec<(&'static str, Result<(), RpcError>)>, why: &str) {
    for (name, outcome) in calls {
        match outcome {
            Err(RpcError::Refused(error)) => {
                assert_eq!((error.kind, error.message.as_str()), (Kind::Forbidden, why), "{name}");
            }
            other => panic!("{name} is not refused: {other:?}"),
        }
    }
}

async fn renew(client: &Client) -> Result<Role, Error> {
    let request = IssueRequest { csr_der: ca::new_key_and_csr().unwrap().1, ..IssueRequest::default() };
    client.issue(request).await.map(|issued| issued.role).map_err(refusal)
}

/// Opens a session and says hello; what the first answer is.
async fn greet(client: &Client) -> Result<gam_rpc::Session, Error> {
    let mut session = client.session().await.map_err(refusal)?;
    let description = wire::encode_description(&NodeDescription::default()).into();
    // A refused session may be over before this is sent; then the answer says why.
    let _ = session
        .outbound
        .send(AgentMessage::Hello { protocol: PROTOCOL, description, index: 0, seal_key: Default::default() })
        .await;
    match tokio::time::timeout(LIMIT, session.inbound.recv()).await.expect("no answer") {
        Ok(Some(ManagerMessage::Welcome { .. })) => Ok(session),
        Ok(other) => panic!("no welcome: {other:?}"),
        Err(error) => Err(refusal(error)),
    }
}

fn refusal(error: RpcError) -> Error {
    match error {
        RpcError::Refused(error) => error,
        other => panic!("no refusal: {other:?}"),
    }
}

/// Why TLS already refuses a caller.
#[track_caller]
fn unconnected(outcome: Result<(), RpcError>) -> String {
    match outcome {
        Err(RpcError::Connect { source, .. }) => source.to_string(),
        other => panic!("connected: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_served_as_a_worker_only() {
    let swarm = Swarm::found().await;
    let (node, worker) = swarm.join(&swarm.tokens.worker).await;
    let client = swarm.client(&worker);
    let why = "the call is for managers, and the certificate is that of a swarm-worker";
    all_forbidden(control_calls(&client).await, why);
    assert_eq!(renew(&client).await, Ok(Role::Worker), "it gets no better certificate than it had");
    greet(&client).await.unwrap();
    // Even a true manager's certificate that somebody stole a signature for is worth what the swarm says of its node.
    let forged = swarm.client(&swarm.sign(node, swarm.identity.cluster, Role::Manager, DAY));
    all_forbidden(control_calls(&forged).await, &format!("node {node} is not a manager of this swarm"));
    assert_eq!(renew(&forged).await, Ok(Role::Worker));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_manager_that_keeps_talking_is_refused_at_once() {
    let swarm = Swarm::found().await;
    let (node, manager) = swarm.join(&swarm.tokens.manager).await;
    let client = swarm.client(&manager);
    client.read_index().await.unwrap();
    client.tell(serde_json::to_vec(&Relay::default()).unwrap().into()).await.unwrap();
    assert_eq!(renew(&client).await, Ok(Role::Manager));
    swarm.demote(node).await;
    // On the very same connection, with a certificate that is valid for a day.
    all_forbidden(control_calls(&client).await, &format!("node {node} is not a manager of this swarm"));
    assert_eq!(renew(&client).await, Ok(Role::Worker));
    greet(&client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_speaks_in_the_consensus_as_itself_only() {
    let swarm = Swarm::found().await;
    let (node, manager) = swarm.join(&swarm.tokens.manager).await;
    let client = swarm.client(&manager);
    let speak = async |member| client.raft(pre_vote(&swarm, member)).await.map(drop).map_err(refusal);
    let forbidden = |why: &str| Err(Error::new(Kind::Forbidden, format!("node {node} {why}")));
    let unknown = forbidden("speaks as a member of the consensus that it is not");
    assert_eq!(speak(9).await, unknown, "it is none yet");
    swarm.be_member(node, Some(9)).await;
    assert_eq!(speak(9).await, Ok(()));
    assert_eq!(speak(swarm.identity.raft_id).await, forbidden("speaks as another member of the consensus"));
    assert_eq!(speak(8).await, unknown);
    // Demoted, let go, and promoted again: with the number that it had it may hold what it has promised as another one.
    swarm.be_member(node, None).await;
    swarm.be_member(node, Some(10)).await;
    assert_eq!(speak(9).await, forbidden("speaks as a member of the consensus that was let go"));
    assert_eq!(speak(10).await, Ok(()));
    let state = swarm.manager.read().await.unwrap();
    let may =
        |leaderless| [9, 10, swarm.identity.raft_id, 8].map(|it| may_speak_as(&state, node, it, leaderless).is_ok());
    assert_eq!(may(false), [false, true, false, false]);
    // Without a leader this state may not be the newest: the node may be another member by now, but not one that is known.
    assert_eq!(may(true), [false, true, false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_joins_the_consensus_as_itself_only() {
    let swarm = Swarm::found().await;
    let (node, manager) = swarm.join(&swarm.tokens.manager).await;
    let client = swarm.client(&manager);
    let join = async |member, address: &str| client.join_raft(member, address).await.map(drop).map_err(refusal);
    let own = swarm.identity.raft_id;
    let why = |member: u64| format!("node {node} cannot be the member {member:x} of the consensus (any more)");
    assert_eq!(join(own, &swarm.address).await, Err(Error::new(Kind::Conflict, why(own))));
    let elsewhere = format!("node {} answers at {}, and not node {node}", swarm.identity.node, swarm.address);
    assert_eq!(join(9, &swarm.address).await, Err(Error::new(Kind::Forbidden, elsewhere)));
    swarm.be_member(node, Some(9)).await;
    swarm.be_member(node, None).await;
    assert_eq!(join(9, "127.0.0.1:1").await, Err(Error::new(Kind::Conflict, why(9))), "it was given up");
    // Nor does it say for another one what that is.
    let inputs = vec![Input::Manager { node: swarm.identity.node, manager: None }];
    let relay = serde_json::to_vec(&Relay { inputs, ..Relay::default() }).unwrap();
    client.tell(relay.into()).await.unwrap();
    // Whatever was told before a request is taken before it.
    let spec = NodeSpec { role: "manager".into(), availability: "active".into(), ..NodeSpec::default() };
    swarm.manager.submit(Request::NodeUpdate { id: node, spec: Box::new(spec), version: u64::MAX }).await.unwrap_err();
    let state = swarm.manager.read().await.unwrap();
    assert_eq!(state.node(swarm.identity.node).unwrap().manager.as_ref().unwrap().raft_id, own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_behind_is_told_so() {
    let swarm = Swarm::found().await;
    let (worker_id, worker) = swarm.join(&swarm.tokens.worker).await;
    let (manager_id, manager) = swarm.join(&swarm.tokens.manager).await;
    let own = swarm.manager.store().history().number().unwrap();
    let of = |tls: &Tls, history: u64| {
        let clients = Clients::new(tls.clone());
        clients.of_history(move || Some(history));
        clients.to(&swarm.address)
    };
    let why = |node| {
        format!(
            "node {node} belongs to another part of the swarm than this manager: one of them went on without the other \
             (--force-new-cluster), or this manager's state was put back from a copy. If this manager's part is to last, run \
             \"docker swarm leave --force\" on the node, then let it join again; if not, do that on this manager"
        )
    };
    all_forbidden(control_calls(&of(&manager, own ^ 1)).await, &why(manager_id));
    for (tls, node) in [(&manager, manager_id), (&worker, worker_id)] {
        let client = of(tls, own ^ 1);
        assert_eq!(renew(&client).await, Err(Error::new(Kind::Forbidden, why(node))));
        assert_eq!(greet(&client).await.err(), Some(Error::new(Kind::Forbidden, why(node))));
    }
    let left = format!(
        "node {manager_id} was left behind when the swarm went on without it (--force-new-cluster): run \"docker swarm leave \
         --force\" on it, then let it join again"
    );
    let manager_of_old = of(&manager, swarm.past);
    all_forbidden(control_calls(&manager_of_old).await, &left);
    assert_eq!(renew(&manager_of_old).await, Err(Error::new(Kind::Forbidden, left)));
    // A worker comes over, and hears in which history it then is.
    let worker_of_old = of(&worker, swarm.past);
    assert_eq!(renew(&worker_of_old).await, Ok(Role::Worker));
    greet(&worker_of_old).await.unwrap();
    greet(&of(&worker, own)).await.unwrap();
    of(&manager, own).read_index().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_is_out_at_once() {
    let swarm = Swarm::found().await;
    let (worker_id, worker) = swarm.join(&swarm.tokens.worker).await;
    let (manager_id, manager) = swarm.join(&swarm.tokens.manager).await;
    let (worker, manager) = (swarm.client(&worker), swarm.client(&manager));
    let mut session = greet(&worker).await.unwrap();
    manager.read_index().await.unwrap();
    swarm.demote(manager_id).await;
    swarm.remove(manager_id).await;
    swarm.remove(worker_id).await;
    all_forbidden(control_calls(&manager).await, &format!("node {manager_id} is not a manager of this swarm"));
    for (client, node) in [(&worker, worker_id), (&manager, manager_id)] {
        let out = gam_rpc::removed(node);
        assert_eq!(renew(client).await, Err(out.clone()));
        assert_eq!(greet(client).await.err(), Some(out));
    }
    // The session that stood is over with the next thing that the agent says.
    let _ = session.outbound.send(AgentMessage::Heartbeat).await;
    let end = async {
        loop {
            match session.inbound.recv().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a word"),
                Err(error) => return refusal(error),
            }
        }
    };
    let end = tokio::time::timeout(LIMIT, end).await.expect("the session goes on");
    assert_eq!(end, gam_rpc::removed(worker_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_proves_nothing_opens_nothing() {
    let swarm = Swarm::found().await;
    let (cluster, own) = (swarm.identity.cluster, swarm.identity.node);
    // Expired: even the manager's own.
    let expired = swarm.client(&swarm.sign(own, cluster, Role::Manager, -60_000_000_000));
    for (name, outcome) in control_calls(&expired).await {
        let why = unconnected(outcome);
        assert!(why.contains("CertificateExpired") || why.contains("Expired"), "{name}: {why}");
    }
    // Signed by a root that somebody made for himself, in the manager's own name.
    let foreign = ca::new_root().unwrap();
    let (key, csr) = ca::new_key_and_csr().unwrap();
    let chain = ca::sign(&foreign, &csr, cluster, own, Role::Manager, DAY).unwrap();
    let foreign = swarm.client(&tls(chain, key, &swarm.root.cert));
    for (name, outcome) in control_calls(&foreign).await {
        let why = unconnected(outcome);
        assert!(why.contains("fatal alert"), "{name}: {why}");
    }
    unconnected(foreign.session().await.map(drop));
    // Of another cluster under the same root: the client finds out first, so it is told that it belongs there.
    let other = swarm.client(&swarm.sign(own, ClusterId::from(77), Role::Manager, DAY));
    assert_eq!(unconnected(other.root().await.map(drop)), "who answers is no manager of this cluster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_a_token_is_needed() {
    let swarm = Swarm::found().await;
    let csr_der = ca::new_key_and_csr().unwrap().1;
    let foreign = control::join_token(&ca::digest(&swarm.root.cert), [9; 32]);
    let truncated = swarm.tokens.manager[..swarm.tokens.manager.len() - 1].to_owned();
    for token in ["", "SWMTKN-1", &foreign, &truncated] {
        let request = IssueRequest { token: token.to_owned(), csr_der: csr_der.clone(), ..IssueRequest::default() };
        let refused = refusal(gam_rpc::issue(&swarm.address, &swarm.root.cert, request).await.unwrap_err());
        assert!(refused.message.ends_with("A valid join token is necessary to join this cluster"), "{refused:?}");
    }
    assert_eq!(swarm.manager.state().nodes().count(), 1, "nobody came in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_leader_hears_new_members_but_no_removed_ones() {
    let swarm = Swarm::found().await;
    let (worker, _) = swarm.join(&swarm.tokens.worker).await;
    let (removed, _) = swarm.join(&swarm.tokens.worker).await;
    swarm.remove(removed).await;
    let state = swarm.manager.read().await.unwrap();
    let unknown = NodeId::from(77);
    let peer = |node, issued_at| Peer {
        node,
        role: Role::Manager,
        cluster: swarm.identity.cluster,
        issued_at,
        addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let may = |leaderless| {
        let speaks = |node| may_speak(&state, &peer(node, state.latest_time()), leaderless);
        [swarm.identity.node, worker, unknown, removed].map(speaks)
    };
    assert_eq!(may(false), [true, false, false, false]);
    // The worker may have been promoted, and the unknown one may have joined, since this state was the newest.
    assert_eq!(may(true), [true, true, true, false]);
    // Who was demoted may have been promoted again since, but then its certificate is newer than its demotion.
    let (demoted, _) = swarm.join(&swarm.tokens.manager).await;
    swarm.demote(demoted).await;
    let state = swarm.manager.read().await.unwrap();
    let minute = 60_000_000_000;
    let issued = |at: i64| may_speak(&state, &peer(demoted, Timestamp(state.latest_time().0 + at)), true);
    assert_eq!((issued(-minute), issued(minute)), (false, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_only_just_made_is_not_refused_by_a_state_that_is_behind() {
    let swarm = Swarm::found().await;
    let old = swarm.manager.state();
    let version = old.cluster().unwrap().meta.version;
    let rotate = control::Rotate { worker_token: true, ..control::Rotate::default() };
    let spec = Box::new(old.cluster().unwrap().spec.clone());
    swarm.manager.submit(Request::SwarmUpdate { spec, version, rotate, authority: None }).await.unwrap();
    let new = swarm.manager.read().await.unwrap();
    let token = new.cluster().unwrap().join_tokens.worker.clone();
    async fn unasked() -> Result<Arc<State>, Error> {
        panic!("the leader was asked")
    }
    let check = async |state: &Arc<State>, token: &str| {
        check_token(|| state.clone(), async { Ok(new.clone()) }, token).await.map_err(|error| error.kind)
    };
    assert_eq!(check(&old, &token).await, Ok(()));
    assert_eq!(check(&new, &swarm.tokens.worker).await, Err(Kind::Invalid), "it was replaced");
    // The leader judges it: this state may be behind.
    check_token(|| old.clone(), unasked(), &swarm.tokens.worker).await.unwrap();
    check_token(|| new.clone(), unasked(), &token).await.unwrap();
    let refused = check_token(|| new.clone(), unasked(), &token[1..]).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Invalid, "it looks like no token of any state");
    // Through the port: what was replaced lets nobody in, what replaced it does.
    let csr_der = ca::new_key_and_csr().unwrap().1;
    let request = IssueRequest { token: swarm.tokens.worker.clone(), csr_der, ..IssueRequest::default() };
    let refused = refusal(gam_rpc::issue(&swarm.address, &swarm.root.cert, request).await.unwrap_err());
    assert!(refused.message.ends_with("A valid join token is necessary to join this cluster"), "{refused:?}");
    swarm.join(&token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_removed_holds_nothing_once_a_manager_of_its_swarm_says_so() {
    let (swarm, other) = (Swarm::found().await, Swarm::found().await);
    let (node, tls) = swarm.join(&swarm.tokens.worker).await;
    let stop = CancellationToken::new();
    let _ended = stop.clone().drop_guard();
    let connect = async |managers: [&str; 1]| {
        let managers = managers.map(str::to_owned).to_vec();
        let (session, link) = link::connect(node, Clients::new(tls.clone()), managers, stop.clone()).unwrap();
        session.descriptions.send(Box::default()).await.unwrap();
        (session, link)
    };
    let until = async |link: &mut tokio::sync::watch::Receiver<LinkState>, what: fn(&LinkState) -> bool| {
        tokio::time::timeout(LIMIT, link.wait_for(what)).await.expect("it never comes to that").unwrap().clone()
    };
    let (_session, mut link) = connect([&swarm.address]).await;
    until(&mut link, |now| now.manager.is_some()).await;
    swarm.remove(node).await;
    let told = until(&mut link, |now| now.is_removed).await;
    let words =
        format!("rpc error: code = PermissionDenied desc = Permission denied: node {node} was removed from swarm");
    assert_eq!(told, LinkState { manager: None, error: words, is_removed: true });
    // The same at a start, when nothing is known yet but what runs on the host.
    let (mut session, mut link) = connect([&swarm.address]).await;
    until(&mut link, |now| now.is_removed).await;
    let held = tokio::time::timeout(LIMIT, session.assignments.wait_for(|held| held.index > 0)).await.unwrap();
    assert!(held.unwrap().tasks.is_empty());
    // Whoever is no manager of this swarm is not even heard.
    let (session, mut link) = connect([&other.address]).await;
    let told = until(&mut link, |now| !now.error.is_empty()).await;
    assert!(!told.is_removed && session.assignments.borrow().index == 0, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_that_nothing_happened_when_a_manager_ends_with_a_request_in_its_hands() {
    let swarm = Swarm::found().await;
    let mut ids = IdSource::new([3; 32]);
    let mut join = || Request::Join {
        token: swarm.tokens.worker.clone(),
        node: ids.fresh(),
        availability: String::new(),
        addr: String::new(),
        description: Box::default(),
    };
    let mut asked = tokio::task::JoinSet::new();
    for request in std::iter::repeat_with(&mut join).take(64) {
        let manager = swarm.manager.clone();
        asked.spawn(async move { manager.submit_here(request).await });
    }
    // A moment that may lie anywhere in the life of a request.
    tokio::task::yield_now().await;
    swarm.stop.cancel();
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        let is_true = matches!(answer, Ok(Response::Joined { .. }) | Err(Refusal::NotLeading | Refusal::Unanswered));
        assert!(is_true, "{answer:?}");
    }
    assert_eq!(swarm.manager.submit_here(join()).await, Err(Refusal::NotLeading), "nobody has taken it");
    swarm.manager.store().shutdown().await;
    let told = swarm.manager.submit(join()).await.unwrap_err();
    assert_eq!(told.message, "this manager is stopping: try again, or ask another manager");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_counts_on_a_manager_without_a_vote() {
    let swarm = Swarm::found().await;
    let (node, _) = swarm.join(&swarm.tokens.manager).await;
    swarm.be_member(node, Some(77)).await;
    assert_eq!(swarm.manager.view().await.unwrap().unreachable, [77]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_alone_is_a_manager() {
    let swarm = Swarm::found().await;
    swarm.demote(swarm.identity.node).await;
    let is_manager = || swarm.manager.state().node(swarm.identity.node).unwrap().is_manager();
    assert!(!is_manager());
    stay_manager(swarm.manager.store(), &swarm.identity).await.unwrap();
    assert!(is_manager());
}
