//! `/nodes`: the hosts of the cluster.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use gam_core::control::{Request as Change, normalise_node};
use gam_core::error::Error;
use gam_core::model::{Node, NodeSpec, Platform, Resources, StringMap, Timestamp};
use serde::Serialize;

use super::filters::Filters;
use super::named::Named;
use super::query::{Query, done, json, read_json};
use super::swarm::{TlsInfo, Version};
use super::{Api, ApiError};
use crate::manager::View as Seen;

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/nodes", get(list))
        .route("/nodes/{id}", get(inspect).delete(remove))
        .route("/nodes/{id}/update", post(update))
}

/// A node as Docker shows it (`moby: swarm.Node`).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct View<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: &'a NodeSpec,
    description: DescriptionView<'a>,
    status: StatusView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_status: Option<ManagerView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescriptionView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    hostname: &'a str,
    platform: &'a Platform,
    resources: &'a Resources,
    engine: EngineView<'a>,
    #[serde(rename = "TLSInfo")]
    tls_info: TlsInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EngineView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    engine_version: &'a str,
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    labels: &'a StringMap,
    /// Always a list: Portainer walks it unasked.
    plugins: Vec<PluginView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PluginView<'a> {
    r#type: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusView<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    addr: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManagerView<'a> {
    #[serde(skip_serializing_if = "is_false")]
    leader: bool,
    reachability: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    addr: &'a str,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn render<'a>(node: &'a Node, seen: &Seen) -> View<'a> {
    let description = &node.description;
    let plugins = description.plugins.iter().map(|(kind, name)| PluginView { r#type: kind, name }).collect();
    View {
        id: node.id.to_string(),
        version: Version { index: node.meta.version },
        created_at: node.meta.created_at,
        updated_at: node.meta.updated_at,
        spec: &node.spec,
        description: DescriptionView {
            hostname: &description.hostname,
            platform: &description.platform,
            resources: &description.resources,
            engine: EngineView {
                engine_version: &description.engine_version,
                labels: &description.engine_labels,
                plugins,
            },
            tls_info: TlsInfo {
                trust_root: description.trust_root.clone(),
                cert_issuer_subject: description.cert_issuer_subject.clone(),
                cert_issuer_public_key: description.cert_issuer_public_key.clone(),
            },
        },
        status: StatusView {
            state: node.status.state.as_str(),
            message: &node.status.message,
            addr: &node.status.addr,
        },
        manager_status: node.manager.as_ref().map(|manager| ManagerView {
            leader: seen.leader == Some(node.id),
            reachability: if seen.unreachable.contains(&manager.raft_id) { "unreachable" } else { "reachable" },
            addr: &manager.addr,
        }),
    }
}

fn matches(filters: &Filters, node: &Node) -> bool {
    let id = node.id.to_string();
    let name = if node.spec.name.is_empty() { &node.description.hostname } else { &node.spec.name };
    filters.any("id", |prefix| id.starts_with(prefix))
        && filters.any("name", |prefix| name.starts_with(prefix))
        && filters.labels("label", |key| node.description.engine_labels.get(key))
        && filters.labels("node.label", |key| node.spec.labels.get(key))
        && filters.any("role", |role| role.is_empty() || role.eq_ignore_ascii_case(&node.spec.role))
        && filters.any("membership", |word| !word.eq_ignore_ascii_case("pending"))
}

/// Words that are no role or membership are refused; Docker answers 500 here.
fn check_words(filters: &Filters) -> Result<(), Error> {
    let wrong = |key: &str, known: &[&str]| {
        let unknown = |word: &&String| !known.iter().any(|known| word.eq_ignore_ascii_case(known));
        filters.get(key).iter().find(unknown).map(|word| format!("Invalid {key} filter: '{word}'"))
    };
    let sentence =
        wrong("role", &["", "worker", "manager"]).or_else(|| wrong("membership", &["", "accepted", "pending"]));
    sentence.map_or(Ok(()), |sentence| Err(Error::internal(sentence)))
}

async fn list(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let filters = Query::of(&request).filters()?;
    let manager = api.node.manager()?;
    let seen = manager.view().await?;
    filters.accept(&["name", "id", "label", "role", "membership", "node.label"])?;
    check_words(&filters)?;
    let nodes = seen.state.nodes().filter(|node| matches(&filters, node));
    let shown: Vec<View<'_>> = nodes.map(|node| render(node, &seen)).collect();
    Ok(json(StatusCode::OK, &shown))
}

async fn inspect(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let seen = api.node.manager()?.view().await?;
    let node = seen.state.find_node(&id)?;
    Ok(json(StatusCode::OK, &render(&node, &seen)))
}

async fn update(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    let query = Query::of(&request);
    let spec: NodeSpec = read_json(request).await?;
    let version = query.version("node")?;
    let manager = api.node.manager()?;
    let spec = normalise_node(spec)?;
    let id = manager.read().await?.find_node(&id)?.id;
    manager.submit(Change::NodeUpdate { id, spec: Box::new(spec), version }).await?;
    Ok(done())
}

async fn remove(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    let force = Query::of(&request).flag("force");
    let manager = api.node.manager()?;
    let id = manager.read().await?.find_node(&id)?.id;
    manager.submit(Change::NodeRemove { id, force }).await?;
    Ok(done())
}
