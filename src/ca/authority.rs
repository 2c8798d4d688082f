//! What a change of the authority needs, made and found out; and who signs a node's certificate now.
//!
//! The core decides what is needed and what becomes of it; here are the keys, and the way to external authorities.

use gam_core::control::{Authority, NextRoot, authority_needs};
use gam_core::error::{Code, Error};
use gam_core::model::{CaConfig, Cluster, NodeId, RootCa, RootRotation, normal_pem};

use super::external::External;
use super::root::{cross_sign, new_root, read_root};
use super::{CaError, Role, digest, sign};

/// Makes and finds out what a change of `root` to `config` needs. External authorities are shown this node's certificate.
pub async fn prepare(root: &RootCa, config: &CaConfig, chain_pem: &str, key_pem: &str) -> Result<Authority, Error> {
    let needs = authority_needs(root, config);
    let mut reachable = Vec::new();
    for (url, cert) in &needs.probe {
        // A root that cannot be read proves nobody.
        if let Ok(external) = External::new([url.clone()], cert, chain_pem, key_pem) {
            reachable.extend(external.reachable().await);
        }
    }
    let (new, expires) = match &needs.read {
        Some((cert, key)) => read_root(cert, key).map_err(|error| Error::rpc(Code::InvalidArgument, error))?,
        None if needs.make => {
            let new = new_root().map_err(|error| Error::rpc(Code::Internal, error))?;
            read_root(&new.cert, &new.key).map_err(|error| Error::rpc(Code::Internal, error))?
        }
        None => return Ok(Authority { next: None, reachable }),
    };
    let cross_signed = if needs.cross_sign {
        let present = normal_pem(&root.cert);
        let urls = needs.probe.iter().filter(|(url, cert)| *cert == present && reachable.contains(url));
        let urls: Vec<String> = urls.map(|(url, _)| url.clone()).collect();
        vouch(root, &new, urls, chain_pem, key_pem).await
    } else {
        String::new()
    };
    let RootCa { cert, key, subject, public_key, .. } = new;
    let digest = digest(&cert);
    let next = RootRotation { cert, key, subject, public_key, digest, cross_signed };
    Ok(Authority { next: Some(NextRoot { root: next, signed_by: root.cert.clone(), expires }), reachable })
}

/// The next root signed by the present one, or nothing, which the core refuses in Docker's words.
async fn vouch(root: &RootCa, new: &RootCa, urls: Vec<String>, chain_pem: &str, key_pem: &str) -> String {
    let vouched = if !root.key.is_empty() {
        cross_sign(root, &new.cert).map_err(|error| error.to_string())
    } else if new.key.is_empty() {
        return String::new();
    } else {
        match External::new(urls, &root.cert, chain_pem, key_pem) {
            Ok(external) => external.cross_sign(new).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    vouched.unwrap_or_else(|error| {
        tracing::error!(error, "the present root could not sign the next one");
        String::new()
    })
}

/// Has a node's key signed by whoever signs for the cluster now. External authorities are shown this node's certificate.
pub async fn sign_for(
    cluster: &Cluster,
    csr_der: &[u8],
    node: NodeId,
    role: Role,
    chain_pem: &str,
    key_pem: &str,
) -> Result<String, Error> {
    let (root, urls) = (&cluster.root_ca, cluster.external_urls());
    if urls.is_empty() {
        let expiry = cluster.spec.ca_config.node_cert_expiry;
        return sign(root, csr_der, cluster.id, node, role, expiry).map_err(|error| match error {
            CaError::Make(cause) => Error::invalid(format!("the certificate request cannot be signed: {cause}")),
            other => Error::internal(other),
        });
    }
    let cross_signed = root.rotation.as_ref().map_or("", |next| next.cross_signed.as_str());
    let roots = format!("{}{}", root.cert, root.rotation.as_ref().map_or("", |next| next.cert.as_str()));
    let urls = urls.into_iter().map(str::to_owned);
    let external = External::new(urls, &roots, chain_pem, key_pem).map_err(Error::internal)?;
    external.sign(csr_der, cluster.id, node, role, cross_signed).await.map_err(Error::unavailable)
}
