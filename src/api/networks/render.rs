//! A swarm network as dockerd prints it (`moby: api/types/network.Inspect`, `daemon/cluster/convert/network.go`).
//!
//! A node on which no container uses the network knows it from the managers only: no containers, no peers, empty maps
//! as null. One with containers on it prints what it has.

use std::collections::BTreeMap;

use gam_core::model::{IpamConfig, Network, StringMap, Timestamp};
use serde::{Deserialize, Serialize};

use super::surroundings::{Peer, ServiceInfo, Surroundings};

/// The option that shows an overlay's VXLAN identifier.
const VXLAN_OPTION: &str = "com.docker.network.driver.overlay.vxlanid_list";
/// What swarmkit adds to options of the address manager, if there are any (`libnetwork: ipamapi.AllocSerialPrefix`).
const SERIAL_OPTION: &str = "com.docker.network.ipam.serial";

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
    config: Option<Vec<PoolConfig<'a>>>,
}

#[derive(Serialize)]
struct PoolConfig<'a> {
    #[serde(rename = "Subnet", skip_serializing_if = "str::is_empty")]
    subnet: &'a str,
    #[serde(rename = "IPRange", skip_serializing_if = "str::is_empty")]
    range: &'a str,
    #[serde(rename = "Gateway", skip_serializing_if = "str::is_empty")]
    gateway: &'a str,
    #[serde(rename = "AuxiliaryAddresses", skip_serializing_if = "StringMap::is_empty")]
    auxiliary_addresses: &'a StringMap,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: &'static str,
}

/// A container's place, as dockerd's inspect of the backing prints it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint_id: String,
    #[serde(rename = "MacAddress")]
    mac_address: String,
    #[serde(rename = "IPv4Address")]
    pub(super) ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    ipv6_address: String,
}

/// Who is on a backing: what is read of dockerd's inspect.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    #[serde(rename = "Containers")]
    pub(super) containers: BTreeMap<String, Endpoint>,
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
            driver: shown_driver(network),
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
    pub fn here(network: &'a Network, on_it: Endpoints, around: &Surroundings<'_>, verbose: bool) -> Rendered<'a> {
        let services = if verbose { around.services(&on_it) } else { BTreeMap::new() };
        Rendered {
            containers: Some(on_it.containers),
            labels: Some(&network.spec.labels),
            peers: around.peers(),
            services,
            ..Rendered::elsewhere(network)
        }
    }
}

/// The driver, which Docker shows of no network that waits for its subnets.
pub fn shown_driver(network: &Network) -> &str {
    if network.is_pending() { "" } else { network.driver() }
}

fn ipam(network: &Network) -> Ipam<'_> {
    if network.is_pending() {
        return Ipam { driver: "", options: None, config: None };
    }
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
    Ipam { driver: name, options, config: Some(network.ipam.iter().map(pool).collect()) }
}

fn pool(config: &IpamConfig) -> PoolConfig<'_> {
    PoolConfig {
        subnet: &config.subnet,
        range: &config.range,
        gateway: &config.gateway,
        auxiliary_addresses: &config.auxiliary_addresses,
    }
}

fn options(network: &Network) -> Option<StringMap> {
    if network.is_pending() {
        return None;
    }
    let given = network.spec.driver_configuration.as_ref().map(|driver| driver.options.clone());
    if network.driver() != "overlay" {
        return given.filter(|options| !options.is_empty());
    }
    let mut options = given.unwrap_or_default();
    options.insert(VXLAN_OPTION.into(), network.vni.to_string());
    Some(options)
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Driver, IpamOptions, Meta, NetworkSpec};

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
    fn a_network_that_waits_for_its_subnets_is_shown_without_a_driver() {
        let network = Network { ipam: Vec::new(), vni: 0, ..network(NetworkSpec::default()) };
        let text = print(&Rendered::elsewhere(&network));
        assert!(text.contains(r#""Driver":"","EnableIPv4":true,"#), "{text}");
        assert!(text.contains(r#""IPAM":{"Driver":"","Options":null,"Config":null}"#), "{text}");
        assert!(text.contains(r#""Options":null,"Labels""#), "{text}");
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
}
