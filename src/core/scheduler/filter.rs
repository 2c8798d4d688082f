//! Whether a task may run on a node. Every filter can explain itself, in swarmkit's words
//! (`manager/scheduler/filter.go`).

use super::demand::Demand;
use super::node_info::NodeInfo;
use crate::model::Platform;
use crate::model::constraint;

/// One reason why a node may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Not heard from, paused or drained.
    Ready,
    /// Too little of what is reserved.
    Resources,
    /// A volume, network or log plugin is missing.
    Plugins,
    /// A placement constraint is not satisfied.
    Constraints,
    /// The image is for another platform.
    Platform,
    /// A port that would be published on the node is taken.
    HostPorts,
    /// The node has as many tasks of the service as are allowed.
    MaxReplicas,
}

/// All filters in swarmkit's order; a node that fails several is counted for the first.
pub const ALL: [Filter; 7] = [
    Filter::Ready,
    Filter::Resources,
    Filter::Plugins,
    Filter::Constraints,
    Filter::Platform,
    Filter::HostPorts,
    Filter::MaxReplicas,
];

/// The first filter that refuses the node, or `None` if it fits.
pub fn first_refusal(demand: &Demand, node: &NodeInfo) -> Option<Filter> {
    ALL.into_iter().find(|filter| !filter.passes(demand, node))
}

/// Whether a node that fitted still fits after it took tasks: only what tasks use up can have changed.
pub fn still_fits(demand: &Demand, node: &NodeInfo) -> bool {
    [Filter::Resources, Filter::HostPorts, Filter::MaxReplicas].iter().all(|filter| filter.passes(demand, node))
}

impl Filter {
    fn passes(self, demand: &Demand, node: &NodeInfo) -> bool {
        match self {
            Filter::Ready => node.node.is_schedulable(),
            Filter::Resources => has_resources(demand, node),
            Filter::Plugins => has_plugins(demand, node),
            Filter::Constraints => constraint::matches(&demand.constraints, &node.node),
            Filter::Platform => runs_platform(demand, node),
            Filter::HostPorts => demand.host_ports.iter().all(|port| !node.host_ports.contains(port)),
            Filter::MaxReplicas => {
                demand.max_replicas == 0 || u64::from(node.tasks_of(demand.service)) < demand.max_replicas
            }
        }
    }

    /// What it means that this filter refused `nodes` nodes.
    pub fn explain(self, nodes: usize) -> String {
        let on = if nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
        match self {
            Filter::Ready => format!("{on} not available for new tasks"),
            Filter::Resources => format!("insufficient resources on {on}"),
            Filter::Plugins => format!("missing plugin on {on}"),
            Filter::Constraints => format!("scheduling constraints not satisfied on {on}"),
            Filter::Platform => format!("unsupported platform on {on}"),
            Filter::HostPorts => format!("host-mode port already in use on {on}"),
            Filter::MaxReplicas => "max replicas per node limit exceed".to_owned(),
        }
    }
}

fn has_resources(demand: &Demand, node: &NodeInfo) -> bool {
    let wanted = &demand.reservation;
    // A task that reserves nothing fits a node that promised more than it has.
    (wanted.nano_cpus == 0 || wanted.nano_cpus <= node.nano_cpus)
        && (wanted.memory_bytes == 0 || wanted.memory_bytes <= node.memory_bytes)
        && !wanted.impossible
        && wanted.generic.iter().all(|(kind, count)| node.generic.has(kind, *count))
}

fn has_plugins(demand: &Demand, node: &NodeInfo) -> bool {
    let has = |kind: &str, name: &str| node.has_plugin(kind, name);
    // A node that has not described itself yet is given the benefit of the doubt, as in swarmkit.
    node.node.description.plugins.is_empty()
        || demand.plugins.volume.iter().all(|name| has("Volume", name))
            && (!demand.plugins.overlay || has("Network", "overlay"))
            && demand.plugins.log.iter().all(|name| has("Log", name) || !node.has_plugin_type("Log"))
}

fn runs_platform(demand: &Demand, node: &NodeInfo) -> bool {
    let placement = demand.origin.task_template.placement.as_ref();
    let wanted = placement.map_or(&[][..], |placement| &placement.platforms);
    let actual = &node.node.description.platform;
    let same = |wanted: &Platform| {
        (wanted.os.is_empty() || wanted.os == actual.os)
            && (wanted.architecture.is_empty()
                || architecture(&wanted.architecture) == architecture(&actual.architecture))
    };
    wanted.is_empty() || wanted.iter().any(same)
}

/// The kernel's and Go's names of the same processor.
fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
