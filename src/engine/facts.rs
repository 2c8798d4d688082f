//! What must be known of dockerd before Gam stands in front of it.

use super::{Engine, EngineError};

/// The engine's own facts.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What tells this engine from all others.
    pub id: String,
    /// `28.5.2`
    pub version: String,
    /// Its newest API, `1.51`.
    pub api: String,
    /// Whether it is in swarm mode itself, or half in it.
    pub in_swarm: bool,
}

impl Engine {
    /// Asks dockerd for them.
    pub async fn facts(&self) -> Result<Facts, EngineError> {
        let docker = self.docker()?;
        let version = docker.version().await?;
        let info = docker.info().await?;
        let state = info.swarm.and_then(|swarm| swarm.local_node_state).map(|state| state.to_string());
        Ok(Facts {
            id: info.id.unwrap_or_default(),
            version: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
            in_swarm: state.is_some_and(|state| !matches!(state.as_str(), "" | "inactive")),
        })
    }

    /// The IPv4 subnets of dockerd's own networks, `172.17.0.0/16`: addresses in them are not the host's.
    pub async fn subnets(&self) -> Result<Vec<String>, EngineError> {
        let networks = self.docker()?.list_networks(None).await?;
        let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
        Ok(configs.filter_map(|config| config.subnet).collect())
    }
}
