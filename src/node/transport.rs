//! How the store's messages reach other managers: over the node's own connections.
//!
//! Raft takes any refusal for a member that cannot be reached; that another manager has turned this one away, and why, is for
//! whoever runs it to read, and for the node to ask what it is.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gam_core::error::Kind;
use gam_rpc::{Lane, RpcError};
use gam_store::{Answer, Purpose, Transport};

use super::trust::Trust;

/// The store's way out.
pub(super) struct RaftTransport {
    trust: Trust,
    /// What was said of refusals already.
    told: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl RaftTransport {
    pub(super) fn new(trust: &Trust) -> RaftTransport {
        RaftTransport { trust: trust.clone(), told: Arc::default() }
    }
}

/// Whether it is the first time that this is heard from there. Sentences name nodes and numbers that never change, so there are
/// few of them.
fn is_news(told: &Mutex<BTreeSet<(String, String)>>, address: &str, why: &str) -> bool {
    told.lock().unwrap_or_else(PoisonError::into_inner).insert((address.to_owned(), why.to_owned()))
}

impl Transport for RaftTransport {
    fn call(&self, _member: u64, address: &str, purpose: Purpose, message: Bytes, limit: Duration) -> Answer {
        let lane = match purpose {
            Purpose::Replication => Lane::Replication,
            Purpose::Heartbeat => Lane::Heartbeat,
            Purpose::Snapshot => Lane::Snapshot,
        };
        let client = self.trust.clients.to(address).over(lane).within(limit);
        let (told, contradicted) = (self.told.clone(), self.trust.contradicted.clone());
        let manager = address.to_owned();
        Box::pin(async move {
            let answer = client.raft(message).await;
            if let Err(RpcError::Refused(refusal)) = &answer
                && refusal.kind == Kind::Forbidden
            {
                contradicted.notify_one();
                if is_news(&told, &manager, &refusal.message) {
                    tracing::warn!(manager, error = %refusal, "another manager turns this one away");
                }
            }
            answer.map_err(io::Error::other)
        })
    }
}
