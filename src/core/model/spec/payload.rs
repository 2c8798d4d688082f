//! The value of a secret or a config: bytes, in JSON as base 64, and in no log.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The digits of base 64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of a secret or a config. Printed for people it shows its length only, so that whatever holds one may be logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        Payload(bytes.to_vec())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        deserializer.deserialize_bytes(Base64)
    }
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in base 64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Payload, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_bytes<E: de::Error>(self, text: &[u8]) -> Result<Payload, E> {
        let wrong = |at| E::custom(format_args!("illegal base64 data at input byte {at}"));
        decode(text).map(Payload).map_err(wrong)
    }
}

/// Base 64 with padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let is_padding = digit > group.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]) });
        }
    }
    text
}

/// Reads base 64 as Go's `base64.StdEncoding` does: with padding, line breaks anywhere. An error is the place that Go names.
fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut digits) = (0_u32, 0_usize);
    let mut input = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    while let Some((at, &byte)) = input.next() {
        if byte == b'=' {
            return match (digits, input.next(), input.next()) {
                (3, None, None) => {
                    bytes.extend([(bits >> 10) as u8, (bits >> 2) as u8]);
                    Ok(bytes)
                }
                (2, Some((_, b'=')), None) => {
                    bytes.push((bits >> 4) as u8);
                    Ok(bytes)
                }
                (3, Some((more, _)), _) | (2, Some((_, b'=')), Some((more, _))) | (2, Some((more, _)), _) => Err(more),
                (2, None, _) => Err(text.len()),
                _ => Err(at),
            };
        }
        let digit = value(byte).ok_or(at)?;
        bits = bits << 6 | digit;
        digits += 1;
        if digits == 4 {
            bytes.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
            (bits, digits) = (0, 0);
        }
    }
    if digits == 0 { Ok(bytes) } else { Err(text.len() - digits) }
}

fn value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretSpec;

    fn read(data: &str) -> Result<Payload, String> {
        let body = format!(r#"{{"Name":"s","Data":{data}}}"#);
        let spec: Result<SecretSpec, _> = crate::json::from_slice(body.as_bytes());
        spec.map(|spec| spec.data).map_err(|error| error.to_string())
    }

    #[test]
    fn whatever_was_written_is_read() {
        for len in 0..70_u8 {
            let bytes: Vec<u8> = (0..len).map(|at| at.wrapping_mul(37).wrapping_add(len)).collect();
            let payload = Payload::from(bytes.as_slice());
            let text = serde_json::to_string(&payload).unwrap();
            assert_eq!(read(&text), Ok(payload.clone()), "{text}");
            assert_eq!(serde_json::from_str::<Payload>(&text).unwrap(), payload);
        }
        assert_eq!(serde_json::to_string(&Payload::from(b"hi".as_slice())).unwrap(), "\"aGk=\"");
        assert_eq!(read(r#""aG\nk=""#).unwrap().bytes(), b"hi");
        assert!(read("null").unwrap().is_empty() && read("\"\"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_base_64_is_refused() {
        for wrong in ["a", "a*==", "aGk", "aGk==", "=", "ab=c", "a===", "aGk=x"] {
            let error = read(&format!("\"{wrong}\"")).unwrap_err();
            assert!(error.contains("of type []uint8: illegal base64 data at input byte "), "{wrong}: {error}");
        }
        assert_eq!(
            read("7").unwrap_err(),
            "invalid JSON: json: cannot unmarshal number into Go struct field SecretSpec.Data of type []uint8"
        );
    }

    #[test]
    fn nothing_that_is_printed_shows_it() {
        let spec = SecretSpec { data: Payload::from(b"hush-hush".as_slice()), ..SecretSpec::default() };
        let shown = format!("{spec:?}");
        assert!(shown.contains("<9 bytes>") && !shown.contains("hush") && !shown.contains("aHVz"), "{shown}");
    }
}
