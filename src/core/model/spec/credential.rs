//! What a node shows a registry to be given a service's image, and how a spec carries it.
//!
//! A spec is written in two ways. On the socket it is Docker's JSON, which has no place for a credential: the field is
//! skipped, so no answer can show one and no body can bring one. Between members of the cluster, and in what they keep,
//! it is written whole, by the functions here.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ServiceSpec;

/// The value of a header `X-Registry-Auth`: JSON in base 64, for the engine alone to understand
/// (swarmkit `ContainerSpec.PullOptions.RegistryAuth`). Printed for people it shows its length only.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(String);

impl Credential {
    /// The credential of a header; `None` if that is empty, which is none.
    pub fn of(header: &str) -> Option<Credential> {
        (!header.is_empty()).then(|| Credential(header.to_owned()))
    }

    /// The header's value.
    pub fn header(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl ServiceSpec {
    /// What its nodes show the registry of its image.
    pub fn credential(&self) -> Option<&Credential> {
        self.task_template.container_spec.as_ref()?.credential.as_ref()
    }

    /// Puts another credential, or none, in the place of the present one. Only containers have an image to pull.
    pub fn set_credential(&mut self, credential: Option<Credential>) {
        if let Some(container) = &mut self.task_template.container_spec {
            container.credential = credential;
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    spec: &'a ServiceSpec,
    #[serde(rename = "RegistryAuth")]
    credential: &'a Credential,
}

#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    spec: ServiceSpec,
    #[serde(default, rename = "RegistryAuth")]
    credential: Option<Credential>,
}

/// A spec with its credential; one without is written as on the socket.
struct Whole<T>(T);

impl<T: Deref<Target = ServiceSpec>> Serialize for Whole<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spec: &ServiceSpec = self.0;
        match spec.credential() {
            Some(credential) => Written { spec, credential }.serialize(serializer),
            None => spec.serialize(serializer),
        }
    }
}

impl<'de, T: From<ServiceSpec>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole<T>, D::Error> {
        let Read { mut spec, credential } = Read::deserialize(deserializer)?;
        spec.set_credential(credential);
        Ok(Whole(spec.into()))
    }
}

/// For `#[serde(with)]`: a spec that is kept, or told to a member, with its credential.
pub mod whole {
    use super::*;

    /// Writes it.
    pub fn serialize<T: Deref<Target = ServiceSpec>, S: Serializer>(
        spec: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Whole(spec).serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, T: From<ServiceSpec>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        Whole::deserialize(deserializer).map(|read| read.0)
    }
}

/// As [`whole`], where there may be none.
pub mod whole_option {
    use super::*;

    /// Writes it.
    pub fn serialize<T: Deref<Target = ServiceSpec>, S: Serializer>(
        spec: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        spec.as_ref().map(Whole).serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, T: From<ServiceSpec>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Option::<Whole<T>>::deserialize(deserializer)?.map(|read| read.0))
    }
}

/// As [`whole`], for the specs that tasks refer to by number.
pub mod whole_list {
    use super::*;

    /// Writes them.
    pub fn serialize<S: Serializer>(specs: &[Arc<ServiceSpec>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(specs.iter().map(Whole))
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<ServiceSpec>>, D::Error> {
        let read = Vec::<Whole<Arc<ServiceSpec>>>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|read| read.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept {
        #[serde(with = "whole")]
        spec: Box<ServiceSpec>,
        #[serde(with = "whole_option")]
        previous: Option<Arc<ServiceSpec>>,
        #[serde(with = "whole_list")]
        specs: Vec<Arc<ServiceSpec>>,
    }

    fn spec(credential: &str) -> ServiceSpec {
        // A value of each kind that JSON and the readers of specs know.
        let mut spec: ServiceSpec = serde_json::from_value(serde_json::json!({
            "Name": "web", "Labels": { "a": "b" }, "Mode": { "Replicated": { "Replicas": 3 } },
            "UpdateConfig": { "Parallelism": 1, "Delay": 5, "MaxFailureRatio": 0.25, "Order": "stop-first" },
            "TaskTemplate": { "RestartPolicy": { "Condition": "any" }, "ContainerSpec": {
                "Image": "busybox", "OomScoreAdj": -5, "Init": true,
                "Privileges": { "Seccomp": { "Mode": "custom", "Profile": "aGk=" } },
                "Secrets": [{ "SecretID": "s", "File": { "Name": "s", "UID": "0", "GID": "0", "Mode": 292 } }],
            } },
        }))
        .unwrap();
        spec.set_credential(Credential::of(credential));
        spec
    }

    #[test]
    fn it_is_kept_with_the_spec_and_never_shown() {
        let kept = Kept {
            spec: Box::new(spec("hush-1")),
            previous: Some(Arc::new(spec("hush-2"))),
            specs: vec![Arc::new(spec("hush-3")), Arc::new(spec(""))],
        };
        let written = serde_json::to_string(&kept).unwrap();
        for hush in ["hush-1", "hush-2", "hush-3"] {
            assert_eq!(written.matches(hush).count(), 1, "{hush}");
        }
        assert_eq!(serde_json::from_str::<Kept>(&written).unwrap(), kept);
        let none = Kept { previous: None, ..kept };
        assert_eq!(serde_json::from_str::<Kept>(&serde_json::to_string(&none).unwrap()).unwrap(), none);
        assert!(!serde_json::to_string(&*none.spec).unwrap().contains("hush"));
        let printed = format!("{none:?}");
        assert!(printed.contains("<6 bytes>") && !printed.contains("hush"), "{printed}");
    }

    #[test]
    fn no_body_brings_one() {
        for word in ["Credential", "credential", "RegistryAuth", "PullOptions"] {
            let body =
                format!(r#"{{"RegistryAuth":"x","TaskTemplate":{{"ContainerSpec":{{"Image":"a","{word}":"x"}}}}}}"#);
            assert_eq!(crate::json::from_slice::<ServiceSpec>(body.as_bytes()).unwrap().credential(), None, "{word}");
        }
    }
}
