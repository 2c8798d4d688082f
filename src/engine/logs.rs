//! The log of one container, line by line with its times.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{Engine, EngineError};

/// Which stream of a container a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output, and all output of a container with a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line, or one piece of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The stream.
    pub source: Source,
    /// When it was written: `2026-11-23T05:06:02.735470848Z`, always 30 characters.
    pub time: Bytes,
    /// What was written, its newline included.
    pub text: Bytes,
}

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Go on when the container writes more.
    pub follow: bool,
    /// Lines of standard output.
    pub stdout: bool,
    /// Lines of standard error.
    pub stderr: bool,
    /// Lines from this time on, seconds since 1970; 0 is all.
    pub since: i32,
    /// How many of the last lines: a number or `all`.
    pub tail: String,
}

impl Engine {
    /// The log of a container; ends with the log, or with the container if followed.
    pub fn logs(
        &self,
        container: &str,
        options: &LogOptions,
    ) -> Result<impl Stream<Item = Result<LogLine, EngineError>> + use<>, EngineError> {
        let options = LogsOptionsBuilder::default()
            .follow(options.follow)
            .stdout(options.stdout)
            .stderr(options.stderr)
            .since(options.since)
            .tail(&options.tail)
            .timestamps(true)
            .build();
        let stream = self.docker()?.logs(container, Some(options));
        Ok(stream.map(|output| output.map(line).map_err(EngineError::from)))
    }
}

fn line(output: LogOutput) -> LogLine {
    let source = match output {
        LogOutput::StdErr { .. } => Source::Stderr,
        _ => Source::Stdout,
    };
    let message = output.into_bytes();
    match message.iter().position(|byte| *byte == b' ') {
        Some(at) => LogLine { source, time: message.slice(..at), text: message.slice(at + 1..) },
        None => LogLine { source, time: Bytes::new(), text: message },
    }
}
