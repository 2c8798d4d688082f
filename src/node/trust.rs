//! The node's certificate: got at a join, renewed in time, replaced when the cluster wants another role or root.
//!
//! One loop looks at what the cluster wants of this node and at what its certificate says, and acts on the difference; so
//! whatever was missed while the node was down is caught up with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gam_core::control::Authority;
use gam_core::error::Error;
use gam_core::model::CaConfig;
use gam_rpc::{Clients, Credentials, IssueRequest, Issued, Role, RpcError, Service as _, Tls};
use gam_store::Leadership;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::ask::any_of;
use super::directory::{Directory, Identity, NodeRole};
use super::membership::ask_in;
use super::service::ManagerService;
use super::{Node, internal};
use crate::ca;
use crate::dispatcher::Directive;
use crate::manager::{Manager, chain, now};
use crate::vital;

/// Between two tries to get a certificate; the cluster may be busy with an election.
const RETRY: Duration = Duration::from_secs(1);
/// How long one manager may take to issue a certificate: it may have to ask the leader, or an external authority.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(5);
/// A certificate is renewed once it has lived so many hundredths of its time (swarmkit: at random between 50 and 80).
const RENEW_AFTER: std::ops::Range<i64> = 50..80;
/// How far certificates are dated back, in nanoseconds.
const BACKDATE: i64 = gam_rpc::BACKDATE_SECONDS * 1_000_000_000;
/// The longest sleep between two looks at the clock: clocks are set, and hosts sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// How long a manager knows no leader before it asks the others what it is: several elections.
const LEADERLESS: Duration = Duration::from_secs(5);

/// Of a manager that was removed while it was away, and the root replaced.
const STRANGE: &str = "no other manager trusts this one any more, or is trusted by it; if it was removed from the swarm while it was \
                       away, run 'docker swarm leave --force', then join again";

/// What a node trusts and shows.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) tls: Tls,
    pub(super) clients: Clients,
    /// Notified when another manager has turned this one away, or calls it something else than its own state does.
    pub(super) contradicted: Arc<Notify>,
}

impl Trust {
    /// From the state directory.
    pub(super) fn open(directory: &Directory) -> Result<Trust, Error> {
        let [roots, chain, key] = directory.certificates_kept().map_err(internal)?;
        let tls = Tls::new(Credentials { chain_pem: chain, key_pem: key, roots_pem: vec![roots] }).map_err(internal)?;
        Ok(Trust { clients: Clients::new(tls.clone()), tls, contradicted: Arc::default() })
    }

    /// Keeps and uses another certificate, or the same one beside other roots, and counts that in `renewed`: the cluster is
    /// told of both, and a rotation of the root, and whoever waits for its end, waits for that.
    fn replace(&self, directory: &Directory, renewed: &watch::Sender<u64>, by: Certificate<'_>) -> Result<(), Error> {
        let Certificate { roots, chain, key } = by;
        directory.keep_certificates(roots, chain, key).map_err(internal)?;
        let (chain_pem, key_pem, roots_pem) = (chain.to_owned(), key.to_owned(), vec![roots.to_owned()]);
        self.tls.replace(Credentials { chain_pem, key_pem, roots_pem }).map_err(internal)?;
        renewed.send_modify(|count| *count += 1);
        Ok(())
    }
}

/// A certificate with its issuers, its key, and the roots to trust; all PEM.
struct Certificate<'a> {
    roots: &'a str,
    chain: &'a str,
    key: &'a str,
}

/// How long a certificate can still be used as it is.
fn rest(chain_pem: &str) -> Duration {
    let Ok(validity) = ca::validity(chain_pem) else { return Duration::ZERO };
    let due = renewal(validity, ca::draw(chain_pem, RENEW_AFTER));
    Duration::from_nanos(u64::try_from(due - now().0).unwrap_or(0))
}

/// When a certificate is renewed that is valid from `begin` to `end`: after so many hundredths of the time from its issue on, since it
/// is dated back. One that lasts no longer than that was dated back by less, by an authority of the user's.
fn renewal((begin, end): (i64, i64), hundredths: i64) -> i64 {
    let whole = end.saturating_sub(begin).max(0);
    let issued = begin.saturating_add(BACKDATE.min(whole / 2));
    issued + end.saturating_sub(issued).max(0) / 100 * hundredths
}

/// Why there is no certificate from another manager.
#[derive(Debug)]
struct Unissued {
    error: Error,
    /// All of them were reached, and none of them and this node trust each other.
    by_all: bool,
}

impl From<Unissued> for Error {
    fn from(unissued: Unissued) -> Error {
        unissued.error
    }
}

/// A certificate from one of these managers.
async fn certify(clients: &Clients, managers: Vec<String>, request: &IssueRequest) -> Result<Issued, Unissued> {
    let (asked, strange) = (managers.len(), AtomicUsize::new(0));
    let ask = async |address: String| {
        let issued = clients.to(&address).within(ISSUE_TIMEOUT).issue(request.clone()).await;
        strange.fetch_add(usize::from(issued.as_ref().is_err_and(RpcError::is_distrust)), Ordering::Relaxed);
        issued
    };
    let error = match any_of(managers, ask).await {
        Some(Ok(issued)) => return Ok(issued),
        Some(Err(RpcError::Refused(refusal))) => refusal,
        Some(Err(error)) => Error::unavailable(chain(&error)),
        None => Error::unavailable("no manager is known"),
    };
    Err(Unissued { error, by_all: asked > 0 && strange.into_inner() == asked })
}

impl Node {
    /// Gets a certificate from another manager, or else from this node's own. The others come first: a manager that is to be
    /// one no more is the last to learn it.
    async fn obtain(
        &self,
        identity: &Identity,
        trust: &Trust,
        manager: Option<&Manager>,
        managers: &[String],
    ) -> Result<(Issued, String), Unissued> {
        let alone = |error| Unissued { error, by_all: false };
        let (key, csr_der) = ca::new_key_and_csr().map_err(|error| alone(internal(error)))?;
        let request = IssueRequest { csr_der, ..IssueRequest::default() };
        let others = managers.iter().filter(|address| **address != identity.advertise).cloned().collect();
        let last = match certify(&trust.clients, others, &request).await {
            Ok(issued) => return Ok((issued, key)),
            Err(last) => last,
        };
        let Some(manager) = manager else { return Err(last) };
        let service = ManagerService { node: self.clone(), manager: manager.clone() };
        let issued = service.issue(Some(trust.tls.own()), request).await.map_err(alone)?;
        Ok((issued, key))
    }

    /// Makes and finds out what a change of the certificate authority needs.
    pub async fn authority(&self, config: &CaConfig) -> Result<Box<Authority>, Error> {
        let state = self.manager()?.read().await?;
        let cluster = state.cluster().ok_or_else(|| Error::unavailable("this manager is only just joining"))?;
        let [_, chain, key] = self.0.directory.certificates_kept().map_err(internal)?;
        Ok(Box::new(ca::prepare(&cluster.root_ca, config, &chain, &key).await?))
    }

    /// Follows what the cluster wants of this node, until its roles stop.
    pub(super) async fn follow_directives(
        self,
        identity: Identity,
        trust: Trust,
        manager: Option<Manager>,
        mut directives: watch::Receiver<Directive>,
    ) {
        loop {
            let directive = directives.borrow_and_update().clone();
            self.remember_managers(&identity, &directive);
            let wait = match self.follow(&identity, &trust, manager.as_ref(), &directive).await {
                Ok(None) => self.rest_of_certificate(),
                Ok(Some(role)) => {
                    // The roles that run this very task are stopped and others started, so it must be another one.
                    let node = self.clone();
                    vital::spawn("a change of role", async move { node.change_role(role).await });
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "no new certificate for this node yet");
                    RETRY
                }
            };
            tokio::select! {
                changed = directives.changed() => if changed.is_err() { return },
                () = sleep(wait) => {}
            }
        }
    }

    /// A manager that was demoted while it was down learns it from nobody: its own state is old, and it is sent no newer one any
    /// more; nor does one that is let go before its demotion has reached it. So one that knows no leader asks the others what it is, as
    /// soon as one of them has turned it away, or else after a while; only one that has a leader answers. Soon, because its agent is not
    /// heard meanwhile, and counts as gone a few seconds later. When none of them and this one trust each other any more, `doubts` says
    /// so.
    pub(super) async fn doubt_role(
        self,
        identity: Identity,
        trust: Trust,
        manager: Manager,
        doubts: watch::Sender<String>,
    ) {
        let mut leadership = manager.store().leadership();
        let mut pause = Duration::ZERO;
        while leadership.wait_for(|now| *now == Leadership::NoLeader).await.is_ok() {
            tokio::select! {
                led = leadership.wait_for(|now| *now != Leadership::NoLeader) => {
                    if led.is_err() {
                        return;
                    }
                    doubts.send_replace(String::new());
                    pause = Duration::ZERO;
                    continue;
                }
                () = async { trust.contradicted.notified().await; sleep(pause).await } => {}
                () = sleep(LEADERLESS) => {}
            }
            // Some are turned away for as long as they ask.
            pause = (pause * 2).clamp(RETRY, LEADERLESS);
            match self.is_demoted(&identity, &trust, &manager).await {
                // What it was it may be no more, even if it is one again.
                Ok(false) => match ask_in(&manager, &identity, &trust).await {
                    Err(error) if self.begins_anew(&identity, &trust, &manager, &error).await => return,
                    Err(error) => tracing::debug!(%error, "not let into the consensus"),
                    Ok(()) => {}
                },
                Ok(true) => {
                    // As in [`Node::follow_directives`].
                    vital::spawn("a change of role", async move { self.change_role(NodeRole::Worker).await });
                    return;
                }
                // It was demoted first, and has nothing of the swarm any more; as a worker it learns so and stops its tasks.
                Err(Unissued { error, .. }) if error == gam_rpc::removed(identity.node) => {
                    tracing::warn!("this manager was removed from the swarm while it was away");
                    vital::spawn("a change of role", async move { self.change_role(NodeRole::Worker).await });
                    return;
                }
                Err(Unissued { error, by_all }) => {
                    tracing::debug!(%error, "no other manager says what this node is");
                    let doubt = if by_all { format!("{STRANGE}: {}", error.message) } else { String::new() };
                    if doubts.send_replace(doubt).is_empty() && by_all {
                        tracing::warn!(%error, "{STRANGE}");
                    }
                }
            }
        }
    }

    /// Whether another manager makes this one a worker; its certificate for that is then at hand.
    async fn is_demoted(&self, identity: &Identity, trust: &Trust, manager: &Manager) -> Result<bool, Unissued> {
        let (issued, key) = self.obtain(identity, trust, None, &identity.managers_of(&manager.state())).await?;
        if issued.role == Role::Manager {
            return Ok(false);
        }
        let issued = Certificate { roots: &issued.roots_pem, chain: &issued.chain_pem, key: &key };
        let replaced = trust.replace(&self.0.directory, &self.0.renewed, issued);
        replaced.map_err(|error| Unissued { error, by_all: false })?;
        tracing::info!("this manager was demoted while it was away");
        Ok(true)
    }

    /// Gets a manager a new certificate as one. That from before it was demoted, and promoted again, is refused by a member that is
    /// behind.
    pub(super) async fn certify_anew(
        &self,
        identity: &Identity,
        trust: &Trust,
        manager: &Manager,
    ) -> Result<(), Error> {
        let (issued, key) = self.obtain(identity, trust, None, &identity.managers_of(&manager.state())).await?;
        if issued.role != Role::Manager {
            return Err(Error::unavailable("this node is no manager any more"));
        }
        let issued = Certificate { roots: &issued.roots_pem, chain: &issued.chain_pem, key: &key };
        trust.replace(&self.0.directory, &self.0.renewed, issued)
    }

    fn rest_of_certificate(&self) -> Duration {
        let kept = self.0.directory.certificates_kept();
        let rest = kept.map_or(Duration::ZERO, |[_, chain, _]| rest(&chain));
        rest.min(LONGEST_SLEEP).max(RETRY)
    }

    /// Does what is due; returns the role that the node must change to, its certificate for it at hand.
    async fn follow(
        &self,
        identity: &Identity,
        trust: &Trust,
        manager: Option<&Manager>,
        directive: &Directive,
    ) -> Result<Option<NodeRole>, Error> {
        let Some(wanted) = directive.role else { return Ok(None) };
        let [roots, chain, key] = self.0.directory.certificates_kept().map_err(internal)?;
        if !directive.roots.is_empty() && directive.roots != roots {
            let issued = Certificate { roots: &directive.roots, chain: &chain, key: &key };
            trust.replace(&self.0.directory, &self.0.renewed, issued)?;
        }
        let held = identity.role;
        let role = if wanted == Role::Manager { NodeRole::Manager } else { NodeRole::Worker };
        let is_due = rest(&chain).is_zero();
        if role == held && !directive.renew && !is_due {
            return Ok(None);
        }
        let managers: Vec<String> = directive.managers.iter().map(|(_, address)| address.clone()).collect();
        let (issued, key) = self.obtain(identity, trust, manager, &managers).await?;
        if (issued.role == Role::Manager) != (role == NodeRole::Manager) {
            trust.contradicted.notify_one();
            return Err(Error::unavailable("the cluster has changed its mind about this node's role"));
        }
        let issued = Certificate { roots: &issued.roots_pem, chain: &issued.chain_pem, key: &key };
        trust.replace(&self.0.directory, &self.0.renewed, issued)?;
        tracing::info!(?role, "this node has a new certificate");
        Ok((role != held).then_some(role))
    }

    /// Keeps the managers' addresses for the next start, and in which history of the cluster they are.
    fn remember_managers(&self, identity: &Identity, directive: &Directive) {
        let managers: Vec<String> = directive.managers.iter().map(|(_, address)| address.clone()).collect();
        let Ok(Some(kept)) = self.0.directory.identity() else { return };
        let history = directive.history.or(kept.history);
        let is_known = managers.is_empty() || (kept.managers == managers && kept.history == history);
        if is_known || kept.node != identity.node {
            return;
        }
        if let Err(error) = self.0.directory.adopt(&Identity { managers, history, ..kept }) {
            tracing::warn!(%error, "cannot keep the managers' addresses");
        }
    }
}

#[cfg(test)]
mod tests {
    use gam_core::model::IdSource;
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    proptest! {
        /// Also of one that lasts an hour, which begins an hour before its issue, or less by another authority.
        #[test]
        fn a_certificate_is_renewed_in_the_later_half_of_its_life_and_before_its_end(
            issued in 0..4_000_000_000_i64,
            seconds in 3600..3_000_000_000_i64,
            backdate in 0..=gam_rpc::BACKDATE_SECONDS,
            lot in RENEW_AFTER,
        ) {
            let (issued, lasts) = (issued * SECOND, seconds * SECOND);
            let due = renewal((issued - backdate * SECOND, issued + lasts), lot);
            let lived = due - issued;
            prop_assert!(lived >= lasts / 100 * RENEW_AFTER.start, "{lived} of {lasts}");
            prop_assert!(lived < lasts, "{lived} of {lasts}");
            if backdate == gam_rpc::BACKDATE_SECONDS {
                prop_assert_eq!(lived, lasts / 100 * lot);
            }
        }
    }

    /// Seen with `--cert-expiry 1h`: one process in thirty began anew every second.
    #[test]
    fn a_new_certificate_rests_and_each_has_a_lot_of_its_own() {
        let mut ids = IdSource::new([5; 32]);
        let root = ca::new_root().unwrap();
        let (_, csr) = ca::new_key_and_csr().unwrap();
        let (cluster, node) = (ids.fresh(), ids.fresh());
        let mut lots = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let chain = ca::sign(&root, &csr, cluster, node, ca::Role::Worker, 3600 * SECOND).unwrap();
            let rest = rest(&chain).as_secs();
            assert!((29 * 60..=48 * 60).contains(&rest), "{rest} s");
            let lot = ca::draw(&chain, RENEW_AFTER);
            assert!(RENEW_AFTER.contains(&lot) && lot == ca::draw(&chain, RENEW_AFTER));
            lots.insert(lot);
        }
        assert!(lots.len() > 5, "{lots:?}");
    }

    /// `swarm ca --rotate` waits until every node says that it trusts the new root alone, also those whose certificate has not
    /// changed since.
    #[test]
    fn other_roots_are_told_as_a_new_certificate_is() {
        let path = std::env::temp_dir().join(format!("gam-trust-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let directory = Directory::open(&path).unwrap();
        let mut ids = IdSource::new([7; 32]);
        let (root, other) = (ca::new_root().unwrap(), ca::new_root().unwrap());
        let (key, csr) = ca::new_key_and_csr().unwrap();
        let hour = 3_600_000_000_000;
        let chain = ca::sign(&root, &csr, ids.fresh(), ids.fresh(), ca::Role::Worker, hour).unwrap();
        directory.keep_certificates(&root.cert, &chain, &key).unwrap();
        let trust = Trust::open(&directory).unwrap();
        let (renewed, told) = watch::channel(0);
        let roots = format!("{}{}", root.cert, other.cert);
        trust.replace(&directory, &renewed, Certificate { roots: &roots, chain: &chain, key: &key }).unwrap();
        assert_eq!(*told.borrow(), 1);
        assert_eq!(directory.certificates_kept().unwrap(), [roots, chain, key]);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
