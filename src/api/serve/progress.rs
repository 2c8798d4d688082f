//! What happens on a connection, told to the check that ends idle ones.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, interval_at};

/// What happens on a connection, for the check that something does.
#[derive(Debug, Default)]
pub(in crate::api) struct Progress {
    /// Requests whose head has come.
    begun: AtomicU64,
    /// Requests that are not answered to the last byte.
    underway: AtomicU64,
    /// The last of them is answered until its client goes.
    endless: AtomicBool,
}

impl Progress {
    /// Counts a request in until the guard is dropped. One that is endless is not waited for at a stop.
    pub(in crate::api) fn begin(self: &Arc<Self>, endless: bool) -> Guard {
        self.endless.store(endless, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.underway.fetch_add(1, Ordering::Relaxed);
        Guard(self.clone())
    }

    /// Whether the last request is endless.
    pub(super) fn is_endless(&self) -> bool {
        self.endless.load(Ordering::Relaxed)
    }

    /// Waits until nothing has happened for so long; it is looked at once in that time, hence up to twice as long.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut checks = interval_at(Instant::now() + limit, limit);
        let mut before = 0;
        loop {
            checks.tick().await;
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == before && self.underway.load(Ordering::Relaxed) == 0 {
                return;
            }
            before = begun;
        }
    }
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct Guard(Arc<Progress>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.underway.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which hyper drops once it is sent.
pub(super) struct Underway {
    pub(super) body: Body,
    pub(super) _guard: Guard,
}

impl hyper::body::Body for Underway {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
