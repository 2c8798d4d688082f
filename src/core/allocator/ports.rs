//! The published ports of a service's endpoint.
//!
//! Copies what the spec says, and chooses a number for each port of the routing mesh that was published without one: it
//! stays the service's as long as the port is the same one. A port in host mode is the node's own matter. Follows
//! swarmkit's `manager/allocator/portallocator.go`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::model::{PortConfig, Service, ServiceId, ServiceSpec};
use crate::state::State;

/// The numbers that are given to ports published without one, in each protocol.
const AUTOMATIC: RangeInclusive<u32> = 30000..=32767;

/// The ports of the endpoint that the service should have, or why it cannot have them now.
pub fn endpoint_ports(state: &State, service: &Service) -> Result<Vec<PortConfig>, String> {
    let wanted = wanted(&service.spec);
    if !wanted.iter().any(is_automatic) {
        return Ok(wanted.to_vec());
    }
    let mut taken = taken_by_others(state, service.id);
    taken.extend(wanted.iter().filter(|port| port.published_port != 0).map(key));
    let mut held: Vec<&PortConfig> = service.endpoint.ports.iter().filter(|port| is_mesh(port)).collect();
    let mut number = |port: &PortConfig| {
        let same = |held: &&PortConfig| is_numbered(port, held) && !taken.contains(&key(held));
        let number = match held.iter().position(same) {
            Some(at) => held.remove(at).published_port,
            None => {
                let free = |number: &u32| !taken.contains(&(port.protocol.clone(), *number));
                let last = last_given(state, &port.protocol).unwrap_or(*AUTOMATIC.start() - 1);
                let mut candidates = (last + 1..=*AUTOMATIC.end()).chain(*AUTOMATIC.start()..=last);
                candidates.find(free).ok_or_else(|| {
                    format!("no port from {} to {} is free for {}", AUTOMATIC.start(), AUTOMATIC.end(), port.protocol)
                })?
            }
        };
        taken.insert((port.protocol.clone(), number));
        Ok(PortConfig { published_port: number, ..port.clone() })
    };
    wanted.iter().map(|port| if is_automatic(port) { number(port) } else { Ok(port.clone()) }).collect()
}

/// Whether `ports` is what [`endpoint_ports`] would make.
pub fn is_current(ports: &[PortConfig], spec: &ServiceSpec) -> bool {
    let wanted = wanted(spec);
    let fits = |(port, wanted): (&PortConfig, &PortConfig)| {
        port == wanted || (is_automatic(wanted) && is_numbered(wanted, port))
    };
    ports.len() == wanted.len() && ports.iter().zip(wanted).all(fits)
}

/// Whether a service with this spec publishes a port through the routing mesh.
pub fn needs_ingress(spec: &ServiceSpec) -> bool {
    wanted(spec).iter().any(is_mesh)
}

/// Whether a port is published through the routing mesh. No mode means ingress, as in Docker.
pub fn is_mesh(port: &PortConfig) -> bool {
    matches!(port.publish_mode.as_str(), "" | "ingress")
}

fn is_automatic(port: &PortConfig) -> bool {
    is_mesh(port) && port.published_port == 0
}

/// Whether `held` is `port` with a number.
fn is_numbered(port: &PortConfig, held: &PortConfig) -> bool {
    held.published_port != 0 && *port == PortConfig { published_port: 0, ..held.clone() }
}

/// The highest number that was given to a port of this protocol: one that just became free is not given again at once.
fn last_given(state: &State, protocol: &str) -> Option<u32> {
    let given = state.services().flat_map(|service| {
        let asked = service.endpoint.spec.as_ref().map_or(&[][..], |spec| &spec.ports);
        asked.iter().zip(&service.endpoint.ports).filter(|(asked, _)| is_automatic(asked)).map(|(_, port)| port)
    });
    given.filter(|port| port.protocol == protocol).map(|port| port.published_port).max()
}

fn key(port: &PortConfig) -> (String, u32) {
    (port.protocol.clone(), port.published_port)
}

/// What other services have, or are about to get because they ask for it by number, and what the swarm needs itself.
fn taken_by_others(state: &State, own: ServiceId) -> BTreeSet<(String, u32)> {
    let others = state.services().filter(|service| service.id != own);
    let ports = others.flat_map(|service| wanted(&service.spec).iter().chain(&service.endpoint.ports));
    let data_path = state.cluster().map(|cluster| ("udp".to_owned(), cluster.data_path_port));
    ports.filter(|port| port.published_port != 0).map(key).chain(data_path).collect()
}

fn wanted(spec: &ServiceSpec) -> &[PortConfig] {
    spec.endpoint_spec.as_ref().map_or(&[], |endpoint| &endpoint.ports)
}
