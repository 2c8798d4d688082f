//! `/tasks`: what runs, ran, or waits to run.

use std::borrow::Cow;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use gam_core::error::Error;
use gam_core::model::{
    GenericResource, NodeId, PortConfig, ServiceId, StringMap, Task, TaskSpec, TaskState, Timestamp,
};
use gam_core::orchestrator;
use gam_core::state::State as Cluster;
use serde::Serialize;

use super::attachments::{AttachmentView, attachment_view};
use super::filters::Filters;
use super::named::Named;
use super::query::{Query, json};
use super::swarm::Version;
use super::{Api, ApiError};

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/tasks", get(list)).route("/tasks/{id}", get(inspect))
}

/// A task as Docker shows it (`moby: swarm.Task`).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct View<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// A task's own labels: Docker sets none.
    labels: StringMap,
    spec: TaskSpec,
    #[serde(rename = "ServiceID", skip_serializing_if = "Option::is_none")]
    service: Option<ServiceId>,
    #[serde(skip_serializing_if = "is_zero")]
    slot: u64,
    #[serde(rename = "NodeID", skip_serializing_if = "Option::is_none")]
    node: Option<NodeId>,
    status: StatusView<'a>,
    desired_state: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks_attachments: Vec<AttachmentView<'a>>,
    #[serde(skip_serializing_if = "<[GenericResource]>::is_empty")]
    generic_resources: &'a [GenericResource],
    #[serde(skip_serializing_if = "Option::is_none")]
    job_iteration: Option<Version>,
    volumes: Option<()>,
}

fn is_zero(slot: &u64) -> bool {
    *slot == 0
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusView<'a> {
    timestamp: Timestamp,
    state: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "<str>::is_empty")]
    err: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<ContainerView<'a>>,
    port_status: PortsView<'a>,
}

#[derive(Serialize)]
struct ContainerView<'a> {
    #[serde(rename = "ContainerID")]
    id: &'a str,
    #[serde(rename = "PID")]
    pid: i64,
    #[serde(rename = "ExitCode")]
    exit_code: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PortsView<'a> {
    #[serde(skip_serializing_if = "<[PortConfig]>::is_empty")]
    ports: &'a [PortConfig],
}

fn status_view(task: &Task) -> StatusView<'_> {
    let status = &task.status;
    StatusView {
        timestamp: status.timestamp,
        state: status.state.as_str(),
        message: &status.message,
        err: task.error(),
        container_status: status.container.as_ref().map(|container| ContainerView {
            id: &container.id,
            pid: container.pid,
            exit_code: container.exit_code,
        }),
        port_status: PortsView { ports: &status.ports },
    }
}

fn view<'a>(state: &'a Cluster, task: &'a Task) -> View<'a> {
    // Docker prints a task's spec without the runtime, which only a service names.
    let spec = TaskSpec { runtime: String::new(), ..task.spec().clone() };
    View {
        id: task.id.to_string(),
        version: Version { index: task.meta.version },
        created_at: task.meta.created_at,
        updated_at: task.meta.updated_at,
        labels: StringMap::new(),
        spec,
        service: task.service,
        slot: task.slot,
        node: task.node,
        status: status_view(task),
        desired_state: task.desired.as_str(),
        networks_attachments: task
            .networks
            .iter()
            .filter_map(|attachment| attachment_view(state, attachment))
            .collect(),
        generic_resources: &task.generic,
        job_iteration: task.iteration.map(|index| Version { index }),
        volumes: None,
    }
}

/// A filter with the names of services and nodes replaced by their ids.
struct Selection {
    filters: Filters,
    services: Vec<ServiceId>,
    nodes: Vec<NodeId>,
    desired: Vec<TaskState>,
}

fn select(state: &Cluster, filters: Filters) -> Result<Selection, ApiError> {
    filters.accept(&["name", "id", "label", "service", "node", "desired-state", "_up-to-date", "runtime"])?;
    let services = filters.get("service").iter().map(|name| Ok(state.find_service(name)?.id));
    let services = services.collect::<Result<_, Error>>()?;
    let nodes = filters.get("node").iter().map(|name| Ok(state.find_node(name)?.id)).collect::<Result<_, Error>>()?;
    let desired = filters.get("desired-state").iter().filter(|word| !word.is_empty());
    let desired = desired.map(|word| desired_state(word)).collect::<Result<_, _>>()?;
    Ok(Selection { filters, services, nodes, desired })
}

fn desired_state(word: &str) -> Result<TaskState, ApiError> {
    let lower = serde_json::Value::String(word.to_lowercase());
    // Docker answers 500 here, for its own reasons.
    serde_json::from_value(lower).map_err(|_| Error::internal(format!("Invalid desired-state filter: '{word}'")).into())
}

impl Selection {
    fn takes(&self, state: &Cluster, task: &Task) -> bool {
        let filters = &self.filters;
        let runtime = match task.spec().runtime.as_str() {
            "" => "container",
            other => other,
        };
        (self.services.is_empty() || task.service.is_some_and(|service| self.services.contains(&service)))
            && (self.nodes.is_empty() || task.node.is_some_and(|node| self.nodes.contains(&node)))
            && (self.desired.is_empty() || self.desired.contains(&task.desired))
            && (if filters.contains("runtime") {
                filters.any("runtime", |wanted| wanted == runtime)
            } else {
                runtime == "container"
            })
            && filters.any("id", |prefix| task.id.to_string().starts_with(prefix))
            && filters.any("name", |prefix| task.name().starts_with(prefix))
            && filters.labels("label", |key| task.origin.labels.get(key))
            && (filters.get("_up-to-date").is_empty() || is_up_to_date(state, task))
    }
}

fn is_up_to_date(state: &Cluster, task: &Task) -> bool {
    task.service
        .and_then(|service| state.service(service))
        .is_some_and(|service| !orchestrator::is_dirty(state, service, task))
}

/// The tasks to walk through: those of the one service or node that is asked for, else all.
fn candidates<'a>(
    state: &'a Cluster,
    selection: &Selection,
) -> Box<dyn Iterator<Item = &'a std::sync::Arc<Task>> + 'a> {
    match (selection.services.as_slice(), selection.nodes.as_slice()) {
        ([service], _) => Box::new(state.tasks_of_service(*service)),
        ([], [node]) => Box::new(state.tasks_of_node(*node)),
        _ => Box::new(state.tasks()),
    }
}

async fn list(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let filters = Query::of(&request).filters()?;
    let state = api.node.manager()?.read().await?;
    let selection = select(&state, filters)?;
    let shown: Vec<View<'_>> = candidates(&state, &selection)
        .filter(|task| selection.takes(&state, task))
        .map(|task| view(&state, task))
        .collect();
    Ok(json(StatusCode::OK, &shown))
}

async fn inspect(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let state = api.node.manager()?.read().await?;
    let task = state.find_task(&id)?;
    Ok(json(StatusCode::OK, &view(&state, &task)))
}
