//! Services: whether one may come to be, change, or go, and what is then written down
//! (`moby: daemon/cluster/services.go`, swarmkit `manager/controlapi/service.go`).
//!
//! A spec passes three gates, in dockerd's order, so that of several faults the same one is reported: network names
//! become ids, the spec is brought into its normal form, the control API's checks are made. What Docker would take and
//! Gam does not honour yet is refused after that. Tasks are not made here: the orchestrator sees the new spec and acts.

mod name;

use super::{CredentialFrom, Response, validate};
use crate::error::{Code, Error, Kind};
use crate::model::{Credential, Service, ServiceId, ServiceMode, ServiceSpec, UpdateState, UpdateStatus};
use crate::plan::Plan;
use crate::state::{Change, State};

/// A change that a user wants of a service.
pub(super) struct Update {
    pub spec: ServiceSpec,
    pub version: u64,
    pub rollback: bool,
    pub credential: CredentialFrom,
}

/// Makes a service.
pub(super) fn create(
    plan: &mut Plan<'_>,
    spec: ServiceSpec,
    credential: Option<Credential>,
) -> Result<Response, Error> {
    let mut spec = admit(plan, spec)?;
    spec.set_credential(credential);
    validate::port_conflicts(plan.state(), &spec, None)?;
    validate::ingress_network(plan.state(), &spec)?;
    validate::references(plan.state(), &spec)?;
    // In capital letters or not (swarmkit `manager/state/store/services.go`).
    if plan.state().service_alike(&spec.name).is_some() {
        return Err(Error::rpc(
            Code::AlreadyExists,
            format!("name conflicts with an existing object: service {} already exists", spec.name),
        ));
    }
    if let Some(refusal) = validate::unhonoured(&spec) {
        return Err(refusal);
    }
    let id = plan.ids.fresh();
    plan.push(Change::ServiceCreate { id, spec: Box::new(spec) });
    Ok(Response::Service(id))
}

/// Gives a service another spec, or its previous one back. The version is looked at last, as in Docker.
pub(super) fn update(plan: &mut Plan<'_>, id: ServiceId, update: Update) -> Result<Response, Error> {
    let Update { spec, version, rollback, credential } = update;
    let mut spec = admit(plan, spec)?;
    let Some(service) = plan.state().service(id).cloned() else { return Err(gone(id)) };
    spec.set_credential(credential.resolve(&service)?);
    if spec.endpoint_spec.is_some() && spec.endpoint_spec != service.spec.endpoint_spec {
        validate::port_conflicts(plan.state(), &spec, Some(id))?;
    }
    if spec.networks != service.spec.networks && spec.task_template.networks == service.spec.task_template.networks {
        // The list of the service can only be given up for that of its tasks (swarmkit `UpdateService`).
        let sentence = "networks must be migrated to TaskSpec before being changed";
        return Err(Error::rpc(Code::Unimplemented, sentence));
    }
    validate::references(plan.state(), &spec)?;
    if kind_of(&service.spec.mode) != kind_of(&spec.mode) {
        return Err(Error::rpc(Code::Unimplemented, "service mode change is not allowed"));
    }
    if service.name() != spec.name {
        return Err(Error::rpc(Code::Unimplemented, "renaming services is not supported"));
    }
    let change = if rollback { roll_back(plan, &service)? } else { replace(&service, spec)? };
    if let Change::ServiceUpdate { spec, .. } = &change {
        validate::ingress_network(plan.state(), spec)?;
    }
    if !service.meta.admits(version) {
        return Err(Error::rpc(Code::Unknown, "update out of sequence"));
    }
    plan.push(change);
    Ok(Response::Done)
}

/// Removes a service. Its tasks are told to go by the orchestrator.
pub(super) fn remove(plan: &mut Plan<'_>, id: ServiceId) -> Result<Response, Error> {
    if plan.state().service(id).is_none() {
        return Err(gone(id));
    }
    plan.push(Change::ServiceRemove { id });
    Ok(Response::Done)
}

/// The service was there when the request was made, and no longer is.
fn gone(id: ServiceId) -> Error {
    Error::rpc(Code::NotFound, format!("service {id} not found"))
}

/// The new spec takes the old one's place. Even an update that changes nothing makes the present spec the previous
/// one and forgets how the last update went (swarmkit `UpdateService`).
fn replace(service: &Service, spec: ServiceSpec) -> Result<Change, Error> {
    if let Some(refusal) = validate::unhonoured(&spec) {
        return Err(refusal);
    }
    Ok(Change::ServiceUpdate {
        id: service.id,
        spec: Box::new(spec),
        previous: Some(Box::new((*service.spec).clone())),
        update_status: None,
    })
}

/// Present and previous spec change places, so that a second rollback undoes the first.
fn roll_back(plan: &Plan<'_>, service: &Service) -> Result<Change, Error> {
    let Some(previous) = &service.previous_spec else {
        return Err(Error::rpc(
            Code::FailedPrecondition,
            format!("service {} does not have a previous spec", service.id),
        ));
    };
    Ok(Change::ServiceUpdate {
        id: service.id,
        spec: Box::new((**previous).clone()),
        previous: Some(Box::new((*service.spec).clone())),
        update_status: Some(UpdateStatus {
            state: UpdateState::RollbackStarted,
            started_at: Some(plan.now),
            completed_at: None,
            message: "manually requested rollback".to_owned(),
        }),
    })
}

/// What dockerd does to a spec before it looks at anything else of a request: the first two gates.
pub fn converted(state: &State, mut spec: ServiceSpec) -> Result<ServiceSpec, Error> {
    resolve_networks(state, &mut spec)?;
    validate::normalise(spec)
}

/// The gates that creation and update share.
fn admit(plan: &mut Plan<'_>, spec: ServiceSpec) -> Result<ServiceSpec, Error> {
    let mut spec = converted(plan.state(), spec)?;
    if spec.name.is_empty() {
        let ids = &mut *plan.ids;
        let attempts = std::iter::repeat_with(|| name::random(ids.bytes())).take(name::ATTEMPTS);
        let names: Vec<String> = attempts.collect();
        let free = names.iter().find(|name| plan.state().service_alike(name).is_none());
        spec.name = free.or(names.first()).cloned().unwrap_or_default();
    }
    validate::service_spec(&spec)?;
    validate::attached_networks(plan.state(), &spec)?;
    Ok(spec)
}

/// Turns names of networks into ids. Those of the task count; those of the service only if the task has none.
fn resolve_networks(state: &State, spec: &mut ServiceSpec) -> Result<(), Error> {
    let networks =
        if spec.task_template.networks.is_empty() { &mut spec.networks } else { &mut spec.task_template.networks };
    for attachment in networks {
        attachment.target = resolve_network(state, &attachment.target)?;
    }
    Ok(())
}

/// The id of a network (`moby: daemon/cluster/networks.go populateNetworkID`). dockerd's error for an unknown network
/// has no type, hence 500. Networks of the engine are not in the state but for the predefined ones; of the others that
/// every engine has, it is known what Docker says.
fn resolve_network(state: &State, target: &str) -> Result<String, Error> {
    if target.is_empty() {
        // Every id begins so.
        let count = state.all_networks().count();
        return Err(Error::invalid(format!("network  is ambiguous ({count} matches found)")));
    }
    let refusal = match state.find_network(target) {
        Ok(network) => return Ok(network.id.to_string()),
        Err(refusal) => refusal,
    };
    Err(match target {
        "none" => Error::not_found("could not find the corresponding predefined swarm network: network none not found"),
        "docker_gwbridge" => Error::new(
            Kind::Forbidden,
            "The network docker_gwbridge cannot be used with services. Only networks scoped to the swarm can be used, \
             such as those created with the overlay driver.",
        ),
        _ if refusal.kind == Kind::NotFound => Error::internal(refusal.message),
        _ => refusal,
    })
}

/// Which of the four modes is set.
fn kind_of(mode: &ServiceMode) -> [bool; 4] {
    [mode.replicated.is_some(), mode.global.is_some(), mode.replicated_job.is_some(), mode.global_job.is_some()]
}
