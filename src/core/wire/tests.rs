//! Whatever is said arrives as it was said.

use proptest::prelude::*;

use super::*;
use crate::control::{CredentialFrom, Rotate};
use crate::error::{Code, Kind};
use crate::model::{
    Attachment, ConfigSpec, ContainerStatus, Credential, ManagerStatus, NetworkSpec, NodeId, NodeSpec, NodeState,
    NodeStatus, Role, SecretSpec, ServiceId, ServiceSpec, SwarmSpec, TaskState, Timestamp,
};

fn text() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\u{0}\u{e9}\u{1f600}]{0,8}"
}

fn attachment() -> impl Strategy<Value = Attachment> {
    (any::<Option<u128>>(), prop::collection::vec(text(), 0..3)).prop_map(|(network, addresses)| Attachment {
        network: network.map(Into::into),
        aliases: addresses.clone(),
        addresses,
    })
}

fn request() -> impl Strategy<Value = Request> {
    (any::<u128>(), text(), any::<u64>(), any::<[bool; 4]>(), prop::collection::vec(attachment(), 0..3)).prop_flat_map(
        |(id, name, version, flags, networks)| {
            let service = ServiceSpec { name: name.clone(), ..ServiceSpec::default() };
            let secret = SecretSpec { name: name.clone(), data: name.as_bytes().into(), ..SecretSpec::default() };
            let config = ConfigSpec { name: name.clone(), data: name.as_bytes().into(), ..ConfigSpec::default() };
            let node = NodeSpec { role: name.clone(), ..NodeSpec::default() };
            let network = NetworkSpec { name: name.clone(), internal: flags[0], ..NetworkSpec::default() };
            let rotate = Rotate { worker_token: flags[1], manager_token: flags[2], unlock_key: flags[3] };
            let labels = [(name.clone(), name.clone())].into();
            let swarm = Box::new(SwarmSpec { labels, ..SwarmSpec::default() });
            prop::sample::select(vec![
                Request::SwarmUpdate { spec: swarm, version, rotate, authority: flags[0].then(Box::default) },
                Request::Join {
                    token: name.clone(),
                    node: id.into(),
                    availability: name.clone(),
                    addr: name.clone(),
                    description: Box::default(),
                },
                Request::NodeUpdate { id: id.into(), spec: Box::new(node), version },
                Request::NodeRemove { id: id.into(), force: flags[0] },
                Request::ServiceCreate { spec: Box::new(service.clone()), credential: Credential::of(&name) },
                Request::ServiceUpdate {
                    id: id.into(),
                    spec: Box::new(service),
                    version,
                    rollback: flags[1],
                    credential: Credential::of(&name).map_or(CredentialFrom::PreviousSpec, CredentialFrom::Header),
                },
                Request::ServiceRemove { id: id.into() },
                Request::NetworkCreate { spec: Box::new(network) },
                Request::NetworkRemove { id: id.into() },
                Request::SecretCreate { spec: Box::new(secret.clone()) },
                Request::SecretUpdate { id: id.into(), spec: Box::new(secret), version },
                Request::SecretRemove { id: id.into() },
                Request::ConfigCreate { spec: Box::new(config.clone()) },
                Request::ConfigUpdate { id: id.into(), spec: Box::new(config), version },
                Request::ConfigRemove { id: id.into() },
                Request::Attach { node: id.into(), container: name.clone(), name, networks },
                Request::Detach { task: id.into() },
            ])
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let kind = prop::sample::select(vec![
        Kind::Invalid,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Internal,
        Kind::Unimplemented,
        Kind::Unavailable,
    ]);
    prop_oneof![
        Just(Ok(Response::Done)),
        any::<u128>().prop_map(|id| Ok(Response::Joined { node: id.into(), role: Role::Worker })),
        any::<u128>().prop_map(|id| Ok(Response::Service(id.into()))),
        any::<u128>().prop_map(|id| Ok(Response::Network(id.into()))),
        any::<u128>().prop_map(|id| Ok(Response::Secret(id.into()))),
        any::<u128>().prop_map(|id| Ok(Response::Config(id.into()))),
        (any::<u128>(), prop::collection::vec(attachment(), 0..3))
            .prop_map(|(id, networks)| Ok(Response::Attached(id.into(), networks))),
        (kind, text()).prop_map(|(kind, message)| Err(Error::new(kind, message))),
    ]
}

fn status() -> impl Strategy<Value = TaskStatus> {
    let state = prop::sample::select(vec![TaskState::New, TaskState::Running, TaskState::Failed, TaskState::Orphaned]);
    (any::<i64>(), state, text(), any::<Option<i64>>()).prop_map(|(at, state, message, exit_code)| TaskStatus {
        timestamp: Timestamp(at),
        state,
        err: message.clone(),
        message,
        container: exit_code.map(|exit_code| ContainerStatus { exit_code, ..ContainerStatus::default() }),
        ports: Vec::new(),
    })
}

fn input() -> impl Strategy<Value = Input> {
    let state =
        prop::sample::select(vec![NodeState::Unknown, NodeState::Down, NodeState::Ready, NodeState::Disconnected]);
    let node = || any::<u128>().prop_map(NodeId::from);
    prop_oneof![
        (any::<u64>(), request()).prop_map(|(ticket, request)| Input::Request { ticket, request: Box::new(request) }),
        (node(), prop::collection::vec((any::<u128>().prop_map(TaskId::from), status()), 0..3))
            .prop_map(|(node, statuses)| Input::Report { node, statuses }),
        (node(), state, text(), any::<bool>()).prop_map(|(node, state, text, is_described)| Input::Session {
            node,
            status: NodeStatus { state, message: text.clone(), addr: text.clone() },
            description: is_described
                .then(|| Box::new(NodeDescription { hostname: text, ..NodeDescription::default() })),
        }),
        (node(), any::<Option<u64>>(), text()).prop_map(|(node, raft_id, addr)| Input::Manager {
            node,
            manager: raft_id.map(|raft_id| ManagerStatus { raft_id, addr }),
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_said_arrives(
        request in request(),
        answer in answer(),
        inputs in prop::collection::vec(input(), 0..4),
        report in prop::collection::vec((any::<u128>().prop_map(TaskId::from), status()), 0..4),
    ) {
        prop_assert_eq!(decode_request(&encode_request(&request)).unwrap(), request);
        if let Err(error) = &answer {
            prop_assert_eq!(&decode_error(&encode_error(error)).unwrap(), error);
        }
        prop_assert_eq!(decode_answer(&encode_answer(&answer)).unwrap(), answer);
        prop_assert_eq!(decode_inputs(&encode_inputs(&inputs)).unwrap(), inputs);
        prop_assert_eq!(decode_report(&encode_report(&report)).unwrap(), report);
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_request(&bytes);
        let _ = decode_answer(&bytes);
        let _ = decode_inputs(&bytes);
        let _ = decode_assignments(&bytes);
        let _ = decode_difference(&bytes);
    }
}

/// What the first release says must be understood by every later one.
#[test]
fn the_first_format_is_still_read() {
    let id = ServiceId::from(7);
    for (text, request) in [
        (r#"{"ServiceRemove":{"id":"0000000000000000000000007"}}"#, Request::ServiceRemove { id }),
        (
            r#"{"SwarmUpdate":{"spec":{"Name":"default"},"version":5,"rotate":{"worker_token":true}}}"#,
            Request::SwarmUpdate {
                spec: Box::new(SwarmSpec { name: "default".into(), ..SwarmSpec::default() }),
                version: 5,
                rotate: Rotate { worker_token: true, ..Rotate::default() },
                authority: None,
            },
        ),
    ] {
        let bytes = [&[1], text.as_bytes()].concat();
        assert_eq!(decode_request(&bytes).unwrap(), request, "{text}");
    }
    let refusal = Error::rpc(Code::FailedPrecondition, "x");
    let text = r#"{"Err":{"kind":"Invalid","message":"rpc error: code = FailedPrecondition desc = x"}}"#;
    assert_eq!(decode_answer(&[&[1], text.as_bytes()].concat()).unwrap(), Err(refusal));
}

#[test]
fn what_a_newer_gam_says_is_refused_by_name() {
    let mut bytes = encode_request(&Request::Detach { task: 1.into() });
    bytes[0] = record::FORMAT + 1;
    assert!(matches!(decode_request(&bytes), Err(CodecError::Newer(_))));
    assert!(matches!(decode_request(&[]), Err(CodecError::Empty)));
}
