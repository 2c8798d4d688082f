//! Who is at the other end, as its certificate says: common name = node, organisational unit = role, organisation = cluster.
//!
//! Decides nothing about rights; `gate` does. A certificate that does not name exactly one of each names nobody.

use std::net::IpAddr;

use gam_core::model::{ClusterId, NodeId, Timestamp};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::AttributeTypeAndValue;

/// A node's role in its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `swarm-manager`
    Manager,
    /// `swarm-worker`
    Worker,
}

impl Role {
    /// The organisational unit of the certificate.
    pub fn unit(self) -> &'static str {
        match self {
            Role::Manager => "swarm-manager",
            Role::Worker => "swarm-worker",
        }
    }

    /// The role that a unit stands for.
    pub fn from_unit(unit: &str) -> Option<Role> {
        [Role::Manager, Role::Worker].into_iter().find(|role| role.unit() == unit)
    }
}

/// How far certificates are dated back, for hosts whose clocks disagree (swarmkit: one hour).
pub const BACKDATE_SECONDS: i64 = 3600;

/// A node as its certificate names it, and where its connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// The role for which the certificate was issued; the cluster's state may have moved on.
    pub role: Role,
    /// The cluster whose authority issued it.
    pub cluster: ClusterId,
    /// When the certificate was issued, to the second. An external authority that dates certificates back by less makes this later.
    pub issued_at: Timestamp,
    /// The address of the other end of the connection.
    pub addr: IpAddr,
}

impl Peer {
    /// Whom a certificate (DER) shown from `addr` names. Says nothing about whether it can be trusted.
    pub fn of_certificate(der: &[u8], addr: IpAddr) -> Option<Peer> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let begin = certificate.validity().not_before.timestamp();
        Some(Peer {
            node: only(subject.iter_common_name())?.parse().ok()?,
            role: Role::from_unit(only(subject.iter_organizational_unit())?)?,
            cluster: only(subject.iter_organization())?.parse().ok()?,
            issued_at: Timestamp((begin + BACKDATE_SECONDS).checked_mul(1_000_000_000)?),
            addr,
        })
    }
}

/// The text of the only attribute of its kind. Two would let two readers see two different nodes.
fn only<'a>(mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<&'a str> {
    let first = attributes.next()?;
    if attributes.next().is_some() {
        return None;
    }
    first.as_str().ok()
}
