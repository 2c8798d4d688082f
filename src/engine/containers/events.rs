//! dockerd's stream of events about the containers of tasks.

use std::collections::{BTreeMap, VecDeque};

use gam_core::container::{LABEL_NODE_ID, LABEL_TASK_ID};
use gam_core::model::{NodeId, TaskId};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::http::{CALL_LIMIT, broken, encode};
use crate::engine::{Engine, EngineError};

/// The longest event that is read. One carries the labels of a container, which are bounded by the body that made it.
const MAX_EVENT: usize = 4 << 20;

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
    body: Incoming,
    partial: Vec<u8>,
    ready: VecDeque<ContainerEvent>,
}

impl Engine {
    /// Subscribes to the events of containers that carry a node's id. When this returns, dockerd has answered, so
    /// nothing that happens from now on is missed.
    pub async fn container_events(&self, node: NodeId) -> Result<ContainerEvents, EngineError> {
        let filters = json!({ "type": ["container"], "label": [format!("{LABEL_NODE_ID}={node}")] }).to_string();
        let target = format!("/events?filters={}", encode(&filters));
        let response = self.open(Method::GET, &target, None, CALL_LIMIT).await?;
        Ok(ContainerEvents { body: response.into_body(), partial: Vec::new(), ready: VecDeque::new() })
    }
}

impl ContainerEvents {
    /// The next event; an error when the stream has ended. Cancelling loses nothing.
    pub async fn next(&mut self) -> Result<ContainerEvent, EngineError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Err(broken(std::io::Error::other(error))),
                None => return Err(broken(std::io::ErrorKind::UnexpectedEof.into())),
            };
            let Some(data) = frame.data_ref() else { continue };
            self.partial.extend_from_slice(data);
            while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                self.ready.extend(parse(&line));
            }
            if self.partial.len() > MAX_EVENT {
                return Err(broken(std::io::ErrorKind::InvalidData.into()));
            }
        }
    }
}

/// An event, unless it is none of a task.
fn parse(line: &[u8]) -> Option<ContainerEvent> {
    let message: Message = gam_core::json::from_slice(line).ok()?;
    let attributes = message.actor.attributes;
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
            {"com.docker.swarm.task.id":"0000000000000000000000007","exitCode":"137","name":"web.1"}},"time":1}"#;
        let event = parse(line).unwrap();
        assert_eq!((event.task, event.action.as_str(), event.exit_code), (TaskId::from(7), "die", Some(137)));
        assert_eq!(parse(br#"{"Action":"die","Actor":{"ID":"c1","Attributes":{}}}"#), None);
        assert_eq!(parse(b"not json"), None);
    }
}
