use std::sync::Arc;

use super::*;
use crate::model::*;

pub(crate) fn task(spec: ServiceSpec) -> Task {
    Task {
        id: TaskId::from(7),
        meta: Meta::default(),
        service: Some(ServiceId::from(8)),
        slot: 1,
        node: Some(NodeId::from(9)),
        origin: Arc::new(spec),
        desired: TaskState::Running,
        status: TaskStatus { state: TaskState::Assigned, ..TaskStatus::default() },
        networks: Vec::new(),
        generic: Vec::new(),
        default_log_driver: None,
        restart: RestartPlan::default(),
        parting: None,
        iteration: None,
    }
}

pub(crate) fn host() -> Host {
    Host { node: NodeId::from(9), hostname: "host1".into(), architecture: "x86_64".into(), os: "linux".into() }
}

fn service(container: Value) -> ServiceSpec {
    crate::json::from_value(&json!({
        "Name": "web",
        "Labels": { "tier": "front" },
        "TaskTemplate": { "ContainerSpec": container },
    }))
    .unwrap()
}

fn places(socket: Option<&Path>) -> Places<'_> {
    Places { socket, files: Path::new("/run/gam/tasks") }
}

fn body(spec: ServiceSpec) -> Value {
    create_body(&task(spec), &host(), &[], places(None)).unwrap()
}

const ID7: &str = "0000000000000000000000007";

#[test]
fn a_plain_task() {
    let made = body(service(json!({ "Image": "busybox", "Args": ["sleep", "1"] })));
    assert_eq!(
        made,
        json!({
            "Image": "busybox:latest",
            "Labels": {
                "com.docker.swarm.node.id": "0000000000000000000000009",
                "com.docker.swarm.service.id": "0000000000000000000000008",
                "com.docker.swarm.service.name": "web",
                "com.docker.swarm.task": "",
                "com.docker.swarm.task.id": ID7,
                "com.docker.swarm.task.name": format!("web.1.{ID7}"),
            },
            "Env": [],
            "Tty": false,
            "OpenStdin": false,
            "Cmd": ["sleep", "1"],
            "HostConfig": {
                "NetworkMode": "bridge",
                "PortBindings": {},
                "RestartPolicy": { "Name": "no" },
                "Isolation": "default",
                "ReadonlyRootfs": false,
                "OomScoreAdj": 0,
                "Ulimits": [],
            },
            "NetworkingConfig": { "EndpointsConfig": {} },
        })
    );
}

#[test]
fn every_field_of_the_spec_reaches_the_engine() {
    let made = body(service(json!({
        "Image": "a", "Command": ["/bin/x"], "Args": ["y"], "Hostname": "h", "User": "u", "Groups": ["5"], "Dir": "/w",
        "StopSignal": "SIGINT", "TTY": true, "OpenStdin": true, "ReadOnly": true, "Init": true, "OomScoreAdj": 3,
        "Labels": { "x": "y", "com.docker.swarm.task.id": "forged" },
        "Hosts": ["1.2.3.4 foo bar", "broken"],
        "DNSConfig": { "Nameservers": ["1.1.1.1"], "Search": ["a.b"], "Options": ["ndots:1"] },
        "Sysctls": { "a": "1" }, "CapabilityAdd": ["CAP_NET_ADMIN"], "CapabilityDrop": ["ALL"],
        "Ulimits": [{ "Name": "nofile", "Soft": 1, "Hard": 2 }],
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 5, "Retries": 2 },
        "Privileges": { "NoNewPrivileges": true },
    })));
    let host = &made["HostConfig"];
    for (found, wanted) in [
        (&made["Entrypoint"], json!(["/bin/x"])),
        (&made["Cmd"], json!(["y"])),
        (&made["Hostname"], json!("h")),
        (&made["User"], json!("u")),
        (&made["WorkingDir"], json!("/w")),
        (&made["StopSignal"], json!("SIGINT")),
        (&made["Tty"], json!(true)),
        (&made["OpenStdin"], json!(true)),
        (&made["Healthcheck"], json!({ "Test": ["CMD", "true"], "Interval": 5, "Retries": 2 })),
        (&made["Labels"]["x"], json!("y")),
        (&made["Labels"]["com.docker.swarm.task.id"], json!(ID7)),
        (&host["GroupAdd"], json!(["5"])),
        (&host["ReadonlyRootfs"], json!(true)),
        (&host["Init"], json!(true)),
        (&host["OomScoreAdj"], json!(3)),
        (&host["ExtraHosts"], json!(["foo:1.2.3.4"])),
        (&host["Dns"], json!(["1.1.1.1"])),
        (&host["DnsSearch"], json!(["a.b"])),
        (&host["DnsOptions"], json!(["ndots:1"])),
        (&host["Sysctls"], json!({ "a": "1" })),
        (&host["CapAdd"], json!(["CAP_NET_ADMIN"])),
        (&host["CapDrop"], json!(["ALL"])),
        (&host["Ulimits"], json!([{ "Name": "nofile", "Hard": 2, "Soft": 1 }])),
        (&host["SecurityOpt"], json!(["no-new-privileges=true"])),
    ] {
        assert_eq!(*found, wanted);
    }
}

#[test]
fn limits_become_limits_and_reservations_do_not() {
    for (resources, wanted) in [
        (
            json!({ "Limits": { "NanoCPUs": 5, "MemoryBytes": 64, "Pids": 9 } }),
            [json!(5), json!(64), json!(9), json!(null)],
        ),
        (json!({ "Limits": { "MemoryBytes": 64 }, "SwapBytes": 10 }), [json!(null), json!(64), json!(null), json!(74)]),
        (json!({ "Limits": { "MemoryBytes": 64 }, "SwapBytes": -1 }), [json!(null), json!(64), json!(null), json!(-1)]),
        (json!({ "Limits": { "Pids": 1 }, "SwapBytes": 10 }), [json!(null), json!(null), json!(1), json!(null)]),
        (json!({ "Reservations": { "MemoryBytes": 64 } }), [json!(null), json!(null), json!(null), json!(null)]),
    ] {
        let mut spec = service(json!({ "Image": "a" }));
        spec.task_template.resources = Some(crate::json::from_value(&resources).unwrap());
        spec.task_template.log_driver = Some(Driver { name: "local".into(), options: StringMap::new() });
        let host = &body(spec)["HostConfig"];
        let found = ["NanoCpus", "Memory", "PidsLimit", "MemorySwap"].map(|name| host[name].clone());
        assert_eq!(found, wanted, "{resources}");
        assert_eq!(host["LogConfig"], json!({ "Type": "local", "Config": {} }));
    }
}

#[test]
fn only_host_ports_are_bound() {
    let mut spec = service(json!({ "Image": "a" }));
    spec.endpoint_spec = Some(
        crate::json::from_value(&json!({ "Ports": [
            { "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress", "Protocol": "tcp" },
            { "TargetPort": 81, "PublishedPort": 8181, "PublishMode": "host" },
            { "TargetPort": 53, "PublishMode": "host", "Protocol": "udp" },
        ]}))
        .unwrap(),
    );
    let made = body(spec);
    assert_eq!(made["ExposedPorts"], json!({ "81/tcp": {}, "53/udp": {} }));
    assert_eq!(
        made["HostConfig"]["PortBindings"],
        json!({ "81/tcp": [{ "HostPort": "8181" }], "53/udp": [{ "HostPort": "" }] })
    );
}

#[test]
fn networks_keep_address_and_mac() {
    let attachment = Attachment {
        network: None,
        addresses: vec!["fd00::2/64".into(), "10.0.1.3/24".into()],
        aliases: vec!["db".into()],
    };
    let options = [("foo".to_owned(), "bar".to_owned())].into();
    let overlay = EngineEndpoint { options, ..EngineEndpoint::new("gam-ov".into(), &attachment) };
    let task = task(service(json!({ "Image": "a" })));
    let made = create_body(&task, &host(), &[overlay], places(None)).unwrap();
    assert_eq!(made["HostConfig"]["NetworkMode"], "bridge");
    assert_eq!(
        made["NetworkingConfig"]["EndpointsConfig"],
        json!({ "gam-ov": {
            "IPAMConfig": { "IPv4Address": "10.0.1.3", "IPv6Address": "fd00::2" },
            "MacAddress": "02:42:0a:00:01:03",
            "DriverOpts": { "foo": "bar" },
        } })
    );
    assert_eq!(made["HostConfig"]["Dns"], json!(null));
    let on_host = EngineEndpoint::new("host".into(), &Attachment::default());
    let made = create_body(&task, &host(), &[on_host], places(None)).unwrap();
    assert_eq!(made["HostConfig"]["NetworkMode"], "host");
    assert_eq!(made["NetworkingConfig"]["EndpointsConfig"], json!({ "host": {} }));
}

#[test]
fn the_way_out_leads_through_the_routing_mesh() {
    let task = task(service(json!({ "Image": "a" })));
    let endpoint =
        |network: &str, leads| EngineEndpoint { network: network.into(), leads, ..EngineEndpoint::default() };
    let made = create_body(&task, &host(), &[endpoint("mesh", true), endpoint("net", false)], places(None)).unwrap();
    let endpoints = &made["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!((&endpoints["mesh"], &endpoints["net"]), (&json!({ "GwPriority": 100 }), &json!({})));
}

#[test]
fn the_swarms_resolver_is_asked_before_the_users() {
    let dns = json!({ "Nameservers": ["1.1.1.1"], "Search": ["a.b"], "Options": ["ndots:2", "timeout:1"] });
    let task = task(service(json!({ "Image": "a", "DNSConfig": dns })));
    let endpoint = |resolver: &str| EngineEndpoint { resolver: resolver.parse().ok(), ..EngineEndpoint::default() };
    let made = create_body(&task, &host(), &[endpoint("10.0.0.1"), endpoint("10.0.1.1")], places(None)).unwrap();
    let host = &made["HostConfig"];
    // The routing mesh is the first network of a task that is on it.
    assert_eq!(host["Dns"], json!(["10.0.1.1", "1.1.1.1"]));
    assert_eq!((&host["DnsSearch"], &host["DnsOptions"]), (&json!(["a.b"]), &json!(["timeout:1"])));
}

#[test]
fn the_engines_socket_becomes_gams() {
    for (kind, source, rewritten) in [
        ("bind", "/var/run/docker.sock", true),
        ("bind", "//var/run/docker.sock", true),
        ("bind", "/run/./docker.sock", true),
        ("bind", "/srv/..//run/docker.sock", true),
        ("bind", "/var/run", false),
        ("bind", "/srv/var/run/docker.sock", false),
        ("volume", "docker.sock", false),
    ] {
        let spec = service(json!({ "Image": "a", "Mounts": [
            { "Type": kind, "Source": source, "Target": "/var/run/docker.sock", "ReadOnly": true,
                "BindOptions": { "CreateMountpoint": true } },
        ]}));
        let socket = Path::new("/run/gam/docker.sock");
        let made = create_body(&task(spec.clone()), &host(), &[], places(Some(socket))).unwrap();
        let mount = &made["HostConfig"]["Mounts"][0];
        assert_eq!(mount["Source"], if rewritten { "/run/gam/docker.sock" } else { source });
        assert_eq!(mount["BindOptions"]["CreateMountpoint"].is_null(), rewritten);
        assert_eq!((&mount["Target"], &mount["ReadOnly"]), (&json!("/var/run/docker.sock"), &json!(true)));
        assert_eq!(body(spec)["HostConfig"]["Mounts"][0]["Source"], source);
    }
}

#[test]
fn options_of_a_volume_have_their_maps() {
    for (options, made) in [
        (json!({ "NoCopy": true }), json!({ "NoCopy": true, "Labels": {} })),
        (json!({ "Labels": { "a": "b" } }), json!({ "Labels": { "a": "b" } })),
        (
            json!({ "DriverConfig": { "Name": "local" } }),
            json!({ "Labels": {}, "DriverConfig": { "Name": "local", "Options": {} } }),
        ),
    ] {
        let mount = json!({ "Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": options });
        let made_of = body(service(json!({ "Image": "a", "Mounts": [mount] })));
        assert_eq!(made_of["HostConfig"]["Mounts"][0]["VolumeOptions"], made);
    }
    let plain = json!([{ "Type": "volume", "Source": "v", "Target": "/v" }]);
    assert_eq!(body(service(json!({ "Image": "a", "Mounts": plain.clone() })))["HostConfig"]["Mounts"], plain);
}

#[test]
fn isolation_that_linux_does_not_have() {
    for (isolation, refusal) in [
        ("", None),
        ("default", None),
        ("hyperv", Some("invalid isolation 'hyperv' on linux")),
        ("process", Some("invalid isolation 'process' on linux")),
    ] {
        let task = task(service(json!({ "Image": "a", "Isolation": isolation })));
        assert_eq!(check(&task, &host()).err().map(|error| error.to_string()).as_deref(), refusal);
    }
}

#[test]
fn mounts_that_docker_refuses() {
    for (mount, sentence) in [
        (json!({ "Type": "bind", "Source": "/a", "Target": "b" }), "invalid mount target, must be an absolute path: b"),
        (
            json!({ "Type": "bind", "Source": "a", "Target": "/b" }),
            "invalid bind mount source, must be an absolute path: a",
        ),
        (
            json!({ "Type": "volume", "Source": "/a", "Target": "/b" }),
            "invalid volume mount source, must not be an absolute path: /a",
        ),
        (json!({ "Type": "tmpfs", "Source": "a", "Target": "/b" }), "invalid tmpfs source, source must be empty"),
        (json!({ "Type": "odd", "Target": "/b" }), "invalid mount type: odd"),
    ] {
        let task = task(service(json!({ "Image": "a", "Mounts": [mount] })));
        assert_eq!(check(&task, &host()).unwrap_err().to_string(), sentence);
    }
    let nothing = task(service(json!({})));
    assert_eq!(check(&nothing, &host()).unwrap_err().to_string(), "dockerexec: image required");
}

#[test]
fn placeholders_are_expanded() {
    for (text, expanded) in [
        ("plain", "plain"),
        ("{{.Service.Name}}-{{ .Task.Slot }}", "web-1"),
        ("{{.Node.Hostname}}/{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}", "host1/linux/x86_64"),
        ("{{.Service.Labels.tier}} {{index .Service.Labels \"tier\"}}", "front front"),
        ("{{index .Service.Labels \"absent\"}}", ""),
        ("{{join \"-\" .Service.Name \"a\" `b`}}", "web-a-b"),
        ("a {{- .Task.Slot -}} b", "a1b"),
        ("{{/* nothing */}}{{\"{{\"}}", "{{"),
        ("{{.Service.Labels}}", "map[tier:front]"),
    ] {
        let made = body(service(json!({ "Image": "a", "Hostname": text, "Env": [format!("X={text}"), "Y"] })));
        assert_eq!(made["Hostname"].as_str().unwrap_or_default(), expanded, "{text}");
        assert_eq!(made["Env"], json!([format!("X={expanded}"), "Y"]));
    }
    let named = body(service(json!({ "Image": "a", "Hostname": "{{.Task.Name}}", "Mounts": [
        { "Type": "volume", "Source": "v-{{.Task.Slot}}", "Target": "/{{.Service.Name}}" },
    ]})));
    assert_eq!(named["Hostname"], format!("web.1.{ID7}"));
    assert_eq!(named["HostConfig"]["Mounts"], json!([{ "Type": "volume", "Source": "v-1", "Target": "/web" }]));
}

#[test]
fn wrong_placeholders_are_refused_in_swarmkits_words() {
    for (text, sentence) in [
        (
            "{{.Nope}}",
            "expanding env failed: expanding env \"X={{.Nope}}\": template: expansion:1:2: executing \"expansion\" at \
             <.Nope>: can't evaluate field Nope in type *template.Context",
        ),
        (
            "{{.Service.Labels.x}}",
            "expanding env failed: expanding env \"X={{.Service.Labels.x}}\": template: expansion:1:10: executing \
             \"expansion\" at <.Service.Labels.x>: map has no entry for key \"x\"",
        ),
        (
            "{{.Task.Slot",
            "expanding env failed: expanding env \"X={{.Task.Slot\": template: expansion:1: unclosed action",
        ),
    ] {
        let task = task(service(json!({ "Image": "a", "Env": [format!("X={text}")] })));
        assert_eq!(check(&task, &host()).unwrap_err().to_string(), sentence);
    }
    for text in ["{{if true}}x", "{{nope}}", "{{}}", "{{\"a}}"] {
        let task = task(service(json!({ "Image": "a", "Hostname": text })));
        assert!(check(&task, &host()).is_err(), "{text}");
    }
}
