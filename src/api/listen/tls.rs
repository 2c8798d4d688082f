//! Mutual TLS for `tcp://` hosts: this server's certificate, and client certificates signed by the given authority.
//!
//! There is no TLS without client certificates here: the API gives root to whoever may speak to it. Only
//! [`super::Listener`] uses this.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::socket::{ClientIo, Socket};
use crate::config::TlsFiles;

/// Go's answer to a client that does without TLS (`net/http: conn.serve`); docker tells its user by these words what to do.
const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// Most of its request that is read; ordinary heads fit.
const READ_AWAY: usize = 4096;

/// A ready server side of TLS, cheap to clone.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not what it should be.
    #[error("cannot use {flag} {path}: {reason}")]
    File {
        /// Which flag named it.
        flag: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Certificate and key do not belong together, or the authority cannot be used.
    #[error("cannot set up TLS from --tlscacert, --tlscert and --tlskey: {0}")]
    Setup(String),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(files: &TlsFiles) -> Result<Tls, TlsError> {
        let setup = |error: &dyn std::fmt::Display| TlsError::Setup(error.to_string());
        let mut roots = RootCertStore::empty();
        for cert in certificates("--tlscacert", &files.ca)? {
            roots.add(cert).map_err(|error| file("--tlscacert", &files.ca, error))?;
        }
        let chain = certificates("--tlscert", &files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| file("--tlskey", &files.key, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| setup(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| setup(&error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(|error| setup(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would outlive the certificate it was opened with.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(self, mut socket: Socket) -> io::Result<ClientIo> {
        if is_http(socket.peek(&mut [0; 5]).await?) {
            // What is not read when the socket closes would take the answer away again.
            let _ = socket.read(&mut [0; READ_AWAY]).await?;
            socket.write_all(PLAIN_HTTP).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks HTTP without TLS"));
        }
        Ok(ClientIo::tls(self.0.accept(socket).await?))
    }
}

/// `crypto/tls: tlsRecordHeaderLooksLikeHTTP`
fn is_http(start: &[u8]) -> bool {
    matches!(start, b"GET /" | b"HEAD " | b"POST " | b"PUT /" | b"OPTIO")
}

fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certs: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| file(flag, path, error))?;
    if certs.is_empty() {
        return Err(file(flag, path, "there is no certificate in it"));
    }
    Ok(certs)
}

fn file(flag: &'static str, path: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError::File { flag, path: path.to_owned(), reason: reason.to_string() }
}
