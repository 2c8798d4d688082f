//! The swarm's events as `docker events` wants them: the newest few for `since`, and a stream of what comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gam_core::state::Event;
use tokio::sync::broadcast;

use crate::manager::Manager;

/// Events kept for `since`: as many as dockerd keeps of its own (`moby: daemon/events`).
const KEPT_MAX: usize = 256;
/// Events that a slow reader may lag behind before it loses some; dockerd drops events of slow readers too.
const STREAM_MAX: usize = 1024;

struct Inner {
    kept: Mutex<VecDeque<Arc<Event>>>,
    stream: broadcast::Sender<Arc<Event>>,
}

/// The events of this node's swarm; cheap to clone, and the same one over the node's whole life.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

impl Default for Events {
    fn default() -> Events {
        Events(Arc::new(Inner { kept: Mutex::default(), stream: broadcast::channel(STREAM_MAX).0 }))
    }
}

impl Events {
    /// The kept events, oldest first, and everything after them: none is lost between the two, none comes twice.
    pub fn subscribe(&self) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.0.stream.subscribe())
    }

    /// Publishes events in their order.
    pub fn publish(&self, events: &[Event]) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let event = Arc::new(event.clone());
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(event.clone());
            // Nobody listening is no error.
            let _ = self.0.stream.send(event);
        }
    }

    /// Publishes whatever the manager applies.
    pub(super) async fn follow(self, manager: Manager) {
        let mut applied = manager.subscribe();
        loop {
            match applied.recv().await {
                Ok(applied) => self.publish(&applied.events),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "too many changes at once: some events were not published");
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::Timestamp;
    use gam_core::state::EventKind;

    #[test]
    fn keeps_the_newest_and_streams_the_rest() {
        let event = |number: usize| Event {
            kind: EventKind::Service,
            action: "create",
            id: number.to_string(),
            attributes: Vec::new(),
            at: Timestamp(0),
        };
        let events = Events::default();
        let many: Vec<Event> = (0..KEPT_MAX + 1).map(event).collect();
        events.publish(&many);
        let (kept, mut stream) = events.subscribe();
        assert_eq!((kept.len(), kept[0].id.as_str()), (KEPT_MAX, "1"));
        events.publish(&[event(9)]);
        assert_eq!(stream.try_recv().unwrap().id, "9");
    }
}
