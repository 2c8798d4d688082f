//! `/services/{id}/logs` and `/tasks/{id}/logs`: the logs of tasks' containers, merged as they come.

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use gam_core::error::Error;
use gam_core::model::{ServiceId, StringMap, Task, TaskId};
use gam_core::state::State as Cluster;
use tokio::sync::{broadcast, mpsc};

use super::named::Named;
use super::query::Query;
use super::{Api, ApiError, gates};
use crate::engine::logs::{LogLine, LogOptions, Source};
use crate::engine::{Engine, EngineError};
use crate::manager::Manager;

/// Lines that may wait for a slow client; then the containers' logs are read no further.
const LINES_MAX: usize = 256;

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/services/{id}/logs", get(service)).route("/tasks/{id}/logs", get(task))
}

/// Whose logs.
#[derive(Clone, Copy)]
enum Selector {
    Service(ServiceId),
    Task(TaskId),
}

impl Selector {
    fn takes(self, task: &Task) -> bool {
        match self {
            Selector::Service(service) => task.service == Some(service),
            Selector::Task(id) => task.id == id,
        }
    }
}

/// How lines are written.
#[derive(Clone, Copy)]
struct Format {
    timestamps: bool,
    details: bool,
    tty: bool,
}

async fn service(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    check_streams(&request)?;
    let state = api.node.manager()?.read().await?;
    let service = state.find_service(&id)?;
    let tty = service.spec.task_template.container_spec.as_ref().is_some_and(|container| container.tty);
    logs(&api, Selector::Service(service.id), tty, &request)
}

async fn task(State(api): State<Api>, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    check_streams(&request)?;
    let state = api.node.manager()?.read().await?;
    let task = state.find_task(&id)?;
    let tty = task.spec().container_spec.as_ref().is_some_and(|container| container.tty);
    logs(&api, Selector::Task(task.id), tty, &request)
}

/// dockerd looks at the parameters before anything else.
fn check_streams(request: &Request) -> Result<(), ApiError> {
    let query = Query::of(request);
    if query.flag("stdout") || query.flag("stderr") {
        return Ok(());
    }
    Err(Error::internal("Bad parameters: you must choose at least one stream").into())
}

fn logs(api: &Api, selector: Selector, tty: bool, request: &Request) -> Result<Response, ApiError> {
    let query = Query::of(request);
    let options = LogOptions {
        follow: query.flag("follow"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        since: since(query.get("since"))?,
        tail: tail(query.get("tail"))?,
    };
    let format = Format { timestamps: query.flag("timestamps"), details: query.flag("details"), tty };
    let (lines, merged) = mpsc::channel(LINES_MAX);
    let reader = Reader { engine: api.engine.clone(), manager: api.node.manager()?, options, format, lines };
    tokio::spawn(reader.run(selector));
    let body = stream::unfold(merged, |mut merged| async {
        let line = merged.recv().await?;
        Some((Ok::<Bytes, Infallible>(line), merged))
    });
    let multiplexed = !tty && gates::has_multiplexed_type(request);
    let kind =
        if multiplexed { "application/vnd.docker.multiplexed-stream" } else { "application/vnd.docker.raw-stream" };
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// Whole seconds since 1970; a fraction is cut off.
fn since(text: &str) -> Result<i32, Error> {
    let seconds = text.split('.').next().unwrap_or_default();
    if seconds.is_empty() {
        return Ok(0);
    }
    let refuse = |_| {
        let go = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
        Error::internal(format!("could not parse since timestamp: {go}"))
    };
    seconds.parse().map_err(refuse)
}

/// `all`, or how many lines.
fn tail(text: &str) -> Result<String, Error> {
    match text {
        "" | "all" => Ok("all".into()),
        _ if text.parse::<u32>().is_ok() => Ok(text.into()),
        _ => Err(Error::internal("tail value must be a positive integer or \"all\"")),
    }
}

#[derive(Clone)]
struct Reader {
    engine: Engine,
    manager: Manager,
    options: LogOptions,
    format: Format,
    lines: mpsc::Sender<Bytes>,
}

impl Reader {
    /// Reads every container of the selection; if followed, also those that come later, until the client goes.
    async fn run(self, selector: Selector) {
        let mut applied = self.manager.subscribe();
        let mut seen = BTreeSet::new();
        loop {
            self.start_new(&self.manager.state(), selector, &mut seen);
            if !self.options.follow {
                return;
            }
            tokio::select! {
                next = applied.recv() => if matches!(next, Err(broadcast::error::RecvError::Closed)) { return },
                () = self.lines.closed() => return,
            }
        }
    }

    fn start_new(&self, state: &Cluster, selector: Selector, seen: &mut BTreeSet<String>) {
        let own = self.manager.node_id();
        let tasks: Vec<_> = match selector {
            Selector::Service(service) => state.tasks_of_service(service).cloned().collect(),
            Selector::Task(task) => state.task(task).cloned().into_iter().collect(),
        };
        for task in tasks.iter().filter(|task| task.node == Some(own) && selector.takes(task)) {
            let Some(container) = task.status.container.as_ref().filter(|container| !container.id.is_empty()) else {
                continue;
            };
            if seen.insert(container.id.clone()) {
                let attributes = attributes(task);
                tokio::spawn(self.clone().read(container.id.clone(), attributes));
            }
        }
    }

    /// Hands on the log of one container.
    async fn read(self, container: String, attributes: Bytes) {
        if let Err(error) = self.copy(&container, &attributes).await {
            // A container that was removed meanwhile has no log any more; the others go on.
            tracing::debug!(%container, %error, "stopped reading a log");
        }
    }

    async fn copy(&self, container: &str, attributes: &[u8]) -> Result<(), EngineError> {
        let mut log = std::pin::pin!(self.engine.logs(container, &self.options)?);
        loop {
            let line = tokio::select! {
                line = log.next() => line,
                () = self.lines.closed() => return Ok(()),
            };
            let Some(line) = line.transpose()? else { return Ok(()) };
            if self.lines.send(render(&line, attributes, self.format)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// What `details` adds to each line: where it comes from, as the CLI expects it (`moby: httputils.WriteLogStream`).
fn attributes(task: &Task) -> Bytes {
    let mut attributes = StringMap::new();
    attributes.insert("com.docker.swarm.node.id".into(), task.node.map(|id| id.to_string()).unwrap_or_default());
    attributes.insert("com.docker.swarm.service.id".into(), task.service.map(|id| id.to_string()).unwrap_or_default());
    attributes.insert("com.docker.swarm.task.id".into(), task.id.to_string());
    let pairs: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Bytes::from(pairs.join(","))
}

/// One line as it goes over the wire: with a frame's head of 8 bytes unless the container has a terminal.
fn render(line: &LogLine, attributes: &[u8], format: Format) -> Bytes {
    let mut text = Vec::with_capacity(line.text.len() + attributes.len() + 48);
    if format.timestamps {
        text.extend_from_slice(&line.time);
        text.push(b' ');
    }
    if format.details {
        text.extend_from_slice(attributes);
        text.push(b' ');
    }
    text.extend_from_slice(&line.text);
    if format.tty {
        return text.into();
    }
    let stream = match line.source {
        Source::Stdout => 1,
        Source::Stderr => 2,
    };
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&text);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_lines_as_dockerd_does() {
        let line = LogLine { source: Source::Stderr, time: "T".into(), text: "hi\n".into() };
        let format = Format { timestamps: true, details: true, tty: false };
        assert_eq!(&render(&line, b"a=b", format)[..], b"\x02\0\0\0\0\0\0\x09T a=b hi\n");
        assert_eq!(&render(&line, b"a=b", Format { timestamps: false, details: false, tty: true })[..], b"hi\n");
    }
}
