//! Identifiers: 25 characters of base 36, as swarmkit makes them, kept as 128-bit numbers.
//!
//! One type for each kind of object, so that a task's id cannot be passed where a node's is wanted. Numbers order as
//! their texts do, so a prefix search is a range search.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Length of an identifier's text (swarmkit `identity.NewID`).
pub const ID_LENGTH: usize = 25;

/// Makes identifiers from a seed: the shell seeds it from the operating system, a test with a constant.
#[derive(Clone, Debug)]
pub struct IdSource {
    seed: [u8; 32],
    count: u64,
}

impl IdSource {
    /// A source whose ids cannot be guessed unless `seed` can.
    pub fn new(seed: [u8; 32]) -> IdSource {
        IdSource { seed, count: 0 }
    }

    /// 32 bytes that no other call returns.
    pub fn bytes(&mut self) -> [u8; 32] {
        self.count += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.count.to_le_bytes());
        hash.finalize().into()
    }

    /// A new identifier of whatever kind is asked for.
    pub fn fresh<T: From<u128>>(&mut self) -> T {
        let bytes = self.bytes();
        let mut number = [0_u8; 16];
        number.copy_from_slice(&bytes[..16]);
        T::from(u128::from_be_bytes(number))
    }
}

/// Base 36, most significant digit first, padded with zeros to `width` digits.
pub fn base36(mut number: u128, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

fn parse36(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            _ => return None,
        };
        number.checked_mul(36)?.checked_add(u128::from(digit))
    })
}

/// The inclusive range of numbers whose text begins with `prefix`; `None` if no identifier can.
pub fn prefix_range(prefix: &str) -> Option<(u128, u128)> {
    if prefix.len() > ID_LENGTH {
        return None;
    }
    let low = parse36(&format!("{prefix:0<ID_LENGTH$}"))?;
    let high = parse36(&format!("{prefix:z<ID_LENGTH$}")).unwrap_or(u128::MAX);
    Some((low, high))
}

/// The text is not an identifier.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a 25-character identifier")]
pub struct ParseIdError(String);

macro_rules! identifier {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The smallest identifier, for the start of a range.
            pub const MIN: $name = $name(0);
            /// The largest identifier, for the end of a range.
            pub const MAX: $name = $name(u128::MAX);

            /// The number behind the text.
            pub fn number(self) -> u128 {
                self.0
            }
        }

        impl From<u128> for $name {
            fn from(number: u128) -> $name {
                $name(number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base36(self.0, ID_LENGTH))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<$name, ParseIdError> {
                if text.len() != ID_LENGTH {
                    return Err(ParseIdError(text.to_owned()));
                }
                parse36(text).map($name).ok_or_else(|| ParseIdError(text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

identifier! {
    /// A cluster's identifier; stable for the cluster's whole life.
    ClusterId;
    /// A node's identifier: the common name of its certificate.
    NodeId;
    /// A service's identifier.
    ServiceId;
    /// A task's identifier.
    TaskId;
    /// A swarm network's identifier.
    NetworkId;
    /// A secret's identifier.
    SecretId;
    /// A config's identifier.
    ConfigId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_orders() {
        let mut ids = IdSource::new([7; 32]);
        let (a, b): (TaskId, TaskId) = (ids.fresh(), ids.fresh());
        assert_eq!(a.to_string().len(), ID_LENGTH);
        assert_eq!(a.to_string().parse::<TaskId>().unwrap(), a);
        assert_eq!(a < b, a.to_string() < b.to_string());
    }

    #[test]
    fn a_prefix_is_a_range() {
        let id: NodeId = IdSource::new([1; 32]).fresh();
        let text = id.to_string();
        for len in 1..=ID_LENGTH {
            let (low, high) = prefix_range(&text[..len]).unwrap();
            assert!((low..=high).contains(&id.number()), "{len}");
        }
        assert!(prefix_range("Not-An-Id").is_none());
    }
}
