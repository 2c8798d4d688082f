//! What nodes say to each other, as the rest of Gam sees it, and its forms on the wire.
//!
//! Payloads are bytes that this crate never reads. A message of a kind that this build does not know is skipped: a newer node
//! sends what is new only as an offer.

use std::fmt;

use bytes::Bytes;
use gam_core::model::{ClusterId, NodeId};

use crate::peer::Role;
use crate::proto;

/// The protocol of sessions that this build speaks, told in the first message each way.
pub const PROTOCOL: u32 = 1;

/// A node asks for a certificate.
#[derive(Clone, Default, PartialEq)]
pub struct IssueRequest {
    /// The join token; empty when a node renews its certificate.
    pub token: String,
    /// The certificate signing request. Only its key counts: names are the authority's to give.
    pub csr_der: Vec<u8>,
    /// `active`, `pause`, `drain`, or empty.
    pub availability: String,
    /// The host's name.
    pub hostname: String,
    /// `host:port` at which the node, once a manager, can be reached.
    pub address: String,
}

/// A certificate for a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Issued {
    /// Which node it now is.
    pub node: NodeId,
    /// In which cluster.
    pub cluster: ClusterId,
    /// In which role.
    pub role: Role,
    /// Its certificate, with what leads to the root.
    pub chain_pem: String,
    /// The roots to trust from now on.
    pub roots_pem: String,
}

/// Up to where a reader must have applied to see every write acknowledged so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadIndex {
    /// The index.
    pub index: u64,
    /// The member that leads.
    pub leader: u64,
    /// Members that the leader does not hear.
    pub unreachable: Vec<u64>,
}

/// Something that a manager wants of a node at once. It reaches the node through whichever manager holds its session; the
/// answer goes straight to the manager that wants it, by [`crate::Client::answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    /// Names the errand at the manager that gave it.
    pub ticket: u64,
    /// `host:port` of that manager.
    pub address: String,
    /// What is wanted.
    pub bytes: Bytes,
}

/// One piece of an answer: the first says to which errand, the others what.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// The errand.
    Ticket(u64),
    /// A part of the answer.
    Bytes(Bytes),
    /// The end of this direction of a connection; the other one may go on.
    End,
}

/// The key with which an agent wants the values of its secrets sealed. Printed it shows nothing.
#[derive(Clone, Default, PartialEq)]
pub struct SealKey(pub Bytes);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

/// What an agent says in its session.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentMessage {
    /// The first message.
    Hello {
        /// The newest protocol that it speaks.
        protocol: u32,
        /// The node's description.
        description: Bytes,
        /// Index of the assignments that it holds; 0 if none.
        index: u64,
        /// For the values of its secrets.
        seal_key: SealKey,
    },
    /// Observed statuses of tasks.
    Report(Bytes),
    /// The node's description has changed.
    Description(Bytes),
    /// Still here.
    Heartbeat,
    /// The node acts by the assignments of this index.
    Applied(u64),
}

/// What a manager says in an agent's session.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerMessage {
    /// The first message.
    Welcome {
        /// The protocol that the session will speak.
        protocol: u32,
        /// How often either side must be heard, in milliseconds.
        heartbeat_ms: u32,
        /// The history of the cluster to which the manager belongs, if it knows.
        history: Option<u64>,
    },
    /// All that the node must hold.
    Full {
        /// As of this index.
        index: u64,
        /// The assignments.
        bytes: Bytes,
    },
    /// What leads from one set of assignments to the next.
    Difference {
        /// The index that the agent must hold.
        from: u64,
        /// The index it then holds.
        index: u64,
        /// The difference.
        bytes: Bytes,
    },
    /// The cluster's managers: who they are, and the `host:port` of each.
    Managers(Vec<(NodeId, String)>),
    /// Still here.
    Heartbeat,
    /// What the node's certificate should say, and whom it should trust.
    Trusted {
        /// The node's role.
        role: Role,
        /// The roots to trust.
        roots_pem: String,
        /// Whether the node is to get a new certificate even if the one it has says this role.
        renew: bool,
    },
    /// Something to be done beside all that.
    Errand(Errand),
}

impl From<Role> for proto::Role {
    fn from(role: Role) -> proto::Role {
        match role {
            Role::Manager => proto::Role::Manager,
            Role::Worker => proto::Role::Worker,
        }
    }
}

fn role(wire: proto::Role) -> Option<Role> {
    match wire {
        proto::Role::Manager => Some(Role::Manager),
        proto::Role::Worker => Some(Role::Worker),
        proto::Role::Unspecified => None,
    }
}

impl From<IssueRequest> for proto::IssueRequest {
    fn from(request: IssueRequest) -> proto::IssueRequest {
        let IssueRequest { token, csr_der, availability, hostname, address } = request;
        proto::IssueRequest { token, csr_der: csr_der.into(), availability, hostname, address }
    }
}

impl From<proto::IssueRequest> for IssueRequest {
    fn from(wire: proto::IssueRequest) -> IssueRequest {
        let proto::IssueRequest { token, csr_der, availability, hostname, address } = wire;
        IssueRequest { token, csr_der: csr_der.into(), availability, hostname, address }
    }
}

impl From<Issued> for proto::IssueResponse {
    fn from(issued: Issued) -> proto::IssueResponse {
        proto::IssueResponse {
            node: issued.node.to_string(),
            cluster: issued.cluster.to_string(),
            role: proto::Role::from(issued.role).into(),
            chain_pem: issued.chain_pem,
            roots_pem: issued.roots_pem,
        }
    }
}

impl Issued {
    pub(crate) fn from_wire(wire: proto::IssueResponse) -> Option<Issued> {
        Some(Issued {
            role: role(wire.role())?,
            node: wire.node.parse().ok()?,
            cluster: wire.cluster.parse().ok()?,
            chain_pem: wire.chain_pem,
            roots_pem: wire.roots_pem,
        })
    }
}

/// A message of a session: its form on the wire, and back.
pub(crate) trait Wire: Sized + Send + 'static {
    /// The form on the wire.
    type Form: Send + 'static;
    /// To the wire.
    fn to_wire(self) -> Self::Form;
    /// From the wire; `None` for a kind that this build does not know.
    fn from_wire(form: Self::Form) -> Option<Self>;
}

impl Wire for AgentMessage {
    type Form = proto::AgentMessage;

    fn to_wire(self) -> proto::AgentMessage {
        use proto::agent_message::Kind;
        let kind = match self {
            AgentMessage::Hello { protocol, description, index, seal_key: SealKey(seal_key) } => {
                Kind::Hello(proto::Hello { protocol, description, index, seal_key })
            }
            AgentMessage::Report(bytes) => Kind::Report(bytes),
            AgentMessage::Description(bytes) => Kind::Description(bytes),
            AgentMessage::Heartbeat => Kind::Heartbeat(proto::Done {}),
            AgentMessage::Applied(index) => Kind::Applied(index),
        };
        proto::AgentMessage { kind: Some(kind) }
    }

    fn from_wire(form: proto::AgentMessage) -> Option<AgentMessage> {
        use proto::agent_message::Kind;
        Some(match form.kind? {
            Kind::Hello(proto::Hello { protocol, description, index, seal_key }) => {
                AgentMessage::Hello { protocol, description, index, seal_key: SealKey(seal_key) }
            }
            Kind::Report(bytes) => AgentMessage::Report(bytes),
            Kind::Description(bytes) => AgentMessage::Description(bytes),
            Kind::Heartbeat(_) => AgentMessage::Heartbeat,
            Kind::Applied(index) => AgentMessage::Applied(index),
        })
    }
}

impl Wire for ManagerMessage {
    type Form = proto::ManagerMessage;

    fn to_wire(self) -> proto::ManagerMessage {
        use proto::manager_message::Kind;
        let kind = match self {
            ManagerMessage::Welcome { protocol, heartbeat_ms, history } => {
                Kind::Welcome(proto::Welcome { protocol, heartbeat_ms, history: history.unwrap_or_default() })
            }
            ManagerMessage::Full { index, bytes } => Kind::Full(proto::Full { index, bytes }),
            ManagerMessage::Difference { from, index, bytes } => {
                Kind::Difference(proto::Difference { from, index, bytes })
            }
            ManagerMessage::Managers(managers) => Kind::Managers(managers_to_wire(managers)),
            ManagerMessage::Heartbeat => Kind::Heartbeat(proto::Done {}),
            ManagerMessage::Trusted { role, roots_pem, renew } => {
                Kind::Trusted(proto::Trusted { role: proto::Role::from(role).into(), roots_pem, renew })
            }
            ManagerMessage::Errand(errand) => Kind::Errand(errand.into()),
        };
        proto::ManagerMessage { kind: Some(kind) }
    }

    fn from_wire(form: proto::ManagerMessage) -> Option<ManagerMessage> {
        use proto::manager_message::Kind;
        Some(match form.kind? {
            Kind::Welcome(proto::Welcome { protocol, heartbeat_ms, history }) => {
                let history = Some(history).filter(|history| *history != 0);
                ManagerMessage::Welcome { protocol, heartbeat_ms, history }
            }
            Kind::Full(proto::Full { index, bytes }) => ManagerMessage::Full { index, bytes },
            Kind::Difference(proto::Difference { from, index, bytes }) => {
                ManagerMessage::Difference { from, index, bytes }
            }
            Kind::Managers(managers) => ManagerMessage::Managers(managers_from_wire(managers)),
            Kind::Heartbeat(_) => ManagerMessage::Heartbeat,
            Kind::Trusted(trusted) => {
                let role = role(trusted.role())?;
                ManagerMessage::Trusted { role, roots_pem: trusted.roots_pem, renew: trusted.renew }
            }
            Kind::Errand(errand) => ManagerMessage::Errand(errand.into()),
        })
    }
}

impl From<Errand> for proto::Errand {
    fn from(Errand { ticket, address, bytes }: Errand) -> proto::Errand {
        proto::Errand { ticket, address, bytes }
    }
}

impl From<proto::Errand> for Errand {
    fn from(proto::Errand { ticket, address, bytes }: proto::Errand) -> Errand {
        Errand { ticket, address, bytes }
    }
}

impl Wire for Piece {
    type Form = proto::Piece;

    fn to_wire(self) -> proto::Piece {
        match self {
            Piece::Ticket(ticket) => proto::Piece { ticket, ..proto::Piece::default() },
            Piece::Bytes(bytes) => proto::Piece { bytes, ..proto::Piece::default() },
            Piece::End => proto::Piece { end: true, ..proto::Piece::default() },
        }
    }

    fn from_wire(form: proto::Piece) -> Option<Piece> {
        Some(match form {
            proto::Piece { end: true, .. } => Piece::End,
            proto::Piece { ticket: 0, bytes, .. } => Piece::Bytes(bytes),
            proto::Piece { ticket, .. } => Piece::Ticket(ticket),
        })
    }
}

fn managers_to_wire(managers: Vec<(NodeId, String)>) -> proto::Managers {
    let wire = |(node, address): (NodeId, String)| proto::Manager { node: node.to_string(), address };
    proto::Managers { managers: managers.into_iter().map(wire).collect() }
}

/// Managers whose names make no sense are of no use to anybody.
fn managers_from_wire(wire: proto::Managers) -> Vec<(NodeId, String)> {
    let read = |manager: proto::Manager| Some((manager.node.parse().ok()?, manager.address));
    wire.managers.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::IdSource;

    #[test]
    fn messages_survive_the_wire() {
        let managers = vec![(IdSource::new([1; 32]).fresh(), "[::1]:2377".to_owned())];
        let bytes = Bytes::from_static(b"opaque");
        for message in [
            ManagerMessage::Welcome { protocol: PROTOCOL, heartbeat_ms: 5000, history: None },
            ManagerMessage::Welcome { protocol: PROTOCOL, heartbeat_ms: 5000, history: Some(8) },
            ManagerMessage::Full { index: 7, bytes: bytes.clone() },
            ManagerMessage::Difference { from: 7, index: 9, bytes: bytes.clone() },
            ManagerMessage::Managers(managers),
            ManagerMessage::Heartbeat,
            ManagerMessage::Trusted { role: Role::Worker, roots_pem: "pem".into(), renew: true },
            ManagerMessage::Errand(Errand { ticket: 4, address: "[::1]:2377".into(), bytes: bytes.clone() }),
        ] {
            assert_eq!(ManagerMessage::from_wire(message.clone().to_wire()), Some(message));
        }
        for piece in [Piece::Ticket(4), Piece::Bytes(bytes.clone()), Piece::End] {
            assert_eq!(Piece::from_wire(piece.clone().to_wire()), Some(piece));
        }
        for message in [
            AgentMessage::Hello {
                protocol: PROTOCOL,
                description: bytes.clone(),
                index: 3,
                seal_key: SealKey(bytes.clone()),
            },
            AgentMessage::Report(bytes.clone()),
            AgentMessage::Description(bytes),
            AgentMessage::Heartbeat,
            AgentMessage::Applied(9),
        ] {
            assert_eq!(AgentMessage::from_wire(message.clone().to_wire()), Some(message));
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let seal_key = SealKey(Bytes::from_static(b"hush"));
        let hello = AgentMessage::Hello { protocol: PROTOCOL, description: Bytes::new(), index: 0, seal_key };
        let shown = format!("{hello:?}");
        assert!(shown.contains("SealKey") && !shown.contains("hush") && !shown.contains("104"), "{shown}");
    }

    #[test]
    fn a_kind_of_tomorrow_is_nothing_today() {
        assert_eq!(AgentMessage::from_wire(proto::AgentMessage { kind: None }), None);
    }
}
