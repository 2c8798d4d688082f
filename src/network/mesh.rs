//! Keeps this host's part of the routing mesh: the network's bridge, a socket on every published port, the rules that turn
//! connections to tasks, and the way for them through the engine's firewall.
//!
//! Level, not edge: looks at everything whenever the assignments or the backings changed, and every [`REPAIR`] anyway, so
//! that whatever somebody else removes comes back. Whether anybody changed rules is told by the number of the kernel's rule
//! set ([`super::guard`]), so such a look costs next to nothing. What the rules say is decided by
//! [`gam_core::discovery::mesh`]. A port that another process of the host has is left to it, and tried again; all others
//! work. Started by the node with its other roles; when Gam stops, the rules stay and clients from outside are served.

mod firewall;
mod holder;
pub mod returns;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use gam_core::assignment::Assignments;
use gam_core::discovery::mesh::{self, Mesh, Port};
use gam_core::model::{Network, NodeId, mesh_mac};
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::balancing::program_host;
use super::guard::Guard;
use super::namespace::Namespace;
use super::{NetworkError, Networks, backing, conntrack};
use crate::manager::chain;
use holder::Holder;

/// What somebody removes is missing for no longer than this.
const REPAIR: Duration = Duration::from_secs(2);

/// Why published ports do not work.
#[derive(Debug, thiserror::Error)]
enum MeshError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("cannot give the bridge of the routing mesh its address")]
    Bridge(#[source] Box<rtnetlink::Error>),
    #[error("cannot speak to the kernel")]
    Kernel(#[source] std::io::Error),
    #[error("the bridge of the routing mesh is not there")]
    NoBridge,
    #[error("cannot let published ports through the engine's firewall")]
    Firewall(#[source] std::io::Error),
    #[error("cannot publish ports")]
    Rules(#[source] std::io::Error),
}

/// Publishes the ports of all services on this host until the assignments end, and tells up to which log index.
pub async fn keep(
    networks: Networks,
    node: NodeId,
    mut assignments: watch::Receiver<Arc<Assignments>>,
    meshed: watch::Sender<u64>,
) {
    let mut made = networks.watch_made();
    let mut keeper = Keeper {
        networks,
        node,
        holders: BTreeMap::new(),
        refused: BTreeSet::new(),
        guard: Guard::default(),
        done: None,
        admitted: None,
        said: String::new(),
    };
    let mut repairs = interval(REPAIR);
    repairs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_due = true;
    loop {
        let held = assignments.borrow_and_update().clone();
        // Before the cluster was heard everything stays as it is.
        if held.index > 0 && keeper.look(&held, is_due).await {
            meshed.send_replace(held.index);
        }
        is_due = tokio::select! {
            changed = assignments.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
            _ = made.changed() => true,
            _ = repairs.tick(), if !keeper.is_idle() => true,
        };
    }
}

/// Takes all of it away: the node left its swarm.
pub async fn clear() {
    if let Err(error) = unpublish().await {
        tracing::debug!(%error, "rules of published ports are left behind, or there never were any");
    }
}

async fn unpublish() -> Result<(), MeshError> {
    let (rules, way) = (program_host(mesh::render_nothing()).await, firewall::admit(None).await);
    rules.map_err(MeshError::Rules)?;
    way.map(drop).map_err(MeshError::Firewall)
}

struct Keeper {
    networks: Networks,
    node: NodeId,
    holders: BTreeMap<Port, Holder>,
    /// Ports that somebody else has, as it was said.
    refused: BTreeSet<Port>,
    guard: Guard,
    /// What the rules are; `None` if that is not known.
    done: Option<Done>,
    /// The bridge that has its way through the firewall, and the number of the rule set at which it was seen to have it.
    admitted: Option<(String, u32)>,
    /// The last failure that was logged; it is said once.
    said: String,
}

/// What the rules are.
#[derive(Debug, Default)]
struct Done {
    bridge: String,
    mesh: Mesh,
}

impl Keeper {
    /// Whether there is nothing that may need a repair.
    fn is_idle(&self) -> bool {
        self.refused.is_empty() && self.done.as_ref().is_some_and(|done| done.bridge.is_empty())
    }

    /// Whether all is as it should be.
    async fn look(&mut self, held: &Assignments, is_due: bool) -> bool {
        let said = match self.repair(held, is_due).await {
            Ok(()) => String::new(),
            Err(error) => chain(&error),
        };
        if said != self.said && !said.is_empty() {
            tracing::warn!(error = said, "published ports do not work on this host as they should; it is tried again");
        }
        self.said = said;
        self.said.is_empty()
    }

    async fn repair(&mut self, held: &Assignments, is_due: bool) -> Result<(), MeshError> {
        let mut mesh = mesh::mesh(held);
        // Without any port there may still be connections to tasks that are leaving.
        let Some(network) = held.mesh().filter(|network| held.is_needed(self.node, network.id)) else {
            self.holders.clear();
            self.refused.clear();
            if !self.is_idle() {
                unpublish().await?;
                (self.guard, self.admitted) = Default::default();
                self.done = Some(Done::default());
            }
            return Ok(());
        };
        self.networks.ensure(network).await?;
        let bridge = backing::bridge_name(network.id);
        self.hold(&mesh);
        mesh.retain(|port, _| self.holders.contains_key(port));
        let is_new = self.done.as_ref().is_none_or(|done| done.bridge != bridge);
        if (is_new || is_due)
            && let Err(error) = address(&bridge, &mesh_mac(self.node)).await
        {
            // Somebody removed the network in the engine: the next look makes it anew.
            self.networks.reload().await?;
            return Err(error);
        }
        if is_new || is_due || self.done.as_ref().is_none_or(|done| done.mesh != mesh) {
            self.program(network, &bridge, mesh).await?;
            self.admit(&bridge).await?;
        }
        Ok(())
    }

    /// Makes the rules publish this.
    async fn program(&mut self, network: &Network, bridge: &str, mesh: Mesh) -> Result<(), MeshError> {
        let old = self.done.take();
        let text = mesh::render(bridge, &mesh);
        let list = format!("list table ip {}\n", mesh::TABLE);
        let is_made = self.guard.keep(text, list).await.map_err(MeshError::Rules)?;
        if is_made && mesh::leaves_stale(old.as_ref().map(|done| &done.mesh), &mesh) {
            let host = Namespace::open(Path::new("/proc/self/ns/net")).map_err(MeshError::Kernel)?;
            conntrack::forget_unpublished(&host, &mesh, mesh::subnets(network)).await;
        }
        self.done = Some(Done { bridge: bridge.to_owned(), mesh });
        Ok(())
    }

    /// Lets it through the engine's firewall, unless nobody has changed any rule since it was seen to be.
    async fn admit(&mut self, bridge: &str) -> Result<(), MeshError> {
        let now = self.guard.generation().map(|generation| (bridge.to_owned(), generation));
        if now.is_none() || self.admitted != now {
            self.admitted = None;
            let is_counted = firewall::admit(Some(bridge)).await.map_err(MeshError::Firewall)?;
            self.admitted = now.filter(|_| is_counted);
        }
        Ok(())
    }

    /// A socket on each port, and on no other.
    fn hold(&mut self, mesh: &Mesh) {
        self.holders.retain(|port, holder| mesh.contains_key(port) && holder.is_alive());
        self.refused.retain(|port| mesh.contains_key(port));
        for (port, published) in mesh {
            if let Some(holder) = self.holders.get(port) {
                holder.serve(&published.behind);
                continue;
            }
            match Holder::open(*port) {
                Ok(holder) => {
                    holder.serve(&published.behind);
                    self.holders.insert(*port, holder);
                    if self.refused.remove(port) {
                        tracing::info!(port = port.1, protocol = %port.0, service = %published.service, "the port is published on this host now");
                    }
                }
                Err(error) => {
                    if self.refused.insert(*port) {
                        tracing::warn!(port = port.1, protocol = %port.0, service = %published.service, %error, "the port is not published on this host: another process has it");
                    }
                }
            }
        }
    }
}

/// Gives the bridge its hardware address, by which tasks know this node.
async fn address(bridge: &str, mac: &[u8; 6]) -> Result<(), MeshError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(MeshError::Kernel)?;
    let connection = tokio::spawn(connection);
    let done = async {
        let found: Vec<LinkMessage> = handle.link().get().match_name(bridge).execute().try_collect().await?;
        let Some(link) = found.first() else { return Ok(false) };
        if !link.attributes.contains(&LinkAttribute::Address(mac.to_vec())) {
            let message = LinkUnspec::new_with_index(link.header.index).address(mac.to_vec()).build();
            handle.link().set(message).execute().await?;
        }
        Ok(true)
    };
    let done: Result<bool, rtnetlink::Error> = done.await;
    connection.abort();
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err(MeshError::NoBridge),
        Err(rtnetlink::Error::NetlinkError(error)) if -error.raw_code() == rustix::io::Errno::NODEV.raw_os_error() => {
            Err(MeshError::NoBridge)
        }
        Err(error) => Err(MeshError::Bridge(Box::new(error))),
    }
}
