//! The configuration file: the flags' names with underscores, in TOML, none of them unknown.
//!
//! Only [`super::Settings::load`] calls it. A file that was named must exist; the default one need not.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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
    host: Option<Hosts>,
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
#[derive(Debug)]
struct Hosts(Vec<String>);

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hosts, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Hosts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text such as \"unix:///run/gam/docker.sock\" for `host`, or a list of such texts")
            }

            fn visit_str<E: de::Error>(self, host: &str) -> Result<Hosts, E> {
                Ok(Hosts(vec![host.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, hosts: A) -> Result<Hosts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(hosts)).map(Hosts)
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl FileOptions {
    /// Fills from the file what neither a flag nor a variable gave.
    pub(super) fn under(self, over: Options) -> Options {
        let hosts = match self.host {
            Some(Hosts(hosts)) if over.hosts.is_empty() => hosts,
            _ => over.hosts,
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
