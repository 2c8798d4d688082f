//! Opens the sockets on which Gam serves the Docker API, and accepts connections on them.
//!
//! A unix socket is made in a folder that is created if absent, replaces the socket of a dead daemon and never that of
//! a live one, replaces an empty folder, and belongs to the group with mode 0660. TCP is plain on loopback only, else mutual TLS: whoever
//! reaches the API is root on this host. What is said on a connection is the business of [`super::serve`]. `main`
//! calls [`bind`] before it says that it is ready.

mod inherited;
pub mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Gid, Mode};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tracing::warn;

use crate::config::{Host, Settings};
pub use inherited::Inherited;
pub use socket::{ClientIo, Socket, Unwatched};
pub use tls::{Tls, TlsError};

/// Mode of the unix socket, dockerd's own: root and the group, nobody else.
const SOCKET_MODE: u32 = 0o660;
/// Mode of a folder that had to be made for the socket: others may look a path up in it, as in `/run`.
const FOLDER_MODE: u32 = 0o755;
/// How long the owner of an existing socket has to accept before it counts as alive anyway: connecting locally takes
/// microseconds, and an owner that is too busy to accept is not dead.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many clients may wait to be taken in: as many as the kernel lets (`net.core.somaxconn`).
const BACKLOG: i32 = i32::MAX;

/// An open place to listen.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket; its file goes when the listener goes, unless somebody else holds the socket, too.
    Unix {
        /// The bound socket.
        listener: UnixListener,
        /// Removes the file.
        file: SocketFile,
    },
    /// A TCP port.
    Tcp {
        /// The bound socket.
        listener: TcpListener,
        /// `None` on loopback without TLS.
        tls: Option<Tls>,
    },
}

/// Why a place cannot be listened on; every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A live process has the socket.
    #[error(
        "cannot listen on {0}: the socket is taken, another process serves it; stop that process or give another --host"
    )]
    SocketTaken(Host),
    /// A live process has the port.
    #[error("cannot listen on {0}: the port is taken; stop the process that has it or give another --host")]
    PortTaken(Host),
    /// Something else is at the path.
    #[error("cannot listen on {0}: there is a file of another kind at that path; move it away or give another --host")]
    NotASocket(Host),
    /// The parent holds a socket for Gam that Gam is not to serve.
    #[error(
        "a listening socket was passed to gam that no --host names ({0}): name it, or take it out of the socket unit"
    )]
    Unclaimed(String),
    /// The group was asked for and is not there.
    #[error("cannot listen on {host}: there is no group {group:?} on this host; create it or give another --group")]
    NoGroup {
        /// Where.
        host: Host,
        /// Which.
        group: String,
    },
    /// Anything else.
    #[error("cannot listen on {host}: {what}: {source}")]
    Io {
        /// Where.
        host: Host,
        /// At which step.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The TLS files.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Opens one host.
///
/// # Errors
/// Why it cannot be opened, as a sentence.
pub async fn bind(host: &Host, settings: &Settings) -> Result<Listener, ListenError> {
    match host {
        Host::Unix(path) => {
            let group = Group { name: &settings.group, is_default: settings.group_is_default };
            bind_unix(host, path, group).await
        }
        Host::Tcp { host: name, port } => {
            let tls = settings.tls.as_ref().map(Tls::load).transpose()?;
            if tls.is_none() {
                warn!(%host, "the API is served WITHOUT ENCRYPTION OR AUTHENTICATION: every user and program of this host that can reach the port is root");
            }
            let listener = TcpListener::bind((name.as_str(), *port)).await.map_err(|source| {
                if source.kind() == io::ErrorKind::AddrInUse {
                    ListenError::PortTaken(host.clone())
                } else {
                    ListenError::Io { host: host.clone(), what: "cannot bind", source }
                }
            })?;
            Ok(Listener::Tcp { listener, tls })
        }
    }
}

impl Listener {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// The kernel's, of which most pass (no file descriptors left, a peer that is gone already).
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Unix { listener, .. } => {
                Ok(Accepted { socket: Unwatched::unix(listener.accept().await?.0)?, tls: None })
            }
            Listener::Tcp { listener, tls } => {
                let (stream, _): (TcpStream, SocketAddr) = listener.accept().await?;
                Ok(Accepted { socket: Unwatched::tcp(stream)?, tls: tls.clone() })
            }
        }
    }
}

/// A connection before its first byte.
#[derive(Debug)]
pub struct Accepted {
    socket: Unwatched,
    tls: Option<Tls>,
}

impl Accepted {
    /// Whether there will be TLS on it.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The stream to speak HTTP on, after the TLS handshake if there is one, and the raw socket beneath; both belong to
    /// the runtime in which this is called. The caller bounds the wait.
    ///
    /// # Errors
    /// A failed handshake: no client certificate, or one that the authority did not sign.
    pub async fn open(self) -> io::Result<(ClientIo, Socket)> {
        let socket = self.socket.watch()?;
        let io = match self.tls {
            None => ClientIo::plain(socket.clone()),
            Some(tls) => tls.accept(socket.clone()).await?,
        };
        Ok((io, socket))
    }
}

/// The group of a unix socket.
#[derive(Debug, Clone, Copy)]
struct Group<'a> {
    /// Name or number.
    name: &'a str,
    /// The default one may be absent: the socket then stays root's.
    is_default: bool,
}

/// The file of a bound unix socket, removed when the listener ends, as dockerd does; a file that another process has
/// put in its place meanwhile is left alone.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Nothing is lost if it stays: the next start finds nobody behind it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

async fn bind_unix(host: &Host, path: &Path, group: Group<'_>) -> Result<Listener, ListenError> {
    let failed = |what| move |source| ListenError::Io { host: host.clone(), what, source };
    let gid = gid(host, group)?;
    if let Some(folder) = path.parent() {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed("cannot create its folder"))?;
    }
    clear_stale(host, path).await?;
    let listener = bind_closed(path).map_err(failed("cannot bind"))?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path) };
    if let Some(gid) = gid {
        rustix::fs::chown(path, None, Some(gid)).map_err(|errno| failed("cannot change its group")(errno.into()))?;
    }
    let mode = std::fs::Permissions::from_mode(SOCKET_MODE);
    std::fs::set_permissions(path, mode).map_err(failed("cannot change its mode"))?;
    Ok(Listener::Unix { listener, file })
}

/// A socket to which nobody may connect yet, until its group is known; dockerd takes the same care. A umask would do, but that is
/// the whole process's, and what another thread makes meanwhile would be nobody's, too. What Linux binds has the mode of the socket
/// (`net/unix/af_unix.c`, `unix_bind_bsd`).
fn bind_closed(path: &Path) -> io::Result<UnixListener> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::empty())?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Removes the socket of a daemon that is gone; or an empty folder, which dockerd puts where a container that it starts
/// mounts a socket that is not there.
async fn clear_stale(host: &Host, path: &Path) -> Result<(), ListenError> {
    let failed = |what| move |source| ListenError::Io { host: host.clone(), what, source };
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("cannot look at the path")(error)),
    };
    if meta.is_dir() {
        warn!(%host, "there is a folder in the place of the socket; it is removed if it is empty");
        return match std::fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(ListenError::NotASocket(host.clone()))
            }
            removed => removed.map_err(failed("cannot remove the empty folder at the path")),
        };
    }
    if !meta.file_type().is_socket() {
        return Err(ListenError::NotASocket(host.clone()));
    }
    match tokio::time::timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("cannot remove the socket of a dead process"))
        }
        _ => Err(ListenError::SocketTaken(host.clone())),
    }
}

/// The number of the group, from a number or from `/etc/group`; `None` leaves the socket with root.
fn gid(host: &Host, group: Group<'_>) -> Result<Option<Gid>, ListenError> {
    if let Ok(number) = group.name.parse::<u32>() {
        return Ok(Some(Gid::from_raw(number)));
    }
    let file = std::fs::read_to_string("/etc/group").unwrap_or_default();
    match find_group(&file, group.name) {
        Some(number) => Ok(Some(Gid::from_raw(number))),
        None if group.is_default => {
            warn!(%host, group = group.name, "there is no such group on this host: only root can use the socket");
            Ok(None)
        }
        None => Err(ListenError::NoGroup { host: host.clone(), group: group.name.to_owned() }),
    }
}

fn find_group(file: &str, name: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}
