//! Which credential a service's new spec has (`moby: daemon/cluster/services.go UpdateService`).

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::{Credential, Service};

/// Where the new spec of a service has its credential from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum CredentialFrom {
    /// The service's present spec (`registryAuthFrom=spec`): an update that brings none keeps it.
    #[default]
    Spec,
    /// Its previous one (`registryAuthFrom=previous-spec`).
    PreviousSpec,
    /// The update itself, by its header `X-Registry-Auth`.
    Header(Credential),
}

impl CredentialFrom {
    /// What the header and the query `registryAuthFrom` of an update say. With a header the query is not looked at.
    pub fn parse(header: &str, from: &str) -> Result<CredentialFrom, Error> {
        if let Some(credential) = Credential::of(header) {
            return Ok(CredentialFrom::Header(credential));
        }
        match from {
            "" | "spec" => Ok(CredentialFrom::Spec),
            "previous-spec" => Ok(CredentialFrom::PreviousSpec),
            _ => Err(Error::internal("unsupported registryAuthFrom value")),
        }
    }

    /// The credential itself; refused where there is no spec to take it from.
    pub fn resolve(self, service: &Service) -> Result<Option<Credential>, Error> {
        let spec = match self {
            CredentialFrom::Header(credential) => return Ok(Some(credential)),
            CredentialFrom::Spec => &service.spec,
            CredentialFrom::PreviousSpec => {
                let none = || Error::internal("service does not have a previous spec");
                service.previous_spec.as_ref().ok_or_else(none)?
            }
        };
        Ok(spec.credential().cloned())
    }
}
