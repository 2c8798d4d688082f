//! The cluster: what all nodes share.

use serde::{Deserialize, Serialize};

use super::{ClusterId, Meta, SwarmSpec};

/// The one cluster object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its identifier, for ever the same.
    pub id: ClusterId,
    /// Version and times.
    pub meta: Meta,
    /// What the user wants.
    pub spec: SwarmSpec,
    /// The certificate authority.
    pub root_ca: RootCa,
    /// Secrets with which nodes join.
    pub join_tokens: JoinTokens,
    /// The key that unlocks a manager (`SWMKEY-1-…`); empty unless the cluster is autolocked.
    pub unlock_key: String,
    /// Pools from which networks get their subnets, `10.0.0.0/8`.
    pub default_addr_pool: Vec<String>,
    /// Prefix length of a subnet from the pool.
    pub subnet_size: u32,
    /// UDP port of the overlay's packets.
    pub data_path_port: u32,
}

/// The cluster's certificate authority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootCa {
    /// The root certificate, PEM.
    pub cert: String,
    /// Its key, PEM; empty with an external authority.
    pub key: String,
    /// Subject of the certificate, DER, base 64.
    pub subject: String,
    /// Public key of the certificate, DER, base 64.
    pub public_key: String,
    /// Whether the root is being replaced.
    pub rotation_in_progress: bool,
}

/// `SWMTKN-1-<digest of the root>-<secret>`, one for each role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoinTokens {
    /// Joins as a worker.
    pub worker: String,
    /// Joins as a manager.
    pub manager: String,
}
