//! No address twice, none that is not a host's, none again too soon, and every shortage explained.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::fixture::Fixture;
use crate::model::{Cluster, IpamConfig, NetworkAttachmentConfig, PortConfig};

fn config(subnet: &str, range: &str, gateway: &str) -> IpamConfig {
    IpamConfig { subnet: subnet.into(), range: range.into(), gateway: gateway.into(), ..IpamConfig::default() }
}

/// Gives a network the IPAM that a real one has.
fn ipam(fixture: &mut Fixture, name: &str, subnet: &str, range: &str, gateway: &str) {
    let ipam = vec![config(subnet, range, gateway)];
    fixture.apply(vec![Change::NetworkIpam { id: fixture.network(name), ipam, vni: None }]);
}

fn with_net(text: &str) -> Fixture {
    let mut fixture = Fixture::new("network net 10.0.1.0/24\nnetwork ingress 10.0.0.0/24 ingress\nnode n1 ready");
    ipam(&mut fixture, "net", "10.0.1.0/24", "", "10.0.1.1");
    ipam(&mut fixture, "ingress", "10.0.0.0/24", "", "10.0.0.1");
    fixture.add(text);
    fixture
}

#[test]
fn the_service_gets_the_first_address_and_its_tasks_the_next() {
    let mut fixture = with_net("service web network=net\ntask web.2 new\ntask web.1 new");
    assert_eq!(fixture.plan(plan), "~ web net=10.0.1.2/24\n~ web.1 net=10.0.1.3/24\n~ web.2 net=10.0.1.4/24\n");
    assert_eq!(fixture.state.task(fixture.task("web.1")).unwrap().status.message, "pending task scheduling");
}

#[test]
fn a_task_without_networks_needs_no_address() {
    let mut fixture = with_net("service web\ntask web.1 new\ntask web.2 new desired=shutdown");
    assert_eq!(fixture.plan(plan), "~ web.1\n");
}

#[test]
fn the_engines_own_networks_have_no_addresses_of_the_clusters() {
    let mut fixture = with_net("network host predefined\nservice web network=host network=net\ntask web.1 new");
    assert_eq!(fixture.plan(plan), "~ web host= net=10.0.1.2/24\n~ web.1 host= net=10.0.1.3/24\n");
}

/// As the case `service/endpoint_of` shows of Docker.
#[test]
fn an_endpoint_tells_the_spec_for_which_it_last_got_something() {
    let mut fixture = with_net("service web network=net mode=dnsrr");
    let told = |fixture: &Fixture| {
        let service = fixture.state.service(fixture.service("web")).unwrap().clone();
        service.endpoint.spec.clone().map(|spec| spec.mode)
    };
    assert_eq!((fixture.plan(plan).as_str(), told(&fixture)), ("", None), "it never had any");
    fixture.add("service web mode=vip");
    assert_eq!(fixture.plan(plan), "~ web net=10.0.1.2/24\n");
    assert_eq!(told(&fixture).as_deref(), Some("vip"));
    fixture.add("service web mode=dnsrr");
    assert_eq!(fixture.plan(plan), "~ web\n");
    assert_eq!(told(&fixture).as_deref(), Some("dnsrr"), "it lost its address");
    assert_eq!(fixture.plan(plan), "");
}

#[test]
fn dnsrr_has_no_virtual_address_and_giving_it_up_frees_it() {
    let mut fixture = with_net("service web network=net");
    assert_eq!(fixture.plan(plan), "~ web net=10.0.1.2/24\n");
    fixture.add("service web mode=dnsrr");
    assert_eq!(fixture.plan(plan), "~ web\n");
    assert_eq!(fixture.state.addresses_used(fixture.network("net")), 0);
    fixture.add("service web mode=vip");
    assert_eq!(fixture.plan(plan), "~ web net=10.0.1.3/24\n");
}

#[test]
fn ingress_ports_need_an_address_on_ingress_and_host_ports_none() {
    let mut fixture = with_net(
        "service a publish=8080:80\nservice b publish=81:80/tcp/host\nservice c network=net publish=82:80\n\
         task a.1 new\ntask b.1 new\ntask c.1 new",
    );
    let printed = fixture.plan(plan);
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort();
    assert!(lines[0].starts_with("~ a ingress=10.0.0.") && lines[0].ends_with("/24 port=8080:80/tcp"), "{printed}");
    assert!(lines[1].starts_with("~ a.1 ingress=10.0.0."), "{printed}");
    assert_eq!(lines[2..4], ["~ b port=81:80/tcp", "~ b.1"]);
    assert!(lines[4].starts_with("~ c ingress=10.0.0.") && lines[4].contains(" net=10.0.1.2/24 "), "{printed}");
    assert!(lines[5].starts_with("~ c.1 ingress=10.0.0.") && lines[5].ends_with(" net=10.0.1.3/24"), "{printed}");
}

#[test]
fn without_ingress_a_task_says_so() {
    let mut fixture = Fixture::new("service a publish=8080:80\ntask a.1 new");
    assert_eq!(fixture.plan(plan), "~ a.1 new \"ingress network is missing\"\n");
}

#[test]
fn a_network_added_to_a_service_leaves_its_other_address_alone() {
    let mut fixture = with_net("network more 10.0.2.0/24\nservice web network=net");
    fixture.plan(plan);
    fixture.add("service web network=more");
    assert_eq!(fixture.plan(plan), "~ web net=10.0.1.2/24 more=10.0.2.1/24\n");
}

#[test]
fn a_network_that_is_named_twice_counts_once_and_aliases_come_along() {
    let mut fixture = with_net("service web");
    let service = fixture.state.service(fixture.service("web")).unwrap().clone();
    let mut spec = (*service.spec).clone();
    let target = fixture.network("net").to_string();
    let config = NetworkAttachmentConfig { target, aliases: vec!["www".into()], ..Default::default() };
    spec.networks = vec![config.clone(), config];
    let (id, spec) = (service.id, Box::new(spec));
    fixture.apply(vec![Change::ServiceUpdate { id, spec, previous: None, update_status: None }]);
    fixture.add("task web.1 new");
    assert_eq!(fixture.plan(plan), "~ web net=10.0.1.2/24\n~ web.1 net=10.0.1.3/24\n");
    assert_eq!(fixture.state.task(fixture.task("web.1")).unwrap().networks[0].aliases, ["www"]);
}

#[test]
fn a_full_network_is_visible_and_heals() {
    let mut fixture = Fixture::new("network tiny 10.3.0.0/29\nnode n1 ready\nservice web network=tiny");
    ipam(&mut fixture, "tiny", "10.3.0.0/29", "", "10.3.0.1");
    fixture.add("task web.1 new\ntask web.2 new\ntask web.3 new\ntask web.4 new\ntask web.5 new\ntask web.6 new");
    let printed = fixture.plan(plan);
    assert!(printed.ends_with(
        "~ web.4 tiny=10.3.0.6/29\n\
         ~ web.5 new \"could not find an available IP on network tiny\"\n\
         ~ web.6 new \"could not find an available IP on network tiny\"\n"
    ));
    fixture.add("task web.2 n1 failed");
    assert_eq!(fixture.plan(plan), "~ web.5 tiny=10.3.0.4/29\n");
    assert_eq!(fixture.state.task(fixture.task("web.5")).unwrap().status.err, "");
}

#[test]
fn a_service_without_an_address_keeps_its_tasks_waiting() {
    let mut fixture = Fixture::new("network tiny 10.3.0.0/30\nservice a network=tiny");
    ipam(&mut fixture, "tiny", "10.3.0.0/30", "", "10.3.0.1");
    assert_eq!(fixture.plan(plan), "~ a tiny=10.3.0.2/30\n");
    fixture.add("service b network=tiny\ntask b.1 new");
    let waits = "~ b.1 new \"could not find an available IP while allocating VIP on network tiny\"\n";
    assert_eq!(fixture.plan(plan), waits);
    // What one service gives up serves another in the same step.
    fixture.add("service a mode=dnsrr");
    let healed = fixture.plan(plan);
    assert!(healed.contains("~ b tiny=10.3.0.2/30\n"), "{healed}");
    assert!(healed.contains("~ b.1 new \"could not find an available IP on network tiny\""), "{healed}");
}

#[test]
fn addresses_come_from_the_range_and_others_only_when_asked_for() {
    let mut fixture = Fixture::new("network net 10.20.0.0/24\nservice web network=net\ntask web.1 new");
    ipam(&mut fixture, "net", "10.20.0.0/24", "10.20.0.128/30", "10.20.0.128");
    assert_eq!(fixture.plan(plan), "~ web net=10.20.0.129/24\n~ web.1 net=10.20.0.130/24\n");
    let network = fixture.state.network(fixture.network("net")).unwrap().clone();
    let ask = |asked: &str| Ipam::default().give(&fixture.state, &network, &[asked.to_owned()]);
    assert_eq!(ask("10.20.0.7").unwrap(), ["10.20.0.7/24"]);
    assert_eq!(ask("10.20.0.7/24").unwrap(), ["10.20.0.7/24"]);
    for used in ["10.20.0.0", "10.20.0.255", "10.20.0.128", "10.20.0.130"] {
        assert_eq!(ask(used), Err(ipam::Refusal::InUse(used.into())), "{used}");
    }
    for outside in ["10.21.0.1", "fd00::1", "x", ""] {
        assert_eq!(ask(outside), Err(ipam::Refusal::OutOfRange(outside.into())), "{outside}");
    }
}

#[test]
fn on_a_network_of_both_families_everybody_has_an_address_of_each() {
    let mut fixture = Fixture::new("network net 10.0.1.0/24\nnode n1 ready\nservice web network=net\ntask web.1 new");
    let both = vec![config("fd00:1::/64", "", "fd00:1::1"), config("10.0.1.0/24", "", "10.0.1.1")];
    fixture.apply(vec![Change::NetworkIpam { id: fixture.network("net"), ipam: both, vni: None }]);
    let printed = fixture.plan(plan);
    assert_eq!(printed, "~ web net=10.0.1.2/24 net=fd00:1::2/64\n~ web.1 net=10.0.1.3/24,fd00:1::3/64\n");
    assert_eq!(fixture.plan(plan), "");
    let network = fixture.state.network(fixture.network("net")).unwrap().clone();
    assert_eq!(fixture.state.addresses_used(network.id), 4);
    let ask = |asked: &[&str]| {
        let asked: Vec<String> = asked.iter().map(|asked| (*asked).to_owned()).collect();
        Ipam::default().give(&fixture.state, &network, &asked)
    };
    assert_eq!(ask(&["fd00:1::77"]).unwrap(), ["10.0.1.4/24", "fd00:1::77/64"], "the other one is any");
    assert_eq!(ask(&["fd00:1::77", "10.0.1.9"]).unwrap(), ["10.0.1.9/24", "fd00:1::77/64"]);
    for used in ["fd00:1::", "fd00:1::1", "fd00:1::2", "fd00:1::3"] {
        assert_eq!(ask(&[used]), Err(ipam::Refusal::InUse(used.into())));
    }
    assert_eq!(ask(&["fd00:2::1"]), Err(ipam::Refusal::OutOfRange("fd00:2::1".into())));
    // A snapshot knows what is in use, and what was given last.
    let state = crate::state::codec::decode_state(&crate::state::codec::encode_state(&fixture.state)).unwrap();
    assert_eq!(state.addresses_used(network.id), 4);
    assert_eq!(state.address_cursor(network.id, false), "fd00:1::3".parse().ok());
    // Whoever goes frees both.
    fixture.add("remove service web");
    assert_eq!(fixture.state.addresses_used(network.id), 2);
}

#[test]
fn a_network_without_an_ipv6_address_left_is_full() {
    let mut fixture = Fixture::new("network net 10.0.1.0/24\nservice web network=net\ntask web.1 new\ntask web.2 new");
    let both = vec![config("10.0.1.0/24", "", "10.0.1.1"), config("fd00:1::/126", "", "fd00:1::1")];
    fixture.apply(vec![Change::NetworkIpam { id: fixture.network("net"), ipam: both, vni: None }]);
    assert_eq!(
        fixture.plan(plan),
        "~ web net=10.0.1.2/24 net=fd00:1::2/126\n~ web.1 net=10.0.1.3/24,fd00:1::3/126\n\
         ~ web.2 new \"could not find an available IP on network net\"\n"
    );
}

#[test]
fn addresses_that_are_kept_for_others_are_given_to_nobody() {
    let mut fixture = Fixture::new("network net 10.3.0.0/29\nservice web network=net\ntask web.1 new\ntask web.2 new");
    let mut kept = config("10.3.0.0/29", "10.3.0.0/29", "10.3.0.1");
    kept.auxiliary_addresses = [("router", "10.3.0.2"), ("printer", "10.3.0.4"), ("name", "10.3.0.0")]
        .map(|(name, address)| (name.to_owned(), address.to_owned()))
        .into();
    fixture.apply(vec![Change::NetworkIpam { id: fixture.network("net"), ipam: vec![kept], vni: None }]);
    assert_eq!(fixture.plan(plan), "~ web net=10.3.0.3/29\n~ web.1 net=10.3.0.5/29\n~ web.2 net=10.3.0.6/29\n");
    let network = fixture.state.network(fixture.network("net")).unwrap();
    let asked = Ipam::default().give(&fixture.state, network, &["10.3.0.4".into()]);
    assert_eq!(asked, Err(ipam::Refusal::InUse("10.3.0.4".into())));
}

#[test]
fn the_subnet_of_a_network_that_is_still_leaving_is_not_given_away() {
    let mut fixture = with_net("service web network=net\ntask web.1 n1 running net=10.0.1.9/24");
    fixture.add("remove service web\nremove network net\ntask web.1 desired=remove");
    assert_eq!(subnet::choose(&fixture.state, &[], None).unwrap().to_string(), "10.0.2.0/24");
    fixture.add("task web.1 shutdown");
    assert_eq!(subnet::choose(&fixture.state, &[], None).unwrap().to_string(), "10.0.1.0/24");
}

#[test]
fn pools_run_out() {
    let fixture = with_net("");
    assert_eq!(subnet::choose(&fixture.state, &[], Some(8)), None);
    assert_eq!(subnet::choose(&fixture.state, &[], Some(9)).unwrap().to_string(), "10.128.0.0/9");
    let also = [subnet::Subnet::parse("10.128.0.0/9").unwrap()];
    assert_eq!(subnet::choose(&fixture.state, &also, Some(9)), None);
}

/// What happens to a network in the property test.
#[derive(Clone, Debug)]
enum Step {
    Start(u8),
    End(u8),
    Plan,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![any::<u8>().prop_map(Step::Start), any::<u8>().prop_map(Step::End), Just(Step::Plan)]
}

fn host(address: &str) -> IpAddr {
    address.split('/').next().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_address_twice_and_none_again_too_soon(bits in 26_u32..=29, steps in prop::collection::vec(step(), 1..120)) {
        let subnet = subnet::Subnet::parse(&format!("10.7.0.0/{bits}")).unwrap();
        let mut fixture = Fixture::new("network net 10.7.0.0/29\nnode n1 ready\nservice web network=net mode=dnsrr");
        ipam(&mut fixture, "net", &subnet.to_string(), "", "10.7.0.1");
        let size = 1_usize << (32 - bits);
        // Where each address was last given away, counted in addresses.
        let mut given: Vec<IpAddr> = Vec::new();
        for step in steps {
            match step {
                Step::Start(slot) if fixture.state.task(fixture.task(&format!("web.{slot}"))).is_none() => {
                    fixture.add(&format!("task web.{slot} new"));
                }
                Step::End(slot) if fixture.state.task(fixture.task(&format!("web.{slot}"))).is_some() => {
                    fixture.add(&format!("task web.{slot} failed\nremove task web.{slot}"));
                }
                _ => {
                    for line in fixture.plan(plan).lines().filter(|line| line.contains(" net=")) {
                        let address = host(line.split_once('=').unwrap().1);
                        prop_assert!(subnet.contains(address) && !subnet.is_reserved(address));
                        prop_assert_ne!(address, host("10.7.0.1"));
                        // The search only moved forward: whatever lies between the last address and this one was
                        // taken, or is no host's.
                        let network = fixture.network("net");
                        let last = given.last().copied().unwrap_or(subnet.first());
                        let mut between = last;
                        loop {
                            between = subnet.next(between).unwrap_or(subnet.first());
                            if between == address {
                                break;
                            }
                            let skipped = subnet.is_reserved(between)
                                || between == host("10.7.0.1")
                                || fixture.state.is_address_used(network, between);
                            prop_assert!(skipped, "{} was passed over", between);
                        }
                        given.push(address);
                    }
                }
            }
            let tasks: Vec<_> = fixture.state.tasks().filter(|task| !task.status.state.is_terminal()).cloned().collect();
            let used: Vec<IpAddr> =
                tasks.iter().flat_map(|task| &task.networks).map(|attached| host(&attached.addresses[0])).collect();
            let distinct: BTreeSet<IpAddr> = used.iter().copied().collect();
            prop_assert_eq!(distinct.len(), used.len());
            let waiting = tasks.iter().filter(|task| !task.status.err.is_empty()).count();
            prop_assert!(waiting == 0 || used.len() <= size - 3);
        }
    }

    #[test]
    fn a_freed_address_waits_for_its_turn(freed in prop::collection::vec(1_u32..20, 1..40)) {
        // One task at a time comes and goes: 253 hosts must be used before the first returns.
        let mut fixture = with_net("service web network=net mode=dnsrr");
        let mut seen = BTreeSet::new();
        for (round, slots) in freed.into_iter().enumerate() {
            for slot in 1..=slots {
                fixture.add(&format!("task web.{slot} new"));
            }
            for line in fixture.plan(plan).lines().filter(|line| line.contains(" net=")) {
                let address = host(line.split_once('=').unwrap().1);
                if seen.len() == 253 {
                    seen.clear();
                }
                let fresh = seen.insert(address);
                prop_assert!(fresh, "{} came again in round {}", line, round);
            }
            for slot in 1..=slots {
                fixture.add(&format!("task web.{slot} failed\nremove task web.{slot}"));
            }
        }
    }
}

#[test]
fn a_port_without_a_number_gets_one_that_stays() {
    let mut fixture = with_net("service fixed publish=30001:80");
    fixture.plan(plan);
    fixture.add("service a publish=0:80 publish=0:81\nservice b publish=0:80/udp publish=0:80/tcp/host");
    let printed = fixture.plan(plan);
    let ports = |name: &str| printed.lines().find(|line| line.starts_with(name)).unwrap().split("/24").nth(1).unwrap();
    assert_eq!(ports("~ a "), " port=30000:80/tcp port=30002:81/tcp");
    assert_eq!(ports("~ b "), " port=30000:80/udp port=0:80/tcp");
    // A number stays with the port it was given to, and is not given again at once.
    let mut fixture = publishing(fixture, "a", &[(0, 82), (0, 81)]);
    let printed = fixture.plan(plan);
    assert!(printed.ends_with(" port=30003:82/tcp port=30002:81/tcp\n"), "{printed}");
    let mut fixture = publishing(fixture, "a", &[(30005, 82), (0, 81)]);
    let printed = fixture.plan(plan);
    assert!(printed.ends_with(" port=30005:82/tcp port=30002:81/tcp\n"), "{printed}");
    assert_eq!(fixture.plan(plan), "");
}

/// A service that now publishes these.
fn publishing(mut fixture: Fixture, name: &str, ports: &[(u32, u32)]) -> Fixture {
    let id = fixture.service(name);
    let mut spec = (*fixture.state.service(id).unwrap().spec).clone();
    let known = spec.endpoint_spec.get_or_insert_default();
    let model = known.ports[0].clone();
    let port = |(published_port, target_port): &(u32, u32)| PortConfig {
        published_port: *published_port,
        target_port: *target_port,
        ..model.clone()
    };
    known.ports = ports.iter().map(port).collect();
    fixture.apply(vec![Change::ServiceUpdate { id, spec: Box::new(spec), previous: None, update_status: None }]);
    fixture
}

#[test]
fn the_port_of_the_swarms_own_packets_is_given_to_nobody() {
    let mut fixture = with_net("cluster history=5");
    let mut cluster = Cluster::clone(fixture.state.cluster().unwrap());
    cluster.data_path_port = 30000;
    fixture.apply(vec![Change::ClusterCreate(Box::new(cluster))]);
    fixture.add("service a publish=0:80/udp publish=0:80");
    let printed = fixture.plan(plan);
    assert!(printed.contains(" port=30001:80/udp port=30000:80/tcp\n"), "{printed}");
}

#[test]
fn ports_run_out_visibly() {
    let mut fixture = with_net("service a\nservice b");
    let all: Vec<(u32, u32)> = (30000..=32767).map(|port| (port, 80)).collect();
    fixture.add("service a publish=1:80\nservice b publish=0:80\ntask b.1 new");
    let mut fixture = publishing(fixture, "a", &all);
    let printed = fixture.plan(plan);
    assert!(
        printed.ends_with("~ b.1 new \"no port from 30000 to 32767 is free for tcp\"\n"),
        "{}",
        &printed[printed.len() - 99..]
    );
}
