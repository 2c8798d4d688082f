//! `/secrets` and `/configs`: listed and looked up; making them is not honoured yet, for no task could use one.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use gam_core::error::{Code, Error};
use gam_core::model::{ConfigSpec, SecretSpec};
use serde_json::Value;

use super::named::Named;
use super::query::{Query, json, read_json};
use super::{Api, ApiError};

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/secrets", get(list_secrets))
        .route("/secrets/create", post(create_secret).get(find_secret))
        .route("/secrets/{id}", get(find_secret).delete(find_secret))
        .route("/secrets/{id}/update", post(find_secret))
        .route("/configs", get(list_configs))
        .route("/configs/create", post(create_config).get(find_config))
        .route("/configs/{id}", get(find_config).delete(find_config))
        .route("/configs/{id}/update", post(find_config))
}

/// Nothing can be made, so nothing can be listed; but wrong filters are refused all the same.
async fn list(api: Api, request: Request, accepted: &[&str]) -> Result<Response, ApiError> {
    let filters = Query::of(&request).filters()?;
    api.node.manager()?.read().await?;
    filters.accept(accepted)?;
    Ok(json(StatusCode::OK, &Vec::<Value>::new()))
}

async fn list_secrets(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    list(api, request, &["names", "name", "id", "label"]).await
}

async fn list_configs(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    list(api, request, &["name", "id", "label"]).await
}

async fn create_secret(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let spec: SecretSpec = read_json(request).await?;
    refuse_create(&api, &spec.name)
}

async fn create_config(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let spec: ConfigSpec = read_json(request).await?;
    refuse_create(&api, &spec.name)
}

/// What Docker would refuse is refused in Docker's words, what it would take in ours.
fn refuse_create(api: &Api, name: &str) -> Result<Response, ApiError> {
    api.node.manager()?;
    if name.is_empty() {
        return Err(Error::rpc(Code::InvalidArgument, "name must be provided").into());
    }
    Err(not_honoured())
}

async fn find_secret(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    api.node.manager()?.read().await?.find_secret(&id)?;
    Err(not_honoured())
}

async fn find_config(State(api): State<Api>, Named(id): Named) -> Result<Response, ApiError> {
    api.node.manager()?.read().await?.find_config(&id)?;
    Err(not_honoured())
}

fn not_honoured() -> ApiError {
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "secrets and configs are not honoured by gam yet")
}
