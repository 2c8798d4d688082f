//! `/events`: dockerd's events and the swarm's in one stream.
//!
//! dockerd's lines pass as they are, whole lines at a time, but for those of networks that back swarm networks; the
//! swarm's are put between them. The stream ends when dockerd's does (`until`), or when the client goes.

mod backings;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use gam_core::model::Timestamp;
use gam_core::state::Event;
use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, mpsc};

use super::containers::list;
use super::filters::Filters;
use super::query::Query;
use super::{Api, ApiError};
use crate::manager::now;
use crate::network::Networks;

/// Pieces of the stream that may wait for a slow client.
const PIECES_MAX: usize = 64;
/// The longest line of dockerd's that is held back until it is whole; a longer one is passed in pieces.
const LINE_MAX: usize = 1024 * 1024;

/// The routes of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/events", get(events))
}

/// Which of the swarm's events a client wants.
struct Wanted {
    filters: Filters,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    fn of(query: &Query) -> Result<Wanted, ApiError> {
        Ok(Wanted { filters: query.filters()?, since: instant(query.get("since")), until: instant(query.get("until")) })
    }

    /// `moby: daemon/events.Filter.Include`, for the types that the swarm has.
    fn takes(&self, event: &Event) -> bool {
        let kind = event.kind.as_str();
        let attribute = |key: &str| event.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let named = |key: &str| {
            self.filters.any(key, |prefix| {
                event.id.starts_with(prefix) || attribute("name").is_some_and(|name| name.starts_with(prefix))
            })
        };
        let about = ["daemon", "container", "plugin", "volume", "network", "service", "node", "secret", "config"];
        self.filters.any("type", |wanted| wanted == kind)
            && self.filters.any("event", |wanted| wanted == event.action)
            && self.filters.any("scope", |wanted| wanted == "swarm")
            && self.filters.get("image").is_empty()
            && about.iter().all(|key| named(key))
            && self.filters.labels("label", attribute)
            && self.until.is_none_or(|until| shown_time(event) <= until)
    }
}

/// When an event was, by this host's clock: the swarm's time can be ahead of it.
fn shown_time(event: &Event) -> Timestamp {
    event.at.min(now())
}

/// A point in time as dockerd's API takes it: seconds since 1970 with an optional fraction.
fn instant(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = format!("{fraction:0<9}");
    let nanos = fraction.get(..9)?.parse::<i64>().ok()?;
    Some(Timestamp(seconds.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// One event as dockerd writes it.
fn line(event: &Event) -> Bytes {
    let attributes: Map<String, Value> =
        event.attributes.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let document = json!({
        "Type": event.kind.as_str(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": attributes },
        "scope": "swarm",
        "time": shown_time(event).0.div_euclid(1_000_000_000),
        "timeNano": shown_time(event).0,
    });
    Bytes::from(format!("{document}\n"))
}

async fn events(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let wanted = Wanted::of(&Query::of(&request))?;
    let (kept, stream) = api.node.events().subscribe();
    let response = api.proxy.open(list::with_backings(&api, request).await).await?;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Ok(Response::from_parts(head, Body::new(body)));
    }
    let kept: Vec<Bytes> = match wanted.since {
        Some(since) => kept
            .iter()
            .filter(|event| shown_time(event) >= since && wanted.takes(event))
            .map(|event| line(event))
            .collect(),
        None => Vec::new(),
    };
    let (pieces, merged) = mpsc::channel(PIECES_MAX);
    let engine = body.into_data_stream().map(|piece| piece.map_err(|error| error.to_string()));
    tokio::spawn(merge(kept, stream, wanted, engine, api.networks.clone(), pieces));
    let merged = stream::unfold(merged, |mut merged| async {
        let piece = merged.recv().await?;
        Some((Ok::<Bytes, Infallible>(piece), merged))
    });
    Ok(Response::from_parts(head, Body::from_stream(merged)))
}

/// Sends pieces until dockerd's stream ends or the client goes; dropping the sender ends the answer.
async fn merge(
    kept: Vec<Bytes>,
    mut stream: broadcast::Receiver<Arc<Event>>,
    wanted: Wanted,
    engine: impl Stream<Item = Result<Bytes, String>>,
    networks: Networks,
    pieces: mpsc::Sender<Bytes>,
) {
    for event in kept {
        if pieces.send(event).await.is_err() {
            return;
        }
    }
    let mut engine = std::pin::pin!(engine);
    let mut partial = Vec::new();
    loop {
        let piece = tokio::select! {
            piece = engine.next() => match piece {
                Some(Ok(piece)) => match whole_lines(&mut partial, &piece) {
                    Some(lines) => backings::translate(&networks, lines).await,
                    None => continue,
                },
                Some(Err(_)) | None => return,
            },
            event = stream.recv() => match event {
                Ok(event) if wanted.takes(&event) => line(&event),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = pieces.closed() => return,
        };
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// What of `partial` and `piece` together are whole lines; the rest stays in `partial`.
fn whole_lines(partial: &mut Vec<u8>, piece: &[u8]) -> Option<Bytes> {
    partial.extend_from_slice(piece);
    let end = partial.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let end = end.or((partial.len() > LINE_MAX).then_some(partial.len()))?;
    let rest = partial.split_off(end);
    Some(std::mem::replace(partial, rest).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::state::EventKind;

    fn event() -> Event {
        Event {
            kind: EventKind::Service,
            action: "update",
            id: "abc".into(),
            attributes: vec![("name".into(), "web".into()), ("replicas.new".into(), "3".into())],
            at: Timestamp(1_500_000_000),
        }
    }

    #[test]
    fn writes_an_event_as_dockerd_does() {
        assert_eq!(
            line(&event()),
            "{\"Type\":\"service\",\"Action\":\"update\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":{\"name\":\"web\",\
             \"replicas.new\":\"3\"}},\"scope\":\"swarm\",\"time\":1,\"timeNano\":1500000000}\n"
        );
    }

    #[test]
    fn filters_as_dockerd_does() {
        let takes = |filters: &str| {
            let filters = Filters::parse(Some(filters)).unwrap();
            Wanted { filters, since: None, until: None }.takes(&event())
        };
        for yes in [
            "{}",
            r#"{"type":["service"]}"#,
            r#"{"service":["we"]}"#,
            r#"{"scope":["swarm"]}"#,
            r#"{"label":["name=web"]}"#,
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in
            [r#"{"type":["node"]}"#, r#"{"container":["x"]}"#, r#"{"event":["create"]}"#, r#"{"scope":["local"]}"#]
        {
            assert!(!takes(no), "{no}");
        }
    }

    #[test]
    fn holds_back_a_line_until_it_is_whole() {
        let mut partial = Vec::new();
        assert_eq!(whole_lines(&mut partial, b"{\"a\""), None);
        assert_eq!(whole_lines(&mut partial, b":1}\n{").unwrap(), "{\"a\":1}\n");
        assert_eq!(partial, b"{");
    }

    #[test]
    fn reads_instants_with_fractions() {
        assert_eq!(instant("12.5"), Some(Timestamp(12_500_000_000)));
        assert_eq!(instant("12"), Some(Timestamp(12_000_000_000)));
        assert_eq!(instant(""), None);
    }
}
