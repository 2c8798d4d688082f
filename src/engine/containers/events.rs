//! dockerd's stream of events about the containers of tasks.

use std::collections::BTreeMap;

use gam_core::container::{LABEL_NODE_ID, LABEL_TASK_ID, LABEL_TASK_NAME, is_named_by};
use gam_core::model::{NodeId, TaskId};
use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::http::{CALL_LIMIT, broken, encode};
use super::lines::Lines;
use crate::engine::{Engine, EngineError};

/// Something happened to the container of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The task.
    pub task: TaskId,
    /// dockerd's word: `start`, `die`, `destroy`, `health_status: healthy` …
    pub action: String,
    /// The container.
    pub container: String,
    /// The exit code, with `die`.
    pub exit_code: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Message {
    action: String,
    actor: Actor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: BTreeMap<String, String>,
}

/// Events as they come, from the moment of subscription on.
pub struct ContainerEvents {
    lines: Lines,
}

impl Engine {
    /// Subscribes to the events of containers that carry a node's id. When this returns, dockerd has answered, so
    /// nothing that happens from now on is missed.
    pub async fn container_events(&self, node: NodeId) -> Result<ContainerEvents, EngineError> {
        let filters = json!({ "type": ["container"], "label": [format!("{LABEL_NODE_ID}={node}")] }).to_string();
        let target = format!("/events?filters={}", encode(&filters));
        let response = self.open(Method::GET, &target, None, CALL_LIMIT).await?;
        Ok(ContainerEvents { lines: Lines::new(response.into_body()) })
    }
}

impl ContainerEvents {
    /// The next event; an error when the stream has ended. Cancelling loses nothing.
    pub async fn next(&mut self) -> Result<ContainerEvent, EngineError> {
        loop {
            match self.lines.next().await? {
                Some(line) => {
                    if let Some(event) = parse(&line) {
                        return Ok(event);
                    }
                }
                None => return Err(broken(std::io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }
}

/// An event, unless it is none of a task.
fn parse(line: &[u8]) -> Option<ContainerEvent> {
    let message: Message = gam_core::json::from_slice(line).ok()?;
    let attributes = message.actor.attributes;
    if !is_named_by(attributes.get("name")?, attributes.get(LABEL_TASK_NAME).map(String::as_str)) {
        return None;
    }
    Some(ContainerEvent {
        task: attributes.get(LABEL_TASK_ID)?.parse().ok()?,
        exit_code: attributes.get("exitCode").and_then(|code| code.parse().ok()),
        action: message.action,
        container: message.actor.id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_event_of_dockerd() {
        let line = br#"{"status":"die","id":"c1","Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":
            {"com.docker.swarm.task.id":"0000000000000000000000007","exitCode":"137","name":"web.1.7",
            "com.docker.swarm.task.name":"web.1.7"}},"time":1}"#;
        let event = parse(line).unwrap();
        assert_eq!((event.task, event.action.as_str(), event.exit_code), (TaskId::from(7), "die", Some(137)));
        assert_eq!(parse(br#"{"Action":"die","Actor":{"ID":"c1","Attributes":{}}}"#), None);
        let copy = String::from_utf8_lossy(line).replace(r#""name":"web.1.7""#, r#""name":"copy""#);
        assert_eq!(parse(copy.as_bytes()), None, "it has the labels of the task's container");
        assert_eq!(parse(b"not json"), None);
    }
}
