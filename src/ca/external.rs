//! External authorities: a root whose key Gam does not have signs through them, over HTTPS, in the protocol of cfssl.
//!
//! What comes back is held against what was asked for: an authority that gives out other names or another key is refused.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use gam_core::model::{ClusterId, NodeId, RootCa};
use gam_rpc::{Peer, Role};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, DistinguishedName, PublicKeyData as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

use super::{CaError, keys, names, pem};

/// How long an authority has for each try (swarmkit `ExternalRequestTimeout`).
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longest answer: what a certificate may have at most, generously (swarmkit `CertificateMaxSize`).
const ANSWER_MAX: usize = 256 * 1024;
/// The profile under which an authority signs another root (swarmkit `ExternalCrossSignProfile`).
const CROSS_SIGN_PROFILE: &str = "CA";
/// `basicConstraints`: an authority, with one more below it.
const AUTHORITY_EXTENSION: (&str, &str) = ("2.5.29.19", "30060101ff020101");

/// Why an external authority gave no certificate.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// None is configured for this root.
    #[error("no external CA URLs")]
    NoUrl,
    /// The address is none of `https`.
    #[error("invalid HTTP scheme")]
    Scheme,
    /// It could not be reached, or its certificate is not of the expected root.
    #[error("unable to perform certificate signing request: {0}")]
    Unreachable(String),
    /// It answered with a refusal, or with nonsense.
    #[error("{0}")]
    Refused(String),
    /// What was to be sent, or what came back, cannot be used.
    #[error(transparent)]
    Certificate(#[from] CaError),
}

/// The way to the external authorities of one root.
pub struct External {
    urls: Vec<String>,
    config: Arc<ClientConfig>,
}

impl External {
    /// Authorities that must prove themselves by `root_pem`, shown this node's own certificate.
    pub fn new(
        urls: impl IntoIterator<Item = String>,
        root_pem: &str,
        chain_pem: &str,
        key_pem: &str,
    ) -> Result<External, CaError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(root_pem)? {
            roots.add(root).map_err(|_| CaError::Read)?;
        }
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| CaError::Read)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|_| CaError::Read)?;
        let config = builder.with_root_certificates(roots).with_client_auth_cert(certificates(chain_pem)?, key);
        Ok(External { urls: urls.into_iter().collect(), config: Arc::new(config.map_err(|_| CaError::Read)?) })
    }

    /// Those that can be reached and prove themselves.
    pub async fn reachable(&self) -> Vec<String> {
        let mut reachable = Vec::new();
        for url in &self.urls {
            match timeout(ANSWER_LIMIT, self.connect(url)).await {
                Ok(Ok(_)) => reachable.push(url.clone()),
                Ok(Err(error)) => tracing::warn!(url, %error, "an external authority cannot be used"),
                Err(_) => tracing::warn!(url, "an external authority does not answer"),
            }
        }
        reachable
    }

    /// Has a node's key signed: the certificate, PEM, and what `cross_signed` leads to.
    pub async fn sign(
        &self,
        csr_der: &[u8],
        cluster: ClusterId,
        node: NodeId,
        role: Role,
        cross_signed: &str,
    ) -> Result<String, ExternalError> {
        let request = json!({
            "certificate_request": request_pem(csr_der),
            "subject": { "CN": node.to_string(), "names": [{ "O": cluster.to_string(), "OU": role.unit() }] },
            "hosts": names(node, role),
        });
        let chain = self.ask(&request).await?;
        let signed = pem(&chain)?;
        let peer = Peer::of_certificate(&signed.contents, Ipv4Addr::UNSPECIFIED.into());
        if !peer.is_some_and(|peer| (peer.node, peer.role, peer.cluster) == (node, role, cluster)) {
            return Err(ExternalError::Refused("the external CA signed other names than it was asked to".into()));
        }
        let (_, asked) = X509CertificationRequest::from_der(csr_der).map_err(|_| CaError::Read)?;
        let asked = asked.certification_request_info.subject_pki.raw;
        if signed.parse_x509().map_err(|_| CaError::Read)?.public_key().raw != asked {
            return Err(ExternalError::Refused("the external CA signed another key than it was asked to".into()));
        }
        Ok(chain + cross_signed)
    }

    /// Has a new root, whose key is known, signed by the old one.
    pub async fn cross_sign(&self, new: &RootCa) -> Result<String, ExternalError> {
        let key = keys::key_pair(&new.key)?;
        let certificate = pem(&new.cert)?;
        let parsed = certificate.parse_x509().map_err(|_| CaError::Read)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key).map_err(CaError::from)?;
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let (id, value) = AUTHORITY_EXTENSION;
        let request = json!({
            "certificate_request": request_pem(csr.der()),
            "subject": { "CN": name, "names": [] },
            "extensions": [{ "id": id, "critical": true, "value": value }],
            "profile": CROSS_SIGN_PROFILE,
        });
        let crossed = self.ask(&request).await?;
        let signed = pem(&crossed)?;
        let signed = signed.parse_x509().map_err(|_| CaError::Read)?;
        let is_same = signed.subject().as_raw() == parsed.subject().as_raw()
            && signed.public_key().raw == key.subject_public_key_info()
            && signed.is_ca();
        if is_same { Ok(crossed) } else { Err(ExternalError::Refused("the external CA signed another root".into())) }
    }

    /// Asks one authority after the other.
    async fn ask(&self, request: &Value) -> Result<String, ExternalError> {
        let mut last = ExternalError::NoUrl;
        for url in &self.urls {
            let late = || ExternalError::Unreachable(format!("no answer within {ANSWER_LIMIT:?}"));
            match timeout(ANSWER_LIMIT, self.ask_one(url, request)).await.unwrap_or_else(|_| Err(late())) {
                Ok(certificate) => return Ok(certificate),
                Err(error) => {
                    tracing::debug!(url, %error, "an external authority gave no certificate");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn ask_one(&self, url: &str, request: &Value) -> Result<String, ExternalError> {
        let (stream, uri) = self.connect(url).await?;
        let unreachable = |error: hyper::Error| ExternalError::Unreachable(error.to_string());
        let (mut send, driver) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
        // It ends with the answer.
        tokio::spawn(driver);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let post = Request::post(path).header("host", host).header("content-type", "application/json");
        let post = post.body(Full::new(Bytes::from(request.to_string())));
        let post = post.map_err(|error| ExternalError::Unreachable(error.to_string()))?;
        let answer = send.send_request(post).await.map_err(unreachable)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body =
            body.map_err(|error| ExternalError::Refused(format!("unable to read CSR response body: {error}")))?;
        read(status, &body.to_bytes())
    }

    /// A TLS connection to the authority at a URL.
    async fn connect(&self, url: &str) -> Result<(TlsStream<TcpStream>, Uri), ExternalError> {
        let unreachable = |error: std::io::Error| ExternalError::Unreachable(error.to_string());
        let uri: Uri = url.parse().map_err(|_| ExternalError::Scheme)?;
        if uri.scheme_str() != Some("https") {
            return Err(ExternalError::Scheme);
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tcp = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await.map_err(unreachable)?;
        let name = ServerName::try_from(host).map_err(|error| ExternalError::Unreachable(error.to_string()))?;
        let tls = TlsConnector::from(self.config.clone()).connect(name, tcp).await.map_err(unreachable)?;
        Ok((tls, uri))
    }
}

/// The certificate in cfssl's answer.
fn read(status: StatusCode, body: &[u8]) -> Result<String, ExternalError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        success: bool,
        result: Option<Signed>,
        #[serde(default)]
        errors: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Signed {
        certificate: String,
    }
    if status != StatusCode::OK {
        let text = String::from_utf8_lossy(body);
        let text = format!("unexpected status code in CSR response: {} - {text}", status.as_u16());
        return Err(ExternalError::Refused(text));
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| ExternalError::Refused(format!("unable to parse JSON response: {error}")))?;
    match answer.result {
        Some(signed) if answer.success => Ok(signed.certificate),
        _ if answer.errors.is_empty() => Err(ExternalError::Refused("certificate signing request failed".into())),
        _ => Err(ExternalError::Refused(format!("response errors: {}", Value::Array(answer.errors)))),
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, CaError> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| CaError::Read)
}

/// A signing request as PEM.
fn request_pem(der: &[u8]) -> String {
    super::root::pem_text("CERTIFICATE REQUEST", der)
}
