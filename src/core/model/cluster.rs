//! The cluster: what all nodes share.

use serde::{Deserialize, Serialize};

use super::{ClusterId, ExternalCa, Meta, SwarmSpec};

/// The one cluster object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its identifier, for ever the same.
    pub id: ClusterId,
    /// Version and times.
    pub meta: Meta,
    /// What the user wants.
    pub spec: SwarmSpec,
    /// The certificate authority.
    pub root_ca: RootCa,
    /// Secrets with which nodes join.
    pub join_tokens: JoinTokens,
    /// The key that unlocks a manager (`SWMKEY-1-…`); empty unless the cluster is autolocked.
    pub unlock_key: String,
    /// Pools from which networks get their subnets, `10.0.0.0/8`.
    pub default_addr_pool: Vec<String>,
    /// Prefix length of a subnet from the pool.
    pub subnet_size: u32,
    /// UDP port of the overlay's packets.
    pub data_path_port: u32,
}

impl Cluster {
    /// URLs of the external authorities that sign certificates now; if there are none, the cluster signs itself.
    /// An external authority that names no root is one of the present root.
    pub fn external_urls(&self) -> Vec<&str> {
        let wanted = normal_pem(self.root_ca.wanted_cert());
        let authorities = self.spec.ca_config.external_cas.iter();
        authorities
            .filter(|authority| authority.protocol.eq_ignore_ascii_case("cfssl"))
            .filter(|authority| self.root_ca.of_external(authority) == wanted)
            .map(|authority| authority.url.as_str())
            .collect()
    }
}

/// The cluster's certificate authority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootCa {
    /// The root certificate, PEM: what every node trusts.
    pub cert: String,
    /// Its key, PEM; empty with an external authority.
    pub key: String,
    /// Subject of the certificate, DER, base 64.
    pub subject: String,
    /// Public key of the certificate, DER, base 64.
    pub public_key: String,
    /// The root that is taking over, while not every node has a certificate of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Box<RootRotation>>,
    /// The `ForceRotate` of the spec that was acted on last.
    pub last_forced_rotation: u64,
}

/// A root that is taking over.
///
/// Until it has, nodes go on trusting the old root, and certificates of the new one come with `cross_signed`, by which
/// the old root vouches for the new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootRotation {
    /// The new root certificate, PEM.
    pub cert: String,
    /// Its key, PEM; empty with an external authority.
    pub key: String,
    /// Subject of the certificate, DER, base 64.
    pub subject: String,
    /// Public key of the certificate, DER, base 64.
    pub public_key: String,
    /// Digest of the certificate as join tokens carry it.
    pub digest: String,
    /// The new root's subject and key in a certificate signed by the old root, PEM.
    pub cross_signed: String,
}

impl RootCa {
    /// Subject and public key of whoever is to have signed every node's certificate, DER, base 64.
    pub fn issuer(&self) -> (&str, &str) {
        match &self.rotation {
            Some(rotation) => (&rotation.subject, &rotation.public_key),
            None => (&self.subject, &self.public_key),
        }
    }

    /// The root that is to be every node's in the end.
    pub fn wanted_cert(&self) -> &str {
        self.rotation.as_ref().map_or(&self.cert, |rotation| &rotation.cert)
    }

    /// The root that an external authority signs for.
    pub(crate) fn of_external(&self, authority: &ExternalCa) -> String {
        normal_pem(if authority.ca_cert.is_empty() { &self.cert } else { &authority.ca_cert })
    }
}

/// The blocks of a PEM text in one form: no headers, nothing in between, lines of 64 characters, so that certificates
/// can be compared as texts (swarmkit `ca.NormalizePEMs`).
pub fn normal_pem(text: &str) -> String {
    const LINE: usize = 64;
    let mut normal = String::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else { break };
        let Some((body, after)) = after.split_once(&format!("-----END {label}-----")) else { break };
        let lines = body.lines().filter(|line| !line.contains(':'));
        let digits: Vec<char> = lines.flat_map(str::chars).filter(|digit| !digit.is_whitespace()).collect();
        normal.push_str(&format!("-----BEGIN {label}-----\n"));
        for line in digits.chunks(LINE) {
            normal.extend(line);
            normal.push('\n');
        }
        normal.push_str(&format!("-----END {label}-----\n"));
        rest = after;
    }
    normal
}

/// `SWMTKN-1-<digest of the root>-<secret>`, one for each role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoinTokens {
    /// Joins as a worker.
    pub worker: String,
    /// Joins as a manager.
    pub manager: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_has_one_form() {
        let line = "A".repeat(64);
        let normal = format!("-----BEGIN CERTIFICATE-----\n{line}\nQUJD\n-----END CERTIFICATE-----\n");
        assert_eq!(normal_pem(&normal), normal);
        let (head, tail) = line.split_at(10);
        let loose = format!(
            "my root\n-----BEGIN CERTIFICATE-----\r\nProc-Type: x\r\n\r\n{head}\r\n{tail}QUJ\nD  -----END CERTIFICATE-----"
        );
        assert_eq!(normal_pem(&loose), normal);
        assert_eq!(normal_pem(&format!("{loose}\n{loose}")), normal.repeat(2));
        for nothing in ["", "x", "-----BEGIN CERTIFICATE-----\nQUJD", "-----BEGIN A-----\nQUJD\n-----END B-----"] {
            assert_eq!(normal_pem(nothing), "");
        }
    }
}
