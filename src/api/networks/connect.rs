//! `POST /networks/{name}/connect` and `disconnect`: a container that runs joins or leaves an attachable overlay.
//!
//! A container that does not run only gets a note of what it wants, as in dockerd; it joins when it starts
//! ([`super::super::containers`]).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::model::Network;
use serde::Deserialize;
use serde_json::Value;

use super::super::containers::attach::{self, Joined};
use super::super::query::read_body;
use super::super::{Api, ApiError};
use super::upstream::{self, Outline};
use super::{asked, swarm_network};
use crate::engine::networks::NetworkedContainer;
use crate::network::attachments::{addresses, attachments};
use crate::network::places::Places;
use crate::network::rewrite::Rewriter;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ConnectOptions {
    container: String,
    endpoint_config: EndpointConfig,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct EndpointConfig {
    #[serde(rename = "IPAMConfig")]
    ipam_config: IpamConfig,
    aliases: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamConfig {
    #[serde(rename = "IPv4Address")]
    ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    ipv6_address: String,
}

/// What a request is about, once it turned out to be Gam's.
struct Case {
    places: Places,
    network: Option<Arc<Network>>,
    container: NetworkedContainer,
    options: ConnectOptions,
}

/// Reads a request; `None` if it is dockerd's, for whatever reason: then dockerd says what is wrong with it.
async fn case(api: &Api, name: &str, body: &[u8]) -> Option<Case> {
    let places = api.node.places()?;
    let options: ConnectOptions = gam_core::json::from_slice(body).ok()?;
    let cluster = match &places {
        Places::Here(manager) => manager.read().await.ok()?,
        Places::There(_) => asked(api, &places, vec![name.to_owned()]).await?,
    };
    let network = swarm_network(api, &cluster, name).await.ok()?;
    if options.container.is_empty() {
        return None;
    }
    let container = api.engine.networked_container(&options.container).await.ok()?;
    Some(Case { places, network, container, options })
}

/// Connects.
pub async fn connect(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, ApiError> {
    let (outline, body) = Outline::of(request);
    let body = read_body(body).await?;
    let Some(case) = case(&api, &name, &body).await.filter(|case| case.container.running) else {
        return Ok(api.proxy.forward(outline.with(body)).await);
    };
    match case.network.clone() {
        Some(network) => attach::to_the_end(join(api, case, network, name, outline, body)).await,
        None => unknown(&api, &name, outline, body).await,
    }
}

async fn join(
    api: Api,
    case: Case,
    network: Arc<Network>,
    name: String,
    outline: Outline,
    body: bytes::Bytes,
) -> Result<Response, ApiError> {
    let is_there = case.container.endpoints.iter().any(|endpoint| {
        !endpoint.endpoint_id.is_empty()
            && api.networks.backing_by_id(&endpoint.network_id).is_some_and(|backing| backing.network == network.id)
    });
    if is_there {
        let sentence = format!("{} is already attached to network {}", case.container.name, network.name());
        return Err(ApiError::new(StatusCode::CONFLICT, sentence));
    }
    let asked = case.options.endpoint_config.ipam_config;
    let wanted = attach::Wanted {
        network,
        addresses: [asked.ipv4_address, asked.ipv6_address].iter().filter_map(|asked| asked.parse().ok()).collect(),
        aliases: case.options.endpoint_config.aliases,
    };
    let _joining = api.networks.joining(&case.container.id);
    let joined = attach::join(&api, &case.places, &case.container.name, &case.container.id, wanted).await;
    let joined = joined.map_err(|error| attach::starting(error, &name))?;
    let body = with_endpoint(&body, &joined).unwrap_or(body);
    let target = format!("/networks/{}/connect", joined.backing.engine_id);
    let answer = upstream::ask(&api, upstream::retarget(outline.with(body), &target)).await;
    if !answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
        attach::give_back(&case.places, &[joined.task]).await;
    }
    Ok(upstream::rewritten(answer?.into_response(), api.networks.rewriter()).await)
}

/// A network that nobody knows: the managers are asked for it, as dockerd asks them in swarm mode.
async fn unknown(api: &Api, name: &str, outline: Outline, body: bytes::Bytes) -> Result<Response, ApiError> {
    let answer = upstream::ask(api, outline.with(body)).await?;
    if answer.status() != StatusCode::NOT_FOUND {
        return Ok(answer.into_response());
    }
    let sentence =
        format!("Could not attach to network {name}: rpc error: code = NotFound desc = network {name} not found");
    Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, sentence))
}

/// The request with the address that was allocated. dockerd takes a MAC address here from API 1.54 on and ignores it
/// before.
fn with_endpoint(body: &[u8], joined: &Joined) -> Option<bytes::Bytes> {
    let mut document: Value = serde_json::from_slice(&gam_core::json::coerced(body)).ok()?;
    let object = document.as_object_mut()?;
    let endpoint = attach::object(object, "EndpointConfig")?;
    attach::place(endpoint, joined, true)?;
    Some(document.to_string().into())
}

/// Disconnects, and gives the address back.
pub async fn disconnect(
    State(api): State<Api>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (outline, body) = Outline::of(request);
    let body = read_body(body).await?;
    let case = case(&api, &name, &body).await;
    let backing = case.as_ref().and_then(|case| api.networks.backing(case.network.as_ref()?.id));
    let (Some(case), Some(backing)) = (case, backing) else {
        return Ok(api.proxy.forward(outline.with(body)).await);
    };
    let target = format!("/networks/{}/disconnect", backing.engine_name);
    let answer = upstream::ask(&api, upstream::retarget(outline.with(body), &target)).await?;
    if answer.status().is_success() {
        let ours = case
            .container
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.network_id == backing.engine_id || endpoint.network == backing.engine_name);
        let given: Vec<_> = ours.filter_map(|endpoint| Some((backing.network, endpoint.address?))).collect();
        let state = case.places.known();
        let tasks: Vec<_> = attachments(&state, case.places.node_id())
            .filter(|task| addresses(task).any(|place| given.contains(&place)))
            .map(|task| task.id)
            .collect();
        attach::give_back(&case.places, &tasks).await;
    }
    Ok(upstream::rewritten(answer.into_response(), Rewriter::new([&backing].into_iter())).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Backing;

    #[test]
    fn the_allocated_address_is_put_in_and_the_rest_stays() {
        let joined = Joined {
            task: 1.into(),
            address: "10.0.1.5".parse().unwrap(),
            ipv6_address: None,
            backing: Backing {
                network: 7.into(),
                name: "att".into(),
                engine_id: "e".repeat(64),
                engine_name: "att".into(),
                subnets: Vec::new(),
            },
        };
        let body = br#"{"Container":"c","endpointconfig":{"Aliases":["a"],"IPAMConfig":null},"Other":1}"#;
        let out = with_endpoint(body, &joined).unwrap();
        assert_eq!(
            out,
            r#"{"Container":"c","endpointconfig":{"Aliases":["a"],"IPAMConfig":{"IPv4Address":"10.0.1.5"},"MacAddress":"02:42:0a:00:01:05"},"Other":1}"#
        );
        let out = with_endpoint(br#"{"Container":"c"}"#, &joined).unwrap();
        assert_eq!(
            out,
            r#"{"Container":"c","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.0.1.5"},"MacAddress":"02:42:0a:00:01:05"}}"#
        );
    }
}
