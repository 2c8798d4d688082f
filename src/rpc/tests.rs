use std::time::{Duration, Instant};

use bytes::Bytes;
use gam_core::error::{Error, Kind};
use http::Uri;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dial::{Connection, Expected, MANAGER_NAME};
use crate::fixture::{Authority, Cable, OUR_HISTORY, Server, cluster, node, within};
use crate::proto::control_client::ControlClient;
use crate::proto::dispatch_client::DispatchClient;
use crate::proto::{JoinRaftRequest, LeaveRaftRequest, Payload, ReadIndexRequest, RootRequest};
use crate::*;

fn clients(credentials: Credentials) -> Clients {
    Clients::new(Tls::new(credentials).unwrap())
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, RpcError>) -> Error {
    match outcome {
        Err(RpcError::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

fn unconnected<T: std::fmt::Debug>(outcome: Result<T, RpcError>) -> String {
    match outcome {
        Err(RpcError::Connect { source, .. }) => source.to_string(),
        other => panic!("connected: {other:?}"),
    }
}

#[tokio::test]
async fn a_manager_may_make_every_call() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(2), Role::Manager)).to(&server.address);
    assert_eq!(client.root().await.unwrap(), authority.pem);
    assert_eq!(client.raft(Bytes::from_static(b"abc")).await.unwrap(), format!("{} 3", node(2)));
    assert_eq!(
        refused(client.submit(Bytes::from_static(b"x")).await),
        Error::new(Kind::Conflict, "no: x"),
        "a refusal comes back as it was"
    );
    client.tell(Bytes::new()).await.unwrap();
    let read = ReadIndex { index: 7, leader: 8, unreachable: vec![9] };
    assert_eq!(client.read_index().await.unwrap(), read);
    assert_eq!(client.join_raft(5, "10.0.0.5:2377").await.unwrap().as_deref(), Some("10.0.0.6:2377"));
    assert_eq!(client.peer().await.unwrap().node, node(1));
    client.leave_raft().await.unwrap();
    let errand = Errand { ticket: 6, address: "10.0.0.5:2377".into(), bytes: Bytes::new() };
    client.pass(node(3), errand).await.unwrap();
    let renewal = IssueRequest { csr_der: b"csr".to_vec(), ..IssueRequest::default() };
    let issued = client.issue(renewal).await.unwrap();
    assert_eq!((issued.node, issued.role, issued.chain_pem.as_str()), (node(2), Role::Manager, "csr"));
}

#[tokio::test]
async fn large_messages_pass_between_managers() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(2), Role::Manager)).to(&server.address).over(Lane::Snapshot);
    let answer = client.raft(Bytes::from(vec![7; 20 << 20])).await.unwrap();
    assert_eq!(answer, format!("{} {}", node(2), 20 << 20));
}

#[tokio::test]
async fn a_worker_may_not_make_a_managers_calls() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(3), Role::Worker)).to(&server.address);
    let refusals = [
        refused(client.raft(Bytes::new()).await),
        refused(client.submit(Bytes::new()).await),
        refused(client.tell(Bytes::new()).await),
        refused(client.read_index().await),
        refused(client.join_raft(5, "10.0.0.5:2377").await.map(drop)),
        refused(client.leave_raft().await),
        refused(client.pass(node(3), Errand { ticket: 6, address: String::new(), bytes: Bytes::new() }).await),
    ];
    let why = "the call is for managers, and the certificate is that of a swarm-worker";
    assert!(refusals.iter().all(|refusal| *refusal == Error::new(Kind::Forbidden, why)), "{refusals:?}");
    assert_eq!(client.place(Bytes::from_static(b"abc")).await.unwrap(), format!("{} 3", node(3)), "but a node's");
    let session = client.session().await.unwrap();
    assert_eq!((session.manager.node, session.manager.role), (node(1), Role::Manager));
    assert_eq!(server.talk().await.peer.node, node(3));
}

/// What joins histories is refused to a node of another one, whoever it is; what does not, is not.
#[tokio::test]
async fn a_call_says_to_which_history_its_node_belongs() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let of = |role, history| {
        let clients = clients(authority.issue(node(2), role));
        clients.of_history(move || history);
        clients.to(&server.address)
    };
    let renewal = || IssueRequest { csr_der: b"csr".to_vec(), ..IssueRequest::default() };
    let errand = || Errand { ticket: 6, address: "10.0.0.5:2377".into(), bytes: Bytes::new() };
    let client = of(Role::Manager, Some(0xab));
    let refusals = [
        refused(client.raft(Bytes::new()).await.map(drop)),
        refused(client.submit(Bytes::new()).await.map(drop)),
        refused(client.tell(Bytes::new()).await),
        refused(client.read_index().await.map(drop)),
        refused(client.join_raft(5, "10.0.0.5:2377").await.map(drop)),
        refused(client.leave_raft().await),
        refused(client.pass(node(3), errand()).await),
        refused(client.issue(renewal()).await.map(drop)),
        refused(client.session().await.map(drop)),
        refused(client.place(Bytes::new()).await.map(drop)),
    ];
    let why = |as_manager: bool| Error::new(Kind::Forbidden, format!("{} ab {as_manager}", node(2)));
    assert!(refusals.iter().all(|refusal| *refusal == why(true)), "{refusals:?}");
    client.root().await.unwrap();
    let worker = of(Role::Worker, Some(0xab));
    assert_eq!(refused(worker.issue(renewal()).await.map(drop)), why(false));
    assert_eq!(refused(worker.session().await.map(drop)), why(false));
    assert_eq!(refused(worker.place(Bytes::new()).await.map(drop)), why(false));
    for history in [None, Some(OUR_HISTORY)] {
        of(Role::Manager, history).read_index().await.unwrap();
        of(Role::Worker, history).session().await.unwrap();
        of(Role::Worker, history).place(Bytes::new()).await.unwrap();
    }
}

/// A reader that does not read holds the writer up, an end passes one way alone, and nothing is lost.
#[tokio::test]
async fn a_carried_connection_is_bounded_and_ends_way_by_way() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(3), Role::Worker)).to(&server.address);
    let carried = client.carry(6).await.unwrap();
    assert_eq!(carried.manager.node, node(1));
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let joined = tokio::spawn(carried.join(theirs));
    let (mut reads, mut writes) = ours.into_split();
    let piece = vec![7_u8; 64 * 1024];
    let mut written = 0;
    // What all queues, windows and sockets on the way and back hold together is far less than this.
    let most = 64 << 20;
    while written < most
        && let Ok(n) = tokio::time::timeout(Duration::from_secs(1), writes.write(&piece)).await
    {
        written += n.unwrap();
    }
    assert!((1..most / 4).contains(&written), "{written} bytes went in and nobody read");
    let finish = async {
        writes.write_all(&piece).await.unwrap();
        writes.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (read, ()) = within(async { tokio::join!(reads.read_to_end(&mut heard), finish) }).await;
    assert_eq!(read.unwrap(), 1 + written + piece.len());
    assert_eq!((heard[0], heard[heard.len() - 1]), (b'6', 7));
    within(joined).await.unwrap();
}

/// A client that goes while nothing is said is noticed at the other end.
#[tokio::test]
async fn a_carried_connection_ends_with_either_side() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(3), Role::Worker)).to(&server.address);
    let (mut ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let joined = tokio::spawn(client.carry(6).await.unwrap().join(theirs));
    let mut ticket = [0];
    within(ours.read_exact(&mut ticket)).await.unwrap();
    drop(ours);
    within(joined).await.unwrap();
}

#[tokio::test]
async fn an_answer_goes_on_until_either_side_has_had_enough() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(3), Role::Worker)).to(&server.address);
    let answer = client.answer(6).await.unwrap();
    for piece in ["a", "b"] {
        answer.send(Piece::Bytes(piece.into())).await.unwrap();
    }
    drop(answer);
    assert_eq!(within(server.answer()).await, format!("{}:6ab", node(3)));
    let endless = client.answer(7).await.unwrap();
    endless.send(Piece::Bytes("enough".into())).await.unwrap();
    within(endless.closed()).await;
    assert_eq!(within(server.answer()).await, format!("{}:7", node(3)));
}

#[tokio::test]
async fn a_connection_of_a_join_ends_with_its_call() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let between = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = between.local_addr().unwrap().to_string();
    let request = || IssueRequest { token: "token".into(), csr_der: b"csr".to_vec(), ..IssueRequest::default() };
    for call in ["root", "issue"] {
        let carried = async {
            let (mut near, _) = between.accept().await.unwrap();
            let mut far = tokio::net::TcpStream::connect(&server.address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        };
        let called = async {
            match call {
                "root" => drop(fetch_root(&address).await.unwrap()),
                _ => drop(issue(&address, &authority.pem, request()).await.unwrap()),
            }
        };
        within(async { tokio::join!(carried, called) }).await;
    }
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_not_kept() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let between = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = Tls::new(authority.issue(node(2), Role::Manager)).unwrap();
    let clients = Clients::that_keep(tls, Duration::from_millis(300));
    let client = clients.to(&between.local_addr().unwrap().to_string());
    let (opened, mut closed) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = between.accept().await.unwrap();
            let mut far = tokio::net::TcpStream::connect(&server.address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            opened.send_modify(|ended| *ended += 1);
        }
    });
    for round in 1..3 {
        // Two calls in a row share a connection: the second would otherwise wait for the first one's to end.
        client.root().await.unwrap();
        client.root().await.unwrap();
        within(closed.wait_for(|ended| *ended == round)).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_certificate_one_may_only_join() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let address = server.address.as_str();
    assert_eq!(fetch_root(address).await.unwrap(), authority.pem);
    let ask = |token: &str| IssueRequest { token: token.into(), csr_der: b"csr".to_vec(), ..IssueRequest::default() };
    let issued = issue(address, &authority.pem, ask("token")).await.unwrap();
    assert_eq!((issued.node, issued.cluster, issued.role), (node(99), cluster(), Role::Worker));
    let refusal = refused(issue(address, &authority.pem, ask("wrong")).await);
    assert_eq!(refusal.message, "A valid join token is necessary to join this cluster");
    // A manager of another root is found out before the token is sent.
    unconnected(issue(address, &Authority::new().pem, ask("token")).await);
    let huge = IssueRequest { csr_der: vec![b'a'; 100_000], ..ask("token") };
    assert!(matches!(issue(address, &authority.pem, huge).await, Err(RpcError::Call { .. })));

    let config = tls::trusting(&authority.pem).unwrap();
    let limit = Duration::from_secs(5);
    let stranger = Connection::dial(address, config, MANAGER_NAME, Expected::AsConfigured, limit).await.unwrap();
    let origin = Uri::from_static("https://swarm-manager");
    let mut control = ControlClient::with_origin(stranger.clone(), origin.clone());
    let statuses = [
        control.raft(Payload::default()).await.unwrap_err(),
        control.submit(Payload::default()).await.unwrap_err(),
        control.tell(Payload::default()).await.unwrap_err(),
        control.read_index(ReadIndexRequest {}).await.unwrap_err(),
        control.join_raft(JoinRaftRequest::default()).await.unwrap_err(),
        control.leave_raft(LeaveRaftRequest {}).await.unwrap_err(),
    ];
    for status in statuses {
        let refusal = refused::<()>(Err(RpcError::from_status(address, &status)));
        assert_eq!(refusal, Error::new(Kind::Forbidden, "the call needs a certificate of this cluster"));
    }
    let nothing = futures_util::stream::pending();
    let status = DispatchClient::with_origin(stranger.clone(), origin.clone()).session(nothing).await;
    assert_eq!(refused::<()>(Err(RpcError::from_status(address, &status.err().unwrap()))).kind, Kind::Forbidden);
    // The same connection may still ask for the root.
    let mut trust = crate::proto::trust_client::TrustClient::with_origin(stranger, origin);
    trust.root(RootRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_foreign_certificate_is_refused_by_either_side() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Server::start(ours.issue(node(1), Role::Manager)).await;
    // They trust us, but we do not trust them.
    let mut foreign = theirs.issue(node(2), Role::Manager);
    foreign.roots_pem.push(ours.pem.clone());
    let why = unconnected(clients(foreign).to(&server.address).raft(Bytes::new()).await);
    assert!(why.contains("received fatal alert"), "{why}");
    // We do not trust them.
    let foreign = Server::start(theirs.issue(node(3), Role::Manager)).await;
    let why = unconnected(clients(ours.issue(node(2), Role::Manager)).to(&foreign.address).root().await);
    assert!(why.contains("invalid peer certificate"), "{why}");
}

#[tokio::test]
async fn certificates_out_of_date_are_refused() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let expired = authority.issue_with(node(2), Role::Manager, cluster(), |params| {
        params.not_after = OffsetDateTime::now_utc() - Duration::from_secs(60);
    });
    let why = unconnected(clients(expired.clone()).to(&server.address).raft(Bytes::new()).await);
    assert!(why.contains("Expired"), "{why}");
    let early = authority.issue_with(node(2), Role::Manager, cluster(), |params| {
        params.not_before = OffsetDateTime::now_utc() + Duration::from_secs(60);
    });
    unconnected(clients(early).to(&server.address).raft(Bytes::new()).await);
    let server = Server::start(expired).await;
    let why =
        unconnected(clients(authority.issue(node(3), Role::Worker)).to(&server.address).session().await.map(drop));
    assert!(why.contains("certificate expired"), "{why}");
}

#[tokio::test]
async fn another_cluster_under_the_same_root_is_another_cluster() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let other = gam_core::model::ClusterId::from(77);
    let stranger = Tls::new(authority.issue_with(node(2), Role::Manager, other, |_| {})).unwrap();
    let why = unconnected(Clients::new(stranger.clone()).to(&server.address).root().await);
    assert_eq!(why, "who answers is no manager of this cluster");
    // One who does not mind is refused by the server.
    let (config, limit) = (stranger.held().client.clone(), Duration::from_secs(5));
    let dialled = Connection::dial(&server.address, config, MANAGER_NAME, Expected::AsConfigured, limit).await.unwrap();
    let origin = Uri::from_static("https://swarm-manager");
    let status = ControlClient::with_origin(dialled, origin).raft(Payload::default()).await.unwrap_err();
    let refusal = refused::<()>(Err(RpcError::from_status("", &status)));
    assert_eq!(refusal.message, format!("the certificate is of the cluster {other}, not of this one"));
}

#[tokio::test]
async fn who_is_no_manager_cannot_pose_as_one() {
    let authority = Authority::new();
    let worker = Server::start(authority.issue(node(3), Role::Worker)).await;
    let client = clients(authority.issue(node(2), Role::Worker)).to(&worker.address);
    let why = unconnected(client.session().await.map(drop));
    assert!(why.contains("not valid for name"), "{why}");
    let join = issue(&worker.address, &authority.pem, IssueRequest::default()).await;
    assert!(unconnected(join).contains("not valid for name"));
}

#[tokio::test]
async fn a_certificate_that_names_nobody_is_refused() {
    let authority = Authority::new();
    let nameless =
        |change: fn(&mut rcgen::CertificateParams)| authority.issue_with(node(2), Role::Manager, cluster(), change);
    let two = nameless(|params| {
        params.distinguished_name.push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 11]), "swarm-manager")
    });
    assert!(matches!(Tls::new(two), Err(RpcError::Credentials(_))));
    let none = nameless(|params| params.distinguished_name = rcgen::DistinguishedName::new());
    assert!(matches!(Tls::new(none), Err(RpcError::Credentials(_))));
}

#[tokio::test]
async fn only_tls_is_spoken() {
    let server = Server::start(Authority::new().issue(node(1), Role::Manager)).await;
    let mut plain = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // At most an alert comes back before the end.
    let _ = within(plain.read_to_end(&mut answer)).await;
    assert!(answer.len() < 16, "{answer:?}");
}

#[tokio::test]
async fn new_credentials_are_shown_to_the_next_handshake() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let tls = Tls::new(authority.issue(node(2), Role::Worker)).unwrap();
    let client = Clients::new(tls.clone()).to(&server.address);
    let mut session = client.session().await.unwrap();
    let talk = server.talk().await;
    refused(client.raft(Bytes::new()).await);
    tls.replace(authority.issue(node(2), Role::Manager)).unwrap();
    assert_eq!(tls.own().role, Role::Manager);
    client.raft(Bytes::new()).await.unwrap();
    // What stands keeps what it was made with.
    talk.outbound.send(ManagerMessage::Heartbeat).await.unwrap();
    assert_eq!(within(session.inbound.recv()).await.unwrap(), Some(ManagerMessage::Heartbeat));
    assert_eq!(talk.peer.role, Role::Worker);
    // Credentials that are no good change nothing.
    let broken = Credentials { key_pem: "nonsense".into(), ..authority.issue(node(2), Role::Worker) };
    assert!(tls.replace(broken).is_err());
    let mismatched = Credentials {
        key_pem: authority.issue(node(2), Role::Worker).key_pem,
        ..authority.issue(node(2), Role::Worker)
    };
    assert!(tls.replace(mismatched).is_err());
    client.raft(Bytes::new()).await.unwrap();
    // Back down: the manager's rights are gone with the next call.
    tls.replace(authority.issue(node(2), Role::Worker)).unwrap();
    refused(client.raft(Bytes::new()).await);
}

#[tokio::test]
async fn a_root_is_replaced_while_both_are_trusted() {
    let (old, new) = (Authority::new(), Authority::new());
    let both = |mut credentials: Credentials| {
        credentials.roots_pem = vec![old.pem.clone(), new.pem.clone()];
        credentials
    };
    let server = Server::start(old.issue(node(1), Role::Manager)).await;
    let tls = Tls::new(old.issue(node(2), Role::Manager)).unwrap();
    let client = Clients::new(tls.clone()).to(&server.address);
    client.raft(Bytes::new()).await.unwrap();
    // Roots first, one node after the other; then certificates; then the old root goes.
    for (at_server, at_client) in [
        (both(old.issue(node(1), Role::Manager)), old.issue(node(2), Role::Manager)),
        (both(old.issue(node(1), Role::Manager)), both(old.issue(node(2), Role::Manager))),
        (both(old.issue(node(1), Role::Manager)), both(new.issue(node(2), Role::Manager))),
        (both(new.issue(node(1), Role::Manager)), both(new.issue(node(2), Role::Manager))),
        (new.issue(node(1), Role::Manager), both(new.issue(node(2), Role::Manager))),
        (new.issue(node(1), Role::Manager), new.issue(node(2), Role::Manager)),
    ] {
        server.tls.replace(at_server).unwrap();
        tls.replace(at_client).unwrap();
        client.raft(Bytes::new()).await.unwrap();
    }
    let left_behind = clients(both(old.issue(node(3), Role::Manager)));
    unconnected(left_behind.to(&server.address).raft(Bytes::new()).await);
}

#[tokio::test]
async fn a_session_carries_both_ways_and_ends_with_a_word() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let mut session = clients(authority.issue(node(3), Role::Worker)).to(&server.address).session().await.unwrap();
    let mut talk = server.talk().await;
    let hello = AgentMessage::Hello {
        protocol: PROTOCOL,
        description: Bytes::from_static(b"{}"),
        index: 0,
        seal_key: SealKey(Bytes::from_static(b"key")),
    };
    session.outbound.send(hello.clone()).await.unwrap();
    assert_eq!(within(talk.inbound.recv()).await.unwrap(), Some(hello));
    let full = ManagerMessage::Full { index: 3, bytes: Bytes::from_static(b"all") };
    talk.outbound.send(full.clone()).await.unwrap();
    talk.end.send(Err(Error::new(Kind::Forbidden, "this node was removed from the swarm"))).unwrap();
    assert_eq!(within(session.inbound.recv()).await.unwrap(), Some(full), "what was said before the end arrives");
    let end = refused(within(session.inbound.recv()).await);
    assert_eq!(end, Error::new(Kind::Forbidden, "this node was removed from the swarm"));
}

#[tokio::test]
async fn a_slow_agent_holds_up_only_its_own_session() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(3), Role::Worker)).to(&server.address);
    let mut slow = client.session().await.unwrap();
    let talk = server.talk().await;
    let message = |index| ManagerMessage::Full { index, bytes: Bytes::from(vec![1; 16 * 1024]) };
    // The agent reads nothing: soon there is no more room.
    let mut sent = 0;
    while let Ok(done) = tokio::time::timeout(Duration::from_millis(500), talk.outbound.send(message(sent))).await {
        done.unwrap();
        sent += 1;
        assert!(sent < 1000, "nothing holds the sender back");
    }
    assert_eq!(talk.outbound.try_send(message(sent)), Ok(false));
    // Another session is not held up.
    let mut quick = client.session().await.unwrap();
    server.talk().await.outbound.send(ManagerMessage::Heartbeat).await.unwrap();
    assert_eq!(within(quick.inbound.recv()).await.unwrap(), Some(ManagerMessage::Heartbeat));
    // Once it reads, everything comes, in order.
    for index in 0..sent {
        assert_eq!(within(slow.inbound.recv()).await.unwrap(), Some(message(index)));
    }
    within(talk.outbound.send(message(sent))).await.unwrap();
}

#[tokio::test]
async fn either_side_notices_that_the_other_is_gone() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(3), Role::Worker)).to(&server.address);
    let session = client.session().await.unwrap();
    let talk = server.talk().await;
    drop(session);
    within(talk.outbound.closed()).await;

    let mut session = client.session().await.unwrap();
    let talk = server.talk().await;
    let outbound = talk.outbound.clone();
    server.stop.cancel();
    let end = refused(within(session.inbound.recv()).await);
    assert_eq!(end, Error::unavailable("the manager is stopping"));
    within(session.outbound.closed()).await;
    within(outbound.closed()).await;
}

#[tokio::test]
async fn a_cut_cable_is_noticed() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let cable = Cable::to(&server.address).await;
    let clients = clients(authority.issue(node(2), Role::Manager));
    let client = clients.to(&cable.address).over(Lane::Heartbeat).within(Duration::from_millis(300));
    client.raft(Bytes::new()).await.unwrap();
    let mut session = clients.to(&cable.address).session().await.unwrap();
    let _talk = server.talk().await;
    let cut = cable.pass.write().await;
    let began = Instant::now();
    let lost = client.raft(Bytes::new()).await;
    assert!(matches!(lost, Err(RpcError::TimedOut { .. })), "{lost:?}");
    // The next call does not wait on the dead connection: it fails to get a new one.
    assert!(client.raft(Bytes::new()).await.unwrap_err().nothing_sent());
    assert!(within(session.inbound.recv()).await.is_err(), "a session on a dead cable ends");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(cut);
    within(async { while client.raft(Bytes::new()).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_call_without_an_answer_does_not_hold_up_others() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(2), Role::Manager)).to(&server.address);
    let never = client.clone().within(Duration::from_millis(200));
    let (never, others) = tokio::join!(never.raft(Bytes::from_static(b"never")), async {
        for _ in 0..10 {
            client.raft(Bytes::new()).await.unwrap();
        }
    });
    assert!(matches!(never, Err(RpcError::TimedOut { .. })));
    let () = others;
}

#[tokio::test]
async fn a_stopped_manager_drains_and_is_found_again() {
    let authority = Authority::new();
    let mut server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let client = clients(authority.issue(node(2), Role::Manager)).to(&server.address);
    client.raft(Bytes::new()).await.unwrap();
    let never = client.clone();
    let never = tokio::spawn(async move { never.raft(Bytes::from_static(b"never")).await });
    // It is on its way once another call of the same connection has been answered after it.
    tokio::task::yield_now().await;
    client.raft(Bytes::new()).await.unwrap();
    let began = Instant::now();
    server.stop.cancel();
    within(&mut server.served).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(within(never).await.unwrap().is_err());
    let gone = within(async {
        loop {
            match client.raft(Bytes::new()).await {
                Err(error) if error.nothing_sent() => return error,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(Error::from(gone).message.starts_with("cannot connect to the manager at 127.0.0.1:"));
}
