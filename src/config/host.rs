//! One place to listen: `unix:///path` or `tcp://host:port`, as dockerd spells them.
//!
//! Pure text in, [`Host`] out; nothing is resolved or opened here.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// dockerd's port without TLS.
const PLAIN_PORT: u16 = 2375;
/// dockerd's port with TLS.
const TLS_PORT: u16 = 2376;
/// Longest path of a unix socket on Linux (`sun_path` with its closing zero).
const MAX_SOCKET_PATH: usize = 107;

/// A place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// `unix:///path`, absolute.
    Unix(PathBuf),
    /// `tcp://host:port`.
    Tcp {
        /// An address without brackets, or a name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a text is not a [`Host`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither `unix://` nor `tcp://`.
    #[error("--host {0}: give unix:///path or tcp://host:port")]
    Scheme(String),
    /// A relative or empty path.
    #[error("--host {0}: give an absolute path after unix://, for example unix:///run/gam/docker.sock")]
    Path(String),
    /// The kernel's limit.
    #[error("--host {0}: the path of a unix socket has at most {MAX_SOCKET_PATH} bytes; give a shorter one")]
    LongPath(String),
    /// Not `host:port`.
    #[error("--host {0}: give host:port after tcp://, for example tcp://127.0.0.1:2375")]
    Address(String),
}

impl Host {
    /// Parses one `--host`; without a port dockerd's own defaults apply, 2375 or with TLS 2376.
    ///
    /// # Errors
    /// A sentence with an example.
    pub fn parse(text: &str, tls: bool) -> Result<Host, HostError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
                return Err(HostError::Path(text.to_owned()));
            }
            if path.len() > MAX_SOCKET_PATH {
                return Err(HostError::LongPath(text.to_owned()));
            }
            return Ok(Host::Unix(path.into()));
        }
        let Some(address) = text.strip_prefix("tcp://") else { return Err(HostError::Scheme(text.to_owned())) };
        let wrong = || HostError::Address(text.to_owned());
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = split_port(address).ok_or_else(wrong)?;
        let port = match port {
            "" if tls => TLS_PORT,
            "" => PLAIN_PORT,
            port => port.parse().map_err(|_| wrong())?,
        };
        // dockerd listens on the loopback address when only a port is given.
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        if !is_name && host.parse::<IpAddr>().is_err() {
            return Err(wrong());
        }
        Ok(Host::Tcp { host: host.to_owned(), port })
    }

    /// Whether only this host can reach it. A name other than `localhost` does not count: it may resolve to anything.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Unix(_) => true,
            Host::Tcp { host, .. } if host == "localhost" => true,
            Host::Tcp { host, .. } => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        }
    }
}

/// `host:port`, `[v6]:port`, `host`, `[v6]`, `:port`; the port may come back empty.
fn split_port(address: &str) -> Option<(&str, &str)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, port)),
            None if rest.is_empty() => Some((host, "")),
            None => None,
        };
    }
    match address.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some(parts) => Some(parts),
        None if address.is_empty() => None,
        None => Some((address, "")),
    }
}

/// Several hosts as one text, as `GAM_HOST` takes them.
#[must_use]
pub fn listed(hosts: &[Host]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Unix(path) => write!(f, "unix://{}", path.display()),
            Host::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Host::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}
