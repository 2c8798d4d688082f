//! `/services`: what users want to run.

mod pins;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use gam_core::control::{self, CredentialFrom, Request as Change, Response as Answer};
use gam_core::error::{Error, Kind};
use gam_core::model::{
    Credential, EndpointSpec, NodeState, PortConfig, Service, ServiceSpec, Task, TaskState, Timestamp,
};
use gam_core::state::State as Cluster;
use serde::Serialize;

use super::defaults::with_defaults;
use super::filters::Filters;
use super::named::Named;
use super::query::{Query, done, json, read_json};
use super::swarm::Version;
use super::{Api, ApiError, gates};

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/services", get(list))
        .route("/services/create", post(create).get(inspect).delete(remove))
        .route("/services/{id}", get(inspect).delete(remove))
        .route("/services/{id}/update", post(update))
}

/// A service as Docker shows it (`moby: swarm.Service`).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct View<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: std::borrow::Cow<'a, ServiceSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_spec: Option<&'a ServiceSpec>,
    endpoint: EndpointView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_status: Option<UpdateView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_status: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_status: Option<JobView>,
}

/// `moby: swarm.JobStatus`
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct JobView {
    job_iteration: Version,
    last_execution: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointView<'a> {
    spec: EndpointSpec,
    #[serde(skip_serializing_if = "<[PortConfig]>::is_empty")]
    ports: &'a [PortConfig],
    #[serde(rename = "VirtualIPs", skip_serializing_if = "Vec::is_empty")]
    virtual_ips: Vec<VirtualIpView<'a>>,
}

#[derive(Serialize)]
struct VirtualIpView<'a> {
    #[serde(rename = "NetworkID")]
    network: String,
    #[serde(rename = "Addr", skip_serializing_if = "str::is_empty")]
    address: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateView<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

/// `moby: swarm.ServiceStatus`
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Counts {
    running_tasks: u64,
    desired_tasks: u64,
    completed_tasks: u64,
}

fn view(service: &Service) -> View<'_> {
    let endpoint = &service.endpoint;
    View {
        id: service.id.to_string(),
        version: Version { index: service.meta.version },
        created_at: service.meta.created_at,
        updated_at: service.meta.updated_at,
        spec: std::borrow::Cow::Borrowed(&service.spec),
        previous_spec: service.previous_spec.as_deref(),
        endpoint: EndpointView {
            spec: endpoint.spec.clone().unwrap_or_default(),
            ports: &endpoint.ports,
            virtual_ips: endpoint
                .virtual_ips
                .iter()
                .map(|vip| VirtualIpView { network: vip.network.to_string(), address: &vip.address })
                .collect(),
        },
        update_status: service.update_status.as_ref().map(|status| UpdateView {
            state: status.state.as_str(),
            started_at: status.started_at,
            completed_at: status.completed_at,
            message: &status.message,
        }),
        service_status: None,
        job_status: service
            .job
            .map(|job| JobView { job_iteration: Version { index: job.iteration }, last_execution: job.last_execution }),
    }
}

/// What `docker service ls` shows as `2/3` (swarmkit `ListServiceStatuses`): what still runs though it is to stop counts, too,
/// unless nobody knows whether it does, because its node is down (there Docker counts it). Of a job only the present execution
/// counts; it wants as many tasks as may run at once, or as many as nodes have one that is not done.
fn counts(state: &Cluster, service: &Service) -> Counts {
    let iteration = service.job.map(|job| job.iteration);
    let tasks = || state.tasks_of_service(service.id).filter(|task| task.iteration == iteration);
    let count = |wanted: fn(&Task) -> bool| tasks().filter(|task| wanted(task)).count() as u64;
    let is_down = |task: &Task| {
        task.node.and_then(|node| state.node(node)).is_none_or(|node| node.status.state == NodeState::Down)
    };
    let runs = |task: &Task| task.status.state == TaskState::Running && (task.is_wanted() || !is_down(task));
    let mode = &service.spec.mode;
    Counts {
        running_tasks: tasks().filter(|task| runs(task)).count() as u64,
        desired_tasks: match (service.replicas(), &mode.replicated_job) {
            (Some(replicas), _) => replicas,
            (None, Some(job)) => job.max_concurrent.unwrap_or(1),
            // A global service wants what it has been given nodes for.
            (None, None) => count(|task| {
                task.desired == TaskState::Running
                    || task.desired == TaskState::Complete && task.status.state != TaskState::Complete
            }),
        },
        completed_tasks: count(Task::is_accomplished),
    }
}

fn mode(service: &Service) -> &'static str {
    let mode = &service.spec.mode;
    if mode.global.is_some() {
        "global"
    } else if mode.replicated_job.is_some() {
        "replicated-job"
    } else if mode.global_job.is_some() {
        "global-job"
    } else {
        "replicated"
    }
}

fn matches(filters: &Filters, service: &Service) -> bool {
    let id = service.id.to_string();
    let runtime = match service.spec.task_template.runtime.as_str() {
        "" => "container",
        other => other,
    };
    filters.any("id", |prefix| id.starts_with(prefix))
        && filters.any("name", |prefix| service.name().starts_with(prefix))
        && filters.labels("label", |key| service.spec.labels.get(key))
        && filters.any("mode", |wanted| wanted == mode(service))
        && (if filters.contains("runtime") {
            filters.any("runtime", |wanted| wanted == runtime)
        } else {
            runtime == "container"
        })
}

async fn list(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let query = Query::of(&request);
    let filters = query.filters()?;
    let status = gates::has_service_status(&request) && query.strict_flag("status")?;
    let state = api.node.manager()?.read().await?;
    filters.accept(&["name", "id", "label", "mode", "runtime"])?;
    let shown: Vec<View<'_>> = state
        .services()
        .filter(|service| matches(&filters, service))
        .map(|service| View { service_status: status.then(|| counts(&state, service)), ..view(service) })
        .collect();
    Ok(json(StatusCode::OK, &shown))
}

async fn inspect(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    let insert_defaults = Query::of(&request).strict_flag("insertDefaults")?;
    let state = api.node.manager()?.read().await?;
    let service = state.find_service(&id)?;
    let mut shown = view(&service);
    if insert_defaults {
        shown.spec = std::borrow::Cow::Owned(with_defaults(&service.spec));
    }
    Ok(json(StatusCode::OK, &shown))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    #[serde(rename = "ID")]
    id: String,
    warnings: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Updated {
    warnings: Option<Vec<String>>,
}

/// Reads a service spec; what the client's API version does not have is dropped, as dockerd drops it.
async fn read_spec(request: Request) -> Result<ServiceSpec, ApiError> {
    let version = gates::version(&request);
    let mut spec: ServiceSpec = read_json(request).await?;
    gates::adjust(version, &mut spec);
    Ok(spec)
}

async fn create(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let credential = Credential::of(&registry_auth(&request));
    let pins = gates::pins_images(&request);
    let mut spec = read_spec(request).await?;
    let manager = api.node.manager()?;
    let warnings = if pins { pins::pin(&api.engine, &mut spec, credential.as_ref()).await } else { None };
    match manager.submit(Change::ServiceCreate { spec: Box::new(spec), credential }).await? {
        Answer::Service(id) => Ok(json(StatusCode::CREATED, &Created { id: id.to_string(), warnings })),
        other => Err(unexpected(&other)),
    }
}

async fn update(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    let query = Query::of(&request);
    let auth = registry_auth(&request);
    let pins = gates::pins_images(&request);
    let mut spec = read_spec(request).await?;
    let version = query.version("service")?;
    let manager = api.node.manager()?;
    let state = manager.read().await?;
    // Of several faults the same one is told as by dockerd; the leader looks at all of it again.
    control::converted_service(&state, spec.clone())?;
    let service = state.find_service(&id)?;
    let credential = CredentialFrom::parse(&auth, query.get("registryAuthFrom"))?;
    let known = credential.clone().resolve(&service)?;
    let warnings = if pins { pins::pin(&api.engine, &mut spec, known.as_ref()).await } else { None };
    let rollback = match query.get("rollback") {
        "" | "none" => false,
        "previous" => true,
        other => return Err(Error::internal(format!("unrecognized rollback option {other}")).into()),
    };
    let spec = Box::new(spec);
    manager.submit(Change::ServiceUpdate { id: service.id, spec, version, rollback, credential }).await?;
    Ok(json(StatusCode::OK, &Updated { warnings }))
}

/// The header `X-Registry-Auth`; empty if there is none, or it is no text.
fn registry_auth(request: &Request) -> String {
    let header = request.headers().get("x-registry-auth").and_then(|value| value.to_str().ok());
    header.unwrap_or_default().to_owned()
}

async fn remove(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let manager = api.node.manager()?;
    let id = manager.read().await?.find_service(&id)?.id;
    manager.submit(Change::ServiceRemove { id }).await?;
    Ok(done())
}

/// The leader answered something that this request cannot have: a bug, told as one.
pub(super) fn unexpected(answer: &Answer) -> ApiError {
    Error::new(Kind::Internal, format!("unexpected answer of the leader: {answer:?}")).into()
}
