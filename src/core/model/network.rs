//! A swarm-scoped network.

use serde::{Deserialize, Serialize};

use super::{IpamConfig, Meta, NetworkId, NetworkSpec};

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Its identifier, the same on every node.
    pub id: NetworkId,
    /// Version and times.
    pub meta: Meta,
    /// What the user wants.
    pub spec: NetworkSpec,
    /// Subnets and gateways as allocated.
    pub ipam: Vec<IpamConfig>,
    /// VXLAN network identifier, from 4097 as in Docker; 0 on a network that is not an overlay, or waits for its subnets.
    pub vni: u32,
}

/// Asks for encrypted traffic between nodes; the key alone counts, whatever its value (libnetwork's overlay driver).
const ENCRYPTED: &str = "encrypted";

/// Marks the networks that stand for a node's own `bridge` and `host`, as in Docker.
pub const PREDEFINED_LABEL: &str = "com.docker.swarm.predefined";

impl Network {
    /// Whether this stands for a network that every engine has, `bridge` or `host`. A service may ask for it by its
    /// name; it has no addresses of the cluster's, is never listed and never removed.
    pub fn is_predefined(&self) -> bool {
        self.spec.labels.contains_key(PREDEFINED_LABEL)
    }

    /// Whether its packets are encrypted between nodes.
    pub fn is_encrypted(&self) -> bool {
        let options = self.spec.driver_configuration.as_ref().map(|driver| &driver.options);
        self.driver() == "overlay" && options.is_some_and(|options| options.contains_key(ENCRYPTED))
    }

    /// Whether it waits for its subnets: there were none left when it was made.
    pub fn is_pending(&self) -> bool {
        self.driver() == "overlay" && !self.is_predefined() && self.vni == 0 && self.ipam.is_empty()
    }

    /// The name of the network.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The driver: `overlay` unless the spec says otherwise.
    pub fn driver(&self) -> &str {
        match &self.spec.driver_configuration {
            Some(driver) if !driver.name.is_empty() => &driver.name,
            _ => "overlay",
        }
    }
}
