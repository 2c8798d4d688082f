//! API versions: the `/vX.Y` in front of a path, what Gam serves, and the headers that dockerd puts on its answers.
//!
//! [`strip`] runs before routing and takes the prefix off, so that a route is written once; the original stays with
//! the request for the proxy. [`native`] is the layer of the routes that Gam answers itself: it refuses the versions
//! that dockerd refuses, in dockerd's words, and dresses the answer as dockerd does. [`lift`] serves clients that are
//! older than a new engine's minimum. What the engine can do comes from [`super::proxy`]; nothing is asked here.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, SERVER};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::ApiError;
use super::proxy::{Proxied, Proxy};

/// A version of the Docker API. As a request extension of a native route: the version that this request speaks, the
/// engine's newest if its path names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u64,
    minor: u64,
    /// Whether anything above zero follows; dockerd compares such versions too, and finds them newer.
    more: bool,
}

impl ApiVersion {
    /// The oldest that Gam serves, as dockerd 28 does; clients older than this expect errors as plain text.
    pub const OLDEST: ApiVersion = ApiVersion::new(1, 24);
    /// The newest that Gam was made for; assumed to be the engine's while no engine has ever answered.
    pub const NEWEST: ApiVersion = ApiVersion::new(1, 51);

    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u64, minor: u64) -> ApiVersion {
        ApiVersion { major, minor, more: false }
    }

    /// Whether this is `major.minor` or newer.
    #[must_use]
    pub fn at_least(self, major: u64, minor: u64) -> bool {
        self >= ApiVersion::new(major, minor)
    }

    /// Takes digits and dots as dockerd does: a part that is empty counts as zero, one that is too large as the
    /// largest number (`moby: versions.compare`, whose `Atoi` errors are ignored).
    fn of_digits(text: &str) -> ApiVersion {
        let mut parts = text.split('.').map(|part| {
            part.bytes().fold(0_u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
        });
        let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        ApiVersion { major, minor, more: parts.any(|part| part > 0) }
    }
}

/// A text that is not an API version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API version: digits and dots are")]
pub struct NotAVersion;

impl FromStr for ApiVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<ApiVersion, NotAVersion> {
        let valid = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if valid { Ok(ApiVersion::of_digits(text)) } else { Err(NotAVersion) }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What an engine says about itself in `GET /version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// The engine's own version, for example `28.5.2`; empty while no engine has ever answered.
    pub version: String,
    /// The newest API that it speaks.
    pub api: ApiVersion,
    /// The oldest.
    pub min_api: ApiVersion,
    /// Whether it runs with experimental features.
    pub experimental: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionAnswer {
    version: String,
    api_version: String,
    #[serde(rename = "MinAPIVersion", default)]
    min_api_version: String,
    #[serde(default)]
    experimental: bool,
}

impl EngineVersion {
    /// Reads the answer to `GET /version`; `None` if it is none.
    #[must_use]
    pub fn from_answer(body: &[u8]) -> Option<EngineVersion> {
        let answer: VersionAnswer = serde_json::from_slice(body).ok()?;
        Some(EngineVersion {
            version: answer.version,
            api: answer.api_version.parse().ok()?,
            min_api: answer.min_api_version.parse().unwrap_or(ApiVersion::OLDEST),
            experimental: answer.experimental,
        })
    }

    /// What is assumed while no engine has ever answered: the control plane works without one.
    #[must_use]
    pub fn assumed() -> EngineVersion {
        EngineVersion {
            version: String::new(),
            api: ApiVersion::NEWEST,
            min_api: ApiVersion::OLDEST,
            experimental: false,
        }
    }

    /// The value of the `Server` header.
    pub(super) fn server(&self) -> String {
        format!("Docker/{} (linux)", self.version)
    }
}

/// Request extension: the URI as it came, when [`strip`] changed it.
#[derive(Debug, Clone)]
pub struct OriginalUri(pub Uri);

/// Request extension: the version that the path asked for, if any.
#[derive(Debug, Clone, Copy)]
struct Asked(ApiVersion);

/// Takes a `/vX.Y` prefix off the path, keeps what came in [`OriginalUri`] and remembers the version. Runs before
/// routing, on every request.
pub fn strip(request: &mut Request<Body>) {
    let uri = request.uri();
    let Some((version, rest)) = split(uri.path()) else { return };
    let version = ApiVersion::of_digits(version);
    let text = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    // A part of a valid path is a valid path, so this does not fail; if it did, the request would go to dockerd as is.
    let Ok(stripped) = Uri::try_from(text) else { return };
    let original = std::mem::replace(request.uri_mut(), stripped);
    request.extensions_mut().insert(OriginalUri(original));
    request.extensions_mut().insert(Asked(version));
}

/// Path and query as the client sent them, version and all: what to ask the engine for on the client's behalf.
#[must_use]
pub fn engine_path<B>(request: &http::Request<B>) -> String {
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}

/// Splits `/v1.41/info` into `1.41` and `/info`, by dockerd's own pattern `/v[0-9.]+/`.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v")?;
    let end = rest.bytes().position(|b| !(b.is_ascii_digit() || b == b'.'))?;
    (end > 0 && rest.as_bytes()[end] == b'/').then(|| rest.split_at(end))
}

/// The version in front of a target, if there is one.
pub(super) fn asked(target: &str) -> Option<ApiVersion> {
    split(target).map(|(version, _)| ApiVersion::of_digits(version))
}

/// Whether the engine is too new for a version that Gam serves.
pub(super) fn is_lifted(asked: ApiVersion, engine: &EngineVersion) -> bool {
    ApiVersion::OLDEST <= asked && asked < engine.min_api
}

/// Rewrites the path of a request that the engine is too new for: from [`ApiVersion::OLDEST`] on, a version below the
/// engine's minimum becomes that minimum. `None` where nothing is to be done, which is nearly always.
pub(super) fn lift(uri: &Uri, engine: &EngineVersion) -> Option<Uri> {
    let (version, rest) = split(uri.path())?;
    if !is_lifted(ApiVersion::of_digits(version), engine) {
        return None;
    }
    let text = match uri.query() {
        Some(query) => format!("/v{}{rest}?{query}", engine.min_api),
        None => format!("/v{}{rest}", engine.min_api),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

/// The layer of native routes: `route_layer(from_fn_with_state(proxy, version::native))`. Checks the version that the
/// path asks for, hands [`ApiVersion`] to the handler, and gives the answer dockerd's headers.
pub async fn native(State(proxy): State<Proxy>, mut request: Request, next: Next) -> Response {
    let engine = proxy.engine_version().await;
    let version = match request.extensions().get::<Asked>() {
        None => engine.api,
        Some(&Asked(version)) => {
            if let Some(refusal) = refusal(version, &engine, request.extensions().get::<OriginalUri>()) {
                return dress(refusal, &engine, false);
            }
            version
        }
    };
    request.extensions_mut().insert(version);
    let response = next.run(request).await;
    // dockerd's own answers come through as they are, and an upgraded connection is no answer.
    if response.extensions().get::<Proxied>().is_some() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    dress(response, &engine, true)
}

/// dockerd's answer to a version that it does not serve (`moby: daemon/server/middleware/version.go`).
fn refusal(asked: ApiVersion, engine: &EngineVersion, original: Option<&OriginalUri>) -> Option<Response> {
    let text = original.and_then(|uri| split(uri.0.path())).map_or("", |(version, _)| version);
    if asked < ApiVersion::OLDEST {
        let message = format!(
            "client version {text} is too old. Minimum supported API version is {}, please upgrade your client to a newer version\n",
            ApiVersion::OLDEST
        );
        // Clients of that time expect plain text; dockerd answers through Go's http.Error.
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
            (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
        ];
        return Some((StatusCode::BAD_REQUEST, headers, message).into_response());
    }
    if asked > engine.api {
        let message = format!("client version {text} is too new. Maximum supported API version is {}", engine.api);
        return Some(ApiError::new(StatusCode::BAD_REQUEST, message).into_response());
    }
    None
}

/// Puts dockerd's headers on an answer, in the order in which Go writes them: sorted, then `Date`, then the length,
/// which hyper adds. A header that the handler has set stays as it is.
fn dress(mut response: Response, engine: &EngineVersion, accepted: bool) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(HeaderName::from_static(name)).or_insert(value);
        }
    };
    set("api-version", &engine.api.to_string());
    if accepted {
        set("docker-experimental", if engine.experimental { "true" } else { "false" });
    }
    set("ostype", "linux");
    if !engine.version.is_empty() {
        set(SERVER.as_str(), &engine.server());
    }
    stamp(headers);
    sort(headers);
    response
}

/// Adds `Date` to an answer that has none; the server adds none by itself, since dockerd's hijacked answers have none.
pub(super) fn stamp(headers: &mut HeaderMap) {
    if let Ok(now) = HeaderValue::from_str(&http_date(time::OffsetDateTime::now_utc())) {
        headers.entry(DATE).or_insert(now);
    }
}

/// `Mon, 23 Nov 2026 08:51:37 GMT`.
pub(super) fn http_date(at: time::OffsetDateTime) -> String {
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    let (hour, minute, second) = at.to_hms();
    format!("{weekday:.3}, {:02} {month:.3} {} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}

fn sort(headers: &mut HeaderMap) {
    let rank = |name: &HeaderName| match name.as_str() {
        "date" => 1,
        "content-length" => 2,
        "transfer-encoding" => 3,
        _ => 0,
    };
    let mut all: Vec<(HeaderName, HeaderValue)> =
        headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    all.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then_with(|| a.as_str().cmp(b.as_str())));
    headers.clear();
    for (name, value) in all {
        headers.append(name, value);
    }
}
