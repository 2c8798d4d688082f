use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const TWO_NETWORKS: &str = "
    net web.1.a 10.0.1.3 web=10.0.1.2 +www
    net web.2.b 10.0.1.4 web=10.0.1.2 +www
    net db.1.c 10.0.1.6,fd00::6 db=
    net db.2.d 10.0.1.5 db=
    net sick.1.e 10.0.1.8 sick=10.0.1.7 down
    net half.1.f 10.0.1.10 half=10.0.1.9
    net half.2.g 10.0.1.11 half=10.0.1.9 down
    net Box 10.0.1.12 +0123456789ab
    other web 10.0.2.3
    other only 10.0.2.4
    a.b deep 10.0.3.3
    ingress web.1.a 10.0.0.3 web=10.0.0.2";

fn names(text: &str) -> Names {
    Names::new(NETWORKS.map(|name| (id(name), name)), &endpoints(text))
}

fn asker(networks: &str) -> Asker {
    Asker { networks: networks.split_whitespace().map(id).collect() }
}

/// What somebody on `networks` hears to each question, a line each: `name`, `name AAAA`, `name MX`, or an address.
fn ask(names: &Names, networks: &str, questions: &[&str]) -> String {
    let mut told = String::new();
    for question in questions {
        let (name, kind) = question.split_once(' ').unwrap_or((question, "A"));
        let read = match (kind, name.parse()) {
            (_, Ok(address)) => Question::Name(address),
            ("A", _) => Question::Addresses(name, Family::V4),
            ("AAAA", _) => Question::Addresses(name, Family::V6),
            _ => Question::Other(name),
        };
        let answer = match names.answer(&asker(networks), &read) {
            Answer::Addresses { found, virtual_ips } => {
                let marked = |ip: &IpAddr| format!("{ip}{}", if virtual_ips.contains(ip) { "*" } else { "" });
                found.iter().map(marked).collect::<Vec<_>>().join(" ")
            }
            Answer::Name(name) => name,
            Answer::Nothing => "nothing".into(),
            Answer::Unknown => "unknown".into(),
        };
        writeln!(told, "{question}: {answer}").unwrap();
    }
    told
}

#[test]
fn every_kind_of_name_is_answered() {
    let names = names(TWO_NETWORKS);
    let told = ask(
        &names,
        "net",
        &[
            "web",
            "WEB.",
            "www",
            "tasks.web",
            "tasks.www",
            "web.1.a",
            "db",
            "tasks.db",
            "db AAAA",
            "web AAAA",
            "web MX",
            "box",
            "0123456789ab",
            "sick",
            "tasks.sick",
            "sick.1.e",
            "half",
            "tasks.half",
            "half.2.g",
            "nobody",
            "nobody MX",
            "",
            ".",
            "tasks.",
            "tasks",
            "10.0.1.3",
            "10.0.1.2",
            "fd00::6",
            "10.0.1.8",
            "10.0.1.12",
        ],
    );
    insta::assert_snapshot!(told, @r"
    web: 10.0.1.2*
    WEB.: 10.0.1.2*
    www: 10.0.1.2*
    tasks.web: 10.0.1.3 10.0.1.4
    tasks.www: 10.0.1.3 10.0.1.4
    web.1.a: 10.0.1.3
    db: 10.0.1.5 10.0.1.6
    tasks.db: 10.0.1.5 10.0.1.6
    db AAAA: fd00::6
    web AAAA: nothing
    web MX: nothing
    box: 10.0.1.12
    0123456789ab: 10.0.1.12
    sick: unknown
    tasks.sick: unknown
    sick.1.e: unknown
    half: 10.0.1.9*
    tasks.half: 10.0.1.10
    half.2.g: unknown
    nobody: unknown
    nobody MX: unknown
    : unknown
    .: unknown
    tasks.: unknown
    tasks: unknown
    10.0.1.3: web.1.a.net
    10.0.1.2: unknown
    fd00::6: db.1.c.net
    10.0.1.8: unknown
    10.0.1.12: Box.net
    ");
}

#[test]
fn a_container_sees_its_own_networks_in_their_order() {
    let names = names(TWO_NETWORKS);
    let questions = [
        "web",
        "web.net",
        "web.other",
        "only",
        "only.net",
        "deep",
        "deep.a.b",
        "tasks.web.net",
        "10.0.2.3",
        "10.0.0.3",
    ];
    let told: String = ["net", "other", "net other a.b", "other net ingress", "net ingress", ""]
        .map(|networks| format!("[{networks}]\n{}", ask(&names, networks, &questions)))
        .concat();
    insta::assert_snapshot!(told, @r"
    [net]
    web: 10.0.1.2*
    web.net: 10.0.1.2*
    web.other: unknown
    only: unknown
    only.net: unknown
    deep: unknown
    deep.a.b: unknown
    tasks.web.net: 10.0.1.3 10.0.1.4
    10.0.2.3: unknown
    10.0.0.3: unknown
    [other]
    web: 10.0.2.3
    web.net: unknown
    web.other: 10.0.2.3
    only: 10.0.2.4
    only.net: unknown
    deep: unknown
    deep.a.b: unknown
    tasks.web.net: unknown
    10.0.2.3: web.other
    10.0.0.3: unknown
    [net other a.b]
    web: 10.0.1.2*
    web.net: 10.0.1.2*
    web.other: 10.0.2.3
    only: 10.0.2.4
    only.net: unknown
    deep: 10.0.3.3
    deep.a.b: 10.0.3.3
    tasks.web.net: 10.0.1.3 10.0.1.4
    10.0.2.3: web.other
    10.0.0.3: unknown
    [other net ingress]
    web: 10.0.2.3
    web.net: 10.0.1.2*
    web.other: 10.0.2.3
    only: 10.0.2.4
    only.net: unknown
    deep: unknown
    deep.a.b: unknown
    tasks.web.net: 10.0.1.3 10.0.1.4
    10.0.2.3: web.other
    10.0.0.3: web.1.a.ingress
    [net ingress]
    web: 10.0.1.2*
    web.net: 10.0.1.2*
    web.other: unknown
    only: unknown
    only.net: unknown
    deep: unknown
    deep.a.b: unknown
    tasks.web.net: 10.0.1.3 10.0.1.4
    10.0.2.3: unknown
    10.0.0.3: web.1.a.ingress
    []
    web: unknown
    web.net: unknown
    web.other: unknown
    only: unknown
    only.net: unknown
    deep: unknown
    deep.a.b: unknown
    tasks.web.net: unknown
    10.0.2.3: unknown
    10.0.0.3: unknown
    ");
}

#[test]
fn one_name_may_be_several_and_one_address_has_one_name() {
    let names = names(
        "net web.1 10.0.1.3 web=10.0.1.2 +api
        net api.1 10.0.1.5 api=10.0.1.4
        net api 10.0.1.6
        net late 10.0.1.7
        net early 10.0.1.7",
    );
    let told = ask(&names, "net", &["api", "tasks.api", "10.0.1.7"]);
    insta::assert_snapshot!(told, @r"
    api: 10.0.1.2* 10.0.1.4* 10.0.1.6
    tasks.api: 10.0.1.3 10.0.1.5
    10.0.1.7: early.net
    ");
}

#[test]
fn a_network_that_is_not_known_has_no_names() {
    let names = Names::new([(id("net"), "net")], &endpoints(TWO_NETWORKS));
    assert_eq!(ask(&names, "other net", &["only", "box"]), "only: unknown\nbox: 10.0.1.12\n");
}

fn some_endpoint() -> impl Strategy<Value = Endpoint> {
    let network = prop::sample::select(&NETWORKS[..]);
    let name = prop::sample::select(vec!["a", "b", "a.b", "tasks.a", "net", "x.net"]);
    let service = prop::option::of((prop::sample::select(vec!["a", "b", "net"]), 0..3_u8));
    (network, name, 1..9_u8, service, any::<bool>()).prop_map(|(network, name, host, service, up)| Endpoint {
        network: id(network),
        name: name.into(),
        aliases: Vec::new(),
        addresses: addresses(&format!("10.0.{}.{host}", id(network).number())),
        service: service.map(|(name, count)| {
            let virtual_ips =
                (0..count).map(|at| IpAddr::from([10, 0, id(network).number() as u8, 100 + at])).collect();
            Arc::new(Served { name: name.into(), aliases: Vec::new(), virtual_ips })
        }),
        up,
    })
}

proptest! {
    /// Nothing of a network is ever told to somebody who is not on it, nothing of an endpoint that is down to anybody, and
    /// the order in which endpoints became known changes nothing.
    #[test]
    fn answers_stay_inside(
        endpoints in prop::collection::vec(some_endpoint(), 0..12),
        on in prop::collection::vec(prop::sample::select(&NETWORKS[..]), 0..3),
        name in "(tasks\\.)?[ab]?(\\.(a|b|net|other|ingress|a\\.b))?\\.?",
    ) {
        let named = NETWORKS.map(|name| (id(name), name));
        let names = Names::new(named, &endpoints);
        prop_assert_eq!(&names, &Names::new(named, endpoints.iter().rev()));
        let asker = Asker { networks: on.iter().map(|name| id(name)).collect() };
        if let Answer::Addresses { found, virtual_ips } = names.answer(&asker, &Question::Addresses(&name, Family::V4)) {
            prop_assert!(!found.is_empty());
            for ip in &found {
                let knows = |endpoint: &&Endpoint| {
                    let is_virtual = endpoint.service.iter().any(|service| service.virtual_ips.contains(ip));
                    prop_assert_eq!(virtual_ips.contains(ip) && is_virtual, is_virtual);
                    Ok(endpoint.up && asker.networks.contains(&endpoint.network)
                        && (endpoint.addresses.contains(ip) || is_virtual))
                };
                let mut known = false;
                for endpoint in &endpoints {
                    known |= knows(&endpoint)?;
                }
                prop_assert!(known, "{} is nobody's", ip);
            }
        }
    }

    #[test]
    fn no_name_is_too_strange(name in "\\PC{0,80}") {
        names(TWO_NETWORKS).answer(&asker("net other a.b"), &Question::Addresses(&name, Family::V6));
    }
}
