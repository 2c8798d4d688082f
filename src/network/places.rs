//! Who gives the containers of this node their places on the swarm's networks: its own manager, or, on a worker, one
//! elsewhere, which it asks over the nodes' own channel.
//!
//! A node asks for itself only: whose containers they are is told by the certificate of the connection. A worker learns of
//! the networks that it names and of its own attachments, and of nothing else. The API asks through this, and so does the
//! watch over the attachments ([`super::attachments`]); [`answer`] is the other end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use gam_core::assignment::Assignments;
use gam_core::control::{Request, Response};
use gam_core::error::{Error, Kind};
use gam_core::model::{Attachment, Network, NodeId, TaskId, TaskStatus};
use gam_core::state::State;
use gam_core::wire;
use gam_rpc::{Clients, RpcError};
use serde::{Deserialize, Serialize};

use super::attachments::attachments;
use crate::manager::{Manager, chain};

/// How long one manager may take to answer: what it gives a change of the cluster, and the way.
const ASK_TIMEOUT: Duration = Duration::from_secs(22);
/// Networks that one question may name; a container has a few, a node some hundreds.
const NAMES_MAX: usize = 4096;

/// What a node asks of a manager.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    /// The networks of these names or ids, and the attachments of the node.
    Look { names: Vec<String> },
    /// A place for a container.
    Attach { name: String, container: String, networks: Vec<Attachment> },
    /// A place is free again.
    Detach { task: TaskId },
    /// The container of these places has an id.
    Settle { tasks: Vec<TaskId>, container: String },
    /// What the containers of these places are.
    Report { seen: Vec<(TaskId, TaskStatus)> },
}

/// A node's places on networks; cheap to clone.
#[derive(Clone)]
pub enum Places {
    /// This node is a manager.
    Here(Manager),
    /// The managers are elsewhere.
    There(Remote),
}

/// The way to managers elsewhere.
#[derive(Clone)]
pub struct Remote {
    node: NodeId,
    clients: Clients,
    /// Whom to ask, as `host:port`, the likeliest first.
    managers: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// This node's attachments and their networks, when last heard of; `None` before that.
    seen: Arc<ArcSwap<Option<Arc<State>>>>,
}

impl Remote {
    /// Asks nobody yet.
    pub fn new(node: NodeId, clients: Clients, managers: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Remote {
        Remote { node, clients, managers: Arc::new(managers), seen: Arc::default() }
    }

    async fn ask(&self, question: &Question) -> Result<Bytes, Error> {
        let bytes = Bytes::from(serde_json::to_vec(question).map_err(Error::internal)?);
        let mut failed = Error::unavailable("no manager of the swarm is known");
        for address in (self.managers)() {
            match self.clients.to(&address).within(ASK_TIMEOUT).place(bytes.clone()).await {
                Ok(answer) => return Ok(answer),
                // A manager that cannot answer now is not the only one.
                Err(RpcError::Refused(error)) if error.kind == Kind::Unavailable => failed = error,
                Err(RpcError::Refused(error)) => return Err(error),
                Err(error) => failed = Error::unavailable(chain(&error)),
            }
        }
        Err(failed)
    }

    async fn look(&self, names: Vec<String>) -> Result<Arc<State>, Error> {
        let bytes = self.ask(&Question::Look { names }).await?;
        let looked = wire::decode_assignments(&bytes).map_err(Error::internal)?;
        self.seen.store(Arc::new(Some(Arc::new(own(&looked).as_state()))));
        Ok(Arc::new(looked.as_state()))
    }

    /// Looks again after a change; what cannot be seen now the next look sees.
    async fn look_again(&self) {
        if let Err(error) = self.look(Vec::new()).await {
            tracing::debug!(%error, "cannot look at this node's attachments now");
        }
    }
}

/// The attachments alone, with their networks.
fn own(looked: &Assignments) -> Assignments {
    let used = looked.tasks.values().flat_map(|task| &task.networks).filter_map(|place| place.network);
    let networks = used.filter_map(|id| Some((id, looked.networks.get(&id)?.clone()))).collect();
    Assignments { networks, ..looked.clone() }
}

impl Places {
    /// This node.
    pub fn node_id(&self) -> NodeId {
        match self {
            Places::Here(manager) => manager.node_id(),
            Places::There(remote) => remote.node,
        }
    }

    /// What is known without asking: everything on a manager, on a worker its own attachments and their networks.
    pub fn known(&self) -> Arc<State> {
        match self {
            Places::Here(manager) => manager.state(),
            Places::There(remote) => (**remote.seen.load()).clone().unwrap_or_default(),
        }
    }

    /// Whether it is certain that the node has no attachment.
    pub fn has_none(&self) -> bool {
        match self {
            Places::Here(manager) => attachments(&manager.state(), manager.node_id()).next().is_none(),
            Places::There(remote) => {
                let seen = remote.seen.load();
                seen.as_ref().as_ref().is_some_and(|state| attachments(state, remote.node).next().is_none())
            }
        }
    }

    /// A state that is not older than this call, and holds at least the networks of these names or ids and the attachments
    /// of this node.
    pub async fn read(&self, names: Vec<String>) -> Result<Arc<State>, Error> {
        match self {
            Places::Here(manager) => manager.read().await,
            Places::There(remote) => remote.look(names).await,
        }
    }

    /// Asks for places of a container. Asking again for the same is answered the same.
    pub async fn attach(
        &self,
        name: &str,
        container: &str,
        networks: Vec<Attachment>,
    ) -> Result<(TaskId, Vec<Attachment>), Error> {
        let (name, container) = (name.to_owned(), container.to_owned());
        match self {
            Places::Here(manager) => attach(manager, manager.node_id(), name, container, networks).await,
            Places::There(remote) => {
                let answer = remote.ask(&Question::Attach { name, container, networks }).await?;
                let attached = serde_json::from_slice(&answer).map_err(Error::internal)?;
                remote.look_again().await;
                Ok(attached)
            }
        }
    }

    /// Gives a place back.
    pub async fn detach(&self, task: TaskId) -> Result<(), Error> {
        match self {
            Places::Here(manager) => detach(manager, manager.node_id(), task).await,
            Places::There(remote) => {
                remote.ask(&Question::Detach { task }).await?;
                remote.look_again().await;
                Ok(())
            }
        }
    }

    /// Writes down whose the places are, now that their container has an id.
    pub async fn settle(&self, tasks: &[TaskId], container: &str) -> Result<(), Error> {
        match self {
            Places::Here(manager) => {
                settle(manager, manager.node_id(), tasks, container).await;
                Ok(())
            }
            Places::There(remote) => {
                let question = Question::Settle { tasks: tasks.to_vec(), container: container.to_owned() };
                remote.ask(&question).await?;
                remote.look_again().await;
                Ok(())
            }
        }
    }

    /// Tells what the containers of these places are.
    pub async fn report(&self, seen: Vec<(TaskId, TaskStatus)>) -> Result<(), Error> {
        match self {
            Places::Here(manager) => manager.report(manager.node_id(), seen).await,
            Places::There(remote) => {
                remote.ask(&Question::Report { seen }).await?;
            }
        }
        Ok(())
    }
}

/// Answers a node that is known by its certificate.
pub async fn answer(manager: &Manager, node: NodeId, question: &[u8]) -> Result<Bytes, Error> {
    let question =
        serde_json::from_slice(question).map_err(|error| Error::invalid(format!("not understood: {error}")))?;
    match question {
        Question::Look { names } => {
            Ok(wire::encode_assignments(&visible(&*manager.read().await?, node, &names)).into())
        }
        Question::Attach { name, container, networks } => {
            let attached = attach(manager, node, name, container, networks).await?;
            serde_json::to_vec(&attached).map(Bytes::from).map_err(Error::internal)
        }
        Question::Detach { task } => detach(manager, node, task).await.map(|()| Bytes::new()),
        Question::Settle { tasks, container } => {
            // What this manager has not applied yet it could not report on.
            manager.read().await?;
            settle(manager, node, &tasks, &container).await;
            Ok(Bytes::new())
        }
        Question::Report { mut seen } => {
            let state = manager.read().await?;
            seen.retain(|(id, _)| attachments(&state, node).any(|task| task.id == *id));
            manager.report(node, seen).await;
            Ok(Bytes::new())
        }
    }
}

/// What a node may see: its own attachments, their networks, and those that it knows by name.
fn visible(state: &State, node: NodeId, names: &[String]) -> Assignments {
    let mut networks: BTreeMap<_, Arc<Network>> = BTreeMap::new();
    let mut tasks = BTreeMap::new();
    for name in names.iter().take(NAMES_MAX) {
        if let Ok(network) = state.find_network(name) {
            networks.insert(network.id, network);
        }
    }
    for task in state.tasks_of_node(node).filter(|task| task.service.is_none()) {
        let used = task.networks.iter().filter_map(|place| state.network(place.network?));
        networks.extend(used.map(|network| (network.id, network.clone())));
        tasks.insert(task.id, task.clone());
    }
    Assignments { index: state.index(), tasks, networks, ..Assignments::default() }
}

async fn attach(
    manager: &Manager,
    node: NodeId,
    name: String,
    container: String,
    networks: Vec<Attachment>,
) -> Result<(TaskId, Vec<Attachment>), Error> {
    match manager.submit(Request::Attach { node, name, container, networks }).await? {
        Response::Attached(task, given) => Ok((task, given)),
        other => Err(Error::internal(format!("unexpected answer to an attachment: {other:?}"))),
    }
}

async fn detach(manager: &Manager, node: NodeId, task: TaskId) -> Result<(), Error> {
    let is_own = |state: &State| attachments(state, node).any(|attachment| attachment.id == task);
    // A state that is a little behind may lack one that was only just made.
    if !is_own(&manager.state()) && !is_own(&*manager.read().await?) {
        return Err(Error::not_found(format!("attachment {task} of node {node} not found")));
    }
    manager.submit(Request::Detach { task }).await.map(|_| ())
}

async fn settle(manager: &Manager, node: NodeId, tasks: &[TaskId], container: &str) {
    let state = manager.state();
    let own = attachments(&state, node).filter(|task| tasks.contains(&task.id));
    let reports = own.map(|task| {
        let mut status = task.status.clone();
        status.container.get_or_insert_default().id = container.to_owned();
        (task.id, status)
    });
    manager.report(node, reports.collect()).await;
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Meta, NetworkSpec, Timestamp};
    use gam_core::state::{Change, Proposal};

    use super::*;

    fn state() -> State {
        let network = |id: u128| {
            let spec = NetworkSpec { name: format!("net{id}"), attachable: true, ..NetworkSpec::default() };
            let network = Network { id: id.into(), meta: Meta::default(), spec, ipam: Vec::new(), vni: 0 };
            Change::NetworkCreate(Box::new(network))
        };
        let attachment = |id: u128, node: u128, network: u128| Change::AttachmentCreate {
            id: id.into(),
            node: node.into(),
            name: "c".into(),
            container: "word".into(),
            networks: vec![Attachment {
                network: Some(network.into()),
                addresses: vec![format!("10.0.{network}.{id}/24")],
                aliases: Vec::new(),
            }],
        };
        let changes = vec![network(6), network(7), network(8), attachment(10, 1, 7), attachment(11, 2, 8)];
        let mut state = State::default();
        state.apply(1, &Proposal { at: Timestamp(1), changes });
        state
    }

    #[test]
    fn a_node_sees_its_own_attachments_and_what_it_can_name() {
        let seen = |node: u128, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let bytes = wire::encode_assignments(&visible(&state(), node.into(), &names));
            let state = wire::decode_assignments(&bytes).unwrap().as_state();
            let tasks: Vec<_> = attachments(&state, node.into()).map(|task| task.id).collect();
            let networks: Vec<_> = state.networks().map(|network| network.name().to_owned()).collect();
            (tasks, networks.join(" "))
        };
        assert_eq!(seen(1, &[]), (vec![TaskId::from(10)], "net7".into()));
        assert_eq!(seen(2, &["net6", "none"]), (vec![TaskId::from(11)], "net6 net8".into()));
        assert_eq!(seen(3, &[]), (vec![], String::new()));
    }

    #[test]
    fn what_is_kept_is_about_attachments_only() {
        let looked = visible(&state(), 1.into(), &["net6".into()]);
        let kept = own(&looked).as_state();
        assert_eq!(kept.networks().map(|network| network.name()).collect::<Vec<_>>(), ["net7"]);
        assert_eq!(attachments(&kept, 1.into()).count(), 1);
    }
}
