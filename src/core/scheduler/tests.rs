//! Every filter explains itself, tasks spread as swarmkit spreads them, and nothing is ever promised twice.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixture::Fixture;
use crate::model::{Driver, Mount, VolumeOptions};

fn planned(text: &str) -> String {
    Fixture::new(text).plan(plan)
}

/// The reason that the one pending task of `text` is told.
fn reason(text: &str) -> String {
    let mut fixture = Fixture::new(text);
    fixture.plan(plan);
    let task = fixture.state.tasks().find(|task| task.status.state == TaskState::Pending);
    task.map_or_else(String::new, |task| task.status.err.clone())
}

#[test]
fn a_task_goes_to_the_node() {
    assert_eq!(planned("node n1 ready\nservice web\ntask web.1 pending"), "~ web.1 node=n1\n");
    assert_eq!(planned("node n1 ready\nservice web\ntask web.1 pending desired=shutdown\ntask web.2 new"), "");
    assert_eq!(planned("node n1 ready\nservice web\ntask web.1 pending\nremove service web"), "");
}

#[test]
fn every_filter_explains_itself() {
    for (text, why) in [
        ("", "no suitable node"),
        ("node n1 down", "no suitable node (1 node not available for new tasks)"),
        ("node n1 drain\nnode n2 pause", "no suitable node (2 nodes not available for new tasks)"),
        ("node n1 ready\nservice web cpus=1", "no suitable node (insufficient resources on 1 node)"),
        ("node n1 ready memory=9\nservice web memory=10", "no suitable node (insufficient resources on 1 node)"),
        (
            "node n1 ready\nnode n2 ready\nservice web constraint=node.hostname==n3",
            "no suitable node (scheduling constraints not satisfied on 2 nodes)",
        ),
        ("node n1 ready\nservice web platform=windows/amd64", "no suitable node (unsupported platform on 1 node)"),
        (
            "node n1 ready\nservice o publish=80:80/tcp/host\ntask o.1 n1 running\nservice web publish=80:80/tcp/host",
            "no suitable node (host-mode port already in use on 1 node)",
        ),
        (
            "node n1 ready\nservice web max-per-node=1\ntask web.2 n1 running",
            "no suitable node (max replicas per node limit exceed)",
        ),
        (
            "node n1 ready\nnode n2 ready\nnode n3 down\nservice web constraint=node.role==manager",
            "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks)",
        ),
        (
            "node n1 ready cpus=1\nnode n2 down\nservice web cpus=2",
            "no suitable node (1 node not available for new tasks; insufficient resources on 1 node)",
        ),
    ] {
        assert_eq!(reason(&format!("{text}\nservice web\ntask web.1 pending")), why, "{text}");
    }
}

#[test]
fn a_task_that_fits_is_not_refused() {
    for text in [
        "node n1 ready cpus=2 memory=10\nservice web cpus=2 memory=10",
        "node n1 ready az=a\nservice web constraint=node.labels.az==A",
        "node n1 ready\nservice web platform=linux/amd64",
        "node n1 ready\nservice o publish=80:80/udp/host\ntask o.1 n1 running\nservice web publish=80:80/tcp/host",
        "node n1 ready\nservice o publish=80:80/tcp/host\ntask o.1 n1 failed\nservice web publish=80:80/tcp/host",
        "node n1 ready\nservice web max-per-node=1\ntask web.2 n1 running desired=shutdown",
        "node n1 ready cpus=1\nservice o cpus=1\ntask o.1 n1 failed\nservice web cpus=1",
    ] {
        assert_eq!(planned(&format!("{text}\nservice web\ntask web.1 pending")), "~ web.1 node=n1\n", "{text}");
    }
}

#[test]
fn a_task_that_is_still_stopping_holds_its_resources() {
    let text = "node n1 ready cpus=1\nservice o cpus=1\ntask o.1 n1 running desired=shutdown\nservice web cpus=1";
    let why = reason(&format!("{text}\ntask web.1 pending"));
    assert_eq!(why, "no suitable node (insufficient resources on 1 node)");
}

/// A node with these plugins and one pending task of this spec.
fn with_spec(plugins: &str, edit: impl Fn(&mut ServiceSpec)) -> Fixture {
    let mut fixture = Fixture::new(&format!("node n1 ready {plugins}\nservice web"));
    let service = fixture.state.service(fixture.service("web")).unwrap().clone();
    let mut spec = (*service.spec).clone();
    edit(&mut spec);
    let (id, spec) = (service.id, Box::new(spec));
    fixture.apply(vec![Change::ServiceUpdate { id, spec, previous: None, update_status: None }]);
    fixture.add("task web.1 pending");
    fixture
}

#[test]
fn plugins() {
    let named = |name: &str| Some(Driver { name: name.into(), ..Driver::default() });
    let log = |name: &'static str| move |spec: &mut ServiceSpec| spec.task_template.log_driver = named(name);
    let volume = |name: &'static str| {
        move |spec: &mut ServiceSpec| {
            let volume_options = Some(VolumeOptions { driver_config: named(name), ..VolumeOptions::default() });
            let mount = Mount { r#type: "volume".into(), volume_options, ..Mount::default() };
            spec.task_template.container_spec.get_or_insert_default().mounts.push(mount);
        }
    };
    let missing = "~ web.1 pending \"no suitable node (missing plugin on 1 node)\"\n";
    let fits = "~ web.1 node=n1\n";
    let all = "plugin=Log/json-file plugin=Volume/local plugin=Volume/x:latest plugin=Network/bridge";
    assert_eq!(with_spec(all, log("nope")).plan(plan), missing);
    assert_eq!(with_spec(all, log("none")).plan(plan), fits);
    assert_eq!(with_spec("plugin=Volume/local", log("nope")).plan(plan), fits);
    assert_eq!(with_spec("", log("nope")).plan(plan), fits);
    assert_eq!(with_spec(all, volume("nope")).plan(plan), missing);
    assert_eq!(with_spec(all, volume("x")).plan(plan), fits);
    assert_eq!(with_spec("plugin=Log/json-file", volume("local")).plan(plan), fits);
    let network = "network net 10.0.1.0/24\nservice web network=net\ntask web.1 pending net=10.0.1.2/24";
    let on = |plugin: &str| planned(&format!("node n1 ready plugin=Network/{plugin}\n{network}"));
    assert_eq!(on("bridge"), missing);
    assert_eq!(on("overlay"), fits);
}

#[test]
fn generic_resources_are_counted_or_named() {
    let fits = |has: &str, wants: &str| {
        let text =
            format!("node n1 ready {has}\nservice web replicas=2 {wants}\ntask web.1 pending\ntask web.2 pending");
        planned(&text).matches("node=n1").count()
    };
    assert_eq!(fits("generic.gpu=3", "generic.gpu=2"), 1);
    assert_eq!(fits("generic.gpu=4", "generic.gpu=2"), 2);
    assert_eq!(fits("generic.gpu=4", "generic.gpu=1 generic.gpu=2"), 1);
    assert_eq!(fits("generic.gpu=a,b", "generic.gpu=1"), 2);
    assert_eq!(fits("generic.gpu=a", "generic.gpu=2"), 0);
    assert_eq!(fits("generic.ssd=4", "generic.gpu=1"), 0);
    assert_eq!(fits("generic.gpu=a", "generic.gpu=a"), 0);
}

#[test]
fn a_task_keeps_the_generic_resources_that_it_got() {
    let mut fixture = Fixture::new(
        "node n1 ready generic.gpu=one,two generic.disk=5
         service web replicas=2 generic.gpu=1 generic.disk=2
         task web.1 pending",
    );
    assert_eq!(fixture.plan(plan), "~ web.1 node=n1 DOCKER_RESOURCE_DISK=2 DOCKER_RESOURCE_GPU=one\n");
    fixture.add("service all global generic.gpu=1\ntask all.n1 pending");
    assert_eq!(
        fixture.plan(plan),
        "~ all.n1 node=n1 DOCKER_RESOURCE_GPU=two
~ all.n1 assigned \"scheduler confirmed task can run on preassigned node\"\n"
    );
    fixture.add("task web.2 pending");
    let none = "~ web.2 pending \"no suitable node (insufficient resources on 1 node)\"\n";
    assert_eq!(fixture.plan(plan), none);
    let bytes = crate::state::codec::encode_state(&fixture.state);
    let restored = crate::state::codec::decode_state(&bytes).unwrap();
    assert!(restored.tasks().eq(fixture.state.tasks()));
    fixture.add("task web.1 n1 failed");
    assert_eq!(fixture.plan(plan), "~ web.2 node=n1 DOCKER_RESOURCE_DISK=2 DOCKER_RESOURCE_GPU=one\n");
}

#[test]
fn tasks_of_a_service_spread_first_and_all_tasks_second() {
    let mut fixture = Fixture::new(
        "node n1 ready\nnode n2 ready\nnode n3 ready\nservice o\ntask o.1 n1 running\ntask o.2 n1 running\n\
         task o.3 n2 running\nservice web\ntask web.1 n3 running\ntask web.2 pending\ntask web.3 pending\n\
         task web.4 pending",
    );
    let printed = fixture.plan(plan);
    assert_eq!(&printed[..35], "~ web.2 node=n2\n~ web.3 node=n1\n~ w");
    assert!(printed.ends_with("~ web.4 node=n3\n") || printed.ends_with("~ web.4 node=n2\n"), "{printed}");
}

#[test]
fn preferences_spread_over_labels_before_nodes() {
    let mut fixture = Fixture::new(
        "node a1 ready az=a\nnode a2 ready az=a\nnode a3 ready az=a\nnode b1 ready az=b\nnode c1 down az=c\n\
         service web spread=node.labels.az\ntask web.1 pending\ntask web.2 pending\ntask web.3 pending\n\
         task web.4 pending\ntask web.5 pending\ntask web.6 pending",
    );
    let printed = fixture.plan(plan);
    assert_eq!(printed.matches("node=b1").count(), 3, "{printed}");
    assert_eq!(["node=a1", "node=a2", "node=a3"].map(|node| printed.matches(node).count()), [1, 1, 1], "{printed}");
}

#[test]
fn a_full_branch_gives_way_to_the_other() {
    let mut fixture = Fixture::new(
        "node a1 ready az=a cpus=1\nnode b1 ready az=b cpus=4\nservice web spread=node.labels.az cpus=1\n\
         task web.1 pending\ntask web.2 pending\ntask web.3 pending\ntask web.4 pending\ntask web.5 pending\n\
         task web.6 pending",
    );
    let printed = fixture.plan(plan);
    assert_eq!(printed.matches("node=a1").count(), 1, "{printed}");
    assert_eq!(printed.matches("node=b1").count(), 4, "{printed}");
    assert!(
        printed.ends_with("~ web.6 pending \"no suitable node (insufficient resources on 2 nodes)\"\n"),
        "{printed}"
    );
}

#[test]
fn a_node_on_which_a_service_keeps_failing_is_the_last_choice() {
    let failing = |count: usize| {
        let mut text = "node n1 ready\nnode n2 ready\nservice web\ntask web.1 n2 running\n".to_owned();
        for attempt in 0..count {
            text += &format!("task web.2{} n1 failed\n", "'".repeat(attempt));
        }
        Fixture::new(&(text + "task web.3 pending"))
    };
    assert_eq!(failing(4).plan(plan), "~ web.3 node=n1\n");
    assert_eq!(failing(5).plan(plan), "~ web.3 node=n2\n");
    let mut later = failing(5);
    later.add("at 5m");
    assert_eq!(later.plan(plan), "~ web.3 node=n1\n");
    // Another spec has a clean record.
    let mut updated = failing(5);
    updated.add("remove task web.3\nservice web image=better\ntask web.4 pending");
    assert_eq!(updated.plan(plan), "~ web.4 node=n1\n");
}

#[test]
fn a_preset_node_is_confirmed_or_the_reason_told() {
    let mut fixture = Fixture::new("node n1 ready cpus=1\nnode n2 down\nservice g global cpus=1\ntask g.n1 pending");
    fixture.add("task g.n2 pending\ntask g.n3 pending\nservice web cpus=1\ntask web.1 pending");
    let printed = fixture.plan(plan);
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "~ g.n1 assigned \"scheduler confirmed task can run on preassigned node\"",
            "~ g.n2 pending \"pending\" \"1 node not available for new tasks\"",
            "~ web.1 pending \"pending\" \"no suitable node (1 node not available for new tasks; insufficient resources on 1 node)\"",
        ]
        .map(|line| line.replace(" \"pending\"", ""))
    );
}

#[test]
fn a_reason_goes_when_the_task_finds_its_place() {
    let mut fixture = Fixture::new("node n1 drain\nservice web\ntask web.1 pending");
    assert_eq!(fixture.plan(plan), "~ web.1 pending \"no suitable node (1 node not available for new tasks)\"\n");
    fixture.add("node n1 active");
    assert_eq!(fixture.plan(plan), "~ web.1 node=n1\n");
    let status = &fixture.state.task(fixture.task("web.1")).unwrap().status;
    assert_eq!((status.err.as_str(), status.message.as_str()), ("", "scheduler assigned task to node"));
}

/// A cluster for the property test: nodes with processors and zone, services with demand, limit and replicas.
type Nodes = Vec<(u8, u8, bool)>;
type Services = Vec<(u8, u8, u8, bool)>;

fn cluster(nodes: &Nodes, services: &Services) -> String {
    let mut text = String::new();
    for (at, (cpus, zone, ready)) in nodes.iter().enumerate() {
        let state = if *ready { "ready" } else { "down" };
        text += &format!("node n{at} {state} cpus={cpus} az={}\n", zone % 3);
    }
    for (at, (cpus, limit, replicas, spread)) in services.iter().enumerate() {
        let spread = if *spread { "spread=node.labels.az" } else { "" };
        text += &format!("service s{at} cpus={cpus} max-per-node={limit} {spread}\n");
        for slot in 1..=*replicas {
            text += &format!("task s{at}.{slot} pending\n");
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_is_promised_twice_and_every_refusal_is_explained(
        nodes in prop::collection::vec((0_u8..8, any::<u8>(), any::<bool>()), 0..6),
        services in prop::collection::vec((0_u8..4, 0_u8..4, 0_u8..12, any::<bool>()), 1..4),
    ) {
        let text = cluster(&nodes, &services);
        let mut fixture = Fixture::new(&text);
        let printed = fixture.plan(plan);
        prop_assert_eq!(Fixture::new(&text).plan(plan), printed);
        let mut used: BTreeMap<String, u32> = BTreeMap::new();
        let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
        for task in fixture.state.tasks() {
            let service = task.service_name().to_owned();
            let Some(node) = task.node else {
                prop_assert!(task.status.err.starts_with("no suitable node"), "{}", task.status.err);
                *waiting.entry(service).or_default() += 1;
                continue;
            };
            let node = fixture.name(node.number());
            let (cpus, limit, ..) = services[service[1..].parse::<usize>().unwrap()];
            *used.entry(node.clone()).or_default() += u32::from(cpus);
            let count = counts.entry((service, node)).or_default();
            *count += 1;
            prop_assert!(limit == 0 || *count <= u32::from(limit));
        }
        for (at, (cpus, _, ready)) in nodes.iter().enumerate() {
            let used = used.get(&format!("n{at}")).copied().unwrap_or(0);
            prop_assert!(used <= u32::from(*cpus));
            let name = format!("n{at}");
            let is_used = counts.keys().any(|(_, node)| *node == name);
            prop_assert!(*ready || !is_used);
            // A task waits only if no node would take it.
            for service in waiting.keys() {
                let (wants, limit, ..) = services[service[1..].parse::<usize>().unwrap()];
                let count = counts.get(&(service.clone(), format!("n{at}"))).copied().unwrap_or(0);
                let fits = *ready
                    && (wants == 0 || used + u32::from(wants) <= u32::from(*cpus))
                    && (limit == 0 || count < u32::from(limit));
                prop_assert!(!fits, "{} would fit n{}", service, at);
            }
        }
        // With nothing in the way, the tasks of a service differ by one at most from node to node.
        for (at, (cpus, limit, _, spread)) in services.iter().enumerate() {
            if *cpus == 0 && *limit == 0 && !spread {
                let ready = nodes.iter().enumerate().filter(|(_, (.., ready))| *ready);
                let of = |node: usize| counts.get(&(format!("s{at}"), format!("n{node}"))).copied().unwrap_or(0);
                let counts: Vec<u32> = ready.map(|(node, _)| of(node)).collect();
                let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
                prop_assert!(most - least <= 1);
            }
        }
    }
}
