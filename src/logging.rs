//! The log: text or JSON lines on stderr.
//!
//! Gam's own lines follow `--log-level`. Libraries are capped, whatever the level: bollard writes whole request bodies
//! at trace, and those may hold secrets; hyper, h2 and openraft say more than an operator can read. `main` calls
//! [`init`] once, before anything else speaks.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogLevel};

/// Libraries and the most that each may say.
const CAPS: &[(&str, LogLevel)] = &[
    ("bollard", LogLevel::Info),
    ("h2", LogLevel::Info),
    ("hyper", LogLevel::Info),
    ("hyper_util", LogLevel::Info),
    // It warns of each answer that nobody waits for any more; what failed, whoever asked is told.
    ("netlink_proto", LogLevel::Error),
    // It warns of each heartbeat that does not arrive, ten times a second for each manager that is down.
    ("openraft", LogLevel::Error),
    ("rustls", LogLevel::Info),
    ("tokio_rustls", LogLevel::Info),
    ("tonic", LogLevel::Info),
    ("tower", LogLevel::Info),
    ("want", LogLevel::Info),
];

/// Libraries that say nothing: boringtun calls it an error when a peer does not answer.
const SILENT: &[&str] = &["boringtun"];

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A filter of our own does not parse.
    #[error("cannot set up the log: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Called twice.
    #[error("cannot set up the log: {0}")]
    Init(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to stderr, so that stdout stays free for answers of the command line.
///
/// # Errors
/// When a log was set up before.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(directives(level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            builder.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?;
        }
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    log_panics();
    Ok(())
}

/// Has panics said as errors: where, and what. What becomes of them is decided where the task was started.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let reason = panic.payload_as_str().unwrap_or("a panic without words");
        match panic.location() {
            Some(place) => tracing::error!(thread = thread.name(), "panicked at {place}: {reason}"),
            None => tracing::error!(thread = thread.name(), "panicked at an unknown place: {reason}"),
        }
    }));
}

/// The filter: the level for all, every cap that is stricter than it, and who is silent.
fn directives(level: LogLevel) -> String {
    let mut text = name(level).to_owned();
    for (library, cap) in CAPS {
        if (*cap as u8) > (level as u8) {
            text.push_str(&format!(",{library}={}", name(*cap)));
        }
    }
    for library in SILENT {
        text.push_str(&format!(",{library}=off"));
    }
    text
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_counts_only_below_the_level() {
        assert!(directives(LogLevel::Trace).contains(",bollard=info"));
        assert!(directives(LogLevel::Debug).contains(",openraft=error"));
        assert_eq!(directives(LogLevel::Error), "error,boringtun=off");
        assert!(directives(LogLevel::Info).starts_with("info,netlink_proto=error,openraft=error"));
        assert!(!directives(LogLevel::Info).contains("bollard"));
    }

    #[test]
    fn every_filter_parses() {
        for level in [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
            EnvFilter::try_new(directives(level)).expect("our own directives");
        }
    }
}
