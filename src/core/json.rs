//! Reads JSON as Go's `encoding/json` does, so that bodies which Docker takes are taken here too.
//!
//! Field names match without regard to case; `null` means "leave the zero value", also for required things and inside
//! lists; of duplicates the last wins; unknown names are dropped. Map keys are data and are left alone. A value of
//! the wrong type is refused in Go's own words; what is no Unicode in a text is replaced. The types themselves need nothing but ordinary serde derives with
//! `#[serde(default)]` (never `flatten`, which would hide field names from this reader).

mod document;
mod text;

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use document::{Document, is_too_deep};
pub use text::{coerced, coerced_text};

/// Why a body was refused; the message is what dockerd says (400).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(String);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> DecodeError {
        DecodeError(message.to_string())
    }
}

/// Decodes one JSON document, and nothing after it, as dockerd's `httputils.ReadJSON` does.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError("invalid JSON: got EOF while reading request body".into()));
    }
    let body = &*coerced(body);
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<Document>();
    let document = match documents.next() {
        Some(Ok(document)) => document,
        Some(Err(error)) => return Err(syntax_error(body, &error)),
        None => return Err(DecodeError("invalid JSON: got EOF while reading request body".into())),
    };
    if document.is_deep && is_too_deep(&body[..documents.byte_offset()]) {
        return Err(too_deep());
    }
    if !body[documents.byte_offset()..].iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError("unexpected content after JSON".into()));
    }
    from_value(&document.value).map_err(|error| DecodeError(format!("invalid JSON: {error}")))
}

/// Decodes a JSON value with Go's leniency.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Lenient { value, path: &Path::Root, owner: "", word: "" })
}

fn too_deep() -> DecodeError {
    DecodeError("invalid JSON: exceeded max depth".into())
}

/// Says what Go's scanner says of the commonest syntax errors.
fn syntax_error(body: &[u8], error: &serde_json::Error) -> DecodeError {
    if error.is_eof() {
        return if is_too_deep(body) { too_deep() } else { DecodeError("invalid JSON: unexpected EOF".into()) };
    }
    let offset = body.split_inclusive(|byte| *byte == b'\n').take(error.line() - 1).map(<[u8]>::len).sum::<usize>()
        + error.column().saturating_sub(1);
    if is_too_deep(&body[..offset.min(body.len())]) {
        return too_deep();
    }
    let found = body.get(offset).copied().map_or_else(|| "?".to_owned(), quoted);
    let context = if body[..offset.min(body.len())].iter().all(u8::is_ascii_whitespace) {
        "looking for beginning of value"
    } else if error.to_string().starts_with("key must be a string") {
        "looking for beginning of object key string"
    } else if error.to_string().starts_with("expected `:`") {
        "after object key"
    } else if error.to_string().starts_with("expected `,` or `}`") {
        "after object key:value pair"
    } else if error.to_string().starts_with("expected `,` or `]`") {
        "after array element"
    } else {
        "looking for beginning of value"
    };
    DecodeError(format!("invalid JSON: invalid character '{found}' {context}"))
}

/// A byte as Go names it (`encoding/json: quoteChar`).
fn quoted(byte: u8) -> String {
    match byte {
        b'"' => "\"".to_owned(),
        b'\'' => "\\'".to_owned(),
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        0x0b => "\\v".to_owned(),
        0x0c => "\\f".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// Where in the document a value stands, for error messages.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(Path::Root, at) => write!(f, "{at}"),
            Path::Index(parent, at) => write!(f, "{parent}.{at}"),
        }
    }
}

#[derive(Clone, Copy)]
struct Lenient<'a> {
    value: &'a Value,
    path: &'a Path<'a>,
    /// Name of the outermost struct, by which Go names the field.
    owner: &'a str,
    /// Name of the type, where Go has one of its own for a text or a number, such as `time.Duration`.
    word: &'a str,
}

impl<'a> Lenient<'a> {
    fn fields(self, entries: Vec<(&'a str, &'a Value)>, owner: &'a str) -> Fields<'a> {
        Fields { entries, at: 0, path: self.path, owner }
    }

    fn mismatch(self, wanted: &str) -> DecodeError {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wanted.contains("int") && !wanted.starts_with("[]") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let wanted = if self.word.is_empty() { wanted } else { self.word };
        DecodeError(match self.path {
            Path::Root => format!("json: cannot unmarshal {found} into Go value of type {wanted}"),
            path => {
                format!("json: cannot unmarshal {found} into Go struct field {}.{path} of type {wanted}", self.owner)
            }
        })
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $as:ident $type:ty, $go:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.value {
                Value::Null => visitor.$visit(0),
                value => match value.$as().and_then(|number| <$type>::try_from(number).ok()) {
                    Some(number) => visitor.$visit(number),
                    None => Err(self.mismatch($go)),
                },
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Lenient<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    integers! {
        deserialize_u8 visit_u8 as_u64 u8, "uint8";
        deserialize_u16 visit_u16 as_u64 u16, "uint16";
        deserialize_u32 visit_u32 as_u64 u32, "uint32";
        deserialize_u64 visit_u64 as_u64 u64, "uint64";
        deserialize_i8 visit_i8 as_i64 i8, "int8";
        deserialize_i16 visit_i16 as_i64 i16, "int16";
        deserialize_i32 visit_i32 as_i64 i32, "int32";
        deserialize_i64 visit_i64 as_i64 i64, "int64";
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_f32(0.0),
            Value::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            _ => Err(self.mismatch("float32")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f32(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.mismatch("bool")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_str(text),
            _ => Err(self.mismatch("string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    /// A `[]byte`, which Go writes as a text; what the text holds is the visitor's to say.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor
                .visit_str(text)
                .map_err(|DecodeError(why)| DecodeError(format!("{}: {why}", self.mismatch("[]uint8")))),
            _ => Err(self.mismatch("[]uint8")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let elements = match self.value {
            Value::Null => &[],
            Value::Array(elements) => elements.as_slice(),
            _ => return Err(self.mismatch("[]string")),
        };
        visitor.visit_seq(Items { elements, at: 0, path: self.path, owner: self.owner })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_map(self.fields(Vec::new(), self.owner)),
            Value::Object(object) => {
                let entries = object.iter().map(|(key, value)| (key.as_str(), value)).collect();
                visitor.visit_map(self.fields(entries, self.owner))
            }
            _ => Err(self.mismatch("map[string]string")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let object = match self.value {
            Value::Null => return visitor.visit_map(self.fields(Vec::new(), name)),
            Value::Object(object) => object,
            _ => return Err(self.mismatch(&format!("swarm.{name}"))),
        };
        let owner = if self.owner.is_empty() { name } else { self.owner };
        let mut entries: Vec<(&str, &Value)> = Vec::new();
        for (key, value) in object {
            let exact = fields.iter().find(|field| *field == key);
            let Some(field) = exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key))) else {
                continue;
            };
            entries.retain(|(name, _)| name != field);
            entries.push((field, value));
        }
        entries.retain(|(_, value)| !value.is_null());
        visitor.visit_map(self.fields(entries, owner))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(Lenient { word: name, ..self })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => {
                let deserializer: StrDeserializer<'_, DecodeError> = text.as_str().into_deserializer();
                deserializer.deserialize_enum(name, variants, visitor)
            }
            _ => Err(self.mismatch("string")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The elements of a list.
struct Items<'a> {
    elements: &'a [Value],
    at: usize,
    path: &'a Path<'a>,
    owner: &'a str,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        let Some(value) = self.elements.get(self.at) else { return Ok(None) };
        let path = Path::Index(self.path, self.at);
        self.at += 1;
        seed.deserialize(Lenient { value, path: &path, owner: self.owner, word: "" }).map(Some)
    }
}

/// The fields of a struct, under their own names, nulls and unknown ones left out; or the entries of a map.
struct Fields<'a> {
    entries: Vec<(&'a str, &'a Value)>,
    at: usize,
    path: &'a Path<'a>,
    owner: &'a str,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((name, _)) = self.entries.get(self.at) else { return Ok(None) };
        let key: StrDeserializer<'_, DecodeError> = (*name).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let (name, value) = self.entries[self.at];
        self.at += 1;
        let path = Path::Field(self.path, name);
        seed.deserialize(Lenient { value, path: &path, owner: self.owner, word: "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceSpec;

    fn read(text: &str) -> Result<ServiceSpec, String> {
        from_slice(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_as_go_does() {
        let spec = read(
            r#"{"name":"web","LABELS":{"Name":"kept"},"Mode":{"replicated":{"Replicas":null}},"Nonsense":[1],
                "TaskTemplate":{"LogDriver":null,"Networks":null,"ContainerSpec":{"Image":"a","image":"b","Env":["x",null]}}}"#,
        )
        .unwrap();
        assert_eq!(spec.name, "web");
        assert_eq!(spec.labels["Name"], "kept");
        assert_eq!(spec.mode.replicated.unwrap().replicas, None);
        let container = spec.task_template.container_spec.unwrap();
        assert_eq!(container.image, "b", "of duplicates the last wins");
        assert_eq!(container.env, ["x", ""]);
        assert_eq!(read("null").unwrap(), ServiceSpec::default());
    }

    /// Recorded from dockerd 28.5.2 (`join/api`, `service/wrong_types`).
    #[test]
    fn a_word_of_a_type_of_its_own_is_named_so() {
        let read =
            |body: &str| from_slice::<crate::model::NodeSpec>(body.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"Availability":"drain","Role":null}"#).unwrap().availability, "drain");
        assert_eq!(
            read(r#"{"Availability":7}"#).unwrap_err(),
            "invalid JSON: json: cannot unmarshal number into Go struct field NodeSpec.Availability of type swarm.NodeAvailability"
        );
        for (field, wrong) in [
            (
                r#""StopGracePeriod":1.5"#,
                "number 1.5 into Go struct field ContainerSpec.StopGracePeriod of type time.Duration",
            ),
            (r#""Isolation":7"#, "number into Go struct field ContainerSpec.Isolation of type container.Isolation"),
            (
                r#""Healthcheck":{"Retries":"x"}"#,
                "string into Go struct field ContainerSpec.Healthcheck.Retries of type int",
            ),
        ] {
            let body = format!("{{{field}}}");
            let refusal = from_slice::<crate::model::ContainerSpec>(body.as_bytes()).unwrap_err().to_string();
            assert_eq!(refusal, format!("invalid JSON: json: cannot unmarshal {wrong}"));
        }
    }

    #[test]
    fn refuses_in_gos_words() {
        assert_eq!(
            read(r#"{"Mode":{"Replicated":{"Replicas":"x"}}}"#).unwrap_err(),
            "invalid JSON: json: cannot unmarshal string into Go struct field ServiceSpec.Mode.Replicated.Replicas of type uint64"
        );
        assert_eq!(read("{").unwrap_err(), "invalid JSON: unexpected EOF");
        assert_eq!(read("").unwrap_err(), "invalid JSON: got EOF while reading request body");
        assert_eq!(read("{} {}").unwrap_err(), "unexpected content after JSON");
        assert_eq!(
            read("{bad}").unwrap_err(),
            "invalid JSON: invalid character 'b' looking for beginning of object key string"
        );
    }

    #[test]
    fn what_is_no_unicode_is_replaced_in_texts_and_refused_elsewhere() {
        let read =
            |body: &[u8]| from_slice::<ServiceSpec>(body).map(|spec| spec.name).map_err(|error| error.to_string());
        assert_eq!(read(b"{\"Name\":\"a\xff\xe2\x82b\\ud800\"}"), Ok("a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}".into()));
        assert_eq!(
            read(b"{\"Name\":\xff}").unwrap_err(),
            "invalid JSON: invalid character '\\xff' looking for beginning of value"
        );
    }

    /// Recorded from dockerd 28.5.2: ten thousand levels are read, whatever they are a part of.
    #[test]
    fn nests_as_deeply_as_go() {
        let nested = |open: &str, inside: &str, close: &str, levels: usize| {
            read(&format!(r#"{{"Name":"web","No":{}{inside}{}}}"#, open.repeat(levels), close.repeat(levels)))
        };
        for (open, inside, close) in [("[", "", "]"), (r#"{"\"{":"#, "1", "}")] {
            for levels in [97, 98, 99, 100, 101, 126, 127, 128, 9_999] {
                assert_eq!(nested(open, inside, close, levels).map(|spec| spec.name), Ok("web".into()), "{levels}");
            }
            assert_eq!(nested(open, inside, close, 10_000).unwrap_err(), "invalid JSON: exceeded max depth");
            assert_eq!(nested(open, "", "", 10_000).unwrap_err(), "invalid JSON: exceeded max depth");
            assert_eq!(
                nested(open, "", "", 9_999).unwrap_err(),
                "invalid JSON: invalid character '}' looking for beginning of value"
            );
        }
        assert_eq!(
            nested("[", "x", "]", 200).unwrap_err(),
            "invalid JSON: invalid character 'x' looking for beginning of value"
        );
        assert_eq!(read(&"[".repeat(20_000)).unwrap_err(), "invalid JSON: exceeded max depth");
        assert_eq!(read(&"[".repeat(10_000)).unwrap_err(), "invalid JSON: unexpected EOF");
        assert_eq!(
            read(&format!("{{x}}{}", "[".repeat(20_000))).unwrap_err(),
            "invalid JSON: invalid character 'x' looking for beginning of object key string"
        );
    }
}
