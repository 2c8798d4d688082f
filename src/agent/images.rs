//! Pulls: one at a time for each image and credential, shared by all tasks that wait for it.
//!
//! As in Docker every task tries a pull, so that a tag which moved is noticed, and none fails for it: whether the
//! image is there is for the create call to say, and why it is not, for the pull. What differs is that tasks which
//! come together share one attempt, so thirty replicas wait for an absent registry once and not thirty times. Tasks
//! with another credential ask for themselves: what the registry grants one service says nothing of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gam_core::agent::told;
use gam_core::model::Credential;
use tokio::sync::watch;

use crate::engine::Engine;

/// How long a pull that succeeded counts for tasks that come after it. Short: a user who pushes an image and updates
/// the service right away must get the new one.
const FRESH: Duration = Duration::from_secs(1);
/// How long a pull that failed counts. The restart delay's default, so a task that is tried again asks again.
const FAILED: Duration = Duration::from_secs(5);

/// The pulls of one engine.
#[derive(Debug)]
pub(super) struct Images {
    engine: Engine,
    attempts: Arc<Mutex<HashMap<Wanted, watch::Receiver<Attempt>>>>,
}

/// What is asked of a registry: an image's name, and what is shown for it.
type Wanted = (String, Option<Credential>);

#[derive(Clone, Debug)]
enum Attempt {
    Pulling,
    Succeeded(Instant),
    /// When, and why.
    Failed(Instant, String),
}

impl Attempt {
    fn counts(&self) -> bool {
        match self {
            Attempt::Pulling => true,
            Attempt::Succeeded(at) => at.elapsed() < FRESH,
            Attempt::Failed(at, _) => at.elapsed() < FAILED,
        }
    }
}

impl Images {
    pub(super) fn new(engine: Engine) -> Images {
        Images { engine, attempts: Arc::default() }
    }

    /// Waits until the newest version of an image is here, or cannot be had; then the engine's words say why.
    pub(super) async fn refresh(&self, image: &str, credential: Option<&Credential>) -> Result<(), String> {
        if is_id(image) || image.contains('@') && self.engine.has_image(image).await.unwrap_or(false) {
            return Ok(());
        }
        let mut attempt = self.attempt(image, credential);
        match attempt.wait_for(|attempt| !matches!(attempt, Attempt::Pulling)).await.as_deref() {
            Ok(Attempt::Failed(_, why)) => Err(why.clone()),
            // An error means that the attempt was dropped with its runtime.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn attempt(&self, image: &str, credential: Option<&Credential>) -> watch::Receiver<Attempt> {
        let wanted = (image.to_owned(), credential.cloned());
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, attempt| attempt.borrow().counts());
        if let Some(attempt) = attempts.get(&wanted) {
            return attempt.clone();
        }
        let (outcome, attempt) = watch::channel(Attempt::Pulling);
        attempts.insert(wanted.clone(), attempt.clone());
        let (engine, (image, credential)) = (self.engine.clone(), wanted);
        // Not bound to the task that came first: others may wait for it.
        tokio::spawn(async move {
            let attempt = match engine.pull_image(&image, credential.as_ref()).await {
                Ok(()) => Attempt::Succeeded(Instant::now()),
                Err(error) => {
                    let error = told(&error.to_string());
                    // The one that is here will do, as on each host without a registry.
                    if engine.has_image(&image).await.unwrap_or(false) {
                        tracing::debug!(image, %error, "pulling image failed: it is taken as it is here");
                    } else {
                        tracing::warn!(image, %error, "pulling image failed");
                    }
                    Attempt::Failed(Instant::now(), error)
                }
            };
            outcome.send_replace(attempt);
        });
        attempt
    }
}

/// Whether a text is an image's id, which no registry knows.
fn is_id(image: &str) -> bool {
    image.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_share_an_attempt() {
        let images = Images::new(Engine::new("/nonexistent/docker.sock"));
        let (first, second) = (images.attempt("a:1", None), images.attempt("a:1", None));
        assert!(first.same_channel(&second));
        assert!(!first.same_channel(&images.attempt("b:1", None)));
        let why = images.refresh("a:1", None).await.unwrap_err();
        assert!(matches!(&*first.borrow(), Attempt::Failed(_, reason) if *reason == why));
        assert!(images.attempt("a:1", None).same_channel(&first), "a failure counts for a while");
        let (one, other) = (Credential::of("one"), Credential::of("other"));
        let own = images.attempt("a:1", one.as_ref());
        assert!(!own.same_channel(&first) && own.same_channel(&images.attempt("a:1", one.as_ref())));
        assert!(!own.same_channel(&images.attempt("a:1", other.as_ref())));
    }

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id(&format!("sha256:{}", "a".repeat(64))));
        assert!(!is_id("sha256:abc"));
        assert!(!is_id("busybox:latest"));
    }
}
