//! Before a node has a certificate: learn the root, then ask for a certificate over a channel that trusts only that root.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::dial::{AUTHORITY_NAME, Connection, Expected};
use crate::error::RpcError;
use crate::message::{IssueRequest, Issued};
use crate::proto;
use crate::proto::trust_client::TrustClient;
use crate::tls;

/// How long a manager has to accept the connection of a node that joins.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a manager has to answer: an external authority may have to be asked first. Docker's join waits as long.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The roots that a manager names. They prove nothing: compare them with the digest in the join token.
pub async fn fetch_root(address: &str) -> Result<String, RpcError> {
    let mut client = client(address, tls::believing_nobody()?).await?;
    let answer = timeout(ANSWER_LIMIT, client.root(proto::RootRequest {})).await.map_err(|_| late(address))?;
    Ok(answer.map_err(|status| RpcError::from_status(address, &status))?.into_inner().pem)
}

/// A first certificate, from a manager that proves itself by one of the roots in `root_pem`.
pub async fn issue(address: &str, root_pem: &str, request: IssueRequest) -> Result<Issued, RpcError> {
    let mut client = client(address, tls::trusting(root_pem)?).await?;
    let request = proto::IssueRequest::from(request);
    let answer = timeout(ANSWER_LIMIT, client.issue(request)).await.map_err(|_| late(address))?;
    issued(address, answer.map_err(|status| RpcError::from_status(address, &status))?.into_inner())
}

pub(crate) fn issued(address: &str, wire: proto::IssueResponse) -> Result<Issued, RpcError> {
    let unreadable = || RpcError::Call { address: address.to_owned(), cause: "the answer makes no sense".to_owned() };
    Issued::from_wire(wire).ok_or_else(unreadable)
}

async fn client(address: &str, config: Arc<ClientConfig>) -> Result<TrustClient<Connection>, RpcError> {
    let dialled = Connection::dial(address, config, AUTHORITY_NAME, Expected::AsConfigured, CONNECT_LIMIT).await;
    let connection = dialled.map_err(|error| RpcError::connect(address, error))?;
    Ok(TrustClient::with_origin(connection, Uri::from_static("https://swarm-ca")))
}

fn late(address: &str) -> RpcError {
    RpcError::TimedOut { address: address.to_owned(), limit: ANSWER_LIMIT }
}
