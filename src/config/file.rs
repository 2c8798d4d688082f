//! The configuration file: the flags' names with underscores, in TOML, none of them unknown.
//!
//! Only [`super::Settings::load`] calls it. A file that was named must exist; the default one need not.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{LogFormat, LogLevel, Options, SocketMounts};

/// A configuration file has a dozen short lines; anything larger is the wrong file.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// [`MAX_FILE_SIZE`].
    #[error("the configuration file {0} is larger than 1 MiB; is it the right file?")]
    TooLarge(PathBuf),
    /// It is not what is expected; the parser's text names line, column and key.
    #[error("the configuration file {path} is not valid: {reason}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Line, column, what is wrong.
        reason: String,
    },
}

/// The file's content; the keys are the flags' names with `_` for `-`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileOptions {
    host: Option<OneOrMany>,
    group: Option<String>,
    engine: Option<String>,
    state_dir: Option<PathBuf>,
    tlsverify: Option<bool>,
    tlscacert: Option<PathBuf>,
    tlscert: Option<PathBuf>,
    tlskey: Option<PathBuf>,
    socket_mounts: Option<SocketMounts>,
    log_level: Option<LogLevel>,
    log_format: Option<LogFormat>,
}

/// `host` may be one text or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl FileOptions {
    /// Fills from the file what neither a flag nor a variable gave.
    pub(super) fn under(self, over: Options) -> Options {
        let hosts = match self.host {
            _ if !over.hosts.is_empty() => over.hosts,
            Some(OneOrMany::One(host)) => vec![host],
            Some(OneOrMany::Many(hosts)) => hosts,
            None => Vec::new(),
        };
        Options {
            config_file: over.config_file,
            hosts,
            group: over.group.or(self.group),
            engine: over.engine.or(self.engine),
            state_dir: over.state_dir.or(self.state_dir),
            tlsverify: over.tlsverify.or(self.tlsverify),
            tlscacert: over.tlscacert.or(self.tlscacert),
            tlscert: over.tlscert.or(self.tlscert),
            tlskey: over.tlskey.or(self.tlskey),
            socket_mounts: over.socket_mounts.or(self.socket_mounts),
            log_level: over.log_level.or(self.log_level),
            log_format: over.log_format.or(self.log_format),
        }
    }
}

/// Reads the named file, or the default one if it is there.
pub(super) fn read(named: Option<&Path>, default: &Path) -> Result<FileOptions, FileError> {
    let path = named.unwrap_or(default);
    let text = match read_bounded(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(FileError::TooLarge(path.to_owned())),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(FileOptions::default()),
        Err(source) => return Err(FileError::Read { path: path.to_owned(), source }),
    };
    toml::from_str(&text)
        .map_err(|error| FileError::Invalid { path: path.to_owned(), reason: error.to_string().trim_end().to_owned() })
}

fn read_bounded(path: &Path) -> io::Result<Option<String>> {
    use io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_string(&mut text)?;
    Ok((text.len() as u64 <= MAX_FILE_SIZE).then_some(text))
}
