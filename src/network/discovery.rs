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
use gam_core::discovery::{Asker, Balance, Balancers, Names, balance, endpoints};
use gam_core::model::{Network, NetworkId};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::balancing::program;
use super::generation::Generation;
use super::namespace::Namespace;
use super::plugs::{Plug, Plugs, plugs_of};
use super::resolver::{Listening, Resolver};
use super::sandboxes::{Sandbox, Sandboxes};
use super::{Networks, backing, engine_dns};
use crate::engine::sandboxes::RunningContainer;
use crate::engine::{Engine, EngineError};
use crate::vital;

/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);
/// All containers are listed this often even if nothing was heard of them, as a net under events that were missed.
const SLOW: Duration = Duration::from_secs(30);
/// Rules that somebody else changed or flushed are looked for this often: one message to the kernel for each container.
const REPAIR: Duration = Duration::from_secs(2);
/// Events that come together (the start of a stack) are answered by one look.
const SETTLE: Duration = Duration::from_millis(10);
/// Containers that are programmed at the same time; more than the host has cores gains nothing.
const PARALLEL: usize = 4;

/// Runs until `stop`.
pub fn spawn_discovery(
    engine: Engine,
    networks: Networks,
    known: watch::Receiver<Arc<Assignments>>,
    stop: CancellationToken,
) {
    vital::spawn("the names and balancers of this host", async move {
        let news = Arc::new(Notify::new());
        let mut discovery = Discovery::new(engine.clone(), networks, known);
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
}

/// A container that is on networks of the swarm.
struct Held {
    container: RunningContainer,
    places: Vec<(NetworkId, Vec<IpAddr>)>,
    namespace: Namespace,
    servers: Vec<IpAddr>,
    completes: bool,
    plugs: Vec<Plug>,
    /// What its rules are; `None` if that is not known.
    done: Option<Arc<Balance>>,
    /// Tells whether anybody changed rules there.
    rules: Generation,
    /// What it told when they were what they should be.
    settled: Option<u32>,
    /// Whether somebody changed rules there since they were programmed, and so may have flushed the engine's, too.
    disturbed: bool,
}

impl Held {
    /// Whether its rules may be others than those that were programmed.
    fn is_disturbed(&self) -> bool {
        self.done.is_some() && self.settled.is_none_or(|settled| self.rules.read().ok() != Some(settled))
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.listening.values().for_each(|(_, task)| task.abort());
    }
}

impl Discovery {
    fn new(engine: Engine, networks: Networks, known: watch::Receiver<Arc<Assignments>>) -> Discovery {
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
        }
    }

    async fn run(&mut self, news: &Notify) {
        let mut listed = false;
        loop {
            self.learn();
            if !listed {
                match self.look().await {
                    Ok(()) => listed = true,
                    Err(error) => tracing::debug!(%error, "cannot look at the engine's containers now"),
                }
            }
            let done = self.program_all().await;
            let pause = if listed && done { SLOW } else { RETRY };
            tokio::select! {
                changed = self.known.changed() => if changed.is_err() { return },
                () = news.notified() => {
                    tokio::time::sleep(SETTLE).await;
                    listed = false;
                }
                () = tokio::time::sleep(pause) => listed = false,
                () = disturbed(&self.held) => {}
            }
        }
    }

    /// Takes over what is known now.
    fn learn(&mut self) {
        let known = self.known.borrow_and_update().clone();
        let named = known.networks.values().map(|network| (network.id, network.name()));
        let endpoints = endpoints(&known);
        self.names.store(Arc::new(Names::new(named, &endpoints)));
        self.balancers = Balancers::new(&endpoints);
        self.listen(&known);
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
        let rules = match Generation::open(&namespace).await {
            Ok(rules) => rules,
            Err(error) => {
                tracing::debug!(container = %container.id, %error, "cannot ask for the rules of a container now");
                return Ok(None);
            }
        };
        let place =
            |(network, addresses): (String, _)| Some((self.networks.backing_by_id(&network)?.network, addresses));
        let places: Vec<(NetworkId, Vec<IpAddr>)> = found.places.into_iter().filter_map(place).collect();
        // Without them it only goes unguarded and unmended.
        let plugs = plugs_of(&namespace, &places).await.unwrap_or_default();
        let known = self.known.borrow();
        // What its task wished wins over what the engine was asked for: that is only what the engine can do of it.
        let wished = found.task.and_then(|task| known.tasks.get(&task));
        let wished = wished.and_then(|task| task.spec().container_spec.as_ref()?.dns_config.as_ref());
        let options = wished.map_or(&found.options, |dns| &dns.options);
        // The first of its servers is Gam itself.
        let gateways: BTreeSet<IpAddr> = known.networks.values().filter_map(|network| gateway(network)).collect();
        let servers = found.servers.into_iter().filter(|server| !gateways.contains(server)).collect();
        let completes = completes(options);
        Ok(Some(Held {
            container,
            places,
            namespace,
            servers,
            completes,
            plugs,
            done: None,
            rules,
            settled: None,
            disturbed: false,
        }))
    }

    /// Brings every container's rules to what they should be. `false` if one could not be.
    async fn program_all(&mut self) -> bool {
        let mut wanted: BTreeMap<String, Arc<Balance>> = BTreeMap::new();
        for held in self.held.values_mut().filter(|held| held.is_disturbed()) {
            held.disturbed = true;
            held.done = None;
        }
        for (id, held) in &self.held {
            let balance = self.balancers.of(held.places.iter().map(|(network, _)| *network));
            if held.done.as_deref() != Some(&balance) {
                wanted.insert(id.clone(), Arc::new(balance));
            }
        }
        let work = wanted.into_iter().filter_map(|(id, balance)| {
            let held = self.held.get(&id)?;
            let text = balance::render(held.done.as_deref(), &balance);
            let namespace = held.namespace.clone();
            // Without a change in between the number grows by one.
            let before = held.rules.read().ok();
            let expected = if text.is_empty() { before } else { before.map(|before| before.wrapping_add(1)) };
            let disturbed = held.disturbed;
            Some(async move {
                let done = async {
                    let engine = if disturbed { engine_dns::rules(&namespace).await? } else { String::new() };
                    program(&namespace, text + &engine).await.map(|()| (balance, expected))
                };
                (id, done.await)
            })
        });
        let work: Vec<_> = work.collect();
        let mut done = stream::iter(work).buffer_unordered(PARALLEL);
        let mut all = true;
        while let Some((id, programmed)) = done.next().await {
            let Some(held) = self.held.get_mut(&id) else { continue };
            match programmed {
                Ok((balance, expected)) => {
                    held.settled = expected.filter(|expected| held.rules.read().ok() == Some(*expected));
                    held.done = Some(balance);
                    held.disturbed = false;
                }
                Err(error) => {
                    tracing::warn!(container = %id, %error, "cannot balance the virtual addresses of a container yet");
                    held.done = None;
                    all = false;
                }
            }
            self.publish();
        }
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
        let plugs: Plugs = self.held.iter().map(|(id, held)| (id.clone(), held.plugs.clone())).collect();
        self.networks.plugs().send_if_modified(|known| {
            let is_new = **known != plugs;
            if is_new {
                *known = Arc::new(plugs);
            }
            is_new
        });
    }
}

/// Returns once the rules of a container were changed by somebody else.
async fn disturbed(held: &BTreeMap<String, Held>) {
    loop {
        tokio::time::sleep(REPAIR).await;
        if held.values().any(Held::is_disturbed) {
            return;
        }
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
