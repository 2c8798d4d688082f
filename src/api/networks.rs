//! `/networks`: dockerd's networks and the swarm's in one list.
//!
//! dockerd's own networks stay dockerd's: whatever concerns them goes through, and dockerd judges filters and options
//! of both kinds in its own words. The swarm's are rendered from the cluster's state, with what this node's backing
//! knows. Backings are never shown (`moby: api/server/router/network`, `daemon/cluster/networks.go`, 28.5).

mod connect;
mod create;
mod filter;
mod lookup;
pub(super) mod prune;
mod remove;
mod render;
mod surroundings;
pub(super) mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gam_core::model::Network;
use gam_core::state::State as Cluster;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::query::{Query, json};
use super::{Api, ApiError};
use crate::engine::networks::EngineNetwork;
use crate::network::backing::NETWORK_LABEL;
use crate::network::places::Places;
use filter::Filter;
use lookup::Lookup;
use render::{Endpoints, Rendered};
use surroundings::Surroundings;

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(create::create))
        .route("/networks/prune", post(prune::prune))
        .route("/networks/{name}", get(inspect).delete(remove::remove))
        .route("/networks/{name}/connect", post(connect::connect))
        .route("/networks/{name}/disconnect", post(connect::disconnect))
}

/// What of a listed network decides whether it is shown.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Listed {
    labels: Option<std::collections::BTreeMap<String, String>>,
}

impl Listed {
    fn is_backing(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.contains_key(NETWORK_LABEL))
    }
}

/// `GET /networks`: the swarm's networks by id, then dockerd's in dockerd's order.
async fn list(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    // Outside a swarm all are dockerd's.
    let Some(cluster) = api.node.known_networks().await else { return Ok(api.proxy.forward(request).await) };
    let query = Query::of(&request);
    let answer = upstream::ask(&api, request).await?;
    let (Some(local), Ok(filters)) = (answer.ok::<Vec<Box<RawValue>>>(), query.filters()) else {
        return Ok(answer.into_response());
    };
    let filter = Filter::of(&filters);
    let swarm = cluster.networks().filter(|network| filter.takes(network));
    let mut all: Vec<Box<RawValue>> = Vec::new();
    for network in swarm {
        let rendered = Rendered::elsewhere(network);
        all.push(serde_json::value::to_raw_value(&rendered).map_err(unprintable)?);
    }
    let is_shown = |raw: &RawValue| !serde_json::from_str::<Listed>(raw.get()).is_ok_and(|listed| listed.is_backing());
    all.extend(local.into_iter().filter(|raw| is_shown(raw)));
    Ok(json(StatusCode::OK, &all))
}

/// `GET /networks/{name}`.
async fn inspect(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, ApiError> {
    let Some(cluster) = api.node.known_networks().await else { return Ok(api.proxy.forward(request).await) };
    let query = Query::of(&request);
    let verbose = match query.get("verbose") {
        "" => false,
        // dockerd refuses a bad value before it looks for the network.
        _ => match query.strict_flag("verbose") {
            Ok(verbose) => verbose,
            Err(_) => return Ok(api.proxy.forward(request).await),
        },
    };
    // The swarm's networks can be looked at while dockerd is away.
    let local = local_networks(&api).await;
    let known = local.as_deref().unwrap_or_default();
    match lookup::for_inspect(&name, query.get("scope"), known, &cluster) {
        Lookup::Swarm(network) => {
            let rendered = render_here(&api, &cluster, &network, verbose).await;
            Ok(json(StatusCode::OK, &rendered))
        }
        // The full id, so that dockerd does not find the backing of the same name.
        Lookup::Local(id) => {
            let mut target = format!("/networks/{id}");
            if let Some(query) = request.uri().query() {
                target.push('?');
                target.push_str(query);
            }
            Ok(api.proxy.forward(upstream::retarget(request, &target)).await)
        }
        Lookup::Ambiguous(matches, by) => {
            let sentence = format!("{matches} matches found based on {by}: network {name} is ambiguous");
            Err(ApiError::invalid(sentence))
        }
        Lookup::Nothing => Err(local.err().unwrap_or_else(|| not_found(&name))),
    }
}

/// A swarm network as this node sees it: with endpoints and peers once a container of this node runs on it.
async fn render_here<'a>(api: &Api, cluster: &Cluster, network: &'a Arc<Network>, verbose: bool) -> Rendered<'a> {
    let endpoints = match api.networks.backing(network.id) {
        Some(backing) => {
            let request = upstream::get(&format!("/networks/{}", backing.engine_id));
            upstream::ask(api, request).await.ok().and_then(|answer| answer.ok::<Endpoints>()).unwrap_or_default()
        }
        None => Endpoints::default(),
    };
    // The routing mesh is on every node; other networks are where their containers are.
    if endpoints.is_empty() && !network.spec.ingress {
        return Rendered::elsewhere(network);
    }
    match api.node.info().node {
        Some(node) => {
            let held = api.node.assignments();
            let around = Surroundings::of(network, &held, cluster, node);
            Rendered::here(network, endpoints, &around, verbose)
        }
        None => Rendered::elsewhere(network),
    }
}

/// dockerd's own networks, backings left out.
async fn local_networks(api: &Api) -> Result<Vec<EngineNetwork>, ApiError> {
    let mut networks = api.networks.reload().await.map_err(refused)?;
    networks.retain(|network| !network.labels.contains_key(NETWORK_LABEL));
    Ok(networks)
}

/// The swarm network that a user means by `name`, as a container names one: `None` if dockerd has a network that
/// answers to it, or nobody has.
pub(super) async fn swarm_network(api: &Api, cluster: &Cluster, name: &str) -> Result<Option<Arc<Network>>, ApiError> {
    let found = cluster.find_network(name).ok().filter(|network| !network.is_predefined());
    let Some(network) = found else { return Ok(None) };
    let local = local_networks(api).await?;
    let is_local = local.iter().any(|local| local.name == name || local.id.starts_with(name));
    // A full id or name of the swarm's is never a mere prefix of dockerd's.
    let is_exact = network.id.to_string() == name;
    Ok((is_exact || !is_local).then_some(network))
}

/// On a worker: those of these networks that dockerd does not have itself, in a state of their own with what belongs to this
/// node; `None` if nothing is left to ask for. Whoever cannot be asked is no reason to take a network for none.
pub(super) async fn asked(api: &Api, places: &Places, mut names: Vec<String>) -> Option<Arc<Cluster>> {
    if names.is_empty() {
        return None;
    }
    let local = local_networks(api).await.ok()?;
    names.retain(|name| !local.iter().any(|local| local.name == *name || local.id.starts_with(name.as_str())));
    if names.is_empty() {
        return None;
    }
    match places.read(names).await {
        Ok(cluster) => Some(cluster),
        Err(error) => {
            tracing::debug!(%error, "the managers cannot be asked for a network");
            api.node.known_networks().await
        }
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("network {name} not found"))
}

fn unprintable(error: serde_json::Error) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// An error of this node's networks as an answer: dockerd's refusals keep their status and sentence.
pub(super) fn refused(error: crate::network::NetworkError) -> ApiError {
    use crate::engine::EngineError;
    use crate::network::NetworkError;
    let status = match &error {
        NetworkError::Engine(EngineError::Refused { status, .. }) => StatusCode::from_u16(*status).ok(),
        NetworkError::Engine(EngineError::Unreachable(_) | EngineError::InSwarm { .. }) => {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
        NetworkError::InUse(_) => Some(StatusCode::CONFLICT),
    };
    ApiError::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.to_string())
}
