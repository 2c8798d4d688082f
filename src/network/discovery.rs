//! Keeps what is known of this node's networks where it is used: names in the resolver, balancing in the network
//! namespace of each container, a socket on each gateway.
//!
//! Level, not edge: every round compares what is known with what was done, whatever was the reason for it. A container's
//! rules are programmed from the difference to what they are; if that fails, from nothing, and until it succeeds its
//! answers with virtual addresses are held. Started by the node with its other roles; a stop leaves all rules as they are.

mod held;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream;
use gam_core::assignment::Assignments;
use gam_core::discovery::balance::Texts;
use gam_core::discovery::leavers::{Leavers, Reach};
use gam_core::discovery::returns::{self, Returns};
use gam_core::discovery::{Asker, Balance, Balancers, Names, endpoints};
use gam_core::model::{Network, NetworkId};
use gam_core::plane::Mac;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::balancing::program;
use super::conntrack::forget_stale;
use super::mesh::returns::{Watch, lead_back};
use super::namespace::Namespace;
use super::plugs::Plugs;
use super::resolver::{Listening, Resolver};
use super::sandboxes::{Place, Sandbox, Sandboxes};
use super::{Networks, backing, engine_dns};
use crate::engine::sandboxes::RunningContainer;
use crate::engine::{Engine, EngineError};
use crate::vital;
use held::{Held, Programmed};

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

/// Up to which log index this host sends nobody to members that are leaving.
#[derive(Debug)]
pub struct Progress {
    /// By its published ports ([`super::mesh`]).
    pub meshed: watch::Receiver<u64>,
    /// By anything, told once somebody waits for it.
    pub applied: watch::Sender<u64>,
}

/// Runs until `stop`.
pub fn spawn_discovery(
    engine: Engine,
    networks: Networks,
    known: watch::Receiver<Arc<Assignments>>,
    progress: Progress,
    stop: CancellationToken,
) {
    vital::spawn("the names and balancers of this host", async move {
        let news = Arc::new(Notify::new());
        let mut discovery = Discovery::new(engine.clone(), networks, known, progress);
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
    /// The numbers of the nodes that may send clients.
    nodes: BTreeMap<Mac, u16>,
    sandboxes: Sandboxes,
    resolver: Resolver,
    listening: BTreeMap<NetworkId, (Listening, AbortHandle)>,
    held: BTreeMap<String, Held>,
    progress: Progress,
    /// The log index of what is known.
    index: u64,
    /// The one at which the balancers of all containers are.
    balanced: Option<u64>,
    /// The members that nobody is to be sent to any more.
    leavers: Leavers,
}

/// How far a round came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// A container's balancers are not what they should be.
    Broken,
    /// They are, but not all else is.
    Balanced,
    /// All is.
    Whole,
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
        progress: Progress,
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
            nodes: BTreeMap::new(),
            sandboxes,
            listening: BTreeMap::new(),
            held: BTreeMap::new(),
            progress,
            index: 0,
            balanced: None,
            leavers: Leavers::default(),
        }
    }

    async fn run(&mut self, news: &Notify) {
        let (mut listed, mut looked) = (false, Instant::now());
        loop {
            self.learn();
            if !listed {
                looked = Instant::now();
                match self.look().await {
                    Ok(()) => listed = true,
                    Err(error) => tracing::debug!(%error, "cannot look at the engine's containers now"),
                }
            }
            let done = self.program_all().await;
            // Of containers that were not seen nothing is known.
            if listed && done != Round::Broken {
                self.balanced = Some(self.index);
            }
            self.acknowledge();
            let due = looked + if listed && done == Round::Whole { SLOW } else { RETRY };
            tokio::select! {
                changed = self.known.changed() => if changed.is_err() { return },
                Ok(()) = self.progress.meshed.changed(), if self.leavers.waits() => {}
                () = news.notified() => {
                    tokio::time::sleep(SETTLE).await;
                    listed = false;
                }
                // Whatever else happens, and however often.
                () = tokio::time::sleep_until(due) => listed = false,
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
        self.balancers.renew(&endpoints);
        self.nodes = returns::numbers(known.peers.keys().copied());
        self.listen(&known);
        self.index = known.index;
        self.leavers.learn(&known);
    }

    /// Says that nobody here is sent to a member any more that is leaving: it may be waited for.
    fn acknowledge(&mut self) {
        let meshed = *self.progress.meshed.borrow_and_update();
        if let Some(index) = self.leavers.acknowledge(Reach { balanced: self.balanced, meshed }) {
            tracing::debug!(index, "nobody here is sent to members that left by then");
            self.progress.applied.send_replace(index);
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
        let mut first = Ok(());
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
                // The others do not have to wait for it.
                Err(error) => first = first.and(Err(error)),
            }
        }
        self.publish();
        first
    }

    /// Brings every container's rules to what they should be. Each is told of as soon as it is done.
    async fn program_all(&mut self) -> Round {
        for held in self.held.values_mut() {
            if held.is_disturbed() {
                held.disturbed = true;
                (held.done, held.returns) = (None, None);
            }
            if held.is_astray() {
                held.returns = None;
            }
        }
        let mut texts = Texts::default();
        let balancers = &mut self.balancers;
        let places = |held: &Held| held.places.iter().map(|(network, _)| *network).collect::<Vec<_>>();
        let balances: Vec<_> = self.held.values().map(|held| balancers.of(places(held))).collect();
        let held = self.held.iter().zip(balances);
        let work = held.filter_map(|((id, held), balance)| self.work(id, held, balance, &mut texts));
        let work: Vec<_> = work.collect();
        let has_work = !work.is_empty();
        let mut done = stream::iter(work).buffer_unordered(PARALLEL);
        let (mut round, mut dropping) = (Round::Whole, Vec::new());
        while let Some((id, programmed)) = done.next().await {
            let Some(held) = self.held.get_mut(&id) else { continue };
            match programmed {
                Ok(programmed) => dropping.extend(held.settle(programmed)),
                Err(error) => {
                    tracing::warn!(container = %id, %error, "cannot bring the rules of a container up to date yet");
                    (held.done, held.returns) = (None, None);
                    round = Round::Broken;
                }
            }
            self.publish_one(&id);
        }
        drop(done);
        if has_work {
            // What is known of the others may have changed as well.
            self.publish();
        }
        if round == Round::Whole && !self.held.values().all(|held| held.returns == self.returns(held)) {
            round = Round::Balanced;
        }
        stream::iter(dropping)
            .for_each_concurrent(PARALLEL, |(sandbox, old, new)| forget_stale(sandbox, old, new))
            .await;
        round
    }

    /// What has to be done to a container's rules, if anything: one transaction, once the ways that its marks lead to are there.
    fn work(
        &self,
        id: &str,
        held: &Held,
        balance: Arc<Balance>,
        texts: &mut Texts,
    ) -> Option<impl Future<Output = (String, io::Result<Programmed>)> + Send + use<>> {
        let returns = self.returns(held);
        let back = returns.clone().filter(|returns| held.returns.as_ref() != Some(returns));
        if back.is_none() && held.done.as_ref().is_some_and(|done| Arc::ptr_eq(done, &balance) || *done == balance) {
            return None;
        }
        let rules = texts.from(held.done.as_ref(), &balance);
        let marks = back.as_ref().map(returns::render).unwrap_or_default();
        // Without a change in between the number grows by one.
        let before = held.rules.read().ok();
        let is_nothing = rules.is_empty() && marks.is_empty();
        let expected = if is_nothing { before } else { before.map(|before| before.wrapping_add(1)) };
        let (id, namespace, disturbed) = (id.to_owned(), held.namespace.clone(), held.disturbed);
        let ways = held.ways.clone();
        Some(async move {
            let done = async {
                let (mut returns, mut ways) = (returns, ways);
                if let Some(back) = &back {
                    let watched = watched(&namespace, ways).await?;
                    if !lead_back(&namespace, back, &watched).await? {
                        // It has no interface there, for now or for ever: that is no reason to keep it from all else.
                        returns = None;
                    }
                    ways = Some(watched);
                }
                let engine = if disturbed { engine_dns::rules(&namespace).await? } else { String::new() };
                let more = marks + &engine;
                // Many containers share the rules, and few need more.
                let text = if more.is_empty() { rules } else { format!("{rules}{more}").into() };
                program(&namespace, text).await.map(|()| Programmed { balance, returns, ways, expected })
            };
            (id, done.await)
        })
    }

    /// The ways that a container on the routing mesh needs.
    fn returns(&self, held: &Held) -> Option<Returns> {
        let mesh = self.known.borrow().mesh().map(|network| network.id)?;
        let (_, addresses) = held.places.iter().find(|(network, _)| *network == mesh)?;
        let address = addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })?;
        Some(Returns { address, nodes: self.nodes.clone() })
    }

    /// Tells the resolver of one container, whose rules were programmed. That costs nothing for the others.
    fn publish_one(&self, id: &str) {
        let Some(held) = self.held.get(id) else { return };
        self.sandboxes.add(self.sandbox(held));
        self.networks.note_ready(id, self.is_ready(held));
    }

    fn is_ready(&self, held: &Held) -> bool {
        held.done.is_some() && held.returns == self.returns(held)
    }

    /// A container as its resolver knows it, at each of its places.
    fn sandbox<'a>(&self, held: &'a Held) -> impl Iterator<Item = (Place, Arc<Sandbox>)> + use<'a> {
        let known = self.known.borrow();
        let sandbox = Arc::new(Sandbox {
            asker: asker(&known, &held.places),
            namespace: held.namespace.clone(),
            balance: held.done.clone().unwrap_or_default(),
            servers: held.servers.clone(),
            leads_outside: held.places.iter().any(|(network, _)| leads_outside(&known, *network)),
            completes: held.completes,
        });
        held.places.iter().flat_map(move |(network, addresses)| {
            let sandbox = sandbox.clone();
            addresses.iter().map(move |address| ((*network, *address), sandbox.clone()))
        })
    }

    /// Tells the resolver of all containers.
    fn publish(&self) {
        self.sandboxes.set(self.held.values().flat_map(|held| self.sandbox(held)).collect());
        let ready = self.held.iter().filter(|(_, held)| self.is_ready(held));
        self.networks.set_ready(ready.map(|(id, _)| id.clone()).collect());
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

/// What tells of changes to a container's ways.
async fn watched(namespace: &Namespace, known: Option<Arc<Watch>>) -> io::Result<Arc<Watch>> {
    match known {
        Some(known) => Ok(known),
        None => Watch::open(namespace).await.map(Arc::new),
    }
}

/// Returns once the rules of a container were changed by somebody else.
async fn disturbed(held: &BTreeMap<String, Held>) {
    loop {
        tokio::time::sleep(REPAIR).await;
        if held.values().any(|held| held.is_disturbed() || held.is_astray()) {
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
