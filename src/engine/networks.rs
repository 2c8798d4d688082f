//! dockerd's networks: list, make, remove, connect, disconnect, and what its event stream says about them.
//!
//! Nothing here knows what a swarm network is; `network` decides what to make and gives it the label by which it finds
//! it again. Types of bollard do not leave this file.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, EndpointIpamConfig, EndpointSettings, EventMessage,
    EventMessageTypeEnum, Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest,
};
use bollard::query_parameters::{
    EventsOptions, InspectContainerOptions, InspectNetworkOptions, ListContainersOptions, ListNetworksOptions,
};
use futures_util::{Stream, StreamExt};
use gam_core::container::{LABEL_TASK_NAME, is_named_by};

use super::{Engine, EngineError};

/// A network as dockerd has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineNetwork {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// `local`, unless somebody said otherwise.
    pub scope: String,
    /// Subnets, `10.0.1.0/24`.
    pub subnets: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A network to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewNetwork {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Its one IPv4 pool; `None` leaves the choice to dockerd.
    pub pool: Option<Pool>,
    /// Its one IPv6 pool; `None` is no IPv6.
    pub ipv6_pool: Option<Pool>,
    /// Whether it has no way out.
    pub internal: bool,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// An address pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// `10.0.1.0/24`
    pub subnet: String,
    /// The part that dockerd itself may hand out.
    pub range: Option<String>,
    /// `10.0.1.1`
    pub gateway: Option<String>,
}

/// A container with its places on networks, whether it runs or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkedContainer {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Whether it runs, or is about to.
    pub running: bool,
    /// Whether it is the container of a task, made as one.
    pub is_task: bool,
    /// Whether dockerd removes it when it ends; known of an inspected container only.
    pub auto_remove: bool,
    /// Its endpoints.
    pub endpoints: Vec<ContainerEndpoint>,
}

/// A container's place on one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerEndpoint {
    /// The network's name, as the container knows it.
    pub network: String,
    /// The network's id; empty until the container first started.
    pub network_id: String,
    /// The address that it was given, or else the one that it has.
    pub address: Option<Ipv4Addr>,
    /// The same of IPv6.
    pub ipv6_address: Option<Ipv6Addr>,
    /// Its hardware address; empty unless the container runs.
    pub mac: String,
    /// The endpoint's id; empty unless the container runs.
    pub endpoint_id: String,
    /// Names by which it is found there.
    pub aliases: Vec<String>,
    /// Links of the old kind, `container:alias`.
    pub links: Vec<String>,
    /// Options of the driver for this endpoint.
    pub driver_opts: BTreeMap<String, String>,
    /// Which endpoint provides the default route: the highest.
    pub gw_priority: i64,
}

impl ContainerEndpoint {
    /// Its addresses of both families.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.address.map(IpAddr::V4).into_iter().chain(self.ipv6_address.map(IpAddr::V6))
    }
}

/// Something that happened to dockerd's networks or to who is on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A container that is not a task's has started: what a list tells of its networks is of now, which it may not have
    /// been when it joined them.
    ContainerStarted,
    /// A container that is not a task's was removed.
    ContainerDestroyed,
    /// A container joined a network, because it started or was connected.
    Connected {
        /// The network.
        network_id: String,
    },
    /// A container left a network, because it stopped or was disconnected.
    Disconnected {
        /// The network.
        network_id: String,
    },
    /// A network was made.
    NetworkCreated,
    /// A network was removed.
    NetworkDestroyed,
}

impl Engine {
    /// All networks, without their containers.
    pub async fn networks(&self) -> Result<Vec<EngineNetwork>, EngineError> {
        let listed = self.docker()?.list_networks(None::<ListNetworksOptions>).await?;
        Ok(listed.into_iter().map(network).collect())
    }

    /// Makes a network; returns its id.
    pub async fn create_network(&self, new: &NewNetwork) -> Result<String, EngineError> {
        let config = |pool: &Pool| IpamConfig {
            subnet: Some(pool.subnet.clone()),
            ip_range: pool.range.clone(),
            gateway: pool.gateway.clone(),
            auxiliary_addresses: None,
        };
        let configs: Vec<IpamConfig> = new.pool.iter().chain(&new.ipv6_pool).map(config).collect();
        let ipam = (!configs.is_empty()).then(|| Ipam {
            driver: Some("default".into()),
            config: Some(configs),
            options: None,
        });
        let request = NetworkCreateRequest {
            name: new.name.clone(),
            driver: Some(new.driver.clone()),
            internal: Some(new.internal),
            enable_ipv6: new.ipv6_pool.as_ref().map(|_| true),
            ipam,
            options: Some(new.options.clone().into_iter().collect()),
            labels: Some(new.labels.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        Ok(self.docker()?.create_network(request).await?.id)
    }

    /// Removes a network, by name or id.
    pub async fn remove_network(&self, network: &str) -> Result<(), EngineError> {
        Ok(self.docker()?.remove_network(network).await?)
    }

    /// The ids of the containers that run on a network; endpoints that belong to no container count under their own.
    pub async fn containers_on(&self, network: &str) -> Result<Vec<String>, EngineError> {
        let inspected = self.docker()?.inspect_network(network, None::<InspectNetworkOptions>).await?;
        Ok(inspected.containers.unwrap_or_default().into_keys().collect())
    }

    /// Connects a container to a network. dockerd before API 1.54 takes no MAC address here.
    pub async fn connect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: &ContainerEndpoint,
    ) -> Result<(), EngineError> {
        let config = EndpointSettings {
            ipam_config: endpoint.address.map(|address| EndpointIpamConfig {
                ipv4_address: Some(address.to_string()),
                ipv6_address: endpoint.ipv6_address.map(|address| address.to_string()),
                ..EndpointIpamConfig::default()
            }),
            aliases: Some(endpoint.aliases.clone()).filter(|aliases| !aliases.is_empty()),
            links: Some(endpoint.links.clone()).filter(|links| !links.is_empty()),
            driver_opts: Some(endpoint.driver_opts.clone().into_iter().collect())
                .filter(|opts: &HashMap<_, _>| !opts.is_empty()),
            gw_priority: Some(endpoint.gw_priority).filter(|priority| *priority != 0),
            ..EndpointSettings::default()
        };
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(config) };
        Ok(self.docker()?.connect_network(network, request).await?)
    }

    /// Disconnects a container from a network.
    pub async fn disconnect_network(&self, network: &str, container: &str, force: bool) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(force) };
        Ok(self.docker()?.disconnect_network(network, request).await?)
    }

    /// All containers with their places on networks, stopped ones too.
    pub async fn networked_containers(&self) -> Result<Vec<NetworkedContainer>, EngineError> {
        let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let listed = self.docker()?.list_containers(Some(options)).await?;
        Ok(listed.into_iter().map(container).collect())
    }

    /// One container with its places on networks, by name, id or prefix.
    pub async fn networked_container(&self, name: &str) -> Result<NetworkedContainer, EngineError> {
        let inspected = self.docker()?.inspect_container(name, None::<InspectContainerOptions>).await?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let labels = inspected.config.and_then(|config| config.labels).unwrap_or_default();
        let name = inspected.name.unwrap_or_default().trim_start_matches('/').to_owned();
        Ok(NetworkedContainer {
            id: inspected.id.unwrap_or_default(),
            running: inspected.state.and_then(|state| state.running).unwrap_or_default(),
            is_task: is_named_by(&name, labels.get(LABEL_TASK_NAME).map(String::as_str)),
            name,
            auto_remove: inspected.host_config.and_then(|config| config.auto_remove).unwrap_or_default(),
            endpoints: networks.into_iter().map(|(name, settings)| endpoint(name, settings)).collect(),
        })
    }

    /// What happens to networks from `since` (seconds since 1970) on; ends when the connection does.
    pub async fn network_events(
        &self,
        since: u64,
    ) -> Result<impl Stream<Item = Result<NetworkEvent, EngineError>> + use<>, EngineError> {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned(), "network".to_owned()]),
            ("event".to_owned(), ["start", "destroy", "connect", "disconnect", "create"].map(str::to_owned).to_vec()),
        ]);
        let docker = self.docker()?;
        let options =
            EventsOptions { since: Some(since.to_string()), filters: Some(filters), ..EventsOptions::default() };
        // bollard sends the request with the first poll and its stream borrows the client, so that both move in here.
        let (sender, receiver) = tokio::sync::mpsc::channel(EVENTS_WAITING);
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(docker.events(Some(options)));
            loop {
                tokio::select! {
                    event = stream.next() => {
                        let Some(event) = event else { return };
                        let event = event.map_err(EngineError::from).map(network_event).transpose();
                        let Some(event) = event else { continue };
                        if sender.send(event).await.is_err() {
                            return;
                        }
                    }
                    () = sender.closed() => return,
                }
            }
        });
        Ok(futures_util::stream::unfold(receiver, |mut receiver| async move {
            let event = receiver.recv().await?;
            Some((event, receiver))
        }))
    }
}

/// Events that may wait for their reader. It only marks what to look at, so a short queue is enough; when it is full,
/// dockerd buffers.
const EVENTS_WAITING: usize = 64;

fn network(listed: Network) -> EngineNetwork {
    let configs = listed.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    EngineNetwork {
        id: listed.id.unwrap_or_default(),
        name: listed.name.unwrap_or_default(),
        driver: listed.driver.unwrap_or_default(),
        scope: listed.scope.unwrap_or_default(),
        subnets: configs.into_iter().filter_map(|config| config.subnet).collect(),
        labels: listed.labels.unwrap_or_default().into_iter().collect(),
    }
}

fn container(listed: ContainerSummary) -> NetworkedContainer {
    let networks = listed.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    // Links of other containers are names, too: `/other/alias`.
    let names = listed.names.unwrap_or_default().into_iter();
    let name = names.map(|name| name.trim_start_matches('/').to_owned()).find(|name| !name.contains('/'));
    let name = name.unwrap_or_default();
    let labels = listed.labels.unwrap_or_default();
    NetworkedContainer {
        id: listed.id.unwrap_or_default(),
        running: matches!(
            listed.state,
            Some(
                ContainerSummaryStateEnum::RUNNING
                    | ContainerSummaryStateEnum::PAUSED
                    | ContainerSummaryStateEnum::RESTARTING
            )
        ),
        is_task: is_named_by(&name, labels.get(LABEL_TASK_NAME).map(String::as_str)),
        name,
        auto_remove: false,
        endpoints: networks.into_iter().map(|(name, settings)| endpoint(name, settings)).collect(),
    }
}

fn endpoint(network: String, settings: EndpointSettings) -> ContainerEndpoint {
    let given = settings.ipam_config.unwrap_or_default();
    // What it was given, or else what it has.
    let address = [given.ipv4_address, settings.ip_address].into_iter().flatten().find(|address| !address.is_empty());
    let ipv6_address =
        [given.ipv6_address, settings.global_ipv6_address].into_iter().flatten().find(|address| !address.is_empty());
    let has_endpoint = settings.endpoint_id.as_ref().is_some_and(|id| !id.is_empty());
    ContainerEndpoint {
        network,
        network_id: settings.network_id.unwrap_or_default(),
        address: address.and_then(|address| address.parse().ok()),
        ipv6_address: ipv6_address.and_then(|address| address.parse().ok()),
        mac: Some(settings.mac_address.unwrap_or_default()).filter(|_| has_endpoint).unwrap_or_default(),
        endpoint_id: settings.endpoint_id.unwrap_or_default(),
        aliases: settings.aliases.unwrap_or_default(),
        links: settings.links.unwrap_or_default(),
        driver_opts: settings.driver_opts.unwrap_or_default().into_iter().collect(),
        gw_priority: settings.gw_priority.unwrap_or_default(),
    }
}

fn network_event(message: EventMessage) -> Option<NetworkEvent> {
    let actor = message.actor.unwrap_or_default();
    let id = actor.id.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let name = attributes.get("name").map_or("", String::as_str);
    let is_task = is_named_by(name, attributes.get(LABEL_TASK_NAME).map(String::as_str));
    match (message.typ?, message.action?.as_str()) {
        (EventMessageTypeEnum::CONTAINER, "destroy") if !is_task => Some(NetworkEvent::ContainerDestroyed),
        (EventMessageTypeEnum::CONTAINER, "start") if !is_task => Some(NetworkEvent::ContainerStarted),
        (EventMessageTypeEnum::NETWORK, "connect") => Some(NetworkEvent::Connected { network_id: id }),
        (EventMessageTypeEnum::NETWORK, "disconnect") => Some(NetworkEvent::Disconnected { network_id: id }),
        (EventMessageTypeEnum::NETWORK, "create") => Some(NetworkEvent::NetworkCreated),
        (EventMessageTypeEnum::NETWORK, "destroy") => Some(NetworkEvent::NetworkDestroyed),
        _ => None,
    }
}
