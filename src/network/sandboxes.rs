//! The containers of this host that are on swarm networks, as their resolver knows them: by the address from which they
//! ask, with what they may see and what their own rules can do already.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use gam_core::discovery::{Asker, Balance};
use gam_core::model::NetworkId;
use tokio::sync::watch;

use super::namespace::Namespace;

/// One container.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Whose names it may ask for.
    pub asker: Asker,
    /// Its network namespace.
    pub namespace: Namespace,
    /// The virtual addresses that work in it.
    pub balance: Arc<Balance>,
    /// The servers that its user chose for all other names.
    pub servers: Vec<IpAddr>,
    /// Whether any of its networks leads outside: if none does, its questions do not either, or they would carry out
    /// what the network keeps in (CVE-2024-29018).
    pub leads_outside: bool,
    /// Whether its user wants names without dots completed before anybody outside is asked (`ndots` in its options).
    pub completes: bool,
}

impl Sandbox {
    /// Whether it can use all of these.
    pub fn can_use(&self, virtual_ips: &[IpAddr]) -> bool {
        virtual_ips.iter().all(|ip| self.balance.get(ip).is_some_and(|behind| !behind.is_empty()))
    }
}

/// A place on a network: one address may be there on several networks.
pub type Place = (NetworkId, IpAddr);

/// All of them.
pub type Known = BTreeMap<Place, Arc<Sandbox>>;

/// All of them, and the news when that changes.
#[derive(Clone, Debug, Default)]
pub struct Sandboxes(watch::Sender<Known>);

impl Sandboxes {
    /// Replaces all.
    pub fn set(&self, sandboxes: Known) {
        self.0.send_replace(sandboxes);
    }

    /// Adds some, or replaces them.
    pub fn add(&self, sandboxes: impl IntoIterator<Item = (Place, Arc<Sandbox>)>) {
        self.0.send_modify(|known| known.extend(sandboxes));
    }

    /// The newest, and later ones.
    pub fn watch(&self) -> watch::Receiver<Known> {
        self.0.subscribe()
    }
}
