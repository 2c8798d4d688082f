//! The calls about containers that need a hand: containers on overlay networks, and ids of backings in answers.
//!
//! Everything else about containers is dockerd's, and so is every answer here that says what is wrong.

pub(super) mod attach;
mod create;
pub(super) mod list;
mod socket;
mod start;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::Api;
use super::networks::upstream;

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/create", post(create::create))
        .route("/containers/json", get(list::list))
        .route("/containers/{name}/json", get(inspect))
        .route("/containers/{name}/start", post(start::start))
        .route("/containers/{name}/restart", post(start::restart))
}

/// `GET /containers/{name}/json`, with ids of swarm networks in place of their backings'.
async fn inspect(State(api): State<Api>, request: Request) -> Response {
    let rewriter = api.networks.rewriter();
    upstream::rewritten(api.proxy.forward(request).await, rewriter)
}
