//! How a node comes into a swarm that is there already.
//!
//! The token names the root that must be trusted and the role that is asked for; the manager that is asked signs a
//! certificate for a key that never leaves this host. From then on the node speaks with its certificate.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gam_core::control::{self, pinned_digest};
use gam_core::error::{Code, Error};
use gam_core::model::ClusterId;
use gam_rpc::{IssueRequest, Issued, Role, RpcError};
use gam_store::{KeySource, Store};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::addresses::{self, HostPort};
use super::directory::{Identity, NodeRole};
use super::init::Addresses;
use super::trust::Trust;
use super::{Life, LocalInfo, Node, Roles, SWARM_EXISTS, internal, remote};
use crate::ca;
use crate::manager::seed;
use crate::network::interfaces;
use crate::vital;

/// How long a join waits for the node to be part of the swarm (moby: `swarmConnectTimeout`).
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How often managers that do not answer are asked while the user waits (swarmkit `DownloadRootCA`).
const TRIES: usize = 5;
/// Only a try that fails this soon counts: the way there is closed, and nobody was waited for.
const AT_ONCE: Duration = Duration::from_millis(500);
/// Between two such tries (swarmkit: `GetCertRetryInterval`).
const TRY_PAUSE: Duration = Duration::from_secs(2);
/// `moby: daemon/cluster/errors.go`
const JOIN_TIMED_OUT: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the \"docker info\" command to see the current swarm status of your node.";

/// What `POST /swarm/join` asks for.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Where to listen for other nodes, once a manager.
    pub listen_addr: String,
    /// What to tell other nodes; empty means the host's only address.
    pub advertise_addr: String,
    /// Address of the data path; empty means the advertised one.
    pub data_path_addr: String,
    /// `host:port` of managers.
    pub remote_addrs: Vec<String>,
    /// The token.
    pub join_token: String,
    /// `active`, `pause`, `drain`, or empty.
    pub availability: String,
}

/// A join that takes long. It goes on until somebody leaves, or until a manager refuses the host.
#[derive(Default)]
pub(super) struct Joining {
    /// The address that the node will tell others.
    addr: String,
    pub(super) stop: CancellationToken,
    failed: OnceLock<Error>,
}

impl Joining {
    pub(super) fn info(&self) -> LocalInfo {
        let (state, error) = match self.failed.get() {
            Some(error) => ("error", error.message.clone()),
            None => ("pending", String::new()),
        };
        LocalInfo { state, error, addr: self.addr.clone(), ..LocalInfo::default() }
    }
}

/// What a join needs to come to an end.
struct Attempt {
    request: Join,
    addresses: Addresses,
    /// Of the root that the token names.
    digest: String,
    /// When the user stops waiting.
    deadline: Instant,
}

impl Node {
    /// `docker swarm join`. Returns once the node is part of the swarm; if that takes too long it goes on by itself.
    pub async fn join(&self, request: Join) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        if !matches!(&**self.0.life.load(), Life::Inactive) {
            return Err(Error::unavailable(SWARM_EXISTS));
        }
        let attempt = self.check(request).await?;
        let deadline = attempt.deadline;
        let addr = attempt.addresses.advertise.host.to_string();
        let joining = Arc::new(Joining { addr, ..Joining::default() });
        self.become_(Life::Joining(joining.clone()));
        let mut made = Box::pin(self.clone().attempt(attempt));
        let waited = tokio::select! {
            waited = timeout_at(deadline, &mut made) => waited,
            () = joining.stop.cancelled() => {
                self.become_(Life::Inactive);
                return Err(Error::unavailable("gam is being stopped"));
            }
        };
        let Ok(made) = waited else {
            let later = self.clone().join_later(made, joining.clone());
            vital::spawn("a join that takes long", joining.stop.clone().run_until_cancelled_owned(later));
            return Err(Error::unavailable(JOIN_TIMED_OUT));
        };
        let entered = match made {
            Ok((attempt, issued, key)) => self.enter(&attempt, &issued, &key).await,
            Err(error) => Err(error),
        };
        let roles = entered.inspect_err(|_| self.become_(Life::Inactive))?;
        let joined = timeout_at(deadline, roles.until_joined()).await;
        joined.map_err(|_| Error::unavailable(JOIN_TIMED_OUT))
    }

    /// Looks at what was asked, in dockerd's order.
    async fn check(&self, mut request: Join) -> Result<Attempt, Error> {
        addresses::is_given(&request.listen_addr)?;
        request.remote_addrs = remote::complete(&request.remote_addrs)?;
        let addresses = self.addresses_towards(&request).await?;
        request.availability = control::first_availability(&request.availability)?;
        if request.join_token.is_empty() {
            // What any manager answers; but without a digest none can be trusted.
            return Err(no_token());
        }
        let digest = pinned_digest(&request.join_token)?.to_owned();
        Ok(Attempt { request, addresses, digest, deadline: Instant::now() + JOIN_TIMEOUT })
    }

    /// Where the node listens, and what it tells others: what the user said, or the address on the way to the manager.
    async fn addresses_towards(&self, request: &Join) -> Result<Addresses, Error> {
        let interfaces = interfaces::interfaces().await.map_err(internal)?;
        let listen = addresses::listen(&request.listen_addr, &interfaces)?;
        let data_path = addresses::data_path(&request.data_path_addr, &interfaces)?;
        let own = match request.remote_addrs.first() {
            Some(manager) if listen.host.is_unspecified() => remote::own_address(manager).await?,
            _ => listen.host,
        };
        // Docker does not say that an address cannot be used here: another one is found.
        let named = Some(&request.advertise_addr).filter(|named| !named.is_empty());
        let named = named.and_then(|named| addresses::advertise(named, &listen, &interfaces, &[]).ok());
        let said = if named.is_some() { request.advertise_addr.as_str() } else { "" };
        let advertised = addresses::advertised(said, &listen, &interfaces);
        let advertise = named.unwrap_or_else(|| HostPort { host: own, port: listen.port.clone() });
        Ok(Addresses { listen, advertise, advertised, data_path: data_path.map(|address| address.to_string()) })
    }

    /// Becomes the node that a manager has made of this host.
    async fn enter(&self, attempt: &Attempt, issued: &Issued, key: &str) -> Result<Arc<Roles>, Error> {
        let Attempt { request, addresses, .. } = attempt;
        self.networks().gwbridge().await.map_err(internal)?;
        let role = if issued.role == Role::Manager { NodeRole::Manager } else { NodeRole::Worker };
        let identity = Identity {
            format: 0,
            node: issued.node,
            cluster: issued.cluster,
            role,
            raft_id: if role == NodeRole::Manager { new_raft_id()? } else { 0 },
            listen: addresses.listen.to_string(),
            advertise: addresses.advertise.to_string(),
            advertised: addresses.advertised.clone(),
            data_path: addresses.data_path.clone(),
            managers: request.remote_addrs.clone(),
            history: None,
        };
        let joined = self.settle(&identity, issued, key).await;
        if joined.is_err() {
            self.0.directory.abandon().map_err(internal)?;
        }
        let roles = Arc::new(joined?);
        self.become_(Life::Active(roles.clone()));
        Ok(roles)
    }

    /// Ends a join that nobody waits for any more.
    async fn join_later(self, made: impl Future<Output = Result<Made, Error>>, joining: Arc<Joining>) {
        let made = made.await;
        // Whoever leaves holds this lock too, and has stopped this task before it gets it.
        let _changing = self.0.changing.lock().await;
        let entered = match made {
            Ok((attempt, issued, key)) => self.enter(&attempt, &issued, &key).await,
            Err(error) => Err(error),
        };
        if let Err(error) = entered {
            tracing::warn!(%error, "this host could not join the swarm");
            let _ = joining.failed.set(error);
        }
    }

    /// Writes down what the node is now, and starts it.
    async fn settle(&self, identity: &Identity, issued: &Issued, key: &str) -> Result<Roles, Error> {
        let directory = &self.0.directory;
        directory.disown().map_err(internal)?;
        directory.keep_certificates(&issued.roots_pem, &issued.chain_pem, key).map_err(internal)?;
        match identity.role {
            NodeRole::Worker => {
                directory.adopt(identity).map_err(internal)?;
                self.start_worker(identity.clone())
            }
            NodeRole::Manager => self.start_joining_manager(identity.clone()).await,
        }
    }

    /// Makes this node a manager that has no state yet: it gets it from the others once it is one of them.
    pub(super) async fn start_joining_manager(&self, identity: Identity) -> Result<Roles, Error> {
        let trust = Trust::open(&self.0.directory)?;
        Store::destroy(&self.0.directory.raft()).map_err(internal)?;
        let config = self.store_config(&identity, KeySource::OnDisk, &trust);
        let listener = self.listen_again(&identity.listen).await?;
        let store = Store::join(config).await.map_err(internal)?;
        self.0.directory.adopt(&identity).map_err(internal)?;
        self.start_manager(identity, store, trust, listener).map_err(internal)
    }

    /// Asks the managers that the user named for a certificate, one after the other, and again while one is silent: a few
    /// times for the user, and without end once nobody waits.
    async fn attempt(self, attempt: Attempt) -> Result<Made, Error> {
        let Attempt { request, addresses, digest, deadline } = &attempt;
        self.engine().check_free().await.map_err(internal)?;
        let description = self.engine().describe().await.map_err(internal)?;
        let (key, csr_der) = ca::new_key_and_csr().map_err(internal)?;
        let mut tried = 0;
        loop {
            let began = Instant::now();
            let mut is_silent = false;
            let mut last = Error::invalid("at least 1 RemoteAddr is required to join");
            for address in &request.remote_addrs {
                let issue = IssueRequest {
                    token: request.join_token.clone(),
                    csr_der: csr_der.clone(),
                    availability: request.availability.clone(),
                    hostname: description.hostname.clone(),
                    address: addresses.advertise.to_string(),
                };
                match introduce_to(address, digest, issue).await {
                    Ok(issued) => return Ok((attempt, issued, key)),
                    Err(Unissued::Before(error)) => {
                        is_silent |= remote::is_silence(&error);
                        last = remote::refused(error);
                    }
                    // The node may have been made; another try would make another.
                    Err(Unissued::After(error)) => return Err(half_joined(&remote::refused(error))),
                }
            }
            let is_waited_for = Instant::now() < *deadline;
            // Whom one had to wait for may only be slow; it is not known yet that nobody is there.
            tried += usize::from(began.elapsed() < AT_ONCE);
            if !is_silent || (tried >= TRIES && is_waited_for) {
                return Err(last);
            }
            tracing::info!(error = %last, "no manager answers; this host still tries to join");
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }
}

/// What was tried, the certificate that a manager issued, and its key.
type Made = (Attempt, Issued, String);

/// Why there is no certificate.
enum Unissued {
    /// Nothing has happened.
    Before(RpcError),
    /// The token was sent and not answered.
    After(RpcError),
}

async fn introduce_to(address: &str, digest: &str, request: IssueRequest) -> Result<Issued, Unissued> {
    let root = gam_rpc::fetch_root(address).await.map_err(Unissued::Before)?;
    if ca::digest(&root) != digest {
        let expected = control::digest_hex(digest);
        let words = format!("remote CA does not match fingerprint. Expected: {expected}");
        return Err(Unissued::Before(RpcError::Refused(Error::unavailable(words))));
    }
    gam_rpc::issue(address, &root, request).await.map_err(|error| match error {
        RpcError::TimedOut { .. } | RpcError::Call { .. } => Unissued::After(error),
        error => Unissued::Before(error),
    })
}

/// What is said of a token that was sent and not answered.
fn half_joined(error: &Error) -> Error {
    let words = format!(
        "{}; a node may have been made for this host all the same: 'docker node ls' on a manager shows it, and 'docker node rm' \
         removes it",
        error.message
    );
    Error { message: words, ..error.clone() }
}

fn no_token() -> Error {
    Error::rpc(Code::InvalidArgument, "A valid join token is necessary to join this cluster")
}

/// A number for the consensus that no manager ever had.
pub(super) fn new_raft_id() -> Result<u64, Error> {
    let mut ids = gam_core::model::IdSource::new(seed().map_err(internal)?);
    Ok(ids.fresh::<ClusterId>().number() as u64 | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_that_is_cut_after_its_token_was_sent_says_what_may_be_left() {
        let cut = RpcError::Call { address: "192.0.2.1:2377".into(), cause: "connection error".into() };
        let told = half_joined(&remote::refused(cut));
        assert_eq!(
            told.message,
            "rpc error: code = Unavailable desc = the call to the manager at 192.0.2.1:2377 failed: connection error; a node may \
             have been made for this host all the same: 'docker node ls' on a manager shows it, and 'docker node rm' removes it"
        );
    }
}
