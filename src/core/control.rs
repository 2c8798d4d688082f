//! What users may ask of a leader: a closed set of requests, each checked against the state and turned into changes,
//! or refused in Docker's own words.
//!
//! Requests are values, so that one function forwards them to the leader, a test replays them, and validation needs
//! no socket. Reading is no request: whoever reads holds a state.

mod authority;
mod credential;
mod join;
mod network;
mod node;
mod secret;
mod service;
mod swarm;
#[cfg(test)]
mod tests;
mod token;
mod validate;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::{
    Attachment, ConfigId, ConfigSpec, Credential, NetworkId, NetworkSpec, NodeDescription, NodeId, NodeSpec, Role,
    SecretId, SecretSpec, ServiceId, ServiceSpec, SwarmSpec, TaskId,
};
use crate::plan::Plan;

pub use authority::{Authority, AuthorityNeeds, NextRoot, authority_needs};
pub use credential::CredentialFrom;
pub use join::role_by_token;
pub use node::{first_availability, leave_refusal, leave_refusal_closed, normalise as normalise_node};
pub use service::converted as converted_service;
pub use swarm::{InitRequest, init};
pub use token::{digest_hex, join_token, pinned_digest, unlock_key};

/// A request that changes the cluster. Ids were looked up by whoever made the request; versions are Docker's
/// `?version=`, the optimistic lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// `POST /swarm/update`
    SwarmUpdate {
        /// The new spec.
        spec: Box<SwarmSpec>,
        /// The version that the user saw.
        version: u64,
        /// What to rotate: new worker token, new manager token, new unlock key.
        rotate: Rotate,
        /// What was made and found out for a change of the certificate authority ([`authority_needs`]); without it
        /// such a change is refused.
        authority: Option<Box<Authority>>,
    },
    /// A host wants to become a node. Made by the manager that it asked, for it has no certificate yet; an answer
    /// other than a refusal entitles it to one.
    Join {
        /// The join token that it showed.
        token: String,
        /// The identifier made for it.
        node: NodeId,
        /// `active`, `pause` or `drain`; empty means active.
        availability: String,
        /// The address from which it was heard, without port.
        addr: String,
        /// What it says of itself; nothing but a name is needed until its agent says more.
        description: Box<NodeDescription>,
    },
    /// `POST /nodes/{id}/update`
    NodeUpdate {
        /** Which. */
        id: NodeId,
        /** The new spec. */
        spec: Box<NodeSpec>,
        /** Seen. */
        version: u64,
    },
    /// `DELETE /nodes/{id}`
    NodeRemove {
        /** Which. */
        id: NodeId,
        /** Even if it is not down. */
        force: bool,
    },
    /// `POST /services/create`
    ServiceCreate {
        /// What is wanted.
        spec: Box<ServiceSpec>,
        /// What its nodes show the registry of its image: not in the spec, which is Docker's JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<Credential>,
    },
    /// `POST /services/{id}/update`
    ServiceUpdate {
        /// Which.
        id: ServiceId,
        /// The new spec; only parsed, not used, for a rollback.
        spec: Box<ServiceSpec>,
        /// The version that the user saw.
        version: u64,
        /// `rollback=previous`: go back to the previous spec instead.
        rollback: bool,
        /// Where the new spec has its credential from.
        #[serde(default)]
        credential: CredentialFrom,
    },
    /// `DELETE /services/{id}`
    ServiceRemove {
        /** Which. */
        id: ServiceId,
    },
    /// `POST /networks/create` of a swarm-scoped network
    NetworkCreate {
        /** What is wanted. */
        spec: Box<NetworkSpec>,
    },
    /// `DELETE /networks/{id}`
    NetworkRemove {
        /** Which. */
        id: NetworkId,
    },
    /// `POST /secrets/create`
    SecretCreate {
        /** What is wanted. */
        spec: Box<SecretSpec>,
    },
    /// `POST /secrets/{id}/update`: labels only
    SecretUpdate {
        /** Which. */
        id: SecretId,
        /** The new spec. */
        spec: Box<SecretSpec>,
        /** Seen. */
        version: u64,
    },
    /// `DELETE /secrets/{id}`
    SecretRemove {
        /** Which. */
        id: SecretId,
    },
    /// `POST /configs/create`
    ConfigCreate {
        /** What is wanted. */
        spec: Box<ConfigSpec>,
    },
    /// `POST /configs/{id}/update`: labels only
    ConfigUpdate {
        /** Which. */
        id: ConfigId,
        /** The new spec. */
        spec: Box<ConfigSpec>,
        /** Seen. */
        version: u64,
    },
    /// `DELETE /configs/{id}`
    ConfigRemove {
        /** Which. */
        id: ConfigId,
    },
    /// A container that the swarm did not make wants to join attachable networks: addresses are allocated at once.
    Attach {
        /// The node of the container.
        node: NodeId,
        /// The container's name, for people.
        name: String,
        /// The engine's id of the container, or a unique word until it has one.
        container: String,
        /// Networks with aliases; an address in `addresses` is asked for, none means any.
        networks: Vec<Attachment>,
    },
    /// The container left, or is gone.
    Detach {
        /** The attachment's task. */
        task: TaskId,
    },
}

/// What a cluster update rotates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rotate {
    /// A new worker join token.
    pub worker_token: bool,
    /// A new manager join token.
    pub manager_token: bool,
    /// A new unlock key.
    pub unlock_key: bool,
}

/// The answer to a request that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// Done; nothing to tell.
    Done,
    /// The new node, and the role that its token gave it.
    Joined {
        /** Its identifier. */
        node: NodeId,
        /** Its role. */
        role: Role,
    },
    /// The new service.
    Service(ServiceId),
    /// The new network.
    Network(NetworkId),
    /// The new secret.
    Secret(SecretId),
    /// The new config.
    Config(ConfigId),
    /// The attachment of a container, its addresses filled in.
    Attached(TaskId, Vec<Attachment>),
}

pub(crate) use authority::finish_rotation;

/// Takes or refuses one request. A refused request leaves no change behind.
pub fn handle(plan: &mut Plan<'_>, request: Request) -> Result<Response, Error> {
    match request {
        Request::SwarmUpdate { spec, version, rotate, authority } => {
            swarm::update(plan, *spec, version, rotate, authority.as_deref())
        }
        Request::Join { token, node, availability, addr, description } => {
            join::join(plan, &token, node, &availability, addr, *description)
        }
        Request::NodeUpdate { id, spec, version } => node::update(plan, id, *spec, version),
        Request::NodeRemove { id, force } => node::remove(plan, id, force),
        Request::ServiceCreate { spec, credential } => service::create(plan, *spec, credential),
        Request::ServiceUpdate { id, spec, version, rollback, credential } => {
            let update = service::Update { spec: *spec, version, rollback, credential };
            service::update(plan, id, update)
        }
        Request::ServiceRemove { id } => service::remove(plan, id),
        Request::NetworkCreate { spec } => network::create(plan, *spec),
        Request::NetworkRemove { id } => network::remove(plan, id),
        Request::SecretCreate { spec } => secret::create(plan, *spec),
        Request::SecretUpdate { id, spec, version } => secret::update(plan, id, *spec, version),
        Request::SecretRemove { id } => secret::remove(plan, id),
        Request::ConfigCreate { spec } => secret::create_config(plan, *spec),
        Request::ConfigUpdate { id, spec, version } => secret::update_config(plan, id, *spec, version),
        Request::ConfigRemove { id } => secret::remove_config(plan, id),
        Request::Attach { node, name, container, networks } => network::attach(plan, node, name, container, networks),
        Request::Detach { task } => network::detach(plan, task),
    }
}
