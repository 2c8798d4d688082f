//! `GET /containers/json`: what filters say of swarm networks and tasks goes in as dockerd understands it, and ids of
//! networks come out as users know them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::container::LABEL_TASK_ID;
use gam_core::state::State as Cluster;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::networks::prune::encode;
use super::super::networks::upstream;
use super::super::query::{Query, json};
use super::super::{Api, ApiError, elsewhere};
use crate::network::Networks;

/// Lists containers. Without backings on this node and without such filters nothing is looked at and nothing changes.
pub async fn list(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let others = api.node.manager().ok().and_then(|manager| elsewhere::list::others(&manager, &request));
    let Some(others) = others else { return here(&api, request).await };
    let query = Query::of(&request);
    let (here, there) = tokio::join!(here(&api, request), others);
    elsewhere::list::merge(query, here?, there).await
}

/// This host's containers.
async fn here(api: &Api, request: Request) -> Result<Response, ApiError> {
    let Some(cluster) = known(api).await else { return Ok(api.proxy.forward(request).await) };
    let query = Query::of(&request);
    let translated = translate(query.get("filters"), |name| names(&api.networks, &cluster, name));
    let rewriter = api.networks.rewriter();
    let Some(translated) = translated else {
        return Ok(upstream::rewritten(api.proxy.forward(request).await, rewriter).await);
    };
    let target = target(&request, &translated);
    let request = upstream::retarget(request, &target);
    if !translated.without_tasks {
        return Ok(upstream::rewritten(api.proxy.forward(request).await, rewriter).await);
    }
    let answer = upstream::ask(api, request).await?;
    let Some(mut listed) = answer.ok::<Vec<Box<RawValue>>>() else { return Ok(answer.into_response()) };
    listed.retain(|container| !is_task(container));
    if let Ok(limit @ 1..) = query.get("limit").parse::<usize>() {
        listed.truncate(limit);
    }
    Ok(upstream::rewritten(json(StatusCode::OK, &listed), rewriter).await)
}

/// Any request with the engine's names for swarm networks in its filters; one without such filters stays as it is.
pub async fn with_backings(api: &Api, request: Request) -> Request {
    let Some(cluster) = known(api).await else { return request };
    let query = Query::of(&request);
    let filters = query.get("filters");
    match translate(filters, |name| names(&api.networks, &cluster, name)) {
        Some(translated) if !filters.contains("is-task") => {
            let target = target(&request, &translated);
            upstream::retarget(request, &target)
        }
        _ => request,
    }
}

/// The swarm's networks that may have a backing here. A manager need not ask the others for them; a worker knows those
/// that it was assigned, and those of its containers. `None` outside a swarm.
pub(super) async fn known(api: &Api) -> Option<Arc<Cluster>> {
    match api.node.manager() {
        Ok(manager) => Some(manager.state()),
        Err(_) => api.node.known_networks().await,
    }
}

/// Whether a listed container is a task's.
fn is_task(container: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(rename = "Labels")]
        labels: Option<Map<String, Value>>,
    }
    let listed = serde_json::from_str::<Listed>(container.get());
    listed.is_ok_and(|listed| listed.labels.is_some_and(|labels| labels.contains_key(LABEL_TASK_ID)))
}

/// Filters as dockerd is to be asked them.
#[derive(Debug, PartialEq, Eq)]
struct Translated {
    filters: String,
    /// Containers of tasks are to be left out of the answer: dockerd has no filter for what has not a label.
    without_tasks: bool,
}

/// The names by which dockerd knows a swarm network on this node.
fn names(networks: &Networks, cluster: &Cluster, name: &str) -> Option<[String; 2]> {
    let network = cluster.find_network(name).ok()?;
    let backing = networks.backing(network.id)?;
    Some([backing.engine_name, backing.engine_id])
}

/// Puts what dockerd knows into filters: its names for swarm networks, and a label for what is a task, since dockerd
/// itself runs none. `None` if there is nothing to put in, or something to refuse.
fn translate(filters: &str, names: impl Fn(&str) -> Option<[String; 2]>) -> Option<Translated> {
    // Most lists come without either.
    if !filters.contains("network") && !filters.contains("is-task") {
        return None;
    }
    let Ok(Value::Object(mut document)) = serde_json::from_str::<Value>(filters) else { return None };
    let networks = values(&document, "network")?;
    let tasks = values(&document, "is-task")?;
    let mut set = Map::new();
    for name in &networks {
        // dockerd takes a container that is on any of them.
        let known = names(name).map_or_else(|| vec![name.clone()], Vec::from);
        set.extend(known.into_iter().map(|known| (known, Value::Bool(true))));
    }
    if !set.is_empty() {
        document.insert("network".into(), Value::Object(set));
    }
    let is_task = match tasks.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => None,
        ["1" | "true"] => Some(true),
        ["0" | "false"] => Some(false),
        _ => return None,
    };
    if is_task.is_some() {
        document.shift_remove("is-task");
    }
    if is_task == Some(true) {
        let mut labels: Map<String, Value> =
            values(&document, "label")?.into_iter().map(|label| (label, Value::Bool(true))).collect();
        labels.insert(LABEL_TASK_ID.into(), Value::Bool(true));
        document.insert("label".into(), Value::Object(labels));
    }
    Some(Translated { filters: Value::Object(document).to_string(), without_tasks: is_task == Some(false) })
}

/// The values of a filter in either of its shapes; `None` if it has none of them.
fn values(document: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
    match document.get(key) {
        None => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        Some(Value::Object(set)) => Some(set.keys().cloned().collect()),
        Some(_) => None,
    }
}

/// The request's path and query, with other filters; a limit is for what is left once tasks are left out.
fn target(request: &Request, translated: &Translated) -> String {
    let query = request.uri().query().unwrap_or_default();
    let is_replaced = |key: &str| key == "filters" || key == "limit" && translated.without_tasks;
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !is_replaced(pair.split('=').next().unwrap_or_default()))
        .map(str::to_owned)
        .collect();
    if translated.without_tasks && !Query::of(request).get("limit").is_empty() {
        // A limit lists stopped containers, too.
        pairs.push("all=1".into());
    }
    pairs.push(format!("filters={}", encode(&translated.filters)));
    format!("{}?{}", request.uri().path(), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<[String; 2]> {
        (name == "att").then(|| ["att".to_owned(), "e7".to_owned()])
    }

    fn text(filters: &str) -> Option<String> {
        translate(filters, known).map(|translated| translated.filters)
    }

    #[test]
    fn swarm_networks_are_named_as_dockerd_names_them() {
        for shape in [r#"{"network":["att","x"],"label":["a"]}"#, r#"{"network":{"att":true,"x":true},"label":["a"]}"#]
        {
            assert_eq!(text(shape).unwrap(), r#"{"network":{"att":true,"e7":true,"x":true},"label":["a"]}"#);
        }
    }

    #[test]
    fn tasks_are_what_bears_their_label() {
        assert_eq!(
            text(r#"{"is-task":{"true":true},"label":["a"]}"#).unwrap(),
            r#"{"label":{"a":true,"com.docker.swarm.task.id":true}}"#
        );
        let others = translate(r#"{"is-task":["false"],"status":["running"]}"#, known);
        let filters = r#"{"status":["running"]}"#.to_owned();
        assert_eq!(others, Some(Translated { filters, without_tasks: true }));
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        assert!(is_task(&raw(r#"{"Id":"a","Labels":{"com.docker.swarm.task.id":"x"}}"#)));
        assert!(!is_task(&raw(r#"{"Id":"a","Labels":{}}"#)) && !is_task(&raw(r#"{"Id":"a","Labels":null}"#)));
    }

    #[test]
    fn other_filters_are_left_alone() {
        for filters in ["", "{", r#"{"label":["a"]}"#, r#"{"network":7}"#, r#"{"is-task":["maybe"]}"#] {
            assert_eq!(text(filters), None, "{filters}");
        }
    }

    #[test]
    fn the_rest_of_the_query_stays() {
        let ask = |query: &str, without_tasks: bool| {
            let mut request = Request::new(axum::body::Body::empty());
            *request.uri_mut() = format!("/containers/json?{query}").parse().unwrap();
            target(&request, &Translated { filters: "{}".into(), without_tasks })
        };
        assert_eq!(ask("all=1&filters=old&limit=2", false), "/containers/json?all=1&limit=2&filters=%7B%7D");
        assert_eq!(ask("filters=old&limit=2", true), "/containers/json?all=1&filters=%7B%7D");
    }
}
