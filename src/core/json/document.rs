//! A JSON document of any depth that Go would read, without a stack of that depth.
//!
//! No type of Docker's nests deeply, so what lies deep is a part of something unknown: its syntax is checked, which
//! serde does without recursion, and it is then forgotten. The stack is bounded by [`DEPTH_KEPT`], whatever a client
//! sends.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Levels that are kept; the deepest of Docker's types has a dozen. serde's own limit is 128.
const DEPTH_KEPT: usize = 100;
/// Go's limit, `maxNestingDepth` of `encoding/json`.
const DEPTH_MAX: usize = 10_000;

/// The upper levels of a document.
pub(super) struct Document {
    /// What was read; what lies deeper is null.
    pub(super) value: Value,
    /// Whether anything lies deeper.
    pub(super) is_deep: bool,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        let is_deep = Cell::new(false);
        let value = Level { left: DEPTH_KEPT, is_deep: &is_deep }.deserialize(deserializer)?;
        Ok(Document { value, is_deep: is_deep.get() })
    }
}

/// Whether the text nests more deeply than Go reads. It need not be whole, but sound as far as it goes.
pub(super) fn is_too_deep(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Reads one value, of which so many levels are kept.
#[derive(Clone, Copy)]
struct Level<'a> {
    left: usize,
    is_deep: &'a Cell<bool>,
}

impl Level<'_> {
    fn below(self) -> Self {
        Level { left: self.left - 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.left > 0 {
            return deserializer.deserialize_any(self);
        }
        self.is_deep.set(true);
        deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self.below())? {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(key, entries.next_value_seed(self.below())?);
        }
        Ok(map.into())
    }
}
