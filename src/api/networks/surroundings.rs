//! Who else is on a network, as far as this node knows: the services with their tasks for `verbose`, and the other nodes.
//!
//! Managers and workers tell the same, for both read it from what they hold of the networks that they are on, as in Docker both
//! know it by gossip (`moby: libnetwork/agent.go`, `Services` and `Peers`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use gam_core::assignment::Assignments;
use gam_core::model::{Member, NamedService, Network, NodeId};
use gam_core::state::State;
use serde::Serialize;

use super::render::{Endpoint, Endpoints};
use crate::network::attachments::host;

/// How much of a node's id names it among the peers; dockerd's names have 12 hexadecimal digits too.
const PEER_NAME_BITS: u32 = 48;

/// Where to look for them.
pub struct Surroundings<'a> {
    network: &'a Network,
    held: &'a Assignments,
    cluster: &'a State,
    node: NodeId,
}

/// A node on which containers use the network.
#[derive(Debug, PartialEq, Serialize)]
pub struct Peer {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "IP")]
    ip: String,
}

/// The tasks of a service on a network.
#[derive(Serialize)]
pub struct ServiceInfo {
    #[serde(rename = "VIP")]
    vip: String,
    #[serde(rename = "Ports")]
    ports: Vec<String>,
    /// dockerd's is the firewall mark by which its node balances. Each container of Gam's balances by itself and needs
    /// none, so this is 0, as it is in dockerd where nothing is balanced.
    #[serde(rename = "LocalLBIndex")]
    local_lb_index: u32,
    #[serde(rename = "Tasks")]
    tasks: Vec<TaskInfo>,
}

#[derive(Serialize)]
struct TaskInfo {
    #[serde(rename = "Name")]
    name: String,
    /// The engine's name for the place.
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    #[serde(rename = "EndpointIP")]
    endpoint_ip: String,
    #[serde(rename = "Info")]
    info: BTreeMap<&'static str, String>,
}

impl<'a> Surroundings<'a> {
    /// Those of a network on `node`, which holds so much; what it knows of the cluster is more on a manager.
    pub fn of(network: &'a Network, held: &'a Assignments, cluster: &'a State, node: NodeId) -> Surroundings<'a> {
        Surroundings { network, held, cluster, node }
    }

    /// The nodes on which containers use the network; the routing mesh is on all.
    pub fn peers(&self) -> Vec<Peer> {
        let mut nodes: BTreeSet<NodeId> =
            self.held.members_of(self.network.id).map(|member| member.node).chain([self.node]).collect();
        if self.network.spec.ingress {
            nodes.extend(self.held.peers.keys());
            nodes.extend(self.cluster.nodes().map(|node| node.id));
        }
        let peer = |node: NodeId| {
            let name = format!("{:012x}", node.number() >> (u128::BITS - PEER_NAME_BITS));
            Some(Peer { name, ip: self.address(node)? })
        };
        nodes.into_iter().filter_map(peer).collect()
    }

    /// The address that a node advertises, or else where it takes packets, which is all that a worker is told of others.
    fn address(&self, node: NodeId) -> Option<String> {
        let advertised = self.cluster.node(node).map(|node| node.status.addr.clone());
        let advertised = advertised.filter(|address| !address.is_empty());
        advertised.or_else(|| self.data_path(node))
    }

    fn data_path(&self, node: NodeId) -> Option<String> {
        let peer = self.held.peers.get(&node)?;
        Some(peer.data_path.clone()).filter(|address| !address.is_empty())
    }

    /// The services by name, with those of their tasks that serve; containers that are no service's are under no name.
    pub fn services(&self, on_it: &Endpoints) -> BTreeMap<String, ServiceInfo> {
        let here = on_it.containers.values();
        let endpoints: BTreeMap<Ipv4Addr, &Endpoint> =
            here.filter_map(|endpoint| Some((host(&endpoint.ipv4_address)?, endpoint))).collect();
        let mut services: BTreeMap<String, ServiceInfo> = BTreeMap::new();
        for member in self.held.members_of(self.network.id).filter(|member| member.is_serving()) {
            let Some(task) = self.task(member, &endpoints) else { continue };
            let service = member.service.and_then(|id| self.held.services.get(&id));
            let name = service.map(|service| service.name.clone()).unwrap_or_default();
            let known = services.entry(name).or_insert_with(|| self.service(service.map(|service| &**service)));
            known.tasks.push(task);
        }
        services
    }

    fn task(&self, member: &Member, endpoints: &BTreeMap<Ipv4Addr, &Endpoint>) -> Option<TaskInfo> {
        let ip = member.addresses.iter().find_map(|address| host(address))?;
        let endpoint = endpoints.get(&ip).filter(|_| member.node == self.node);
        Some(TaskInfo {
            name: member.name.clone(),
            // Of a place here the engine is asked, and of others their nodes have told.
            endpoint_id: endpoint.map_or(&member.endpoint, |endpoint| &endpoint.endpoint_id).clone(),
            endpoint_ip: ip.to_string(),
            info: BTreeMap::from([("Host IP", self.data_path(member.node).unwrap_or_default())]),
        })
    }

    fn service(&self, service: Option<&NamedService>) -> ServiceInfo {
        let mut virtual_ips = service.into_iter().flat_map(|service| &service.virtual_ips);
        // Docker's one is of IPv4, and comes first.
        let virtual_ip = virtual_ips.find(|virtual_ip| virtual_ip.network == self.network.id);
        let virtual_ip = virtual_ip.and_then(|virtual_ip| host(&virtual_ip.address)).map(|ip| ip.to_string());
        // Ports are published by way of the routing mesh, and are shown there only.
        let ports = service.filter(|_| self.network.spec.ingress).map(|service| service.ports.as_slice());
        let port = |port: &gam_core::model::PortConfig| {
            format!("Target: {}, Publish: {}", port.target_port, port.published_port)
        };
        ServiceInfo {
            // What Go prints for no address at all.
            vip: virtual_ip.unwrap_or_else(|| "<nil>".into()),
            ports: ports.unwrap_or_default().iter().map(port).collect(),
            local_lb_index: 0,
            tasks: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gam_core::model::{
        IpamConfig, Meta, Network, NetworkId, NetworkSpec, Phase, PortConfig, ServiceId, TaskId, Timestamp, VirtualIp,
    };

    use super::super::render::Rendered;
    use super::*;

    const NODE: u128 = 0x30c8_06a7_5c81 << 80;
    const OTHER: u128 = 0x5f55_a2b1_9d46 << 80;
    const WEB: ServiceId = ServiceId::MIN;

    fn network(ingress: bool) -> Network {
        let ipam = IpamConfig { subnet: "10.61.0.0/24".into(), gateway: "10.61.0.1".into(), ..IpamConfig::default() };
        Network {
            id: 7.into(),
            meta: Meta::created(1, Timestamp(1)),
            spec: NetworkSpec { name: "att".into(), ingress, ..NetworkSpec::default() },
            ipam: vec![ipam],
            vni: 4105,
        }
    }

    fn member(number: u8, node: u128, service: Option<ServiceId>, phase: Phase) -> ((NetworkId, TaskId), Arc<Member>) {
        let member = Member {
            network: 7.into(),
            task: u128::from(number).into(),
            node: node.into(),
            service,
            name: format!("c{number}"),
            container: String::new(),
            addresses: vec![format!("10.61.0.{number}/24")],
            mac: String::new(),
            endpoint: format!("e{number}"),
            aliases: Vec::new(),
            phase,
        };
        ((member.network, member.task), Arc::new(member))
    }

    fn held() -> Assignments {
        let peer = |number: u128, path: &str| {
            let peer = gam_core::model::Peer {
                node: number.into(),
                name: String::new(),
                data_path: path.into(),
                tunnel_key: String::new(),
            };
            (peer.node, Arc::new(peer))
        };
        let web = NamedService {
            id: WEB,
            name: "web".into(),
            virtual_ips: vec![VirtualIp { network: 7.into(), address: "10.61.0.9/24".into() }],
            ports: vec![PortConfig { target_port: 80, published_port: 8080, ..PortConfig::default() }],
            masquerades: false,
        };
        Assignments {
            members: [
                member(2, NODE, None, Phase::Serving),
                member(3, OTHER, Some(WEB), Phase::Serving),
                member(4, OTHER, Some(WEB), Phase::Coming),
            ]
            .into_iter()
            .collect(),
            services: [(WEB, Arc::new(web))].into_iter().collect(),
            peers: [peer(NODE, "10.79.0.1"), peer(OTHER, "10.79.0.2"), peer(1 << 80, "10.79.0.3")]
                .into_iter()
                .collect(),
            ..Assignments::default()
        }
    }

    /// As dockerd 28.5.2 answered with a container of its own, and a task on another node.
    #[test]
    fn a_worker_shows_containers_peers_and_services() {
        let (network, held, cluster) = (network(false), held(), State::default());
        let on_it: Endpoints = serde_json::from_str(
            r#"{"Name":"att","Containers":{"c0ffee":{"Name":"c2","EndpointID":"9b80","MacAddress":"02:42:0a:3d:00:02","IPv4Address":"10.61.0.2/24","IPv6Address":""}}}"#,
        )
        .unwrap();
        let around = Surroundings::of(&network, &held, &cluster, NODE.into());
        let text = serde_json::to_string(&Rendered::here(&network, on_it, &around, true)).unwrap();
        let (_, tail) = text.split_once(r#""ConfigOnly":false,"#).unwrap();
        assert_eq!(
            tail,
            r#""Containers":{"c0ffee":{"Name":"c2","EndpointID":"9b80","MacAddress":"02:42:0a:3d:00:02","IPv4Address":"10.61.0.2/24","IPv6Address":""}},"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4105"},"Labels":{},"Peers":[{"Name":"30c806a75c81","IP":"10.79.0.1"},{"Name":"5f55a2b19d46","IP":"10.79.0.2"}],"Services":{"":{"VIP":"<nil>","Ports":[],"LocalLBIndex":0,"Tasks":[{"Name":"c2","EndpointID":"9b80","EndpointIP":"10.61.0.2","Info":{"Host IP":"10.79.0.1"}}]},"web":{"VIP":"10.61.0.9","Ports":[],"LocalLBIndex":0,"Tasks":[{"Name":"c3","EndpointID":"e3","EndpointIP":"10.61.0.3","Info":{"Host IP":"10.79.0.2"}}]}}}"#
        );
    }

    #[test]
    fn published_ports_are_the_meshs_and_it_is_on_every_node() {
        let (network, held, cluster) = (network(true), held(), State::default());
        let around = Surroundings::of(&network, &held, &cluster, NODE.into());
        let services = around.services(&Endpoints::default());
        assert_eq!(services["web"].ports, ["Target: 80, Publish: 8080"]);
        let ips: Vec<String> = around.peers().into_iter().map(|peer| peer.ip).collect();
        assert_eq!(ips, ["10.79.0.3", "10.79.0.1", "10.79.0.2"], "by the nodes' ids");
    }
}
