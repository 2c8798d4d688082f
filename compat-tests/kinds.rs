//! What each id is: learned from the bodies that pass the tees, so that `normalize` need not guess. Decides by the
//! path of the exchange and by the names of JSON fields. It never looks at transcripts. Called by `tee`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::http1::Exchange;

/// Ids with their kinds, and every version index that an object was seen with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Full id to its kind, e.g. `service`.
    pub ids: BTreeMap<String, &'static str>,
    /// (id, `Version.Index`) pairs seen.
    pub indexes: BTreeSet<(String, u64)>,
}

/// Fields that name an object of a known kind wherever they stand.
const FIELDS: [(&str, &str); 11] = [
    ("ServiceID", "service"),
    ("NodeID", "node"),
    ("TaskID", "task"),
    ("NetworkID", "network"),
    ("SecretID", "secret"),
    ("ConfigID", "config"),
    ("ContainerID", "container"),
    ("EndpointID", "endpoint"),
    ("com.docker.swarm.service.id", "service"),
    ("com.docker.swarm.node.id", "node"),
    ("com.docker.swarm.task.id", "task"),
];

/// The first segment of a path and what its `ID` or `Id` then names.
const PATHS: [(&str, &str); 11] = [
    ("swarm", "cluster"),
    ("nodes", "node"),
    ("services", "service"),
    ("tasks", "task"),
    ("networks", "network"),
    ("secrets", "secret"),
    ("configs", "config"),
    ("containers", "container"),
    ("images", "image"),
    ("exec", "exec"),
    ("volumes", "volume"),
];

impl Kinds {
    /// Takes what one exchange says.
    pub fn learn(&mut self, exchange: &Exchange) {
        if !exchange.header("content-type").is_some_and(|kind| kind.contains("json")) {
            return;
        }
        let segments: Vec<&str> = segments(&exchange.path);
        let kind = PATHS.iter().find(|(first, _)| segments.first() == Some(first)).map(|(_, kind)| *kind);
        // `docker exec` asks the container for a new exec object, and init answers with the bare id of the node.
        let kind = if segments.last() == Some(&"exec") { Some("exec") } else { kind };
        for document in serde_json::Deserializer::from_slice(&exchange.body).into_iter::<Value>().flatten() {
            match (&document, segments.as_slice()) {
                (Value::String(id), ["swarm", "init"]) => self.note(id, "node"),
                (Value::Array(items), _) => items.iter().for_each(|item| self.object(item, kind)),
                (other, _) => self.object(other, kind),
            }
        }
    }

    fn object(&mut self, value: &Value, kind: Option<&'static str>) {
        if let (Some(id), Some(kind)) = (id_of(value), kind) {
            self.note(id, kind);
        }
        if let (Some(id), Some(index)) = (id_of(value), value.pointer("/Version/Index").and_then(Value::as_u64)) {
            self.indexes.insert((id.to_owned(), index));
        }
        if let (Some("volume"), Some(name)) = (kind, value["Name"].as_str()) {
            self.note(name, "volume");
        }
        if let (Some(kind), Some(id)) = (value["Type"].as_str(), value.pointer("/Actor/ID").and_then(Value::as_str))
            && let Some((_, kind)) = PATHS.iter().find(|(_, known)| known == &kind)
        {
            self.note(id, kind);
        }
        self.fields(value);
    }

    fn fields(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.fields(item)),
            Value::Object(map) => {
                for (key, value) in map {
                    match (FIELDS.iter().find(|(field, _)| field == key), value) {
                        (Some((_, kind)), Value::String(id)) => self.note(id, kind),
                        (None, Value::Object(inner)) if key == "Containers" => {
                            inner.keys().for_each(|id| self.note(id, "container"));
                        }
                        (None, Value::Object(_)) if key == "Cluster" => self.object(value, Some("cluster")),
                        (None, Value::Object(_)) if key == "Network" => self.object(value, Some("network")),
                        _ => {}
                    }
                    self.fields(value);
                }
            }
            _ => {}
        }
    }

    /// Ids are 25 characters of base 36 or 64 of hex; names and the like are left alone. The first kind stays.
    fn note(&mut self, id: &str, kind: &'static str) {
        let id = id.strip_prefix("sha256:").unwrap_or(id);
        let swarm = id.len() == 25 && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        let engine = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
        if swarm || engine {
            self.ids.entry(id.to_owned()).or_insert(kind);
        }
    }
}

fn id_of(value: &Value) -> Option<&str> {
    value.get("ID").or_else(|| value.get("Id")).and_then(Value::as_str)
}

/// The segments of a path without API version and query.
pub fn segments(path: &str) -> Vec<&str> {
    let path = path.split('?').next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let versioned = segments.first().is_some_and(|first| {
        first
            .strip_prefix('v')
            .is_some_and(|v| v.split('.').count() == 2 && v.bytes().all(|b| b == b'.' || b.is_ascii_digit()))
    });
    if versioned {
        segments.remove(0);
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(path: &str, body: &str) -> Kinds {
        let mut kinds = Kinds::default();
        kinds.learn(&Exchange {
            path: path.into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.into(),
            ..Exchange::default()
        });
        kinds
    }

    #[test]
    fn a_list_names_its_objects_and_what_they_refer_to() {
        let (task, service, node) = ("t".repeat(25), "s".repeat(25), "n".repeat(25));
        let body = format!(
            r#"[{{"ID":"{task}","Version":{{"Index":7}},"ServiceID":"{service}","NodeID":"{node}","Name":"x"}}]"#
        );
        let kinds = learned("/v1.51/tasks?filters=x", &body);
        assert_eq!(kinds.ids, BTreeMap::from([(task.clone(), "task"), (service, "service"), (node, "node")]));
        assert_eq!(kinds.indexes, BTreeSet::from([(task, 7)]));
    }

    #[test]
    fn init_answers_with_a_bare_node_id_and_info_carries_the_cluster() {
        let (node, cluster) = ("n".repeat(25), "c".repeat(25));
        assert_eq!(learned("/swarm/init", &format!("\"{node}\"")).ids[&node], "node");
        let body = format!(r#"{{"ID":"some-uuid","Swarm":{{"NodeID":"{node}","Cluster":{{"ID":"{cluster}"}}}}}}"#);
        let kinds = learned("/info", &body);
        assert_eq!((kinds.ids[&node], kinds.ids[&cluster]), ("node", "cluster"));
    }

    #[test]
    fn an_exec_is_not_its_container_and_names_are_no_ids() {
        let id = "a".repeat(64);
        assert_eq!(learned("/containers/web/exec", &format!(r#"{{"Id":"{id}"}}"#)).ids[&id], "exec");
        assert_eq!(learned("/networks", r#"[{"Name":"bridge","Id":"short"}]"#).ids, BTreeMap::new());
    }
}
