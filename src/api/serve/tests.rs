use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::*;
use crate::api::proxy::tests::fake::{DRAIN, Fake, Stream, within};
use crate::api::version::{ApiVersion, native};
use crate::api::way::Way;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

async fn ok(_: String, mut stream: Stream) {
    stream.write(OK).await;
}

fn routes(proxy: &Proxy) -> Router {
    Router::new()
        .route("/swarm", get(|version: axum::Extension<ApiVersion>| async move { format!("{}\n", version.0) }))
        .route("/panic", get(panics))
        .route_layer(from_fn_with_state(proxy.clone(), native))
}

async fn panics() {
    panic!("a panic on purpose");
}

#[tokio::test]
async fn a_native_answer_looks_like_dockerds() {
    let fake = Fake::start_with("native", ok, routes).await;
    let mut client = fake.client().await;
    client.write("GET /v1.41/swarm HTTP/1.1\r\nHost: d\r\n\r\n").await;
    let head = client.head().await;
    let (before, after) = head.split_once("Date: ").expect("a date");
    let expected = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Type: text/plain; charset=utf-8\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/28.5.2 (linux)\r\n";
    assert_eq!(before, expected);
    assert!(after.ends_with(" GMT\r\nContent-Length: 5\r\n\r\n"), "{after}");
    client.expect("1.41\n").await;
    client.write("GET /swarm HTTP/1.1\r\nHost: d\r\n\r\n").await;
    client.head().await;
    client.expect("1.51\n").await;
    client.write("GET /v1.99/swarm HTTP/1.1\r\nHost: d\r\n\r\n").await;
    let refused = client.head().await;
    assert!(refused.starts_with("HTTP/1.1 400 Bad Request\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\nOstype: linux\r\nServer: "), "{refused}");
    client.expect("{\"message\":\"client version 1.99 is too new. Maximum supported API version is 1.51\"}\n").await;
}

#[tokio::test]
async fn native_routes_answer_without_an_engine() {
    let mut fake = Fake::start_with("noengine", ok, routes).await;
    fake.engine_down().await;
    let mut client = fake.client().await;
    client.write("GET /v1.41/swarm HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n"));
    client.expect("1.41\n").await;
}

#[tokio::test]
async fn what_go_refuses_is_refused_and_ends_the_connection() {
    let fake = Fake::start_with("refused", ok, routes).await;
    for request in ["GET /swarm HTTP/1.1\r\n\r\n", "GET http://d/swarm HTTP/1.1\r\n\r\n"] {
        let answer = fake.exchange(request).await;
        let head = "HTTP/1.1 400 Bad Request: missing required Host header\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
        assert!(answer.starts_with(head), "{answer}");
        assert!(answer.ends_with("\r\n\r\n400 Bad Request: missing required Host header"), "{answer}");
    }
    let old = fake.exchange("GET /swarm HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 OK\r\n"), "{old}");
}

#[tokio::test]
async fn every_head_of_a_connection_is_looked_at() {
    let fake = Fake::start_with("looked-routed", ok, |proxy| {
        routes(proxy)
            .route("/echo", axum::routing::post(|uri: http::Uri, body: String| async move { format!("{uri} {body}") }))
    })
    .await;
    // All at once, and byte by byte; the answers come before the refusal.
    let request = "GET /swarm?{\"a\"} HTTP/1.1\r\nHost: d\r\n\r\nPOST /echo?\" HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nPOST /echo?> HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\ndeGET x HTTP/1.1\r\n\r\n";
    let mut client = fake.client().await;
    for byte in request.bytes() {
        client.write([byte]).await;
    }
    for answer in [fake.exchange(request).await, client.rest().await] {
        let bodies: Vec<&str> =
            answer.split("HTTP/1.1 ").skip(1).map(|one| one.split_once("\r\n\r\n").expect("a head").1).collect();
        assert_eq!(bodies, ["1.51\n", "/echo?%22 abc", "/echo?%3E de", "400 Bad Request"], "{answer}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_answered_without_a_list_of_those_it_has() {
    let fake = Fake::start_with("methods", ok, routes).await;
    let mut client = fake.client().await;
    client.write("PUT /swarm HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await;
    client.expect(OK).await;
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_nothing_else() {
    let fake = Fake::start_with("panic", ok, routes).await;
    let mut client = fake.client().await;
    client.write("GET /panic HTTP/1.1\r\nHost: d\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"), "{head}");
    client.expect("{\"message\":").await;
    let mut other = fake.client().await;
    other.write("GET /x HTTP/1.1\r\nHost: d\r\n\r\n").await;
    other.expect(OK).await;
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_takes_the_socket_away() {
    let (asked, mut asks) = mpsc::unbounded_channel();
    let (go, wait) = tokio::sync::watch::channel(false);
    let mut fake = Fake::start("drain", move |_, mut stream: Stream| {
        let (asked, mut wait) = (asked.clone(), wait.clone());
        async move {
            asked.send(()).expect("the test waits");
            within(wait.wait_for(|go| *go)).await.expect("told to go on");
            stream.write(OK).await;
        }
    })
    .await;
    let (mut busy, mut idle) = (fake.client().await, fake.client().await);
    busy.write("GET /slow HTTP/1.1\r\nHost: d\r\n\r\n").await;
    within(asks.recv()).await.expect("under way");
    fake.stop.cancel();
    assert_eq!(idle.rest().await, "", "an idle connection ends at once");
    go.send(true).expect("somebody waits");
    let answer = busy.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("OK"), "{answer}");
    within(fake.serving.take().expect("serving")).await.expect("served");
    assert!(tokio::net::UnixStream::connect(fake.proxy.engine_socket().with_file_name("gam.sock")).await.is_err());
}

/// In both ways; what will end has its time meanwhile.
#[tokio::test]
async fn a_stop_does_not_wait_for_what_would_never_end() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let mut fake = Fake::start("endless", move |head, mut stream| {
        let mut wait = wait.clone();
        async move {
            if head.starts_with("GET /slow") {
                stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                within(wait.wait_for(|go| *go)).await.expect("told to go on");
                return stream.write("0\r\n\r\n").await;
            }
            let upgrade = head.contains("Upgrade: tcp");
            let head = if upgrade {
                "101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp"
            } else {
                "200 OK\r\nTransfer-Encoding: chunked"
            };
            stream.write(format!("HTTP/1.1 {head}\r\n\r\n")).await;
            stream.rest().await;
        }
    })
    .await;
    let mut clients = Vec::new();
    for request in [
        "GET /slow",
        "GET /slow-panic",
        "GET /events",
        "GET /containers/panic/logs?follow=1",
        "POST /containers/x/attach",
    ] {
        let mut client = fake.client().await;
        let upgrade = if request.ends_with("attach") { "Connection: Upgrade\r\nUpgrade: tcp\r\n" } else { "" };
        client.write(format!("{request} HTTP/1.1\r\nHost: d\r\n{upgrade}\r\n")).await;
        client.head().await;
        clients.push(client);
    }
    let mut attach = clients.pop().expect("a client");
    let mut endless = clients.split_off(2);
    fake.stop.cancel();
    for client in &mut endless {
        assert_eq!(client.rest().await, "");
    }
    go.send(true).expect("somebody waits");
    for client in &mut clients {
        assert_eq!(client.rest().await, "0\r\n\r\n");
    }
    within(fake.serving.take().expect("serving")).await.expect("served");
    assert_eq!(attach.rest().await, "");
}

#[tokio::test]
async fn a_stop_cuts_what_takes_too_long() {
    let (asked, mut asks) = mpsc::unbounded_channel();
    let mut fake = Fake::start("cut", move |_, mut stream| {
        asked.send(()).expect("the test waits");
        async move {
            stream.rest().await;
        }
    })
    .await;
    let mut slow = fake.client().await;
    slow.write("GET /slow HTTP/1.1\r\nHost: d\r\n\r\n").await;
    within(asks.recv()).await.expect("under way");
    let start = std::time::Instant::now();
    fake.stop.cancel();
    within(fake.serving.take().expect("serving")).await.expect("served");
    assert!(start.elapsed() >= DRAIN);
    assert_eq!(slow.rest().await, "");
}

#[tokio::test]
async fn idle_connections_end_and_busy_ones_do_not() {
    let idle = Duration::from_millis(200);
    let (go, wait) = tokio::sync::watch::channel(0);
    let fake = Fake::start("idle", move |_, mut stream| {
        let mut wait = wait.clone();
        async move {
            within(wait.wait_for(|step| *step >= 1)).await.expect("told to go on");
            stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            within(wait.wait_for(|step| *step >= 2)).await.expect("told to go on");
            stream.write("2\r\nOK\r\n0\r\n\r\n").await;
        }
    })
    .await;
    let path = fake.proxy.engine_socket().with_file_name("idle.sock");
    let options = crate::config::Options {
        hosts: vec![format!("unix://{}", path.display())],
        config_file: Some("/dev/null".into()),
        ..Default::default()
    };
    let settings = crate::config::Settings::load(options).expect("settings");
    let listener = super::super::listen::bind(&settings.hosts[0], &settings).await.expect("bound");
    let proxy = fake.proxy.clone();
    let through = proxy.clone();
    let shared = Shared {
        carriers: Carriers::start(&proxy, Arc::new(|_, _| Way::Straight)).expect("threads"),
        runtime: Handle::current(),
        router: Router::new().fallback(move |request| async move { through.forward(request).await }),
        proxy,
        http: http_settings(),
        places: Arc::new(Semaphore::new(4)),
        idle,
        half_closed: HALF_CLOSED_TCP,
        draining: fake.stop.clone(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let running = tokio::spawn(run(vec![listener], shared, DRAIN));
    let client = || async { Stream(within(tokio::net::UnixStream::connect(&path)).await.expect("connected")) };
    let (mut silent, mut busy) = (client().await, client().await);
    busy.write("GET /slow HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert_eq!(silent.rest().await, "");
    // The busy one has outlived an idle one, before its answer; now it does so within it.
    go.send(1).expect("the engine waits");
    busy.head().await;
    let mut slow = client().await;
    slow.write("GET /half HTTP/1.1\r\nHost").await;
    assert_eq!(slow.rest().await, "");
    go.send(2).expect("the engine waits");
    busy.expect("2\r\nOK\r\n0\r\n\r\n").await;
    fake.stop.cancel();
    within(running).await.expect("ended");
}
