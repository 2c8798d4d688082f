//! Which containers that do not run mount a given path of the host.

use std::path::Path;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::decode;
use super::http::{CALL_LIMIT, encode};
use crate::engine::{Engine, EngineError};

/// A container that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its restart policy: `always`, `on-failure`, `unless-stopped`, `no`, or empty.
    pub restart: String,
    /// What dockerd says went wrong with it; empty if nothing did.
    pub error: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Row {
    id: String,
    mounts: Vec<Mount>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Mount {
    source: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    state: State,
    host_config: HostConfig,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct State {
    running: bool,
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    restart_policy: RestartPolicy,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RestartPolicy {
    name: String,
}

impl Engine {
    /// The containers that do not run and mount this path.
    pub async fn ended_mounting(&self, source: &Path) -> Result<Vec<Ended>, EngineError> {
        let filters = json!({ "status": ["created", "exited"] }).to_string();
        let target = format!("/containers/json?all=1&filters={}", encode(&filters));
        let rows: Vec<Row> = decode(&self.ask(Method::GET, &target, None, CALL_LIMIT).await?)?;
        let mut ended = Vec::new();
        for row in rows.into_iter().filter(|row| row.mounts.iter().any(|mount| Path::new(&mount.source) == source)) {
            let target = format!("/containers/{}/json", encode(&row.id));
            match self.ask(Method::GET, &target, None, CALL_LIMIT).await {
                Ok(body) => ended.extend(read(decode(&body)?)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }
}

fn read(inspected: Inspected) -> Option<Ended> {
    let Inspected { id, name, state, host_config } = inspected;
    let name = name.trim_start_matches('/').to_owned();
    let restart = host_config.restart_policy.name;
    (!state.running).then_some(Ended { id, name, restart, error: state.error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_dockerd_says() {
        let body = br#"{"Id":"c1","Name":"/portainer","State":{"Status":"exited","Running":false,"Error":"why"},
            "HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":0}}}"#;
        let ended = Ended { id: "c1".into(), name: "portainer".into(), restart: "always".into(), error: "why".into() };
        assert_eq!(read(decode(body).unwrap()), Some(ended));
        assert_eq!(read(decode(br#"{"Id":"c1","State":{"Running":true}}"#).unwrap()), None);
    }
}
