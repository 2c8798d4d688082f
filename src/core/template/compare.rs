//! `eq`, `ne`, `lt`, `le`, `gt` and `ge` (Go's `text/template/funcs.go`).

use std::cmp::Ordering;

use super::value::Value;

/// Compares; an error is its sentence.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<bool, String> {
    match (name, arguments) {
        ("eq", [first, others @ ..]) => equals_any(first, others),
        ("ne", [one, other]) => equal(one, other).map(|equal| !equal),
        ("lt", [one, other]) => order(one, other).map(|order| order == Some(Ordering::Less)),
        ("le", [one, other]) => order(one, other).map(|order| order.is_some_and(Ordering::is_le)),
        ("gt", [one, other]) => order(one, other).map(|order| order == Some(Ordering::Greater)),
        ("ge", [one, other]) => order(one, other).map(|order| order.is_some_and(Ordering::is_ge)),
        _ => Err(format!("{name:?} is not a defined function")),
    }
}

fn equals_any(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(one: &Value, other: &Value) -> Result<bool, String> {
    match (one, other) {
        (Value::Map(_), Value::Map(_)) | (Value::Map(_), Value::Struct(_)) | (Value::Struct(_), Value::Map(_)) => {
            Err(format!("non-comparable types {}: {}, {}: {}", *one.print(), one.kind(), *other.print(), other.kind()))
        }
        (Value::Nil, _) | (_, Value::Nil) => Ok(one == other),
        _ if std::mem::discriminant(one) != std::mem::discriminant(other) => Err(incompatible(one, other)),
        _ => Ok(one == other),
    }
}

fn order(one: &Value, other: &Value) -> Result<Option<Ordering>, String> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => Ok(Some(one.cmp(other))),
        (Value::Float(one), Value::Float(other)) => Ok(one.partial_cmp(other)),
        (Value::Text(one), Value::Text(other)) => Ok(Some(one.as_str().cmp(other))),
        _ if !is_basic(one) || !is_basic(other) => Err("invalid type for comparison".into()),
        (Value::Bool(_), Value::Bool(_)) => Err("invalid type for comparison".into()),
        _ => Err(incompatible(one, other)),
    }
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_))
}

fn incompatible(one: &Value, other: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", one.kind(), other.kind())
}
