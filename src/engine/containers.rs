//! The containers of tasks in dockerd: make, start, stop, remove, look at them, hear of them; and what dockerd says of
//! its host.
//!
//! Called by the agent, which decides. Nothing is decided or retried here. A container counts as a task's only if it was
//! made as one ([`is_named_by`]): labels alone are anybody's to give.

mod describe;
mod events;
mod http;
mod images;
mod lines;
mod mounting;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use gam_core::agent::Inspection;
use gam_core::container::{LABEL_NODE_ID, LABEL_TASK_ID, LABEL_TASK_NAME, is_named_by};
use gam_core::model::{NodeId, TaskId};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::{Engine, EngineError};
use http::{CALL_LIMIT, broken, encode};

pub use events::{ContainerEvent, ContainerEvents};
pub use mounting::Ended;

/// dockerd's grace period for a container whose spec says nothing, in seconds.
const DEFAULT_GRACE_S: u64 = 10;

/// Containers removed at the same time when a node leaves its swarm.
const PARALLEL_REMOVALS: usize = 32;

/// How an engine before 25 begins to refuse a creation with several networks (`moby: daemon/container_operations.go`).
const ONE_NETWORK: &str = "Container cannot be connected to network endpoints:";

/// One line of the list of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedContainer {
    /// The engine's 64-character id.
    pub id: String,
    /// Its name, which is the task's.
    pub name: String,
    /// The task in its labels, if that is an id.
    pub task: Option<TaskId>,
    /// Whether it has processes (running, paused, restarting).
    pub running: bool,
    /// Whether its health check calls it unhealthy.
    pub unhealthy: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ListRow {
    id: String,
    names: Vec<String>,
    state: String,
    status: String,
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Created {
    id: String,
}

impl Engine {
    /// Creates a container and returns its id. A name that is taken is a conflict ([`EngineError::is_conflict`]).
    ///
    /// An engine before 25 takes one network here; there the container is connected to the others before it ever runs.
    pub async fn create_container(&self, name: &str, body: &Value) -> Result<String, EngineError> {
        match self.create_at_once(name, body).await {
            Err(EngineError::Refused { message, .. }) if message.starts_with(ONE_NETWORK) => {}
            done => return done,
        }
        let mut body = body.clone();
        let others = take_others(&mut body);
        let id = self.create_at_once(name, &body).await?;
        for (network, endpoint) in others {
            let request = json!({ "Container": id, "EndpointConfig": endpoint }).to_string().into_bytes();
            let target = format!("/networks/{}/connect", encode(&network));
            if let Err(error) = self.ask(Method::POST, &target, Some(request), CALL_LIMIT).await {
                // With only some of its networks it must not be taken for the task's. Why it failed is what counts.
                _ = self.remove_container(&id).await;
                return Err(error);
            }
        }
        Ok(id)
    }

    async fn create_at_once(&self, name: &str, body: &Value) -> Result<String, EngineError> {
        let target = format!("/containers/create?name={}", encode(name));
        let answer = self.ask(Method::POST, &target, Some(body.to_string().into_bytes()), CALL_LIMIT).await?;
        decode::<Created>(&answer).map(|created| created.id)
    }

    /// Starts a container; one that runs already is left alone.
    pub async fn start_container(&self, id: &str) -> Result<(), EngineError> {
        self.ask(Method::POST, &format!("/containers/{}/start", encode(id)), None, CALL_LIMIT).await.map(drop)
    }

    /// Stops a container and waits for its end: the stop signal, then a kill after `grace_s` seconds (dockerd's own
    /// default if `None`). One that has stopped already is left alone.
    pub async fn stop_container(&self, id: &str, grace_s: Option<u64>) -> Result<(), EngineError> {
        let target = match grace_s {
            Some(seconds) => format!("/containers/{}/stop?t={seconds}", encode(id)),
            None => format!("/containers/{}/stop", encode(id)),
        };
        let limit = CALL_LIMIT.saturating_add(Duration::from_secs(grace_s.unwrap_or(DEFAULT_GRACE_S)));
        self.ask(Method::POST, &target, None, limit).await.map(drop)
    }

    /// Sends a signal (`SIGKILL`) to a container's first process.
    pub async fn kill_container(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let target = format!("/containers/{}/kill?signal={}", encode(id), encode(signal));
        self.ask(Method::POST, &target, None, CALL_LIMIT).await.map(drop)
    }

    /// Removes a container with its anonymous volumes, killing it if it runs.
    pub async fn remove_container(&self, id: &str) -> Result<(), EngineError> {
        let target = format!("/containers/{}?v=1&force=1", encode(id));
        self.ask(Method::DELETE, &target, None, CALL_LIMIT).await.map(drop)
    }

    /// Looks at a container by id or name; `None` if there is none.
    pub async fn inspect_container(&self, id: &str) -> Result<Option<Inspection>, EngineError> {
        let target = format!("/containers/{}/json", encode(id));
        match self.ask(Method::GET, &target, None, CALL_LIMIT).await {
            Ok(body) => {
                let inspection = Inspection::parse(&body).map_err(|error| broken(std::io::Error::other(error)))?;
                Ok(Some(inspection))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All containers of a node's tasks, in whatever state.
    pub async fn list_task_containers(&self, node: NodeId) -> Result<Vec<ListedContainer>, EngineError> {
        let filters = json!({ "label": [LABEL_TASK_ID.to_owned(), format!("{LABEL_NODE_ID}={node}")] }).to_string();
        let target = format!("/containers/json?all=1&filters={}", encode(&filters));
        let rows: Vec<ListRow> = decode(&self.ask(Method::GET, &target, None, CALL_LIMIT).await?)?;
        Ok(rows.into_iter().filter_map(listed).collect())
    }

    /// The nodes that this engine has containers of tasks of, as their labels say, and how many of each.
    pub async fn nodes_of_task_containers(&self) -> Result<BTreeMap<String, usize>, EngineError> {
        let filters = json!({ "label": [LABEL_TASK_ID, LABEL_NODE_ID] }).to_string();
        let target = format!("/containers/json?all=1&filters={}", encode(&filters));
        let rows: Vec<ListRow> = decode(&self.ask(Method::GET, &target, None, CALL_LIMIT).await?)?;
        let mut nodes = BTreeMap::new();
        for row in rows {
            let node = row.labels.get(LABEL_NODE_ID).cloned().unwrap_or_default();
            if listed(row).is_some() {
                *nodes.entry(node).or_default() += 1;
            }
        }
        Ok(nodes)
    }

    /// Removes all containers of a node's tasks by force, as `docker swarm leave` does. Its agent must have ended before.
    pub async fn remove_containers_of(&self, node: NodeId) -> Result<(), EngineError> {
        let containers = self.list_task_containers(node).await?;
        let removals = stream::iter(containers).map(|container| async move {
            match self.remove_container(&container.id).await {
                // Gone already, or going.
                Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
                done => done,
            }
        });
        let results: Vec<Result<(), EngineError>> = removals.buffer_unordered(PARALLEL_REMOVALS).collect().await;
        results.into_iter().collect()
    }
}

/// Leaves the first network in the body of a creation; the others, with the container's place on each.
fn take_others(body: &mut Value) -> Map<String, Value> {
    let endpoints = body.pointer_mut("/NetworkingConfig/EndpointsConfig").and_then(Value::as_object_mut);
    let Some(endpoints) = endpoints else { return Map::new() };
    let mut all = std::mem::take(endpoints).into_iter();
    endpoints.extend(all.next());
    all.collect()
}

/// A line of the list; `None` for a container that only looks like a task's.
fn listed(row: ListRow) -> Option<ListedContainer> {
    // Links of other containers are names, too: `/other/alias`.
    let name = row.names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'))?;
    if !is_named_by(name, row.labels.get(LABEL_TASK_NAME).map(String::as_str)) {
        return None;
    }
    Some(ListedContainer {
        name: name.to_owned(),
        task: row.labels.get(LABEL_TASK_ID).and_then(|id| id.parse().ok()),
        running: matches!(row.state.as_str(), "running" | "paused" | "restarting"),
        unhealthy: row.status.contains("(unhealthy)"),
        id: row.id,
    })
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, EngineError> {
    gam_core::json::from_slice(body).map_err(|error| broken(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_engine_is_told_of_one_network_at_first() {
        let mut body = json!({ "Image": "i", "NetworkingConfig": { "EndpointsConfig": { "a": { "Aliases": ["x"] }, "b": {}, "c": { "Aliases": ["y"] } } } });
        let others = take_others(&mut body);
        assert_eq!(
            body,
            json!({ "Image": "i", "NetworkingConfig": { "EndpointsConfig": { "a": { "Aliases": ["x"] } } } })
        );
        assert_eq!(Value::from(others), json!({ "b": {}, "c": { "Aliases": ["y"] } }));
        assert_eq!(take_others(&mut body), Map::new());
        assert_eq!(take_others(&mut json!({})), Map::new());
    }

    #[test]
    fn labels_alone_make_no_task() {
        let read = |names: &str, task_name: &str| {
            let row = format!(
                r#"{{"Id":"c1","Names":{names},"State":"running","Status":"Up 1 second (unhealthy)","Labels":{{
                    "com.docker.swarm.task.id":"0000000000000000000000007","com.docker.swarm.task.name":"{task_name}"}}}}"#
            );
            listed(decode(row.as_bytes()).unwrap())
        };
        let own = ListedContainer {
            id: "c1".into(),
            name: "web.1.7".into(),
            task: Some(TaskId::from(7)),
            running: true,
            unhealthy: true,
        };
        assert_eq!(read(r#"["/other/alias","/web.1.7"]"#, "web.1.7"), Some(own));
        assert_eq!(read(r#"["/copy"]"#, "web.1.7"), None, "made from the image of one");
        assert_eq!(read("[]", "web.1.7"), None);
        let labelled = br#"{"Id":"c2","Names":["/mine"],"Labels":{"com.docker.swarm.task.id":"foo"}}"#;
        assert_eq!(listed(decode(labelled).unwrap()), None);
    }
}
