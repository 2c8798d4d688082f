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
    /// VXLAN network identifier, from 4097 as in Docker; 0 on a network that is not an overlay.
    pub vni: u32,
}

impl Network {
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
