//! Services, held against what dockerd 28.5.2 answered to the same requests.

use serde_json::Value;

use super::super::validate::MAX_REPLICAS;
use super::*;
use crate::model::UpdateState;

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
    assert!(taken > 80 && refused > 80 && unhonoured > 15, "{taken} {refused} {unhonoured}");
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
fn networks_of_the_service_move_into_the_task() {
    let mut world = World::new();
    let ov = world.network("ov").to_string();
    let id = world.create(web(r#","Networks":[{"Target":"ov","Aliases":["a"]}]"#)).unwrap();
    let kept = world.service(id).spec.clone();
    assert!(kept.networks.is_empty());
    assert_eq!(
        (kept.task_template.networks[0].target.as_str(), &kept.task_template.networks[0].aliases[..]),
        (ov.as_str(), &["a".to_owned()][..])
    );
    post_back(&mut world, id);
    // Where the task has networks of its own, those of the service are nobody's, and are not even looked up.
    let both = r#","TaskTemplate":{"ContainerSpec":{"Image":"a"},"Networks":[{"Target":"ov"}]},"Networks":[{"Target":"nope"}]"#;
    world.update(id, web(both)).unwrap();
    assert_eq!((world.service(id).spec.networks.len(), world.service(id).spec.task_template.networks.len()), (0, 1));
    // A client that only knows the old place may go on using it.
    world.update(id, web(r#","Networks":[{"Target":"ov2"}]"#)).unwrap();
    assert_eq!(world.service(id).spec.task_template.networks[0].target, world.network("ov2").to_string());
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
    // A service of a later version of Gam, or of this one once it publishes ports on every node.
    let taken =
        super::super::validate::normalise(ServiceSpec { name: "mesh".into(), ..web(&ingress.replace("8086", "90")) });
    let mesh = world.ids.fresh::<ServiceId>();
    world.apply(vec![Change::ServiceCreate { id: mesh, spec: Box::new(taken.unwrap()) }]);
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
    assert_eq!(
        shown(World::new().create(web(port))),
        (501, "rpc error: code = Unimplemented desc = published ports in ingress mode are not honoured by gam yet; use mode=host".to_owned())
    );
}

#[test]
fn what_is_not_honoured_is_refused() {
    for (more, sentence) in [
        (r#","Mode":{"GlobalJob":{}}"#, "jobs are not honoured by gam yet; use a replicated or a global service"),
        (
            r#","TaskTemplate":{"ContainerSpec":{"Image":"a","Env":["A={{.Node.ID}}"]}}"#,
            "templates in environment, hostname and mounts are not honoured by gam yet; write the value out",
        ),
        (
            r#","TaskTemplate":{"ContainerSpec":{"Image":"a","Mounts":[{"Type":"cluster","Target":"/a"}]}}"#,
            "mounts of type cluster are not honoured by gam yet; use a volume",
        ),
    ] {
        let message = format!("rpc error: code = Unimplemented desc = {sentence}");
        assert_eq!(shown(World::new().create(web(more))), (501, message));
    }
    let mut world = World::new();
    let id = world.create(web("")).unwrap();
    let (status, _) = shown(world.update(id, web(r#","EndpointSpec":{"Ports":[{"TargetPort":80}]}"#)));
    assert_eq!(status, 501);
}

#[test]
fn a_slip_of_the_finger_is_refused() {
    let many = format!(r#","Mode":{{"Replicated":{{"Replicas":{}}}}}"#, MAX_REPLICAS + 1);
    assert_eq!(
        shown(World::new().create(web(&many))),
        (400, "rpc error: code = InvalidArgument desc = Number of replicas must be at most 1000000".to_owned())
    );
}

#[test]
fn updates_are_refused_in_dockerds_order() {
    let mut world = World::new();
    let id = world.create(web("")).unwrap();
    let ask = |world: &mut World, spec: ServiceSpec, version: u64, rollback: bool| {
        shown(world.ask(Request::ServiceUpdate { id, spec: Box::new(spec), version, rollback }))
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
    world.ask(Request::ServiceUpdate { id, spec: Box::new(web("")), version, rollback: true }).unwrap();
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
    let ask =
        |world: &mut World| world.ask(Request::ServiceUpdate { id, spec: Box::new(web("")), version, rollback: false });
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
    let request = || Request::ServiceUpdate { id, spec: Box::new(web("")), version, rollback: false };
    handle(&mut plan, request()).unwrap();
    assert_eq!(shown(handle(&mut plan, request())).1, "rpc error: code = Unknown desc = update out of sequence");
}
