//! The node's credentials, and the TLS configurations made of them.
//!
//! Certificate, key and roots are replaced together: each handshake, on either side, takes the configuration that is newest
//! when it begins. Standing connections keep what they were made with. No session is ever resumed, since a resumed one would
//! bring back the certificate, and with it the role, of an earlier day.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use crate::error::RpcError;
use crate::peer::Peer;

/// The address of this node, as it sees itself.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// HTTP/2, as ALPN names it.
const HTTP2: &[u8] = b"h2";

/// What a node shows, and whom it trusts; all PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The node's certificate, with what leads to a root.
    pub chain_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// The trusted roots; two during a rotation. One text may hold several.
    pub roots_pem: Vec<String>,
}

/// The node's credentials in use, replaceable while it serves and calls.
#[derive(Clone)]
pub struct Tls(Arc<ArcSwap<Held>>);

/// One set of credentials, made ready.
pub(crate) struct Held {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) own: Peer,
}

impl Tls {
    /// Checks credentials and makes them ready.
    pub fn new(credentials: Credentials) -> Result<Tls, RpcError> {
        Ok(Tls(Arc::new(ArcSwap::from_pointee(Held::new(&credentials)?))))
    }

    /// Uses these credentials from the next handshake on. Those in use stay if the new ones are no good.
    pub fn replace(&self, credentials: Credentials) -> Result<(), RpcError> {
        self.0.store(Arc::new(Held::new(&credentials)?));
        Ok(())
    }

    /// Who this node is, by its own certificate, as if it called itself.
    pub fn own(&self) -> Peer {
        self.0.load().own
    }

    pub(crate) fn held(&self) -> Arc<Held> {
        self.0.load_full()
    }
}

impl Held {
    fn new(credentials: &Credentials) -> Result<Held, RpcError> {
        let chain = certificates(&credentials.chain_pem)?;
        let own = chain.first().and_then(|leaf| Peer::of_certificate(leaf, HERE));
        let own = own.ok_or_else(|| refuse("the certificate names no node, role and cluster"))?;
        let key = PrivateKeyDer::from_pem_slice(credentials.key_pem.as_bytes()).map_err(refuse)?;
        let roots = Arc::new(store(credentials.roots_pem.iter().map(String::as_str))?);

        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider());
        let verifier = verifier.allow_unauthenticated().build().map_err(refuse)?;
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
        let builder = builder.map_err(refuse)?.with_client_cert_verifier(verifier);
        let mut server = builder.with_single_cert(chain.clone(), key.clone_key()).map_err(refuse)?;
        server.alpn_protocols = vec![HTTP2.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let builder = client_builder()?.with_root_certificates(roots);
        let client = finish(builder.with_client_auth_cert(chain, key).map_err(refuse)?);
        Ok(Held { server: Arc::new(server), client, own })
    }
}

/// The configuration of a node that has no certificate yet and trusts exactly these roots.
pub(crate) fn trusting(roots_pem: &str) -> Result<Arc<ClientConfig>, RpcError> {
    let roots = store([roots_pem])?;
    Ok(finish(client_builder()?.with_root_certificates(roots).with_no_client_auth()))
}

/// The configuration of a node that cannot trust anybody yet: whatever it is told must be checked by other means.
pub(crate) fn believing_nobody() -> Result<Arc<ClientConfig>, RpcError> {
    let verifier = Arc::new(Anyone(provider().signature_verification_algorithms));
    let builder = client_builder()?.dangerous().with_custom_certificate_verifier(verifier);
    Ok(finish(builder.with_no_client_auth()))
}

fn client_builder() -> Result<ConfigBuilder<ClientConfig, rustls::WantsVerifier>, RpcError> {
    ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]).map_err(refuse)
}

fn finish(mut client: ClientConfig) -> Arc<ClientConfig> {
    client.alpn_protocols = vec![HTTP2.to_vec()];
    client.resumption = Resumption::disabled();
    Arc::new(client)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, RpcError> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(refuse)
}

fn store<'a>(pems: impl IntoIterator<Item = &'a str>) -> Result<RootCertStore, RpcError> {
    let mut roots = RootCertStore::empty();
    for pem in pems {
        for root in certificates(pem)? {
            roots.add(root).map_err(refuse)?;
        }
    }
    if roots.is_empty() { Err(refuse("there is no root to trust")) } else { Ok(roots) }
}

fn refuse(cause: impl std::fmt::Display) -> RpcError {
    RpcError::Credentials(cause.to_string())
}

/// Takes any certificate, but only from one who holds its key.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
