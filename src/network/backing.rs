//! What the backing of an overlay network in dockerd looks like: names, addresses, options. Pure.
//!
//! dockerd refuses `overlay` networks outside its own swarm mode, so on every node that needs one Gam keeps a bridge
//! network of the same name and subnet, marked with the swarm network's id. The gateway is an anycast address that
//! every node holds. Whatever else `network` and the API must know about backings is decided here.

use std::net::{IpAddr, Ipv4Addr};

use gam_core::crypt;
use gam_core::model::{IpamConfig, Network, NetworkId};

use crate::engine::networks::{EngineNetwork, NewNetwork, Pool};

/// The label that marks a backing with the id of its swarm network.
pub const NETWORK_LABEL: &str = "gam.network.id";

/// What the packets between nodes may measure, in bytes, if nobody says otherwise (`moby: drivers/overlay`, `maxMTU`).
const UNDERLAY_MTU: u32 = 1500;
/// What VXLAN over IPv4 puts around a packet.
const VXLAN_OVERHEAD: u32 = 50;
/// What an encrypted network needs: VXLAN in the tunnel, and the tunnel. Docker's, by IPsec, takes 76.
const CRYPT_OVERHEAD: u32 = crypt::VXLAN_OVERHEAD + crypt::WIREGUARD_OVERHEAD;
/// The option by which a user says what the packets between nodes may measure.
const MTU_OPTION: &str = "com.docker.network.driver.mtu";
/// The option that fixes the name of the kernel's bridge.
const BRIDGE_NAME_OPTION: &str = "com.docker.network.bridge.name";
/// How much of an id goes into a bridge's name: `gam-` and 11 make the 15 that Linux allows for a link.
const BRIDGE_ID_LENGTH: usize = 11;
/// How much of an id goes into a backing's name when the plain one is taken; as much as the CLI shows of it.
const NAME_ID_LENGTH: usize = 12;

/// A backing as dockerd has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    /// The swarm network behind it.
    pub network: NetworkId,
    /// The name of that network.
    pub name: String,
    /// dockerd's id, 64 hexadecimal digits.
    pub engine_id: String,
    /// dockerd's name; differs from `name` only if that was taken.
    pub engine_name: String,
    /// Its subnets.
    pub subnets: Vec<String>,
}

impl Backing {
    /// Recognises a backing by its label; `None` for every other network.
    pub fn of(network: &EngineNetwork) -> Option<Backing> {
        let id: NetworkId = network.labels.get(NETWORK_LABEL)?.parse().ok()?;
        let suffix = name_suffix(id);
        Some(Backing {
            network: id,
            name: network.name.strip_suffix(&suffix).unwrap_or(&network.name).to_owned(),
            engine_id: network.id.clone(),
            engine_name: network.name.clone(),
            subnets: network.subnets.clone(),
        })
    }

    /// Whether this backing still fits its network: subnets may be chosen anew.
    pub fn fits(&self, network: &Network) -> bool {
        let mut pools = [pool(network, true), pool(network, false)].into_iter().flatten();
        pools.all(|pool| self.subnets.contains(&pool.subnet))
    }
}

/// The kernel's name for a network's bridge, the same on every node.
pub fn bridge_name(network: NetworkId) -> String {
    format!("gam-{}", &network.to_string()[..BRIDGE_ID_LENGTH])
}

/// The name of a backing whose plain name belongs to a network of the user's own.
pub fn second_name(network: &Network) -> String {
    format!("{}{}", network.name(), name_suffix(network.id))
}

fn name_suffix(network: NetworkId) -> String {
    format!(".{}", &network.to_string()[..NAME_ID_LENGTH])
}

/// What the packets of an overlay may measure, on an underlay whose packets may measure so much: as in Docker what the user
/// or 1500 says, less what VXLAN, and encryption, needs. An underlay that takes less counts where Docker would lose packets; one that takes
/// more does not, since other nodes may have another.
pub fn mtu(network: &Network, underlay: Option<u32>) -> u32 {
    let options = network.spec.driver_configuration.as_ref().map(|driver| &driver.options);
    let asked = options.and_then(|options| options.get(MTU_OPTION)?.parse().ok()).filter(|mtu| *mtu > 0);
    let outer = asked.unwrap_or_else(|| underlay.unwrap_or(UNDERLAY_MTU).min(UNDERLAY_MTU));
    outer.saturating_sub(if network.is_encrypted() { CRYPT_OVERHEAD } else { VXLAN_OVERHEAD })
}

/// What to ask dockerd for, on an underlay whose packets may measure so much. A network of another driver than `overlay` is
/// made as its user described it.
pub fn plan(network: &Network, name: &str, underlay: Option<u32>) -> NewNetwork {
    let mut labels = network.spec.labels.clone();
    labels.insert(NETWORK_LABEL.into(), network.id.to_string());
    let user = network.spec.driver_configuration.as_ref().map(|driver| &driver.options);
    let mut new = NewNetwork {
        name: name.to_owned(),
        driver: network.driver().to_owned(),
        pool: pool(network, true),
        ipv6_pool: pool(network, false),
        internal: network.spec.internal,
        options: user.cloned().unwrap_or_default(),
        labels,
    };
    if network.driver() == "overlay" {
        let mtu = mtu(network, underlay).to_string();
        new.driver = "bridge".into();
        new.options =
            [(MTU_OPTION.into(), mtu), (BRIDGE_NAME_OPTION.into(), bridge_name(network.id))].into_iter().collect();
    }
    new
}

/// The first subnet of a family: a bridge can hold but one.
///
/// dockerd may hand out nothing but the gateway, which is taken: whoever joins a backing without an address from the
/// cluster's allocator is refused instead of colliding with an endpoint on another node.
fn pool(network: &Network, is_ipv4: bool) -> Option<Pool> {
    let (config, gateway) = network.ipam.iter().find_map(|config| {
        let gateway = gateway_of(config).filter(|gateway| gateway.is_ipv4() == is_ipv4)?;
        Some((config, gateway))
    })?;
    let range = Some(format!("{gateway}/{}", if is_ipv4 { 32 } else { 128 }));
    Some(Pool { subnet: config.subnet.clone(), range, gateway: Some(gateway.to_string()) })
}

/// Where the resolver of a network listens: on its IPv4 gateway, which every host with a backing of it has. There is none on
/// networks that are not Gam's own.
pub fn resolver(network: &Network) -> Option<Ipv4Addr> {
    gateways(network).find_map(|(gateway, _)| match gateway {
        IpAddr::V4(gateway) => Some(gateway),
        IpAddr::V6(_) => None,
    })
}

/// The gateways of a network of Gam's own on this host, one of each family that it has, with the lengths of their subnets'
/// prefixes.
pub fn gateways(network: &Network) -> impl Iterator<Item = (IpAddr, u8)> + '_ {
    let is_ours = network.driver() == "overlay" && !network.is_predefined();
    [true, false].into_iter().filter(move |_| is_ours).filter_map(|is_ipv4| {
        let pool = pool(network, is_ipv4)?;
        Some((pool.gateway?.parse().ok()?, pool.subnet.split_once('/')?.1.parse().ok()?))
    })
}

/// The subnets of a network: addresses and lengths of prefixes.
pub fn subnets(network: &Network) -> impl Iterator<Item = (IpAddr, u8)> + '_ {
    network.ipam.iter().filter_map(|config| {
        let (base, length) = config.subnet.split_once('/')?;
        Some((base.parse().ok()?, length.parse().ok()?))
    })
}

/// The gateway of a subnet: its first address unless the user chose another.
fn gateway_of(config: &IpamConfig) -> Option<IpAddr> {
    let (base, _) = config.subnet.split_once('/')?;
    let first = match base.parse().ok()? {
        IpAddr::V4(base) => IpAddr::V4(u32::from(base).checked_add(1)?.into()),
        IpAddr::V6(base) => IpAddr::V6(u128::from(base).checked_add(1)?.into()),
    };
    match config.gateway.as_str() {
        "" => Some(first),
        given => given.split('/').next().unwrap_or(given).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Driver, IdSource, Meta, NetworkSpec};

    use super::*;

    fn network(options: &[(&str, &str)], configs: &[(&str, &str)]) -> Network {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Network {
            id: IdSource::new([3; 32]).fresh(),
            meta: Meta::default(),
            spec: NetworkSpec {
                name: "web".into(),
                driver_configuration: Some(Driver { name: "overlay".into(), options }),
                internal: true,
                labels: [("a".to_owned(), "b".to_owned())].into(),
                ..NetworkSpec::default()
            },
            ipam: configs
                .iter()
                .map(|(subnet, gateway)| IpamConfig {
                    subnet: (*subnet).into(),
                    gateway: (*gateway).into(),
                    ..IpamConfig::default()
                })
                .collect(),
            vni: 4097,
        }
    }

    #[test]
    fn a_backing_is_a_bridge_that_hands_out_nothing_itself() {
        let network = network(&[("encrypted", "")], &[("fd00::/64", "fd00::9"), ("10.0.1.0/24", "10.0.1.1")]);
        let new = plan(&network, "web", None);
        assert_eq!((new.driver.as_str(), new.internal), ("bridge", true));
        let pool = new.pool.unwrap();
        assert_eq!(pool.subnet, "10.0.1.0/24");
        assert_eq!((pool.gateway.as_deref(), pool.range.as_deref()), (Some("10.0.1.1"), Some("10.0.1.1/32")));
        let pool = new.ipv6_pool.unwrap();
        assert_eq!((pool.subnet.as_str(), pool.range.as_deref()), ("fd00::/64", Some("fd00::9/128")));
        let gateways: Vec<String> = gateways(&network).map(|(gateway, length)| format!("{gateway}/{length}")).collect();
        assert_eq!(gateways, ["10.0.1.1/24", "fd00::9/64"]);
        assert_eq!(resolver(&network).unwrap().to_string(), "10.0.1.1");
        assert_eq!(new.options[MTU_OPTION], "1350");
        assert_eq!(new.options[BRIDGE_NAME_OPTION].len(), 15);
        assert!(!new.options.contains_key("encrypted"), "options of the overlay driver mean nothing to a bridge");
        assert_eq!(new.labels["a"], "b");
        assert_eq!(new.labels[NETWORK_LABEL], network.id.to_string());
    }

    #[test]
    fn the_user_chooses_mtu_and_gateway() {
        let new = plan(&network(&[(MTU_OPTION, "1300")], &[("10.9.0.0/16", "10.9.0.7")]), "web", Some(1200));
        assert_eq!(new.options[MTU_OPTION], "1250", "what VXLAN needs is taken off");
        assert_eq!(new.pool.unwrap().range.unwrap(), "10.9.0.7/32");
        let new = plan(&network(&[], &[("10.9.0.0/16", "")]), "web", None);
        assert_eq!(new.pool.unwrap().gateway.unwrap(), "10.9.0.1");
    }

    #[test]
    fn a_small_underlay_makes_small_packets() {
        let network = network(&[], &[]);
        assert_eq!([None, Some(1400), Some(9000)].map(|underlay| mtu(&network, underlay)), [1450, 1350, 1450]);
        let network = self::network(&[("encrypted", "")], &[]);
        assert_eq!([None, Some(1400), Some(9000)].map(|underlay| mtu(&network, underlay)), [1350, 1250, 1350]);
    }

    #[test]
    fn a_backing_is_recognised_under_either_name() {
        let network = network(&[], &[("10.0.1.0/24", "")]);
        for name in ["web".to_owned(), second_name(&network)] {
            let listed = EngineNetwork {
                id: "e".repeat(64),
                name: name.clone(),
                subnets: vec!["10.0.1.0/24".into()],
                labels: plan(&network, &name, None).labels,
                ..EngineNetwork::default()
            };
            let backing = Backing::of(&listed).unwrap();
            assert_eq!((backing.network, backing.name.as_str()), (network.id, "web"));
            assert_eq!(backing.engine_name, name);
            assert!(backing.fits(&network));
        }
        let foreign = EngineNetwork { name: "web".into(), ..EngineNetwork::default() };
        assert_eq!(Backing::of(&foreign), None);
    }

    #[test]
    fn a_backing_with_another_subnet_does_not_fit() {
        let old = network(&[], &[("10.0.1.0/24", "")]);
        let listed = EngineNetwork {
            subnets: vec!["10.0.1.0/24".into()],
            labels: plan(&old, "web", None).labels,
            ..EngineNetwork::default()
        };
        assert!(!Backing::of(&listed).unwrap().fits(&network(&[], &[("10.0.2.0/24", "")])));
        assert!(!Backing::of(&listed).unwrap().fits(&network(&[], &[("10.0.1.0/24", ""), ("fd00::/64", "")])));
    }
}
