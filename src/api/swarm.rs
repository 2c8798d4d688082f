//! `/swarm`: the cluster itself.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use gam_core::control::{Request as Change, Rotate};
use gam_core::error::Error;
use gam_core::model::{Cluster, JoinTokens, SwarmSpec, Timestamp, go};
use serde::{Deserialize, Serialize};

use super::query::{Query, done, json, read_json};
use super::{Api, ApiError};
use crate::node::{Init, Join};

/// Docker's pool for overlay subnets.
const DEFAULT_POOL: &str = "10.0.0.0/8";

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/swarm", get(inspect))
        .route("/swarm/init", post(init))
        .route("/swarm/join", post(join))
        .route("/swarm/leave", post(leave))
        .route("/swarm/update", post(update))
        .route("/swarm/unlock", post(unlock))
        .route("/swarm/unlockkey", get(unlock_key))
}

/// The version of an object, as Docker nests it.
#[derive(Serialize)]
pub struct Version {
    /// The log index of the last change.
    #[serde(rename = "Index", skip_serializing_if = "is_zero")]
    pub index: u64,
}

fn is_zero(index: &u64) -> bool {
    *index == 0
}

/// A cluster as `/swarm` and `/info` show it (`moby: swarm.ClusterInfo`).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterInfo {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: SwarmSpec,
    #[serde(rename = "TLSInfo")]
    tls_info: TlsInfo,
    root_rotation_in_progress: bool,
    /// `null` unless pools were given, as Docker prints it.
    default_addr_pool: Option<Vec<String>>,
    subnet_size: u32,
    data_path_port: u32,
}

/// Whom a node or cluster trusts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TlsInfo {
    /// The root certificate, PEM.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trust_root: String,
    /// DER, base 64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_issuer_subject: String,
    /// DER, base 64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_issuer_public_key: String,
}

impl ClusterInfo {
    /// Renders a cluster; the signing key never leaves the state.
    pub fn of(cluster: &Cluster) -> ClusterInfo {
        let mut spec = cluster.spec.clone();
        spec.ca_config.signing_ca_cert.clear();
        spec.ca_config.signing_ca_key.clear();
        ClusterInfo {
            id: cluster.id.to_string(),
            version: Version { index: cluster.meta.version },
            created_at: cluster.meta.created_at,
            updated_at: cluster.meta.updated_at,
            spec,
            tls_info: TlsInfo {
                trust_root: cluster.root_ca.cert.clone(),
                cert_issuer_subject: cluster.root_ca.issuer().0.to_owned(),
                cert_issuer_public_key: cluster.root_ca.issuer().1.to_owned(),
            },
            root_rotation_in_progress: cluster.root_ca.rotation.is_some(),
            default_addr_pool: (!cluster.default_addr_pool.is_empty()).then(|| cluster.default_addr_pool.clone()),
            subnet_size: cluster.subnet_size,
            data_path_port: cluster.data_path_port,
        }
    }
}

#[derive(Serialize)]
struct Swarm {
    #[serde(flatten)]
    info: ClusterInfo,
    #[serde(rename = "JoinTokens")]
    join_tokens: Tokens,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tokens {
    worker: String,
    manager: String,
}

impl Tokens {
    fn of(tokens: &JoinTokens) -> Tokens {
        Tokens { worker: tokens.worker.clone(), manager: tokens.manager.clone() }
    }
}

/// The cluster of a state; a manager without one has lost it, which only a damaged disk can do.
fn cluster(state: &gam_core::state::State) -> Result<&Cluster, Error> {
    state.cluster().map(|cluster| &**cluster).ok_or_else(|| Error::unavailable("This node is not part of a swarm"))
}

async fn inspect(State(api): State<Api>) -> Result<Response, ApiError> {
    let state = api.node.manager()?.read().await?;
    let cluster = cluster(&state)?;
    let swarm = Swarm { info: ClusterInfo::of(cluster), join_tokens: Tokens::of(&cluster.join_tokens) };
    Ok(json(StatusCode::OK, &swarm))
}

/// `moby: swarm.InitRequest`
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct InitRequest {
    listen_addr: String,
    advertise_addr: String,
    data_path_addr: String,
    data_path_port: u32,
    force_new_cluster: bool,
    spec: SwarmSpec,
    auto_lock_managers: bool,
    #[serde(deserialize_with = "go::node_availability")]
    availability: String,
    default_addr_pool: Option<Vec<String>>,
    subnet_size: u32,
}

async fn init(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let body: InitRequest = read_json(request).await?;
    let init = Init {
        listen_addr: body.listen_addr,
        advertise_addr: body.advertise_addr,
        data_path_addr: body.data_path_addr,
        data_path_port: body.data_path_port,
        force_new_cluster: body.force_new_cluster,
        spec: body.spec,
        auto_lock: body.auto_lock_managers,
        availability: body.availability,
        // Docker takes an absent list for its own pool, and an empty one (which its CLI sends) for none.
        default_addr_pool: body.default_addr_pool.unwrap_or_else(|| vec![DEFAULT_POOL.to_owned()]),
        subnet_size: body.subnet_size,
    };
    // A client that goes away in the middle must not leave half a cluster behind: the work goes on without it.
    let node = api.node.clone();
    let founded = tokio::spawn(async move { node.init(init).await }).await;
    let id = founded.map_err(Error::internal)??;
    Ok(json(StatusCode::OK, &id.to_string()))
}

/// `moby: swarm.JoinRequest`
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct JoinRequest {
    listen_addr: String,
    advertise_addr: String,
    data_path_addr: String,
    remote_addrs: Vec<String>,
    join_token: String,
    #[serde(deserialize_with = "go::node_availability")]
    availability: String,
}

async fn join(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let body: JoinRequest = read_json(request).await?;
    let join = Join {
        listen_addr: body.listen_addr,
        advertise_addr: body.advertise_addr,
        data_path_addr: body.data_path_addr,
        remote_addrs: body.remote_addrs,
        join_token: body.join_token,
        availability: body.availability,
    };
    let node = api.node.clone();
    tokio::spawn(async move { node.join(join).await }).await.map_err(Error::internal)??;
    Ok(done())
}

async fn leave(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let force = Query::of(&request).flag("force");
    let node = api.node.clone();
    tokio::spawn(async move { node.leave(force).await }).await.map_err(Error::internal)??;
    Ok(done())
}

async fn update(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let query = Query::of(&request);
    let spec: SwarmSpec = read_json(request).await?;
    let version = query.version("swarm")?;
    let rotate = Rotate {
        worker_token: query.terse_flag("rotateWorkerToken")?,
        manager_token: query.terse_flag("rotateManagerToken")?,
        unlock_key: query.terse_flag("rotateManagerUnlockKey")?,
    };
    let authority = Some(api.node.authority(&spec.ca_config).await?);
    api.node.manager()?.submit(Change::SwarmUpdate { spec: Box::new(spec), version, rotate, authority }).await?;
    Ok(done())
}

/// `moby: swarm.UnlockRequest`
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct UnlockRequest {
    unlock_key: String,
}

async fn unlock(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let body: UnlockRequest = read_json(request).await?;
    api.node.unlock(&body.unlock_key).await?;
    Ok(done())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UnlockKey {
    unlock_key: String,
}

async fn unlock_key(State(api): State<Api>) -> Result<Response, ApiError> {
    let state = api.node.manager()?.read().await?;
    Ok(json(StatusCode::OK, &UnlockKey { unlock_key: cluster(&state)?.unlock_key.clone() }))
}
