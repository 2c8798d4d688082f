//! How Gam's nodes talk to each other: mutual TLS on one port, and calls that are checked against the caller's certificate.
//!
//! This crate moves bytes and says who sent them. What the bytes mean is the business of its callers: requests, inputs,
//! assignments and raft messages are opaque here. No type of tonic, hyper or rustls appears in its interface.
//!
//! # Who may call what
//!
//! | calls | for |
//! |---|---|
//! | [`Service::root`], [`Service::issue`] | anyone, so that a node can join; small messages, few connections, short lives |
//! | [`Service::session`], [`Service::answer`], [`Service::carry`] | nodes of the cluster |
//! | all others | managers of the cluster |
//!
//! TLS checks that a certificate comes from a trusted root and is in date. `gate` checks on **every call** what it says: the
//! organisation must be this cluster, the unit the role that the call needs. A certificate outlives a removal or a demotion, so
//! the service compares the [`Peer`] with the cluster's state as well. Identity is never read from a message.
//!
//! # The life of a call
//!
//! 1. [`Clients::to`] names an address; the call takes the connection of that address and [`Lane`], or dials (`dial`): TCP, TLS,
//!    and the server must show a manager's certificate of the same cluster.
//! 2. `serve` accepts, within bounds, and takes the caller's [`Peer`] from the handshake.
//! 3. `gate` lets the call through to `calls`, which hands it to the [`Service`].
//! 4. A refusal travels as a status and comes back as the same [`gam_core::error::Error`] in [`RpcError::Refused`].
//!
//! # What holds
//!
//! - Only TLS 1.3 is spoken, and no session is resumed: each connection shows the certificate of today.
//! - [`Tls::replace`] is seen by the next handshake on either side; [`Clients`] then dial anew.
//! - [`RpcError::Connect`] means that nothing was sent. After any other failure the call may have been carried out.

mod body;
mod calls;
mod carried;
mod clients;
mod codec;
mod dial;
mod error;
mod gate;
mod join;
mod message;
mod peer;
mod serve;
mod service;
mod strangers;
mod stream;
mod tls;

/// The messages and services of `proto/gam.proto`.
#[allow(missing_docs, clippy::all)]
mod proto {
    tonic::include_proto!("gam.v1");
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use carried::{Carried, join as join_streams};
pub use clients::{Client, Clients, Lane, Session};
pub use error::{RpcError, no_manager, removed, says_no_manager};
pub use join::{fetch_root, issue};
pub use message::{AgentMessage, Errand, IssueRequest, Issued, ManagerMessage, PROTOCOL, Piece, ReadIndex, SealKey};
pub use peer::{BACKDATE_SECONDS, Peer, Role};
pub use serve::serve;
pub use service::Service;
pub use stream::{Closed, Inbound, Outbound};
pub use tls::{Credentials, Tls};
