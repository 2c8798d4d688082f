//! What can go wrong between nodes, and how a refusal crosses the wire.
//!
//! A service's own [`Error`] travels in a gRPC status: the message as it is, the kind in the status's details behind a format
//! byte. A status without such details was not made by a service of ours, so it is a failure of the call, never an answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gam_core::error::{Error, Kind};
use gam_core::model::NodeId;
use tonic::{Code, Status};

use crate::dial::Unsent;
use crate::peer::Role;

/// The format of the details of a refusal.
const FORMAT: u8 = 1;
/// Longest message of a refusal in bytes. A status travels in HTTP/2 headers, of which peers take 16 KiB.
const MESSAGE_MAX: usize = 4096;

/// An error of this crate.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RpcError {
    /// The node's own certificate, key or roots cannot be used.
    #[error("the node's credentials cannot be used: {0}")]
    Credentials(String),
    /// There is no connection; nothing was sent.
    #[error("cannot connect to the manager at {address}")]
    Connect {
        /// Whom it was to reach.
        address: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The call was sent or may have been, and broke. It may have been carried out.
    #[error("the call to the manager at {address} failed: {cause}")]
    Call {
        /// Who was called.
        address: String,
        /// What is known of the cause.
        cause: String,
    },
    /// No answer came in time. The call may have been carried out.
    #[error("the manager at {address} did not answer within {limit:?}")]
    TimedOut {
        /// Who was called.
        address: String,
        /// How long it had.
        limit: Duration,
    },
    /// The service refused, in these words.
    #[error(transparent)]
    Refused(Error),
}

impl RpcError {
    /// Whether it is certain that nothing was sent, so that another try cannot do a thing twice.
    pub fn nothing_sent(&self) -> bool {
        matches!(self, RpcError::Credentials(_) | RpcError::Connect { .. })
    }

    /// Whether somebody is there whose certificate this node does not trust, or who does not trust that of this node.
    pub fn is_distrust(&self) -> bool {
        let RpcError::Connect { source, .. } = self else { return false };
        source.get_ref().is_some_and(|cause| cause.is::<rustls::Error>())
    }

    pub(crate) fn connect(address: &str, source: io::Error) -> RpcError {
        // TLS says more of it than a user can use.
        let is_end = source.kind() == io::ErrorKind::UnexpectedEof;
        let source = if is_end { io::Error::new(source.kind(), "the connection was closed") } else { source };
        RpcError::Connect { address: address.to_owned(), source: Arc::new(source) }
    }

    /// What a status means to the caller of `address`.
    pub(crate) fn from_status(address: &str, status: &Status) -> RpcError {
        if let Some(error) = refusal(status) {
            return RpcError::Refused(error);
        }
        if causes(status).any(|cause| cause.is::<Unsent>()) {
            return RpcError::connect(address, io::Error::new(io::ErrorKind::NotConnected, Unsent));
        }
        RpcError::Call { address: address.to_owned(), cause: describe(status) }
    }
}

/// What a manager answers a node that was removed from the swarm, in swarmkit's words (`ca/auth.go`).
pub fn removed(node: NodeId) -> Error {
    Error::rpc(
        gam_core::error::Code::PermissionDenied,
        format!("Permission denied: node {node} was removed from swarm"),
    )
}

/// What a manager answers a node that asks for what only managers may, and is none (any more).
pub fn no_manager(node: NodeId) -> Error {
    Error::new(Kind::Forbidden, format!("node {node} is not a manager of this swarm"))
}

/// The same of one whose certificate already says so.
pub(crate) fn no_managers_certificate(role: Role) -> Error {
    Error::new(Kind::Forbidden, format!("the call is for managers, and the certificate is that of a {}", role.unit()))
}

/// Whether a manager has refused the node `own` because that is no manager, by the swarm's state or by its own certificate.
pub fn says_no_manager(refusal: &Error, own: NodeId) -> bool {
    *refusal == no_manager(own) || *refusal == no_managers_certificate(Role::Worker)
}

/// What a user is told: a refusal in its own words, and that a manager cannot be reached as a lack of service.
impl From<RpcError> for Error {
    fn from(error: RpcError) -> Error {
        match error {
            RpcError::Refused(refusal) => refusal,
            RpcError::Credentials(_) => Error::internal(error),
            RpcError::Connect { ref source, .. } => Error::unavailable(format!("{error}: {source}")),
            RpcError::Call { .. } | RpcError::TimedOut { .. } => Error::unavailable(error),
        }
    }
}

/// What led to a status, nearest first.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |cause| cause.source())
}

/// A status in words, with the causes that it carries.
fn describe(status: &Status) -> String {
    let mut text = if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() };
    for words in causes(status).map(ToString::to_string) {
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
    }
    without_links(&text)
}

/// A sentence without what a library adds for those who build with it: where its manual is.
fn without_links(text: &str) -> String {
    let mut parts = text.split(": https://docs.rs/");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (link, rest) = part.split_at(end);
        plain.push_str(if link.ends_with(':') { ":" } else { "" });
        plain.push_str(rest);
    }
    plain
}

/// Each kind with its byte on the wire and its nearest gRPC code. Bytes are never used again.
const KINDS: &[(Kind, u8, Code)] = &[
    (Kind::Invalid, 1, Code::InvalidArgument),
    (Kind::Forbidden, 2, Code::PermissionDenied),
    (Kind::NotFound, 3, Code::NotFound),
    (Kind::Conflict, 4, Code::AlreadyExists),
    (Kind::Internal, 5, Code::Internal),
    (Kind::Unimplemented, 6, Code::Unimplemented),
    (Kind::Unavailable, 7, Code::Unavailable),
];

/// The status as which a refusal travels.
pub(crate) fn status(error: &Error) -> Status {
    let known = KINDS.iter().find(|(kind, _, _)| *kind == error.kind);
    let (byte, code) = known.map_or((5, Code::Internal), |(_, byte, code)| (*byte, *code));
    let mut message = error.message.clone();
    message.truncate(message.floor_char_boundary(MESSAGE_MAX));
    Status::with_details(code, message, vec![FORMAT, byte].into())
}

/// The refusal that a status carries, if it is one. A kind that this build does not know is an internal error.
fn refusal(status: &Status) -> Option<Error> {
    let [FORMAT, byte, ..] = status.details() else { return None };
    let known = KINDS.iter().find(|(_, known, _)| known == byte);
    Some(Error::new(known.map_or(Kind::Internal, |(kind, _, _)| *kind), status.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_comes_back_as_it_was() {
        for (kind, _, _) in KINDS {
            let error = Error::new(*kind, "rpc error: code = InvalidArgument desc = naïve\n");
            assert!(matches!(RpcError::from_status("a", &status(&error)), RpcError::Refused(back) if back == error));
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let cut = status(&Error::invalid("ä".repeat(MESSAGE_MAX)));
        assert_eq!(cut.message().len(), MESSAGE_MAX);
        let cut = status(&Error::invalid(format!("a{}", "ä".repeat(MESSAGE_MAX))));
        assert_eq!(cut.message().len(), MESSAGE_MAX - 1);
    }

    #[test]
    fn an_early_end_is_told_in_short() {
        let source =
            io::Error::new(io::ErrorKind::UnexpectedEof, "peer closed connection without close_notify: https://…");
        let error = Error::from(RpcError::connect("host:2377", source));
        assert_eq!(error.message, "cannot connect to the manager at host:2377: the connection was closed");
    }

    #[test]
    fn a_broken_call_is_told_without_the_librarys_manual() {
        let cause = "connection error: peer closed connection without sending TLS close_notify: https://docs.rs/rustls/latest/a#b";
        let broken = RpcError::from_status("host:2377", &Status::unavailable(cause));
        let told = "the call to the manager at host:2377 failed: connection error: peer closed connection without sending TLS \
                    close_notify";
        assert_eq!(broken.to_string(), told);
        assert_eq!(without_links("a: https://docs.rs/c: d"), "a: d");
        assert_eq!(without_links("a: b"), "a: b");
    }

    #[test]
    fn a_handshake_that_fails_is_distrust_and_a_host_that_is_off_is_not() {
        let connect = |error| RpcError::connect("a", error);
        let unknown = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        assert!(connect(io::Error::new(io::ErrorKind::InvalidData, unknown)).is_distrust());
        assert!(!connect(io::ErrorKind::ConnectionRefused.into()).is_distrust());
        assert!(!connect(io::Error::other("no")).is_distrust());
        assert!(!RpcError::TimedOut { address: "a".to_owned(), limit: Duration::ZERO }.is_distrust());
    }

    #[test]
    fn a_status_of_the_library_is_no_answer() {
        let failed = RpcError::from_status("host:2377", &Status::unavailable("gone"));
        assert_eq!(failed.to_string(), "the call to the manager at host:2377 failed: gone");
        assert!(!failed.nothing_sent());
    }
}
