//! External authorities, against a cfssl that is made up for the purpose.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// How the made-up authority answers.
pub(super) type Answer = fn(&RootCa, &Value) -> (StatusCode, String);

/// An authority of `root` at a URL; it wants to see a certificate of its own root.
pub(super) async fn authority(root: &RootCa, answer: Answer) -> String {
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_ca_cert_pem(&root.cert, keys::key_pair(&root.key).unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    date(&mut params, Duration::hours(1));
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.cert.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier);
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/sign", listener.local_addr().unwrap());
    let root = root.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            let answer = service_fn(|request: Request<Incoming>| {
                let root = &root;
                async move {
                    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/sign"));
                    let body = request.into_body().collect().await?.to_bytes();
                    let (status, text) = answer(root, &serde_json::from_slice(&body).unwrap());
                    let answer = Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap();
                    Ok::<_, hyper::Error>(answer)
                }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), answer).await;
        }
    });
    url
}

fn signed(certificate: &str) -> (StatusCode, String) {
    (StatusCode::OK, json!({ "success": true, "result": { "certificate": certificate }, "errors": [] }).to_string())
}

/// Signs what it is asked to, names included.
pub(super) fn obey(root: &RootCa, request: &Value) -> (StatusCode, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let csr = pem(request["certificate_request"].as_str().unwrap()).unwrap();
    let (name, names) = (&request["subject"]["CN"], &request["subject"]["names"][0]);
    let role = Role::from_unit(names["OU"].as_str().unwrap()).unwrap();
    let (cluster, node) = (text(&names["O"]).parse().unwrap(), text(name).parse().unwrap());
    let hosts: Vec<String> = request["hosts"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(hosts, super::names(node, role));
    signed(&sign(root, &csr.contents, cluster, node, role, HOUR).unwrap())
}

/// Signs for a manager whatever is asked.
fn promote(root: &RootCa, request: &Value) -> (StatusCode, String) {
    let csr = pem(request["certificate_request"].as_str().unwrap()).unwrap();
    let (cluster, node) = ids();
    signed(&sign(root, &csr.contents, cluster, node, Role::Manager, HOUR).unwrap())
}

/// Signs another key.
fn swap(root: &RootCa, _: &Value) -> (StatusCode, String) {
    let (cluster, node) = ids();
    signed(&issue(root, cluster, node, Role::Worker))
}

fn refuse(_: &RootCa, _: &Value) -> (StatusCode, String) {
    (StatusCode::OK, json!({ "success": false, "errors": [{ "code": 1, "message": "no" }] }).to_string())
}

fn fail(_: &RootCa, _: &Value) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, "gone".to_owned())
}

fn babble(_: &RootCa, _: &Value) -> (StatusCode, String) {
    (StatusCode::OK, "x".repeat(1 << 20))
}

/// Signs another root.
fn vouch(root: &RootCa, request: &Value) -> (StatusCode, String) {
    assert_eq!(request["profile"], "CA");
    assert_eq!(request["extensions"][0]["id"], "2.5.29.19");
    let csr = pem(request["certificate_request"].as_str().unwrap()).unwrap();
    let csr = CertificateSigningRequestParams::from_der(&csr.contents.as_slice().into()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&root.cert, keys::key_pair(&root.key).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = printable(request["subject"]["CN"].as_str().unwrap()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    date(&mut params, Duration::days(1));
    signed(&params.signed_by(&csr.public_key, &issuer).unwrap().pem())
}

/// The way to authorities of `root`, for one of its nodes.
fn external(root: &RootCa, urls: &[&str]) -> External {
    let (cluster, node) = ids();
    let (key, csr) = new_key_and_csr().unwrap();
    let chain = sign(root, &csr, cluster, node, Role::Manager, HOUR).unwrap();
    External::new(urls.iter().map(|url| (*url).to_owned()), &root.cert, &chain, &key).unwrap()
}

#[tokio::test]
async fn an_external_authority_signs_what_it_is_asked_to() {
    let root = new_root().unwrap();
    let (cluster, node) = ids();
    let (_, csr) = new_key_and_csr().unwrap();
    let good = authority(&root, obey).await;
    // The ones before it are no good.
    let urls = [&authority(&root, fail).await, "https://127.0.0.1:1/sign", "http://127.0.0.1/sign", &good];
    let external = external(&root, &urls);
    let chain = external.sign(&csr, cluster, node, Role::Worker, "").await.unwrap();
    assert!(leads_to(&chain, &[&root.cert]));
    assert_eq!(external.reachable().await, [urls[0], urls[3]]);
}

#[tokio::test]
async fn an_external_authority_is_not_believed() {
    let root = new_root().unwrap();
    let (cluster, node) = ids();
    let (_, csr) = new_key_and_csr().unwrap();
    let cases: [(Answer, &str); 5] = [
        (promote, "the external CA signed other names than it was asked to"),
        (swap, "the external CA signed another key than it was asked to"),
        (refuse, "response errors: [{\"code\":1,\"message\":\"no\"}]"),
        (fail, "unexpected status code in CSR response: 502 - gone"),
        (babble, "unable to read CSR response body: length limit exceeded"),
    ];
    for (answer, why) in cases {
        let external = external(&root, &[&authority(&root, answer).await]);
        let error = external.sign(&csr, cluster, node, Role::Worker, "").await.unwrap_err();
        assert_eq!(error.to_string(), why);
    }
    let none = external(&root, &[]).sign(&csr, cluster, node, Role::Worker, "").await.unwrap_err();
    assert_eq!(none.to_string(), "no external CA URLs");
    // One under another root gets nothing to sign.
    let foreign = external(&root, &[&authority(&new_root().unwrap(), obey).await]);
    assert!(foreign.reachable().await.is_empty());
    let error = foreign.sign(&csr, cluster, node, Role::Worker, "").await.unwrap_err();
    assert!(matches!(error, ExternalError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn an_external_authority_vouches_for_the_next_root() {
    let (old, new) = (new_root().unwrap(), new_root().unwrap());
    let (cluster, node) = ids();
    let cross_signed = external(&old, &[&authority(&old, vouch).await]).cross_sign(&new).await.unwrap();
    let chain = issue(&new, cluster, node, Role::Worker) + &cross_signed;
    assert!(leads_to(&chain, &[&old.cert]));
    let wrong = external(&old, &[&authority(&old, swap).await]).cross_sign(&new).await;
    assert_eq!(wrong.unwrap_err().to_string(), "the external CA signed another root");
}
