//! How a cluster is founded: what was asked is checked, identities and keys are made, the first log entry is written,
//! and last of all the state directory is given to the new node.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gam_core::control::{self, InitRequest};
use gam_core::error::Error;
use gam_core::model::{
    IdSource, JoinTokens, ManagerStatus, Meta, Node as NodeObject, NodeDescription, NodeSpec, NodeState, NodeStatus,
    RootCa, SwarmSpec,
};
use gam_core::plan::Plan;
use gam_core::state::{Change, Proposal, State};
use gam_store::{KeySource, Store};
use zeroize::Zeroizing;

use super::addresses::{self, HostPort, Subnet};
use super::directory::{Advertised, Identity, NodeRole, UnlockKey};
use super::join::new_raft_id;
use super::trust::Trust;
use super::{Node, Roles, internal};
use crate::ca::{self, Role};
use crate::manager::{now, seed};
use crate::network::interfaces;

/// What `POST /swarm/init` asks for.
#[derive(Clone, Debug, Default)]
pub struct Init {
    /// Where to listen for other nodes.
    pub listen_addr: String,
    /// What to tell other nodes; empty means the host's only address.
    pub advertise_addr: String,
    /// Address of the data path; empty means the advertised one.
    pub data_path_addr: String,
    /// UDP port of the data path; 0 means Docker's.
    pub data_path_port: u32,
    /// Take over alone what was a cluster of several.
    pub force_new_cluster: bool,
    /// The cluster's spec.
    pub spec: SwarmSpec,
    /// Withhold the keys.
    pub auto_lock: bool,
    /// `active`, `pause`, `drain`, or empty.
    pub availability: String,
    /// Pools for networks' subnets.
    pub default_addr_pool: Vec<String>,
    /// Prefix length of such a subnet.
    pub subnet_size: u32,
}

/// The bytes of `SWMKEY-1-<base 64>`.
pub(super) fn parse_unlock_key(key: &str) -> Option<UnlockKey> {
    let bytes = STANDARD_NO_PAD.decode(key.trim().strip_prefix("SWMKEY-1-")?).ok()?;
    bytes.try_into().ok().map(Zeroizing::new)
}

/// The key that the user keeps.
pub(super) fn given(source: &KeySource) -> Option<UnlockKey> {
    match source {
        KeySource::OnDisk => None,
        KeySource::Given(key) => Some(key.clone()),
    }
}

/// Which key seals the store's data keys.
pub(super) fn key_source(unlock_key: &str) -> KeySource {
    parse_unlock_key(unlock_key).map_or(KeySource::OnDisk, KeySource::Given)
}

/// Where the node listens, and what it tells others.
pub(super) struct Addresses {
    pub(super) listen: HostPort,
    pub(super) advertise: HostPort,
    pub(super) advertised: Advertised,
    pub(super) data_path: Option<String>,
}

impl Node {
    /// Founds a cluster; on success it is durable, and this node's.
    pub(super) async fn found(&self, request: Init) -> Result<Roles, Error> {
        if !matches!(request.spec.name.as_str(), "" | "default") {
            return Err(Error::invalid("swarm spec must be named \"default\""));
        }
        let addresses = self.addresses(&request.listen_addr, &request.advertise_addr, &request.data_path_addr).await?;
        self.engine().check_free().await.map_err(internal)?;
        let description = self.engine().describe().await.map_err(internal)?;
        self.networks().gwbridge().await.map_err(internal)?;
        let mut ids = IdSource::new(seed().map_err(internal)?);
        let identity = Identity {
            format: 0,
            node: ids.fresh(),
            cluster: ids.fresh(),
            role: NodeRole::Manager,
            raft_id: new_raft_id()?,
            listen: addresses.listen.to_string(),
            advertise: addresses.advertise.to_string(),
            advertised: addresses.advertised,
            data_path: addresses.data_path,
            managers: Vec::new(),
            history: None,
        };
        let root_ca = ca::new_root().map_err(internal)?;
        let asked = ask(request, &identity, root_ca.clone(), description, &mut ids);
        let at = now();
        let mut plan = Plan::new(&State::default(), at, &mut ids);
        control::init(&mut plan, asked)?;
        let (changes, _) = plan.finish();
        let expiry = expiry(&changes);
        let (node_key, csr) = ca::new_key_and_csr().map_err(internal)?;
        let certificate =
            ca::sign(&root_ca, &csr, identity.cluster, identity.node, Role::Manager, expiry).map_err(internal)?;
        let key = key_source(unlock_key(&changes).unwrap_or_default());
        let founded = async {
            let directory = &self.0.directory;
            directory.disown().map_err(internal)?;
            directory.unlock_with(given(&key));
            directory.keep_certificates(&root_ca.cert, &certificate, &node_key).map_err(internal)?;
            let trust = Trust::open(directory)?;
            let listener = self.listen(&identity.listen).await?;
            let store = Store::create(self.store_config(&identity, key, &trust)).await.map_err(internal)?;
            let founded = store.propose(Proposal { at, changes }).await.map_err(internal)?;
            self.events().publish(&founded.events);
            directory.adopt(&identity).map_err(internal)?;
            self.start_manager(identity, store, trust, listener).map_err(internal)
        };
        let founded = founded.await;
        if founded.is_err() {
            self.0.directory.abandon().map_err(internal)?;
        }
        founded
    }

    /// From what the user said, and what the host has.
    pub(super) async fn addresses(&self, listen: &str, advertise: &str, data_path: &str) -> Result<Addresses, Error> {
        let interfaces = interfaces::interfaces().await.map_err(internal)?;
        // dockerd's own subnets only matter when the host's address must be guessed; without dockerd, guess without.
        let own = self.engine().subnets().await.unwrap_or_default();
        let own: Vec<Subnet> = own.iter().filter_map(|subnet| Subnet::parse(subnet)).collect();
        let listen = addresses::listen(listen, &interfaces)?;
        let advertised = addresses::advertised(advertise, &listen, &interfaces);
        let advertise = addresses::advertise(advertise, &listen, &interfaces, &own)?;
        let data_path = addresses::data_path(data_path, &interfaces)?;
        addresses::check_local(&listen, &advertise, &interfaces, &own)?;
        Ok(Addresses { listen, advertise, advertised, data_path: data_path.map(|address| address.to_string()) })
    }
}

/// The core's request: what was asked, and what was made for it.
fn ask(
    request: Init,
    identity: &Identity,
    root_ca: RootCa,
    description: NodeDescription,
    ids: &mut IdSource,
) -> InitRequest {
    let digest = ca::digest(&root_ca.cert);
    let join_tokens = JoinTokens {
        worker: control::join_token(&digest, ids.bytes()),
        manager: control::join_token(&digest, ids.bytes()),
    };
    let mut spec = request.spec;
    spec.encryption_config.auto_lock_managers |= request.auto_lock;
    let unlock_key =
        if spec.encryption_config.auto_lock_managers { control::unlock_key(ids.bytes()) } else { String::new() };
    InitRequest {
        cluster: identity.cluster,
        spec,
        join_tokens,
        unlock_key,
        default_addr_pool: request.default_addr_pool,
        subnet_size: request.subnet_size,
        data_path_port: request.data_path_port,
        node: first_node(identity, &root_ca, description, request.availability),
        root_ca,
    }
}

fn first_node(identity: &Identity, root: &RootCa, description: NodeDescription, availability: String) -> NodeObject {
    let description = ca::described(root, description);
    NodeObject {
        id: identity.node,
        meta: Meta::default(),
        spec: NodeSpec { role: "manager".into(), availability, ..NodeSpec::default() },
        description,
        status: NodeStatus {
            state: NodeState::Ready,
            message: String::new(),
            addr: identity.advertise_host().to_owned(),
        },
        manager: Some(ManagerStatus { raft_id: identity.raft_id, addr: identity.advertise.clone() }),
    }
}

fn unlock_key(changes: &[Change]) -> Option<&str> {
    changes.iter().find_map(|change| match change {
        Change::ClusterCreate(cluster) if !cluster.unlock_key.is_empty() => Some(cluster.unlock_key.as_str()),
        _ => None,
    })
}

fn expiry(changes: &[Change]) -> i64 {
    let spec = changes.iter().find_map(|change| match change {
        Change::ClusterCreate(cluster) => Some(cluster.spec.ca_config.node_cert_expiry),
        _ => None,
    });
    spec.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlock_key_is_32_bytes() {
        let key = control::unlock_key([7; 32]);
        assert_eq!(parse_unlock_key(&key), Some(Zeroizing::new([7; 32])));
        assert_eq!(parse_unlock_key("SWMKEY-1-short"), None);
        assert_eq!(parse_unlock_key("nonsense"), None);
    }
}
