//! Services, held against what dockerd 28.5.2 answered to the same requests.

use serde_json::Value;

use super::super::validate::MAX_REPLICAS;
use super::*;
use crate::model::{Cluster, JoinTokens, RootCa, SwarmSpec, UpdateState};

/// One line for each request: what was posted, the status, and the spec that `GET` showed then, or the message.
/// `unhonoured` marks what dockerd takes and Gam must refuse. Ids of networks are written `<name>`.
const REFERENCE: &str = include_str!("reference.jsonl");

#[test]
fn answers_as_dockerd_does() {
    let (mut taken, mut refused, mut unhonoured) = (0, 0, 0);
    for line in REFERENCE.lines() {
        let mut world = World::new();
        let line = ["ov", "ov2", "ingress"]
            .iter()
            .fold(line.to_owned(), |line, name| line.replace(&format!("<{name}>"), &world.network(name).to_string()));
        let case: Value = serde_json::from_str(&line).unwrap();
        let post: ServiceSpec = json::from_value(&case["post"]).unwrap();
        let answer = world.create(post);
        if case["unhonoured"] == true {
            let (status, message) = shown(answer);
            assert_eq!(status, 501, "{line}");
            assert!(message.starts_with("rpc error: code = Unimplemented desc = "), "{message}");
            assert!(message.contains("not honoured by gam"), "{message}");
            unhonoured += 1;
        } else if case["status"] == 201 {
            let id = answer.unwrap_or_else(|refusal| panic!("{refusal}: {line}"));
            let kept = &world.service(id).spec;
            assert_eq!(as_printed(kept), case["answer"], "{line}");
            post_back(&mut world, id);
            taken += 1;
        } else {
            let (status, message) = shown(answer);
            assert_eq!(
                (status, message.as_str()),
                (case["status"].as_u64().unwrap() as u16, case["answer"].as_str().unwrap()),
                "{line}"
            );
            refused += 1;
        }
    }
    assert!(taken > 80 && refused > 80 && unhonoured > 1, "{taken} {refused} {unhonoured}");
}

/// A spec as a client reads it. Whether a whole number has a `.0` is no difference in JSON, but one to `Value`.
fn as_printed(spec: &ServiceSpec) -> Value {
    let text = serde_json::to_string(spec).unwrap();
    serde_json::from_str(&text.replace("\"MaxFailureRatio\":0.0,", "\"MaxFailureRatio\":0,")).unwrap()
}

/// What was read and is posted again is the same spec, so that no task is replaced.
fn post_back(world: &mut World, id: ServiceId) {
    let kept = world.service(id).spec.clone();
    let text = serde_json::to_string(&*kept).unwrap();
    world.update(id, spec(&text)).unwrap();
    assert_eq!(world.service(id).spec, kept, "{text}");
    assert_eq!(world.service(id).previous_spec.as_ref(), Some(&kept));
    assert_eq!(world.service(id).update_status, None);
}

#[test]
fn keeps_more_than_dockerd() {
    for (task, kept) in [
        (
            r#"{"ContainerSpec":{"Image":"a","Mounts":[{"Type":"bind","Source":"/a","Target":"/b","BindOptions":{"CreateMountpoint":true}}]}}"#,
            r#""BindOptions":{"Propagation":"rprivate","CreateMountpoint":true}"#,
        ),
        (
            r#"{"ContainerSpec":{"Image":"a"},"Resources":{"SwapBytes":-1,"MemorySwappiness":0}}"#,
            r#""Resources":{"SwapBytes":-1,"MemorySwappiness":0}"#,
        ),
    ] {
        let mut world = World::new();
        let id = world.create(spec(&format!(r#"{{"Name":"web","TaskTemplate":{task}}}"#))).unwrap();
        let text = serde_json::to_string(&*world.service(id).spec).unwrap();
        assert!(text.contains(kept), "{text}");
        post_back(&mut world, id);
    }
}

#[test]
fn mounts_of_images_are_for_containers_only() {
    for kind in ["image", "Image", "odd"] {
        let mount = format!(r#"{{"Type":"{kind}","Source":"busybox","Target":"/x"}}"#);
        let task = format!(r#"{{"Name":"web","TaskTemplate":{{"ContainerSpec":{{"Image":"a","Mounts":[{mount}]}}}}}}"#);
        let refusal = shown(World::new().create(spec(&task)));
        assert_eq!(refusal, (400, format!("invalid MountType: \"{kind}\"")));
    }
}

#[test]
fn networks_of_the_service_stay_there_until_they_are_moved() {
    let mut world = World::new();
    let ov = world.network("ov").to_string();
    let sent = r#","Networks":[{"Target":"ov","Aliases":["a"]}]"#;
    let id = world.create(web(sent)).unwrap();
    let kept = world.service(id).spec.clone();
    assert!(kept.task_template.networks.is_empty());
    let attachment = &kept.networks[0];
    assert_eq!((attachment.target.as_str(), &attachment.aliases[..]), (ov.as_str(), &["a".to_owned()][..]));
    post_back(&mut world, id);
    world.update(id, web(sent)).unwrap();
    let refusal = "rpc error: code = Unimplemented desc = networks must be migrated to TaskSpec before being changed";
    for changed in [r#","Networks":[{"Target":"ov2"}]"#, ""] {
        assert_eq!(shown(world.update(id, web(changed))), (501, refusal.to_owned()));
    }
    // Where the task has networks of its own, those of the service are nobody's, and are not even looked up.
    let both = r#","TaskTemplate":{"ContainerSpec":{"Image":"a"},"Networks":[{"Target":"ov"}]},"Networks":[{"Target":"nope"}]"#;
    world.update(id, web(both)).unwrap();
    let kept = &world.service(id).spec;
    assert_eq!((kept.networks[0].target.as_str(), kept.task_template.networks[0].target.as_str()), ("nope", &*ov));
}

#[test]
fn networks_are_found_by_name_id_and_prefix() {
    let mut world = World::new();
    let id = world.network("ov").to_string();
    for (at, target) in ["ov", &id, &id[..12]].into_iter().enumerate() {
        let text = format!(
            r#"{{"Name":"n{at}","TaskTemplate":{{"ContainerSpec":{{"Image":"a"}},"Networks":[{{"Target":"{target}"}}]}}}}"#
        );
        let service = world.create(spec(&text)).unwrap();
        assert_eq!(world.service(service).spec.task_template.networks[0].target, id);
    }
    for (target, status, message) in [
        ("nope", 500, "network nope not found"),
        ("none", 404, "could not find the corresponding predefined swarm network: network none not found"),
        (
            "docker_gwbridge",
            403,
            "The network docker_gwbridge cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.",
        ),
    ] {
        let refusal = world.create(web(&format!(r#","Networks":[{{"Target":"{target}"}}]"#)));
        assert_eq!(shown(refusal), (status, message.to_owned()));
    }
}

#[test]
fn a_name_is_given_once() {
    let mut world = World::new();
    world.create(web("")).unwrap();
    for name in ["web", "Web"] {
        let refusal = world.create(ServiceSpec { name: name.into(), ..web("") });
        let message = format!(
            "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service {name} already exists"
        );
        assert_eq!(shown(refusal), (409, message));
    }
    let one = world.create(ServiceSpec { name: String::new(), ..web("") }).unwrap();
    let other = world.create(ServiceSpec { name: String::new(), ..web("") }).unwrap();
    assert_ne!(world.service(one).name(), world.service(other).name());
}

#[test]
fn the_port_of_the_swarms_own_packets_is_not_published() {
    let mut world = World::new();
    world.apply(vec![Change::ClusterCreate(Box::new(Cluster {
        id: 1.into(),
        meta: Meta::default(),
        spec: SwarmSpec::default(),
        root_ca: RootCa::default(),
        join_tokens: JoinTokens::default(),
        unlock_key: String::new(),
        default_addr_pool: Vec::new(),
        subnet_size: 24,
        data_path_port: 4789,
    }))]);
    let published = |words: &str| web(&format!(r#","EndpointSpec":{{"Ports":[{{"TargetPort":80,{words}}}]}}"#));
    let message = "rpc error: code = InvalidArgument desc = port '4789' is already in use by the swarm as its data path port over udp";
    for mode in ["ingress", "host"] {
        let spec = published(&format!(r#""Protocol":"udp","PublishedPort":4789,"PublishMode":"{mode}""#));
        assert_eq!(shown(world.create(spec)), (400, message.to_owned()), "{mode}");
    }
    world.create(published(r#""Protocol":"tcp","PublishedPort":4789,"PublishMode":"ingress""#)).unwrap();
}

#[test]
fn published_ports_are_compared_with_other_services() {
    let mut world = World::new();
    let host = r#","EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":8086,"PublishMode":"host"}]}"#;
    let ingress = host.replace("host", "ingress");
    let web_id = world.create(web(host)).unwrap();
    let other = |more: &str| ServiceSpec { name: "other".into(), ..web(more) };
    let message = format!(
        "rpc error: code = InvalidArgument desc = port '8086' is already in use by service 'web' ({web_id}) as a host-published port"
    );
    assert_eq!(shown(world.create(other(&ingress))), (400, message));
    world.create(other(host)).unwrap();
    let mesh = world.create(ServiceSpec { name: "mesh".into(), ..web(&ingress.replace("8086", "90")) }).unwrap();
    let message = format!(
        "rpc error: code = InvalidArgument desc = port '90' is already in use by service 'mesh' ({mesh}) as an ingress port"
    );
    let third = |more: &str| ServiceSpec { name: "third".into(), ..web(&more.replace("8086", "90")) };
    assert_eq!(shown(world.create(third(host))), (400, message.clone()));
    assert_eq!(shown(world.create(third(&ingress))), (400, message));
    world.create(third(&host.replace(r#""TargetPort""#, r#""Protocol":"udp","TargetPort""#))).unwrap();
}

#[test]
fn ingress_ports_need_the_ingress_network() {
    let port = r#","EndpointSpec":{"Ports":[{"TargetPort":80}]}"#;
    assert_eq!(
        shown(World::empty().create(web(port))),
        (400, "rpc error: code = FailedPrecondition desc = service needs ingress network, but no ingress network is present".to_owned())
    );
    let mut world = World::new();
    let id = world.create(web(port)).unwrap();
    assert_eq!(world.service(id).spec.endpoint_spec.as_ref().unwrap().ports[0].publish_mode, "ingress");
}

#[test]
fn what_is_not_honoured_is_refused() {
    for (more, sentence) in [
        (
            r#","TaskTemplate":{"ContainerSpec":{"Image":"a","Mounts":[{"Type":"cluster","Target":"/a"}]}}"#,
            "mounts of type cluster are not honoured by gam yet; use a volume",
        ),
        (
            r#","EndpointSpec":{"Ports":[{"TargetPort":70000}]}"#,
            "published ports above 65535 are not honoured by gam; give numbers from 1 to 65535",
        ),
        (
            r#","EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":70000}]}"#,
            "published ports above 65535 are not honoured by gam; give numbers from 1 to 65535",
        ),
    ] {
        let message = format!("rpc error: code = Unimplemented desc = {sentence}");
        assert_eq!(shown(World::new().create(web(more))), (501, message));
    }
    let mut world = World::new();
    let without_target = world.create(web(r#","EndpointSpec":{"Ports":[{"PublishedPort":9001}]}"#)).unwrap();
    assert_eq!(world.service(without_target).spec.endpoint_spec.as_ref().unwrap().ports[0].target_port, 0);
    let id = world.create(ServiceSpec { name: "other".into(), ..web("") }).unwrap();
    let (status, _) = shown(world.update(
        id,
        web(r#","TaskTemplate":{"ContainerSpec":{"Image":"a","Mounts":[{"Type":"cluster","Target":"/a"}]}}"#),
    ));
    assert_eq!(status, 501);
}

#[test]
fn templates_are_tried_out_for_a_task_that_does_not_exist() {
    let with = |container: &str| web(&format!(r#","TaskTemplate":{{"ContainerSpec":{{"Image":"a",{container}}}}}"#));
    for good in [
        r#""Env":["A={{.Node.ID}}","B={{index .Service.Labels \"x\"}}","{{.Nope}}"],"Hostname":"{{.Task.Slot}}""#,
        r#""Mounts":[{"Type":"volume","Source":"{{.Task.ID}}","Target":"/a"},{"Type":"volume","Target":"/{{.Task.ID}}"}]"#,
    ] {
        let mut world = World::new();
        let id = world.create(with(good)).unwrap();
        let container = world.service(id).spec.task_template.container_spec.clone().unwrap();
        assert!(format!("{container:?}").contains("{{."), "what is kept is the template");
    }
    let env = "expanding env failed: expanding env \"A={{.Nope}}\": template: expansion:1:2: executing \"expansion\" at \
               <.Nope>: can't evaluate field Nope in type *template.Context";
    let labels = "expanding hostname failed: template: expansion:1:10: executing \"expansion\" at \
                  <.Service.Labels.x>: map has no entry for key \"x\"";
    let target = "expanding mounts failed: expanding mount target \"/{{\": template: expansion:1: unclosed action";
    let long = r#"expanding hostname failed: template: expansion:1:8: executing "expansion" at <99999999>: the template does too much; make it shorter"#;
    let twice = "ContainerSpec: duplicate mount point: /servicename";
    for (bad, sentence) in [
        (r#""Env":["A={{.Nope}}"]"#, env),
        (r#""Hostname":"{{.Service.Labels.x}}""#, labels),
        // All of a service has one limit.
        (
            r#""Env":["A={{range 40000}}{{end}}","B={{range 40000}}{{end}}"],"Hostname":"{{range 99999999}}{{end}}""#,
            long,
        ),
        (r#""Mounts":[{"Type":"tmpfs","Target":"/{{"}]"#, target),
        (
            r#""Mounts":[{"Type":"tmpfs","Target":"/{{.Service.Name}}"},{"Type":"tmpfs","Target":"/servicename"}]"#,
            twice,
        ),
    ] {
        let message = format!("rpc error: code = InvalidArgument desc = {sentence}");
        assert_eq!(shown(World::new().create(with(bad))), (400, message));
    }
}

#[test]
fn a_slip_of_the_finger_is_refused() {
    let many = format!(r#","Mode":{{"Replicated":{{"Replicas":{}}}}}"#, MAX_REPLICAS + 1);
    assert_eq!(
        shown(World::new().create(web(&many))),
        (400, "rpc error: code = InvalidArgument desc = Number of replicas must be at most 1000000".to_owned())
    );
    let many = format!(r#","Mode":{{"ReplicatedJob":{{"TotalCompletions":{}}}}}"#, MAX_REPLICAS + 1);
    assert_eq!(
        shown(World::new().create(web(&many))),
        (400, "rpc error: code = InvalidArgument desc = Total completed jobs must be at most 1000000".to_owned())
    );
}

#[test]
fn every_update_of_a_job_is_another_execution() {
    let mut world = World::new();
    let job = || web(r#","Mode":{"ReplicatedJob":{}}"#);
    let id = world.create(job()).unwrap();
    let first = world.service(id).job.unwrap();
    assert_eq!(first.iteration, 0);
    world.update(id, job()).unwrap();
    assert_eq!(world.service(id).job.unwrap().iteration, 1);
    // What is no job has no executions.
    let plain = world.create(ServiceSpec { name: "plain".into(), ..web("") }).unwrap();
    assert_eq!(world.service(plain).job, None);
}

#[test]
fn updates_are_refused_in_dockerds_order() {
    let mut world = World::new();
    let id = world.create(web("")).unwrap();
    let ask = |world: &mut World, spec: ServiceSpec, version: u64, rollback: bool| {
        shown(world.ask(updated(id, spec, version, rollback)))
    };
    let version = world.service(id).meta.version;
    let no_previous = format!("rpc error: code = FailedPrecondition desc = service {id} does not have a previous spec");
    let renamed = ServiceSpec { name: "wob".into(), ..web("") };
    let unnamed = ServiceSpec { name: String::new(), ..web("") };
    let bare = ServiceSpec { name: "web".into(), ..ServiceSpec::default() };
    let global = r#","Mode":{"Global":{}}"#;
    let job = r#","Mode":{"ReplicatedJob":{}},"UpdateConfig":{}"#;
    for (spec, version, rollback, status, message) in [
        (web(""), 77, false, 500, "rpc error: code = Unknown desc = update out of sequence"),
        (web(""), 77, true, 400, no_previous.as_str()),
        (web(""), version, true, 400, no_previous.as_str()),
        (web(global), 77, false, 501, "rpc error: code = Unimplemented desc = service mode change is not allowed"),
        (
            ServiceSpec { name: "wob".into(), ..web(global) },
            77,
            false,
            501,
            "rpc error: code = Unimplemented desc = service mode change is not allowed",
        ),
        (renamed, 77, false, 501, "rpc error: code = Unimplemented desc = renaming services is not supported"),
        (unnamed, version, false, 501, "rpc error: code = Unimplemented desc = renaming services is not supported"),
        (web(r#","Networks":[{"Target":"nope"}]"#), 77, false, 500, "network nope not found"),
        (bare, version, true, 400, "mismatched Runtime and *Spec fields"),
        (web(job), 77, false, 400, "rpc error: code = InvalidArgument desc = Jobs may not have an update config"),
    ] {
        assert_eq!(ask(&mut world, spec, version, rollback), (status, message.to_owned()));
    }
    world.ask(Request::ServiceRemove { id }).unwrap();
    let message = format!("rpc error: code = NotFound desc = service {id} not found");
    assert_eq!(ask(&mut world, web(""), version, false), (404, message.clone()));
    assert_eq!(shown(world.ask(Request::ServiceRemove { id })), (404, message));
}

#[test]
fn an_update_keeps_what_was_and_a_rollback_swaps() {
    let mut world = World::new();
    let id = world.create(web("")).unwrap();
    let first = world.service(id).spec.clone();
    world.update(id, web(r#","Mode":{"Replicated":{"Replicas":3}}"#)).unwrap();
    let second = world.service(id).spec.clone();
    assert_eq!(second.mode.replicated.as_ref().unwrap().replicas, Some(3));
    assert_eq!(world.service(id).previous_spec, Some(first.clone()));

    let (version, now) = (world.service(id).meta.version, world.now);
    world.ask(updated(id, web(""), version, true)).unwrap();
    let service = world.service(id);
    assert_eq!((&service.spec, service.previous_spec.as_ref()), (&first, Some(&second)));
    let status = service.update_status.clone().unwrap();
    assert_eq!((status.state, status.started_at, status.completed_at), (UpdateState::RollbackStarted, Some(now), None));
    assert_eq!(status.message, "manually requested rollback");

    // An update that changes nothing still makes the present spec the previous one, and forgets the rollback.
    world.update(id, web("")).unwrap();
    let service = world.service(id);
    assert_eq!((service.previous_spec.as_ref(), &service.update_status), (Some(&first), &None));
}

#[test]
fn the_progress_of_an_update_makes_no_other_one_stale() {
    let mut world = World::new();
    let id = world.create(web("")).unwrap();
    let version = world.service(id).meta.version;
    let ask = |world: &mut World| world.ask(updated(id, web(""), version, false));
    world.apply(vec![Change::ServiceEndpoint { id, endpoint: Default::default() }]);
    world.apply(vec![Change::ServiceUpdateStatus { id, status: None }]);
    assert!(world.service(id).meta.version > version);
    ask(&mut world).unwrap();
    assert_eq!(shown(ask(&mut world)).1, "rpc error: code = Unknown desc = update out of sequence");
}

#[test]
fn of_two_updates_in_one_step_the_second_is_stale() {
    let mut world = World::new();
    let id = world.create(web("")).unwrap();
    let version = world.service(id).meta.version;
    let mut plan = Plan::new(&world.state, world.now, &mut world.ids);
    let request = || updated(id, web(""), version, false);
    handle(&mut plan, request()).unwrap();
    assert_eq!(shown(handle(&mut plan, request())).1, "rpc error: code = Unknown desc = update out of sequence");
}
