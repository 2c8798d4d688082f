//! The log of one container, line by line with its times.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::{Stream, StreamExt, future};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogOptions {
    /// Go on when the container writes more.
    pub follow: bool,
    /// Lines of standard output.
    pub stdout: bool,
    /// Lines of standard error.
    pub stderr: bool,
    /// Lines from this time on.
    #[serde(with = "moment")]
    pub since: OffsetDateTime,
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
        // bollard has room for the seconds until 2038; what is earlier than wanted is dropped here.
        let seconds = options.since.unix_timestamp().clamp(0, i32::MAX.into());
        let since = Bytes::from(line_time(options.since));
        let options = LogsOptionsBuilder::default()
            .follow(options.follow)
            .stdout(options.stdout)
            .stderr(options.stderr)
            .since(i32::try_from(seconds).unwrap_or(i32::MAX))
            .tail(&options.tail)
            .timestamps(true)
            .build();
        let stream = self.docker()?.logs(container, Some(options));
        let lines = stream.map(|output| output.map(line).map_err(EngineError::from));
        Ok(lines.filter(move |line| future::ready(line.as_ref().map_or(true, |line| line.is_of(&since)))))
    }
}

/// A time as seconds since 1970 and nanoseconds: JSON has no numbers for both in one.
mod moment {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
    use time::{Duration, OffsetDateTime};

    pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        (at.unix_timestamp(), at.nanosecond()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
        let (seconds, nanos) = <(i64, u32)>::deserialize(deserializer)?;
        let at = OffsetDateTime::from_unix_timestamp(seconds).map_err(de::Error::custom)?;
        Ok(at + Duration::nanoseconds(nanos.into()))
    }
}

/// What stands before each line of an [encoded](LogLine::encode_all) log: its stream, the length of its time, and of its text.
const HEAD: usize = 6;

impl LogLine {
    /// Lines as bytes, for another node.
    pub fn encode_all(lines: &[LogLine]) -> Bytes {
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| HEAD + line.time.len() + line.text.len()).sum());
        for line in lines {
            // dockerd's times have 30 characters and its lines at most 16 KiB.
            let (time, text) = (u8::try_from(line.time.len()), u32::try_from(line.text.len()));
            let (Ok(time), Ok(text)) = (time, text) else { continue };
            bytes.put_u8(if line.source == Source::Stderr { 2 } else { 1 });
            bytes.put_u8(time);
            bytes.put_u32(text);
            bytes.extend_from_slice(&line.time);
            bytes.extend_from_slice(&line.text);
        }
        bytes.into()
    }

    /// And back; what makes no sense ends them.
    pub fn decode_all(mut bytes: Bytes) -> Vec<LogLine> {
        let mut lines = Vec::new();
        while bytes.len() >= HEAD {
            let source = if bytes.get_u8() == 2 { Source::Stderr } else { Source::Stdout };
            let (time, text) = (usize::from(bytes.get_u8()), bytes.get_u32() as usize);
            if bytes.len() < time.saturating_add(text) {
                break;
            }
            let time = bytes.split_to(time);
            lines.push(LogLine { source, time, text: bytes.split_to(text) });
        }
        lines
    }

    /// Whether the line was written at this time or later. One without a time always was.
    fn is_of(&self, since: &Bytes) -> bool {
        self.time.is_empty() || self.time >= since
    }
}

/// A time as dockerd writes it in front of a line; later times are greater texts.
pub fn line_time(at: OffsetDateTime) -> String {
    let (hour, minute, second, nano) = at.to_hms_nano();
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nano:09}Z")
}

/// The time that dockerd writes so.
pub fn time_of(text: &[u8]) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let part = |from: usize| u8::try_from(number(from, from + 2)?).ok();
    let month = time::Month::try_from(part(5)?).ok()?;
    let date = time::Date::from_calendar_date(i32::try_from(number(0, 4)?).ok()?, month, part(8)?).ok()?;
    date.with_hms_nano(part(11)?, part(14)?, part(17)?, number(20, 29)?).ok().map(time::PrimitiveDateTime::assume_utc)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for nanos in [0, 1_764_000_000_000_000_007, 1_732_924_799_999_999_999] {
            let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
            assert_eq!(time_of(line_time(at).as_bytes()), Some(at));
        }
        for text in ["", "Z", "2026-11-23T05:06:02.735470848", "2026-13-23T05:06:02.735470848Z"] {
            assert_eq!(time_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lines_survive_the_way() {
        let line =
            |source, time: &'static str, text: &'static str| LogLine { source, time: time.into(), text: text.into() };
        let lines = [line(Source::Stdout, "T", "hi\n"), line(Source::Stderr, "", ""), line(Source::Stderr, "T", "x")];
        let bytes = LogLine::encode_all(&lines);
        assert_eq!(LogLine::decode_all(bytes.clone()), lines);
        assert_eq!(LogLine::decode_all(bytes.slice(..bytes.len() - 1)), lines[..2]);
        assert_eq!(LogLine::decode_all(Bytes::new()), []);
    }

    #[test]
    fn lines_are_told_apart_by_the_nanosecond_and_beyond_2038() {
        let at =
            |seconds, nanos| OffsetDateTime::from_unix_timestamp(seconds).unwrap() + time::Duration::nanoseconds(nanos);
        let line = |time: String| LogLine { source: Source::Stdout, time: time.into(), text: Bytes::new() };
        assert_eq!(line_time(at(1_792_040_762, 735_470_848)), "2026-10-15T05:06:02.735470848Z");
        for (seconds, nanos) in [(1_792_040_762, 5), (4_070_908_800, 0), (253_402_300_799, 999_999_999)] {
            let since = Bytes::from(line_time(at(seconds, nanos)));
            assert!(line(line_time(at(seconds, nanos))).is_of(&since));
            assert!(!line(line_time(at(seconds, nanos - 1))).is_of(&since));
        }
        assert!(line(String::new()).is_of(&Bytes::from(line_time(at(4_070_908_800, 0)))));
    }
}
