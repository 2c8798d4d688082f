//! The certificate authority: which root a cluster is to have, and when one has taken over from another
//! (swarmkit `manager/controlapi/ca_rotation.go`, `ca/reconciler.go`).
//!
//! Decisions only. Keys and certificates are made and read by the shell, and external authorities are tried by it:
//! [`authority_needs`] says what a change needs, [`Authority`] brings it. A rotation begins with a change of the
//! cluster's spec and ends when every node's certificate is of the new root; nodes see from
//! [`crate::state::State::must_renew`] that they should renew.

use serde::{Deserialize, Serialize};

use super::token;
use crate::error::{Code, Error};
use crate::model::{CaConfig, JoinTokens, RootCa, RootRotation, Timestamp, normal_pem};
use crate::plan::Plan;
use crate::state::Change;

/// The shortest remaining life of a root that may take over, ns: a year (swarmkit `minRootExpiration`).
const MIN_ROOT_EXPIRY: i64 = 365 * 24 * 3600 * 1_000_000_000;

/// What must be made and found out before a change of the authority can be asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthorityNeeds {
    /// The certificate and key (or none) of the spec must be read, and must belong together.
    pub read: Option<(String, String)>,
    /// A new root must be made.
    pub make: bool,
    /// The next root must be signed by the present one: with its key, or else by its external authorities.
    pub cross_sign: bool,
    /// External authorities that must be tried, as URL and root under which each must answer.
    pub probe: Vec<(String, String)>,
}

/// What was made and found out for a change of the authority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authority {
    /// The root that was made, or read from the spec.
    pub next: Option<NextRoot>,
    /// URLs of external authorities that answered under their roots.
    pub reachable: Vec<String>,
}

/// A root that may take over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextRoot {
    /// The root as the state will hold it; `cross_signed` is empty where that was not needed.
    pub root: RootRotation,
    /// The root, PEM, that signed `cross_signed`.
    pub signed_by: String,
    /// When the root expires.
    pub expires: Timestamp,
}

/// What a change to this configuration needs.
pub fn authority_needs(root: &RootCa, config: &CaConfig) -> AuthorityNeeds {
    let (present, wanted) = (normal_pem(&root.cert), normal_pem(&config.signing_ca_cert));
    let next = root.rotation.as_ref().map(|rotation| normal_pem(&rotation.cert));
    let make = wanted.is_empty() && config.force_rotate != root.last_forced_rotation;
    let has_key = !config.signing_ca_key.is_empty();
    let mut asked: Vec<&String> = Vec::new();
    if root.key.is_empty() && !(wanted == present && has_key) {
        asked.push(&present);
    }
    if !wanted.is_empty() && !has_key {
        asked.push(&wanted);
    }
    if let (Some(rotation), Some(next)) = (&root.rotation, &next)
        && wanted.is_empty()
        && rotation.key.is_empty()
    {
        asked.push(next);
    }
    let externals = config.external_cas.iter().map(|external| (external.url.clone(), root.of_external(external)));
    AuthorityNeeds {
        make,
        cross_sign: make || !wanted.is_empty() && wanted != present && Some(&wanted) != next.as_ref(),
        probe: externals.filter(|(_, cert)| asked.contains(&cert)).collect(),
        read: (!wanted.is_empty()).then(|| (wanted, config.signing_ca_key.clone())),
    }
}

/// The authority after a change to `config`; refusals in Docker's order and words.
pub(super) fn decide(root: &RootCa, config: &CaConfig, prepared: &Authority, now: Timestamp) -> Result<RootCa, Error> {
    let (present, wanted) = (normal_pem(&root.cert), normal_pem(&config.signing_ca_cert));
    let key = &config.signing_ca_key;
    let same_root =
        || RootCa { key: key.clone(), rotation: None, last_forced_rotation: config.force_rotate, ..root.clone() };
    if root.key.is_empty() {
        // The cluster learns the key of its root: nothing needs an external authority any more.
        if wanted == present && !key.is_empty() {
            return read(prepared, &wanted).map(|_| same_root());
        }
        require_external(root, config, prepared, &present, "current")?;
    }
    if wanted.is_empty() {
        if config.force_rotate != root.last_forced_rotation {
            return begin(root, prepared.next.as_ref(), config.force_rotate);
        }
        if let Some(rotation) = root.rotation.as_ref().filter(|rotation| rotation.key.is_empty()) {
            require_external(root, config, prepared, &normal_pem(&rotation.cert), "next")?;
        }
        return Ok(root.clone());
    }
    let next = read(prepared, &wanted)?;
    if next.expires < now.plus(MIN_ROOT_EXPIRY) {
        return Err(Error::rpc(Code::InvalidArgument, "CA certificate expires too soon"));
    }
    if key.is_empty() {
        require_external(root, config, prepared, &wanted, "desired")?;
    }
    if wanted == present {
        return Ok(same_root());
    }
    if !key.is_empty() && *key == root.key {
        return Err(Error::rpc(Code::InvalidArgument, "Cannot update to a cert with an identical key"));
    }
    match &root.rotation {
        Some(rotation) if normal_pem(&rotation.cert) == wanted => Ok(RootCa {
            rotation: Some(Box::new(RootRotation { key: key.clone(), ..(**rotation).clone() })),
            last_forced_rotation: config.force_rotate,
            ..root.clone()
        }),
        _ => begin(root, Some(next), config.force_rotate),
    }
}

/// What was read of the spec's certificate. Another one was prepared if the spec changed in between.
fn read<'a>(prepared: &'a Authority, wanted: &str) -> Result<&'a NextRoot, Error> {
    let next = prepared.next.as_ref().filter(|next| normal_pem(&next.root.cert) == wanted);
    next.ok_or_else(|| Error::rpc(Code::InvalidArgument, "could not parse the desired CA certificate"))
}

fn require_external(
    root: &RootCa,
    config: &CaConfig,
    prepared: &Authority,
    cert: &str,
    which: &str,
) -> Result<(), Error> {
    let mut externals = config.external_cas.iter().filter(|external| root.of_external(external) == cert);
    if externals.any(|external| prepared.reachable.contains(&external.url)) {
        return Ok(());
    }
    Err(Error::rpc(
        Code::InvalidArgument,
        format!("there must be at least one valid, reachable external CA corresponding to the {which} CA certificate"),
    ))
}

/// Another root begins to take over. A rotation under way is given up for it: the nodes still trust the present root.
fn begin(root: &RootCa, next: Option<&NextRoot>, force_rotate: u64) -> Result<RootCa, Error> {
    if root.key.is_empty() && next.is_some_and(|next| next.root.key.is_empty()) {
        return Err(Error::rpc(
            Code::InvalidArgument,
            "rotating from one external CA to a different external CA is not supported",
        ));
    }
    let unsigned = || {
        let sentence = "unable to generate a cross-signed certificate for root rotation";
        Error::rpc(Code::Internal, sentence)
    };
    let next = next.filter(|next| !next.root.cross_signed.is_empty()).ok_or_else(unsigned)?;
    // Prepared beside a change that came first: nobody would trust it.
    if normal_pem(&next.signed_by) != normal_pem(&root.cert) {
        return Err(Error::rpc(Code::Unknown, "update out of sequence"));
    }
    let rotation = Some(Box::new(next.root.clone()));
    Ok(RootCa { rotation, last_forced_rotation: force_rotate, ..root.clone() })
}

/// Ends a rotation once no node has a certificate of the old root, those that are down included: the new root becomes
/// the cluster's, and so do join tokens that pin it.
pub(crate) fn finish_rotation(plan: &mut Plan<'_>) {
    let Some(cluster) = plan.state().cluster().cloned() else { return };
    let Some(rotation) = cluster.root_ca.rotation.as_deref() else { return };
    if plan.state().nodes().any(|node| plan.state().must_renew(node)) {
        return;
    }
    plan.push(Change::ClusterRootCa(Box::new(RootCa {
        cert: rotation.cert.clone(),
        key: rotation.key.clone(),
        subject: rotation.subject.clone(),
        public_key: rotation.public_key.clone(),
        rotation: None,
        last_forced_rotation: cluster.root_ca.last_forced_rotation,
    })));
    let worker = token::join_token(&rotation.digest, plan.ids.bytes());
    let manager = token::join_token(&rotation.digest, plan.ids.bytes());
    plan.push(Change::ClusterTokens(JoinTokens { worker, manager }));
}
