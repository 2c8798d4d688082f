//! Query parameters, bodies and answers as dockerd reads and writes them.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::filters::Filters;
use super::serve::LongQuery;

/// The largest body that a native call reads. The largest of Docker's own is a secret or config of 1,000 kB in
/// base 64 with its labels; a service spec stays far below.
const BODY_MAX: usize = 8 * 1024 * 1024;

/// The parameters of a query; of duplicates the first counts, as with Go's `url.Values.Get`.
#[derive(Clone, Debug, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the query of a request.
    pub fn of(request: &Request) -> Query {
        let long = request.extensions().get::<LongQuery>().map(|long| long.0.as_str());
        Query::parse(long.or(request.uri().query()).unwrap_or_default())
    }

    fn parse(text: &str) -> Query {
        let mut query = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.entry(unescape(key, true)).or_insert_with(|| unescape(value, true));
        }
        Query(query)
    }

    /// A parameter; empty if it is absent.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// `httputils.BoolValue`: everything but the empty text, `0`, `no`, `false` and `none` is true.
    pub fn flag(&self, key: &str) -> bool {
        !matches!(self.get(key).trim().to_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// `strconv.ParseBool`, where dockerd insists on it; absent or empty is false.
    pub fn strict_flag(&self, key: &str) -> Result<bool, ApiError> {
        match self.get(key) {
            "" | "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
            "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
            other => Err(ApiError::invalid(format!(
                "invalid value for {key}: {other}: strconv.ParseBool: parsing \"{other}\": invalid syntax"
            ))),
        }
    }

    /// A strict flag whose refusal does not repeat Go's reason, as the flags of a swarm's update.
    pub fn terse_flag(&self, key: &str) -> Result<bool, ApiError> {
        let value = self.get(key);
        self.strict_flag(key).map_err(|_| ApiError::invalid(format!("invalid value for {key}: {value}")))
    }

    /// The object version that an update was made from; dockerd's words for `kind` (`service`, `node`, …).
    pub fn version(&self, kind: &str) -> Result<u64, ApiError> {
        let raw = self.get("version");
        let refuse = |why: &str| {
            let go = format!("strconv.ParseUint: parsing \"{raw}\": {why}");
            ApiError::invalid(format!("invalid {kind} version '{raw}': {go}"))
        };
        if raw.is_empty() || !raw.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse("invalid syntax"));
        }
        raw.parse().map_err(|_| refuse("value out of range"))
    }

    /// The `filters` parameter.
    pub fn filters(&self) -> Result<Filters, ApiError> {
        Filters::parse(self.0.get("filters").map(String::as_str))
    }
}

/// `strconv.ParseInt` of a decimal number of 64 bits; the error is Go's whole sentence.
pub fn go_int(text: &str) -> Result<i64, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| {
        let why =
            if matches!(error.kind(), PosOverflow | NegOverflow) { "value out of range" } else { "invalid syntax" };
        format!("strconv.ParseInt: parsing \"{text}\": {why}")
    })
}

/// Percent-decoding, in forms with `+` for a blank; what is not valid stays as it is.
pub fn unescape(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(if form && bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    gam_core::json::coerced_text(decoded)
}

/// Reads a JSON body with Go's leniency (`httputils.ReadJSON`).
pub async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    // One in chunks may turn out to be empty, but it is there.
    let no_body = request.body().size_hint().exact() == Some(0);
    let bytes = read_body(request.into_body()).await?;
    check_content_type(kind.as_ref(), no_body)?;
    if no_body {
        // To dockerd no body is the zero value of whatever was expected.
        return Ok(gam_core::json::from_value(&serde_json::Value::Null)?);
    }
    Ok(gam_core::json::from_slice(&bytes)?)
}

/// Reads a body of bounded size that is a document.
pub async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    let (mut read, mut pieces) = (BytesMut::new(), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return Err(broken_off(&read)) };
        if read.len() + piece.len() > BODY_MAX {
            let sentence = format!("the request body is larger than the {BODY_MAX} bytes that this call takes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// dockerd's sentence about a body that breaks off after these bytes. It reads on after a document, and whatever it meets
/// there that is not the end counts as content.
fn broken_off(read: &[u8]) -> ApiError {
    if read.is_empty() {
        return ApiError::invalid("invalid JSON: unexpected EOF");
    }
    match gam_core::json::from_slice::<serde_json::Value>(read) {
        Ok(_) => ApiError::invalid("unexpected content after JSON"),
        Err(error) => error.into(),
    }
}

/// `httputils.CheckForJSON`: a body needs the type `application/json`; where there is none, none is needed.
fn check_content_type(kind: Option<&HeaderValue>, no_body: bool) -> Result<(), ApiError> {
    let text = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if text.is_empty() && no_body {
        return Ok(());
    }
    let media = text.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    if media.is_empty() {
        return Err(ApiError::invalid("malformed Content-Type header (): mime: no media type"));
    }
    Err(ApiError::invalid(format!("unsupported Content-Type header ({text}): must be 'application/json'")))
}

/// An answer as `httputils.WriteJSON` writes it: the document and a newline.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
        }
        Err(error) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The empty answer of a call that has nothing to tell.
pub fn done() -> Response {
    StatusCode::OK.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_queries_as_go_does() {
        let query = Query::parse("force=1&version=12&name=a%20b+c&force=0&odd=%zz");
        assert_eq!(query.get("name"), "a b c");
        assert_eq!(query.get("odd"), "%zz");
        assert!(query.flag("force") && !query.flag("absent"));
        assert_eq!(query.version("node").unwrap(), 12);
    }

    #[test]
    fn refuses_versions_in_gos_words() {
        let said = |text: &str| Query::parse(text).version("service").unwrap_err().message;
        assert_eq!(said(""), "invalid service version '': strconv.ParseUint: parsing \"\": invalid syntax");
        assert_eq!(
            said("version=-1"),
            "invalid service version '-1': strconv.ParseUint: parsing \"-1\": invalid syntax"
        );
        assert!(said("version=99999999999999999999").ends_with("value out of range"));
    }

    #[test]
    fn numbers_are_read_as_go_does() {
        assert_eq!((go_int("12"), go_int("+5"), go_int("-5")), (Ok(12), Ok(5), Ok(-5)));
        for text in ["", "+", "1_0", " 1", "0x10", "1.5"] {
            assert_eq!(go_int(text), Err(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")));
        }
        assert!(go_int("-9223372036854775809").is_err_and(|why| why.ends_with("value out of range")));
    }

    /// Recorded from dockerd 28.5.2: chunks without content are a body, and an empty one.
    #[tokio::test]
    async fn no_body_is_not_an_empty_body() {
        async fn read(kind: &str, body: Body) -> Result<gam_core::model::SwarmSpec, String> {
            let mut request = Request::new(body);
            if !kind.is_empty() {
                request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
            }
            read_json(request).await.map_err(|error| error.message)
        }
        let chunked = || Body::from_stream(futures_util::stream::empty::<Result<Bytes, std::io::Error>>());
        for kind in ["", "application/json"] {
            assert_eq!(read(kind, Body::empty()).await, Ok(gam_core::model::SwarmSpec::default()));
        }
        let empty = "invalid JSON: got EOF while reading request body";
        assert_eq!(read("application/json", chunked()).await, Err(empty.into()));
        let untyped = "malformed Content-Type header (): mime: no media type";
        assert_eq!(read("", chunked()).await, Err(untyped.into()));
    }

    /// Recorded from dockerd 28.5.2.
    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_by_what_came() {
        for (came, sentence) in [
            ("", "invalid JSON: unexpected EOF"),
            ("{\"Name\":\"x\"", "invalid JSON: unexpected EOF"),
            ("{\"Name\":\"x\"}", "unexpected content after JSON"),
            ("{}x", "unexpected content after JSON"),
            ("abc", "invalid JSON: invalid character 'a' looking for beginning of value"),
        ] {
            let broken = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            let pieces = futures_util::stream::iter([Ok(Bytes::from(came)), Err(broken)]);
            let refused = read_body(Body::from_stream(pieces)).await.unwrap_err();
            assert_eq!((refused.status, &*refused.message), (StatusCode::BAD_REQUEST, sentence), "{came}");
        }
    }
}
