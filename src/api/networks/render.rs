//! A swarm network as dockerd prints it (`moby: api/types/network.Inspect`, `daemon/cluster/convert/network.go`).
//!
//! A node on which no container uses the network knows it from the managers only: no containers, no peers, empty maps
//! as null. One with containers on it prints what it has.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use gam_core::model::{IpamConfig, Network, NetworkId, NodeId, StringMap, Task, TaskState, Timestamp};
use gam_core::state::State;
use serde::{Deserialize, Serialize};

use crate::network::attachments::host;

/// The option that shows an overlay's VXLAN identifier.
const VXLAN_OPTION: &str = "com.docker.network.driver.overlay.vxlanid_list";
/// What swarmkit adds to options of the address manager, if there are any (`libnetwork: ipamapi.AllocSerialPrefix`).
const SERIAL_OPTION: &str = "com.docker.network.ipam.serial";
/// How much of a node's id names it among the peers; dockerd's names have 12 hexadecimal digits too.
const PEER_NAME_BITS: u32 = 48;

/// A network as printed. The order of the fields is dockerd's.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rendered<'a> {
    name: &'a str,
    id: String,
    created: Timestamp,
    scope: &'static str,
    driver: &'a str,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam<'a>,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: ConfigFrom,
    config_only: bool,
    containers: Option<BTreeMap<String, Endpoint>>,
    options: Option<StringMap>,
    labels: Option<&'a StringMap>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    peers: Vec<Peer>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    services: BTreeMap<String, ServiceInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam<'a> {
    driver: &'a str,
    options: Option<StringMap>,
    config: Vec<PoolConfig<'a>>,
}

#[derive(Serialize)]
struct PoolConfig<'a> {
    #[serde(rename = "Subnet", skip_serializing_if = "str::is_empty")]
    subnet: &'a str,
    #[serde(rename = "IPRange", skip_serializing_if = "str::is_empty")]
    range: &'a str,
    #[serde(rename = "Gateway", skip_serializing_if = "str::is_empty")]
    gateway: &'a str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: &'static str,
}

#[derive(Serialize)]
struct Peer {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "IP")]
    ip: String,
}

/// The tasks of a service on a network, for `verbose`.
#[derive(Serialize)]
struct ServiceInfo {
    #[serde(rename = "VIP")]
    vip: String,
    #[serde(rename = "Ports")]
    ports: Vec<String>,
    #[serde(rename = "LocalLBIndex")]
    local_lb_index: u32,
    #[serde(rename = "Tasks")]
    tasks: Vec<TaskInfo>,
}

#[derive(Serialize)]
struct TaskInfo {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    #[serde(rename = "EndpointIP")]
    endpoint_ip: String,
    #[serde(rename = "Info")]
    info: BTreeMap<&'static str, String>,
}

/// A container's place, as dockerd's inspect of the backing prints it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    #[serde(rename = "MacAddress")]
    mac_address: String,
    #[serde(rename = "IPv4Address")]
    ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    ipv6_address: String,
}

/// Who is on a backing: what is read of dockerd's inspect.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    #[serde(rename = "Containers")]
    containers: BTreeMap<String, Endpoint>,
}

impl Endpoints {
    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }
}

impl<'a> Rendered<'a> {
    /// A network that this node knows from the managers only.
    pub fn elsewhere(network: &'a Network) -> Rendered<'a> {
        let spec = &network.spec;
        Rendered {
            name: network.name(),
            id: network.id.to_string(),
            created: network.meta.created_at,
            scope: "swarm",
            driver: network.driver(),
            enable_ipv4: true,
            enable_ipv6: spec.ipv6_enabled,
            ipam: ipam(network),
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: spec.ingress,
            config_from: ConfigFrom::default(),
            config_only: false,
            containers: None,
            options: options(network),
            labels: Some(&spec.labels).filter(|labels| !labels.is_empty()),
            peers: Vec::new(),
            services: BTreeMap::new(),
        }
    }

    /// A network that containers of this node use.
    pub fn here(network: &'a Network, on_it: Endpoints, state: &State, node: NodeId, verbose: bool) -> Rendered<'a> {
        let services = if verbose { services(network.id, &on_it, state) } else { BTreeMap::new() };
        Rendered {
            containers: Some(on_it.containers),
            labels: Some(&network.spec.labels),
            peers: peers(network, state, node),
            services,
            ..Rendered::elsewhere(network)
        }
    }
}

fn ipam(network: &Network) -> Ipam<'_> {
    let driver = network.spec.ipam_options.as_ref().map(|options| &options.driver);
    let given = driver.map(|driver| &driver.options).filter(|options| !options.is_empty());
    let mut options = given.cloned();
    if let Some(options) = &mut options {
        options.insert(SERIAL_OPTION.into(), "true".into());
    }
    let name = driver.map_or("", |driver| driver.name.as_str());
    // The managers hand out addresses on overlays only; on others each node's dockerd does.
    let name = match (network.driver(), name) {
        ("overlay", "") => "default",
        ("overlay", name) => name,
        _ => "",
    };
    Ipam { driver: name, options, config: network.ipam.iter().map(pool).collect() }
}

fn pool(config: &IpamConfig) -> PoolConfig<'_> {
    PoolConfig { subnet: &config.subnet, range: &config.range, gateway: &config.gateway }
}

fn options(network: &Network) -> Option<StringMap> {
    let given = network.spec.driver_configuration.as_ref().map(|driver| driver.options.clone());
    if network.driver() != "overlay" {
        return given.filter(|options| !options.is_empty());
    }
    let mut options = given.unwrap_or_default();
    options.insert(VXLAN_OPTION.into(), network.vni.to_string());
    Some(options)
}

/// The nodes on which containers use the network; the routing mesh is on all.
fn peers(network: &Network, state: &State, node: NodeId) -> Vec<Peer> {
    let uses = |id: NodeId| id == node || state.tasks_of_node(id).any(|task| is_on(task, network.id));
    state
        .nodes()
        .filter(|node| !node.status.addr.is_empty() && (network.spec.ingress || uses(node.id)))
        .map(|node| Peer {
            name: format!("{:012x}", node.id.number() >> (u128::BITS - PEER_NAME_BITS)),
            ip: node.status.addr.clone(),
        })
        .collect()
}

fn is_on(task: &Task, network: NetworkId) -> bool {
    task.status.state == TaskState::Running && task.networks.iter().any(|place| place.network == Some(network))
}

fn services(network: NetworkId, on_it: &Endpoints, state: &State) -> BTreeMap<String, ServiceInfo> {
    let endpoints: BTreeMap<Ipv4Addr, &Endpoint> =
        on_it.containers.values().filter_map(|endpoint| Some((host(&endpoint.ipv4_address)?, endpoint))).collect();
    let mut services: BTreeMap<String, ServiceInfo> = BTreeMap::new();
    for task in state.tasks().filter(|task| is_on(task, network)) {
        let places = task.networks.iter().filter(|place| place.network == Some(network));
        let Some(ip) = places.flat_map(|place| &place.addresses).find_map(|address| host(address)) else { continue };
        let endpoint = endpoints.get(&ip);
        let service = task.service.and_then(|id| state.service(id));
        let name = match (service, endpoint) {
            // The container of an attachment bears its own name, not the task's.
            (None, Some(endpoint)) => endpoint.name.clone(),
            _ => task.name(),
        };
        let at = task.node.and_then(|id| state.node(id)).map(|node| node.status.addr.clone()).unwrap_or_default();
        let info = TaskInfo {
            name,
            endpoint_id: endpoint.map(|endpoint| endpoint.endpoint_id.clone()).unwrap_or_default(),
            endpoint_ip: ip.to_string(),
            info: BTreeMap::from([("Host IP", at)]),
        };
        let key = service.map(|service| service.name().to_owned()).unwrap_or_default();
        services
            .entry(key)
            .or_insert_with(|| service_info(network, service.map(|service| &**service)))
            .tasks
            .push(info);
    }
    services
}

fn service_info(network: NetworkId, service: Option<&gam_core::model::Service>) -> ServiceInfo {
    let endpoint = service.map(|service| &service.endpoint);
    let vip = endpoint.and_then(|endpoint| endpoint.virtual_ips.iter().find(|vip| vip.network == network));
    let vip = vip.and_then(|vip| host(&vip.address)).map(|ip| ip.to_string());
    let ports = endpoint.map(|endpoint| endpoint.ports.as_slice()).unwrap_or_default();
    ServiceInfo {
        // What Go prints for no address at all.
        vip: vip.unwrap_or_else(|| "<nil>".into()),
        ports: ports
            .iter()
            .map(|port| format!("Target: {}, Publish: {}", port.target_port, port.published_port))
            .collect(),
        local_lb_index: 0,
        tasks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use gam_core::model::{
        Attachment, Driver, IpamOptions, Meta, NetworkSpec, Node, NodeDescription, NodeSpec, NodeStatus,
    };
    use gam_core::state::{Change, Proposal};

    use super::*;

    fn network(spec: NetworkSpec) -> Network {
        Network {
            id: 7.into(),
            meta: Meta::created(1, Timestamp(1_500_000_000)),
            spec: NetworkSpec { name: "att".into(), ..spec },
            ipam: vec![IpamConfig {
                subnet: "10.61.0.0/24".into(),
                gateway: "10.61.0.1".into(),
                ..IpamConfig::default()
            }],
            vni: 4105,
        }
    }

    fn print(rendered: &Rendered<'_>) -> String {
        serde_json::to_string(rendered).unwrap()
    }

    /// As dockerd 28.5.2 answered for a network without containers.
    #[test]
    fn elsewhere_is_printed_as_a_manager_prints_it() {
        let network = network(NetworkSpec { attachable: true, ..NetworkSpec::default() });
        assert_eq!(
            print(&Rendered::elsewhere(&network)),
            r#"{"Name":"att","Id":"0000000000000000000000007","Created":"1970-01-01T00:00:01.5Z","Scope":"swarm","Driver":"overlay","EnableIPv4":true,"EnableIPv6":false,"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"10.61.0.0/24","Gateway":"10.61.0.1"}]},"Internal":false,"Attachable":true,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,"Containers":null,"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4105"},"Labels":null}"#
        );
    }

    #[test]
    fn options_of_the_user_are_printed_with_the_swarms_own() {
        let option = |key: &str| StringMap::from([(key.to_owned(), "x".to_owned())]);
        let network = network(NetworkSpec {
            driver_configuration: Some(Driver { name: "overlay".into(), options: option("foo") }),
            ipam_options: Some(IpamOptions {
                driver: Driver { name: "default".into(), options: option("q") },
                ..IpamOptions::default()
            }),
            ..NetworkSpec::default()
        });
        let text = print(&Rendered::elsewhere(&network));
        assert!(text.contains(r#""Options":{"com.docker.network.ipam.serial":"true","q":"x"}"#), "{text}");
        assert!(
            text.contains(r#""Options":{"com.docker.network.driver.overlay.vxlanid_list":"4105","foo":"x"}"#),
            "{text}"
        );
    }

    /// As dockerd 28.5.2 answered with one container of its own on the network.
    #[test]
    fn here_shows_containers_peers_and_services() {
        let network = network(NetworkSpec::default());
        let on_it: Endpoints = serde_json::from_str(
            r#"{"Name":"att","Containers":{"c0ffee":{"Name":"c1","EndpointID":"9b80","MacAddress":"02:42:0a:3d:00:02","IPv4Address":"10.61.0.2/24","IPv6Address":""}}}"#,
        )
        .unwrap();
        let node: NodeId = (0x30c8_06a7_5c81_u128 << 80).into();
        let attachment =
            Attachment { network: Some(network.id), addresses: vec!["10.61.0.2/24".into()], aliases: Vec::new() };
        let mut state = State::default();
        let joined = Node {
            id: node,
            meta: Meta::default(),
            spec: NodeSpec::default(),
            description: NodeDescription::default(),
            status: NodeStatus { addr: "10.79.0.1".into(), ..NodeStatus::default() },
            manager: None,
        };
        let changes = vec![
            Change::NodeCreate(Box::new(joined)),
            Change::AttachmentCreate {
                id: 9.into(),
                node,
                name: "c1".into(),
                container: "word".into(),
                networks: vec![attachment],
            },
        ];
        state.apply(1, &Proposal { at: Timestamp(1), changes });
        let text = print(&Rendered::here(&network, on_it, &state, node, true));
        let (_, tail) = text.split_once(r#""ConfigOnly":false,"#).unwrap();
        assert_eq!(
            tail,
            r#""Containers":{"c0ffee":{"Name":"c1","EndpointID":"9b80","MacAddress":"02:42:0a:3d:00:02","IPv4Address":"10.61.0.2/24","IPv6Address":""}},"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4105"},"Labels":{},"Peers":[{"Name":"30c806a75c81","IP":"10.79.0.1"}],"Services":{"":{"VIP":"<nil>","Ports":[],"LocalLBIndex":0,"Tasks":[{"Name":"c1","EndpointID":"9b80","EndpointIP":"10.61.0.2","Info":{"Host IP":"10.79.0.1"}}]}}}"#
        );
    }
}
