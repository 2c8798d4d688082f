//! The one bit that never goes back: this store has failed, and why.
//!
//! Set by whoever meets the error first (the log's writer, the state machine, Raft itself), read before every proposal, and
//! watched by the daemon, which shuts the store down and opens another one over the same files. After a failed fsync the
//! kernel may have dropped the pages, so trying again would acknowledge what is not on the disk: only opening, which reads
//! the disk anew, clears it.

use tokio::sync::watch;

use crate::error::StoreError;

/// A shared, sticky failure.
#[derive(Clone, Debug)]
pub struct Failure(watch::Sender<Option<String>>);

impl Failure {
    pub fn new() -> Failure {
        Failure(watch::Sender::new(None))
    }

    /// Records a failure; the first one stays.
    pub fn report(&self, reason: impl Into<String>) {
        self.0.send_if_modified(|present| {
            if present.is_some() {
                return false;
            }
            let reason = reason.into();
            tracing::error!(reason, "the cluster state can no longer be written");
            *present = Some(reason);
            true
        });
    }

    /// An error if the store has failed.
    pub fn check(&self) -> Result<(), StoreError> {
        match &*self.0.borrow() {
            None => Ok(()),
            Some(reason) => Err(StoreError::Failed(reason.clone())),
        }
    }

    pub fn watch(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }
}
