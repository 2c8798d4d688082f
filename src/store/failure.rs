//! The one bit that never goes back: this store has failed, and why.
//!
//! Set by whoever meets the error first (the log's writer, the state machine, Raft itself) or panics, read before every proposal, and
//! watched by the daemon, which shuts the store down and opens another one over the same files. After a failed fsync the
//! kernel may have dropped the pages, so trying again would acknowledge what is not on the disk: only opening, which reads
//! the disk anew, clears it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
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

    /// Runs a part of the store, without which the others would wait in vain: a panic in it is the store's failure.
    pub async fn guard(self, part: &str, task: impl Future<Output = ()>) {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            self.report(format!("{part} panicked"));
        }
    }

    /// The same for a part that has a thread of its own.
    pub fn guard_thread(&self, part: &str, run: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            self.report(format!("{part} panicked"));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_a_failure_of_the_store() {
        let failure = Failure::new();
        failure.clone().guard("the first", async {}).await;
        failure.guard_thread("the second", || {});
        assert!(failure.check().is_ok());
        failure.clone().guard("the third", async { panic!("a bug") }).await;
        assert!(matches!(failure.check(), Err(StoreError::Failed(why)) if why == "the third panicked"));
        let failure = Failure::new();
        failure.guard_thread("the fourth", || panic!("a bug"));
        assert_eq!(failure.watch().borrow().as_deref(), Some("the fourth panicked"));
    }
}
