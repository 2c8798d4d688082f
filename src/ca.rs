//! The cluster's certificate authority: roots, node certificates, and the digest that join tokens carry.
//!
//! Keys and certificates are made and read here, at the shell's edge, and handed to the core as data. Subjects follow
//! swarmkit's `ca`: common name = node id, organisational unit = role, organisation = cluster id. Who gets which certificate
//! is decided elsewhere; a name is never taken from whoever asks.

mod authority;
mod der;
mod external;
mod keys;
mod root;

#[cfg(test)]
mod tests;

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gam_core::model::{ClusterId, NodeDescription, NodeId, RootCa, Timestamp};
use gam_rpc::BACKDATE_SECONDS;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::pem::Pem;

pub use authority::{prepare, sign_for};
pub use external::{External, ExternalError};
pub use gam_rpc::Role;
pub use root::{cross_sign, new_root, read_root};

/// The name under which managers issue certificates (swarmkit `CARole`).
const AUTHORITY_NAME: &str = "swarm-ca";
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
    /// What a user brought cannot be used, in Docker's words.
    #[error("{0}")]
    Refused(String),
}

impl CaError {
    fn refuse(why: impl Into<String>) -> CaError {
        CaError::Refused(why.into())
    }
}

/// What signs node certificates; all PEM.
struct Signer<'a> {
    /// The certificate of the root that signs.
    cert: &'a str,
    /// Its key.
    key: &'a str,
    /// That root as the old one signed it, while it takes over; otherwise empty.
    cross_signed: &'a str,
}

impl Signer<'_> {
    /// The signer of a cluster: the root that takes over, if there is one.
    fn of(root: &RootCa) -> Signer<'_> {
        match &root.rotation {
            Some(next) => Signer { cert: &next.cert, key: &next.key, cross_signed: &next.cross_signed },
            None => Signer { cert: &root.cert, key: &root.key, cross_signed: "" },
        }
    }
}

/// A new private key, PEM, and a request to have it signed, DER.
pub fn new_key_and_csr() -> Result<(String, Vec<u8>), CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let csr = params.serialize_request(&key)?;
    Ok((key.serialize_pem(), csr.der().to_vec()))
}

/// Signs a node's key: the certificate, valid for `expiry` nanoseconds, and whatever leads from it to a root that nodes
/// trust, PEM. Of the request (DER) only the key counts; that whoever asks has it, the request proves.
pub fn sign(
    root: &RootCa,
    csr_der: &[u8],
    cluster: ClusterId,
    node: NodeId,
    role: Role,
    expiry: i64,
) -> Result<String, CaError> {
    let signer = Signer::of(root);
    let request = CertificateSigningRequestParams::from_der(&csr_der.into())?;
    let issuer = Issuer::from_ca_cert_pem(signer.cert, keys::key_pair(signer.key)?)?;
    let mut params = CertificateParams::new(names(node, role))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, printable(&cluster.to_string())?);
    params.distinguished_name.push(DnType::OrganizationalUnitName, printable(role.unit())?);
    params.distinguished_name.push(DnType::CommonName, printable(&node.to_string())?);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    date(&mut params, Duration::nanoseconds(expiry));
    let cert = params.signed_by(&request.public_key, &issuer)?.pem();
    Ok(cert + signer.cross_signed)
}

/// The host names in a node's certificate. Only managers can be asked to issue certificates.
fn names(node: NodeId, role: Role) -> Vec<String> {
    let mut names = vec![role.unit().to_owned(), node.to_string()];
    if role == Role::Manager {
        names.push(AUTHORITY_NAME.to_owned());
    }
    names
}

/// Names are printable strings, as Go writes them: clients compare the subject's bytes.
fn printable(text: &str) -> Result<DnValue, CaError> {
    Ok(DnValue::PrintableString(text.try_into()?))
}

fn date(params: &mut CertificateParams, expiry: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::seconds(BACKDATE_SECONDS);
    params.not_after = now + expiry;
}

/// The first certificate in a PEM text.
fn pem(text: &str) -> Result<Pem, CaError> {
    x509_parser::pem::parse_x509_pem(text.as_bytes()).map(|(_, pem)| pem).map_err(|_| CaError::Read)
}

fn nanoseconds(time: x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp(time.timestamp().saturating_mul(1_000_000_000))
}

/// From when to when a certificate is valid, in nanoseconds since 1970.
pub fn validity(chain_pem: &str) -> Result<(i64, i64), CaError> {
    let pem = pem(chain_pem)?;
    let certificate = pem.parse_x509().map_err(|_| CaError::Read)?;
    let validity = certificate.validity();
    Ok((nanoseconds(validity.not_before).0, nanoseconds(validity.not_after).0))
}

/// A number by lot that belongs to a certificate: nobody can say it beforehand, and it stays the same as long as the certificate.
pub fn draw(chain_pem: &str, from: Range<i64>) -> i64 {
    let lot = Sha256::digest(chain_pem.as_bytes()).iter().take(4).fold(0, |lot, byte| lot << 8 | i64::from(*byte));
    from.start + lot % (from.end - from.start)
}

/// A description with the node's trust added: whom it trusts, and who signed its certificate. That is one of those that the
/// chain and the roots name, told by its key, since one root may have the name of another.
pub fn describe(roots_pem: &str, chain_pem: &str, description: NodeDescription) -> Result<NodeDescription, CaError> {
    let read = |text: &str| Pem::iter_from_buffer(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let (chain, roots) = (read(chain_pem).map_err(|_| CaError::Read)?, read(roots_pem).map_err(|_| CaError::Read)?);
    let leaf = chain.first().ok_or(CaError::Read)?.parse_x509().map_err(|_| CaError::Read)?;
    for candidate in chain[1..].iter().chain(&roots) {
        let issuer = candidate.parse_x509().map_err(|_| CaError::Read)?;
        if issuer.subject().as_raw() == leaf.issuer().as_raw()
            && leaf.verify_signature(Some(issuer.public_key())).is_ok()
        {
            return Ok(NodeDescription {
                trust_root: roots_pem.to_owned(),
                cert_issuer_subject: BASE64.encode(issuer.subject().as_raw()),
                cert_issuer_public_key: BASE64.encode(issuer.public_key().raw),
                ..description
            });
        }
    }
    Err(CaError::Read)
}

/// The same for a node whose certificate this root has signed.
pub fn described(root: &RootCa, description: NodeDescription) -> NodeDescription {
    NodeDescription {
        trust_root: root.cert.clone(),
        cert_issuer_subject: root.subject.clone(),
        cert_issuer_public_key: root.public_key.clone(),
        ..description
    }
}

/// The digest of a root certificate as join tokens carry it: SHA-256 of the PEM as it is served, base 36.
pub fn digest(root_pem: &str) -> String {
    base36(&Sha256::digest(root_pem.as_bytes()), DIGEST_LENGTH)
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
