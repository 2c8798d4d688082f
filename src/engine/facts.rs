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

    /// Refuses a dockerd that has a swarm of its own, or is half in one.
    pub async fn check_free(&self) -> Result<(), EngineError> {
        if self.facts().await?.in_swarm {
            return Err(EngineError::InSwarm { socket: self.socket().to_owned() });
        }
        Ok(())
    }

    /// The IPv4 subnets of dockerd's own networks, `172.17.0.0/16`: addresses in them are not the host's.
    pub async fn subnets(&self) -> Result<Vec<String>, EngineError> {
        let networks = self.docker()?.list_networks(None).await?;
        let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
        Ok(configs.filter_map(|config| config.subnet).collect())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    /// Answers one request after the other as a dockerd whose swarm is in this state.
    async fn answer(mut connection: UnixStream, swarm: &str) -> std::io::Result<()> {
        let mut asked = Vec::new();
        while connection.read_buf(&mut asked).await? > 0 {
            if !asked.ends_with(b"\r\n\r\n") {
                continue;
            }
            let is_info = String::from_utf8_lossy(&asked).lines().next().is_some_and(|line| line.contains("/info"));
            let info = format!(r#"{{"ID":"x","Swarm":{{"LocalNodeState":"{swarm}"}}}}"#);
            let body = if is_info { info } else { r#"{"Version":"28.5.2","ApiVersion":"1.51"}"#.to_owned() };
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            connection.write_all(format!("{head}{body}").as_bytes()).await?;
            asked.clear();
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_dockerd_with_a_swarm_of_its_own_is_refused_with_what_to_do() {
        let path = std::env::temp_dir().join(format!("gam-facts-{}.sock", std::process::id()));
        for (state, is_free) in [("inactive", true), ("active", false), ("pending", false), ("locked", false)] {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let serving = tokio::spawn(async move {
                while let Ok((connection, _)) = listener.accept().await {
                    tokio::spawn(answer(connection, state));
                }
            });
            let checked = Engine::new(&path).check_free().await;
            assert_eq!(checked.is_ok(), is_free, "{state}: {checked:?}");
            if let Err(error) = checked {
                let command = format!("docker -H unix://{} swarm leave --force", path.display());
                assert!(error.to_string().contains(&command), "{error}");
            }
            serving.abort();
        }
        std::fs::remove_file(&path).unwrap();
    }
}
