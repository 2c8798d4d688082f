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
    /// What nodes have applied. Not among the inputs, where a leader of an older version would understand none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<(NodeId, u64)>,
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

impl Relay {
    /// A message with these inputs.
    pub fn new(inputs: &[Input], heard: Vec<HeardAgo>) -> Relay {
        let mut relay = Relay { heard, ..Relay::default() };
        for input in inputs {
            match input {
                Input::Applied { node, index } => relay.applied.push((*node, *index)),
                input => relay.inputs.push(input.clone()),
            }
        }
        relay
    }
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
