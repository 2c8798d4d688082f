//! Opens the swarm's state anew when it could not be written: most often the disk was full.
//!
//! Meanwhile the daemon serves on. What runs, runs; what was acknowledged can be read, if it was once opened; whoever wants to
//! change the swarm is told why not. A store that failed is never written again: it is closed, and another one is opened,
//! which reads the disk.

use std::time::Duration;

use futures_util::future::BoxFuture;
use gam_store::{KeySource, StoreError};

use super::init::key_source;
use super::{Life, Node, NodeError, STOP_TIMEOUT};
use crate::manager::chain;

/// The first pause: whatever freed some room may still be at it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, so that whoever made room need not wait for long; a try costs a few reads and writes.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl Node {
    /// Tries until the state is open or the node's life has changed.
    pub(super) async fn mend(self) {
        let mut pause = FIRST_PAUSE;
        let mut known = String::new();
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.reopen().await {
                Ok(()) => return,
                Err(error) => {
                    let error = chain(&error);
                    if error != known {
                        tracing::error!(error, "the swarm's state cannot be opened; it is tried again until it can");
                        known = error;
                    }
                }
            }
        }
    }

    /// Opens the state, if it is still this node's and still to be opened. Boxed, since what is opened may come to be mended.
    fn reopen(&self) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async move {
            let _changing = self.0.changing.lock().await;
            let life = self.0.life.load_full();
            let (identity, key) = match &*life {
                // What is written down may be newer than what failed.
                Life::Failed(identity, _) => {
                    (self.0.directory.identity()?.unwrap_or_else(|| identity.clone()), KeySource::OnDisk)
                }
                Life::Active(roles) => match &roles.manager {
                    Some(manager) if manager.store().failed().borrow().is_some() => {
                        roles.stop(STOP_TIMEOUT).await;
                        // Of a locked cluster the key is not on the disk, but it is known.
                        let state = manager.state();
                        let key = state.cluster().map_or(KeySource::OnDisk, |cluster| key_source(&cluster.unlock_key));
                        (roles.identity.clone(), key)
                    }
                    _ => return Ok(()),
                },
                Life::Inactive | Life::Joining(_) | Life::Locked(_) => return Ok(()),
            };
            self.0.directory.check_room()?;
            match self.open_roles(identity.clone(), key).await {
                Ok(roles) => self.become_(Life::Active(roles.into())),
                // Its key is not on the disk, and nobody remembers it, or it failed in the middle of a change of that key: whoever
                // knows it must say it.
                Err(NodeError::Store(StoreError::Locked | StoreError::WrongKey)) => {
                    self.become_(Life::Locked(identity));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            tracing::info!("the swarm's state is open and can be written");
            Ok(())
        })
    }
}
