//! The dockerd beneath, through bollard: what an agent and its networks need of it.
//!
//! Only this module (and the byte-for-byte proxy in `api`) speaks to dockerd. It never decides: it is told which
//! container or network to make, and says what it saw. Bodies of requests are never logged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, Docker};

pub mod containers;
mod errand;
pub mod facts;
pub mod logs;
pub mod networks;
pub mod sandboxes;

pub use errand::Errand;

/// How long dockerd may take to answer the head of a call, in seconds. Creating and stopping containers on a loaded
/// host takes long; streams are not bound by it.
const CALL_TIMEOUT_S: u64 = 120;

/// A call to dockerd that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// dockerd answered with an error; its status and its own sentence.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// dockerd's sentence.
        message: String,
    },
    /// dockerd cannot be reached, or the connection broke.
    #[error("cannot reach the Docker engine")]
    Unreachable(#[source] bollard::errors::Error),
    /// dockerd has a swarm of its own, or is half in one.
    #[error(
        "the Docker engine is in swarm mode itself, and gam takes its place: run 'docker -H unix://{} swarm leave --force' first; this takes the engine out of that swarm, and deletes the swarm with all its services if no other manager is left",
        socket.display()
    )]
    InSwarm {
        /// Its socket.
        socket: PathBuf,
    },
}

impl EngineError {
    /// Whether dockerd says that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, EngineError::Refused { status: 404, .. })
    }

    /// Whether dockerd says that the thing is in the way or in use.
    pub fn is_conflict(&self) -> bool {
        matches!(self, EngineError::Refused { status: 409, .. })
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> EngineError {
        match error {
            bollard::errors::Error::DockerResponseServerError { status_code, message } => {
                EngineError::Refused { status: status_code, message }
            }
            other => EngineError::Unreachable(other),
        }
    }
}

/// A handle on the dockerd of this host; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: Arc<PathBuf>,
}

impl Engine {
    /// An engine at a unix socket. Nothing is opened yet, and the socket need not exist yet.
    pub fn new(socket: impl Into<PathBuf>) -> Engine {
        Engine { socket: Arc::new(socket.into()) }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client. bollard refuses to make one while the socket is missing, so each call asks anew; making one opens
    /// no connection.
    pub fn docker(&self) -> Result<Docker, EngineError> {
        let socket = self.socket.to_string_lossy();
        Ok(Docker::connect_with_unix(&socket, CALL_TIMEOUT_S, API_DEFAULT_VERSION)?)
    }
}
