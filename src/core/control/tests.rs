//! Requests against small worlds: what is taken, what is refused, in which words, and what is then in the state.

mod authority;
mod credentials;
mod fuzz;
mod joins;
mod nodes;
mod secrets;
mod services;
mod swarms;

use super::{CredentialFrom, Request, Response, handle};
use crate::error::Error;
use crate::json;
use crate::model::{
    IdSource, ManagerStatus, Meta, Network, NetworkId, NetworkSpec, Node, NodeDescription, NodeId, NodeSpec, NodeState,
    NodeStatus, Service, ServiceId, ServiceSpec, Timestamp,
};
use crate::plan::Plan;
use crate::state::{Change, Proposal, State};

/// A state that takes requests one by one, as a leader's does.
struct World {
    state: State,
    ids: IdSource,
    now: Timestamp,
}

impl World {
    fn empty() -> World {
        World { state: State::default(), ids: IdSource::new([5; 32]), now: Timestamp(1_000_000_000) }
    }

    /// Two overlay networks, and the one that carries published ports.
    fn new() -> World {
        let mut world = World::empty();
        for (name, ingress) in [("ov", false), ("ov2", false), ("ingress", true)] {
            let spec = NetworkSpec { name: name.into(), ingress, ..NetworkSpec::default() };
            let network = Network { id: world.ids.fresh(), meta: Meta::default(), spec, ipam: Vec::new(), vni: 4097 };
            world.apply(vec![Change::NetworkCreate(Box::new(network))]);
        }
        world
    }

    fn apply(&mut self, changes: Vec<Change>) {
        self.state.apply(self.state.index() + 1, &Proposal { at: self.now, changes });
    }

    /// A request on its own. A refused one must leave nothing behind.
    fn ask(&mut self, request: Request) -> Result<Response, Error> {
        let mut plan = Plan::new(&self.state, self.now, &mut self.ids);
        let answer = handle(&mut plan, request);
        let (changes, _) = plan.finish();
        if answer.is_err() {
            assert!(changes.is_empty(), "{answer:?} left {changes:?}");
        } else {
            self.apply(changes);
        }
        answer
    }

    fn create(&mut self, spec: ServiceSpec) -> Result<ServiceId, Error> {
        self.ask(Request::ServiceCreate { spec: Box::new(spec), credential: None }).map(|response| match response {
            Response::Service(id) => id,
            other => panic!("{other:?}"),
        })
    }

    fn update(&mut self, id: ServiceId, spec: ServiceSpec) -> Result<Response, Error> {
        let version = self.service(id).meta.version;
        self.ask(updated(id, spec, version, false))
    }

    fn service(&self, id: ServiceId) -> &Service {
        self.state.service(id).unwrap()
    }

    fn network(&self, name: &str) -> NetworkId {
        self.state.network_named(name).unwrap().id
    }

    fn add_node(&mut self, name: &str, role: &str, state: NodeState, manager: bool) -> NodeId {
        let id = self.ids.fresh();
        let node = Node {
            id,
            meta: Meta::default(),
            spec: NodeSpec { role: role.into(), availability: "active".into(), ..NodeSpec::default() },
            description: NodeDescription { hostname: name.into(), ..NodeDescription::default() },
            status: NodeStatus { state, ..NodeStatus::default() },
            manager: manager.then(ManagerStatus::default),
        };
        self.apply(vec![Change::NodeCreate(Box::new(node))]);
        id
    }
}

/// An update that keeps the credential.
fn updated(id: ServiceId, spec: ServiceSpec, version: u64, rollback: bool) -> Request {
    Request::ServiceUpdate { id, spec: Box::new(spec), version, rollback, credential: CredentialFrom::Spec }
}

/// A spec from Docker's JSON.
fn spec(text: &str) -> ServiceSpec {
    json::from_slice(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The smallest service, with more fields of its own: `web(r#","Labels":{}"#)`.
fn web(more: &str) -> ServiceSpec {
    spec(&format!(r#"{{"Name":"web","TaskTemplate":{{"ContainerSpec":{{"Image":"busybox"}}}}{more}}}"#))
}

/// A refusal as the socket shows it.
fn shown<T: std::fmt::Debug>(answer: Result<T, Error>) -> (u16, String) {
    let refusal = answer.expect_err("should be refused");
    (refusal.kind.status(), refusal.message)
}
