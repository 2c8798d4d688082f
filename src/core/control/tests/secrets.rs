//! Secrets and configs. The sentences are dockerd's 28.5.2 (`secret/api`, `config/api`, `secret/in_use`).

use super::*;
use crate::model::{ConfigId, ConfigSpec, Payload, SecretId, SecretSpec};

fn secret(name: &str, data: &[u8]) -> SecretSpec {
    SecretSpec { name: name.into(), data: data.into(), ..SecretSpec::default() }
}

fn config(name: &str, data: &[u8]) -> ConfigSpec {
    ConfigSpec { name: name.into(), data: data.into(), ..ConfigSpec::default() }
}

impl World {
    fn keep_secret(&mut self, spec: SecretSpec) -> Result<SecretId, Error> {
        self.ask(Request::SecretCreate { spec: Box::new(spec) }).map(|response| match response {
            Response::Secret(id) => id,
            other => panic!("{other:?}"),
        })
    }

    fn keep_config(&mut self, spec: ConfigSpec) -> Result<ConfigId, Error> {
        self.ask(Request::ConfigCreate { spec: Box::new(spec) }).map(|response| match response {
            Response::Config(id) => id,
            other => panic!("{other:?}"),
        })
    }

    /// A service of that name that needs both.
    fn user(&mut self, name: &str, secret: SecretId, config: ConfigId) -> Result<ServiceId, Error> {
        self.create(using(name, secret, config))
    }
}

fn using(name: &str, secret: SecretId, config: ConfigId) -> ServiceSpec {
    let file = r#""File":{"Name":"x","UID":"0","GID":"0","Mode":292}"#;
    spec(&format!(
        r#"{{"Name":"{name}","TaskTemplate":{{"ContainerSpec":{{"Image":"busybox",
            "Secrets":[{{{file},"SecretID":"{secret}","SecretName":"s"}}],
            "Configs":[{{{file},"ConfigID":"{config}","ConfigName":"c"}}]}}}}}}"#
    ))
}

const BAD_NAME: &str = "rpc error: code = InvalidArgument desc = invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, \
                        and the start and end character must be [a-zA-Z0-9]";

#[test]
fn names_are_checked_and_taken_once_whatever_their_capitals() {
    let mut world = World::new();
    for name in ["b b", "-b", "b_", ".", &"a".repeat(65)] {
        assert_eq!(shown(world.keep_secret(secret(name, b"x"))), (400, BAD_NAME.into()), "{name}");
        assert_eq!(shown(world.keep_config(config(name, b"x"))), (400, BAD_NAME.into()), "{name}");
    }
    let nameless = (400, "rpc error: code = InvalidArgument desc = name must be provided".to_owned());
    assert_eq!(shown(world.keep_secret(secret("", b"x"))), nameless);
    for name in ["a", "a.b-c_d", &"a".repeat(64)] {
        let id = world.keep_secret(secret(name, b"x")).unwrap();
        world.keep_config(config(name, b"x")).unwrap();
        let shouted = name.to_uppercase();
        assert_eq!(world.state.find_secret(&shouted).unwrap().id, id);
        let taken =
            |kind: &str| (409, format!("rpc error: code = AlreadyExists desc = {kind} {shouted} already exists"));
        assert_eq!(shown(world.keep_secret(secret(&shouted, b"x"))), taken("secret"));
        assert_eq!(shown(world.keep_config(config(&shouted, b"x"))), taken("config"));
    }
}

#[test]
fn sizes_are_docker_s() {
    let mut world = World::new();
    for (len, limit) in [(0, 512_000), (512_000, 512_000)] {
        let refused = shown(world.keep_secret(secret("s", &vec![1; len])));
        let why = format!(
            "rpc error: code = InvalidArgument desc = secret data must be larger than 0 and less than {limit} bytes"
        );
        assert_eq!(refused, (400, why));
    }
    for len in [0, 1_024_000] {
        let refused = shown(world.keep_config(config("c", &vec![1; len])));
        let why =
            "rpc error: code = InvalidArgument desc = config data must be larger than 0 and less than 1024000 bytes";
        assert_eq!(refused, (400, why.into()));
    }
    world.keep_secret(secret("s", &vec![1; 511_999])).unwrap();
    world.keep_config(config("c", &vec![1; 1_023_999])).unwrap();
}

#[test]
fn only_labels_change_and_only_of_what_was_seen() {
    let mut world = World::new();
    let id = world.keep_secret(secret("s", b"hush")).unwrap();
    let mut update = |spec: SecretSpec, behind: u64| {
        let version = world.state.secret(id).unwrap().meta.version - behind;
        let answer = world.ask(Request::SecretUpdate { id, spec: Box::new(spec), version });
        (answer, world.state.secret(id).unwrap().clone())
    };
    let only = (400, "rpc error: code = InvalidArgument desc = only updates to Labels are allowed".to_owned());
    assert_eq!(shown(update(secret("t", b"hush"), 0).0), only);
    assert_eq!(shown(update(secret("s", b"hash"), 0).0), only);
    let sequence = (500, "rpc error: code = Unknown desc = update out of sequence".to_owned());
    assert_eq!(shown(update(secret("s", b""), 1).0), sequence);
    for data in [b"".as_slice(), b"hush"] {
        let spec = SecretSpec { labels: [("a".to_owned(), "b".to_owned())].into(), ..secret("s", data) };
        let (answer, kept) = update(spec.clone(), 0);
        answer.unwrap();
        assert_eq!(kept.spec, SecretSpec { data: Payload::from(b"hush".as_slice()), ..spec });
    }
}

#[test]
fn what_a_service_needs_stays() {
    let mut world = World::new();
    let (s, c) = (world.keep_secret(secret("s", b"x")).unwrap(), world.keep_config(config("c", b"x")).unwrap());
    let first = world.user("web", s, c).unwrap();
    let in_use = |kind: &str, by: &str| {
        let desc = format!("{kind} '{}' is in use by the following {by}", &kind[..1]);
        (400, format!("rpc error: code = InvalidArgument desc = {desc}"))
    };
    assert_eq!(shown(world.ask(Request::SecretRemove { id: s })), in_use("secret", "service: web"));
    assert_eq!(shown(world.ask(Request::ConfigRemove { id: c })), in_use("config", "service: web"));
    let second = world.user("api", s, c).unwrap();
    let both = if first < second { "services: web, api" } else { "services: api, web" };
    assert_eq!(shown(world.ask(Request::SecretRemove { id: s })), in_use("secret", both));
    world.ask(Request::ServiceRemove { id: second }).unwrap();
    // The spec before the present one does not count.
    world.update(first, web("")).unwrap();
    world.ask(Request::SecretRemove { id: s }).unwrap();
    world.ask(Request::ConfigRemove { id: c }).unwrap();
    assert!(world.state.find_secret("s").is_err() && world.state.find_config("c").is_err());
    let gone = (404, format!("rpc error: code = NotFound desc = could not find secret {s}"));
    assert_eq!(shown(world.ask(Request::SecretRemove { id: s })), gone);
    let missing = (400, "rpc error: code = InvalidArgument desc = secret not found: s".to_owned());
    assert_eq!(shown(world.user("more", s, c)), missing);
}

#[test]
fn drivers_are_refused_and_not_passed_over() {
    let mut world = World::new();
    let driver = |name: &str| Some(crate::model::Driver { name: name.into(), ..Default::default() });
    let refused = shown(world.keep_secret(SecretSpec { driver: driver(""), ..secret("s", b"") }));
    assert_eq!(refused, (400, "rpc error: code = InvalidArgument desc = secret driver must have a name".into()));
    let refused = shown(world.keep_secret(SecretSpec { driver: driver("nope"), ..secret("s", b"") }));
    assert_eq!(refused, (500, "rpc error: code = Unknown desc = plugin \"nope\" not found".into()));
}

#[test]
fn a_config_may_be_no_file() {
    let mut world = World::new();
    let (s, c) = (world.keep_secret(secret("s", b"x")).unwrap(), world.keep_config(config("c", b"x")).unwrap());
    let mut spec = using("web", s, c);
    let container = spec.task_template.container_spec.as_mut().unwrap();
    container.configs[0].file = None;
    container.configs[0].runtime = Some(Default::default());
    let id = world.create(spec).unwrap();
    assert!(world.service(id).spec.task_template.container_spec.as_ref().unwrap().configs[0].file.is_none());
}

#[test]
fn no_value_is_printed() {
    let mut world = World::new();
    let request = Request::SecretCreate { spec: Box::new(secret("s", b"hush-hush")) };
    let printed = format!("{request:?}");
    world.ask(request).unwrap();
    let printed = format!("{printed} {:?}", world.state);
    assert!(printed.contains("<9 bytes>") && !printed.contains("hush") && !printed.contains("aHVz"), "{printed}");
}
