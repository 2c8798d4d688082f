//! One node's life: it comes to be (`init`), starts and stops its roles, is locked and unlocked, and leaves.
//!
//! This is the composition root of a node: the one place where manager, dispatcher, agent and networks are wired
//! together. What a node is survives restarts in the state directory ([`directory`]); what the cluster is, in the store.

pub mod addresses;
mod ask;
mod change;
pub mod directory;
mod errands;
pub mod events;
mod init;
mod join;
mod leftovers;
mod membership;
mod mend;
mod reach;
mod readdress;
mod remote;
mod roles;
mod service;
mod transport;
mod trust;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gam_core::assignment::Assignments;
use gam_core::control;
use gam_core::error::{Error, Kind};
use gam_core::model::{NodeId, TaskId};
use gam_core::state::State;
use gam_store::{KeySource, StoreError};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc, watch};

use crate::agent::AgentConfig;
use crate::engine::Engine;
use crate::manager::{self, Manager, WORKER, chain};
use crate::network::Networks;
use crate::network::places::Places;
use crate::vital;
use directory::{Directory, DirectoryError, Identity, NodeRole};
use events::Events;
pub use init::Init;
pub use join::Join;
use join::Joining;
use roles::Roles;

/// Connections of managers that wait to be taken; more wait at the managers.
const VISITORS_MAX: usize = 16;
/// How long a stop waits for what is under way before it goes on regardless.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// `moby: daemon/cluster/errors.go`
const NO_SWARM: &str = "This node is not part of a swarm";
const SWARM_EXISTS: &str =
    "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.";
const SWARM_LOCKED: &str = "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to unlock it.";
const LEAVE_LOCKED: &str =
    "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.";
const NOT_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The state directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The replicated state.
    #[error("cannot open the swarm's state")]
    Store(#[from] StoreError),
    /// Randomness or a runtime resource.
    #[error("cannot start the node")]
    Io(#[from] std::io::Error),
    /// Certificates, or the port for other nodes.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// What a node is at this moment.
enum Life {
    /// In no swarm.
    Inactive,
    /// About to be in one.
    Joining(Arc<Joining>),
    /// In a swarm, but its keys are withheld.
    Locked(Identity),
    /// In a swarm, but its state cannot be opened for now, and why.
    Failed(Identity, String),
    /// In a swarm.
    Active(Arc<Roles>),
}

struct Inner {
    directory: Directory,
    agent: AgentConfig,
    events: Events,
    /// Held by whatever changes the node's life, so that two of them never meet.
    changing: Mutex<()>,
    life: ArcSwap<Life>,
    /// Counts the node's new certificates and roots, of which the cluster is told.
    renewed: watch::Sender<u64>,
    /// Where connections of managers to this node's API come in, and where they are taken.
    door: mpsc::Sender<UnixStream>,
    visitors: std::sync::Mutex<Option<mpsc::Receiver<UnixStream>>>,
}

/// A handle on this node; cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

/// What `docker info` says of this node, beside what the cluster's state says.
#[derive(Clone, Debug, Default)]
pub struct LocalInfo {
    /// `inactive`, `pending`, `locked`, `error` or `active`.
    pub state: &'static str,
    /// This node's id; empty outside a swarm.
    pub node: Option<NodeId>,
    /// The address that it tells others.
    pub addr: String,
    /// Managers as `host:port`, as far as this node knows them without asking.
    pub managers: Vec<(Option<NodeId>, String)>,
    /// Why it is not what it should be.
    pub error: String,
}

impl Node {
    /// Opens the node that the state directory holds, if it holds one, and starts its roles.
    ///
    /// `agent.node` is a placeholder until the node is part of a swarm.
    pub async fn open(directory: Directory, agent: AgentConfig) -> Result<Node, NodeError> {
        let identity = directory.identity()?;
        let (door, visitors) = mpsc::channel(VISITORS_MAX);
        let node = Node(Arc::new(Inner {
            directory,
            agent,
            events: Events::default(),
            changing: Mutex::new(()),
            life: ArcSwap::from_pointee(Life::Inactive),
            renewed: watch::channel(0).0,
            door,
            visitors: std::sync::Mutex::new(Some(visitors)),
        }));
        match identity {
            None => node.0.directory.clear()?,
            Some(identity) => match node.open_roles(identity.clone(), KeySource::OnDisk).await {
                Ok(roles) => node.become_(Life::Active(Arc::new(roles))),
                Err(NodeError::Store(StoreError::Locked)) => node.become_(Life::Locked(identity)),
                Err(NodeError::Store(error)) if error.is_passing() => node.fail(identity, &error),
                // Its port, most often: another program may have it.
                Err(error @ NodeError::Refused(_)) => node.fail(identity, &error),
                Err(error) => return Err(error),
            },
        }
        node.remove_leftovers();
        node.tell_of_strangers();
        Ok(node)
    }

    fn become_(&self, life: Life) {
        self.0.life.store(Arc::new(life));
    }

    /// The node's roles cannot be opened now: says so to whoever asks, and tries again.
    fn fail(&self, identity: Identity, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(error = %chain(error), "the swarm's state cannot be opened; all else is served");
        self.become_(Life::Failed(identity, chain(error)));
        vital::spawn("the opening of the swarm's state", self.clone().mend());
    }

    /// This node's manager, or Docker's sentence why there is none.
    pub fn manager(&self) -> Result<Manager, Error> {
        match &**self.0.life.load() {
            Life::Inactive => Err(Error::unavailable(NOT_MANAGER)),
            Life::Joining(_) => Err(Error::unavailable(WORKER)),
            Life::Locked(_) => Err(Error::unavailable(SWARM_LOCKED)),
            Life::Failed(_, why) => Err(manager::unusable(why)),
            Life::Active(roles) => roles.manager.clone().ok_or_else(|| Error::unavailable(WORKER)),
        }
    }

    /// This node's places on networks; `None` outside a swarm.
    pub fn places(&self) -> Option<Places> {
        match &**self.0.life.load() {
            Life::Active(roles) => Some(roles.places.clone()),
            _ => None,
        }
    }

    /// The swarm's networks that this node knows, in a state of its own: all of them on a manager; on a worker, and where
    /// nobody leads, those that it was assigned, and those of its containers. `None` outside a swarm.
    pub async fn known_networks(&self) -> Option<Arc<State>> {
        let life = self.0.life.load_full();
        let Life::Active(roles) = &*life else { return None };
        if let Some(manager) = &roles.manager
            && let Ok(state) = manager.read().await
        {
            return Some(state);
        }
        let assigned = roles.assignments.borrow().clone();
        let joined = roles.manager.is_none().then(|| roles.places.known());
        let joined = joined.iter().flat_map(|places| places.networks());
        Some(Arc::new(State::of_networks(joined.chain(assigned.networks.values()))))
    }

    /// What this node holds at the moment; nothing outside a swarm.
    pub fn assignments(&self) -> Arc<Assignments> {
        match &**self.0.life.load() {
            Life::Active(roles) => roles.assignments.borrow().clone(),
            _ => Arc::default(),
        }
    }

    /// What `docker info` says of this node.
    pub fn info(&self) -> LocalInfo {
        match &**self.0.life.load() {
            Life::Inactive => LocalInfo { state: "inactive", ..LocalInfo::default() },
            Life::Joining(joining) => joining.info(),
            Life::Locked(_) => LocalInfo { state: "locked", error: SWARM_LOCKED.to_owned(), ..LocalInfo::default() },
            Life::Failed(identity, why) => LocalInfo {
                state: "error",
                node: Some(identity.node),
                addr: identity.advertise_host().to_owned(),
                error: why.clone(),
                ..LocalInfo::default()
            },
            Life::Active(roles) => roles.info(),
        }
    }

    /// The value of the `Swarm` header: `inactive`, `locked`, `error`, `active/manager`.
    pub fn status(&self) -> &'static str {
        match &**self.0.life.load() {
            Life::Inactive => "inactive",
            Life::Joining(joining) => joining.info().state,
            Life::Locked(_) => "locked",
            Life::Failed(..) => "error",
            Life::Active(roles) if roles.manager.is_some() => "active/manager",
            Life::Active(_) => "active/worker",
        }
    }

    /// `docker swarm init`: founds a cluster of this one node.
    pub async fn init(&self, request: Init) -> Result<NodeId, Error> {
        let _changing = self.0.changing.lock().await;
        match &**self.0.life.load() {
            Life::Inactive => {}
            Life::Active(roles) if request.force_new_cluster && roles.manager.is_some() => {
                return self.go_on_alone(roles, &request).await;
            }
            // Nobody but a manager has a state to go on with.
            _ if request.force_new_cluster => return Err(Error::unavailable(WORKER)),
            Life::Active(_) | Life::Joining(_) | Life::Locked(_) | Life::Failed(..) => {
                return Err(Error::unavailable(SWARM_EXISTS));
            }
        }
        let roles = self.found(request).await?;
        let node = roles.identity.node;
        self.become_(Life::Active(Arc::new(roles)));
        Ok(node)
    }

    /// `docker swarm leave`: ends the roles, removes their containers and networks, forgets the swarm.
    pub async fn leave(&self, force: bool) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        let life = self.0.life.load_full();
        match &*life {
            Life::Inactive => return Err(Error::unavailable(NO_SWARM)),
            Life::Joining(joining) => joining.stop.cancel(),
            Life::Locked(_) if !force => return Err(Error::unavailable(LEAVE_LOCKED)),
            Life::Active(roles) if !force && roles.manager.is_some() => return Err(roles.leave_refusal().await),
            Life::Failed(identity, _) if !force && identity.role == NodeRole::Manager => {
                return Err(control::leave_refusal_closed());
            }
            Life::Locked(identity) | Life::Failed(identity, _) => self.clear_engine(identity.node).await,
            Life::Active(roles) => {
                if let Some(manager) = &roles.manager {
                    manager.finish_promotions(STOP_TIMEOUT).await;
                }
                self.become_(Life::Inactive);
                roles.stop(STOP_TIMEOUT).await;
                self.clear_engine(roles.identity.node).await;
            }
        }
        self.become_(Life::Inactive);
        self.0.directory.abandon().map_err(internal)
    }

    /// Removes what the node's tasks left in dockerd.
    async fn clear_engine(&self, node: NodeId) {
        self.remove_containers_of(node).await;
        if let Err(error) = self.0.agent.networks.remove_all().await {
            tracing::warn!(error = %chain(&error), "could not remove all networks of the swarm");
        }
    }

    /// `docker swarm unlock`: opens a locked node with the cluster's unlock key.
    pub async fn unlock(&self, key: &str) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        let life = self.0.life.load_full();
        let Life::Locked(identity) = &*life else {
            return Err(match &*life {
                Life::Inactive => Error::unavailable(NOT_MANAGER),
                Life::Joining(_) => Error::unavailable(WORKER),
                Life::Active(roles) if roles.manager.is_none() => Error::unavailable(WORKER),
                _ => Error::new(Kind::Conflict, "swarm is not locked"),
            });
        };
        let wrong = || Error::invalid("swarm could not be unlocked: invalid key provided");
        let key = init::parse_unlock_key(key).ok_or_else(|| Error::invalid("invalid key string"))?;
        let opened = self.open_roles(identity.clone(), KeySource::Given(key)).await;
        let roles = opened.map_err(|error| match error {
            NodeError::Store(StoreError::WrongKey) => wrong(),
            other => internal(other),
        })?;
        self.become_(Life::Active(Arc::new(roles)));
        Ok(())
    }

    /// Ends the roles cleanly; containers keep running.
    pub async fn stop(&self) {
        // A join would keep the lock for long, and comes to nothing now.
        if let Life::Joining(joining) = &**self.0.life.load() {
            joining.stop.cancel();
        }
        let _changing = self.0.changing.lock().await;
        if let Life::Active(roles) = &**self.0.life.load() {
            roles.stop(STOP_TIMEOUT).await;
        }
    }

    /// Connections of managers to this node's API, for what they may ask of its tasks' containers. There is one taker.
    pub fn visitors(&self) -> Option<mpsc::Receiver<UnixStream>> {
        self.0.visitors.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The name of a task of this node, which is its container's; `None` if the node has no such task.
    pub fn task_name(&self, task: TaskId) -> Option<String> {
        let life = self.0.life.load();
        let Life::Active(roles) = &**life else { return None };
        let assigned = roles.assignments.borrow();
        assigned.tasks.get(&task).map(|task| task.name())
    }

    /// dockerd.
    pub fn engine(&self) -> &Engine {
        &self.0.agent.engine
    }

    /// The swarm's events.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// The overlay networks of this node.
    pub fn networks(&self) -> &Networks {
        &self.0.agent.networks
    }
}

fn internal(error: impl std::error::Error + 'static) -> Error {
    Error::internal(chain(&error))
}
