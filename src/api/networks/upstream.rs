//! Requests to dockerd that are not quite the ones that came in: another path, another body, an answer read whole or
//! rewritten as it streams.

use std::convert::Infallible;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::response::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::super::version::{OriginalUri, split};
use super::super::{Api, ApiError};
use crate::network::rewrite::Rewriter;

/// The largest answer that is read whole. A list of 10,000 networks or containers is some 20 MB.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// An answer of no more than this is rewritten as a whole, bytes: dockerd gives its length, and so does Gam. What is longer comes in
/// chunks from both.
const SHORT_MAX: u64 = 64 * 1024;

/// dockerd's answer, read whole.
pub struct Answer {
    head: Parts,
    body: Bytes,
}

impl Answer {
    /// Reads an answer whole.
    pub async fn read(response: Response) -> Result<Answer, ApiError> {
        let (mut head, body) = response.into_parts();
        // What is there as a whole has a length, which hyper writes; an answer with both would be none.
        head.headers.remove(header::TRANSFER_ENCODING);
        let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(|error| {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot read the engine's answer: {error}"))
        })?;
        Ok(Answer { head, body: body.to_bytes() })
    }

    /// Head and body.
    pub fn into_parts(self) -> (Parts, Bytes) {
        (self.head, self.body)
    }

    fn rewritten(self, rewriter: Rewriter) -> Response {
        let (mut head, body) = self.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(head, Body::from(rewriter.all(&body)))
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The document, if dockerd took the request.
    pub fn ok<T: DeserializeOwned>(&self) -> Option<T> {
        if !self.head.status.is_success() {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// dockerd's sentence, if it refused.
    pub fn message(&self) -> Option<String> {
        let document: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(document.get("message")?.as_str()?.to_owned())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Response::from_parts(self.head, Body::from(self.body))
    }
}

/// Sends a request to dockerd and reads the answer whole.
pub async fn ask(api: &Api, request: Request) -> Result<Answer, ApiError> {
    Answer::read(api.proxy.forward(request).await).await
}

/// A request of Gam's own, in the engine's newest version.
pub fn get(target: &str) -> Request {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = target.parse().unwrap_or_default();
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("docker"));
    request
}

/// The same request to another path (and query), in the version that the client speaks.
pub fn retarget(mut request: Request, target: &str) -> Request {
    let original = request.extensions_mut().remove::<OriginalUri>();
    let prefix = original.as_ref().and_then(|uri| split(uri.0.path())).map(|(version, _)| format!("/v{version}"));
    let target = format!("{}{target}", prefix.unwrap_or_default());
    if let Ok(uri) = target.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

/// What of a request is needed to send it on once its body was read.
#[derive(Clone)]
pub struct Outline {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    original: Option<OriginalUri>,
    /// Whether there was a body, if only an empty one.
    has_body: bool,
}

impl Outline {
    /// Takes a request apart.
    pub fn of(request: Request) -> (Outline, Body) {
        let (parts, body) = request.into_parts();
        let original = parts.extensions.get::<OriginalUri>().cloned();
        let has_body = body.size_hint().exact() != Some(0);
        (Outline { method: parts.method, uri: parts.uri, headers: parts.headers, original, has_body }, body)
    }

    /// The request with this body.
    pub fn with(&self, body: impl Into<Bytes>) -> Request {
        let body = body.into();
        // To dockerd an empty body is not the same as none.
        let body = if body.is_empty() && self.has_body {
            Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
        } else {
            Body::from(body)
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        // The length is the new body's, which the client side knows.
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        if let Some(original) = &self.original {
            request.extensions_mut().insert(original.clone());
        }
        request
    }
}

/// Passes an answer on, names of backings turned into those of their networks on the way.
pub async fn rewritten(response: Response, rewriter: Option<Rewriter>) -> Response {
    let Some(rewriter) = rewriter else { return response };
    if response.body().size_hint().exact().is_some_and(|length| length <= SHORT_MAX) {
        return match Answer::read(response).await {
            Ok(answer) => answer.rewritten(rewriter),
            Err(error) => error.into_response(),
        };
    }
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let stream = stream::unfold(Some((body.into_data_stream(), rewriter)), |state| async move {
        let (mut body, mut rewriter) = state?;
        loop {
            match body.next().await {
                Some(Ok(piece)) => {
                    let out = rewriter.push(&piece);
                    if !out.is_empty() {
                        return Some((Ok(Bytes::from(out)), Some((body, rewriter))));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None => {
                    let out = rewriter.finish();
                    return (!out.is_empty()).then(|| (Ok(Bytes::from(out)), None));
                }
            }
        }
    });
    Response::from_parts(head, Body::from_stream(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_came_in_chunks_is_whole() {
        let mut response = Response::new(Body::from("{}"));
        response.headers_mut().insert(header::TRANSFER_ENCODING, header::HeaderValue::from_static("chunked"));
        let response = Answer::read(response).await.unwrap().into_response();
        assert!(!response.headers().contains_key(header::TRANSFER_ENCODING));
    }
}
