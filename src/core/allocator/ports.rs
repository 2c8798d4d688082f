//! The published ports of a service's endpoint.
//!
//! Copies what the spec says; chooses no numbers, because a port in host mode is the node's own matter.

use crate::model::{PortConfig, ServiceSpec};

/// The ports of the endpoint of a service with this spec.
pub fn endpoint_ports(spec: &ServiceSpec) -> Vec<PortConfig> {
    wanted(spec).to_vec()
}

/// Whether `ports` is what [`endpoint_ports`] would make.
pub fn is_current(ports: &[PortConfig], spec: &ServiceSpec) -> bool {
    ports == wanted(spec)
}

/// Whether a service with this spec publishes a port through the routing mesh. No mode means ingress, as in Docker.
pub fn needs_ingress(spec: &ServiceSpec) -> bool {
    wanted(spec).iter().any(|port| matches!(port.publish_mode.as_str(), "" | "ingress"))
}

fn wanted(spec: &ServiceSpec) -> &[PortConfig] {
    spec.endpoint_spec.as_ref().map_or(&[], |endpoint| &endpoint.ports)
}
