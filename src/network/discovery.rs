//! Keeps what is known of this node's networks where it is used: names in the resolver, balancing in the network
//! namespace of each container, a socket on each gateway.
//!
//! Level, not edge: every round compares what is known with what was done, whatever was the reason for it. A container's
//! rules are programmed from the difference to what they are; if that fails, from nothing, and until it succeeds its
//! answers with virtual addresses are held. Started by the node with its other roles; a stop leaves all rules as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream;
use gam_core::assignment::Assignments;
use gam_core::discovery::balance::{self, Texts};
use gam_core::discovery::{Asker, Balance, Balancers, Names, endpoints};
use gam_core::model::{Network, NetworkId, Phase, TaskId};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::balancing::program;
use super::conntrack::forget_stale;
use super::namespace::Namespace;
use super::resolver::{Listening, Resolver};
use super::sandboxes::{Sandbox, Sandboxes};
use super::{Networks, backing};
use crate::engine::sandboxes::RunningContainer;
use crate::engine::{Engine, EngineError};
use crate::vital;

/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);
/// All containers are listed this often even if nothing was heard of them, as a net under events that were missed.
const SLOW: Duration = Duration::from_secs(30);
/// Events that come together (the start of a stack) are answered by one look.
const SETTLE: Duration = Duration::from_millis(10);
/// Containers that are programmed at the same time; more than the host has cores gains nothing.
const PARALLEL: usize = 4;

/// Runs until `stop`.
pub fn spawn_discovery(
    engine: Engine,
    networks: Networks,
    known: watch::Receiver<Arc<Assignments>>,
    applied: watch::Sender<u64>,
    stop: CancellationToken,
) {
    vital::spawn("the names and balancers of this host", async move {
        let news = Arc::new(Notify::new());
        let mut discovery = Discovery::new(engine.clone(), networks, known, applied);
        tokio::select! {
            () = stop.cancelled() => {}
            () = watch_engine(&engine, &news) => {}
            () = discovery.run(&news) => {}
        }
    });
}

/// Follows dockerd's events, also after it was away.
async fn watch_engine(engine: &Engine, news: &Notify) {
    loop {
        if let Err(error) = engine.watch_sandboxes(news).await {
            tracing::debug!(%error, "cannot watch the engine's containers now");
        }
        tokio::time::sleep(RETRY).await;
    }
}

struct Discovery {
    engine: Engine,
    networks: Networks,
    known: watch::Receiver<Arc<Assignments>>,
    names: Arc<ArcSwap<Names>>,
    balancers: Balancers,
    sandboxes: Sandboxes,
    resolver: Resolver,
    listening: BTreeMap<NetworkId, (Listening, AbortHandle)>,
    held: BTreeMap<String, Held>,
    /// Where it is said what was done, once somebody waits for it.
    applied: watch::Sender<u64>,
    /// The log index of what is known.
    index: u64,
    /// The members that nobody is to be sent to any more, and those of them of which it was said.
    leaving: BTreeSet<(NetworkId, TaskId)>,
    said: BTreeSet<(NetworkId, TaskId)>,
}

/// A container that is on networks of the swarm.
struct Held {
    container: RunningContainer,
    places: Vec<(NetworkId, Vec<IpAddr>)>,
    namespace: Namespace,
    servers: Vec<IpAddr>,
    completes: bool,
    /// What its rules are; `None` if that is not known.
    done: Option<Arc<Balance>>,
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.listening.values().for_each(|(_, task)| task.abort());
    }
}

impl Discovery {
    fn new(
        engine: Engine,
        networks: Networks,
        known: watch::Receiver<Arc<Assignments>>,
        applied: watch::Sender<u64>,
    ) -> Discovery {
        let names = Arc::<ArcSwap<Names>>::default();
        let sandboxes = Sandboxes::default();
        Discovery {
            engine,
            networks,
            known,
            resolver: Resolver::new(names.clone(), sandboxes.clone()),
            names,
            balancers: Balancers::default(),
            sandboxes,
            listening: BTreeMap::new(),
            held: BTreeMap::new(),
            applied,
            index: 0,
            leaving: BTreeSet::new(),
            said: BTreeSet::new(),
        }
    }

    async fn run(&mut self, news: &Notify) {
        let mut listed = false;
        let mut mesh_index = self.networks.mesh_index();
        loop {
            self.learn();
            if !listed {
                match self.look().await {
                    Ok(()) => listed = true,
                    Err(error) => tracing::debug!(%error, "cannot look at the engine's containers now"),
                }
            }
            let done = self.program_all().await;
            if done && mesh_index.borrow_and_update().is_none_or(|index| index >= self.index) {
                self.acknowledge();
            }
            let pause = if listed && done { SLOW } else { RETRY };
            tokio::select! {
                changed = self.known.changed() => if changed.is_err() { return },
                // The sender is part of `networks`.
                Ok(()) = mesh_index.changed() => {}
                () = news.notified() => {
                    tokio::time::sleep(SETTLE).await;
                    listed = false;
                }
                () = tokio::time::sleep(pause) => listed = false,
            }
        }
    }

    /// Takes over what is known now.
    fn learn(&mut self) {
        let known = self.known.borrow_and_update().clone();
        let named = known.networks.values().map(|network| (network.id, network.name()));
        let endpoints = endpoints(&known);
        self.names.store(Arc::new(Names::new(named, &endpoints)));
        self.balancers.renew(&endpoints);
        self.listen(&known);
        self.index = known.index;
        let leaving = known.members.iter().filter(|(_, member)| member.phase == Phase::Leaving);
        self.leaving = leaving.map(|(place, _)| *place).collect();
    }

    /// Says that nobody here is sent to a member any more that is leaving: it may be waited for. Nothing else is said, for
    /// every word costs the managers a step.
    fn acknowledge(&mut self) {
        let is_news = !self.leaving.is_subset(&self.said);
        self.said.clone_from(&self.leaving);
        if is_news {
            self.applied.send_replace(self.index);
        }
    }

    /// A socket on the gateway of each network, and on no other.
    fn listen(&mut self, known: &Assignments) {
        let wanted = known.networks.values().filter_map(|network| listening(network));
        let wanted: BTreeMap<NetworkId, Listening> = wanted.map(|place| (place.network, place)).collect();
        self.listening.retain(|network, (place, task)| {
            let stays = wanted.get(network) == Some(place) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for place in wanted.into_values() {
            let resolver = self.resolver.clone();
            self.listening.entry(place.network).or_insert_with(|| {
                (place, tokio::spawn(async move { listen_for_ever(&resolver, place).await }).abort_handle())
            });
        }
    }

    /// Finds the network namespaces of containers that are new, and forgets those of containers that are gone.
    async fn look(&mut self) -> Result<(), EngineError> {
        let running = self.engine.running_containers().await?;
        let is_ours = |container: &RunningContainer| {
            container.endpoints.iter().any(|(network, _)| self.networks.backing_by_id(network).is_some())
        };
        let ours: BTreeMap<String, RunningContainer> =
            running.into_iter().filter(is_ours).map(|container| (container.id.clone(), container)).collect();
        self.held.retain(|id, held| ours.get(id) == Some(&held.container));
        for (id, container) in ours {
            if self.held.contains_key(&id) {
                continue;
            }
            match self.hold(container).await {
                Ok(Some(held)) => {
                    self.held.insert(id, held);
                }
                Ok(None) => {}
                // It went meanwhile.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        self.publish();
        Ok(())
    }

    async fn hold(&self, container: RunningContainer) -> Result<Option<Held>, EngineError> {
        let found = self.engine.network_sandbox(&container.id).await?;
        let Some(path) = found.path else { return Ok(None) };
        let namespace = match Namespace::open(&path) {
            Ok(namespace) => namespace,
            Err(error) => {
                tracing::debug!(container = %container.id, %error, "the network of a container went before it was seen");
                return Ok(None);
            }
        };
        let place =
            |(network, addresses): (String, _)| Some((self.networks.backing_by_id(&network)?.network, addresses));
        let places: Vec<(NetworkId, Vec<IpAddr>)> = found.places.into_iter().filter_map(place).collect();
        let known = self.known.borrow();
        // What its task wished wins over what the engine was asked for: that is only what the engine can do of it.
        let wished = found.task.and_then(|task| known.tasks.get(&task));
        let wished = wished.and_then(|task| task.spec().container_spec.as_ref()?.dns_config.as_ref());
        let options = wished.map_or(&found.options, |dns| &dns.options);
        // The first of its servers is Gam itself.
        let gateways: BTreeSet<IpAddr> = known.networks.values().filter_map(|network| gateway(network)).collect();
        let servers = found.servers.into_iter().filter(|server| !gateways.contains(server)).collect();
        Ok(Some(Held { container, places, namespace, servers, completes: completes(options), done: None }))
    }

    /// Brings every container's rules to what they should be. `false` if one could not be.
    async fn program_all(&mut self) -> bool {
        let mut wanted: BTreeMap<String, Arc<Balance>> = BTreeMap::new();
        for (id, held) in &self.held {
            let balance = self.balancers.of(held.places.iter().map(|(network, _)| *network));
            if held.done.as_ref().is_none_or(|done| !Arc::ptr_eq(done, &balance) && *done != balance) {
                wanted.insert(id.clone(), balance);
            }
        }
        let mut texts = Texts::default();
        let work = wanted.into_iter().filter_map(|(id, balance)| {
            let held = self.held.get(&id)?;
            let text = texts.from(held.done.as_ref(), &balance);
            let namespace = held.namespace.clone();
            Some(async move { (id, program(&namespace, text).await.map(|()| balance)) })
        });
        let work: Vec<_> = work.collect();
        let mut done = stream::iter(work).buffer_unordered(PARALLEL);
        let (mut all, mut dropping) = (true, Vec::new());
        while let Some((id, programmed)) = done.next().await {
            let Some(held) = self.held.get_mut(&id) else { continue };
            match programmed {
                Ok(balance) => {
                    let old = held.done.replace(balance.clone());
                    if balance::drops(old.as_deref(), &balance) {
                        dropping.push((held.namespace.clone(), old, balance));
                    }
                }
                Err(error) => {
                    tracing::warn!(container = %id, %error, "cannot balance the virtual addresses of a container yet");
                    held.done = None;
                    all = false;
                }
            }
            self.publish();
        }
        drop(done);
        stream::iter(dropping)
            .for_each_concurrent(PARALLEL, |(sandbox, old, new)| forget_stale(sandbox, old, new))
            .await;
        all
    }

    /// Tells the resolver of all containers.
    fn publish(&self) {
        let known = self.known.borrow();
        let mut sandboxes = BTreeMap::new();
        for held in self.held.values() {
            let sandbox = Arc::new(Sandbox {
                asker: asker(&known, &held.places),
                namespace: held.namespace.clone(),
                balance: held.done.clone().unwrap_or_default(),
                servers: held.servers.clone(),
                leads_outside: held.places.iter().any(|(network, _)| leads_outside(&known, *network)),
                completes: held.completes,
            });
            for (network, addresses) in &held.places {
                sandboxes.extend(addresses.iter().map(|address| ((*network, *address), sandbox.clone())));
            }
        }
        self.sandboxes.set(sandboxes);
        let ready = self.held.iter().filter(|(_, held)| held.done.is_some());
        self.networks.set_ready(ready.map(|(id, _)| id.clone()).collect());
    }
}

/// Listens, and tries again as long as somebody else has the port.
async fn listen_for_ever(resolver: &Resolver, place: Listening) {
    let mut told = false;
    loop {
        if let Err(error) = resolver.listen(place).await
            && !std::mem::replace(&mut told, true)
        {
            tracing::warn!(gateway = %place.gateway, %error, "cannot resolve names on a network: is another DNS server on all addresses?");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Where the network's resolver listens.
fn listening(network: &Network) -> Option<Listening> {
    let gateway = gateway(network)?;
    let subnet = network.ipam.iter().find_map(|config| {
        let (base, length) = config.subnet.split_once('/')?;
        let base: IpAddr = base.parse().ok()?;
        (base.is_ipv4() == gateway.is_ipv4()).then_some((base, length.parse().ok()?))
    })?;
    Some(Listening { network: network.id, gateway, subnet })
}

fn gateway(network: &Network) -> Option<IpAddr> {
    backing::resolver(network).map(IpAddr::V4)
}

/// Names are looked for in the networks of users before the routing mesh, as in moby's `Sandbox.ResolveName`.
fn asker(known: &Assignments, places: &[(NetworkId, Vec<IpAddr>)]) -> Asker {
    let is_mesh = |network: &NetworkId| known.networks.get(network).is_some_and(|network| network.spec.ingress);
    let mut networks: Vec<NetworkId> = places.iter().map(|(network, _)| *network).collect();
    networks.sort_by_key(|network| (is_mesh(network), *network));
    Asker { networks }
}

fn leads_outside(known: &Assignments, network: NetworkId) -> bool {
    known.networks.get(&network).is_some_and(|network| !network.spec.internal)
}

/// Whether there is an `ndots` of more than 0 among the options.
fn completes(options: &[String]) -> bool {
    let dots = |option: &String| option.strip_prefix("ndots:")?.parse::<u32>().ok();
    options.iter().filter_map(dots).next_back().is_some_and(|dots| dots > 0)
}
