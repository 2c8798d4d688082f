//! Secrets and configs.

use serde::{Deserialize, Serialize};

use super::{ConfigId, ConfigSpec, Meta, SecretId, SecretSpec};

/// A secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Its identifier.
    pub id: SecretId,
    /// Version and times.
    pub meta: Meta,
    /// What was given.
    pub spec: SecretSpec,
}

/// A config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Its identifier.
    pub id: ConfigId,
    /// Version and times.
    pub meta: Meta,
    /// What was given.
    pub spec: ConfigSpec,
}
