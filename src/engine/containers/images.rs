//! Images: whether one is here, fetching one from its registry, and asking that for its digest.
//!
//! A credential is passed on as it came: dockerd decodes it, and asks without one if it cannot, as where it was swarm
//! mode's own.

use std::time::Duration;

use ::http::StatusCode;
use gam_core::model::Credential;
use hyper::Method;
use serde::Deserialize;

use super::decode;
use super::http::{CALL_LIMIT, broken, encode};
use super::lines::Lines;
use crate::engine::{Engine, EngineError};

/// How long a registry may stay silent in the middle of a pull.
const PULL_SILENCE: Duration = Duration::from_secs(300);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Progress {
    error: String,
}

/// The answer of `GET /distribution/{name}/json`, of which only this is of interest.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Distribution {
    descriptor: Descriptor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Descriptor {
    digest: String,
}

impl Engine {
    /// Whether an image is present, by any name that dockerd understands.
    pub async fn has_image(&self, image: &str) -> Result<bool, EngineError> {
        match self.ask(Method::GET, &format!("/images/{}/json", encode(image)), None, CALL_LIMIT).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Pulls an image and waits for the end. `image` has a tag or a digest, or everything under the name is pulled.
    pub async fn pull_image(&self, image: &str, credential: Option<&Credential>) -> Result<(), EngineError> {
        let target = format!("/images/create?fromImage={}", encode(image));
        let response = self.open_as(credential, Method::POST, &target, None, PULL_SILENCE).await?;
        let mut lines = Lines::new(response.into_body());
        // The last line says whether the pull failed.
        let mut last = Vec::new();
        loop {
            match tokio::time::timeout(PULL_SILENCE, lines.next()).await {
                Ok(line) => match line? {
                    Some(line) => last = line,
                    None => break,
                },
                Err(_) => return Err(broken(std::io::ErrorKind::TimedOut.into())),
            }
        }
        match serde_json::from_slice::<Progress>(&last) {
            Ok(progress) if !progress.error.is_empty() => Err(EngineError::Refused {
                status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
                message: progress.error,
            }),
            _ => Ok(()),
        }
    }

    /// The digest of an image as its registry knows it now. `image` has a tag, and no digest.
    pub async fn image_digest(&self, image: &str, credential: Option<&Credential>) -> Result<String, EngineError> {
        let target = format!("/distribution/{}/json", encode(image));
        let answer = self.open_as(credential, Method::GET, &target, None, CALL_LIMIT).await?;
        decode::<Distribution>(&super::http::collect(answer, CALL_LIMIT).await?).map(|image| image.descriptor.digest)
    }
}
