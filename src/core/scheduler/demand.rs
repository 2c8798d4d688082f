//! What a task asks of a node, read from its spec once for all tasks that are alike.

use std::sync::Arc;

use crate::model::constraint::{self, Constraint};
use crate::model::{GenericResource, Mount, PortConfig, Resources, ServiceId, ServiceSpec, Task};

/// What a task asks of a node.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The service, for spreading and for the limit per node.
    pub service: Option<ServiceId>,
    /// The spec, shared by all tasks that are alike.
    pub origin: Arc<ServiceSpec>,
    /// What it reserves.
    pub reservation: Reservation,
    /// Placement constraints. As in swarmkit, expressions that cannot be parsed constrain nothing: `control` refuses
    /// them before they get here.
    pub constraints: Vec<Constraint>,
    /// Ports to be published on the node itself.
    pub host_ports: Vec<HostPort>,
    /// Most tasks of the service on one node; 0 is no limit.
    pub max_replicas: u64,
    /// Plugins that the node must have.
    pub plugins: Plugins,
}

/// Reserved processor time, memory and generic resources.
#[derive(Clone, Debug, Default)]
pub struct Reservation {
    /// Billionths of a core.
    pub nano_cpus: i64,
    /// Bytes.
    pub memory_bytes: i64,
    /// Kind and count.
    pub generic: Vec<(String, i64)>,
    /// Whether it asks for one named unit, which no node can satisfy: tasks reserve counts only (swarmkit's
    /// `genericresource.HasEnough`).
    pub impossible: bool,
}

/// A port of a node: protocol and number.
pub type HostPort = (String, u32);

/// Plugins by type.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// Volume drivers other than `local`.
    pub volume: Vec<String>,
    /// Whether the task is on an overlay network.
    pub overlay: bool,
    /// The log driver, if it is a named one.
    pub log: Option<String>,
}

impl Demand {
    /// What `task` asks for.
    pub fn of(task: &Task) -> Demand {
        let placement = task.spec().placement.as_ref();
        let constraints = placement.and_then(|placement| constraint::parse(&placement.constraints).ok());
        Demand {
            service: task.service,
            origin: task.origin.clone(),
            reservation: Reservation::of(task),
            constraints: constraints.unwrap_or_default(),
            host_ports: host_ports(task).collect(),
            max_replicas: placement.map_or(0, |placement| placement.max_replicas),
            plugins: Plugins::of(task),
        }
    }
}

impl Reservation {
    /// What `task` reserves.
    pub fn of(task: &Task) -> Reservation {
        let reserved = task.spec().resources.as_ref().and_then(|resources| resources.reservations.as_ref());
        let Some(Resources { nano_cpus, memory_bytes, generic_resources }) = reserved else {
            return Reservation::default();
        };
        Reservation {
            nano_cpus: *nano_cpus,
            memory_bytes: *memory_bytes,
            generic: by_kind(generic_resources),
            impossible: generic_resources.iter().any(|resource| resource.discrete_resource_spec.is_none()),
        }
    }
}

/// How many of each kind are asked for. Docker looks at two wishes for one kind one after the other, and gives both the same.
fn by_kind(wanted: &[GenericResource]) -> Vec<(String, i64)> {
    let mut counts: Vec<(String, i64)> = Vec::new();
    for wish in wanted.iter().filter_map(|resource| resource.discrete_resource_spec.as_ref()) {
        match counts.iter_mut().find(|(kind, _)| *kind == wish.kind) {
            Some((_, count)) => *count = count.saturating_add(wish.value),
            None => counts.push((wish.kind.clone(), wish.value)),
        }
    }
    counts
}

impl Plugins {
    fn of(task: &Task) -> Plugins {
        let spec = task.spec();
        let mounts = spec.container_spec.as_ref().map_or(&[][..], |container| &container.mounts);
        let log = spec.log_driver.as_ref().map(|driver| driver.name.as_str());
        Plugins {
            volume: mounts.iter().filter_map(volume_plugin).map(str::to_owned).collect(),
            overlay: !task.networks.is_empty(),
            log: log.filter(|name| !matches!(*name, "" | "none")).map(str::to_owned),
        }
    }
}

/// The ports that a task publishes on its node.
pub fn host_ports(task: &Task) -> impl Iterator<Item = HostPort> {
    let ports = task.origin.endpoint_spec.as_ref().map_or(&[][..], |endpoint| &endpoint.ports);
    ports.iter().filter(|port| port.publish_mode == "host" && port.published_port != 0).map(host_port)
}

fn host_port(port: &PortConfig) -> HostPort {
    let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
    (protocol.to_owned(), port.published_port)
}

fn volume_plugin(mount: &Mount) -> Option<&str> {
    let driver = mount.volume_options.as_ref()?.driver_config.as_ref()?;
    let named = mount.r#type == "volume" && !matches!(driver.name.as_str(), "" | "local");
    named.then_some(driver.name.as_str())
}
