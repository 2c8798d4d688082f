//! What a follower sends on to the leader: what agents reported, and which of them it hears.

use std::time::{Duration, Instant};

use gam_core::model::NodeId;
use gam_core::step::Input;
use serde::{Deserialize, Serialize};

use super::liveness::{Heard, Liveness};

/// One message from a follower to the leader.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Relay {
    /// What agents reported; requests of users are not among them.
    pub inputs: Vec<Input>,
    /// Nodes that the follower has heard since its last message.
    pub heard: Vec<HeardAgo>,
}

/// Clocks of hosts differ, so it is said how long ago a node was heard, and not when.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeardAgo {
    node: NodeId,
    addr: String,
    millis: u64,
}

/// Everyone who was heard since a moment.
pub fn heard_since(liveness: &Liveness, moment: Instant, now: Instant) -> Vec<HeardAgo> {
    let ago = |at: Instant| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
    let heard = liveness.since(moment);
    heard.map(|(node, heard)| HeardAgo { node, addr: heard.addr.clone(), millis: ago(heard.at) }).collect()
}

impl HeardAgo {
    /// Writes it down at the receiver.
    pub fn note(self, liveness: &mut Liveness, now: Instant) {
        // A moment before this machine's own beginning of time says nothing.
        if let Some(at) = now.checked_sub(Duration::from_millis(self.millis)) {
            liveness.hear(self.node, Heard { at, addr: self.addr });
        }
    }
}
