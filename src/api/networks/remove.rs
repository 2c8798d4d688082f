//! `DELETE /networks/{name}`.

use std::net::Ipv4Addr;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::control::Request as Change;
use gam_core::error::{Error, Kind};
use gam_core::model::{NetworkId, TaskId};

use super::super::{Api, ApiError};
use super::lookup::{self, Lookup};
use super::{local_networks, not_found, upstream};
use crate::manager::Manager;
use crate::network::attachments::{addresses, attachments};

/// Removes a network, wherever it is.
pub async fn remove(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, ApiError> {
    let Some(cluster) = api.node.known_networks().await else { return Ok(api.proxy.forward(request).await) };
    let local = local_networks(&api).await;
    let known = local.as_deref().unwrap_or_default();
    match lookup::for_remove(&name, known, &cluster) {
        Lookup::Swarm(network) => {
            remove_swarm(&api, &api.node.manager()?, network.id).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        // The full id, so that dockerd does not find the backing of the same name.
        Lookup::Local(id) => Ok(api.proxy.forward(upstream::retarget(request, &format!("/networks/{id}"))).await),
        Lookup::Ambiguous(matches, by) => {
            Err(ApiError::invalid(format!("network {name} is ambiguous ({matches} matches found based on {by})")))
        }
        Lookup::Nothing => Err(local.err().unwrap_or_else(|| not_found(&name))),
    }
}

/// Removes a swarm network and this node's backing. Containers that only exist, and do not run, do not hold it: Docker
/// takes their addresses when they stop.
pub async fn remove_swarm(api: &Api, manager: &Manager, network: NetworkId) -> Result<(), Error> {
    let request = Change::NetworkRemove { id: network };
    if let Err(refusal) = manager.submit(request.clone()).await {
        // Asked again, one that was perhaps done already would be "not found", and no longer in doubt.
        if refusal.kind != Kind::Invalid {
            return Err(refusal);
        }
        let Some(idle) = idle(api, manager, network).await else { return Err(refusal) };
        for task in idle {
            given_back(manager.submit(Change::Detach { task }).await)?;
        }
        manager.submit(request).await?;
    }
    if let Err(error) = api.networks.remove(network).await {
        // Its containers may only just be stopping. The next sweep takes it away; it is never shown.
        tracing::debug!(%network, %error, "cannot remove the backing of a network that is gone");
    }
    Ok(())
}

/// The watch over attachments may give one back at the same moment, and be first.
fn given_back<T>(outcome: Result<T, Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.kind != Kind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The attachments that hold a network, if all that holds it is attachments of containers of this node that do not
/// run; `None` if there is anything else. There may be none: the last one may only just have been given back.
async fn idle(api: &Api, manager: &Manager, network: NetworkId) -> Option<Vec<TaskId>> {
    let state = manager.state();
    let held = |task: &&std::sync::Arc<gam_core::model::Task>| {
        task.is_wanted()
            && !task.status.state.is_terminal()
            && task.networks.iter().any(|place| place.network == Some(network))
    };
    let mut holders = Vec::new();
    for task in state.tasks().filter(held) {
        let is_ours = attachments(&state, manager.node_id()).any(|attachment| attachment.id == task.id);
        if !is_ours {
            return None;
        }
        holders.push(task);
    }
    let containers = api.engine.networked_containers().await.ok()?;
    let running: Vec<Ipv4Addr> = containers
        .iter()
        .filter(|container| container.running)
        .flat_map(|container| &container.endpoints)
        .filter_map(|endpoint| endpoint.address)
        .collect();
    let is_idle = |task: &std::sync::Arc<gam_core::model::Task>| {
        addresses(task).all(|(on, address)| on != network || !running.contains(&address))
    };
    let all_idle = holders.iter().all(|task| is_idle(task));
    all_idle.then(|| holders.into_iter().map(|task| task.id).collect())
}

#[cfg(test)]
mod tests {
    use gam_core::error::Code;

    use super::*;

    #[test]
    fn what_was_given_back_meanwhile_is_no_fault() {
        assert_eq!(given_back(Ok(1)), Ok(()));
        assert_eq!(given_back::<()>(Err(Error::rpc(Code::NotFound, "attachment 1 not found"))), Ok(()));
        let fault = Error::unavailable("no leader");
        assert_eq!(given_back::<()>(Err(fault.clone())), Err(fault));
    }
}
