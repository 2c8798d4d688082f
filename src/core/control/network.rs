//! Networks: how they come to be and go, and how containers that the swarm did not make join them.
//!
//! Decides whether a request is taken, and chooses subnets and VXLAN identifiers; never touches a node. A subnet that
//! overlaps with another one is refused at once, where Docker makes a network that does not work. Sentences are those of dockerd
//! (`daemon/network.go`), swarmkit (`manager/controlapi/network.go`, `manager/resourceapi`) and libnetwork.

mod ipam;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Response;
use crate::allocator::ipam::{Ipam, Refusal};
use crate::allocator::network::{self as allocation, allocate, wanted_vni};
use crate::allocator::{networks_of, ports};
use crate::error::{Code, Error, Kind};
use crate::model::{
    Attachment, Driver, IpamOptions, Meta, Network, NetworkId, NetworkSpec, NodeId, PREDEFINED_LABEL, ServiceSpec,
    Task, TaskId, TaskState,
};
use crate::plan::Plan;
use crate::state::{Change, State};

/// Makes a swarm-scoped network.
pub(super) fn create(plan: &mut Plan<'_>, spec: NetworkSpec) -> Result<Response, Error> {
    spec::validate(plan.state(), &spec)?;
    ipam::refuse_others(&spec)?;
    let (ipam, vni) = match allocate(plan.state(), &spec) {
        Ok(found) => found,
        // The allocator goes on to look for them.
        Err(allocation::Refusal::Exhausted) => {
            wanted_vni(&spec)?;
            (Vec::new(), 0)
        }
        Err(allocation::Refusal::Error(error)) => return Err(error),
    };
    let id = plan.ids.fresh();
    plan.push(Change::NetworkCreate(Box::new(Network { id, meta: Meta::default(), spec, ipam, vni })));
    Ok(Response::Network(id))
}

/// The change that makes the routing mesh's default network, as every new cluster has it. Its subnet is the first of
/// the cluster's pool, so the cluster must be in the plan already.
pub(crate) fn ingress(plan: &mut Plan<'_>) -> Change {
    let overlay = |name: &str| Driver { name: name.to_owned(), ..Driver::default() };
    let spec = NetworkSpec {
        name: "ingress".into(),
        driver_configuration: Some(overlay("overlay")),
        ingress: true,
        ipam_options: Some(IpamOptions { driver: overlay("default"), configs: Vec::new() }),
        scope: "swarm".into(),
        ..NetworkSpec::default()
    };
    // A new cluster has no other network, so both are free; without them the network would be there but unused.
    let (ipam, vni) = allocate(plan.state(), &spec).unwrap_or_default();
    Change::NetworkCreate(Box::new(Network { id: plan.ids.fresh(), meta: Meta::default(), spec, ipam, vni }))
}

/// The changes that make the networks which stand for the engine's own on each node, as every new cluster has them: a
/// service asks for one of them as for any other network.
pub(crate) fn predefined(plan: &mut Plan<'_>) -> [Change; 2] {
    ["bridge", "host"].map(|name| {
        let spec = NetworkSpec {
            name: name.into(),
            labels: [(PREDEFINED_LABEL.to_owned(), "true".to_owned())].into_iter().collect(),
            driver_configuration: Some(Driver { name: name.into(), ..Driver::default() }),
            scope: "swarm".into(),
            ..NetworkSpec::default()
        };
        let network = Network { id: plan.ids.fresh(), meta: Meta::default(), spec, ipam: Vec::new(), vni: 0 };
        Change::NetworkCreate(Box::new(network))
    })
}

/// Removes a network that no service and no running task uses. Tasks that are only still stopping do not count.
pub(super) fn remove(plan: &mut Plan<'_>, id: NetworkId) -> Result<Response, Error> {
    let state = plan.state();
    let network = state.network(id).filter(|network| !network.is_predefined());
    let network = network.ok_or_else(|| Error::not_found(format!("network {id} not found")))?;
    if network.spec.ingress {
        if let Some(service) = state.services().find(|service| ports::needs_ingress(&service.spec)) {
            let service = service.id;
            let sentence = format!("ingress network cannot be removed because service {service} depends on it");
            return Err(Error::rpc(Code::FailedPrecondition, sentence));
        }
    } else {
        if let Some(service) = state.services().find(|service| names(&service.spec, id)) {
            let sentence = format!("network {id} is in use by service {}", service.id);
            return Err(Error::rpc(Code::FailedPrecondition, sentence));
        }
        if let Some(task) = state.tasks().find(|task| needs(task, id)) {
            let sentence = format!("network {id} is in use by task {}", task.id);
            return Err(Error::rpc(Code::FailedPrecondition, sentence));
        }
    }
    plan.push(Change::NetworkRemove { id });
    Ok(Response::Done)
}

/// Gives a container that the swarm did not make its addresses. Asking again for what the container has already
/// answers the same, so that a caller who missed the answer may repeat the request.
pub(super) fn attach(
    plan: &mut Plan<'_>,
    node: NodeId,
    name: String,
    container: String,
    networks: Vec<Attachment>,
) -> Result<Response, Error> {
    let state = plan.state();
    if state.node(node).is_none() {
        return Err(Error::not_found(format!("node {node} not found")));
    }
    if let Some(task) = state.tasks_of_node(node).find(|task| is_attachment(task, &container, &networks)) {
        return Ok(Response::Attached(task.id, task.networks.clone()));
    }
    let mut ipam = Ipam::default();
    let mut seen = BTreeSet::new();
    let (mut attached, mut chosen) = (Vec::with_capacity(networks.len()), Vec::new());
    for wanted in networks {
        let network = attachable(state, wanted.network)?;
        let again = state.tasks_of_node(node).any(|task| is_of(task, &container) && needs(task, network.id));
        if again || !seen.insert(network.id) {
            let sentence = format!("{name} is already attached to network {}", network.name());
            return Err(Error::new(Kind::Conflict, sentence));
        }
        let addresses = addresses(state, &mut ipam, network, &wanted.addresses)?;
        let host = |address: &str| address.split('/').next().and_then(|host| host.parse::<IpAddr>().ok());
        let is_chosen = |address: &&String| wanted.addresses.iter().any(|asked| host(asked) == host(address));
        chosen.extend(addresses.iter().filter(is_chosen).cloned());
        attached.push(Attachment { network: Some(network.id), addresses, aliases: wanted.aliases });
    }
    let id: TaskId = plan.ids.fresh();
    plan.push(Change::AttachmentCreate { id, node, name, container, networks: attached.clone(), chosen });
    Ok(Response::Attached(id, attached))
}

/// Forgets the attachment of a container and frees its addresses.
pub(super) fn detach(plan: &mut Plan<'_>, task: TaskId) -> Result<Response, Error> {
    if plan.state().task(task).is_none_or(|task| task.service.is_some()) {
        return Err(Error::rpc(Code::NotFound, format!("attachment {task} not found")));
    }
    plan.push(Change::TaskRemove { id: task });
    Ok(Response::Done)
}

fn attachable(state: &State, id: Option<NetworkId>) -> Result<&Network, Error> {
    let network = id.and_then(|id| state.network(id));
    let refused = |name: &str, kind: Kind, code: &str, why: &str| {
        let cause = format!("rpc error: code = {code} desc = network {name} {why}");
        Error::new(kind, format!("Could not attach to network {name}: {cause}"))
    };
    let Some(network) = network else {
        let name = id.map_or_else(String::new, |id| id.to_string());
        return Err(refused(&name, Kind::NotFound, "NotFound", "not found"));
    };
    if !network.spec.attachable {
        return Err(refused(network.name(), Kind::Forbidden, "PermissionDenied", "not manually attachable"));
    }
    Ok(network)
}

/// The addresses that were asked for, and any of a family of which none was. Docker lets the caller wait 20 s for an address
/// that is taken and then blames a deadline; here the reason is told at once, in libnetwork's words.
fn addresses(state: &State, ipam: &mut Ipam, network: &Network, asked: &[String]) -> Result<Vec<String>, Error> {
    let name = network.name();
    let asked: Vec<String> = asked.iter().filter(|asked| !asked.is_empty()).cloned().collect();
    ipam.give(state, network, &asked).map_err(|refusal| match refusal {
        Refusal::OutOfRange(asked) => Error::invalid(format!(
            "invalid config for network {name}: invalid endpoint settings:\n\
             no configured subnet or ip-range contain the IP address {asked}"
        )),
        Refusal::InUse(asked) => {
            Error::new(Kind::Forbidden, format!("Could not attach to network {name}: Address already in use: {asked}"))
        }
        Refusal::Full => {
            Error::unavailable(format!("Could not attach to network {name}: could not find an available IP"))
        }
    })
}

/// Whether the task is the attachment of this container.
fn is_of(task: &Task, container: &str) -> bool {
    let named = task.spec().network_attachment_spec.as_ref().is_some_and(|spec| spec.container_id == container);
    let reported = task.status.container.as_ref().is_some_and(|status| status.id == container);
    task.service.is_none() && (named || reported) && !task.status.state.is_terminal()
}

/// Whether the task is exactly what is asked for.
fn is_attachment(task: &Task, container: &str, networks: &[Attachment]) -> bool {
    let same = |(has, asked): (&Attachment, &Attachment)| {
        let host = |address: &String| address.split('/').next().unwrap_or_default().to_owned();
        let mut addresses = asked.addresses.iter().filter(|asked| !asked.is_empty());
        has.network == asked.network
            && has.aliases == asked.aliases
            && addresses.all(|asked| has.addresses.iter().any(|address| host(address) == host(asked)))
    };
    is_of(task, container) && task.networks.len() == networks.len() && task.networks.iter().zip(networks).all(same)
}

/// Whether a service's spec names the network.
fn names(spec: &ServiceSpec, id: NetworkId) -> bool {
    networks_of(spec).iter().any(|config| config.target.parse().is_ok_and(|target: NetworkId| target == id))
}

/// Whether a task is there to stay and uses the network.
fn needs(task: &Task, id: NetworkId) -> bool {
    let stays = task.is_wanted() && task.status.state <= TaskState::Running;
    stays && (task.networks.iter().any(|attachment| attachment.network == Some(id)) || names(&task.origin, id))
}
