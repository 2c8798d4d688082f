//! What becomes of the credential of a service, as in `moby: daemon/cluster/services.go`.

use super::*;
use crate::model::Credential;
use crate::state::codec::{decode_proposal, decode_state, encode_proposal, encode_state};

fn credential(text: &str) -> CredentialFrom {
    CredentialFrom::parse(text, "odd").unwrap()
}

fn create(world: &mut World, text: &str) -> ServiceId {
    match world.ask(Request::ServiceCreate { spec: Box::new(web("")), credential: Credential::of(text) }) {
        Ok(Response::Service(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn update(world: &mut World, id: ServiceId, from: CredentialFrom, rollback: bool) -> Result<Response, Error> {
    let version = world.service(id).meta.version;
    world.ask(Request::ServiceUpdate { id, spec: Box::new(web("")), version, rollback, credential: from })
}

/// The present one and the previous one.
fn both(world: &World, id: ServiceId) -> (String, String) {
    let text = |spec: &ServiceSpec| spec.credential().map_or("-", Credential::header).to_owned();
    let service = world.service(id);
    (text(&service.spec), service.previous_spec.as_deref().map_or_else(String::new, text))
}

#[test]
fn an_update_keeps_it_or_brings_another_one_or_takes_that_of_before() {
    let mut world = World::new();
    let id = create(&mut world, "one");
    assert_eq!(both(&world, id), ("one".into(), String::new()));
    let refused = update(&mut world, id, CredentialFrom::PreviousSpec, false);
    assert_eq!(shown(refused), (500, "service does not have a previous spec".into()));
    update(&mut world, id, CredentialFrom::Spec, false).unwrap();
    assert_eq!(both(&world, id), ("one".into(), "one".into()));
    update(&mut world, id, credential("two"), false).unwrap();
    assert_eq!(both(&world, id), ("two".into(), "one".into()));
    update(&mut world, id, CredentialFrom::PreviousSpec, false).unwrap();
    assert_eq!(both(&world, id), ("one".into(), "two".into()));
    // A rollback is the whole of the previous spec, whatever comes with it.
    update(&mut world, id, credential("three"), true).unwrap();
    assert_eq!(both(&world, id), ("two".into(), "one".into()));
    let without = world.create(spec(&WEB.replace("web", "other"))).unwrap();
    assert_eq!(both(&world, without), ("-".into(), String::new()));
}

const WEB: &str = r#"{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}"#;

#[test]
fn a_header_leaves_the_query_unread() {
    assert!(matches!(CredentialFrom::parse("", ""), Ok(CredentialFrom::Spec)));
    assert!(matches!(CredentialFrom::parse("", "spec"), Ok(CredentialFrom::Spec)));
    assert!(matches!(CredentialFrom::parse("", "previous-spec"), Ok(CredentialFrom::PreviousSpec)));
    assert!(matches!(CredentialFrom::parse("x", "odd"), Ok(CredentialFrom::Header(_))));
    assert_eq!(shown(CredentialFrom::parse("", "odd")), (500, "unsupported registryAuthFrom value".into()));
}

#[test]
fn it_outlives_the_process_and_is_in_nothing_that_is_printed() {
    let mut world = World::new();
    let id = create(&mut world, "hush-1");
    update(&mut world, id, credential("hush-2"), false).unwrap();
    let read = decode_state(&encode_state(&world.state)).unwrap();
    assert_eq!(read.service(id), world.state.service(id));
    assert_eq!(read.service(id).unwrap().spec.credential().map(Credential::header), Some("hush-2"));
    let service = world.service(id);
    let changes = vec![
        Change::ServiceCreate { id, spec: Box::new((*service.spec).clone()) },
        Change::ServiceUpdate {
            id,
            spec: Box::new((*service.spec).clone()),
            previous: service.previous_spec.as_deref().cloned().map(Box::new),
            update_status: None,
        },
    ];
    let proposal = Proposal { at: world.now, changes };
    assert_eq!(decode_proposal(&encode_proposal(&proposal)).unwrap(), proposal);
    for printed in [format!("{service:?}"), format!("{proposal:?}"), format!("{:?}", credential("hush-3"))] {
        assert!(!printed.contains("hush"), "{printed}");
    }
    for shown in
        [serde_json::to_string(&*service.spec), serde_json::to_string(service.previous_spec.as_deref().unwrap())]
    {
        assert!(!shown.unwrap().contains("hush"));
    }
}
