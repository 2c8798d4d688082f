//! How the store's messages reach other managers: over the node's own connections.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use gam_rpc::{Clients, Lane};
use gam_store::{Purpose, Transport};

/// The store's way out.
pub(super) struct RaftTransport(pub(super) Clients);

impl Transport for RaftTransport {
    fn call(
        &self,
        _member: u64,
        address: &str,
        purpose: Purpose,
        message: Bytes,
        limit: Duration,
    ) -> Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>> {
        let lane = match purpose {
            Purpose::Replication => Lane::Raft,
            Purpose::Heartbeat => Lane::Heartbeat,
            Purpose::Snapshot => Lane::Snapshot,
        };
        let client = self.0.on(address, lane);
        Box::pin(async move {
            let sent = tokio::time::timeout(limit, client.raft(message)).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(io::Error::other)
        })
    }
}
