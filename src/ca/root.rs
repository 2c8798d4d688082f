//! Roots: made by Gam, or brought by a user and checked, and how one root vouches for the next.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gam_core::model::{IdSource, RootCa, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData as _, SigningKey as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::der::{BIT_STRING, Element, SEQUENCE, element, elements, inside};
use super::keys::key_pair;
use super::{CaError, Role, date, new_key_and_csr, pem, printable, sign};

/// Lifetime of a root certificate (swarmkit: 20 years of 365 days).
const ROOT_EXPIRY: Duration = Duration::days(20 * 365);
/// The shortest RSA key that is taken, in bits.
const RSA_BITS_MIN: usize = 2048;
/// Signature algorithms that a root may be signed with: SHA-2 with RSA, SHA-2 with ECDSA.
const SIGNATURES: &[&str] = &[
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
];
/// `authorityKeyIdentifier`
const AUTHORITY_KEY: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x23];
/// Where extensions stand in a certificate.
const EXTENSIONS: u8 = 0xa3;

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
    let (root, _) = describe(&cert)?;
    Ok(RootCa { key: key.serialize_pem(), ..root })
}

/// Reads a root that a user brings, with its key (PEM) or without: then an external authority has it. Also says when it
/// expires. Refusals are in Docker's words.
pub fn read_root(cert: &str, key: &str) -> Result<(RootCa, Timestamp), CaError> {
    let (root, expires) = describe(cert)?;
    let root = RootCa { key: key.to_owned(), ..root };
    if !key.is_empty() {
        let pair = key_pair(key)?;
        if BASE64.encode(pair.subject_public_key_info()) != root.public_key {
            return Err(CaError::refuse("certificate key mismatch"));
        }
        try_out(&root)?;
    }
    Ok((root, expires))
}

/// What a root certificate says, once it has been checked.
fn describe(cert: &str) -> Result<(RootCa, Timestamp), CaError> {
    let all: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(cert.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| CaError::refuse("invalid root certificates"))?;
    let der = match &all[..] {
        [der] => der,
        [] => return Err(CaError::refuse("no valid root CA certificates found")),
        _ => return Err(CaError::refuse("the desired CA certificate cannot contain multiple certificates")),
    };
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| CaError::refuse("invalid root certificates"))?;
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    if !SIGNATURES.contains(&algorithm.as_str()) {
        return Err(CaError::refuse(format!("unsupported signature algorithm: {algorithm}")));
    }
    check_key(&parsed)?;
    let invalid = |why: &str| CaError::refuse(format!("error while validating Root CA Certificate: x509: {why}"));
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
        return Err(invalid("certificate has expired or is not yet valid"));
    }
    if !parsed.is_ca()
        || parsed.issuer().as_raw() != parsed.subject().as_raw()
        || parsed.verify_signature(None).is_err()
    {
        return Err(invalid("certificate signed by unknown authority"));
    }
    let root = RootCa {
        cert: cert.to_owned(),
        subject: BASE64.encode(parsed.subject().as_raw()),
        public_key: BASE64.encode(parsed.public_key().raw),
        ..RootCa::default()
    };
    Ok((root, super::nanoseconds(validity.not_after)))
}

/// Whether the root's key is of a kind that nodes can check.
fn check_key(root: &X509Certificate<'_>) -> Result<(), CaError> {
    match root.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < RSA_BITS_MIN => {
            Err(CaError::refuse("unsupported RSA key parameters"))
        }
        Ok(PublicKey::EC(point)) if !matches!(point.key_size(), 256 | 384) => {
            Err(CaError::refuse("unsupported ECDSA key parameters"))
        }
        Ok(PublicKey::RSA(_) | PublicKey::EC(_)) => Ok(()),
        _ => Err(CaError::refuse("unknown or unsupported certificate public key algorithm")),
    }
}

/// Signs a certificate and looks at it: a root whose name cannot be written again exactly as it is would sign certificates
/// that nobody can trace to it.
fn try_out(root: &RootCa) -> Result<(), CaError> {
    let (_, csr) = new_key_and_csr()?;
    let mut ids = IdSource::new([0; 32]);
    let hour = 3_600_000_000_000;
    let issued = sign(root, &csr, ids.fresh(), ids.fresh(), Role::Worker, hour)?;
    let (issued, root) = (pem(&issued)?, pem(&root.cert)?);
    let (issued, root) = (issued.parse_x509(), root.parse_x509());
    match (issued, root) {
        (Ok(issued), Ok(root))
            if issued.issuer().as_raw() == root.subject().as_raw()
                && issued.verify_signature(Some(root.public_key())).is_ok() =>
        {
            Ok(())
        }
        _ => Err(CaError::refuse("the desired CA certificate cannot sign node certificates")),
    }
}

/// The new root (PEM) in a certificate signed by the old one: the same in everything but the issuer. Who trusts only the
/// old root can so trust what the new one signs.
pub fn cross_sign(old: &RootCa, new_cert: &str) -> Result<String, CaError> {
    let key = key_pair(&old.key)?;
    let old = pem(&old.cert)?;
    let old = old.parse_x509().map_err(|_| CaError::Read)?;
    let new = pem(new_cert)?;
    let algorithm = element(SEQUENCE, algorithm(&key)?);
    let content = with_issuer(&new.contents, &algorithm, old.subject().as_raw()).ok_or(CaError::Read)?;
    let mut signature = vec![0];
    signature.extend(key.sign(&content)?);
    let der = element(SEQUENCE, &[content, algorithm, element(BIT_STRING, &signature)].concat());
    Ok(pem_text("CERTIFICATE", &der))
}

/// DER as PEM.
pub(super) fn pem_text(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What of a certificate is signed, with another issuer, who uses another algorithm.
fn with_issuer(certificate: &[u8], algorithm: &[u8], issuer: &[u8]) -> Option<Vec<u8>> {
    let signed = *inside(certificate, SEQUENCE)?.first()?;
    let parts = elements(signed.content)?;
    let [version, serial, _, _, rest @ ..] = &parts[..] else { return None };
    let mut content = [version.raw, serial.raw, algorithm, issuer].concat();
    for part in rest {
        if part.tag == EXTENSIONS {
            content.extend(without_authority_key(part)?);
        } else {
            content.extend(part.raw);
        }
    }
    Some(element(SEQUENCE, &content))
}

/// Extensions without the one that names the old issuer's key.
fn without_authority_key(extensions: &Element<'_>) -> Option<Vec<u8>> {
    let all = inside(extensions.content, SEQUENCE)?;
    let kept = all.iter().filter(|extension| !extension.content.starts_with(AUTHORITY_KEY));
    let kept: Vec<u8> = kept.flat_map(|extension| extension.raw).copied().collect();
    Some(element(EXTENSIONS, &element(SEQUENCE, &kept)))
}

/// The content of a key's `AlgorithmIdentifier`.
fn algorithm(key: &KeyPair) -> Result<&'static [u8], CaError> {
    let known: [(_, &[u8]); 4] = [
        (&PKCS_ECDSA_P256_SHA256, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]),
        (&PKCS_ECDSA_P384_SHA384, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]),
        (&PKCS_RSA_SHA256, &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00]),
        (&PKCS_ED25519, &[0x06, 0x03, 0x2b, 0x65, 0x70]),
    ];
    let found = known.into_iter().find(|(algorithm, _)| **algorithm == *key.algorithm());
    found.map(|(_, content)| content).ok_or(CaError::Read)
}
