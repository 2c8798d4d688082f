//! How a node comes into a swarm that is there already.
//!
//! The token names the root that must be trusted and the role that is asked for; the manager that is asked signs a
//! certificate for a key that never leaves this host. From then on the node speaks with its certificate.

use std::sync::Arc;
use std::time::Duration;

use gam_core::control::pinned_digest;
use gam_core::error::Error;
use gam_core::model::ClusterId;
use gam_rpc::{IssueRequest, Issued, Role, RpcError};
use gam_store::{KeySource, Store};

use super::directory::{Identity, NodeRole};
use super::init::Addresses;
use super::trust::Trust;
use super::{Life, Node, Roles, SWARM_EXISTS, internal};
use crate::ca;
use crate::manager::{chain, seed};

/// How long a join waits for the node to be part of the swarm (moby: `swarmConnectTimeout`).
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// `moby: daemon/cluster/errors.go`
const JOIN_TIMED_OUT: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the \"docker info\" command to see the current swarm status of your node.";

/// What `POST /swarm/join` asks for.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Where to listen for other nodes, once a manager.
    pub listen_addr: String,
    /// What to tell other nodes; empty means the host's only address.
    pub advertise_addr: String,
    /// Address of the data path; empty means the advertised one.
    pub data_path_addr: String,
    /// `host:port` of managers.
    pub remote_addrs: Vec<String>,
    /// The token.
    pub join_token: String,
    /// `active`, `pause`, `drain`, or empty.
    pub availability: String,
}

impl Node {
    /// `docker swarm join`. Returns once the node is part of the swarm; if that takes too long it goes on by itself.
    pub async fn join(&self, request: Join) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        if !matches!(&**self.0.life.load(), Life::Inactive) {
            return Err(Error::unavailable(SWARM_EXISTS));
        }
        let addresses = self.addresses(&request.listen_addr, &request.advertise_addr, &request.data_path_addr).await?;
        let (issued, key) = self.introduce(&request, &addresses).await?;
        self.networks().gwbridge().await.map_err(internal)?;
        let role = if issued.role == Role::Manager { NodeRole::Manager } else { NodeRole::Worker };
        let identity = Identity {
            format: 0,
            node: issued.node,
            cluster: issued.cluster,
            role,
            raft_id: if role == NodeRole::Manager { new_raft_id()? } else { 0 },
            listen: addresses.listen.to_string(),
            advertise: addresses.advertise.to_string(),
            data_path: addresses.data_path,
            managers: request.remote_addrs.iter().map(|address| with_port(address)).collect(),
        };
        let joined = self.settle(&identity, &issued, &key).await;
        if joined.is_err() {
            self.0.directory.abandon().map_err(internal)?;
        }
        let roles = Arc::new(joined?);
        self.become_(Life::Active(roles.clone()));
        match tokio::time::timeout(JOIN_TIMEOUT, roles.until_joined()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::unavailable(JOIN_TIMED_OUT)),
        }
    }

    /// Writes down what the node is now, and starts it.
    async fn settle(&self, identity: &Identity, issued: &Issued, key: &str) -> Result<Roles, Error> {
        let directory = &self.0.directory;
        directory.keep_certificates(&issued.roots_pem, &issued.chain_pem, key).map_err(internal)?;
        directory.adopt(identity).map_err(internal)?;
        match identity.role {
            NodeRole::Worker => self.start_worker(identity.clone()),
            NodeRole::Manager => self.start_joining_manager(identity.clone()).await,
        }
    }

    /// Starts a manager that has no state yet: it gets it from the others once it is one of them.
    pub(super) async fn start_joining_manager(&self, identity: Identity) -> Result<Roles, Error> {
        let trust = Trust::open(&self.0.directory)?;
        Store::destroy(&self.0.directory.raft()).map_err(internal)?;
        let config = self.store_config(&identity, KeySource::OnDisk, &trust);
        let listener = self.listen_again(&identity.listen).await?;
        let store = Store::join(config).await.map_err(internal)?;
        self.start_manager(identity, store, trust, listener).map_err(internal)
    }

    /// Asks the managers that the user named, one after the other, for a certificate.
    async fn introduce(&self, request: &Join, addresses: &Addresses) -> Result<(Issued, String), Error> {
        let digest = pinned_digest(&request.join_token)?;
        let description = self.engine().describe().await.map_err(internal)?;
        let (key, csr_der) = ca::new_key_and_csr().map_err(internal)?;
        let mut last = Error::invalid("at least 1 RemoteAddr is required to join");
        for address in &request.remote_addrs {
            let issue = IssueRequest {
                token: request.join_token.clone(),
                csr_der: csr_der.clone(),
                availability: request.availability.clone(),
                hostname: description.hostname.clone(),
                address: addresses.advertise.to_string(),
            };
            match introduce_to(&with_port(address), digest, issue).await {
                Ok(issued) => return Ok((issued, key)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn introduce_to(address: &str, digest: &str, request: IssueRequest) -> Result<Issued, Error> {
    let root = gam_rpc::fetch_root(address).await.map_err(unreachable)?;
    if ca::digest(&root) != digest {
        return Err(Error::unavailable(format!(
            "error while validating Root CA Certificate: remote CA does not match fingerprint. Expected: {digest}"
        )));
    }
    gam_rpc::issue(address, &root, request).await.map_err(unreachable)
}

fn unreachable(error: RpcError) -> Error {
    match error {
        RpcError::Refused(error) => error,
        error => Error::unavailable(format!("rpc error: code = Unavailable desc = {}", chain(&error))),
    }
}

/// An address with Docker's port if it has none.
fn with_port(address: &str) -> String {
    super::addresses::with_default_port(address)
}

/// A number for the consensus that no manager ever had.
pub(super) fn new_raft_id() -> Result<u64, Error> {
    let mut ids = gam_core::model::IdSource::new(seed().map_err(internal)?);
    Ok(ids.fresh::<ClusterId>().number() as u64 | 1)
}
