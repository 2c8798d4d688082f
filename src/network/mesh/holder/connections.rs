//! The connections that one held port passes on, so many at a time. Who is silent keeps nobody out: when all places are
//! taken, the connection that has been silent the longest ends in favour of a new one. Otherwise silence is no fault, as it
//! is none of connections that the rules turn.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// How many there are, and how long one has to be silent before it may be ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub places: usize,
    pub silence: Duration,
}

/// Those of one port.
pub(super) struct Connections {
    bounds: Bounds,
    running: JoinSet<()>,
    all: Vec<(AbortHandle, Activity)>,
}

/// When something was last said on a connection.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Milliseconds after that.
    last: Arc<AtomicU64>,
}

impl Activity {
    fn new() -> Activity {
        Activity { began: Instant::now(), last: Arc::default() }
    }

    fn note(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

impl Connections {
    pub(super) fn new(bounds: Bounds) -> Connections {
        Connections { bounds, running: JoinSet::new(), all: Vec::new() }
    }

    /// Serves a connection, with what it has to tell of itself.
    pub(super) fn serve<F: Future<Output = ()> + Send + 'static>(&mut self, serving: impl FnOnce(Activity) -> F) {
        let activity = Activity::new();
        let running = self.running.spawn(serving(activity.clone()));
        self.all.push((running, activity));
    }

    /// Waits for a place: until a connection ends, or may be ended.
    pub(super) async fn room(&mut self) {
        loop {
            // Those that have ended already.
            while self.running.try_join_next().is_some() {}
            self.all.retain(|(running, _)| !running.is_finished());
            if self.all.len() < self.bounds.places {
                return;
            }
            let Some((silent, activity)) = self.all.iter().min_by_key(|(_, activity)| activity.last()) else { return };
            let due = activity.last() + self.bounds.silence;
            if due <= Instant::now() {
                silent.abort();
                self.running.join_next().await;
                continue;
            }
            tokio::select! {
                _ = self.running.join_next() => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    /// Waits until one has ended, if there is one.
    pub(super) async fn ended(&mut self) {
        match self.running.join_next().await {
            Some(_) => {}
            None => std::future::pending().await,
        }
    }

    /// Lets them go on by themselves, until their tasks or clients end them.
    pub(super) fn release(mut self) {
        self.running.detach_all();
    }
}

/// A stream that tells when something is said on it.
pub(super) struct Told<S> {
    stream: S,
    activity: Activity,
}

impl<S> Told<S> {
    pub(super) fn new(stream: S, activity: Activity) -> Told<S> {
        Told { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Told<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_read(cx, bytes);
        if done.is_ready() {
            self.activity.note();
        }
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Told<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if done.is_ready() {
            self.activity.note();
        }
        done
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
