//! Start and stop of the daemon, each in one place: engine, state directory, node, sockets; then the other way round.
//!
//! Every failure before the first request is served has a sentence that says what to do and an exit code of its own,
//! so that a service manager can tell "try again" from "call somebody".

mod claim;
mod deserted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::agent::AgentConfig;
use crate::api::listen::{self, Inherited, ListenError, Listener};
use crate::api::proxy::Proxy;
use crate::api::serve::{Carriers, HALF_CLOSED_TCP, Patience};
use crate::api::version::ApiVersion;
use crate::api::{self, Api, Parts};
use crate::config::{Host, Settings, listed};
use crate::engine::{Engine, EngineError};
use crate::network::Networks;
use crate::node::directory::{Directory, DirectoryError};
use crate::node::{Node, NodeError};
use crate::vital;
use claim::Claim;

/// Something that no other code names.
pub const EXIT_FAILURE: u8 = 1;
/// Flags, variables or configuration file are wrong (as clap's own exits).
pub const EXIT_SETTINGS: u8 = 2;
/// dockerd cannot be used: absent, too old, in swarm mode itself, or another Gam's.
const EXIT_ENGINE: u8 = 3;
/// A socket cannot be listened on.
pub const EXIT_LISTEN: u8 = 4;
/// The state directory cannot be used.
const EXIT_STATE: u8 = 5;

/// A part has failed that the daemon cannot do without: a bug. Another start may well succeed.
const EXIT_BROKEN: u8 = 6;

/// The oldest engine API that Gam's own calls work with: dockerd 20.10.
const OLDEST_ENGINE: ApiVersion = ApiVersion::new(1, 41);
/// How long the start waits for a dockerd that is only just starting itself, as after a boot.
const ENGINE_WAIT: Duration = Duration::from_secs(10);
/// Between two tries of that.
const ENGINE_RETRY: Duration = Duration::from_millis(100);
/// How long open connections may go on after the signal to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the daemon did not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No dockerd.
    #[error("no Docker engine answers at {socket}: start dockerd, or name its socket with --engine")]
    NoEngine {
        /// Where it was looked for.
        socket: PathBuf,
        /// Why it did not answer.
        source: EngineError,
    },
    /// An old dockerd.
    #[error(
        "the Docker engine {version} (API {api}) is too old: gam needs API {OLDEST_ENGINE} or newer, which is Docker 20.10"
    )]
    OldEngine {
        /// Its version.
        version: String,
        /// Its newest API.
        api: String,
    },
    /// No dockerd, but what stands in front of one.
    #[error(
        "what answers at {socket} is a Gam, not a dockerd: name the socket of the dockerd itself with --engine, which is unix:///run/docker.sock on most hosts"
    )]
    EngineIsGam {
        /// Where it was asked.
        socket: PathBuf,
    },
    /// A dockerd that has a swarm of its own.
    #[error(transparent)]
    EngineInSwarm(EngineError),
    /// A dockerd that has a Gam already.
    #[error(
        "another gam manages this Docker engine already: stop that one first; two would remove each other's containers"
    )]
    EngineClaimed,
    /// The state directory.
    #[error(transparent)]
    State(#[from] DirectoryError),
    /// The node in it.
    #[error(
        "cannot start the node of this state directory: put back what it lacks from a copy, or move the directory away to begin outside of a swarm"
    )]
    Node(#[from] NodeError),
    /// A socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A part of the daemon.
    #[error("{what} failed, which gam cannot do without: the log says why; gam is to be started again")]
    Failed {
        /// The part.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("the operating system refused")]
    Io(#[from] std::io::Error),
}

impl StartError {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::NoEngine { .. }
            | StartError::OldEngine { .. }
            | StartError::EngineIsGam { .. }
            | StartError::EngineInSwarm(_)
            | StartError::EngineClaimed => EXIT_ENGINE,
            StartError::Listen(_) => EXIT_LISTEN,
            StartError::State(_) | StartError::Node(_) => EXIT_STATE,
            StartError::Failed { .. } => EXIT_BROKEN,
            StartError::Io(_) => EXIT_FAILURE,
        }
    }
}

/// Runs the daemon until it is told to stop. `inherited` are sockets that are open already.
pub async fn serve(settings: Settings, inherited: Inherited) -> Result<(), StartError> {
    api::serve::raise_file_limit();
    let engine = Engine::new(&settings.engine);
    let engine_id = check_engine(&engine).await?;
    let directory = Directory::open(&settings.state_dir)?;
    let _claim = Claim::of(&engine_id)?;
    let listeners = listen_on(&settings, inherited).await?;
    let networks = Networks::new(engine.clone());
    let gam_socket = settings.hosts.iter().find_map(|host| match host {
        Host::Unix(path) => Some(path.clone()),
        Host::Tcp { .. } => None,
    });
    let agent = AgentConfig::new(engine.clone(), networks.clone(), gam_socket.clone());
    let node = Node::open(directory, agent).await?;
    let proxy = Proxy::new(settings.engine.clone());
    let (for_deserted, mounted) = (engine.clone(), gam_socket.clone());
    let api = Api::new(Parts { node: node.clone(), proxy: proxy.clone(), engine, networks, gam_socket });
    let (app, for_managers) = (api::router(api.clone()), api::elsewhere::for_managers(api.clone()));
    let carriers = Carriers::start(&proxy, Arc::new(move |method: &str, target: &str| api.way(method, target)))?;
    let stop = CancellationToken::new();
    let patience = Patience { drain: DRAIN, half_closed: HALF_CLOSED_TCP };
    if let Some(visitors) = node.visitors() {
        let (carriers, proxy, stop) = (carriers.clone(), proxy.clone(), stop.clone());
        let serving = api::serve::serve_visitors(visitors, for_managers, carriers, proxy, stop);
        vital::spawn("serving the managers", serving);
    }
    let serving = api::serve::serve(listeners, app, carriers, proxy, stop.clone(), patience);
    tracing::info!(hosts = listed(&settings.hosts), "gam is ready");
    let serving = vital::spawn("serving", serving);
    if let Some(socket) = mounted {
        tokio::spawn(async move { deserted::start(&for_deserted, &socket).await });
    }
    let ended = until_stopped().await;
    tracing::info!("gam is stopping");
    stop.cancel();
    // The sockets first, so that nobody asks a node that is going.
    if let Err(error) = serving.await {
        tracing::error!(%error, "serving ended badly");
    }
    node.stop().await;
    ended
}

/// dockerd must be there, be one, new enough, and without a swarm of its own; its id.
async fn check_engine(engine: &Engine) -> Result<String, StartError> {
    let deadline = tokio::time::Instant::now() + ENGINE_WAIT;
    let facts = loop {
        match engine.facts().await {
            Ok(facts) => break facts,
            Err(source) if tokio::time::Instant::now() >= deadline => {
                return Err(StartError::NoEngine { socket: engine.socket().to_owned(), source });
            }
            Err(_) => tokio::time::sleep(ENGINE_RETRY).await,
        }
    };
    if api::system::is_gam(engine.socket()).await {
        return Err(StartError::EngineIsGam { socket: engine.socket().to_owned() });
    }
    if facts.api.parse::<ApiVersion>().is_ok_and(|api| api < OLDEST_ENGINE) {
        return Err(StartError::OldEngine { version: facts.version, api: facts.api });
    }
    if facts.in_swarm {
        return Err(StartError::EngineInSwarm(EngineError::InSwarm { socket: engine.socket().to_owned() }));
    }
    // An engine without an id is told from others by its place.
    Ok(if facts.id.is_empty() { engine.socket().to_string_lossy().into_owned() } else { facts.id })
}

async fn listen_on(settings: &Settings, mut inherited: Inherited) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for host in &settings.hosts {
        listeners.push(match inherited.claim(host)? {
            Some(listener) => listener,
            None => listen::bind(host, settings).await?,
        });
    }
    inherited.finish()?;
    Ok(listeners)
}

/// Waits for a signal, or until a part has failed that is needed.
async fn until_stopped() -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        what = vital::failed() => Err(StartError::Failed { what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_ends_the_daemon_with_a_code_of_its_own() {
        let _ = vital::spawn("a part", async { panic!("a bug") }).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), until_stopped()).await.expect("it goes on");
        let error = ended.unwrap_err();
        assert_eq!(error.exit_code(), EXIT_BROKEN);
        assert!(matches!(error, StartError::Failed { .. }));
    }
}
