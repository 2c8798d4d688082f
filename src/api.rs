//! The Docker API edge: one route table, and dockerd behind everything that is not in it.
//!
//! A request takes one of three ways. *Native*: the swarm's own resources, answered from the replicated state. *Merged*:
//! dockerd's answer with the swarm's part put in, or a request rewritten on its way. *Proxied*: everything else, byte
//! for byte. `api-spec/routes.toml` lists them all. Handlers decode and encode; they decide nothing.
//! On a manager a call about a task's container that is on another node goes there instead ([`elsewhere`]).

mod attachments;
pub mod containers;
mod defaults;
pub mod elsewhere;
pub mod error;
mod events;
pub mod filters;
mod gates;
pub mod listen;
mod logs;
mod named;
pub mod networks;
mod nodes;
pub mod proxy;
pub mod query;
mod relay;
mod secrets;
pub mod serve;
mod services;
mod straight;
pub mod swarm;
pub(crate) mod system;
mod tasks;
pub mod version;
pub mod way;

pub use error::ApiError;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;

use crate::engine::Engine;
use crate::network::Networks;
use crate::node::Node;
use proxy::Proxy;

/// What every handler may use; cheap to clone, for each layer and each handler of a request has its own.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

/// What an [`Api`] is made of.
pub struct Parts {
    /// This node's part in the swarm.
    pub node: Node,
    /// The way through to dockerd.
    pub proxy: Proxy,
    /// dockerd, through bollard.
    pub engine: Engine,
    /// The overlay networks of this node.
    pub networks: Networks,
    /// The socket that containers get in place of dockerd's; `None` turns that off.
    pub gam_socket: Option<PathBuf>,
}

impl Api {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Api {
        Api(Arc::new(parts))
    }
}

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// All routes. Paths carry no version here: it is taken off before, and kept beside ([`version`]).
pub fn router(api: Api) -> Router {
    Router::new()
        .merge(swarm::routes())
        .merge(nodes::routes())
        .merge(services::routes())
        .merge(tasks::routes())
        .merge(logs::routes())
        .merge(secrets::routes())
        .merge(networks::routes())
        .merge(containers::routes())
        .merge(system::routes())
        .merge(events::routes())
        .route_layer(from_fn_with_state(api.proxy.clone(), version::native))
        // Looks first: what it keeps from the routes is dockerd's, whatever version is asked for.
        .route_layer(from_fn_with_state(api.clone(), named::straight))
        // dockerd's own answer but for a header, and asked for all the time: there is nothing for those layers to do.
        .merge(system::ping_routes())
        .fallback(proxied)
        .method_not_allowed_fallback(proxied)
        .layer(from_fn_with_state(api.clone(), elsewhere::route))
        .with_state(api)
}

async fn proxied(State(api): State<Api>, request: Request) -> Response {
    api.proxy.forward(request).await
}
