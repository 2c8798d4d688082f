//! The node's side: what a manager may ask of this node's API, decided call by call.
//!
//! Who asks was checked before, by the certificate of the connection and by whom the cluster names as its managers. Here is
//! checked what is asked: a call of the table, about a container of a task that this node was given. The rest of the API is out of
//! reach, and so is what would give the host away.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use gam_core::container::{LABEL_TASK_ID, is_named_by};
use gam_core::json;
use serde::Deserialize;
use serde_json::Value;

use super::super::{Api, ApiError};
use super::calls::{Subject, is_whole_id, subject};
use super::{Relayed, list};

/// The largest body that says what to run: a command and its environment.
const EXEC_MAX: usize = 1024 * 1024;

/// Lets a manager's call through, or refuses it.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_list = is_list(&request);
    let mut request = match admit(&api, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    request.extensions_mut().insert(Relayed);
    let response = next.run(request).await;
    if is_list { list::without_impostors(&api, response).await.into_response() } else { response }
}

async fn admit(api: &Api, request: Request) -> Result<Request, ApiError> {
    let path = request.uri().path().to_owned();
    match subject(request.method().as_str(), &path) {
        Some(Subject::Container(id, rest)) => {
            if !is_tasks(api, id).await? {
                return Err(missing("container", id));
            }
            if rest == "exec" { unprivileged(request).await } else { Ok(request) }
        }
        Some(Subject::Exec(id)) => {
            let process: Option<Process> = look(api, &format!("/exec/{id}/json"), id).await?;
            match process {
                Some(process) if is_tasks(api, &process.container).await? => Ok(request),
                _ => Err(missing("exec instance", id)),
            }
        }
        None => {
            let request = Some(request).filter(is_list).and_then(list::of_tasks);
            request.ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, "not to be asked of another node"))
        }
    }
}

fn is_list(request: &Request) -> bool {
    request.method() == Method::GET && request.uri().path() == "/containers/json"
}

fn missing(what: &str, id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("No such {what}: {id}"))
}

#[derive(Deserialize)]
struct Process {
    #[serde(rename = "ContainerID")]
    container: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    name: String,
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// Whether a container is one of this node's tasks': its label says which one, and it bears that task's name, which no other
/// container of the host can have.
async fn is_tasks(api: &Api, id: &str) -> Result<bool, ApiError> {
    let container: Option<Container> = look(api, &format!("/containers/{id}/json"), id).await?;
    let Some(container) = container else { return Ok(false) };
    let labels = container.config.labels.unwrap_or_default();
    let task = labels.get(LABEL_TASK_ID).and_then(|task| task.parse().ok());
    let name = task.and_then(|task| api.node.task_name(task));
    Ok(is_named_by(container.name.trim_start_matches('/'), name.as_deref()))
}

/// What dockerd says of a whole id; `None` if it knows none such.
async fn look<T: for<'a> Deserialize<'a>>(api: &Api, path: &str, id: &str) -> Result<Option<T>, ApiError> {
    if !is_whole_id(id) {
        return Ok(None);
    }
    let (status, _, body) = api.proxy.fetch(Method::GET, path, None).await?;
    Ok(serde_json::from_slice(&body).ok().filter(|_: &T| status.is_success()))
}

/// What is to be run, unless it is to have the rights of the host. dockerd gets what was looked at, written anew.
async fn unprivileged(request: Request) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, EXEC_MAX).await.map_err(|error| ApiError::invalid(error.to_string()))?;
    let body = checked(&body)?;
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(TRANSFER_ENCODING);
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn checked(body: &[u8]) -> Result<Bytes, ApiError> {
    let document: Value = json::from_slice(body)?;
    let is_privileged = |(key, value): (&String, &Value)| {
        key.eq_ignore_ascii_case("privileged") && !matches!(value, Value::Bool(false) | Value::Null)
    };
    if document.as_object().is_some_and(|fields| fields.iter().any(is_privileged)) {
        let why =
            "privileged exec is only for containers of the node that is asked: ask the node that has the container";
        return Err(ApiError::new(StatusCode::FORBIDDEN, why));
    }
    Ok(document.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_the_hosts_rights_from_another_node() {
        for body in [r#"{"Cmd":["sh"]}"#, r#"{"Cmd":["sh"],"Privileged":false}"#, r#"{"privileged":null}"#] {
            assert!(checked(body.as_bytes()).is_ok(), "{body}");
        }
        for body in [
            r#"{"Privileged":true}"#,
            r#"{"pRIVILEGED":true,"Privileged":false}"#,
            r#"{"Privileged":false,"Privileged":true}"#,
            r#"{"Privileged":"yes"}"#,
        ] {
            assert_eq!(checked(body.as_bytes()).unwrap_err().status, StatusCode::FORBIDDEN, "{body}");
        }
        for body in ["", "{", "{}{}"] {
            assert_eq!(checked(body.as_bytes()).unwrap_err().status, StatusCode::BAD_REQUEST, "{body}");
        }
    }
}
