//! `/secrets` and `/configs`: listed and looked up; making them is not honoured yet, for no task could use one.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::Value;

use super::query::{Query, json, read_json};
use super::{Api, ApiError};

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/secrets", get(list_secrets))
        .route("/secrets/create", post(create))
        .route("/secrets/{id}", get(find_secret).delete(find_secret))
        .route("/secrets/{id}/update", post(find_secret))
        .route("/configs", get(list_configs))
        .route("/configs/create", post(create))
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

async fn create(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let _: Value = read_json(request).await?;
    api.node.manager()?;
    Err(not_honoured())
}

async fn find_secret(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.node.manager()?.read().await?.find_secret(&id)?;
    Err(not_honoured())
}

async fn find_config(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.node.manager()?.read().await?.find_config(&id)?;
    Err(not_honoured())
}

fn not_honoured() -> ApiError {
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "secrets and configs are not honoured by gam yet")
}
