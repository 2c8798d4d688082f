//! Makes the kernel of this host hold what its overlay networks need, and keeps it so.
//!
//! Looks at the whole of both sides whenever the assignments or the backings changed, and every [`REPAIR`] anyway, so that
//! whatever somebody else removes comes back: devices and their tables, what dockerd made once beneath them
//! ([`super::bridges`]), tasks' places on networks ([`super::rejoin`]), and the rules that keep strangers out
//! ([`super::guard`]). Also removes backings that no task or container of this node needs any more.
//! What to do is decided by [`gam_core::plane`]. Started by the node with its other roles; when Gam stops, everything stays
//! and packets go on.

mod kernel;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gam_core::assignment::Assignments;
use gam_core::crypt::{self, Crypt};
use gam_core::model::{Network, NetworkId, NodeId, mac_of};
use gam_core::plane::{self, Bridge, Mac, Plane, guard};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bridges::{self, Repair};
use super::crypt::{CryptError, Tunnel};
use super::guard::Guard;
use super::interfaces::{Interface, interfaces};
use super::neighbours::Neighbours;
use super::rejoin::rejoin;
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
    Addresses(#[source] std::io::Error),
    #[error("cannot keep strangers out")]
    Guard(#[source] std::io::Error),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Crypt(#[from] CryptError),
}

/// Keeps the overlay networks of `node` until the assignments end.
pub async fn keep(networks: Networks, node: NodeId, mut assignments: watch::Receiver<Arc<Assignments>>) {
    let mut made = networks.watch_made();
    let mut plugs = networks.plugs().subscribe();
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
            _ = plugs.changed() => true,
            _ = repairs.tick(), if keeper.has_something() => true,
        };
    }
}

/// Removes every device: the node left its swarm.
pub async fn clear() {
    let cleared = async {
        reconcile(&mut Kernel::open()?, &Plane::new()).await?;
        let (text, list) = (guard::render(&Plane::new(), &[]), guard::list(&Plane::new(), &[]));
        Guard::default().keep(text, list).await.map(drop).map_err(OverlayError::Guard)
    };
    let cleared: Result<(), OverlayError> = cleared.await;
    if let Err(error) = cleared {
        tracing::warn!(error = %chain(&error), "overlay devices are left behind");
    }
}

/// Removes the bridge of a backing that is gone.
pub async fn remove_bridge(name: &str) {
    let removed = async { Kernel::open()?.remove(name).await };
    if let Err(error) = removed.await {
        tracing::warn!(bridge = name, error = %chain(&error), "a bridge is left behind");
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
    /// The hardware addresses of bridges when last seen.
    macs: BTreeMap<String, Mac>,
    /// The hardware addresses of endpoints elsewhere when last told, by device; also of those that are gone, since they may
    /// come back with another one.
    told: BTreeMap<String, BTreeMap<IpAddr, Mac>>,
    /// Bridges that were made here, and not by dockerd: it may have been removing their networks just then.
    rebuilt: BTreeSet<NetworkId>,
    /// The rules of this host.
    guard: Guard,
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
            macs: BTreeMap::new(),
            told: BTreeMap::new(),
            rebuilt: BTreeSet::new(),
            guard: Guard::default(),
            unused: BTreeMap::new(),
            said: String::new(),
        }
    }

    /// Whether there is something that may need a repair, or to be removed.
    fn has_something(&self) -> bool {
        !self.is_complete
            || !self.rebuilt.is_empty()
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
        let mut mended = Ok(());
        if is_due || self.made.is_none() {
            // Containers of an earlier run have their networks, and nobody asks for these again.
            if !self.is_complete {
                self.networks.reload().await?;
            }
            mended = self.mend(held).await;
            mended = mended.and(rejoin(&self.networks, held).await.map_err(OverlayError::from));
        }
        self.is_complete = self.has_all(held);
        if crypt::is_needed(held, self.node) {
            self.networks.identity().announce()?;
        }
        let wanted = self.wanted(held);
        if !is_due && self.made.as_ref() == Some(&wanted) {
            return mended;
        }
        self.made = None;
        let (crypt, plane) = &wanted;
        let plugs = self.plugs(held);
        let guarded = self.guard.keep(guard::render(plane, &plugs), guard::list(plane, &plugs)).await.map(drop);
        // The other networks do not have to wait for it; those over it are then refused by the kernel, which is as it should be.
        let kept = self.tunnel.keep(crypt.as_ref(), self.networks.identity(), &self.interfaces).await;
        let reconciled = reconcile(&mut Kernel::open()?, plane).await;
        kept?;
        reconciled?;
        self.tell(held, plane).await;
        self.made = Some(wanted);
        mended.and(guarded.map_err(OverlayError::Guard))
    }

    /// Mends bridges that somebody else broke.
    async fn mend(&mut self, held: &Assignments) -> Result<(), OverlayError> {
        self.unmake().await?;
        self.interfaces = interfaces().await.map_err(OverlayError::Addresses)?;
        let wanted = self.bridges(held);
        for bridge in &wanted {
            let mac = self.interfaces.iter().find(|link| link.name == bridge.name).and_then(|link| link.mac);
            self.macs.extend(mac.map(|mac| (bridge.name.clone(), mac)));
        }
        let repairs = bridges::repairs(&wanted, &self.interfaces, &self.macs);
        if repairs.is_empty() {
            return Ok(());
        }
        let mut first = Ok(());
        for repair in repairs {
            // dockerd may be removing it just now.
            let _held = match &repair {
                Repair::Make { network, .. } => match self.networks.hold(*network).await? {
                    None => continue,
                    held => {
                        self.rebuilt.insert(*network);
                        held
                    }
                },
                _ => None,
            };
            tracing::warn!(?repair, "something of a network was broken by somebody else");
            let done = Kernel::open()?.mend(&repair).await;
            first = first.and(done.map_err(OverlayError::from));
        }
        self.interfaces = interfaces().await.map_err(OverlayError::Addresses)?;
        first
    }

    /// Removes bridges that were mended although their networks were going.
    async fn unmake(&mut self) -> Result<(), OverlayError> {
        let backed = self.networks.backed();
        for network in self.rebuilt.clone().into_iter().filter(|network| !backed.contains(network)) {
            // Nobody makes it anew meanwhile.
            let _held = self.networks.lock(network).lock_owned().await;
            self.networks.reload().await?;
            if self.networks.backing(network).is_none() {
                remove_bridge(&backing::bridge_name(network)).await;
            }
            self.rebuilt.remove(&network);
        }
        Ok(())
    }

    /// Lets the containers here forget hardware addresses that others had before.
    async fn tell(&mut self, held: &Assignments, wanted: &Plane) {
        let devices: BTreeSet<String> = held.networks.keys().map(|network| plane::device_name(*network)).collect();
        self.told.retain(|device, _| devices.contains(device));
        let plugs = self.networks.plugs().borrow().clone();
        for network in held.networks.keys() {
            let device = plane::device_name(*network);
            let Some(port) = wanted.get(&device) else { continue };
            let told = self.told.entry(device).or_default();
            let changed = port.neighbours.iter().filter(|(host, mac)| told.get(host).is_some_and(|old| old != *mac));
            let changed: Vec<IpAddr> = changed.map(|(host, _)| *host).collect();
            told.extend(&port.neighbours);
            if changed.is_empty() {
                continue;
            }
            for plug in plugs.values().flatten().filter(|plug| plug.network == *network) {
                let forget = async { Neighbours::open_in(&plug.namespace).await?.forget(&changed).await };
                if let Err(error) = forget.await {
                    tracing::debug!(%error, ?changed, "a container may know an old hardware address for a while");
                }
            }
        }
    }

    fn overlays<'a>(&self, held: &'a Assignments) -> impl Iterator<Item = &'a Arc<Network>> + use<'a> {
        let backed = self.networks.backed();
        held.networks.values().filter(move |network| is_overlay(network) && backed.contains(&network.id))
    }

    fn bridges(&self, held: &Assignments) -> Vec<bridges::Wanted> {
        let plugs = self.networks.plugs().borrow().clone();
        let underlay = underlay(held, self.node, &self.interfaces);
        let wanted = |network: &Arc<Network>| {
            let Bridge { name, mtu } = bridge(network, underlay);
            let gateways = backing::gateways(network).collect();
            let plugs = plugs.values().flatten().filter(|plug| plug.network == network.id);
            let plugs = plugs.filter_map(|plug| Some(plug.host_end(&self.interfaces)?.index));
            bridges::Wanted { network: network.id, name, mtu, gateways, plugs: plugs.collect() }
        };
        self.overlays(held).map(wanted).collect()
    }

    /// Who may speak where.
    fn plugs(&self, held: &Assignments) -> Vec<guard::Plug> {
        let known = self.networks.plugs().borrow().clone();
        let plug = |plug: &super::plugs::Plug| {
            let network = held.networks.get(&plug.network)?;
            let derived = plug.addresses.iter().filter_map(|address| match address {
                IpAddr::V4(address) => plane::parse_mac(&mac_of(*address)),
                IpAddr::V6(_) => None,
            });
            Some(guard::Plug {
                link: plug.host_end(&self.interfaces)?.name.clone(),
                macs: derived.chain(plug.mac).collect(),
                hosts: plug.addresses.iter().copied().collect(),
                subnets: backing::subnets(network).collect(),
            })
        };
        // A link that two containers name would be refused by the kernel, with all other rules.
        let mut plugs: BTreeMap<String, guard::Plug> = BTreeMap::new();
        for plug in known.values().flatten().filter_map(plug) {
            plugs.entry(plug.link.clone()).or_insert(plug);
        }
        plugs.into_values().collect()
    }

    fn has_all(&self, held: &Assignments) -> bool {
        let backed = self.networks.backed();
        let mut used =
            held.networks.values().filter(|network| is_overlay(network) && held.is_needed(self.node, network.id));
        used.all(|network| backed.contains(&network.id))
    }

    fn wanted(&self, held: &Assignments) -> (Option<Crypt>, Plane) {
        let underlay = underlay(held, self.node, &self.interfaces);
        let bridges = self.overlays(held).map(|network| (network.id, bridge(network, underlay))).collect();
        let own: BTreeSet<IpAddr> =
            self.interfaces.iter().flat_map(|interface| &interface.addresses).copied().collect();
        (crypt::render(held, self.node, &bridges, &own), plane::render(held, self.node, &bridges, &own))
    }

    /// Removes the backings that nobody has needed for a while.
    async fn sweep(&mut self, held: &Assignments, newest: &watch::Receiver<Arc<Assignments>>) {
        let backed = self.networks.backed();
        self.unused.retain(|network, _| backed.contains(network) && !held.is_needed(self.node, *network));
        for network in backed.into_iter().filter(|network| !held.is_needed(self.node, *network)) {
            let since = *self.unused.entry(network).or_insert_with(Instant::now);
            if since.elapsed() < LINGER {
                continue;
            }
            self.unused.remove(&network);
            let is_unused = || !newest.borrow().is_needed(self.node, network);
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
