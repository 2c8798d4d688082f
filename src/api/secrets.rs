//! `/secrets` and `/configs`: what tasks find as files. The value of a secret is in no answer; that of a config is.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gam_core::control::{Request as Change, Response as Answer};
use gam_core::model::{Config, ConfigSpec, Meta, Payload, Secret, SecretSpec, StringMap, Timestamp};
use serde::Serialize;

use super::filters::Filters;
use super::named::Named;
use super::query::{Query, done, json, read_json};
use super::services::unexpected;
use super::swarm::Version;
use super::{Api, ApiError};

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/secrets", get(list_secrets))
        .route("/secrets/create", post(create_secret).get(find_secret).delete(remove_secret))
        .route("/secrets/{id}", get(find_secret).delete(remove_secret))
        .route("/secrets/{id}/update", post(update_secret))
        .route("/configs", get(list_configs))
        .route("/configs/create", post(create_config).get(find_config).delete(remove_config))
        .route("/configs/{id}", get(find_config).delete(remove_config))
        .route("/configs/{id}/update", post(update_config))
}

/// A secret or a config as Docker shows it (`moby: swarm.Secret`, `swarm.Config`).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct View<S> {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: S,
}

impl<S> View<S> {
    fn new(id: impl ToString, meta: &Meta, spec: S) -> View<S> {
        View {
            id: id.to_string(),
            version: Version { index: meta.version },
            created_at: meta.created_at,
            updated_at: meta.updated_at,
            spec,
        }
    }
}

/// Of a secret everything but its value.
fn secret_view(secret: &Secret) -> View<SecretSpec> {
    let SecretSpec { name, labels, data: _, driver, templating } = &secret.spec;
    let (name, labels, data) = (name.clone(), labels.clone(), Payload::default());
    let spec = SecretSpec { name, labels, data, driver: driver.clone(), templating: templating.clone() };
    View::new(secret.id, &secret.meta, spec)
}

fn config_view(config: &Config) -> View<&ConfigSpec> {
    View::new(config.id, &config.meta, &config.spec)
}

#[derive(Serialize)]
struct Created {
    #[serde(rename = "ID")]
    id: String,
}

fn created(id: impl ToString) -> Response {
    json(StatusCode::CREATED, &Created { id: id.to_string() })
}

fn matches(filters: &Filters, id: &str, name: &str, labels: &StringMap) -> bool {
    filters.any("names", |wanted| name == wanted)
        && filters.any("name", |prefix| name.starts_with(prefix))
        && filters.any("id", |prefix| id.starts_with(prefix))
        && filters.labels("label", |key| labels.get(key))
}

/// The version that an update was made from; of a wrong one Docker says no more here.
fn version(query: &Query, kind: &str) -> Result<u64, ApiError> {
    query.version(kind).map_err(|_| ApiError::invalid(format!("invalid {kind} version")))
}

async fn list_secrets(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let filters = Query::of(&request).filters()?;
    let state = api.node.manager()?.read().await?;
    filters.accept(&["names", "name", "id", "label"])?;
    let is_wanted =
        |secret: &&Arc<Secret>| matches(&filters, &secret.id.to_string(), &secret.spec.name, &secret.spec.labels);
    let shown: Vec<_> = state.secrets().filter(is_wanted).map(|secret| secret_view(secret)).collect();
    Ok(json(StatusCode::OK, &shown))
}

async fn find_secret(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let secret = api.node.manager()?.read().await?.find_secret(&id)?;
    Ok(json(StatusCode::OK, &secret_view(&secret)))
}

async fn create_secret(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let spec: SecretSpec = read_json(request).await?;
    match api.node.manager()?.submit(Change::SecretCreate { spec: Box::new(spec) }).await? {
        Answer::Secret(id) => Ok(created(id)),
        other => Err(unexpected(&other)),
    }
}

async fn update_secret(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    let query = Query::of(&request);
    let spec: SecretSpec = read_json(request).await?;
    let version = version(&query, "secret")?;
    let manager = api.node.manager()?;
    let id = manager.read().await?.find_secret(&id)?.id;
    manager.submit(Change::SecretUpdate { id, spec: Box::new(spec), version }).await?;
    Ok(done())
}

async fn remove_secret(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let manager = api.node.manager()?;
    let id = manager.read().await?.find_secret(&id)?.id;
    manager.submit(Change::SecretRemove { id }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_configs(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let filters = Query::of(&request).filters()?;
    let state = api.node.manager()?.read().await?;
    filters.accept(&["name", "id", "label"])?;
    let is_wanted =
        |config: &&Arc<Config>| matches(&filters, &config.id.to_string(), &config.spec.name, &config.spec.labels);
    let shown: Vec<_> = state.configs().filter(is_wanted).map(|config| config_view(config)).collect();
    Ok(json(StatusCode::OK, &shown))
}

async fn find_config(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let config = api.node.manager()?.read().await?.find_config(&id)?;
    Ok(json(StatusCode::OK, &config_view(&config)))
}

async fn create_config(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let spec: ConfigSpec = read_json(request).await?;
    match api.node.manager()?.submit(Change::ConfigCreate { spec: Box::new(spec) }).await? {
        Answer::Config(id) => Ok(created(id)),
        other => Err(unexpected(&other)),
    }
}

async fn update_config(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    let query = Query::of(&request);
    let spec: ConfigSpec = read_json(request).await?;
    let version = version(&query, "config")?;
    let manager = api.node.manager()?;
    let id = manager.read().await?.find_config(&id)?.id;
    manager.submit(Change::ConfigUpdate { id, spec: Box::new(spec), version }).await?;
    Ok(done())
}

async fn remove_config(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    let manager = api.node.manager()?;
    let id = manager.read().await?.find_config(&id)?.id;
    manager.submit(Change::ConfigRemove { id }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_secret_is_not_shown_and_that_of_a_config_is() {
        let data = Payload::from(b"hi".as_slice());
        let spec = SecretSpec { name: "s".into(), data: data.clone(), ..SecretSpec::default() };
        let secret = Secret { id: 1.into(), meta: Meta::default(), spec };
        let shown = serde_json::to_value(secret_view(&secret)).unwrap();
        assert_eq!(shown["Spec"], serde_json::json!({ "Name": "s", "Labels": {} }));
        let spec = ConfigSpec { name: "c".into(), data, ..ConfigSpec::default() };
        let config = Config { id: 1.into(), meta: Meta::default(), spec };
        assert_eq!(serde_json::to_value(config_view(&config)).unwrap()["Spec"]["Data"], "aGk=");
    }
}
