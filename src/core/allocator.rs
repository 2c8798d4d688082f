//! Addresses: gives services their virtual IPs and tasks their addresses, and with that moves tasks from `New` to
//! `Pending`.
//!
//! Never chooses a node and never frees anything: an address is free once `apply` saw its owner end. Looks at state
//! alone, so a task that found no address is simply tried again in the next step. Called once in each step, after
//! the orchestrator and before the scheduler. Follows swarmkit's `manager/allocator/network.go`.

pub mod ipam;
pub mod network;
pub mod ports;
pub mod subnet;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipam::Ipam;

use crate::model::{
    Attachment, Endpoint, Network, NetworkAttachmentConfig, NetworkId, Service, ServiceId, ServiceSpec, Task, TaskId,
    TaskState, TaskStatus, VirtualIp,
};
use crate::plan::Plan;
use crate::state::{Change, State};

/// A network, and the names under which a task is found on it.
type Aliased = (Arc<Network>, Vec<String>);

/// Allocates whatever a service or a task lacks and can have now.
pub fn plan(plan: &mut Plan<'_>) {
    plan_networks(plan);
    let mut ipam = Ipam::default();
    let blocked = plan_services(plan, &mut ipam);
    plan_tasks(plan, &mut ipam, &blocked);
}

/// The networks that tasks of `spec` are attached to; those of the task template win over the older service-level
/// list, as in Docker.
pub fn networks_of(spec: &ServiceSpec) -> &[NetworkAttachmentConfig] {
    if spec.task_template.networks.is_empty() { &spec.networks } else { &spec.task_template.networks }
}

/// The routing mesh's network, unless the user removed it.
pub fn ingress_network(state: &State) -> Option<&Arc<Network>> {
    state.networks().find(|network| network.spec.ingress)
}

/// Gives networks that were made while there was no subnet for them what they need, the oldest first.
fn plan_networks(plan: &mut Plan<'_>) {
    let mut pending: Vec<Arc<Network>> =
        plan.state().networks().filter(|network| network.is_pending()).cloned().collect();
    pending.sort_by_key(|network| (network.meta.created_at, network.id));
    for network in pending {
        if let Ok((ipam, vni)) = network::allocate(plan.state(), &network.spec) {
            plan.push(Change::NetworkIpam { id: network.id, ipam, vni: Some(vni) });
        }
    }
}

/// Brings the endpoint of every service up to date; returns the services that cannot have one now, and why.
fn plan_services(plan: &mut Plan<'_>, ipam: &mut Ipam) -> BTreeMap<ServiceId, String> {
    let mut blocked = BTreeMap::new();
    let mut stale: Vec<Arc<Service>> = Vec::new();
    for id in plan.focus().services() {
        let Some(service) = plan.state().service(id) else { continue };
        match wanted_networks(plan.state(), service) {
            Ok(wanted) if is_current(service, &wanted) => {}
            Ok(_) => stale.push(service.clone()),
            Err(reason) => {
                blocked.insert(service.id, reason);
            }
        }
    }
    // Services that give up addresses go first, so that what they free serves the others in the same step.
    stale.sort_by_key(|service| !gives_up_addresses(plan.state(), service));
    for service in stale {
        match endpoint(plan.state(), ipam, &service) {
            Ok(endpoint) => {
                if gives_up_addresses(plan.state(), &service) {
                    ipam.retry();
                }
                plan.push(Change::ServiceEndpoint { id: service.id, endpoint });
            }
            Err(reason) => {
                blocked.insert(service.id, reason);
            }
        }
    }
    for service in blocked.keys() {
        plan.focus().note_restless(*service, true);
    }
    blocked
}

/// The networks on which a service needs a virtual address: none in dnsrr mode; the ingress network too if it
/// publishes ports through the routing mesh.
fn wanted_networks(state: &State, service: &Service) -> Result<Vec<NetworkId>, String> {
    if service.spec.endpoint_spec.as_ref().is_some_and(|endpoint| endpoint.mode == "dnsrr") {
        return Ok(Vec::new());
    }
    attached_networks(state, &service.spec, &service.spec)
        .map(|networks| networks.into_iter().map(|(network, _)| network.id).collect())
}

/// The networks of a task made from `origin` with their aliases, each once. Whether the mesh is needed is for the
/// service's `present` spec to say, as in swarmkit.
fn attached_networks(state: &State, origin: &ServiceSpec, present: &ServiceSpec) -> Result<Vec<Aliased>, String> {
    let mut networks = Vec::new();
    let mut seen = BTreeSet::new();
    if ports::needs_ingress(present) {
        let ingress = ingress_network(state).ok_or("ingress network is missing")?;
        seen.insert(ingress.id);
        networks.push((ingress.clone(), Vec::new()));
    }
    for config in networks_of(origin) {
        let network = config.target.parse().ok().and_then(|id| state.network(id));
        let network = network.ok_or_else(|| format!("network {} not found", config.target))?;
        if seen.insert(network.id) {
            networks.push((network.clone(), config.aliases.clone()));
        }
    }
    Ok(networks)
}

/// Whether a service needs no other addresses and ports than it has. As in Docker its endpoint is left alone then, also what
/// it says of the spec that it was made for: a service that never needed any has none.
fn is_current(service: &Service, wanted: &[NetworkId]) -> bool {
    let endpoint = &service.endpoint;
    ports::is_current(&endpoint.ports, &service.spec)
        && wanted.iter().all(|network| endpoint.virtual_ips.iter().any(|vip| vip.network == *network))
        && endpoint.virtual_ips.iter().all(|vip| wanted.contains(&vip.network))
}

fn gives_up_addresses(state: &State, service: &Service) -> bool {
    let wanted = wanted_networks(state, service).unwrap_or_default();
    service.endpoint.virtual_ips.iter().any(|vip| !wanted.contains(&vip.network))
}

/// The endpoint that a service should have: addresses it holds stay, missing ones are new. All or nothing.
fn endpoint(state: &State, ipam: &mut Ipam, service: &Service) -> Result<Endpoint, String> {
    let wanted = wanted_networks(state, service)?;
    let mut virtual_ips: Vec<VirtualIp> = service.endpoint.virtual_ips.clone();
    virtual_ips.retain(|vip| wanted.contains(&vip.network));
    for network in wanted {
        if virtual_ips.iter().any(|vip| vip.network == network) {
            continue;
        }
        let Some(network) = state.network(network) else { continue };
        let found = addresses(state, ipam, network).ok_or_else(|| {
            format!("could not find an available IP while allocating VIP on network {}", network.name())
        })?;
        // One of IPv4 and, on networks that have it, one of IPv6, where Docker has but the first.
        let found = if found.is_empty() { vec![String::new()] } else { found };
        virtual_ips.extend(found.into_iter().map(|address| VirtualIp { network: network.id, address }));
    }
    let ports = ports::endpoint_ports(state, service)?;
    Ok(Endpoint { spec: service.spec.endpoint_spec.clone(), ports, virtual_ips })
}

/// Gives every new task its addresses, or says why it has none yet.
fn plan_tasks(plan: &mut Plan<'_>, ipam: &mut Ipam, blocked: &BTreeMap<ServiceId, String>) {
    // A finished job's tasks are wanted as `Complete`, so that is still worth an address.
    let waits = |task: &&Arc<Task>| task.status.state == TaskState::New && task.desired <= TaskState::Complete;
    let services = plan.focus().services();
    let of_service = |service: &ServiceId| plan.state().tasks_of_service(*service);
    let mut tasks: Vec<Arc<Task>> = services.iter().flat_map(of_service).filter(waits).cloned().collect();
    tasks.sort_by_key(|task| (task.service, task.slot, task.id));
    for task in tasks {
        // A task whose service is gone is about to be told to go; the attachment of a container is never new.
        let Some(service) = task.service.and_then(|id| plan.state().service(id)).cloned() else { continue };
        let found = match blocked.get(&service.id) {
            Some(reason) => Err(reason.clone()),
            None => attachments(plan.state(), ipam, &task, &service),
        };
        let change = match found {
            Ok(networks) => Some(Change::TaskAllocate { id: task.id, networks }),
            Err(reason) => {
                plan.focus().note_restless(service.id, true);
                explain(plan, task.id, &task.status, reason)
            }
        };
        if let Some(change) = change {
            plan.push(change);
        }
    }
}

fn attachments(state: &State, ipam: &mut Ipam, task: &Task, service: &Service) -> Result<Vec<Attachment>, String> {
    let networks = attached_networks(state, &task.origin, &service.spec)?;
    let attach = |(network, aliases): Aliased| {
        let addresses = addresses(state, ipam, &network)
            .ok_or_else(|| format!("could not find an available IP on network {}", network.name()))?;
        Ok(Attachment { network: Some(network.id), addresses, aliases })
    };
    networks.into_iter().map(attach).collect()
}

/// A free address of each family of the network; none at all on a network that is the engine's own, where the engine gives
/// them. `None` if the network is full.
fn addresses(state: &State, ipam: &mut Ipam, network: &Network) -> Option<Vec<String>> {
    if network.is_predefined() { Some(Vec::new()) } else { ipam.take(state, network) }
}

/// Shows the reason in `docker service ps`, where Docker leaves the user with a bare `New`. Nothing if it is there
/// already.
fn explain(plan: &Plan<'_>, id: TaskId, status: &TaskStatus, err: String) -> Option<Change> {
    (status.err != err)
        .then(|| Change::TaskReport { id, status: TaskStatus { timestamp: plan.now, err, ..status.clone() } })
}
