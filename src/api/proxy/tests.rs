pub(in crate::api) mod fake;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use fake::{Fake, HALF_CLOSED, Stream, within};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

/// Answers every request on a connection with the same bytes.
async fn always(answer: impl AsRef<[u8]>, mut head: String, mut stream: Stream) {
    while !head.is_empty() {
        stream.write(&answer).await;
        head = stream.head().await;
    }
}

#[tokio::test]
async fn heads_pass_byte_for_byte_both_ways() {
    for name in ["heads", "heads-routed"] {
        let seen = Arc::new(Mutex::new(String::new()));
        let record = seen.clone();
        let answer = "HTTP/1.1 202 Taken In\r\nX-ReSp: a\r\nx-resp: B\r\nOstype: linux\r\nContent-Length: 2\r\n\r\nOK";
        let fake = Fake::start(name, move |head, stream| {
            record.lock().expect("a lock").clone_from(&head);
            always(answer, head, stream)
        })
        .await;
        let request = "GET /v1.41/containers/json?filters=%7B%22a%22%3A1%7D&all=1 HTTP/1.1\r\nhOst:\r\nX-WeIrD: Yes\r\nversion: 1.29\r\nAccept-Encoding: gzip, br\r\n\r\n";
        let mut client = fake.client().await;
        client.write(request).await;
        client.expect(answer).await;
        assert_eq!(*seen.lock().expect("a lock"), request);
    }
}

#[tokio::test]
async fn connections_to_the_engine_are_used_again() {
    for name in ["reuse", "reuse-routed"] {
        let fake = Fake::start(name, |head, stream| always(OK, head, stream)).await;
        let mut client = fake.client().await;
        for _ in 0..5 {
            client.write("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").await;
            client.expect(OK).await;
        }
        assert_eq!(fake.accepted(), 1);
        // Each carrier keeps its own.
        for _ in 0..50 {
            let mut other = fake.client().await;
            other.write("POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await;
            other.expect(OK).await;
        }
        assert!(fake.accepted() <= 8, "{}", fake.accepted());
    }
}

#[tokio::test]
async fn bodies_stream_in_both_directions_without_waiting_for_their_end() {
    for name in ["stream", "stream-routed"] {
        let fake = Fake::start(name, |head, mut stream| async move {
            assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
            stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            for _ in 0..3 {
                stream.expect("3\r\nabc\r\n").await;
                stream.write("3\r\nxyz\r\n").await;
            }
            stream.expect("0\r\n\r\n").await;
            stream.write("0\r\n\r\n").await;
        })
        .await;
        let mut client = fake.client().await;
        client.write("POST /build HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        client.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n").await;
        for _ in 0..2 {
            client.write("3\r\nabc\r\n").await;
            client.expect("3\r\nxyz\r\n").await;
        }
        client.write("0\r\n\r\n").await;
        client.expect("0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    for name in ["large", "large-routed"] {
        const SIZE: usize = 48 * 1024 * 1024;
        let fake = Fake::start(name, |head, mut stream| async move {
            if head.starts_with("POST") {
                let mut body = vec![0; SIZE];
                within(tokio::io::AsyncReadExt::read_exact(&mut stream.0, &mut body)).await.expect("the body");
                assert!(body.iter().enumerate().all(|(n, byte)| *byte == (n % 251) as u8));
                return stream.write(OK).await;
            }
            let body: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
            stream.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")).await;
            stream.write(body).await;
        })
        .await;
        let body: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
        let mut client = fake.client().await;
        client.write(format!("POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: {SIZE}\r\n\r\n")).await;
        client.write(&body).await;
        client.expect(OK).await;
        let mut client = fake.client().await;
        client.write("GET /images/x/get HTTP/1.1\r\nHost: d\r\n\r\n").await;
        client.head().await;
        let mut read = vec![0; SIZE];
        within(tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut read)).await.expect("the body");
        assert!(read == body);
    }
}

#[tokio::test]
async fn a_101_hijack_keeps_early_bytes_half_closes_and_the_reason() {
    let head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let fake = Fake::start("hijack101", move |request, mut stream| async move {
        assert!(request.contains("Upgrade: tcp\r\n"), "{request}");
        stream.expect("{}").await;
        stream.write([head, "early out "].concat()).await;
        assert_eq!(stream.rest().await, "early in, later in");
        stream.write("after the end of input").await;
    })
    .await;
    let mut client = fake.client().await;
    let request = "POST /exec/x/start HTTP/1.1\r\nHost:\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    client.write([request, "early in, "].concat()).await;
    client.expect([head, "early out "].concat()).await;
    client.write("later in").await;
    client.finish().await;
    assert_eq!(client.rest().await, "after the end of input");
}

/// On TCP the end of input looks like the end of the client, and `docker exec -i` makes it before the output comes.
#[tokio::test]
async fn a_hijack_over_tcp_outlives_its_input() {
    let upgraded = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let bare = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    let fake = Fake::start("hijack-tcp", move |request, mut stream| async move {
        stream.write(if request.contains("Upgrade: tcp") { upgraded } else { bare }).await;
        assert_eq!(stream.rest().await, "input");
        tokio::time::sleep(HALF_CLOSED + Duration::from_secs(1)).await;
        stream.write("late").await;
    })
    .await;
    for (fields, head) in [("Connection: Upgrade\r\nUpgrade: tcp\r\n", upgraded), ("", bare)] {
        let mut client = within(tokio::net::TcpStream::connect(fake.tcp)).await.expect("connected");
        let request = format!("POST /exec/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n{fields}\r\n");
        within(client.write_all(request.as_bytes())).await.expect("written");
        let mut read = vec![0; head.len()];
        within(client.read_exact(&mut read)).await.expect("a head");
        within(client.write_all(b"input")).await.expect("written");
        within(client.shutdown()).await.expect("half-closed");
        let mut rest = String::new();
        within(client.read_to_string(&mut rest)).await.expect("the rest");
        assert_eq!(rest, "late");
    }
}

#[tokio::test]
async fn an_upgrade_that_the_engine_declines_is_an_ordinary_answer() {
    let answer = "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let fake = Fake::start("declined", move |head, stream| always(answer, head, stream)).await;
    let mut client = fake.client().await;
    for _ in 0..2 {
        client.write("POST /containers/x/attach HTTP/1.1\r\nHost:\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n").await;
        client.expect(answer).await;
    }
}

#[tokio::test]
async fn a_bare_200_hijack_goes_raw_with_everything_in_it() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nApi-Version: 1.51\r\n\r\n";
    let fake = Fake::start("hijack200", move |request, mut stream| async move {
        assert!(request.starts_with("POST /v1.41/exec/x/start HTTP/1.1\r\n"), "{request}");
        stream.expect("{\"Tty\":true}").await;
        stream.write([head, "early out "].concat()).await;
        assert_eq!(stream.rest().await, "early in, later in");
        stream.write("after the end of input").await;
    })
    .await;
    let mut client = fake.client().await;
    let request = "POST /v1.41/exec/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 12\r\n\r\n{\"Tty\":true}";
    client.write([request, "early in, "].concat()).await;
    client.expect([head, "early out "].concat()).await;
    client.write("later in").await;
    client.finish().await;
    assert_eq!(client.rest().await, "after the end of input");
}

#[tokio::test]
async fn an_attach_that_fails_leaves_the_connection_to_http() {
    let answers = Arc::new(Mutex::new(vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    ]));
    let fake = Fake::start("hijackfails", move |_, mut stream| {
        let answer = answers.lock().expect("a lock").pop().expect("an answer");
        async move { stream.write(answer).await }
    })
    .await;
    let mut client = fake.client().await;
    client.write("POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await;
    client.expect("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}").await;
    client
        .write("POST /exec/x/start HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{ }\r\n0\r\n\r\n")
        .await;
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
}

#[tokio::test]
async fn an_attach_that_is_refused_with_the_connection_in_hand_ends_with_it() {
    let answer =
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: x\r\n";
    let fake = Fake::start("hijackrefused", move |_, mut stream| async move { stream.write(answer).await }).await;
    for upgrade in ["", "Connection: Upgrade\r\nUpgrade: tcp\r\n"] {
        let mut client = fake.client().await;
        client
            .write(format!("POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{upgrade}Content-Length: 0\r\n\r\n"))
            .await;
        client.finish().await;
        assert_eq!(client.rest().await, answer, "{upgrade}");
    }
}

#[tokio::test]
async fn http2_on_the_socket_goes_to_the_engine_untouched() {
    let fake = Fake::start("http2", |head, mut stream| async move {
        assert_eq!(head, "PRI * HTTP/2.0\r\n\r\n");
        stream.expect("SM\r\n\r\nframes").await;
        stream.write("frames back").await;
        assert_eq!(stream.rest().await, " and more");
    })
    .await;
    let mut client = fake.client().await;
    client.write("PRI * HT").await;
    client.write("TP/2.0\r\n\r\nSM\r\n\r\nframes").await;
    client.expect("frames back").await;
    client.write(" and more").await;
    client.finish().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn versions_below_a_new_engines_minimum_are_lifted() {
    let fake = Fake::start("lift", |head, stream| async move {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
        always(answer.leak(), head, stream).await;
    })
    .await;
    *fake.min_api.lock().expect("a lock") = "1.44";
    for (asked, sent) in [("/v1.41/info?a=b", "/v1.44/info?a=b"), ("/v1.10/info", "/v1.10/info"), ("/info", "/info")] {
        let answer = fake.exchange(&format!("GET {asked} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{sent}")), "{answer}");
    }
}

#[tokio::test]
async fn an_engine_that_is_down_is_told_in_dockers_words_and_found_again() {
    let mut fake = Fake::start("down", |head, stream| always(OK, head, stream)).await;
    let mut client = fake.client().await;
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
    client.write(ping).await;
    client.expect(OK).await;
    fake.engine_down().await;
    client.write(ping).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"), "{head}");
    let socket = fake.proxy.engine_socket().display().to_string();
    let text = format!(
        "{{\"message\":\"Cannot connect to the Docker daemon at unix://{socket}. Is the docker daemon running?\"}}\n"
    );
    client.expect(text).await;
    fake.engine_up();
    client.write(ping).await;
    client.expect(OK).await;
}

/// Asks 64 times at once for what the engine answers in these pieces, then one after the other.
async fn asked_at_once(target: &str, pieces: &'static [&'static str]) {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (asked, open) = (Arc::new(AtomicUsize::new(0)), gate.clone());
    let count = asked.clone();
    let fake = Fake::start(&format!("at-once-{}", pieces.len()), move |mut head, mut stream| {
        let (open, count) = (open.clone(), count.clone());
        async move {
            while !head.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
                for piece in pieces {
                    open.acquire().await.expect("open").forget();
                    stream.write(*piece).await;
                }
                head = stream.head().await;
            }
        }
    })
    .await;
    let (request, answer) = (format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n"), pieces.concat());
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = fake.client().await;
        client.write(&request).await;
        clients.push(client);
    }
    // One piece after the other.
    tokio::spawn(async move {
        loop {
            gate.add_permits(usize::from(gate.available_permits() == 0));
            tokio::task::yield_now().await;
        }
    });
    for client in &mut clients {
        client.expect(&answer).await;
    }
    // Each of the carriers' threads asks twice at most for those who came while it was asking; the rest came later.
    let first = asked.swap(0, Ordering::SeqCst);
    assert!(first < 64, "{first} of 64");
    for client in &mut clients {
        client.write(&request).await;
        client.expect(&answer).await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 64, "each of those asked after the last was answered");
}

#[tokio::test]
async fn pings_and_lists_of_the_same_moment_are_one_for_the_engine() {
    const LIST: &[&str] = &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\n[]\r\n", "0\r\n\r\n"];
    asked_at_once("/_ping", &[OK]).await;
    asked_at_once("/v1.51/containers/json", LIST).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_list_holds_nobody_up() {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}", " ".repeat(2_000_000));
    let engines = answer.clone();
    let fake = Fake::start("slow-reader", move |head, stream| {
        let answer = engines.clone();
        async move { always(answer, head, stream).await }
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..16 {
        let mut client = fake.client().await;
        client.write("GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n").await;
        client.expect("HTTP/1.1 200 OK").await;
        slow.push(client);
    }
    let mut client = fake.client().await;
    client.write("GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n").await;
    client.expect(&answer).await;
}

#[tokio::test]
async fn a_restarted_engine_is_met_on_new_connections_and_asked_again() {
    for name in ["restart", "restart-routed"] {
        let mut fake = Fake::start(name, |head, stream| always(OK, head, stream)).await;
        let ping = "GET /v1.41/_ping HTTP/1.1\r\nHost: d\r\n\r\n";
        let mut client = fake.client().await;
        client.write(ping).await;
        client.expect(OK).await;
        assert_eq!(fake.proxy.engine_version().await.min_api, version::ApiVersion::new(1, 24));
        fake.engine_down().await;
        *fake.min_api.lock().expect("a lock") = "1.44";
        fake.engine_up();
        client.write(ping).await;
        client.expect(OK).await;
        assert_eq!(fake.proxy.engine_version().await.min_api, version::ApiVersion::new(1, 44));
    }
}

#[tokio::test]
async fn messages_with_two_lengths_do_not_reach_the_engine() {
    let fake = Fake::start("smuggle", |head, stream| always(OK, head, stream)).await;
    for (head, status) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "400 Bad Request"),
        ("Content-Length: 5, 6\r\n", "400 Bad Request"),
        ("Content-Length: +5\r\n", "400 Bad Request"),
        ("Transfer-Encoding: chunked, identity\r\n", "501 Not Implemented"),
        ("Transfer-Encoding: x\r\nContent-Length: 5\r\n", "501 Not Implemented"),
    ] {
        let answer =
            fake.exchange(&format!("POST /a HTTP/1.1\r\nHost: d\r\n{head}\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}: {answer}");
    }
    assert_eq!(fake.accepted(), 0);
}

/// RFC 9112 lets `Transfer-Encoding` win, as dockerd does; what matters is that both sides of Gam read the same.
#[tokio::test]
async fn a_length_beside_chunks_is_dropped_and_the_connection_ends() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    let fake = Fake::start("smuggle2", move |head, mut stream| {
        record.lock().expect("a lock").push(head);
        async move {
            stream.expect("0\r\n\r\n").await;
            stream.write(OK).await;
            assert_eq!(stream.head().await, "");
        }
    })
    .await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: d\r\n\r\n";
    for both in
        ["Content-Length: 44\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 44\r\n"]
    {
        let answer = fake.exchange(&format!("POST /a HTTP/1.1\r\nHost: d\r\n{both}\r\n0\r\n\r\n{smuggled}")).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    for head in seen.lock().expect("a lock").iter() {
        assert_eq!(head, "POST /a HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_along() {
    for name in ["cancel", "cancel-routed"] {
        let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let fake = Fake::start(name, move |head, mut stream| {
            let gone = gone.clone();
            async move {
                if head.starts_with("GET /events") {
                    stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n").await;
                }
                assert_eq!(stream.rest().await, "");
                gone.send(head).expect("the test waits");
            }
        })
        .await;
        for path in ["/containers/x/wait", "/events"] {
            let mut client = fake.client().await;
            client.write(format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")).await;
            if path == "/events" {
                client.head().await;
                client.expect("2\r\n{}\r\n").await;
            }
            drop(client);
            let head = within(seen.recv()).await.expect("the engine notices");
            assert!(head.contains(path), "{head}");
        }
    }
}

#[tokio::test]
async fn a_client_that_only_half_closes_still_gets_its_answer() {
    for name in ["halfclosed", "halfclosed-routed"] {
        let fake = Fake::start(name, |head, mut stream| async move {
            // Longer than the edge gives to what a vanished client asked for.
            assert!(tokio::time::timeout(std::time::Duration::from_secs(1), stream.head()).await.is_err());
            always(OK, head, stream).await;
        })
        .await;
        let mut client = fake.client().await;
        client.write("GET /slow HTTP/1.1\r\nHost: d\r\n\r\n").await;
        client.finish().await;
        assert_eq!(client.rest().await, OK);
    }
}

/// It is dockerd's to say what it makes of what it got, whichever way the request takes.
#[tokio::test]
async fn a_body_that_breaks_off_does_so_at_the_engine_too() {
    for name in ["cutbody", "cutbody-routed"] {
        let fake = Fake::start(name, |_, mut stream| async move {
            stream.rest().await;
            stream.write("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno").await;
        })
        .await;
        for (fields, body, more) in [
            ("Transfer-Encoding: chunked", "-1\r\n", ""),
            ("Transfer-Encoding: chunked", "3\r\nabc", "XX"),
            ("Transfer-Encoding: chunked", "3\r\nabc\r\n", ""),
            ("Content-Length: 10", "{}", "{}"),
        ] {
            let mut client = fake.client().await;
            client.write(format!("POST /images/json HTTP/1.1\r\nHost: d\r\n{fields}\r\n\r\n{body}")).await;
            client.write(more).await;
            client.finish().await;
            let answer = client.rest().await;
            assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("no"), "{body}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_engine_that_breaks_off_is_not_mistaken_for_one_that_has_finished() {
    for name in ["broken", "broken-routed"] {
        let fake = Fake::start(name, |head, mut stream| async move {
            if head.starts_with("GET /half") {
                stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n").await;
            }
        })
        .await;
        let half = fake.exchange("GET /half HTTP/1.1\r\nHost: d\r\n\r\n").await;
        assert!(half.ends_with("2\r\n{}\r\n"), "no last chunk: {half}");
        let none = fake.exchange("GET /none HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").await;
        assert!(none.starts_with("HTTP/1.1 502 Bad Gateway\r\n") && none.contains("closed the connection"), "{none}");
    }
}

#[tokio::test]
async fn old_and_careful_clients_are_served() {
    let fake = Fake::start("old", |head, mut stream| async move {
        if head.contains("Expect: 100-continue") {
            stream.expect("body").await;
            return stream.write(OK).await;
        }
        assert!(head.starts_with("GET /stream HTTP/1.1\r\n") && head.to_lowercase().contains("\r\nhost: d"), "{head}");
        stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n").await;
    })
    .await;
    let hostless = fake.exchange("GET /stream HTTP/1.0\r\n\r\n").await;
    assert!(hostless.starts_with("HTTP/1.0 200 OK\r\n") && hostless.ends_with("\r\n\r\n{}"), "{hostless}");
    let old = fake.exchange("GET /stream HTTP/1.0\r\nHost: d\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 OK\r\n") && old.ends_with("\r\n\r\n{}"), "{old}");
    let mut careful = fake.client().await;
    careful.write("POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    careful.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    careful.write("body").await;
    careful.expect(OK).await;
}

#[tokio::test]
async fn many_headers_and_long_ones_pass() {
    let fake = Fake::start("headers", |head, stream| async move {
        assert_eq!(head.matches("X-Docker-Expose-Session-Grpc-Method: ").count(), 490);
        assert!(head.len() > 600_000);
        always(OK, head, stream).await;
    })
    .await;
    let many = "X-Docker-Expose-Session-Grpc-Method: /a.b.C/D\r\n".repeat(490);
    let long = "x".repeat(600_000);
    let mut client = fake.client().await;
    client
        .write(format!(
            "POST /build HTTP/1.1\r\nHost: d\r\n{many}X-Registry-Config: {long}\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    client.expect(OK).await;
}

#[tokio::test]
async fn long_targets_pass_and_one_that_is_too_long_for_the_router_is_refused_with_a_reason() {
    for (name, whole) in [("long", true), ("long-routed", false)] {
        let fake = Fake::start(name, |head, stream| async move {
            assert!(head.len() > 90_000);
            always(OK, head, stream).await;
        })
        .await;
        let mut client = fake.client().await;
        client.write(format!("GET /images/json?filters={} HTTP/1.1\r\nHost: d\r\n\r\n", "x".repeat(90_000))).await;
        if whole {
            client.expect(OK).await;
        } else {
            let answer = client.rest().await;
            assert!(answer.starts_with("HTTP/1.1 414 URI Too Long\r\n") && answer.contains("65534"), "{answer}");
        }
    }
}

#[tokio::test]
async fn handlers_fetch_whole_answers_and_learn_why_there_is_none() {
    let mut fake = Fake::start("fetch", |head, mut stream| async move {
        if head.starts_with("POST /networks/create ") {
            assert!(head.contains("content-type: application/json") && head.contains("content-length: 2"), "{head}");
            stream.expect("{}").await;
        }
        always("HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 3\r\n\r\n[1]", head, stream).await;
    })
    .await;
    let (status, headers, body) = fake.proxy.fetch(Method::GET, "/v1.44/x?y", None).await.expect("an answer");
    assert_eq!(
        (status, &headers["x-a"], &body[..]),
        (StatusCode::NOT_FOUND, &"b".parse().expect("a value"), &b"[1]"[..])
    );
    let (_, _, body) =
        fake.proxy.fetch(Method::POST, "/networks/create", Some(Bytes::from_static(b"{}"))).await.expect("an answer");
    assert_eq!(&body[..], b"[1]");
    fake.engine_down().await;
    let error = fake.proxy.fetch(Method::GET, "/x", None).await.expect_err("no engine");
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    fake.engine_up();
    fake.proxy.fetch(Method::GET, "/x", None).await.expect("an answer again");
}
