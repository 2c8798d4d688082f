//! Who may call what: the one place where a caller's certificate is held against the call.
//!
//! The path of a call names its service, and each service is for one circle of callers, with its own bound on the size of
//! a message. Whether a caller is still a member of the cluster is not known here; the service asks the cluster's state.

use std::net::SocketAddr;
use std::sync::Arc;

use gam_core::error::{Error, Kind};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::ServiceExt as _;

use crate::calls::Calls;
use crate::error::{no_managers_certificate, status};
use crate::peer::{Peer, Role};
use crate::proto::control_server::ControlServer;
use crate::proto::dispatch_server::DispatchServer;
use crate::proto::trust_server::TrustServer;
use crate::service::Service;
use crate::tls::Tls;

/// Largest message of a caller without a certificate: a signing request and a token are under 2 KiB.
const STRANGER_MESSAGE_MAX: usize = 64 * 1024;
/// Largest message of an agent: the reports of some ten thousand tasks at once.
const AGENT_MESSAGE_MAX: usize = 16 * 1024 * 1024;
/// Largest message between managers, and of a manager to an agent: all assignments of a node with their secrets.
pub(crate) const MANAGER_MESSAGE_MAX: usize = 140 * 1024 * 1024;

/// In which of the cluster's histories a caller believes to be: a number in hexadecimal. It proves nothing and gives no right.
pub(crate) const HISTORY: &str = "gam-history";

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// By its certificate, if it showed one.
    pub(crate) peer: Option<Peer>,
    /// By its address.
    pub(crate) from: SocketAddr,
    /// How many of its calls were heard in whole and are being answered.
    pub(crate) calls: watch::Sender<u32>,
}

/// What a caller says of its history, if it says anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told(pub(crate) Option<u64>);

impl Told {
    fn by(request: &Request<Incoming>) -> Told {
        let number = request.headers().get(HISTORY).and_then(|value| value.to_str().ok());
        Told(number.and_then(|number| u64::from_str_radix(number, 16).ok()))
    }
}

/// The services behind their checks.
pub(crate) struct Gate<S> {
    tls: Tls,
    trust: TrustServer<Calls<S>>,
    dispatch: DispatchServer<Calls<S>>,
    control: ControlServer<Calls<S>>,
}

impl<S: Service> Gate<S> {
    pub(crate) fn new(tls: Tls, service: Arc<S>, stop: CancellationToken) -> Gate<S> {
        let calls = Arc::new(Calls::new(service, stop));
        Gate {
            tls,
            trust: TrustServer::from_arc(calls.clone()).max_decoding_message_size(STRANGER_MESSAGE_MAX),
            dispatch: DispatchServer::from_arc(calls.clone()).max_decoding_message_size(AGENT_MESSAGE_MAX),
            control: ControlServer::from_arc(calls).max_decoding_message_size(MANAGER_MESSAGE_MAX),
        }
    }

    /// Answers one call.
    pub(crate) async fn answer(&self, caller: Caller, mut request: Request<Incoming>) -> Response<Body> {
        let told = Told::by(&request);
        let peer = caller.peer;
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(told);
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        let answered = match (service, admit(service, peer, self.tls.own())) {
            (_, Err(error)) => return status(&error).into_http(),
            ("gam.v1.Trust", Ok(())) => self.trust.clone().oneshot(request).await,
            ("gam.v1.Dispatch", Ok(())) => self.dispatch.clone().oneshot(request).await,
            (_, Ok(())) => self.control.clone().oneshot(request).await,
        };
        answered.unwrap_or_else(|never| match never {})
    }
}

/// Whether a caller may use a service of the node `own`. A certificate of another cluster under the same root counts for
/// nothing, and what has no rule is for managers.
fn admit(service: &str, peer: Option<Peer>, own: Peer) -> Result<(), Error> {
    let forbidden = |why: String| Err(Error::new(Kind::Forbidden, why));
    match peer {
        Some(peer) if peer.cluster != own.cluster => {
            forbidden(format!("the certificate is of the cluster {}, not of this one", peer.cluster))
        }
        None if service != "gam.v1.Trust" => forbidden("the call needs a certificate of this cluster".to_owned()),
        Some(peer) if peer.role != Role::Manager && !matches!(service, "gam.v1.Trust" | "gam.v1.Dispatch") => {
            Err(no_managers_certificate(peer.role))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::{IdSource, Timestamp};

    #[test]
    fn each_service_has_its_circle() {
        let mut ids = IdSource::new([3; 32]);
        let (node, cluster) = (ids.fresh(), ids.fresh());
        let addr = std::net::Ipv4Addr::LOCALHOST.into();
        let own = Peer { node, role: Role::Manager, cluster, issued_at: Timestamp(0), addr };
        let manager = Some(Peer { node: ids.fresh(), ..own });
        let worker = Some(Peer { node: ids.fresh(), role: Role::Worker, ..own });
        let foreign = Some(Peer { cluster: ids.fresh(), ..own });
        let may = |peer| {
            ["gam.v1.Trust", "gam.v1.Dispatch", "gam.v1.Control", "of.tomorrow"].map(|it| admit(it, peer, own).is_ok())
        };
        assert_eq!(may(manager), [true, true, true, true]);
        assert_eq!(may(worker), [true, true, false, false]);
        assert_eq!(may(None), [true, false, false, false]);
        assert_eq!(may(foreign), [false, false, false, false]);
    }
}
