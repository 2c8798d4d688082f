//! The sentences were recorded from dockerd 28.5.2 in swarm mode.

use super::*;
use crate::allocator;
use crate::fixture::Fixture;
use crate::model::IpamConfig;

/// A new cluster: one node, `ingress`.
fn cluster() -> Fixture {
    let mut fixture = Fixture::new("cluster history=5\nnode n1 ready manager");
    let (changes, _) = fixture.run(|plan| {
        let ingress = ingress(plan);
        plan.push(ingress);
    });
    fixture.apply(changes);
    fixture
}

fn named(name: &str) -> NetworkSpec {
    let driver = Some(Driver { name: "overlay".into(), ..Driver::default() });
    NetworkSpec { name: name.into(), driver_configuration: driver, scope: "swarm".into(), ..NetworkSpec::default() }
}

fn with_subnet(name: &str, subnet: &str, range: &str, gateway: &str) -> NetworkSpec {
    let config =
        IpamConfig { subnet: subnet.into(), range: range.into(), gateway: gateway.into(), ..IpamConfig::default() };
    let driver = Driver { name: "default".into(), ..Driver::default() };
    NetworkSpec { ipam_options: Some(IpamOptions { driver, configs: vec![config] }), ..named(name) }
}

fn with_option(name: &str, key: &str, value: &str) -> NetworkSpec {
    let mut spec = named(name);
    spec.driver_configuration.get_or_insert_default().options.insert(key.into(), value.into());
    spec
}

/// Makes a request of the state and keeps what it changed; a refused request must change nothing.
fn ask<T>(fixture: &mut Fixture, request: impl FnOnce(&mut Plan<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let mut plan = Plan::new(&fixture.state, fixture.now, &mut fixture.ids);
    let answer = request(&mut plan);
    let (changes, _) = plan.finish();
    assert!(answer.is_ok() || changes.is_empty(), "a refused request changed something");
    fixture.apply(changes);
    answer
}

fn make(fixture: &mut Fixture, spec: NetworkSpec) -> Result<Network, Error> {
    match ask(fixture, |plan| create(plan, spec))? {
        Response::Network(id) => Ok((**fixture.state.network(id).unwrap()).clone()),
        other => panic!("{other:?}"),
    }
}

fn refused(fixture: &mut Fixture, spec: NetworkSpec) -> (u16, String) {
    let error = make(fixture, spec).unwrap_err();
    (error.kind.status(), error.message)
}

#[test]
fn ingress_has_the_first_subnet_and_users_get_the_next_ones() {
    let mut fixture = cluster();
    let ingress = fixture.state.network_named("ingress").unwrap().clone();
    assert_eq!((ingress.ipam[0].subnet.as_str(), ingress.ipam[0].gateway.as_str()), ("10.0.0.0/24", "10.0.0.1"));
    assert!(ingress.spec.ingress && ingress.spec.labels.is_empty());
    assert_eq!(ingress.vni, 4096);
    let a = make(&mut fixture, named("a")).unwrap();
    assert_eq!((a.ipam[0].subnet.as_str(), a.ipam[0].gateway.as_str(), a.vni), ("10.0.1.0/24", "10.0.1.1", 4097));
    let b = make(&mut fixture, with_subnet("b", "10.20.0.0/24", "10.20.0.128/25", "")).unwrap();
    assert_eq!((b.ipam[0].gateway.as_str(), b.vni), ("10.20.0.128", 4098));
    let c = make(&mut fixture, with_subnet("c", "192.168.7.0/28", "", "192.168.7.9")).unwrap();
    assert_eq!(c.ipam[0].gateway, "192.168.7.9");
    ask(&mut fixture, |plan| remove(plan, a.id)).unwrap();
    assert_eq!(make(&mut fixture, named("d")).unwrap().ipam[0].subnet, "10.0.1.0/24");
    let e = make(&mut fixture, with_subnet("e", "0.0.0.0/26", "", "")).unwrap();
    assert_eq!(e.ipam[0].subnet, "10.0.2.0/26");
    assert_eq!(make(&mut fixture, with_option("f", VNIS, "5000")).unwrap().vni, 5000);
    assert_eq!(make(&mut fixture, named("g")).unwrap().vni, 5001);
    let several = with_option("i", VNIS, "6001,6002");
    assert_eq!(make(&mut fixture, several).unwrap().vni, 6001, "one for its one subnet");
    assert_eq!(make(&mut fixture, with_option("j", VNIS, "6002")).unwrap().vni, 6002, "the other one was not taken");
    let h = make(&mut fixture, with_option("h", "com.docker.network.driver.mtu", "1400")).unwrap();
    assert_eq!(h.spec.driver_configuration.unwrap().options["com.docker.network.driver.mtu"], "1400");
}

const VNIS: &str = "com.docker.network.driver.overlay.vxlanid_list";

#[test]
fn names_are_refused_in_dockers_words() {
    let mut fixture = cluster();
    make(&mut fixture, named("a")).unwrap();
    let long = "x".repeat(64);
    for (name, status, message) in [
        ("a", 409, "network with name a already exists"),
        ("ingress", 409, "network with name ingress already exists"),
        ("bridge", 409, "network with name bridge already exists"),
        ("A", 500, "rpc error: code = Unknown desc = name conflicts with an existing object"),
        ("", 400, "invalid name: name is empty"),
        (" ", 400, "invalid name: name is empty"),
        ("b b", 400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"),
        ("a.b", 400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"),
        ("b-", 400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"),
        (&long, 400, "rpc error: code = InvalidArgument desc = name must be 63 characters or fewer"),
        ("none", 403, "operation is not permitted on predefined none network "),
        ("default", 403, "operation is not permitted on predefined default network "),
    ] {
        assert_eq!(refused(&mut fixture, named(name)), (status, message.to_owned()), "{name}");
    }
}

#[test]
fn kinds_of_networks_that_are_refused() {
    let mut fixture = cluster();
    let present = fixture.state.network_named("ingress").unwrap().id;
    let second = NetworkSpec { ingress: true, ..named("in2") };
    let already = format!("rpc error: code = AlreadyExists desc = ingress network ({present}) is already present");
    assert_eq!(refused(&mut fixture, second.clone()), (409, already));
    let both = NetworkSpec { attachable: true, ..second };
    let words = "rpc error: code = InvalidArgument desc = ingress network cannot be attachable";
    assert_eq!(refused(&mut fixture, both), (400, words.into()));
    let local = NetworkSpec { scope: "local".into(), ..named("x") };
    assert_eq!(refused(&mut fixture, local), (403, "cannot downgrade network scope for overlay networks".into()));
    let driver = |name: &str| Some(Driver { name: name.into(), ..Driver::default() });
    let unknown = NetworkSpec { driver_configuration: driver("nope"), ..named("x") };
    assert_eq!(refused(&mut fixture, unknown), (404, "plugin \"nope\" not found".into()));
    let bridge = NetworkSpec { driver_configuration: driver("bridge"), ..named("x") };
    assert_eq!(refused(&mut fixture, bridge.clone()).0, 501);
    let bridge = NetworkSpec { ingress: true, ..bridge };
    assert_eq!(refused(&mut fixture, bridge), (403, "Ingress network can only be global scope network".into()));
    let mut ipam = with_subnet("x", "10.9.0.0/24", "", "");
    ipam.ipam_options.as_mut().unwrap().driver.name = "foo".into();
    let words = "rpc error: code = InvalidArgument desc = error during lookup of plugin foo";
    assert_eq!(refused(&mut fixture, ipam), (400, words.into()));
    let mut labelled = named("x");
    labelled.labels.insert("com.docker.swarm.predefined".into(), "true".into());
    assert_eq!(refused(&mut fixture, labelled).0, 403);
    assert_eq!(refused(&mut fixture, with_option("x", "com.docker.network.driver.mtu", "abc")).0, 400);
    assert_eq!(refused(&mut fixture, with_option("x", VNIS, "abc")).1, "invalid vxlan id value \"abc\" passed");
    for (list, wrong) in [("5001,x", "x"), ("", ""), ("0", "0"), ("16777216", "16777216"), ("5001,", "")] {
        let words = format!("invalid vxlan id value {wrong:?} passed");
        assert_eq!(refused(&mut fixture, with_option("x", VNIS, list)), (400, words));
    }
    let words = "could not assign vxlan id 4096 to pool 10.0.1.0/24: requested bit is already allocated";
    assert_eq!(refused(&mut fixture, with_option("x", VNIS, "4096")).1, words);
}

#[test]
fn subnets_are_refused_in_dockers_words() {
    let mut fixture = cluster();
    for (subnet, range, gateway, why) in [
        ("nonsense", "", "", "invalid subnet nonsense: invalid CIDR block notation"),
        ("", "", "10.9.0.1", "invalid subnet : invalid CIDR block notation"),
        ("10.9.0.5/24", "", "", "invalid subnet 10.9.0.5/24: it should be 10.9.0.0/24"),
        (
            "10.9.0.0/24",
            "",
            "10.8.0.1",
            "invalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 doesn't contain this address",
        ),
        ("10.9.0.0/24", "", "x", "invalid gateway x: invalid address"),
        ("10.9.0.0/24", "junk", "", "invalid ip-range junk: invalid CIDR block notation"),
        (
            "10.9.0.0/24",
            "10.8.0.0/25",
            "",
            "invalid ip-range 10.8.0.0/25: parent subnet 10.9.0.0/24 doesn't contain ip-range",
        ),
        (
            "10.9.0.0/24",
            "10.9.0.0/16",
            "",
            "invalid ip-range 10.9.0.0/16: CIDR block is bigger than its parent subnet 10.9.0.0/24",
        ),
        ("10.9.1.0/24", "10.9.1.5/25", "", "invalid ip-range 10.9.1.5/25: it should be 10.9.1.0/25"),
        (
            "10.9.0.5/24",
            "",
            "10.8.0.1",
            "* invalid subnet 10.9.0.5/24: it should be 10.9.0.0/24\n\
             * invalid gateway 10.8.0.1: parent subnet 10.9.0.5/24 doesn't contain this address",
        ),
    ] {
        let answer = refused(&mut fixture, with_subnet("x", subnet, range, gateway));
        assert_eq!(answer, (400, format!("invalid network config:\n{why}")), "{subnet} {range} {gateway}");
    }
    let overlap = "invalid pool request: Pool overlaps with other one on this address space";
    for subnet in ["10.0.0.0/24", "10.0.0.0/16", "10.0.0.128/25"] {
        assert_eq!(refused(&mut fixture, with_subnet("x", subnet, "", "")), (403, overlap.into()), "{subnet}");
    }
    assert_eq!(refused(&mut fixture, with_subnet("x", "10.9.0.0/24", "", "10.9.0.255")).0, 403);
    let words = "invalid subnet fd00::/64: IPv6 is not enabled on the network";
    assert_eq!(refused(&mut fixture, with_subnet("x", "fd00::/64", "", "")), (400, words.into()));
    let mut two = with_subnet("x", "10.9.0.0/24", "", "");
    let configs = &mut two.ipam_options.as_mut().unwrap().configs;
    configs.push(IpamConfig { subnet: "10.10.0.0/24".into(), ..IpamConfig::default() });
    assert_eq!(refused(&mut fixture, two).0, 501);
}

fn config(subnet: &str, gateway: &str, kept: &[(&str, &str)]) -> IpamConfig {
    let auxiliary_addresses = kept.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
    IpamConfig { subnet: subnet.into(), gateway: gateway.into(), auxiliary_addresses, ..IpamConfig::default() }
}

fn of_both(name: &str, configs: &[IpamConfig]) -> NetworkSpec {
    let driver = Driver { name: "default".into(), ..Driver::default() };
    let ipam_options = Some(IpamOptions { driver, configs: configs.to_vec() });
    NetworkSpec { ipv6_enabled: true, ipam_options, ..named(name) }
}

#[test]
fn a_network_with_ipv6_has_a_subnet_of_each_family() {
    let mut fixture = cluster();
    let mut shown = |name: &str, configs: &[IpamConfig]| {
        let made = make(&mut fixture, of_both(name, configs)).unwrap();
        let pools = made.ipam.iter().map(|config| format!("{} {}", config.subnet, config.gateway));
        pools.collect::<Vec<_>>().join(", ")
    };
    let six = config("fd00:2::/64", "", &[]);
    assert_eq!(shown("dual", &[config("10.76.0.0/24", "", &[]), six]), "10.76.0.0/24 10.76.0.1, fd00:2::/64 fd00:2::1");
    let six = config("fd00:3::/64", "fd00:3::9", &[]);
    assert_eq!(shown("six", &[six]), "fd00:3::/64 fd00:3::9, 10.0.1.0/24 10.0.1.1");
    // Nobody chose these, and the second network's are others.
    let first = shown("any", &[]);
    let second = shown("more", &[]);
    assert!(first.starts_with("10.0.2.0/24 10.0.2.1, fd") && first.ends_with("::1"), "{first}");
    assert!(second.starts_with("10.0.3.0/24 10.0.3.1, fd") && second.ends_with(":1::1"), "{second}");
    let overlap = "invalid pool request: Pool overlaps with other one on this address space";
    for subnet in ["fd00:2::/64", "fd00:2::/48", "fd00:2::80:0/112"] {
        let spec = of_both("x", &[config(subnet, "", &[])]);
        assert_eq!(refused(&mut fixture, spec), (403, overlap.into()), "{subnet}");
    }
    for (subnet, gateway, why) in [
        ("fd00:9::1/64", "", "invalid subnet fd00:9::1/64: it should be fd00:9::/64"),
        ("fd00:9::/130", "", "invalid subnet fd00:9::/130: invalid CIDR block notation"),
        (
            "fd00:9::/64",
            "fd00:8::1",
            "invalid gateway fd00:8::1: parent subnet fd00:9::/64 doesn't contain this address",
        ),
        ("fd00:9::/64", "10.0.0.1", "invalid gateway 10.0.0.1: parent subnet is an IPv6 block"),
    ] {
        let spec = of_both("x", &[config(subnet, gateway, &[])]);
        assert_eq!(refused(&mut fixture, spec), (400, format!("invalid network config:\n{why}")));
    }
    let gateway = of_both("x", &[config("fd00:9::/64", "fd00:9::", &[])]);
    assert_eq!(refused(&mut fixture, gateway), (403, "Address already in use: gateway fd00:9::".into()));
}

#[test]
fn a_network_without_a_subnet_gets_one_once_another_one_goes() {
    let mut fixture = cluster();
    let mut small = crate::model::Cluster::clone(fixture.state.cluster().unwrap());
    small.default_addr_pool = vec!["10.0.0.0/23".into()];
    fixture.apply(vec![Change::ClusterCreate(Box::new(small))]);
    let one = make(&mut fixture, named("one")).unwrap();
    let waiting = |fixture: &Fixture| {
        let is_pending = |network: &&std::sync::Arc<Network>| network.is_pending();
        fixture
            .state
            .networks()
            .filter(is_pending)
            .map(|network| network.name().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    fixture.now = fixture.now.plus(1);
    let two = make(&mut fixture, named("two")).unwrap();
    assert_eq!((two.ipam.len(), two.vni), (0, 0));
    fixture.now = fixture.now.plus(1);
    make(&mut fixture, named("three")).unwrap();
    assert_eq!(refused(&mut fixture, with_option("x", VNIS, "abc")).1, "invalid vxlan id value \"abc\" passed");
    assert_eq!(fixture.plan(allocator::plan), "", "there is no room");
    ask(&mut fixture, |plan| remove(plan, one.id)).unwrap();
    fixture.plan(allocator::plan);
    assert_eq!(waiting(&fixture), "three", "the older one has it");
    let two = fixture.state.network(two.id).unwrap();
    assert_eq!((two.ipam[0].subnet.as_str(), two.ipam[0].gateway.as_str(), two.vni), ("10.0.1.0/24", "10.0.1.1", 4097));
    assert_eq!(fixture.plan(allocator::plan), "");
}

#[test]
fn what_is_kept_for_others_is_checked_and_is_no_gateway() {
    let mut fixture = cluster();
    let with = |kept: &[(&str, &str)]| NetworkSpec {
        ipv6_enabled: false,
        ..of_both("x", &[config("10.94.0.0/24", "", kept)])
    };
    for (address, why) in [
        ("10.95.0.1", "parent subnet 10.94.0.0/24 doesn't contain this address"),
        ("x", "invalid address"),
        ("fd00::1", "parent subnet is an IPv4 block"),
    ] {
        let words = format!("invalid network config:\ninvalid auxiliary address a: {why}");
        assert_eq!(refused(&mut fixture, with(&[("a", address)])), (400, words));
    }
    let made = make(&mut fixture, with(&[("router", "10.94.0.1"), ("b", "10.94.0.7")])).unwrap();
    assert_eq!(made.ipam[0].gateway, "10.94.0.2");
    assert_eq!(made.ipam[0].auxiliary_addresses["router"], "10.94.0.1");
}

fn removed(fixture: &mut Fixture, id: NetworkId) -> Result<Response, String> {
    ask(fixture, |plan| remove(plan, id)).map_err(|error| format!("{} {}", error.kind.status(), error.message))
}

#[test]
fn a_network_goes_when_nobody_needs_it() {
    let mut fixture = cluster();
    fixture.add("network net 10.7.0.0/24\nservice web network=net");
    let (net, web) = (fixture.network("net"), fixture.service("web"));
    let words = format!("400 rpc error: code = FailedPrecondition desc = network {net} is in use by service {web}");
    assert_eq!(removed(&mut fixture, net), Err(words));
    fixture.add("task web.1 n1 running net=10.7.0.9/24\nremove service web");
    let task = fixture.task("web.1");
    let words = format!("400 rpc error: code = FailedPrecondition desc = network {net} is in use by task {task}");
    assert_eq!(removed(&mut fixture, net), Err(words));
    // The containers of a removed service may take their time to stop.
    fixture.add("task web.1 desired=remove");
    assert_eq!(removed(&mut fixture, net), Ok(Response::Done));
    assert_eq!(removed(&mut fixture, net), Err(format!("404 network {net} not found")));
}

#[test]
fn ingress_goes_when_no_port_needs_it() {
    let mut fixture = cluster();
    fixture.add("service web publish=8080:80");
    let (id, web) = (fixture.state.network_named("ingress").unwrap().id, fixture.service("web"));
    let words = format!("ingress network cannot be removed because service {web} depends on it");
    assert_eq!(removed(&mut fixture, id), Err(format!("400 rpc error: code = FailedPrecondition desc = {words}")));
    fixture.add("remove service web\nservice web publish=8080:80/tcp/host");
    assert_eq!(removed(&mut fixture, id), Ok(Response::Done));
    let again = NetworkSpec { ingress: true, ..named("mine") };
    assert!(make(&mut fixture, again).unwrap().spec.ingress);
}

fn wanted(network: NetworkId, address: &str) -> Attachment {
    let addresses = if address.is_empty() { Vec::new() } else { vec![address.to_owned()] };
    Attachment { network: Some(network), addresses, aliases: vec!["box".into()] }
}

fn join(fixture: &mut Fixture, container: &str, networks: Vec<Attachment>) -> Result<(TaskId, Vec<String>), String> {
    let node = fixture.node("n1");
    let answer = ask(fixture, |plan| attach(plan, node, container.into(), container.into(), networks));
    match answer.map_err(|error| format!("{} {}", error.kind.status(), error.message))? {
        Response::Attached(task, attached) => {
            Ok((task, attached.into_iter().flat_map(|attachment| attachment.addresses).collect()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn containers_join_and_leave() {
    let mut fixture = cluster();
    let open = NetworkSpec { attachable: true, ..with_subnet("ok", "10.20.0.0/29", "", "") };
    let (ok, plain) = (make(&mut fixture, open).unwrap().id, make(&mut fixture, named("plain")).unwrap().id);
    let (first, addresses) = join(&mut fixture, "c1", vec![wanted(ok, "")]).unwrap();
    assert_eq!(addresses, ["10.20.0.2/29"]);
    let task = fixture.state.task(first).unwrap();
    assert_eq!((task.service, task.status.state), (None, TaskState::Running));
    assert_eq!(join(&mut fixture, "c1", vec![wanted(ok, "")]).unwrap(), (first, addresses), "the answer got lost");
    assert_eq!(join(&mut fixture, "c2", vec![wanted(ok, "10.20.0.6")]).unwrap().1, ["10.20.0.6/29"]);
    for (container, networks, words) in [
        (
            "c3",
            vec![wanted(plain, "")],
            "403 Could not attach to network plain: rpc error: code = PermissionDenied desc = network plain not \
             manually attachable",
        ),
        ("c3", vec![wanted(ok, "10.20.0.6")], "403 Could not attach to network ok: Address already in use: 10.20.0.6"),
        ("c3", vec![wanted(ok, "10.20.0.1")], "403 Could not attach to network ok: Address already in use: 10.20.0.1"),
        (
            "c3",
            vec![wanted(ok, "10.99.0.7")],
            "400 invalid config for network ok: invalid endpoint settings:\nno configured subnet or ip-range contain \
             the IP address 10.99.0.7",
        ),
        ("c3", vec![wanted(ok, ""), wanted(ok, "")], "409 c3 is already attached to network ok"),
        ("c1", vec![wanted(ok, "10.20.0.4")], "409 c1 is already attached to network ok"),
    ] {
        assert_eq!(join(&mut fixture, container, networks), Err(words.into()));
    }
    for container in ["c4", "c5", "c6"] {
        join(&mut fixture, container, vec![wanted(ok, "")]).unwrap();
    }
    let full = "503 Could not attach to network ok: could not find an available IP";
    assert_eq!(join(&mut fixture, "c7", vec![wanted(ok, "")]), Err(full.into()));
    assert!(removed(&mut fixture, ok).unwrap_err().contains("is in use by task"));
    assert_eq!(ask(&mut fixture, |plan| detach(plan, first)), Ok(Response::Done));
    assert_eq!(join(&mut fixture, "c7", vec![wanted(ok, "")]).unwrap().1, ["10.20.0.2/29"]);
    let gone = format!("rpc error: code = NotFound desc = attachment {first} not found");
    assert_eq!(ask(&mut fixture, |plan| detach(plan, first)).unwrap_err().message, gone);
    assert_eq!(fixture.plan(allocator::plan), "", "an attachment needs nothing from the allocator");
}

#[test]
fn a_chosen_address_leaves_its_neighbours_to_who_chooses_them() {
    let mut fixture = cluster();
    let open = NetworkSpec { attachable: true, ..with_subnet("ok", "10.20.0.0/24", "", "") };
    let ok = make(&mut fixture, open).unwrap().id;
    assert_eq!(join(&mut fixture, "c1", vec![wanted(ok, "10.20.0.100")]).unwrap().1, ["10.20.0.100/24"]);
    assert_eq!(join(&mut fixture, "c2", vec![wanted(ok, "")]).unwrap().1, ["10.20.0.2/24"]);
    assert_eq!(join(&mut fixture, "c3", vec![wanted(ok, "10.20.0.101/24")]).unwrap().1, ["10.20.0.101/24"]);
    assert_eq!(join(&mut fixture, "c4", vec![wanted(ok, "")]).unwrap().1, ["10.20.0.3/24"]);
    // One that was chosen in its turn is passed over.
    assert_eq!(join(&mut fixture, "c5", vec![wanted(ok, "10.20.0.4")]).unwrap().1, ["10.20.0.4/24"]);
    assert_eq!(join(&mut fixture, "c6", vec![wanted(ok, "")]).unwrap().1, ["10.20.0.5/24"]);
}

#[test]
fn a_task_of_a_service_is_no_attachment() {
    let mut fixture = cluster();
    fixture.add("service web\ntask web.1 n1 running");
    let task = fixture.task("web.1");
    assert_eq!(ask(&mut fixture, |plan| detach(plan, task)).unwrap_err().kind, Kind::NotFound);
}
