//! The functions of every template: Go's own (`text/template/funcs.go`) and swarmkit's `join`.

use super::compare;
use super::format;
use super::text::{Text, append, joined};
use super::value::Value;

/// Names, and how many arguments each takes at least and at most.
const FUNCTIONS: [(&str, usize, usize); 20] = [
    ("and", 1, usize::MAX),
    ("or", 1, usize::MAX),
    ("not", 1, 1),
    ("call", 1, usize::MAX),
    ("index", 1, usize::MAX),
    ("slice", 1, usize::MAX),
    ("len", 1, 1),
    ("print", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("println", 0, usize::MAX),
    ("html", 0, usize::MAX),
    ("js", 0, usize::MAX),
    ("urlquery", 0, usize::MAX),
    ("eq", 1, usize::MAX),
    ("ne", 2, 2),
    ("lt", 2, 2),
    ("le", 2, 2),
    ("gt", 2, 2),
    ("ge", 2, 2),
    ("join", 0, usize::MAX),
];

/// Whether every template has this function.
pub(super) fn exists(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

/// How many arguments a function takes, at least and at most; those that are not here take one.
pub(super) fn arity(name: &str) -> (usize, usize) {
    let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    known.map_or((1, 1), |(_, least, most)| (*least, *most))
}

/// Whether an argument must be a text.
pub(super) fn takes_text(name: &str, at: usize) -> bool {
    name == "join" || name == "printf" && at == 0
}

/// Calls a function; an error is its sentence.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("not", [value]) => Ok(Value::Bool(!value.is_true())),
        ("call", [Value::Nil, ..]) => Err("call of nil".into()),
        ("call", [value, ..]) => Err(format!("non-function {} of type {}", *value.print(), value.kind())),
        ("index", [value, indexes @ ..]) => index(value, indexes),
        ("slice", [value, indexes @ ..]) => slice(value, indexes),
        ("len", [value]) => length(value),
        ("print", _) => Ok(format::print(arguments).into()),
        ("println", _) => Ok(format::print_line(arguments).into()),
        ("printf", [Value::Text(pattern), rest @ ..]) => Ok(format::printf(pattern, rest).into()),
        ("html", _) => Ok(escape(&format::print(arguments), html).into()),
        ("js", _) => Ok(escape(&format::print(arguments), js).into()),
        ("urlquery", _) => Ok(url_query(&format::print(arguments)).into()),
        ("join", []) => Err("runtime error: slice bounds out of range [1:0]".into()),
        ("join", [separator, parts @ ..]) => {
            let parts: Vec<Text> = parts.iter().map(Value::print).collect();
            Ok(joined(&parts, &separator.print()).into())
        }
        _ => compare::call(name, arguments).map(Value::Bool),
    }
}

fn index(value: &Value, indexes: &[Value]) -> Result<Value, String> {
    if *value == Value::Nil {
        return Err("index of untyped nil".into());
    }
    let mut item = value.clone();
    for index in indexes {
        item = match (&item, index) {
            // A key that is not there gives the empty value, unlike a field of that name.
            (Value::Map(map), Value::Text(key)) => map.get(key.as_str()).cloned().unwrap_or_default().into(),
            (Value::Map(_), Value::Nil) => return Err("value is nil; should be of type string".into()),
            (Value::Map(_), other) => return Err(format!("value has type {}; should be string", other.kind())),
            (Value::Text(text), index) => {
                let at = bounded(index, text.len(), false)?;
                Value::Int(i64::from(text.as_bytes()[at]))
            }
            (other, _) => return Err(format!("can't index item of type {}", other.kind())),
        };
    }
    Ok(item)
}

/// An index into something of this length; one that ends a slice may be the length itself.
fn bounded(index: &Value, length: usize, is_end: bool) -> Result<usize, String> {
    let number = match index {
        Value::Int(number) => *number,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.kind())),
    };
    let last = if is_end { length } else { length.saturating_sub(1) };
    let at = usize::try_from(number).ok().filter(|at| *at <= last && (is_end || length > 0));
    at.ok_or_else(|| format!("index out of range: {number}"))
}

fn slice(value: &Value, indexes: &[Value]) -> Result<Value, String> {
    if *value == Value::Nil {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let Value::Text(text) = value else { return Err(format!("can't slice item of type {}", value.kind())) };
    if indexes.len() == 3 {
        return Err("cannot 3-index slice a string".into());
    }
    let mut bounds = [0, text.len()];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = bounded(index, text.len(), true)?;
    }
    let [begin, end] = bounds;
    if begin > end {
        return Err(format!("invalid slice index: {begin} > {end}"));
    }
    Ok(String::from_utf8_lossy(&text.as_bytes()[begin..end]).into_owned().into())
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::Map(map) => map.len(),
        Value::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn escape(text: &str, one: fn(char) -> Option<String>) -> Text {
    let mut escaped = Text::default();
    for c in text.chars() {
        match one(c) {
            Some(other) => append(&mut escaped, &other),
            None => append(&mut escaped, c.encode_utf8(&mut [0; 4])),
        }
    }
    escaped
}

fn html(c: char) -> Option<String> {
    let escaped = match c {
        '\0' => "\u{fffd}",
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => return None,
    };
    Some(escaped.to_owned())
}

fn js(c: char) -> Option<String> {
    match c {
        '\\' => Some("\\\\".into()),
        '\'' => Some("\\'".into()),
        '"' => Some("\\\"".into()),
        '<' | '>' | '&' | '=' => Some(format!("\\u{:04X}", u32::from(c))),
        c if c < ' ' => Some(format!("\\u{:04X}", u32::from(c))),
        c if c.is_ascii() || !c.is_control() => None,
        c => Some(format!("\\u{:04X}", u32::from(c))),
    }
}

fn url_query(text: &str) -> Text {
    let mut encoded = Text::default();
    text.bytes().for_each(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            append(&mut encoded, char::from(byte).encode_utf8(&mut [0; 4]));
        }
        b' ' => append(&mut encoded, "+"),
        byte => append(&mut encoded, &format!("%{byte:02X}")),
    });
    encoded
}
