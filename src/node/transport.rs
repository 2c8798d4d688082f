//! How the store's messages reach other managers: over the node's own connections.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use gam_rpc::{Clients, Lane};
use gam_store::{Answer, Purpose, Transport};

/// The store's way out.
pub(super) struct RaftTransport(pub(super) Clients);

impl Transport for RaftTransport {
    fn call(&self, _member: u64, address: &str, purpose: Purpose, message: Bytes, limit: Duration) -> Answer {
        let lane = match purpose {
            Purpose::Replication => Lane::Replication,
            Purpose::Heartbeat => Lane::Heartbeat,
            Purpose::Snapshot => Lane::Snapshot,
        };
        let client = self.0.to(address).over(lane).within(limit);
        Box::pin(async move { client.raft(message).await.map_err(io::Error::other) })
    }
}
