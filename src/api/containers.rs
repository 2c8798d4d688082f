//! The calls about containers that need a hand: containers on overlay networks, and what answers show of Gam.
//!
//! Everything else about containers is dockerd's, and so is every answer here that says what is wrong.

pub(super) mod attach;
mod create;
mod inspect;
pub(super) mod list;
mod socket;
mod start;

use axum::Router;
use axum::routing::{get, post};

use super::Api;

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/create", post(create::create))
        .route("/containers/json", get(list::list))
        .route("/containers/{name}/json", get(inspect::inspect))
        .route("/containers/{name}/start", post(start::start))
        .route("/containers/{name}/restart", post(start::restart))
}
