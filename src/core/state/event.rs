//! What a change looks like from outside: the swarm-scoped events of `docker events`.

use crate::model::Timestamp;

/// The kind of object that an event is about; Docker's `Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// `service`
    Service,
    /// `node`
    Node,
    /// `network`
    Network,
    /// `secret`
    Secret,
    /// `config`
    Config,
}

impl EventKind {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Service => "service",
            EventKind::Node => "node",
            EventKind::Network => "network",
            EventKind::Secret => "secret",
            EventKind::Config => "config",
        }
    }
}

/// One swarm-scoped event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub kind: EventKind,
    /// `create`, `update` or `remove`.
    pub action: &'static str,
    /// The object's id.
    pub id: String,
    /// Docker's `Actor.Attributes`, `name` among them.
    pub attributes: Vec<(String, String)>,
    /// When.
    pub at: Timestamp,
}
