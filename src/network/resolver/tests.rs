//! A resolver on sockets of this host, as a container would ask it.

use std::collections::BTreeMap;
use std::path::Path;

use gam_core::discovery::{Asker, Balance, Endpoint, Served};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};

use super::*;
use crate::network::namespace::Namespace;

const NETWORK: u128 = 7;
/// Every address of 127.0.0.0/8 is this host's, so each can be a container.
const GATEWAY: [u8; 4] = [127, 0, 0, 1];
const CONTAINER: [u8; 4] = [127, 0, 0, 9];
/// Long enough for a busy machine, short enough to end a test that went wrong.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    sandboxes: Sandboxes,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn listening() -> Listening {
    Listening { network: NETWORK.into(), gateway: GATEWAY.into(), subnet: ([127, 0, 0, 0].into(), 24) }
}

impl Bench {
    async fn new(limit: Limit) -> Bench {
        let web = Served { name: "web".into(), aliases: vec!["www".into()], virtual_ips: vec![[10, 0, 1, 2].into()] };
        let web = Arc::new(web);
        let endpoint = |host: u8, service: Option<&Arc<Served>>| Endpoint {
            network: NETWORK.into(),
            name: format!("c{host}"),
            aliases: Vec::new(),
            addresses: vec![[10, 0, 1, host].into()],
            service: service.cloned(),
            up: true,
        };
        let endpoints: Vec<Endpoint> =
            (100..200).map(|host| endpoint(host, Some(&web))).chain([endpoint(3, None)]).collect();
        let names = Names::new([(NETWORK.into(), "net")], &endpoints);
        let sandboxes = Sandboxes::default();
        let mut resolver = Resolver::new(Arc::new(ArcSwap::from_pointee(names)), sandboxes.clone());
        resolver.waiting = limit.into();
        let udp = UdpSocket::bind((IpAddr::from(GATEWAY), 0)).await.unwrap();
        let tcp = TcpListener::bind((IpAddr::from(GATEWAY), 0)).await.unwrap();
        let bench = Bench { sandboxes, udp: udp.local_addr().unwrap(), tcp: tcp.local_addr().unwrap() };
        tokio::spawn(async move { resolver.serve(listening(), udp, tcp).await });
        bench
    }

    /// Makes the container known, with or without rules for the virtual address.
    fn know(&self, balanced: bool, completes: bool) {
        let behind = [IpAddr::from([10, 0, 1, 100])].into();
        let balance: Balance = if balanced { [([10, 0, 1, 2].into(), behind)].into() } else { Balance::new() };
        let sandbox = Sandbox {
            asker: Asker { networks: vec![NETWORK.into()] },
            namespace: Namespace::open(Path::new("/proc/self/ns/net")).unwrap(),
            balance: Arc::new(balance),
            servers: Vec::new(),
            leads_outside: false,
            completes,
        };
        self.sandboxes.set(BTreeMap::from([((NETWORK.into(), CONTAINER.into()), Arc::new(sandbox))]));
    }

    async fn ask(&self, from: [u8; 4], name: &str) -> Option<Message> {
        let socket = UdpSocket::bind((IpAddr::from(from), 0)).await.unwrap();
        socket.send_to(&question(name), self.udp).await.unwrap();
        let mut buffer = vec![0; 4096];
        let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.ok()?.unwrap();
        Some(Message::from_vec(&buffer[..length]).unwrap())
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn told(message: &Message) -> String {
    let answers: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
    format!("{} {}", message.metadata.response_code, answers.join(" "))
}

#[tokio::test]
async fn a_container_is_answered_and_a_stranger_is_not() {
    let bench = Bench::new(WAITING).await;
    bench.know(true, false);
    assert_eq!(told(&bench.ask(CONTAINER, "web.").await.unwrap()), "No Error 10.0.1.2");
    assert_eq!(told(&bench.ask(CONTAINER, "c3.net.").await.unwrap()), "No Error 10.0.1.3");
    assert_eq!(told(&bench.ask(CONTAINER, "elsewhere.").await.unwrap()), "Server Failure ", "nothing leads outside");
    for stranger in [[127, 0, 1, 9], GATEWAY] {
        assert_eq!(told(&bench.ask(stranger, "web.").await.unwrap()), "Query Refused ");
    }
    bench.know(true, true);
    assert_eq!(told(&bench.ask(CONTAINER, "elsewhere.").await.unwrap()), "No Error ", "to be completed first");
}

#[tokio::test]
async fn an_answer_is_held_until_it_can_be_used() {
    let bench = Bench::new(WAITING).await;
    let (held, other) = tokio::join!(async { bench.ask(CONTAINER, "web.").await.unwrap() }, async {
        // Nobody is known by that address yet; then it is, without rules; names without a virtual address are told at once.
        bench.know(false, false);
        let other = bench.ask(CONTAINER, "c3.").await.unwrap();
        bench.know(true, false);
        other
    });
    assert_eq!((told(&held), told(&other)), ("No Error 10.0.1.2".into(), "No Error 10.0.1.3".into()));
}

#[tokio::test]
async fn a_long_answer_comes_in_a_stream() {
    let bench = Bench::new(WAITING).await;
    bench.know(true, false);
    assert!(bench.ask(CONTAINER, "tasks.web.").await.unwrap().metadata.truncation);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(CONTAINER.into(), 0)).unwrap();
    let mut stream = socket.connect(bench.tcp).await.unwrap();
    // Several questions at once; they are answered in turn.
    for name in ["tasks.web.", "web."] {
        write_framed(&mut stream, &question(name)).await.unwrap();
    }
    let whole = Message::from_vec(&read_framed(&mut stream).await.unwrap().unwrap()).unwrap();
    let mut found: Vec<String> = whole.answers.iter().map(|record| record.data.to_string()).collect();
    assert_eq!((found.len(), whole.metadata.truncation), (100, false));
    let in_order = found.clone();
    found.sort();
    assert_ne!(found, in_order, "shuffled");
    let second = Message::from_vec(&read_framed(&mut stream).await.unwrap().unwrap()).unwrap();
    assert_eq!(told(&second), "No Error 10.0.1.2");
}

#[tokio::test]
async fn a_flood_of_what_has_to_wait_keeps_nobody_out() {
    let bench = Bench::new(Limit { all: 8, each: 4 }).await;
    let flood = UdpSocket::bind((IpAddr::from(CONTAINER), 0)).await.unwrap();
    // Nobody is known, so all of it waits, as far as it is let in.
    for _ in 0..1000 {
        flood.send_to(&question("web."), bench.udp).await.unwrap();
        flood.send_to(b"nonsense", bench.udp).await.unwrap();
    }
    let other = [127, 0, 0, 10];
    let (answer, ()) = tokio::join!(bench.ask(other, "c3."), async {
        bench.know(true, false);
        let mut known = BTreeMap::clone(&bench.sandboxes.watch().borrow());
        let sandbox = known.values().next().unwrap().clone();
        known.insert((NETWORK.into(), other.into()), sandbox);
        bench.sandboxes.set(known);
    });
    assert_eq!(told(&answer.unwrap()), "No Error 10.0.1.3");
}

#[tokio::test]
async fn other_names_are_asked_of_servers_outside() {
    let dead = UdpSocket::bind((IpAddr::from(GATEWAY), 0)).await.unwrap();
    let failing = UdpSocket::bind((IpAddr::from(GATEWAY), 0)).await.unwrap();
    let good = UdpSocket::bind((IpAddr::from(GATEWAY), 0)).await.unwrap();
    let servers = [&dead, &failing, &good].map(|socket| socket.local_addr().unwrap()).to_vec();
    for (socket, code) in [(failing, ResponseCode::Refused), (good, ResponseCode::NXDomain)] {
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let asked = Asked::read(&buffer[..length], Transport::Udp).unwrap();
                // Somebody guesses first.
                socket.send_to(&message::with_id(asked.failure(ResponseCode::NoError), 0), from).await.unwrap();
                socket.send_to(&asked.failure(code), from).await.unwrap();
            }
        });
    }
    let question = message::with_id(question("elsewhere."), 77);
    let ask = |servers: &[SocketAddr]| {
        let upstream = Upstream { servers: servers.to_vec(), from: None };
        let question = question.clone();
        async move { upstream.ask(&question, Transport::Udp).await.map(|answer| Message::from_vec(&answer).unwrap()) }
    };
    let answer = ask(&servers).await.unwrap();
    assert_eq!((answer.metadata.id, answer.metadata.response_code), (77, ResponseCode::NXDomain));
    let answer = ask(&servers[1..2]).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "a bad answer is better than none");
    assert_eq!(ask(&[]).await, None);
}

#[test]
fn who_is_on_the_network_is_told_by_its_subnet() {
    let has = |from: &str| listening().has(from.parse().unwrap());
    assert!(has("127.0.0.9") && !has("127.0.1.9") && !has("127.0.0.1") && !has("::1"));
    let v6 = Listening {
        network: NETWORK.into(),
        gateway: "fd00::1".parse().unwrap(),
        subnet: ("fd00::".parse().unwrap(), 64),
    };
    assert!(v6.has("fd00::9".parse().unwrap()) && !v6.has("fd00:0:0:1::9".parse().unwrap()));
    let all = Listening { subnet: ([0; 4].into(), 0), ..listening() };
    assert!(all.has("192.0.2.1".parse().unwrap()));
}

#[test]
fn a_shuffle_deals_every_order() {
    let cards: Vec<IpAddr> = (1..4).map(|host| [10, 0, 0, host].into()).collect();
    let orders: std::collections::BTreeSet<Vec<IpAddr>> = (0..1000)
        .map(|_| {
            let mut dealt = cards.clone();
            shuffle(&mut dealt);
            dealt
        })
        .collect();
    assert_eq!(orders.len(), 6);
}
