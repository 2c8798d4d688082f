//! How a cluster comes to be, and how its spec, its join tokens and its unlock key change
//! (`moby: daemon/cluster/swarm.go`, swarmkit `manager/controlapi/cluster.go`).

use super::token::{rotated, unlock_key};
use super::{Authority, Response, Rotate, authority, network, node, validate};
use crate::error::{Code, Error, Kind};
use crate::model::{
    CaConfig, Cluster, ClusterId, DispatcherConfig, JoinTokens, Meta, Node, NodeSpec, OrchestrationConfig, RaftConfig,
    RootCa, SwarmSpec,
};
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

/// The changes that found a cluster: the cluster itself, its first node, the `ingress` network and those that stand for
/// the engine's own. Pure validation of
/// the request happens here too, in Docker's words; a refused request leaves no change behind.
///
/// Of the two places for autolock in Docker's request the spec's is the one that counts, as in dockerd 28.5.
pub fn init(plan: &mut Plan<'_>, request: InitRequest) -> Result<(), Error> {
    if plan.state().cluster().is_some() {
        return Err(Error::unavailable(
            "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.",
        ));
    }
    if !matches!(request.spec.name.as_str(), "" | "default") {
        return Err(Error::invalid("swarm spec must be named \"default\""));
    }
    let (default_addr_pool, subnet_size) = validate::address_pools(request.default_addr_pool, request.subnet_size)?;
    let data_path_port = validate::data_path_port(request.data_path_port)?;
    let node = first_node(request.node)?;
    let spec = first_spec(request.spec)?;
    // dockerd rotates the root that it has just made, if the spec asks for it; this one is as new.
    let root_ca = RootCa { last_forced_rotation: spec.ca_config.force_rotate, ..request.root_ca };
    let unlock_key = match (spec.encryption_config.auto_lock_managers, request.unlock_key.is_empty()) {
        (false, _) => String::new(),
        (true, false) => request.unlock_key,
        (true, true) => unlock_key(plan.ids.bytes()),
    };
    plan.push(Change::ClusterCreate(Box::new(Cluster {
        id: request.cluster,
        meta: Meta::default(),
        spec,
        root_ca,
        join_tokens: request.join_tokens,
        unlock_key,
        default_addr_pool,
        subnet_size,
        data_path_port,
    })));
    plan.push(Change::NodeCreate(Box::new(node)));
    let ingress = network::ingress(plan);
    plan.push(ingress);
    for network in network::predefined(plan) {
        plan.push(network);
    }
    Ok(())
}

/// Changes the cluster's spec, and rotates what is asked for. The version is looked at last, as in Docker.
pub(super) fn update(
    plan: &mut Plan<'_>,
    spec: SwarmSpec,
    version: u64,
    rotate: Rotate,
    prepared: Option<&Authority>,
) -> Result<Response, Error> {
    let Some(cluster) = plan.state().cluster().cloned() else {
        return Err(Error::unavailable(
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node \
             to swarm and try again.",
        ));
    };
    // Nothing of the present spec is kept: a client sends all of it, and what it leaves out is zero (dockerd 28.5).
    let mut spec = validate::merge_cluster_spec(spec, zero_spec())?;
    validate::cluster_spec(&spec)?;
    let root_ca = match prepared {
        Some(prepared) => authority::decide(&cluster.root_ca, &spec.ca_config, prepared, plan.now)?,
        None => validate::unhonoured_authority(&cluster.spec, &spec).map_or(Ok(cluster.root_ca.clone()), Err)?,
    };
    // The root and its key have their place; in the spec nobody ever sees them again, as in Docker.
    spec.ca_config.signing_ca_cert.clear();
    spec.ca_config.signing_ca_key.clear();
    if !cluster.meta.admits(version) {
        return Err(Error::rpc(Code::Unknown, "update out of sequence"));
    }
    let is_locked = spec.encryption_config.auto_lock_managers;
    plan.push(Change::ClusterUpdate(Box::new(spec)));
    if root_ca != cluster.root_ca {
        plan.push(Change::ClusterRootCa(Box::new(root_ca)));
    }
    let mut tokens = cluster.join_tokens.clone();
    if rotate.worker_token {
        tokens.worker = rotated(&tokens.worker, plan.ids.bytes());
    }
    if rotate.manager_token {
        tokens.manager = rotated(&tokens.manager, plan.ids.bytes());
    }
    if tokens != cluster.join_tokens {
        plan.push(Change::ClusterTokens(tokens));
    }
    match (is_locked, cluster.unlock_key.is_empty()) {
        (false, false) => {
            plan.push(Change::ClusterUnlockKey(String::new()));
        }
        (true, is_new) if is_new || rotate.unlock_key => {
            let key = unlock_key(plan.ids.bytes());
            plan.push(Change::ClusterUnlockKey(key));
        }
        _ => {}
    }
    Ok(Response::Done)
}

/// A manager, available unless the user says otherwise. dockerd's error for an unknown word has no type here, hence 500.
fn first_node(node: Node) -> Result<Node, Error> {
    let availability = node::first_availability(&node.spec.availability)?;
    let spec = NodeSpec { role: "manager".to_owned(), availability, ..node.spec };
    Ok(Node { spec, ..node })
}

/// The user's spec over Docker's defaults. dockerd updates a cluster that is there by then, and says so.
fn first_spec(sent: SwarmSpec) -> Result<SwarmSpec, Error> {
    let wrapped =
        |refusal: Error| Error::new(Kind::Internal, format!("error updating cluster settings: {}", refusal.message));
    let defaults = default_spec();
    let spec = validate::merge_cluster_spec(sent, defaults.clone()).map_err(wrapped)?;
    validate::cluster_spec(&spec).map_err(wrapped)?;
    validate::unhonoured_first_root(&spec).map_or(Ok(spec), Err)
}

/// What `GET /swarm` of a new cluster shows (dockerd 28.5.2).
fn default_spec() -> SwarmSpec {
    SwarmSpec {
        name: "default".to_owned(),
        orchestration: OrchestrationConfig { task_history_retention_limit: Some(5) },
        raft: RaftConfig {
            snapshot_interval: 10_000,
            keep_old_snapshots: Some(0),
            log_entries_for_slow_followers: 500,
            election_tick: 10,
            heartbeat_tick: 1,
        },
        dispatcher: DispatcherConfig { heartbeat_period: 5_000_000_000 },
        ca_config: CaConfig { node_cert_expiry: 7_776_000_000_000_000, ..CaConfig::default() },
        ..SwarmSpec::default()
    }
}

/// What an update starts from: Docker always prints the two counts, even where they are zero.
fn zero_spec() -> SwarmSpec {
    SwarmSpec {
        orchestration: OrchestrationConfig { task_history_retention_limit: Some(0) },
        raft: RaftConfig { keep_old_snapshots: Some(0), ..RaftConfig::default() },
        ..SwarmSpec::default()
    }
}
