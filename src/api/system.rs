//! `/_ping`, `/version`, `/info`, `/system/df`: dockerd's own answers with the swarm's part put in; and `/gam`.

use std::path::Path;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;

use super::networks::upstream;
use super::proxy::Proxy;
use super::query::json;
use super::swarm::ClusterInfo;
use super::version::ApiVersion;
use super::{Api, ApiError};

/// The routes of this file but one.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/system/df", get(disk_usage))
        .route("/gam", get(gam))
}

/// The one path that is not Docker's, of which a dockerd knows nothing: says that this is a Gam, and which.
async fn gam() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "Gam": env!("CARGO_PKG_VERSION") }))
}

/// Whether a Gam answers at a socket, which looks like a dockerd in everything else.
pub async fn is_gam(socket: &Path) -> bool {
    let answer = Proxy::new(socket.to_owned()).fetch(Method::GET, "/gam", None).await;
    let document = answer.ok().filter(|(status, ..)| *status == StatusCode::OK);
    document
        .and_then(|(.., body)| serde_json::from_slice::<Value>(&body).ok())
        .is_some_and(|body| body["Gam"].is_string())
}

/// `/_ping`.
pub fn ping_routes() -> Router<Api> {
    Router::new().route("/_ping", get(ping).head(ping))
}

async fn ping(State(api): State<Api>, request: Request) -> Response {
    let mut response = api.proxy.forward(request).await;
    if response.status().is_success() {
        response.headers_mut().insert("Swarm", HeaderValue::from_static(api.node.status()));
    }
    response
}

/// Asks dockerd for a JSON object under the very path that the client used; any other answer goes to the client as it is.
async fn engine_object(api: &Api, path: &str) -> Result<Result<Value, Response>, ApiError> {
    let (status, headers, body) = api.proxy.fetch(Method::GET, path, None).await?;
    match serde_json::from_slice::<Value>(&body) {
        Ok(document) if status == StatusCode::OK && document.is_object() => Ok(Ok(document)),
        _ => {
            let mut response = Response::new(body.into());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(Err(response))
        }
    }
}

async fn version(State(api): State<Api>) -> Result<Response, ApiError> {
    let mut document = match engine_object(&api, "/version").await? {
        Ok(document) => document,
        Err(response) => return Ok(response),
    };
    // Versions that a newer engine no longer takes are lifted on the way through, so that they are served here.
    let oldest = document["MinAPIVersion"].as_str().and_then(|text| text.parse::<ApiVersion>().ok());
    if oldest.is_some_and(|oldest| oldest > ApiVersion::OLDEST) {
        document["MinAPIVersion"] = ApiVersion::OLDEST.to_string().into();
    }
    Ok(json(StatusCode::OK, &document))
}

/// `GET /system/df`, whose containers name their networks: ids of swarm networks in place of their backings'.
async fn disk_usage(State(api): State<Api>, request: Request) -> Response {
    let rewriter = api.networks.rewriter();
    upstream::rewritten(api.proxy.forward(request).await, rewriter).await
}

/// `moby: swarm.Info`
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SwarmInfo {
    #[serde(rename = "NodeID")]
    node_id: String,
    node_addr: String,
    local_node_state: &'static str,
    control_available: bool,
    error: String,
    remote_managers: Option<Vec<Peer>>,
    #[serde(skip_serializing_if = "is_zero")]
    nodes: usize,
    #[serde(skip_serializing_if = "is_zero")]
    managers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    #[serde(rename = "NodeID")]
    node_id: String,
    addr: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

async fn info(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let path = super::version::engine_path(&request);
    let mut document = match engine_object(&api, &path).await? {
        Ok(document) => document,
        Err(response) => return Ok(response),
    };
    let swarm = swarm_info(&api).await;
    document["Swarm"] = serde_json::to_value(swarm).unwrap_or(Value::Null);
    Ok(json(StatusCode::OK, &document))
}

async fn swarm_info(api: &Api) -> SwarmInfo {
    let local = api.node.info();
    let remote_managers: Vec<Peer> = local
        .managers
        .into_iter()
        .map(|(node, addr)| Peer { node_id: node.map(|node| node.to_string()).unwrap_or_default(), addr })
        .collect();
    let mut info = SwarmInfo {
        node_id: local.node.map(|node| node.to_string()).unwrap_or_default(),
        node_addr: local.addr,
        local_node_state: local.state,
        control_available: false,
        error: local.error,
        remote_managers: (!remote_managers.is_empty()).then_some(remote_managers),
        nodes: 0,
        managers: 0,
        cluster: None,
    };
    let manager = match api.node.manager() {
        Ok(manager) => manager,
        Err(error) => {
            if info.local_node_state == "error" {
                info.error = error.message;
            }
            return info;
        }
    };
    info.control_available = true;
    let doubt = std::mem::take(&mut info.error);
    info.error = manager.stranded().map(|error| error.message).unwrap_or_default();
    match manager.read().await {
        Ok(state) => {
            info.nodes = state.nodes().count();
            info.managers = state.nodes().filter(|node| node.manager.is_some()).count();
            info.cluster = state.cluster().map(|cluster| ClusterInfo::of(cluster));
        }
        // It is a manager by name only. One that was demoted is asked to go on as one until it has left the others.
        Err(_) if manager.is_candidate() => info.control_available = false,
        Err(error) if doubt.is_empty() => info.error = error.message,
        Err(error) => info.error = format!("{} ({doubt})", error.message),
    }
    info
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_gam_is_told_from_a_dockerd() {
        let path = std::env::temp_dir().join(format!("gam-told-{}.sock", std::process::id()));
        let gam = gam().await.into_body();
        let gam = axum::body::to_bytes(gam, 1024).await.unwrap();
        let gam = String::from_utf8(gam.to_vec()).unwrap();
        for (status, body, expected) in [
            ("200 OK", gam.as_str(), true),
            ("404 Not Found", r#"{"message":"page not found"}"#, false),
            ("200 OK", "OK", false),
            ("200 OK", r#"{"Version":"28.5.2"}"#, false),
        ] {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let serving = tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    let _ = connection.read(&mut [0; 4096]).await;
                    let _ = connection.write_all(answer.as_bytes()).await;
                }
            });
            assert_eq!(is_gam(&path).await, expected, "{body}");
            serving.abort();
        }
        std::fs::remove_file(&path).unwrap();
        assert!(!is_gam(&path).await, "nobody answers");
    }
}
