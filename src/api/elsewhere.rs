//! Calls about a task's container that is on another node: a manager passes them to the node that has it.
//!
//! A container of this host always wins, and what is found nowhere is dockerd's to answer, as without Gam. Where a container is, the
//! cluster's state says, anew for each call; an exec is known to its node alone, so the nodes are asked. The call then
//! goes over a connection of its own to the node ([`crate::manager::Manager::connect_to_node`]), whose end of it serves this very
//! API behind [`guard`]. Between the two nothing is read but by HTTP's own rules, so upgrades and half-closes pass as they
//! do to dockerd. A worker knows of its own containers only.

mod calls;
mod find;
mod guard;
pub(super) mod list;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gam_core::model::{NodeId, NodeState};
use tokio::time::timeout;

use super::listen::Unwatched;
use super::networks::upstream;
use super::proxy::Proxy;
use super::{Api, ApiError};
use crate::engine::Errand;
use crate::manager::Manager;
use calls::{Subject, is_whole_id, subject};
use find::{Found, find};

/// How long a node may take to say whether it has an exec.
const LOOK_LIMIT: std::time::Duration = std::time::Duration::from_secs(3);

/// Request extension: it came from a manager, and is answered here or not at all.
#[derive(Clone, Copy)]
struct Relayed;

/// What managers reach of a node: its API, as far as [`guard`] lets them.
pub fn for_managers(api: Api) -> Router {
    super::router(api.clone()).layer(from_fn_with_state(api, guard::guard))
}

impl Api {
    /// Whether a call may be for another node.
    pub(super) fn may_be_elsewhere(&self, method: &str, path: &str) -> bool {
        let (Some(subject), Ok(manager)) = (subject(method, path), self.node.manager()) else { return false };
        let state = manager.state();
        match subject {
            _ if state.nodes().nth(1).is_none() => false,
            Subject::Container(name, _) => find(&state, manager.node_id(), name) != Found::Nothing,
            Subject::Exec(id) => is_whole_id(id),
        }
    }
}

/// The layer around all routes: passes on what is for another node.
pub(super) async fn route(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_ours = request.extensions().get::<Relayed>().is_some();
    if is_ours || !api.may_be_elsewhere(request.method().as_str(), request.uri().path()) {
        return next.run(request).await;
    }
    match pass(&api, request).await {
        Ok(Passed::There(response)) => response,
        Ok(Passed::Here(request)) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

enum Passed {
    There(Response),
    /// It is for this host after all.
    Here(Request),
}

async fn pass(api: &Api, request: Request) -> Result<Passed, ApiError> {
    let path = request.uri().path().to_owned();
    let (Some(subject), Ok(manager)) = (subject(request.method().as_str(), &path), api.node.manager()) else {
        return Ok(Passed::Here(request));
    };
    let looked = match subject {
        Subject::Container(name, _) => format!("/containers/{name}/json"),
        Subject::Exec(id) => format!("/exec/{id}/json"),
    };
    let (status, ..) = api.proxy.fetch(Method::GET, &looked, None).await?;
    if status != StatusCode::NOT_FOUND {
        return Ok(Passed::Here(request));
    }
    let (node, target) = match subject {
        Subject::Exec(id) => match node_of_exec(&manager, id).await {
            Some(node) => (node, path.clone()),
            None => return Ok(Passed::Here(request)),
        },
        Subject::Container(name, rest) => match find(&manager.state(), manager.node_id(), name) {
            Found::One(node, id) => (node, format!("/containers/{id}/{rest}")),
            Found::Several => return Err(ambiguous(name)),
            Found::Nothing => return Ok(Passed::Here(request)),
        },
    };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let request = upstream::retarget(request, &format!("{target}{query}"));
    let node_proxy = proxy_to(&manager, node).await?;
    Ok(Passed::There(node_proxy.forward(request).await))
}

/// `moby: daemon/container/view.go`, `GetByPrefix`.
fn ambiguous(name: &str) -> ApiError {
    ApiError::invalid(format!("multiple IDs found with provided prefix: {name}"))
}

/// A way to another node's API, for one request.
async fn proxy_to(manager: &Manager, node: NodeId) -> Result<Proxy, ApiError> {
    let internal = |error: std::io::Error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let wish = Errand::Connect.encode().map_err(gam_core::error::Error::internal)?;
    let stream = manager.connect_to_node(node, wish).await?;
    let socket = Unwatched::unix(stream).and_then(Unwatched::watch).map_err(internal)?;
    Ok(Proxy::over(socket))
}

/// The node that has an exec. Its id says nothing of that, so all nodes are asked at once.
async fn node_of_exec(manager: &Manager, id: &str) -> Option<NodeId> {
    let state = manager.state();
    let others = state.nodes().filter(|node| node.id != manager.node_id() && node.status.state == NodeState::Ready);
    let mut asked: FuturesUnordered<_> = others.map(|node| has_exec(manager, node.id, id)).collect();
    while let Some(found) = asked.next().await {
        if found.is_some() {
            return found;
        }
    }
    None
}

async fn has_exec(manager: &Manager, node: NodeId, id: &str) -> Option<NodeId> {
    let request = upstream::get(&format!("/exec/{id}/json"));
    let answered = async { proxy_to(manager, node).await.ok()?.open(request).await.ok() };
    let response = timeout(LOOK_LIMIT, answered).await.ok()??;
    response.status().is_success().then_some(node)
}
