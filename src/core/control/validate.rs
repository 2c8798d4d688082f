//! Whether a service is well formed: the checks of Docker's control API, in its order and in its words
//! (swarmkit 2.0 `manager/controlapi/service.go`, the release that dockerd 28.5 carries).
//!
//! A spec comes here after [`normal`] made it what Docker would store; that step has sentences of its own, without
//! the `rpc error:` prefix, because they come from dockerd's conversion and not from its control API. What Docker
//! would take but Gam does not honour yet is refused last ([`unhonoured`]). Nothing here changes a spec or a state;
//! [`super::service`] calls it.

mod cluster;
mod container;
mod image;
mod normal;
mod unhonoured;
mod wording;

pub(super) use cluster::{
    address_pools, cluster_spec, data_path_port, merge_cluster_spec, unhonoured_authority, unhonoured_first_root,
};
pub(super) use normal::normalise;
pub(super) use unhonoured::unhonoured;
pub(super) use wording::quote;

use crate::allocator::networks_of;
use crate::error::{Code, Error};
use crate::model::{
    EndpointSpec, NetworkId, PortConfig, Resources, RestartPolicy, ServiceId, ServiceMode, ServiceSpec, TaskSpec,
    UpdateConfig, constraint,
};
use crate::state::State;

/// Most replicas of one service, and most completions of a job, since each is a task that is kept. Docker has no limit and
/// dies of a slip of the finger; ten times the largest cluster that Gam is measured with leaves room for everything else.
pub(super) const MAX_REPLICAS: u64 = 1_000_000;

/// Longest name of a service: a DNS label.
const MAX_NAME: usize = 63;
/// A thousandth of a core, the least that a container can be given, in billionths of a core.
const MIN_NANO_CPUS: i64 = 1_000_000;
/// The least memory of a container, bytes.
const MIN_MEMORY: i64 = 4 * 1024 * 1024;

type Checked = Result<(), Error>;

/// A plain `InvalidArgument`.
fn invalid(sentence: impl std::fmt::Display) -> Error {
    Error::rpc(Code::InvalidArgument, sentence)
}

fn refuse_if(wrong: bool, sentence: &str) -> Checked {
    if wrong { Err(invalid(sentence)) } else { Ok(()) }
}

/// Checks all of a spec that can be checked without a state, in Docker's order: the first fault is the one that is
/// reported.
pub(super) fn service_spec(spec: &ServiceSpec) -> Checked {
    service_name(&spec.name)?;
    task_spec(&spec.task_template)?;
    service_mode(&spec.mode)?;
    if spec.mode.is_job() {
        refuse_if(spec.update_config.is_some(), "Jobs may not have an update config")?;
    } else if let Some(update) = &spec.update_config {
        update_config(update)?;
    }
    spec.endpoint_spec.as_ref().map_or(Ok(()), endpoint_spec)
}

/// A name is one component of a DNS name: letters, digits, and inside also `-` and `_`.
fn service_name(name: &str) -> Checked {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(invalid("meta: name must be provided"));
    };
    let is_dns = first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    refuse_if(!is_dns, "name must be valid as a DNS name component")?;
    refuse_if(bytes.len() > MAX_NAME, "name must be 63 characters or fewer")
}

fn task_spec(task: &TaskSpec) -> Checked {
    if let Some(resources) = &task.resources {
        if let Some(limits) = &resources.limits {
            quantities(limits.nano_cpus, limits.memory_bytes)?;
        }
        if let Some(Resources { nano_cpus, memory_bytes, .. }) = &resources.reservations {
            quantities(*nano_cpus, *memory_bytes)?;
        }
    }
    if let Some(policy) = &task.restart_policy {
        restart_policy(policy)?;
    }
    if let Some(placement) = &task.placement {
        // The parser's error carries no status code in Docker, hence `Unknown` and 500.
        constraint::parse(&placement.constraints).map_err(|sentence| Error::rpc(Code::Unknown, sentence))?;
    }
    task.container_spec.as_ref().map_or_else(|| Err(invalid("TaskSpec: missing runtime")), container::container_spec)
}

fn quantities(nano_cpus: i64, memory: i64) -> Checked {
    if nano_cpus != 0 && nano_cpus < MIN_NANO_CPUS {
        let cores = wording::float(nano_cpus as f64 / 1e9);
        return Err(invalid(format!("invalid cpu value {cores}: Must be at least 0.001")));
    }
    if memory != 0 && memory < MIN_MEMORY {
        return Err(invalid(format!("invalid memory value {memory}: Must be at least 4MiB")));
    }
    Ok(())
}

fn restart_policy(policy: &RestartPolicy) -> Checked {
    refuse_if(policy.delay.is_some_and(|delay| delay < 0), "TaskSpec: restart-delay cannot be negative")?;
    refuse_if(policy.window.is_some_and(|window| window < 0), "TaskSpec: restart-window cannot be negative")
}

fn service_mode(mode: &ServiceMode) -> Checked {
    let negative = |number: Option<u64>| number.is_some_and(|number| i64::try_from(number).is_err());
    if let Some(replicated) = &mode.replicated {
        refuse_if(negative(replicated.replicas), "Number of replicas must be non-negative")?;
        if replicated.replicas.is_some_and(|replicas| replicas > MAX_REPLICAS) {
            return Err(invalid(format!("Number of replicas must be at most {MAX_REPLICAS}")));
        }
    }
    if let Some(job) = &mode.replicated_job {
        refuse_if(negative(job.max_concurrent), "Maximum concurrent jobs must not be negative")?;
        refuse_if(negative(job.total_completions), "Total completed jobs must not be negative")?;
        if job.total_completions.is_some_and(|total| total > MAX_REPLICAS) {
            return Err(invalid(format!("Total completed jobs must be at most {MAX_REPLICAS}")));
        }
    }
    Ok(())
}

/// Docker checks the update's numbers only; those of a rollback it takes as they are.
fn update_config(config: &UpdateConfig) -> Checked {
    refuse_if(config.delay < 0, "TaskSpec: update-delay cannot be negative")?;
    refuse_if(config.monitor < 0, "TaskSpec: update-monitor cannot be negative")?;
    let ratio = config.max_failure_ratio;
    refuse_if(!(0.0..=1.0).contains(&ratio), "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1")
}

fn endpoint_spec(endpoint: &EndpointSpec) -> Checked {
    for (at, port) in endpoint.ports.iter().enumerate() {
        refuse_if(
            endpoint.mode == "dnsrr" && port.publish_mode == "ingress",
            "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        )?;
        let twice = port.published_port != 0 && endpoint.ports[..at].iter().any(|earlier| same_port(earlier, port));
        refuse_if(twice, "EndpointSpec: duplicate published ports provided")?;
    }
    Ok(())
}

fn same_port(one: &PortConfig, other: &PortConfig) -> bool {
    one.published_port == other.published_port && one.protocol == other.protocol
}

/// The `ingress` network is Docker's own; no task may ask for it. Targets are ids by now.
pub(super) fn attached_networks(state: &State, spec: &ServiceSpec) -> Checked {
    for attachment in networks_of(spec) {
        let network = attachment.target.parse::<NetworkId>().ok().and_then(|id| state.network(id));
        if let Some(network) = network.filter(|network| network.spec.ingress) {
            let name = quote(network.name());
            return Err(invalid(format!("Service cannot be explicitly attached to the ingress network {name}")));
        }
    }
    Ok(())
}

/// Whether the spec's published ports are free among the services other than `updated`.
pub(super) fn port_conflicts(state: &State, spec: &ServiceSpec, updated: Option<ServiceId>) -> Checked {
    let wanted: Vec<&PortConfig> = spec
        .endpoint_spec
        .iter()
        .flat_map(|endpoint| &endpoint.ports)
        .filter(|port| port.published_port != 0)
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // Docker takes it, and then the service or all networks do not work on some node.
    let data_path = state.cluster().map_or(0, |cluster| cluster.data_path_port);
    if wanted.iter().any(|port| port.protocol == "udp" && port.published_port == data_path) {
        return Err(invalid(format!(
            "port '{data_path}' is already in use by the swarm as its data path port over udp"
        )));
    }
    for service in state.services().filter(|service| Some(service.id) != updated) {
        let asked = service.spec.endpoint_spec.iter().flat_map(|endpoint| &endpoint.ports);
        for port in asked.chain(&service.endpoint.ports).filter(|port| port.published_port != 0) {
            let by_host = port.publish_mode == "host";
            // Services that publish the same port on their nodes can live together: the scheduler keeps them apart.
            let conflict =
                |wanted: &&&PortConfig| same_port(wanted, port) && !(by_host && wanted.publish_mode == "host");
            if wanted.iter().any(|wanted| conflict(&wanted)) {
                let kind = if by_host { "a host-published" } else { "an ingress" };
                return Err(invalid(format!(
                    "port '{}' is already in use by service '{}' ({}) as {kind} port",
                    port.published_port,
                    service.name(),
                    service.id
                )));
            }
        }
    }
    Ok(())
}

/// A port that every node publishes needs the network that carries it.
pub(super) fn ingress_network(state: &State, spec: &ServiceSpec) -> Checked {
    let mut ports = spec.endpoint_spec.iter().flat_map(|endpoint| &endpoint.ports);
    if ports.any(|port| port.publish_mode == "ingress") && !state.networks().any(|network| network.spec.ingress) {
        return Err(Error::rpc(
            Code::FailedPrecondition,
            "service needs ingress network, but no ingress network is present",
        ));
    }
    Ok(())
}

/// Whether the secrets and configs that the spec refers to exist, under the ids and the names that it gives.
pub(super) fn references(state: &State, spec: &ServiceSpec) -> Checked {
    let Some(container) = &spec.task_template.container_spec else { return Ok(()) };
    let secrets = container.secrets.iter().filter(|wanted| {
        let known = wanted.secret_id.parse().ok().and_then(|id| state.secret(id));
        known.is_none_or(|secret| secret.spec.name != wanted.secret_name)
    });
    missing("secret", secrets.map(|wanted| wanted.secret_name.as_str()).collect())?;
    let configs = container.configs.iter().filter(|wanted| {
        let known = wanted.config_id.parse().ok().and_then(|id| state.config(id));
        known.is_none_or(|config| config.spec.name != wanted.config_name)
    });
    missing("config", configs.map(|wanted| wanted.config_name.as_str()).collect())
}

fn missing(kind: &str, names: Vec<&str>) -> Checked {
    match names.len() {
        0 => Ok(()),
        1 => Err(invalid(format!("{kind} not found: {}", names[0]))),
        _ => Err(invalid(format!("{kind}s not found: {}", names.join(", ")))),
    }
}
