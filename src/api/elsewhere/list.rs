//! `GET /containers/json` over the whole cluster: whoever asks a manager for containers by a label of the swarm's, such as
//! `docker ps --filter label=com.docker.swarm.service.name=web`, is shown those of all nodes, newest first. Any other list is of
//! this host alone, as with Docker.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::join_all;
use gam_core::container::{LABEL_TASK_ID, is_named_by};
use gam_core::model::{NodeId, NodeState, TaskId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::super::networks::prune::encode;
use super::super::networks::upstream::{self, Answer};
use super::super::query::{Query, json};
use super::super::version::OriginalUri;
use super::super::{Api, ApiError};
use super::{Relayed, proxy_to};
use crate::manager::Manager;

/// The beginning of the labels that Docker gives containers of tasks.
const SWARM_LABELS: &str = "com.docker.swarm.";
/// How long a node may take for its list. One that is late, or not there, is left out, as one that is down.
const LIST_LIMIT: Duration = Duration::from_secs(3);
/// An agent of Portainer asks for the containers of one host, and puts the lists together itself.
const PORTAINER_TARGET: &str = "x-portaineragent-target";

/// A container of a list.
type Listed = Box<RawValue>;

/// The list of other nodes that belongs to a list of this one; `None` if this one's is all there is to it.
pub(in crate::api) fn others(
    manager: &Manager,
    request: &Request,
) -> Option<impl Future<Output = Vec<Listed>> + use<>> {
    let query = Query::of(request);
    let is_local = request.extensions().get::<Relayed>().is_some() || request.headers().contains_key(PORTAINER_TARGET);
    if is_local || !names_the_swarm(query.get("filters")) {
        return None;
    }
    let (state, own) = (manager.state(), manager.node_id());
    let ready = state.nodes().filter(|node| node.id != own && node.status.state == NodeState::Ready);
    let nodes: Vec<NodeId> = ready.map(|node| node.id).collect();
    let original = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    let (manager, target) = (manager.clone(), original.to_string());
    Some(async move { join_all(nodes.into_iter().map(|node| of_node(&manager, node, &target))).await.concat() })
}

/// Whether filters ask for a label of the swarm's, and for nothing that only this host can tell: `before` and `since` name
/// containers of its own.
fn names_the_swarm(filters: &str) -> bool {
    let Ok(Value::Object(filters)) = serde_json::from_str(filters) else { return false };
    let is_swarms = |label: &String| label.starts_with(SWARM_LABELS);
    !filters.contains_key("before") && !filters.contains_key("since") && labels(&filters).iter().any(is_swarms)
}

/// The values of the filter `label`, in either of its shapes.
fn labels(filters: &Map<String, Value>) -> Vec<String> {
    match filters.get("label") {
        Some(Value::Array(labels)) => labels.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect(),
        Some(Value::Object(labels)) => labels.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

async fn of_node(manager: &Manager, node: NodeId, target: &str) -> Vec<Listed> {
    let asked = async {
        let response = proxy_to(manager, node).await?.forward(upstream::get(target)).await;
        Ok::<_, ApiError>(Answer::read(response).await?.ok())
    };
    match timeout(LIST_LIMIT, asked).await {
        Ok(Ok(Some(listed))) => listed,
        failed => {
            tracing::warn!(%node, late = failed.is_err(), "the containers of a node are missing in a list");
            Vec::new()
        }
    }
}

/// This node's list and those of others as one: the newest first, and no more than were asked for.
pub(in crate::api) async fn merge(request: Query, here: Response, there: Vec<Listed>) -> Result<Response, ApiError> {
    let answer = Answer::read(here).await?;
    let Some(mut listed) = answer.ok::<Vec<Listed>>() else { return Ok(answer.into_response()) };
    listed.extend(there);
    listed.sort_by_cached_key(|container| std::cmp::Reverse(created(container)));
    if let Ok(limit @ 1..) = request.get("limit").parse::<usize>() {
        listed.truncate(limit);
    }
    Ok(json(StatusCode::OK, &listed))
}

/// When a container was made, seconds since 1970.
fn created(container: &RawValue) -> i64 {
    #[derive(Deserialize)]
    struct Container {
        #[serde(rename = "Created")]
        created: i64,
    }
    serde_json::from_str(container.get()).map_or(0, |container: Container| container.created)
}

/// The node's side: the same question, about containers of tasks alone; `None` if it is about others too.
pub(super) fn of_tasks(request: Request) -> Option<Request> {
    let query = Query::of(&request);
    if !names_the_swarm(query.get("filters")) {
        return None;
    }
    let mut filters: Map<String, Value> = serde_json::from_str(query.get("filters")).ok()?;
    let asked = labels(&filters).into_iter().chain([LABEL_TASK_ID.to_owned()]);
    let asked: Map<String, Value> = asked.map(|label| (label, Value::Bool(true))).collect();
    filters.insert("label".into(), Value::Object(asked));
    let query = request.uri().query().unwrap_or_default();
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("filters="));
    let filters = format!("filters={}", encode(&Value::Object(filters).to_string()));
    let query: Vec<&str> = others.chain([&*filters]).collect();
    let target = format!("{}?{}", request.uri().path(), query.join("&"));
    Some(upstream::retarget(request, &target))
}

/// A list without the containers that only say that they are a task's.
pub(super) async fn without_impostors(api: &Api, response: Response) -> Result<Response, ApiError> {
    let answer = Answer::read(response).await?;
    let Some(mut listed) = answer.ok::<Vec<Listed>>() else { return Ok(answer.into_response()) };
    listed.retain(|container| is_tasks(container, |task| api.node.task_name(task)));
    Ok(json(StatusCode::OK, &listed))
}

fn is_tasks(container: &RawValue, name_of: impl Fn(TaskId) -> Option<String>) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        names: Vec<String>,
        labels: Map<String, Value>,
    }
    let Ok(Container { names, labels }) = serde_json::from_str(container.get()) else { return false };
    let task = labels.get(LABEL_TASK_ID).and_then(Value::as_str).and_then(|task| task.parse().ok());
    let name = task.and_then(name_of);
    names.iter().any(|known| is_named_by(known.trim_start_matches('/'), name.as_deref()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_label_of_the_swarms_asks_for_the_cluster() {
        for (filters, is_swarms) in [
            (r#"{"label":["com.docker.swarm.service.name=web"]}"#, true),
            (r#"{"label":{"com.docker.swarm.task":true,"x":true},"status":["exited"]}"#, true),
            (r#"{"label":["com.docker.compose.project=x"]}"#, false),
            (r#"{"label":["com.docker.swarm.task"],"since":["x"]}"#, false),
            (r#"{"name":["com.docker.swarm.task"]}"#, false),
            ("", false),
            ("[", false),
        ] {
            assert_eq!(names_the_swarm(filters), is_swarms, "{filters}");
        }
    }

    #[test]
    fn a_node_is_asked_for_tasks_alone() {
        let asked = |query: &str| {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = format!("/containers/json?{query}").parse().unwrap();
            of_tasks(request).map(|request| Query::of(&request).get("filters").to_owned())
        };
        assert_eq!(
            asked("all=1&filters=%7B%22label%22:[%22com.docker.swarm.node.id%22]%7D").unwrap(),
            r#"{"label":{"com.docker.swarm.node.id":true,"com.docker.swarm.task.id":true}}"#
        );
        assert_eq!(asked("all=1"), None);
        assert_eq!(asked("filters=%7B%22label%22:[%22mine%22]%7D"), None);
    }

    #[test]
    fn who_only_says_to_be_a_task_is_none() {
        let id = TaskId::from(7);
        let listed = |name: &str, task: &str| {
            let text = format!(r#"{{"Names":["/{name}"],"Labels":{{"{LABEL_TASK_ID}":"{task}"}}}}"#);
            let container = RawValue::from_string(text).unwrap();
            is_tasks(&container, |task| (task == id).then(|| "web.1.x".to_owned()))
        };
        assert!(listed("web.1.x", &id.to_string()));
        assert!(!listed("mine", &id.to_string()));
        assert!(!listed("web.1.x", "nonsense"));
    }

    #[tokio::test]
    async fn lists_become_one_with_the_newest_first() {
        let list = |text: &str| serde_json::from_str::<Vec<Listed>>(text).unwrap();
        let here = json(StatusCode::OK, &list(r#"[{"Created":3},{"Created":1}]"#));
        let merged = merge(Query::default(), here, list(r#"[{"Created":2}]"#)).await.unwrap();
        let merged = Answer::read(merged).await.unwrap().ok::<Value>().unwrap();
        assert_eq!(merged.to_string(), r#"[{"Created":3},{"Created":2},{"Created":1}]"#);
    }
}
