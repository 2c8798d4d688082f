//! The cluster's certificate authority: the root, node certificates, and the digest that join tokens carry.
//!
//! Keys and certificates are made here, at the shell's edge, and handed to the core as data. Subjects follow
//! swarmkit's `ca`: common name = node id, organisational unit = role, organisation = cluster id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gam_core::model::{ClusterId, NodeId, RootCa};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// Lifetime of a root certificate (swarmkit: 20 years of 365 days).
const ROOT_EXPIRY: Duration = Duration::days(20 * 365);
/// How far a certificate is dated back, for hosts whose clocks disagree (swarmkit: one hour).
const BACKDATE: Duration = Duration::hours(1);
/// Width of the root's digest in a join token: 256 bits in base 36.
const DIGEST_LENGTH: usize = 50;

/// Why a key or certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The certificate library refused.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// Not a certificate.
    #[error("cannot read a certificate")]
    Read,
}

/// A node's role in its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `swarm-manager`
    Manager,
    /// `swarm-worker`
    Worker,
}

impl Role {
    /// The organisational unit of the certificate.
    pub fn unit(self) -> &'static str {
        match self {
            Role::Manager => "swarm-manager",
            Role::Worker => "swarm-worker",
        }
    }
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate chain.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

/// Makes a new root.
pub fn new_root() -> Result<RootCa, CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, printable("swarm-ca")?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    date(&mut params, ROOT_EXPIRY);
    let cert = params.self_signed(&key)?.pem();
    root_from(cert, key.serialize_pem())
}

/// The root made of a certificate and its key, PEM.
fn root_from(cert: String, key: String) -> Result<RootCa, CaError> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(cert.as_bytes()).map_err(|_| CaError::Read)?;
    let parsed = pem.parse_x509().map_err(|_| CaError::Read)?;
    let subject = BASE64.encode(parsed.subject().as_raw());
    let public_key = BASE64.encode(parsed.public_key().raw);
    Ok(RootCa { cert, key, subject, public_key, ..RootCa::default() })
}

/// Issues a node's certificate, valid for `expiry` nanoseconds.
pub fn issue(root: &RootCa, cluster: ClusterId, node: NodeId, role: Role, expiry: i64) -> Result<Certificate, CaError> {
    let issuer = Issuer::from_ca_cert_pem(&root.cert, KeyPair::from_pem(&root.key)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec![role.unit().to_owned(), node.to_string(), "swarm-ca".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, printable(&cluster.to_string())?);
    params.distinguished_name.push(DnType::OrganizationalUnitName, printable(role.unit())?);
    params.distinguished_name.push(DnType::CommonName, printable(&node.to_string())?);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    date(&mut params, Duration::nanoseconds(expiry));
    let cert = params.signed_by(&key, &issuer)?.pem();
    Ok(Certificate { cert, key: key.serialize_pem() })
}

/// Names are printable strings, as Go writes them: clients compare the subject's bytes.
fn printable(text: &str) -> Result<DnValue, CaError> {
    Ok(DnValue::PrintableString(text.try_into()?))
}

fn date(params: &mut CertificateParams, expiry: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BACKDATE;
    params.not_after = now + expiry;
}

/// The digest of a root certificate as join tokens carry it: SHA-256 of the PEM, base 36.
pub fn root_digest(root: &RootCa) -> String {
    base36(&Sha256::digest(root.cert.as_bytes()), DIGEST_LENGTH)
}

/// A big-endian number in base 36, padded with zeros to `width` digits.
fn base36(number: &[u8], width: usize) -> String {
    let mut number = number.to_vec();
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 36) as u8;
            rest = value % 36;
        }
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[rest as usize];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::IdSource;

    #[test]
    fn a_node_certificate_names_node_role_and_cluster() {
        let root = new_root().unwrap();
        let mut ids = IdSource::new([9; 32]);
        let (cluster, node): (ClusterId, NodeId) = (ids.fresh(), ids.fresh());
        let issued = issue(&root, cluster, node, Role::Manager, 3_600_000_000_000).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.cert.as_bytes()).unwrap();
        let parsed = pem.parse_x509().unwrap();
        assert_eq!(parsed.subject().to_string(), format!("O={cluster}, OU=swarm-manager, CN={node}"));
        assert_eq!(parsed.issuer().to_string(), "CN=swarm-ca");
        let (_, pem) = x509_parser::pem::parse_x509_pem(root.cert.as_bytes()).unwrap();
        let root = pem.parse_x509().unwrap();
        assert!(parsed.verify_signature(Some(root.public_key())).is_ok());
    }

    #[test]
    fn base36_is_padded_and_big_endian() {
        assert_eq!(base36(&[0, 36], 4), "0010");
        assert_eq!(base36(&[255; 32], 50), "6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof");
        assert_eq!(root_digest(&new_root().unwrap()).len(), 50);
    }
}
