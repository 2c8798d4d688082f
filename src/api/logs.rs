//! `/services/{id}/logs` and `/tasks/{id}/logs`: the logs of tasks' containers on all nodes, merged in the order of their times
//! ([`merge`]); those that are followed, as they come. (swarmkit merges all as they come.)
//!
//! One that is followed goes on where it stopped when its node was away and is back ([`resume`]).

mod merge;
mod resume;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use gam_core::error::{Code, Error};
use gam_core::model::{NodeId, ServiceId, StringMap, Task, TaskId};
use gam_core::state::State as Cluster;
use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;

use super::named::Named;
use super::query::{Query, go_int};
use super::{Api, ApiError, gates};
use crate::engine::logs::{LogLine, LogOptions, Source, line_time};
use crate::engine::{Engine, Errand};
use crate::manager::Manager;
use merge::{Line, merge};
use resume::Mark;

/// Lines that may wait for a slow client; then the containers' logs are read no further.
const LINES_MAX: usize = 256;
/// The same of each log that waits for its turn among others.
const LINES_EACH: usize = 16;

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

/// Where a log is.
struct Place {
    task: TaskId,
    node: NodeId,
    container: String,
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
        tail: tail(query.get("tail"))?,
        since: since(query.get("since"))?,
    };
    let format = Format { timestamps: query.flag("timestamps"), details: query.flag("details"), tty };
    let (lines, merged) = mpsc::channel(LINES_MAX);
    let reader = Reader { engine: api.engine.clone(), manager: api.node.manager()?, options, format, lines };
    tokio::spawn(reader.run(selector));
    let body = stream::unfold(merged, |mut merged| async {
        let line = merged.recv().await?;
        Some((Ok::<Bytes, Infallible>(line.text), merged))
    });
    let multiplexed = !tty && gates::has_multiplexed_type(request);
    let kind =
        if multiplexed { "application/vnd.docker.multiplexed-stream" } else { "application/vnd.docker.raw-stream" };
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// Seconds since 1970 with a fraction (`moby: daemon/internal/timestamp`, `parseTimestamp`), within the years that
/// swarmkit's messages have (`gogo/protobuf: types.TimestampProto`).
fn since(text: &str) -> Result<OffsetDateTime, Error> {
    let (seconds, nanos) = if text.is_empty() { (0, 0) } else { timestamp(text)? };
    let refuse = |why: &str| {
        let shown = format!("&types.Timestamp{{Seconds: {seconds},\nNanos: {nanos},\n}}");
        Error::internal(format!("could not parse timestamp to proto: timestamp: {shown} {why}"))
    };
    if seconds >= SECONDS.end {
        return Err(refuse("after 10000-01-01"));
    }
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| seconds >= SECONDS.start);
    let time = time.and_then(|time| time.checked_add(time::Duration::nanoseconds(nanos)));
    time.ok_or_else(|| refuse("before 0001-01-01"))
}

/// From the year 1 to the year 9999, in seconds since 1970.
const SECONDS: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

fn timestamp(text: &str) -> Result<(i64, i64), Error> {
    let refuse = |why| Error::internal(format!("could not parse since timestamp: {why}"));
    let Some((seconds, fraction)) = text.split_once('.') else { return Ok((go_int(text).map_err(refuse)?, 0)) };
    let (seconds, number) = (go_int(seconds).map_err(refuse)?, go_int(fraction).map_err(refuse)?);
    // As many digits as there are, of nine.
    let digits = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    Ok((seconds, (number as f64 * 10_f64.powi(9_i32.saturating_sub(digits))) as i64))
}

/// `all`, or how many lines.
fn tail(text: &str) -> Result<String, Error> {
    match go_int(text) {
        _ if matches!(text, "" | "all") => Ok("all".into()),
        Ok(lines) if lines < 0 => Err(Error::internal("negative tail values not supported")),
        Ok(lines) => Ok(lines.to_string()),
        Err(_) => Err(Error::internal("tail value must be a positive integer or \"all\"")),
    }
}

#[derive(Clone)]
struct Reader {
    engine: Engine,
    manager: Manager,
    options: LogOptions,
    format: Format,
    lines: mpsc::Sender<Line>,
}

impl Reader {
    /// Reads every container of the selection; if followed, also those that come later, until the client goes.
    async fn run(self, selector: Selector) {
        if self.options.follow { self.follow(selector).await } else { self.read_all(selector).await }
    }

    async fn follow(&self, selector: Selector) {
        let mut applied = self.manager.subscribe();
        let mut seen = BTreeSet::new();
        let mut reading = JoinSet::new();
        loop {
            for (place, attributes) in places(&self.manager.state(), selector, &mut seen) {
                reading.spawn(self.clone().read(place, attributes));
            }
            tokio::select! {
                next = applied.recv() => if matches!(next, Err(broadcast::error::RecvError::Closed)) { return },
                Some(_) = reading.join_next() => {}
                () = self.lines.closed() => return,
            }
        }
    }

    async fn read_all(&self, selector: Selector) {
        let mut reading = JoinSet::new();
        let mut sources = Vec::new();
        for (place, attributes) in places(&self.manager.state(), selector, &mut BTreeSet::new()) {
            let (lines, source) = mpsc::channel(LINES_EACH);
            reading.spawn(Reader { lines, ..self.clone() }.read(place, attributes));
            sources.push(source);
        }
        tokio::select! {
            () = merge(sources, &self.lines) => {}
            () = self.lines.closed() => return,
        }
        let mut missing = BTreeSet::new();
        while let Some(read) = reading.join_next().await {
            missing.extend(read.ok().and_then(Result::err).map(|error| error.message));
        }
        if !missing.is_empty() {
            // Nobody is told if the client has gone.
            let _ = self.lines.send(Line { time: Bytes::new(), text: incomplete(&missing, self.format) }).await;
        }
    }

    /// Hands on the log of one container. An error says why its node could not be asked.
    async fn read(self, place: Place, attributes: Bytes) -> Result<(), Error> {
        if place.node != self.manager.node_id() {
            if self.options.follow {
                self.follow_elsewhere(&place, &attributes).await;
                return Ok(());
            }
            return self.read_elsewhere(&place, &attributes, &mut Mark::default()).await;
        }
        match self.engine.logs(&place.container, &self.options) {
            Ok(log) => self.copy(log, &attributes, &mut Mark::default()).await,
            Err(error) => tracing::debug!(container = place.container, %error, "cannot read a log"),
        }
        Ok(())
    }

    /// Hands on what comes behind the mark.
    async fn read_elsewhere(&self, place: &Place, attributes: &[u8], mark: &mut Mark) -> Result<(), Error> {
        let errand = Errand::Logs { container: place.container.clone(), options: mark.rewound(&self.options) };
        let pieces = self.manager.ask_node(place.node, errand.encode().map_err(Error::internal)?).await?;
        let lines = stream::unfold(pieces, |mut pieces| async {
            let lines = LogLine::decode_all(pieces.recv().await?);
            Some((stream::iter(lines.into_iter().map(Ok::<_, Infallible>)), pieces))
        });
        self.copy(lines.flatten(), attributes, mark).await;
        Ok(())
    }

    async fn copy<E: std::fmt::Display>(
        &self,
        log: impl Stream<Item = Result<LogLine, E>>,
        attributes: &[u8],
        mark: &mut Mark,
    ) {
        let mut log = std::pin::pin!(log);
        loop {
            let line = tokio::select! {
                line = log.next() => line,
                () = self.lines.closed() => return,
            };
            let line = match line {
                Some(Ok(line)) => line,
                // A container that was removed meanwhile has no log any more; the others go on.
                Some(Err(error)) => return tracing::debug!(%error, "stopped reading a log"),
                None => return,
            };
            if !mark.is_new(&line) {
                continue;
            }
            let text = render(&line, attributes, self.format);
            if self.lines.send(Line { time: line.time.clone(), text }).await.is_err() {
                return;
            }
            mark.put_behind(&line);
        }
    }
}

/// The logs of the selection that are not among those seen, with what `details` says of each.
fn places(state: &Cluster, selector: Selector, seen: &mut BTreeSet<String>) -> Vec<(Place, Bytes)> {
    let tasks: Vec<_> = match selector {
        Selector::Service(service) => state.tasks_of_service(service).cloned().collect(),
        Selector::Task(task) => state.task(task).cloned().into_iter().collect(),
    };
    let place = |task: &Arc<Task>| {
        let container = task.status.container.as_ref().filter(|container| !container.id.is_empty())?;
        let place = Place { task: task.id, node: task.node?, container: container.id.clone() };
        seen.insert(container.id.clone()).then(|| (place, attributes(task)))
    };
    tasks.iter().filter_map(place).collect()
}

/// What is said at the end of a log that lacks the lines of some nodes (`swarmkit: manager/logbroker/subscription.go`; `moby:
/// httputils.WriteLogStream`).
fn incomplete(reasons: &BTreeSet<String>, format: Format) -> Bytes {
    let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
    let warning = "warning: incomplete log stream. some logs could not be retrieved for the following reasons: ";
    let error = Error::rpc(Code::Unknown, format!("{warning}{}", reasons.join(", ")));
    let text = format!("Error grabbing logs: {}\n", error.message);
    if format.tty { text.into() } else { frame(SYSTEM, text.as_bytes()) }
}

/// What is said among the lines that are followed, of a task whose node cannot be asked: the stream goes on without it. (Docker's
/// stream says nothing. A frame of dockerd's own errors would end it at the client.)
fn absent(error: &Error) -> LogLine {
    let text = format!("warning: incomplete log stream: {}\n", error.message);
    LogLine { source: Source::Stderr, time: line_time(OffsetDateTime::now_utc()).into(), text: text.into() }
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
    frame(stream, &text)
}

/// The stream of dockerd's own errors (`moby: stdcopy.Systemerr`).
const SYSTEM: u8 = 3;

fn frame(stream: u8, text: &[u8]) -> Bytes {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&length);
    frame.extend_from_slice(text);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from dockerd 28.5.2.
    #[test]
    fn since_is_read_as_dockerd_does() {
        let read = |text| since(text).map(|time| time.unix_timestamp_nanos()).map_err(|error| error.message);
        for (text, nanos) in [
            ("", 0),
            ("0", 0),
            ("-5", -5_000_000_000),
            ("+5", 5_000_000_000),
            ("1.5", 1_500_000_000),
            ("1.000000005", 1_000_000_005),
            ("1.9999999999", 1_999_999_999),
            ("4070908800.000000000", 4_070_908_800_000_000_000),
            ("253402300799", 253_402_300_799_000_000_000),
            ("-62135596800", -62_135_596_800_000_000_000),
        ] {
            assert_eq!(read(text), Ok(nanos), "{text}");
        }
        let go = |text: &str, why: &str| {
            Err(format!("could not parse since timestamp: strconv.ParseInt: parsing \"{text}\": {why}"))
        };
        assert_eq!(read("2099-01-01T00:00:00"), go("2099-01-01T00:00:00", "invalid syntax"));
        assert_eq!(read("1.x"), go("x", "invalid syntax"));
        assert_eq!(read("1."), go("", "invalid syntax"));
        assert_eq!(read(".5"), go("", "invalid syntax"));
        assert_eq!(read("99999999999999999999"), go("99999999999999999999", "value out of range"));
        let proto = |seconds: &str, why: &str| {
            let shown = format!("&types.Timestamp{{Seconds: {seconds},\nNanos: 0,\n}}");
            Err(format!("could not parse timestamp to proto: timestamp: {shown} {why}"))
        };
        assert_eq!(read("253402300800"), proto("253402300800", "after 10000-01-01"));
        assert_eq!(read("9223372036854775807"), proto("9223372036854775807", "after 10000-01-01"));
        assert_eq!(read("-62135596801"), proto("-62135596801", "before 0001-01-01"));
    }

    #[test]
    fn tail_is_read_as_dockerd_does() {
        let read = |text| tail(text).map_err(|error| error.message);
        for (text, lines) in [("", "all"), ("all", "all"), ("0", "0"), ("+5", "5"), ("3000000000", "3000000000")] {
            assert_eq!(read(text), Ok(lines.into()));
        }
        assert_eq!(read("-5"), Err("negative tail values not supported".into()));
        for text in ["ALL", "5.5", "abc", "99999999999999999999"] {
            assert_eq!(read(text), Err("tail value must be a positive integer or \"all\"".into()));
        }
    }

    #[test]
    fn who_follows_is_told_of_a_node_that_is_down_by_a_line() {
        let line = absent(&Error::unavailable("node a is not available"));
        let format = Format { timestamps: false, details: true, tty: false };
        let told = render(&line, b"x=1", format);
        assert_eq!(told[..4], [2, 0, 0, 0]);
        assert_eq!(told[8..], b"x=1 warning: incomplete log stream: node a is not available\n"[..]);
        let moment = OffsetDateTime::from_unix_timestamp_nanos(1_764_000_000_000_000_007).unwrap();
        assert_eq!(line_time(moment), "2025-11-24T16:00:00.000000007Z");
    }

    #[test]
    fn says_whose_lines_are_missing() {
        let reasons = ["node b is not available", "node a is not available"].map(str::to_owned).into();
        let format = Format { timestamps: false, details: false, tty: true };
        let text = "Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could not \
                    be retrieved for the following reasons: node a is not available, node b is not available\n";
        assert_eq!(incomplete(&reasons, format), text);
        assert_eq!(incomplete(&reasons, Format { tty: false, ..format })[..8], [3, 0, 0, 0, 0, 0, 0, text.len() as u8]);
    }

    #[test]
    fn frames_lines_as_dockerd_does() {
        let line = LogLine { source: Source::Stderr, time: "T".into(), text: "hi\n".into() };
        let format = Format { timestamps: true, details: true, tty: false };
        assert_eq!(&render(&line, b"a=b", format)[..], b"\x02\0\0\0\0\0\0\x09T a=b hi\n");
        assert_eq!(&render(&line, b"a=b", Format { timestamps: false, details: false, tty: true })[..], b"hi\n");
    }
}
