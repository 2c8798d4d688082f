mod authority;
mod external;

use gam_core::model::{IdSource, RootRotation};
use rcgen::{BasicConstraints, IsCa, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;

use super::*;

const HOUR: i64 = 3_600_000_000_000;

fn ids() -> (ClusterId, NodeId) {
    let mut ids = IdSource::new([9; 32]);
    (ids.fresh(), ids.fresh())
}

fn issue(root: &RootCa, cluster: ClusterId, node: NodeId, role: Role) -> String {
    let (_, csr) = new_key_and_csr().unwrap();
    sign(root, &csr, cluster, node, role, HOUR).unwrap()
}

/// Whether a chain leads to one of the roots, by the verifier that connections use.
fn leads_to(chain: &str, roots: &[&str]) -> bool {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(store.into(), provider).build().unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
    verifier.verify_client_cert(&chain[0], &chain[1..], UnixTime::now()).is_ok()
}

/// A root as a user might bring it.
fn own_root(algorithm: &'static SignatureAlgorithm, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Ours & Sons");
    params.distinguished_name.push(DnType::CommonName, "Our own root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    date(&mut params, Duration::days(1000));
    change(&mut params);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn refusal(cert: &str, key: &str) -> String {
    read_root(cert, key).unwrap_err().to_string()
}

#[test]
fn a_node_certificate_names_node_role_and_cluster() {
    let root = new_root().unwrap();
    let (cluster, node) = ids();
    for (role, unit) in [(Role::Manager, "swarm-manager"), (Role::Worker, "swarm-worker")] {
        let issued = issue(&root, cluster, node, role);
        let pem = pem(&issued).unwrap();
        let parsed = pem.parse_x509().unwrap();
        assert_eq!(parsed.subject().to_string(), format!("O={cluster}, OU={unit}, CN={node}"));
        assert_eq!(parsed.issuer().to_string(), "CN=swarm-ca");
        let names = format!("{:?}", parsed.subject_alternative_name().unwrap().unwrap().value);
        assert_eq!(names.contains("swarm-ca"), role == Role::Manager);
        assert!(leads_to(&issued, &[&root.cert]));
        assert!(!leads_to(&issued, &[&new_root().unwrap().cert]));
        let (begin, end) = validity(&issued).unwrap();
        assert_eq!(end - begin, 2 * HOUR);
    }
}

#[test]
fn of_a_request_only_the_key_counts() {
    let root = new_root().unwrap();
    let (cluster, node) = ids();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["swarm-manager".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::OrganizationalUnitName, "swarm-manager");
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    let signed = sign(&root, &csr, cluster, node, Role::Worker, HOUR).unwrap();
    let signed = pem(&signed).unwrap();
    let text = format!("{:?}", signed.parse_x509().unwrap().subject_alternative_name());
    assert!(!text.contains("swarm-manager"), "{text}");
    let forged = [&csr[..csr.len() - 1], &[csr[csr.len() - 1] ^ 1]].concat();
    assert!(sign(&root, &forged, cluster, node, Role::Worker, HOUR).is_err());
    assert!(sign(&root, b"nonsense", cluster, node, Role::Worker, HOUR).is_err());
}

#[test]
fn a_new_root_is_trusted_through_the_old_one() {
    let (cluster, node) = ids();
    let (cert, key) = own_root(&PKCS_ECDSA_P384_SHA384, |_| {});
    let roots = [new_root().unwrap(), new_root().unwrap(), read_root(&cert, &key).unwrap().0];
    for (old, new) in [(0, 1), (0, 2), (2, 0)].map(|(old, new)| (&roots[old], &roots[new])) {
        let cross_signed = cross_sign(old, &new.cert).unwrap();
        let (cert, key) = (new.cert.clone(), new.key.clone());
        let next = RootRotation { cert, key, cross_signed, ..RootRotation::default() };
        let root = RootCa { rotation: Some(Box::new(next)), ..old.clone() };
        let (_, csr) = new_key_and_csr().unwrap();
        let chain = sign(&root, &csr, cluster, node, Role::Manager, HOUR).unwrap();
        assert!(leads_to(&chain, &[&old.cert]));
        assert!(leads_to(&chain, &[&new.cert]));
        assert!(!leads_to(&chain, &[&new_root().unwrap().cert]));
        let described = describe(&old.cert, &chain, NodeDescription::default()).unwrap();
        assert_eq!(described.trust_root, old.cert);
        assert_eq!(described.cert_issuer_public_key, new.public_key);
        assert_eq!(described.cert_issuer_subject, new.subject);
    }
    let alone = issue(&roots[0], cluster, node, Role::Worker);
    let described = describe(&roots[0].cert, &alone, NodeDescription::default()).unwrap();
    assert_eq!(described.cert_issuer_public_key, roots[0].public_key);
    assert!(describe(&roots[1].cert, &alone, NodeDescription::default()).is_err());
}

#[test]
fn an_own_root_is_checked() {
    let (cert, key) = own_root(&PKCS_ECDSA_P384_SHA384, |_| {});
    let (root, expires) = read_root(&cert, &key).unwrap();
    assert_eq!((&root.cert, &root.key), (&cert, &key));
    assert_eq!(expires.0, validity(&cert).unwrap().1);
    assert_eq!(read_root(&cert, "").unwrap().0.key, "");

    let (other, other_key) = own_root(&PKCS_ECDSA_P256_SHA256, |_| {});
    assert_eq!(refusal(&cert, &other_key), "certificate key mismatch");
    assert_eq!(refusal(&cert, "nonsense"), "malformed private key");
    assert_eq!(refusal("nonsense", ""), "no valid root CA certificates found");
    let two = format!("{cert}{other}");
    assert_eq!(refusal(&two, &key), "the desired CA certificate cannot contain multiple certificates");

    let validating = "error while validating Root CA Certificate: x509: certificate";
    let (expired, key) = own_root(&PKCS_ECDSA_P256_SHA256, |it| it.not_after = it.not_before + Duration::minutes(1));
    assert_eq!(refusal(&expired, &key), format!("{validating} has expired or is not yet valid"));
    let (leaf, key) = own_root(&PKCS_ECDSA_P256_SHA256, |it| it.is_ca = IsCa::NoCa);
    assert_eq!(refusal(&leaf, &key), format!("{validating} signed by unknown authority"));
    let (odd, key) = own_root(&rcgen::PKCS_ED25519, |_| {});
    assert_eq!(refusal(&odd, &key), "unsupported signature algorithm: 1.3.101.112");
}

#[test]
fn keys_come_in_several_forms() {
    let forms = [
        ("P-256, SEC1", include_str!("tests/ec256.pem")),
        ("P-384, SEC1", include_str!("tests/ec384.pem")),
        ("RSA, PKCS#1", include_str!("tests/rsa.pem")),
        ("RSA, PKCS#8", include_str!("tests/rsa8.pem")),
    ];
    for (form, key) in forms {
        assert!(keys::key_pair(key).is_ok(), "{form}");
    }
}

#[test]
fn an_rsa_root_signs_and_is_replaced() {
    let key = KeyPair::from_pem(include_str!("tests/rsa8.pem")).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    date(&mut params, Duration::days(1000));
    let cert = params.self_signed(&key).unwrap().pem();
    let (root, _) = read_root(&cert, include_str!("tests/rsa.pem")).unwrap();
    let (cluster, node) = ids();
    assert!(leads_to(&issue(&root, cluster, node, Role::Worker), &[&cert]));
    let new = new_root().unwrap();
    let cross_signed = cross_sign(&root, &new.cert).unwrap();
    let issued = issue(&new, cluster, node, Role::Worker);
    assert!(leads_to(&(issued + &cross_signed), &[&cert]));
}

#[test]
fn base36_is_padded_and_big_endian() {
    assert_eq!(base36(&[0, 36], 4), "0010");
    assert_eq!(base36(&[255; 32], 50), "6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof");
    assert_eq!(digest(&new_root().unwrap().cert).len(), 50);
}
