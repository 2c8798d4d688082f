//! One call to dockerd: a connection, a request, an answer.
//!
//! bollard's models are a client's and would lose what they do not know; bodies here are dockerd's own JSON, so calls
//! about containers go over hyper as they are. Paths carry no version: the engine then takes its newest, as the code
//! inside dockerd that this replaces does. Nothing is retried, and no body is logged.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use gam_core::model::Credential;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::engine::{Engine, EngineError};

/// How long a call may take that does not wait for a process: creating and starting queue up behind each other in
/// dockerd, and a loaded host with hundreds of tasks needs minutes.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(300);
/// How large an answer may be. A list of 10,000 containers is some 20 MB.
const MAX_ANSWER: usize = 64 << 20;

/// dockerd's `{"message": "…"}`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
}

impl Engine {
    /// Sends a request and returns the answer's head with its body still to come. A status of 400 and above is an
    /// error, with dockerd's sentence.
    pub(super) async fn open(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, EngineError> {
        self.open_as(None, method, target, body, limit).await
    }

    /// As [`Engine::open`], with what a registry is to be shown.
    pub(super) async fn open_as(
        &self,
        credential: Option<&Credential>,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, EngineError> {
        let exchange = async {
            let stream = UnixStream::connect(self.socket()).await.map_err(broken)?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(cut)?;
            // Ends by itself once the answer was read or dropped.
            tokio::spawn(connection);
            let request = Request::builder().method(method).uri(target).header(header::HOST, "docker");
            let request = match credential {
                Some(credential) => request.header("X-Registry-Auth", credential.header()),
                None => request,
            };
            let request = match body {
                Some(body) => {
                    request.header(header::CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body)))
                }
                None => request.body(Full::default()),
            };
            let request = request.map_err(|error| broken(io::Error::other(error)))?;
            sender.send_request(request).await.map_err(cut)
        };
        let response = timeout(limit, exchange).await.map_err(|_| too_late())??;
        if response.status() < StatusCode::BAD_REQUEST {
            return Ok(response);
        }
        let status = response.status();
        let body = collect(response, limit).await?;
        let message = match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if !refusal.message.is_empty() => refusal.message,
            _ => String::from_utf8_lossy(&body).trim().to_owned(),
        };
        Err(EngineError::Refused { status: status.as_u16(), message })
    }

    /// Sends a request and returns the whole body of the answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<Bytes, EngineError> {
        let response = self.open(method, target, body, limit).await?;
        collect(response, limit).await
    }
}

pub(super) async fn collect(response: Response<Incoming>, limit: Duration) -> Result<Bytes, EngineError> {
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
    match timeout(limit, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(broken(io::Error::other(error))),
        Err(_) => Err(too_late()),
    }
}

/// The connection failed before or while it was used.
pub(super) fn broken(err: io::Error) -> EngineError {
    EngineError::Unreachable(bollard::errors::Error::IOError { err })
}

fn cut(error: hyper::Error) -> EngineError {
    broken(io::Error::other(error))
}

fn too_late() -> EngineError {
    EngineError::Unreachable(bollard::errors::Error::RequestTimeoutError)
}

/// Percent-encodes a query value.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
