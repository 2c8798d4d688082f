//! Private keys in the forms that users bring: PKCS#8, and what `openssl ecparam` and old `openssl genrsa` write.

use rcgen::KeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::CaError;
use super::der::{OCTET_STRING, SEQUENCE, element};

/// `INTEGER 0`, the version of PKCS#8.
const VERSION: &[u8] = &[0x02, 0x01, 0x00];
/// `rsaEncryption`, `NULL`
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// `ecPublicKey`, `prime256v1`
const P256: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// `ecPublicKey`, `secp384r1`
const P384: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

/// The key in a PEM text.
pub(super) fn key_pair(pem: &str) -> Result<KeyPair, CaError> {
    let malformed = || CaError::refuse("malformed private key");
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| malformed())?;
    let (key, kinds): (&[u8], &[&[u8]]) = match &der {
        PrivateKeyDer::Pkcs1(key) => (key.secret_pkcs1_der(), &[RSA]),
        PrivateKeyDer::Sec1(key) => (key.secret_sec1_der(), &[P256, P384]),
        other => return KeyPair::try_from(other).map_err(|_| malformed()),
    };
    // Which curve it is may not be said inside, so each is tried.
    let wrapped = kinds.iter().map(|kind| {
        let kind = element(SEQUENCE, kind);
        element(SEQUENCE, &[VERSION, &kind, &element(OCTET_STRING, key)].concat())
    });
    wrapped.filter_map(|pkcs8| KeyPair::try_from(pkcs8).ok()).next().ok_or_else(malformed)
}
