//! Makes the kernel of this host hold what its overlay networks need, and keeps it so.
//!
//! Looks at the whole of both sides whenever the assignments or the backings changed, and every [`REPAIR`] anyway, so that
//! whatever somebody else removes comes back. Also removes backings that no task or container of this node needs any more.
//! What to do is decided by [`gam_core::plane`]. Started by the node with its other roles; when Gam stops, everything stays
//! and packets go on.

mod kernel;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gam_core::assignment::Assignments;
use gam_core::crypt::{self, Crypt};
use gam_core::model::{Network, NetworkId, NodeId};
use gam_core::plane::{self, Bridge, Plane};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::crypt::{CryptError, Tunnel};
use super::interfaces::{Interface, interfaces};
use super::{NetworkError, Networks, backing};
use crate::manager::chain;
use kernel::{Kernel, KernelError};

/// A removed device or entry is missing for no longer than this.
const REPAIR: Duration = Duration::from_secs(2);
/// A backing that nobody needs stays for so long: tasks that are replaced leave their network for a moment.
const LINGER: Duration = Duration::from_secs(5);

/// Why the kernel is not as it should be.
#[derive(Debug, thiserror::Error)]
enum OverlayError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error("cannot list the host's addresses")]
    Addresses(#[from] std::io::Error),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Crypt(#[from] CryptError),
}

/// Keeps the overlay networks of `node` until the assignments end.
pub async fn keep(networks: Networks, node: NodeId, mut assignments: watch::Receiver<Arc<Assignments>>) {
    let mut made = networks.watch_made();
    let mut keeper = Keeper::new(networks, node);
    let mut repairs = interval(REPAIR);
    repairs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_due = true;
    loop {
        let held = assignments.borrow_and_update().clone();
        // Before the cluster was heard everything stays as it is.
        if held.index > 0 {
            keeper.look(&held, is_due).await;
            keeper.sweep(&held, &assignments).await;
        }
        is_due = tokio::select! {
            changed = assignments.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
            _ = made.changed() => true,
            _ = repairs.tick(), if keeper.has_something() => true,
        };
    }
}

/// Removes every device: the node left its swarm.
pub async fn clear() {
    let cleared = async {
        let mut kernel = Kernel::open()?;
        reconcile(&mut kernel, &Plane::new()).await
    };
    if let Err(error) = cleared.await {
        tracing::warn!(error = %chain(&error), "overlay devices are left behind");
    }
}

struct Keeper {
    networks: Networks,
    node: NodeId,
    /// The host's interfaces at the last look.
    interfaces: Vec<Interface>,
    /// Whether every network that the node is on had its backing at the last look.
    is_complete: bool,
    /// What the kernel was made to hold at the last look; `None` if that failed.
    made: Option<(Option<Crypt>, Plane)>,
    /// What encrypted networks run over.
    tunnel: Tunnel,
    /// Backings that nobody needs, and since when.
    unused: BTreeMap<NetworkId, Instant>,
    /// The last failure that was logged; it is said once.
    said: String,
}

impl Keeper {
    fn new(networks: Networks, node: NodeId) -> Keeper {
        Keeper {
            networks,
            node,
            interfaces: Vec::new(),
            is_complete: false,
            made: None,
            tunnel: Tunnel::default(),
            unused: BTreeMap::new(),
            said: String::new(),
        }
    }

    /// Whether there is something that may need a repair, or to be removed.
    fn has_something(&self) -> bool {
        !self.is_complete
            || self.made.as_ref().is_none_or(|(_, made)| !made.is_empty())
            || self.tunnel.is_there()
            || !self.networks.backed().is_empty()
    }

    /// Brings the kernel up to date. Unless a repair is due only if it should hold something else than before.
    async fn look(&mut self, held: &Assignments, is_due: bool) {
        let said = match self.repair(held, is_due).await {
            Ok(()) => String::new(),
            Err(error) => chain(&error),
        };
        if said != self.said && !said.is_empty() {
            tracing::warn!(error = said, "overlay networks do not reach other nodes as they should; it is tried again");
        }
        self.said = said;
    }

    async fn repair(&mut self, held: &Assignments, is_due: bool) -> Result<(), OverlayError> {
        if is_due || self.made.is_none() {
            self.interfaces = interfaces().await?;
            // Containers of an earlier run have their networks, and nobody asks for these again.
            if !self.is_complete {
                self.networks.reload().await?;
            }
        }
        self.is_complete = self.has_all(held);
        if crypt::is_needed(held, self.node) {
            self.networks.identity().announce()?;
        }
        let wanted = self.wanted(held);
        if !is_due && self.made.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.made = None;
        let (crypt, plane) = &wanted;
        // The other networks do not have to wait for it; those over it are then refused by the kernel, which is as it should be.
        let kept = self.tunnel.keep(crypt.as_ref(), self.networks.identity(), &self.interfaces).await;
        let reconciled = reconcile(&mut Kernel::open()?, plane).await;
        kept?;
        reconciled?;
        self.made = Some(wanted);
        Ok(())
    }

    fn has_all(&self, held: &Assignments) -> bool {
        let backed = self.networks.backed();
        let mut used =
            held.networks.values().filter(|network| is_overlay(network) && held.is_used(self.node, network.id));
        used.all(|network| backed.contains(&network.id))
    }

    fn wanted(&self, held: &Assignments) -> (Option<Crypt>, Plane) {
        let backed = self.networks.backed();
        let overlays = backed.iter().filter_map(|id| held.networks.get(id)).filter(|network| is_overlay(network));
        let underlay = underlay(held, self.node, &self.interfaces);
        let bridges = overlays.map(|network| (network.id, bridge(network, underlay))).collect();
        let own: BTreeSet<IpAddr> =
            self.interfaces.iter().flat_map(|interface| &interface.addresses).copied().collect();
        (crypt::render(held, self.node, &bridges, &own), plane::render(held, self.node, &bridges, &own))
    }

    /// Removes the backings that nobody has needed for a while.
    async fn sweep(&mut self, held: &Assignments, newest: &watch::Receiver<Arc<Assignments>>) {
        let backed = self.networks.backed();
        self.unused.retain(|network, _| backed.contains(network) && !held.is_used(self.node, *network));
        for network in backed.into_iter().filter(|network| !held.is_used(self.node, *network)) {
            let since = *self.unused.entry(network).or_insert_with(Instant::now);
            if since.elapsed() < LINGER {
                continue;
            }
            self.unused.remove(&network);
            let is_unused = || !newest.borrow().is_used(self.node, network);
            if let Err(error) = self.networks.remove_unused(network, is_unused).await {
                tracing::debug!(%network, %error, "an unused network stays for now");
            }
        }
    }
}

async fn reconcile(kernel: &mut Kernel, wanted: &Plane) -> Result<(), KernelError> {
    let seen = kernel.see().await?;
    let mut first = Ok(());
    // One that is refused keeps no other from being made.
    for step in plane::steps(wanted, &seen) {
        tracing::debug!(?step, "the kernel is changed");
        if let Err(error) = kernel.perform(&step).await
            && first.is_ok()
        {
            first = Err(error);
        }
    }
    first
}

fn is_overlay(network: &Network) -> bool {
    network.driver() == "overlay" && !network.is_predefined()
}

fn bridge(network: &Network, underlay: Option<u32>) -> Bridge {
    Bridge { name: backing::bridge_name(network.id), mtu: backing::mtu(network, underlay) }
}

/// What packets may measure on the way to other nodes, if it is known.
fn underlay(held: &Assignments, node: NodeId, interfaces: &[Interface]) -> Option<u32> {
    let address: IpAddr = held.peers.get(&node)?.data_path.parse().ok()?;
    mtu_at(address, interfaces)
}

/// What packets of the interface with this address may measure.
pub fn mtu_at(address: IpAddr, interfaces: &[Interface]) -> Option<u32> {
    let interface = interfaces.iter().find(|interface| interface.addresses.contains(&address))?;
    (!interface.loopback).then_some(interface.mtu)
}
