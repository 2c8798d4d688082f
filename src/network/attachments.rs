//! Keeps attachments and containers together: an attachment whose container is gone, or has left the network, is given
//! back; a container that has an address without an attachment gets one; a backing whose network is gone is removed.
//!
//! Looks at the whole of both sides whenever dockerd says that something may have changed, and now and then anyway.
//! A container is known by its address, not by its id: the address is asked for before the container is made. One
//! that only stopped keeps its address. Started by the node with its other roles.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use gam_core::error::{Error, Kind};
use gam_core::model::{Attachment, ContainerStatus, NetworkId, NodeId, Task, TaskId, TaskStatus};
use gam_core::state::State;
use tokio_util::sync::CancellationToken;

use super::places::Places;
use super::{NetworkError, Networks};
use crate::engine::networks::{ContainerEndpoint, NetworkEvent, NetworkedContainer};
use crate::engine::{Engine, EngineError};
use crate::vital;

/// Events that come together (a `compose down`) are answered by one look.
const SETTLE: Duration = Duration::from_millis(100);
/// A look is taken this often even when nothing asks for one, as a net under events that were missed.
const SLOW: Duration = Duration::from_secs(300);
/// Between two tries to reach a dockerd that is away.
const RETRY: Duration = Duration::from_secs(1);

/// Watches until `stop` is cancelled.
pub fn spawn_attachment_watch(places: Places, engine: Engine, networks: Networks, stop: CancellationToken) {
    let watch = Watch { node: places.node_id(), places, engine, networks };
    vital::spawn("the watch over attachments", async move { stop.run_until_cancelled(watch.run()).await });
}

struct Watch {
    places: Places,
    engine: Engine,
    networks: Networks,
    node: NodeId,
}

/// What a look failed at.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Manager(#[from] Error),
}

impl Watch {
    async fn run(&self) {
        loop {
            if let Err(error) = self.follow().await {
                tracing::debug!(%error, "cannot watch the engine's networks now");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Follows one stream of events to its end. It is opened first and reaches back to this moment, so nothing that
    /// happens after the first look is missed.
    async fn follow(&self) -> Result<(), LookError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let events = self.engine.network_events(since).await?;
        let mut events = std::pin::pin!(events);
        self.networks.gwbridge().await?;
        self.networks.reload().await?;
        let mut settled = self.look().await?;
        loop {
            let pause = if settled { SLOW } else { RETRY };
            let event = tokio::select! {
                event = events.next() => match event {
                    Some(event) => Some(event?),
                    None => return Ok(()),
                },
                () = tokio::time::sleep(pause) => None,
            };
            if !event.is_none_or(|event| self.concerns(&event)) {
                continue;
            }
            tokio::time::sleep(SETTLE).await;
            self.networks.gwbridge().await?;
            self.networks.reload().await?;
            settled = self.look().await?;
        }
    }

    /// Whether anything of ours may have changed.
    fn concerns(&self, event: &NetworkEvent) -> bool {
        match event {
            NetworkEvent::NetworkCreated => false,
            // A backing, or the gateway bridge.
            NetworkEvent::NetworkDestroyed => true,
            // The last attachment of a network may have gone with its container: its backing is then unused.
            NetworkEvent::ContainerDestroyed => !self.places.has_none(),
            // dockerd says that it joined its networks before its lists tell the hardware address that it has there now.
            NetworkEvent::ContainerStarted => !self.places.has_none(),
            // It has a hardware address now.
            NetworkEvent::Connected { network_id } => {
                self.networks.backing_by_id(network_id).is_some() && !self.places.has_none()
            }
            NetworkEvent::Disconnected { network_id } => match self.networks.backing_by_id(network_id) {
                // Its network may be gone, and this may have been the last container on it.
                Some(backing) => !self.places.has_none() || self.places.known().network(backing.network).is_none(),
                None => false,
            },
        }
    }

    /// Returns whether dockerd told all that it has to tell.
    async fn look(&self) -> Result<bool, LookError> {
        if !self.places.are_told() {
            // Whom to ask comes with that, and most nodes then need not ask.
            return Ok(false);
        }
        // The order matters. An attachment is announced as joining before it is in the state, and stops joining after
        // its container exists: so one that is in `before` and not in `joining` has its container in the list, or none.
        let backed = self.networks.backed();
        if matches!(self.places, Places::There(_)) && backed.is_empty() && self.places.has_none() {
            return Ok(true);
        }
        let names: Vec<String> = backed.iter().map(ToString::to_string).collect();
        let before = self.places.read(names.clone()).await?;
        let joining = self.networks.joining_now();
        let containers = self.engine.networked_containers().await?;
        let known = self.known(&before);
        let used = used(&containers, &known);
        for task in unused(attachments(&before, self.node), &joining, &used) {
            self.release(task).await;
        }
        // And a container's attachment is in the state before the container exists.
        let after = self.places.read(names).await?;
        for (network, endpoint, container) in unknown(&after, self.node, &containers, &self.known(&after)) {
            self.adopt(network, endpoint, container).await;
        }
        let seen = statuses(attachments(&after, self.node), &containers, &self.known(&after));
        if !seen.is_empty() {
            self.places.report(seen).await?;
        }
        let gone = backed.into_iter().filter(|network| after.network(*network).is_none()).collect();
        self.networks.sweep(&gone).await?;
        Ok(is_settled(&containers, &self.known(&after)))
    }

    /// How dockerd may name the networks of the state: by the ids and names of their backings, or by their own.
    fn known(&self, state: &State) -> BTreeMap<String, NetworkId> {
        let mut known: BTreeMap<String, NetworkId> = BTreeMap::new();
        for network in state.networks() {
            known.insert(network.name().to_owned(), network.id);
            known.insert(network.id.to_string(), network.id);
            if let Some(backing) = self.networks.backing(network.id) {
                known.insert(backing.engine_name, network.id);
                known.insert(backing.engine_id, network.id);
            }
        }
        known
    }

    async fn release(&self, task: TaskId) {
        match self.places.detach(task).await {
            Ok(()) => tracing::info!(%task, "the container of an attachment is gone: its address is free again"),
            // Whoever removed the container, or the network, may do the same.
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => tracing::warn!(%task, %error, "cannot give back the address of a container that is gone"),
        }
    }

    async fn adopt(&self, network: NetworkId, endpoint: &ContainerEndpoint, container: &NetworkedContainer) {
        let addresses = endpoint.addresses().map(|address| address.to_string()).collect();
        let place = Attachment { network: Some(network), addresses, aliases: Vec::new() };
        match self.places.attach(&container.name, &container.id, vec![place]).await {
            Ok((task, _)) => {
                tracing::info!(%task, container = %container.name, address = ?endpoint.address, "adopted a container's address");
            }
            Err(error) => {
                tracing::warn!(container = %container.name, address = ?endpoint.address, %error, "cannot adopt a container's address");
            }
        }
    }
}

/// The attachments of a node: its tasks without a service.
pub fn attachments(state: &State, node: NodeId) -> impl Iterator<Item = &Task> {
    state.tasks_of_node(node).filter(|task| task.service.is_none()).map(|task| &**task)
}

/// Addresses of an attachment, each with its network.
pub fn addresses(task: &Task) -> impl Iterator<Item = (NetworkId, Ipv4Addr)> + '_ {
    task.networks.iter().flat_map(|attachment| {
        let network = attachment.network;
        attachment.addresses.iter().filter_map(move |address| Some((network?, host(address)?)))
    })
}

/// The address of `10.0.1.3/24`.
pub fn host(address: &str) -> Option<Ipv4Addr> {
    address.split('/').next()?.parse().ok()
}

/// The network of an endpoint. A container that never started knows it by name only; one whose backing was made anew
/// meanwhile knows an id that nobody has any more.
fn network_of(endpoint: &ContainerEndpoint, known: &BTreeMap<String, NetworkId>) -> Option<NetworkId> {
    known.get(&endpoint.network_id).or_else(|| known.get(&endpoint.network)).copied()
}

/// Every address that a container has, running or not.
fn used(containers: &[NetworkedContainer], known: &BTreeMap<String, NetworkId>) -> BTreeSet<(NetworkId, Ipv4Addr)> {
    let endpoints = containers.iter().flat_map(|container| &container.endpoints);
    endpoints.filter_map(|endpoint| Some((network_of(endpoint, known)?, endpoint.address?))).collect()
}

/// The attachments that no container has any more and that none is being made for.
fn unused<'a>(
    attachments: impl Iterator<Item = &'a Task>,
    joining: &BTreeSet<String>,
    used: &BTreeSet<(NetworkId, Ipv4Addr)>,
) -> Vec<TaskId> {
    let is_joining = |task: &Task| task.status.container.as_ref().is_some_and(|status| joining.contains(&status.id));
    attachments
        .filter(|task| !is_joining(task) && !addresses(task).any(|place| used.contains(&place)))
        .map(|task| task.id)
        .collect()
}

/// Whether the hardware addresses of all running containers are told.
fn is_settled(containers: &[NetworkedContainer], known: &BTreeMap<String, NetworkId>) -> bool {
    let running = containers.iter().filter(|container| container.running && !container.is_task);
    let mut endpoints = running.flat_map(|container| &container.endpoints);
    !endpoints.any(|endpoint| endpoint.mac.is_empty() && network_of(endpoint, known).is_some())
}

/// What the leader does not know of attachments yet: whose they are, and the hardware addresses and names that their places
/// have now.
fn statuses<'a>(
    attachments: impl Iterator<Item = &'a Task>,
    containers: &[NetworkedContainer],
    known: &BTreeMap<String, NetworkId>,
) -> Vec<(TaskId, TaskStatus)> {
    let mut seen: BTreeMap<(NetworkId, Ipv4Addr), (&str, &ContainerEndpoint)> = BTreeMap::new();
    for container in containers.iter().filter(|container| !container.is_task) {
        for endpoint in &container.endpoints {
            if let (Some(network), Some(address)) = (network_of(endpoint, known), endpoint.address) {
                seen.insert((network, address), (&container.id, endpoint));
            }
        }
    }
    let status = |task: &Task| {
        let mut now = ContainerStatus::default();
        for place in addresses(task) {
            let (id, endpoint) = seen.get(&place)?;
            now.id = (*id).to_owned();
            for (told, all) in [(&endpoint.mac, &mut now.macs), (&endpoint.endpoint_id, &mut now.endpoints)] {
                if !told.is_empty() {
                    all.insert(place.1, told.clone());
                }
            }
        }
        let is_told =
            |known: &ContainerStatus| known.id == now.id && known.macs == now.macs && known.endpoints == now.endpoints;
        let is_known = task.status.container.as_ref().is_some_and(is_told);
        (!is_known).then(|| (task.id, TaskStatus { container: Some(now), ..task.status.clone() }))
    };
    attachments.filter_map(status).collect()
}

/// The addresses of containers on attachable networks that nobody has given them.
fn unknown<'a>(
    state: &State,
    node: NodeId,
    containers: &'a [NetworkedContainer],
    known: &BTreeMap<String, NetworkId>,
) -> Vec<(NetworkId, &'a ContainerEndpoint, &'a NetworkedContainer)> {
    let given: BTreeSet<_> = attachments(state, node).flat_map(addresses).collect();
    let mut unknown = Vec::new();
    for container in containers.iter().filter(|container| !container.is_task) {
        // Only a container that runs, or ran, really has the address; one that never started has but a wish.
        for endpoint in container.endpoints.iter().filter(|endpoint| !endpoint.network_id.is_empty()) {
            let (Some(network), Some(address)) = (known.get(&endpoint.network_id), endpoint.address) else { continue };
            let is_attachable = state.network(*network).is_some_and(|network| network.spec.attachable);
            if is_attachable && !given.contains(&(*network, address)) {
                unknown.push((*network, endpoint, container));
            }
        }
    }
    unknown
}

#[cfg(test)]
mod tests {
    use gam_core::model::{IdSource, Meta, Network, NetworkSpec, ServiceSpec, TaskState, Timestamp};
    use gam_core::state::{Change, Proposal};

    use super::*;

    const NODE: u128 = 1;

    fn network(id: u128, attachable: bool) -> Change {
        let spec = NetworkSpec { name: format!("net{id}"), attachable, ..NetworkSpec::default() };
        Change::NetworkCreate(Box::new(Network {
            id: id.into(),
            meta: Meta::default(),
            spec,
            ipam: Vec::new(),
            vni: 4097,
        }))
    }

    fn attachment(id: u128, network: u128, address: &str, container: &str) -> Change {
        Change::AttachmentCreate {
            id: id.into(),
            node: NODE.into(),
            name: "c".into(),
            container: container.into(),
            chosen: Vec::new(),
            networks: vec![Attachment {
                network: Some(network.into()),
                addresses: vec![format!("{address}/24")],
                aliases: Vec::new(),
            }],
        }
    }

    fn state(changes: Vec<Change>) -> State {
        let mut state = State::default();
        state.apply(1, &Proposal { at: Timestamp(1), changes });
        state
    }

    fn container(id: &str, network: &str, network_id: &str, address: &str) -> NetworkedContainer {
        NetworkedContainer {
            id: id.into(),
            name: id.into(),
            endpoints: vec![ContainerEndpoint {
                network: network.into(),
                network_id: network_id.into(),
                address: address.parse().ok(),
                ..ContainerEndpoint::default()
            }],
            ..NetworkedContainer::default()
        }
    }

    fn known() -> BTreeMap<String, NetworkId> {
        [("net7".to_owned(), 7_u128.into()), ("e7".to_owned(), 7_u128.into())].into()
    }

    #[test]
    fn only_attachments_without_a_container_are_given_back() {
        let state = state(vec![
            network(7, true),
            attachment(10, 7, "10.0.1.3", "made"),
            attachment(11, 7, "10.0.1.4", "stopped"),
            attachment(12, 7, "10.0.1.5", "gone"),
            attachment(13, 7, "10.0.1.6", "word"),
        ]);
        let containers = [container("made", "net7", "", "10.0.1.3"), container("stopped", "net7", "old", "10.0.1.4")];
        let used = used(&containers, &known());
        let joining = BTreeSet::from(["word".to_owned()]);
        assert_eq!(unused(attachments(&state, NODE.into()), &joining, &used), [TaskId::from(12)]);
        let late = unused(attachments(&state, NODE.into()), &BTreeSet::new(), &used);
        assert_eq!(late, [TaskId::from(12), TaskId::from(13)]);
    }

    #[test]
    fn hardware_addresses_are_reported_once_and_when_they_change() {
        let mut state = state(vec![network(7, true), attachment(10, 7, "10.0.1.3", "word")]);
        let mut containers = [container("box", "net7", "e7", "10.0.1.3")];
        for mac in ["", "02:00:00:00:00:01", "02:00:00:00:00:02", ""] {
            containers[0].endpoints[0].mac = mac.into();
            containers[0].endpoints[0].endpoint_id = if mac.is_empty() { "" } else { "e5" }.into();
            let seen = statuses(attachments(&state, NODE.into()), &containers, &known());
            let [(id, status)] = &seen[..] else { panic!("{seen:?}") };
            let now = status.container.as_ref().unwrap();
            assert_eq!((now.id.as_str(), now.macs.values().next().map_or("", |mac| mac)), ("box", mac));
            assert_eq!(now.endpoints.len(), now.macs.len(), "told with it");
            let changes = vec![Change::TaskReport { id: *id, status: status.clone() }];
            state.apply(state.index() + 1, &Proposal { at: Timestamp(2), changes });
            assert!(statuses(attachments(&state, NODE.into()), &containers, &known()).is_empty());
        }
        assert!(statuses(attachments(&state, NODE.into()), &[], &known()).is_empty(), "its container is on its way");
    }

    #[test]
    fn a_running_container_without_a_hardware_address_is_looked_at_again() {
        let mut containers = [container("box", "net7", "e7", "10.0.1.3"), container("other", "net9", "e9", "10.0.9.3")];
        assert!(is_settled(&containers, &known()), "none of them runs");
        containers.iter_mut().for_each(|container| container.running = true);
        assert!(!is_settled(&containers, &known()));
        containers[0].endpoints[0].mac = "02:00:00:00:00:01".into();
        assert!(is_settled(&containers, &known()), "the other one is on no network of the swarm");
    }

    #[test]
    fn an_address_without_an_attachment_is_adopted() {
        let state = state(vec![network(7, true), attachment(10, 7, "10.0.1.3", "a")]);
        let mut task = container("t", "net7", "e7", "10.0.1.9");
        task.is_task = true;
        let containers = [
            container("a", "net7", "e7", "10.0.1.3"),
            container("b", "net7", "e7", "10.0.1.4"),
            container("wish", "net7", "", "10.0.1.5"),
            container("foreign", "net8", "e8", "10.0.1.6"),
            task,
        ];
        let found = unknown(&state, NODE.into(), &containers, &known());
        assert_eq!(found.iter().map(|(_, _, container)| container.id.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn nothing_is_adopted_on_a_network_that_is_not_attachable() {
        let state = state(vec![network(7, false)]);
        assert!(unknown(&state, NODE.into(), &[container("b", "net7", "e7", "10.0.1.4")], &known()).is_empty());
    }

    #[test]
    fn tasks_of_services_are_no_attachments() {
        let mut ids = IdSource::new([1; 32]);
        let spec = Box::new(ServiceSpec { name: "s".into(), ..ServiceSpec::default() });
        let (service, task) = (ids.fresh(), ids.fresh());
        let state = state(vec![
            Change::ServiceCreate { id: service, spec },
            Change::TaskCreate {
                id: task,
                service,
                slot: 1,
                node: Some(NODE.into()),
                desired: TaskState::Running,
                restart: Default::default(),
            },
        ]);
        assert_eq!(state.tasks_of_node(NODE.into()).count(), 1);
        assert_eq!(attachments(&state, NODE.into()).count(), 0);
    }
}
