//! Threads that carry bytes between sockets, each with a runtime of its own.
//!
//! The runtime of everything else moves tasks between its threads, so that none waits behind a long one. A request that is
//! only passed on is never long, and moving it costs more than all that is done for it. So connections begin on one
//! of these threads and stay there, in step with the socket to dockerd beside them; what needs a handler leaves for the
//! other runtime. [`super`] decides who runs where.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::proxy::Proxy;
use crate::api::straight::{Straight, WayOf};

/// Most threads: each passes some ten thousand requests a second on, or a gigabyte.
const MAX_CARRIERS: usize = 8;

/// The threads; they end with the last clone.
#[derive(Clone)]
pub struct Carriers(Arc<Inner>);

struct Inner {
    carriers: Vec<Carrier>,
    turn: AtomicUsize,
    _stop: DropGuard,
}

/// One thread.
pub(super) struct Carrier {
    /// Spawns on it.
    pub(super) runtime: Handle,
    /// Passes requests on, on connections to dockerd that belong to this thread.
    pub(super) straight: Straight,
}

impl Carriers {
    /// Starts as many threads as there are processors.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(proxy: &Proxy, way: Arc<WayOf>) -> io::Result<Carriers> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_CARRIERS);
        let stop = CancellationToken::new();
        let mut carriers = Vec::new();
        for _ in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let straight = Straight::new(proxy.clone(), way.clone());
            carriers.push(Carrier { runtime: runtime.handle().clone(), straight });
            let stop = stop.clone();
            std::thread::Builder::new().name("gam-carrier".into()).spawn(move || runtime.block_on(stop.cancelled()))?;
        }
        Ok(Carriers(Arc::new(Inner { carriers, turn: AtomicUsize::new(0), _stop: stop.drop_guard() })))
    }

    /// The one whose turn it is.
    pub(super) fn next(&self) -> &Carrier {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        &self.0.carriers[turn % self.0.carriers.len()]
    }
}
