//! The `filters` query parameter, in both shapes that clients send: `{"label":["a"]}` and `{"label":{"a":true}}`.

use std::collections::BTreeMap;

use gam_core::error::Error;
use serde_json::Value;

use super::error::ApiError;

/// What a client wants to see of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the parameter's text; an absent or empty one filters nothing (`moby: api/types/filters`).
    pub fn parse(text: Option<&str>) -> Result<Filters, ApiError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Filters::default()) };
        let invalid = || ApiError::invalid("invalid filter");
        let document = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(document)) => document,
            Ok(Value::Null) => return Ok(Filters::default()),
            _ => return Err(invalid()),
        };
        let mut filters = BTreeMap::new();
        for (key, value) in document {
            let values: Option<Vec<String>> = match value {
                Value::Null => Some(Vec::new()),
                Value::Array(list) => list.into_iter().map(text_of).collect(),
                Value::Object(set) => Some(set.into_iter().map(|(value, _)| value).collect()),
                _ => None,
            };
            filters.insert(key, values.ok_or_else(invalid)?);
        }
        Ok(Filters(filters))
    }

    /// Refuses every key that is not among `accepted`, with Docker's sentence.
    pub fn accept(&self, accepted: &[&str]) -> Result<(), ApiError> {
        match self.0.keys().find(|key| !accepted.contains(&key.as_str())) {
            Some(key) => Err(Error::invalid(format!("invalid filter '{key}'")).into()),
            None => Ok(()),
        }
    }

    /// The values of a key; none if it is absent.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether there is nothing to filter by.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the key's values satisfies `matches`; an absent key is satisfied by everything.
    pub fn any(&self, key: &str, matches: impl Fn(&str) -> bool) -> bool {
        let values = self.get(key);
        values.is_empty() || values.iter().any(|value| matches(value))
    }

    /// Whether `labels` has every label asked for, `key` or `key=value` (swarmkit `checkLabels`).
    pub fn labels<'a>(&self, key: &str, label: impl Fn(&str) -> Option<&'a String>) -> bool {
        self.get(key).iter().all(|wanted| match wanted.split_once('=') {
            Some((name, value)) if !value.is_empty() => label(name).is_some_and(|found| found == value),
            Some((name, _)) => label(name).is_some(),
            None => label(wanted).is_some(),
        })
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_shapes() {
        let list = Filters::parse(Some(r#"{"label":["a=b","c"]}"#)).unwrap();
        let set = Filters::parse(Some(r#"{"label":{"a=b":true,"c":true}}"#)).unwrap();
        assert_eq!(list, set);
        assert_eq!(Filters::parse(None).unwrap(), Filters::parse(Some("")).unwrap());
        for bad in ["{", "[]", "7", r#"{"a":7}"#, r#"{"a":[1]}"#] {
            assert_eq!(Filters::parse(Some(bad)).unwrap_err().message, "invalid filter", "{bad}");
        }
    }

    #[test]
    fn refuses_unknown_keys() {
        let filters = Filters::parse(Some(r#"{"bogus":["x"]}"#)).unwrap();
        assert_eq!(filters.accept(&["name"]).unwrap_err().message, "invalid filter 'bogus'");
    }

    #[test]
    fn labels_match_by_name_or_value() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let matches = |text| Filters::parse(Some(text)).unwrap().labels("label", |key| labels.get(key));
        assert!(matches(r#"{"label":["a"]}"#) && matches(r#"{"label":["a=b"]}"#) && matches("{}"));
        assert!(!matches(r#"{"label":["a=c"]}"#) && !matches(r#"{"label":["a","b"]}"#));
    }
}
