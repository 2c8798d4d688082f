//! What the operator decided: flags, `GAM_*` variables and the configuration file become one checked [`Settings`].
//!
//! The same names everywhere, and one order: a flag wins over its variable, the variable over the file, the file over
//! the default. A value that cannot work is refused here, with a sentence that says what to do, before anything is
//! opened. This module reads the configuration file and nothing else; `main` calls it once.

mod file;
mod host;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

pub use file::FileError;
pub use host::{Host, HostError, listed};

/// Where Gam listens unless told otherwise.
pub const DEFAULT_HOST: &str = "unix:///run/gam/docker.sock";
/// Where dockerd listens unless told otherwise.
pub const DEFAULT_ENGINE: &str = "unix:///var/run/docker.sock";
/// The group that may use the socket, as for dockerd's own.
pub const DEFAULT_GROUP: &str = "docker";
/// Where the state is kept unless told otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/gam";
/// Read if it exists and no other file was named.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/gam/gam.toml";
/// More listening sockets than this are a mistake in a script, not a wish.
pub const MAX_HOSTS: usize = 16;

/// The command line of `gam`.
#[derive(Debug, Parser)]
#[command(name = "gam", version, about = "Docker's swarm mode in front of an unmodified dockerd")]
pub struct Cli {
    /// What to do; nothing means `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings, before or after the command.
    #[command(flatten)]
    pub options: Options,
}

impl Cli {
    /// Reads the command line and the variables, and answers `--help` and mistakes like any command.
    #[must_use]
    pub fn read() -> Cli {
        let command = without_variables(Cli::command(), |name| std::env::var_os(name).is_some_and(|it| it.is_empty()));
        let read = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
        read.unwrap_or_else(|error| error.exit())
    }
}

/// The command without the variables of this kind. An empty one counts as none, as it does for the docker CLI: that is
/// how a shell or a unit file takes a variable back.
fn without_variables(command: clap::Command, ignored: impl Fn(&OsStr) -> bool) -> clap::Command {
    command.mut_args(|arg| {
        let ignored = arg.get_env().is_some_and(&ignored);
        if ignored { arg.env(Resettable::Reset) } else { arg }
    })
}

/// What `gam` can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve the Docker API (the default)
    Serve,
}

/// Every setting as it was given by flag or variable; `None` and empty mean "not given".
#[derive(Debug, Default, Args)]
pub struct Options {
    /// Read settings from this file (default: /etc/gam/gam.toml if it exists)
    #[arg(long, global = true, env = "GAM_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Listen here: unix:///path or tcp://host:port; may be repeated [default: unix:///run/gam/docker.sock]
    #[arg(short = 'H', long = "host", global = true, env = "GAM_HOST", value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// Group that may use the unix sockets [default: docker]
    #[arg(short = 'G', long, global = true, env = "GAM_GROUP")]
    pub group: Option<String>,
    /// dockerd's socket [default: unix:///var/run/docker.sock]
    #[arg(long, global = true, env = "GAM_ENGINE", value_name = "SOCKET")]
    pub engine: Option<String>,
    /// Folder for the state [default: /var/lib/gam]
    #[arg(long, global = true, env = "GAM_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Serve tcp:// hosts with TLS and demand a client certificate signed by --tlscacert
    #[arg(long, global = true, env = "GAM_TLSVERIFY", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub tlsverify: Option<bool>,
    /// Certificates (PEM) of the authority that signs client certificates
    #[arg(long, global = true, env = "GAM_TLSCACERT", value_name = "FILE")]
    pub tlscacert: Option<PathBuf>,
    /// Certificate (PEM) of this server
    #[arg(long, global = true, env = "GAM_TLSCERT", value_name = "FILE")]
    pub tlscert: Option<PathBuf>,
    /// Key (PEM) of this server's certificate
    #[arg(long, global = true, env = "GAM_TLSKEY", value_name = "FILE")]
    pub tlskey: Option<PathBuf>,
    /// What a container gets that mounts dockerd's socket: Gam's socket, or the engine's own [default: gam]
    #[arg(long, global = true, env = "GAM_SOCKET_MOUNTS", value_enum, ignore_case = true)]
    pub socket_mounts: Option<SocketMounts>,
    /// How much to log [default: info]
    #[arg(short = 'l', long, global = true, env = "GAM_LOG_LEVEL", value_enum, ignore_case = true)]
    pub log_level: Option<LogLevel>,
    /// How to write the log [default: text]
    #[arg(long, global = true, env = "GAM_LOG_FORMAT", value_enum, ignore_case = true)]
    pub log_format: Option<LogFormat>,
}

/// What a mount of dockerd's socket delivers in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketMounts {
    /// Gam's socket, so that what runs there sees the swarm.
    #[default]
    Gam,
    /// The engine's own, as asked.
    Engine,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything, for developers.
    Trace,
    /// Decisions with their reasons.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What will become a problem.
    Warn,
    /// What failed.
    Error,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The files of a mutual-TLS listener, named as dockerd names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `--tlscacert`: who may sign client certificates.
    pub ca: PathBuf,
    /// `--tlscert`: this server's certificate chain.
    pub cert: PathBuf,
    /// `--tlskey`: its key.
    pub key: PathBuf,
}

/// Checked settings; everything the daemon needs to know before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; at least one, none twice.
    pub hosts: Vec<Host>,
    /// The group of the unix sockets.
    pub group: String,
    /// Whether the group was asked for; the default one may be missing from the host.
    pub group_is_default: bool,
    /// dockerd's socket.
    pub engine: PathBuf,
    /// The state folder, absolute.
    pub state_dir: PathBuf,
    /// Mutual TLS for the `tcp://` hosts.
    pub tls: Option<TlsFiles>,
    /// What mounts of dockerd's socket deliver.
    pub socket_mounts: SocketMounts,
    /// How much to log.
    pub log_level: LogLevel,
    /// How to write the log.
    pub log_format: LogFormat,
}

/// Why the settings cannot be used. Every text is a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A `--host`.
    #[error(transparent)]
    Host(#[from] HostError),
    /// An `--engine` that is not a unix socket.
    #[error("--engine {0}: Gam reaches dockerd over a unix socket only; give unix:///path/to/docker.sock")]
    Engine(String),
    /// Gam would talk to itself.
    #[error("--host unix://{0} is dockerd's own socket (--engine); give Gam another path, for example {DEFAULT_HOST}")]
    Loop(String),
    /// The same place twice.
    #[error("--host {0} is given twice; leave one out")]
    Twice(Host),
    /// [`MAX_HOSTS`].
    #[error("{0} hosts are given; at most {MAX_HOSTS} are served")]
    TooMany(usize),
    /// Plain TCP beyond this host would hand root to the network.
    #[error(
        "--host {0}: everyone who reaches this port would be root on this host; add --tlsverify with --tlscacert, --tlscert and --tlskey, or listen on 127.0.0.1"
    )]
    Exposed(Host),
    /// Part of the TLS files.
    #[error("--tlsverify needs --tlscacert, --tlscert and --tlskey; missing: {0}")]
    TlsFiles(&'static str),
    /// TLS files without the switch that makes them count.
    #[error("{0} is given without --tlsverify; add --tlsverify (Gam serves tcp:// with client certificates only)")]
    TlsUnused(&'static str),
    /// A relative or empty state folder.
    #[error("--state-dir {0}: give an absolute path")]
    StateDir(String),
}

impl Settings {
    /// Puts flags, variables, file and defaults together and checks the result.
    ///
    /// # Errors
    /// The first thing that cannot work, as a sentence for the operator.
    pub fn load(options: Options) -> Result<Settings, ConfigError> {
        let file = file::read(options.config_file.as_deref(), Path::new(DEFAULT_CONFIG_FILE))?;
        Settings::check(file.under(options))
    }

    fn check(options: Options) -> Result<Settings, ConfigError> {
        let tls = tls_files(&options)?;
        let engine = engine_socket(options.engine.as_deref().unwrap_or(DEFAULT_ENGINE))?;
        let hosts = hosts(&options.hosts, &engine, tls.is_some())?;
        let state_dir = options.state_dir.unwrap_or_else(|| DEFAULT_STATE_DIR.into());
        if !state_dir.is_absolute() {
            return Err(ConfigError::StateDir(state_dir.display().to_string()));
        }
        Ok(Settings {
            hosts,
            group_is_default: options.group.is_none(),
            group: options.group.unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
            engine,
            state_dir,
            tls,
            socket_mounts: options.socket_mounts.unwrap_or_default(),
            log_level: options.log_level.unwrap_or_default(),
            log_format: options.log_format.unwrap_or_default(),
        })
    }
}

fn hosts(given: &[String], engine: &Path, tls: bool) -> Result<Vec<Host>, ConfigError> {
    if given.len() > MAX_HOSTS {
        return Err(ConfigError::TooMany(given.len()));
    }
    let default = [DEFAULT_HOST.to_owned()];
    let given = if given.is_empty() { &default[..] } else { given };
    let mut hosts: Vec<Host> = Vec::with_capacity(given.len());
    for text in given {
        let host = Host::parse(text, tls)?;
        match &host {
            Host::Unix(path) if path == engine => return Err(ConfigError::Loop(path.display().to_string())),
            Host::Tcp { .. } if !tls && !host.is_loopback() => return Err(ConfigError::Exposed(host)),
            _ => {}
        }
        if hosts.contains(&host) {
            return Err(ConfigError::Twice(host));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

fn engine_socket(text: &str) -> Result<PathBuf, ConfigError> {
    match Host::parse(text, false) {
        Ok(Host::Unix(path)) => Ok(path),
        _ => Err(ConfigError::Engine(text.to_owned())),
    }
}

fn tls_files(options: &Options) -> Result<Option<TlsFiles>, ConfigError> {
    let files = (&options.tlscacert, &options.tlscert, &options.tlskey);
    if !options.tlsverify.unwrap_or(false) {
        return match files {
            (Some(_), _, _) => Err(ConfigError::TlsUnused("--tlscacert")),
            (_, Some(_), _) => Err(ConfigError::TlsUnused("--tlscert")),
            (_, _, Some(_)) => Err(ConfigError::TlsUnused("--tlskey")),
            _ => Ok(None),
        };
    }
    match files {
        (Some(ca), Some(cert), Some(key)) => {
            Ok(Some(TlsFiles { ca: ca.clone(), cert: cert.clone(), key: key.clone() }))
        }
        (None, ..) => Err(ConfigError::TlsFiles("--tlscacert")),
        (_, None, _) => Err(ConfigError::TlsFiles("--tlscert")),
        (_, _, None) => Err(ConfigError::TlsFiles("--tlskey")),
    }
}
