//! Whoever shows no certificate, over true connections: hosts are told apart by addresses of the loopback net.

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use super::*;
use crate::dial::{Connection, Expected, MANAGER_NAME};
use crate::fixture::{Authority, Server, node, within};
use crate::strangers::{PLACES, PLACES_OF_SOURCE};
use crate::tls::trusting;
use crate::{Clients, IssueRequest, issue};

/// A connection from 127.0.0.`host` that says nothing.
async fn silent(server: &Server, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, host], 0).into()).unwrap();
    socket.connect(server.address.parse().unwrap()).await.unwrap()
}

/// Returns once the server has closed a connection.
async fn closed(connection: &mut TcpStream) {
    assert_eq!(within(connection.read(&mut [0; 1])).await.unwrap_or(0), 0);
}

fn is_open(connection: &TcpStream) -> bool {
    matches!(connection.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn ask(token: &str) -> IssueRequest {
    IssueRequest { token: token.into(), csr_der: b"csr".to_vec(), ..IssueRequest::default() }
}

#[tokio::test]
async fn one_host_cannot_keep_others_out() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let other = silent(&server, 3).await;
    let mut greedy = Vec::new();
    for _ in 0..2 * PLACES {
        greedy.push(silent(&server, 2).await);
    }
    // All but the newest of them had to go, and nobody else.
    for gone in greedy.iter_mut().take(2 * PLACES - PLACES_OF_SOURCE) {
        closed(gone).await;
    }
    assert!(is_open(&other));
    assert_eq!(greedy.iter().filter(|one| is_open(one)).count(), PLACES_OF_SOURCE);
    within(issue(&server.address, &authority.pem, ask("token"))).await.unwrap();
    // A member behind the same address as a crowd gets in as well.
    let mut crowd = Vec::new();
    for _ in 0..PLACES_OF_SOURCE {
        crowd.push(silent(&server, 1).await);
    }
    let member = Clients::new(Tls::new(authority.issue(node(2), Role::Manager)).unwrap()).to(&server.address);
    within(member.raft(Bytes::new())).await.unwrap();
    closed(&mut crowd[0]).await;
}

#[tokio::test]
async fn many_hosts_together_leave_room_for_one_more() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let mut greedy = Vec::new();
    for number in 0..PLACES {
        greedy.push(silent(&server, u8::try_from(10 + number % 16).unwrap()).await);
    }
    within(issue(&server.address, &authority.pem, ask("token"))).await.unwrap();
    let gone = within(async {
        loop {
            match greedy.iter().filter(|one| !is_open(one)).count() {
                0 => tokio::task::yield_now().await,
                gone => return gone,
            }
        }
    })
    .await;
    assert!(gone <= 2, "one for each connection of a join, not {gone}");
}

#[tokio::test]
async fn who_asks_nothing_has_to_go_and_who_is_being_answered_may_stay() {
    let authority = Authority::new();
    let server = Server::start(authority.issue(node(1), Role::Manager)).await;
    let (address, pem) = (server.address.clone(), authority.pem.clone());
    let slow = tokio::spawn(async move { issue(&address, &pem, ask("slow")).await });
    // The one that is idle came later, or at the same time, and is gone before the other one has its answer.
    let config = trusting(&authority.pem).unwrap();
    let limit = Duration::from_secs(5);
    let dial = || Connection::dial(&server.address, config.clone(), MANAGER_NAME, Expected::AsConfigured, limit);
    for _ in 0..2 {
        let idle = dial().await.unwrap();
        within(async {
            while !idle.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    assert!(!slow.is_finished());
    server.slow.notify_one();
    assert_eq!(within(slow).await.unwrap().unwrap().node, node(99));
}
