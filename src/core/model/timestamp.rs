//! A point in time, as data: nanoseconds since 1970 in UTC, printed as Go prints a `time.Time`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Nanoseconds since 1970-01-01T00:00:00Z. [`Timestamp::ZERO`] is Go's zero time, not 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Go's zero time, printed as `0001-01-01T00:00:00Z`; before every real time.
    pub const ZERO: Timestamp = Timestamp(i64::MIN);

    /// This time plus `nanos` nanoseconds (saturating).
    pub fn plus(self, nanos: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this time (saturating).
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether this is Go's zero time.
    pub fn is_zero(&self) -> bool {
        *self == Timestamp::ZERO
    }
}

impl Default for Timestamp {
    fn default() -> Timestamp {
        Timestamp::ZERO
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0001-01-01T00:00:00Z");
        }
        let Ok(t) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0)) else {
            return f.write_str("0001-01-01T00:00:00Z");
        };
        let (year, month, day) = t.to_calendar_date();
        let (h, m, s, nanos) = t.to_hms_nano();
        write!(f, "{year:04}-{:02}-{day:02}T{h:02}:{m:02}:{s:02}", u8::from(month))?;
        if nanos != 0 {
            // Go cuts trailing zeros of the fraction.
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// The text is not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("parsing time {0:?} as RFC 3339")]
pub struct ParseTimestampError(String);

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Timestamp, ParseTimestampError> {
        if text == "0001-01-01T00:00:00Z" {
            return Ok(Timestamp::ZERO);
        }
        let bad = || ParseTimestampError(text.to_owned());
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| bad())?;
        i64::try_from(parsed.unix_timestamp_nanos()).map(Timestamp).map_err(|_| bad())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1_500_000_000).to_string(), "1970-01-01T00:00:01.5Z");
        assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn round_trips() {
        for text in ["2026-11-23T05:06:02.735470848Z", "0001-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }
}
