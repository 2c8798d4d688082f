//! What a template works with: the few kinds of values that Docker's templates can meet.

use std::sync::Arc;

use super::format;
use super::text::{Text, joined};
use crate::model::StringMap;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Go's untyped nil.
    Nil,
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `float64`.
    Float(f64),
    /// A `string`.
    Text(Text),
    /// A `map[string]string`.
    Map(Arc<StringMap>),
    /// A struct.
    Struct(Arc<Kind>),
}

/// A struct of Go's.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Its type, as Go prints it.
    pub name: &'static str,
    /// Its fields, in order.
    pub fields: Vec<(&'static str, Value)>,
}

impl Value {
    /// A struct.
    pub fn of(name: &'static str, fields: Vec<(&'static str, Value)>) -> Value {
        Value::Struct(Arc::new(Kind { name, fields }))
    }

    /// Its type, as Go prints it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::Map(_) => "map[string]string",
            Value::Struct(kind) => kind.name,
        }
    }

    /// Whether it counts as true: it is not empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Struct(_) => true,
        }
    }

    /// As Go's `%v` prints it.
    pub(super) fn print(&self) -> Text {
        let text = match self {
            Value::Text(text) => return text.clone(),
            Value::Nil => "<nil>".into(),
            Value::Bool(value) => value.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => format::shortest(*number),
            Value::Map(map) => {
                let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("map[{}]", entries.join(" "))
            }
            Value::Struct(kind) => {
                let fields: Vec<Text> = kind.fields.iter().map(|(_, value)| value.print()).collect();
                format!("{{{}}}", *joined(&fields, " "))
            }
        };
        Text::new(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        text.to_owned().into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(Text::new(text))
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Value {
        Value::Text(text)
    }
}
