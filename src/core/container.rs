//! From a task to the container that dockerd is asked to create, in dockerd's own JSON.
//!
//! This module decides every field of the body of `POST /containers/create`, as
//! `moby: daemon/cluster/executor/container/container.go` does; it never speaks to dockerd and knows neither images nor
//! containers that exist. The agent's shell posts the body as it is; `control` uses [`try_out`] to refuse a spec that no
//! node could run.

pub mod files;
mod image;
mod mounts;
pub mod payload;
mod privileges;
mod template;
#[cfg(test)]
pub(crate) mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::model::generic::variables;
use crate::model::{
    Attachment, ContainerSpec, DnsConfig, NetworkId, NodeId, PortConfig, ResourceRequirements, StringMap, Task, mac_of,
};

pub use image::familiar_image;
pub use mounts::is_engine_socket;
pub use template::{Host, try_out};

/// Label that marks the container of a task; its value is empty.
pub const LABEL_TASK: &str = "com.docker.swarm.task";
/// Label with the task's id.
pub const LABEL_TASK_ID: &str = "com.docker.swarm.task.id";
/// Label with the task's name, which is the container's.
pub const LABEL_TASK_NAME: &str = "com.docker.swarm.task.name";
/// Label with the node's id.
pub const LABEL_NODE_ID: &str = "com.docker.swarm.node.id";
/// Label with the service's id.
pub const LABEL_SERVICE_ID: &str = "com.docker.swarm.service.id";
/// Label with the service's name.
pub const LABEL_SERVICE_NAME: &str = "com.docker.swarm.service.name";

/// Whether the swarm made a container of this name: its label names it. What was made from a task's container has all the
/// labels (`docker commit` keeps them), but never the name.
pub fn is_named_by(name: &str, task_name: Option<&str>) -> bool {
    task_name == Some(name)
}

/// Above the engine's own priority of a gateway, which is 0.
const LEADING: i64 = 100;

/// Docker's `GwPriority` of an endpoint that leads the way out of its container, or of one that does not.
pub fn gw_priority(leads: bool) -> i64 {
    if leads { LEADING } else { 0 }
}

/// Why a task cannot become a container, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub(crate) String);

/// A network of the container, as the engine of this host knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineEndpoint {
    /// The engine's name of the network.
    pub network: String,
    /// The address from the cluster-wide allocator; `None` on a network that is the engine's own (`host`).
    pub address: Option<Ipv4Addr>,
    /// The one of IPv6, on networks that have it.
    pub ipv6_address: Option<Ipv6Addr>,
    /// Further names that the engine's own resolver answers on this host.
    pub aliases: Vec<String>,
    /// Where the swarm's resolver listens on this network.
    pub resolver: Option<Ipv4Addr>,
    /// What the user sets of the endpoint itself.
    pub options: StringMap,
    /// Whether the container's way out leads through this network, whatever others it is on: on the routing mesh answers
    /// to clients of other subnets must have the address that they asked.
    pub leads: bool,
}

impl EngineEndpoint {
    /// The endpoint of one attachment of a task.
    ///
    /// The attachment's aliases are left to the swarm's resolver: the engine would answer them with the containers of
    /// this host alone.
    pub fn new(network: String, attachment: &Attachment) -> EngineEndpoint {
        let (address, ipv6_address) = (attachment.host(), attachment.host());
        EngineEndpoint { network, address, ipv6_address, ..EngineEndpoint::default() }
    }

    fn settings(&self) -> Value {
        let mut settings = Map::new();
        if let Some(address) = self.address {
            let mut ipam = json!({ "IPv4Address": address.to_string() });
            if let Some(address) = self.ipv6_address {
                ipam["IPv6Address"] = address.to_string().into();
            }
            settings.insert("IPAMConfig".into(), ipam);
            settings.insert("MacAddress".into(), mac_of(address).into());
        }
        if !self.aliases.is_empty() {
            settings.insert("Aliases".into(), json!(self.aliases));
        }
        if !self.options.is_empty() {
            settings.insert("DriverOpts".into(), json!(self.options));
        }
        if self.leads {
            settings.insert("GwPriority".into(), gw_priority(true).into());
        }
        settings.into()
    }
}

/// The driver options of a task's attachment to a network, which are the engine's to understand.
pub fn endpoint_options(task: &Task, network: NetworkId) -> StringMap {
    let target = network.to_string();
    let wanted = crate::allocator::networks_of(&task.origin).iter().find(|wanted| wanted.target == target);
    wanted.map(|wanted| wanted.driver_opts.clone()).unwrap_or_default()
}

/// What of Gam's own on this host a container gets.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// What a bind mount of the engine's own socket delivers instead; `None` leaves such mounts alone.
    pub socket: Option<&'a Path>,
    /// Where the files of the node's tasks are: their secrets and configs.
    pub files: &'a Path,
}

/// The body of `POST /containers/create` for a task. The container's name is [`Task::name`].
///
/// `places` are Gam's own on this host.
pub fn create_body(
    task: &Task,
    host: &Host,
    endpoints: &[EngineEndpoint],
    places: Places<'_>,
) -> Result<Value, SpecError> {
    let spec = expand(task, host)?;
    let mut body = config(task, &spec);
    body.insert("HostConfig".into(), host_config(task, &spec, endpoints, places).into());
    let networks: Map<String, Value> =
        endpoints.iter().map(|endpoint| (endpoint.network.clone(), endpoint.settings())).collect();
    body.insert("NetworkingConfig".into(), json!({ "EndpointsConfig": networks }));
    Ok(body.into())
}

/// Whether the task can become a container on this host at all; a refusal is a `Rejected` task.
pub fn check(task: &Task, host: &Host) -> Result<(), SpecError> {
    expand(task, host).map(drop)
}

/// The container spec with its templates expanded; Docker expands environment, mounts and host name only.
fn expand(task: &Task, host: &Host) -> Result<ContainerSpec, SpecError> {
    let Some(spec) = &task.spec().container_spec else {
        return Err(SpecError("exec: unsupported runtime".into()));
    };
    if spec.image.is_empty() {
        return Err(SpecError("dockerexec: image required".into()));
    }
    mounts::validate(&spec.mounts)?;
    // The engine's own words, which its API would keep from us: that refuses earlier, and says it differently.
    if !matches!(spec.isolation.as_str(), "" | "default") {
        return Err(SpecError(format!("invalid isolation '{}' on linux", spec.isolation)));
    }
    template::expand_for(spec, task, host)
}

/// `container.Config`: what the container is, wherever it runs.
fn config(task: &Task, spec: &ContainerSpec) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Value| config.insert(name.to_owned(), value);
    set("Image", familiar_image(&spec.image).into());
    set("Labels", json!(labels(task, spec)));
    let told = variables(&task.generic);
    set("Env", json!(spec.env.iter().chain(&told).collect::<Vec<_>>()));
    set("Tty", spec.tty.into());
    set("OpenStdin", spec.open_stdin.into());
    for (name, text) in [
        ("Hostname", &spec.hostname),
        ("User", &spec.user),
        ("WorkingDir", &spec.dir),
        ("StopSignal", &spec.stop_signal),
    ] {
        if !text.is_empty() {
            set(name, text.as_str().into());
        }
    }
    // A command replaces the image's whole invocation; arguments alone are for the image's own entrypoint.
    if !spec.command.is_empty() {
        set("Entrypoint", json!(spec.command));
    }
    if !spec.args.is_empty() {
        set("Cmd", json!(spec.args));
    }
    if let Some(healthcheck) = &spec.healthcheck {
        set("Healthcheck", json!(healthcheck));
    }
    let exposed: Map<String, Value> = host_ports(task).map(|port| (port_key(port), json!({}))).collect();
    if !exposed.is_empty() {
        set("ExposedPorts", exposed.into());
    }
    config
}

/// `container.HostConfig`: how the container runs on this host.
fn host_config(
    task: &Task,
    spec: &ContainerSpec,
    endpoints: &[EngineEndpoint],
    places: Places<'_>,
) -> Map<String, Value> {
    let mut host = Map::new();
    let mut set = |name: &str, value: Value| host.insert(name.to_owned(), value);
    set("NetworkMode", network_mode(endpoints).into());
    set("PortBindings", port_bindings(task).into());
    set("RestartPolicy", json!({ "Name": "no" }));
    set("Isolation", if spec.isolation.is_empty() { "default" } else { &spec.isolation }.into());
    set("ReadonlyRootfs", spec.read_only.into());
    set("OomScoreAdj", spec.oom_score_adj.into());
    if let Some(init) = spec.init {
        set("Init", init.into());
    }
    for (name, list) in
        [("GroupAdd", &spec.groups), ("CapAdd", &spec.capability_add), ("CapDrop", &spec.capability_drop)]
    {
        if !list.is_empty() {
            set(name, json!(list));
        }
    }
    let mut mounts = mounts::render(&spec.mounts, places.socket);
    mounts.extend(files::render(task, places.files));
    if !mounts.is_empty() {
        set("Mounts", mounts.into());
    }
    if !spec.sysctls.is_empty() {
        set("Sysctls", json!(spec.sysctls));
    }
    let hosts = extra_hosts(&spec.hosts);
    if !hosts.is_empty() {
        set("ExtraHosts", json!(hosts));
    }
    let resolver = endpoints.iter().rev().find_map(|endpoint| endpoint.resolver);
    for (name, list) in dns(spec.dns_config.as_ref(), resolver) {
        if !list.is_empty() {
            set(name, json!(list));
        }
    }
    let options = privileges::security_options(spec.privileges.as_ref());
    if !options.is_empty() {
        set("SecurityOpt", json!(options));
    }
    if let Some(driver) = task.log_driver() {
        set("LogConfig", json!({ "Type": driver.name, "Config": driver.options }));
    }
    set("Ulimits", json!(spec.ulimits));
    resources(task.spec().resources.as_ref(), &mut host);
    host
}

/// The swarm's resolver comes before the user's servers, so that the engine's own, in front of both, asks it first, and the
/// others only when it fails. With `ndots` among the options the engine asks nobody for names without dots, which may be
/// the swarm's; its resolver does that part instead, and the container is told its `ndots` once it runs.
fn dns(config: Option<&DnsConfig>, resolver: Option<Ipv4Addr>) -> [(&'static str, Vec<String>); 3] {
    let DnsConfig { nameservers, search, options } = config.cloned().unwrap_or_default();
    let servers = resolver.iter().map(Ipv4Addr::to_string).chain(nameservers).collect();
    let is_kept = |option: &String| resolver.is_none() || !option.starts_with("ndots:");
    [("Dns", servers), ("DnsSearch", search), ("DnsOptions", options.into_iter().filter(is_kept).collect())]
}

/// Docker runs tasks in mode `bridge`, also when they have networks of their own and never touch that bridge; only a
/// network that is the engine's own (`host`, `none`) is a mode.
fn network_mode(endpoints: &[EngineEndpoint]) -> &str {
    match endpoints.first() {
        Some(first) if first.address.is_none() => &first.network,
        _ => "bridge",
    }
}

/// The spec's labels under the swarm's own, which win.
fn labels(task: &Task, spec: &ContainerSpec) -> StringMap {
    let mut labels = spec.labels.clone();
    let system = [
        (LABEL_TASK, String::new()),
        (LABEL_TASK_ID, task.id.to_string()),
        (LABEL_TASK_NAME, task.name()),
        (LABEL_NODE_ID, task.node.map(|node: NodeId| node.to_string()).unwrap_or_default()),
        (LABEL_SERVICE_ID, task.service.map(|service| service.to_string()).unwrap_or_default()),
        (LABEL_SERVICE_NAME, task.service_name().to_owned()),
    ];
    labels.extend(system.map(|(name, value)| (name.to_owned(), value)));
    labels
}

/// Ports that are published on the node itself; the others are the routing mesh's.
fn host_ports(task: &Task) -> impl Iterator<Item = &PortConfig> {
    let endpoint = task.origin.endpoint_spec.as_ref();
    endpoint.into_iter().flat_map(|endpoint| &endpoint.ports).filter(|port| port.publish_mode == "host")
}

fn port_key(port: &PortConfig) -> String {
    let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
    format!("{}/{protocol}", port.target_port)
}

fn port_bindings(task: &Task) -> Map<String, Value> {
    let binding = |port: &PortConfig| match port.published_port {
        // Without a number the engine picks one.
        0 => json!([{ "HostPort": "" }]),
        number => json!([{ "HostPort": number.to_string() }]),
    };
    host_ports(task).map(|port| (port_key(port), binding(port))).collect()
}

/// Swarm writes `IP host`, as in `hosts(5)`; the engine wants `host:IP`. Further aliases on the line are dropped, as
/// Docker does.
fn extra_hosts(hosts: &[String]) -> Vec<String> {
    let convert = |entry: &String| {
        let mut fields = entry.split_whitespace();
        let (address, name) = (fields.next()?, fields.next()?);
        Some(format!("{name}:{address}"))
    };
    hosts.iter().filter_map(convert).collect()
}

/// Limits become limits of the container; reservations matter to the scheduler alone. As in Docker, swap and
/// swappiness count only beside limits, and swap only beside a limit of memory.
fn resources(resources: Option<&ResourceRequirements>, host: &mut Map<String, Value>) {
    let Some(resources) = resources else { return };
    let Some(limits) = &resources.limits else { return };
    let mut set = |name: &str, value: i64| host.insert(name.to_owned(), value.into());
    if limits.pids > 0 {
        set("PidsLimit", limits.pids);
    }
    if limits.nano_cpus > 0 {
        set("NanoCpus", limits.nano_cpus);
    }
    if limits.memory_bytes > 0 {
        set("Memory", limits.memory_bytes);
        match resources.swap_bytes {
            Some(-1) => {
                set("MemorySwap", -1);
            }
            Some(swap) if swap >= 0 => {
                set("MemorySwap", limits.memory_bytes.saturating_add(swap));
            }
            _ => {}
        }
    }
    if let Some(swappiness) = resources.memory_swappiness {
        set("MemorySwappiness", swappiness);
    }
}
