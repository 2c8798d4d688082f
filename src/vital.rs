//! Long-lived tasks, on which the daemon depends: a panic in one of them ends the daemon.
//!
//! A daemon whose leader's loop or agent is gone looks alive and is of no use, and nobody would notice. So every task that lives
//! as long as its role is started by [`spawn`]; when one panics, that is logged with its name, [`failed`] wakes the daemon's
//! main task ([`crate::start`]), and the daemon stops as if told to, with an exit code of its own. Whoever started it starts it
//! again: containers run on meanwhile, and the state is on the disk. What serves one request, connection or task may fail alone;
//! the store closes itself instead ([`gam_store::Store::failed`]), and is opened anew.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The first that failed.
static FAILED: LazyLock<watch::Sender<Option<&'static str>>> = LazyLock::new(|| watch::Sender::new(None));

/// Starts a task on which the daemon depends; `name` says what it is to whoever reads the log.
pub fn spawn<T: Send + 'static>(name: &'static str, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(async move {
        match AssertUnwindSafe(task).catch_unwind().await {
            Ok(done) => done,
            Err(panic) => {
                tell(name, &*panic);
                resume_unwind(panic)
            }
        }
    })
}

/// Starts a thread on which the daemon depends, for work that would keep its tasks from running.
pub fn thread(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            tell(name, &*panic);
            resume_unwind(panic);
        }
    })
}

fn tell(name: &'static str, panic: &(dyn Any + Send)) {
    tracing::error!(what = name, why = reason(panic), "gam cannot do without this, and ends");
    FAILED.send_if_modified(|first| first.replace(first.unwrap_or(name)).is_none());
}

/// Returns the name of a task once it has failed.
pub async fn failed() -> &'static str {
    let mut failed = FAILED.subscribe();
    loop {
        if let Some(name) = *failed.borrow_and_update() {
            return name;
        }
        if failed.changed().await.is_err() {
            // The sender lives as long as the process.
            std::future::pending::<()>().await;
        }
    }
}

/// What a panic said.
pub fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_goes_on_to_whoever_waits() {
        assert_eq!(spawn("what ends well", async { 7 }).await.unwrap(), 7);
        let error = spawn("what fails", async { panic!("no {}", "way") }).await.map(|()| 0).unwrap_err();
        assert_eq!(reason(&*error.into_panic()), "no way");
        // Of whatever else failed in this process first.
        assert!(!failed().await.is_empty());
        let aborted = spawn("what is no longer needed", std::future::pending::<()>());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled(), "that is no failure");
    }
}
