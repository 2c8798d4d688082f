//! The generated services, carried out by the daemon's [`Service`]. Decides nothing: `gate` has let the caller through.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{FutureExt as _, Stream, stream};
use gam_core::error::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::error::status;
use crate::gate::{Caller, Told};
use crate::message::{AgentMessage, Piece, Wire};
use crate::peer::{Peer, Role};
use crate::proto::control_server::Control;
use crate::proto::dispatch_server::Dispatch;
use crate::proto::trust_server::Trust;
use crate::proto::{self, Done, Payload};
use crate::service::Service;
use crate::stream::{Inbound, Outbound, direction};

/// One service for all that is generated.
pub(crate) struct Calls<S> {
    service: Arc<S>,
    stop: CancellationToken,
}

impl<S> Calls<S> {
    pub(crate) fn new(service: Arc<S>, stop: CancellationToken) -> Calls<S> {
        Calls { service, stop }
    }
}

type Reply<T> = Result<Response<T>, Status>;

fn reply<T>(outcome: Result<T, Error>) -> Reply<T> {
    outcome.map(Response::new).map_err(|error| status(&error))
}

/// The caller, as `gate` put it there.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let missing = || status(&Error::internal("a call came past the gate"));
    request.extensions().get().cloned().ok_or_else(missing)
}

fn peer<T>(request: &Request<T>) -> Result<Peer, Status> {
    let missing = || status(&Error::internal("a call without a certificate came past the gate"));
    caller(request)?.peer.ok_or_else(missing)
}

impl<S: Service> Calls<S> {
    /// A manager that may be of this cluster's history.
    fn manager<T>(&self, request: &Request<T>) -> Result<Peer, Status> {
        let peer = peer(request)?;
        self.admit_history(request, peer, true)?;
        Ok(peer)
    }

    fn admit_history<T>(&self, request: &Request<T>, peer: Peer, as_manager: bool) -> Result<(), Status> {
        let Some(Told(Some(history))) = request.extensions().get() else { return Ok(()) };
        self.service.admit_history(peer, *history, as_manager).map_err(|error| status(&error))
    }
}

/// Counts a call for as long as it is being answered.
struct Answering(watch::Sender<u32>);

impl Answering {
    fn begin(calls: watch::Sender<u32>) -> Answering {
        calls.send_modify(|calls| *calls += 1);
        Answering(calls)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

#[tonic::async_trait]
impl<S: Service> Trust for Calls<S> {
    async fn root(&self, _: Request<proto::RootRequest>) -> Reply<proto::RootResponse> {
        reply(self.service.root().await.map(|pem| proto::RootResponse { pem }))
    }

    async fn issue(&self, request: Request<proto::IssueRequest>) -> Reply<proto::IssueResponse> {
        let Caller { peer, calls, .. } = caller(&request)?;
        if let Some(peer) = peer {
            self.admit_history(&request, peer, peer.role == Role::Manager)?;
        }
        let _answering = Answering::begin(calls);
        let issued = self.service.issue(peer, request.into_inner().into()).await;
        reply(issued.map(proto::IssueResponse::from))
    }
}

#[tonic::async_trait]
impl<S: Service> Control for Calls<S> {
    async fn raft(&self, request: Request<Payload>) -> Reply<Payload> {
        let answer = self.service.raft(self.manager(&request)?, request.into_inner().bytes).await;
        reply(answer.map(|bytes| Payload { bytes }))
    }

    async fn submit(&self, request: Request<Payload>) -> Reply<Payload> {
        let response = self.service.submit(self.manager(&request)?, request.into_inner().bytes).await;
        reply(response.map(|bytes| Payload { bytes }))
    }

    async fn tell(&self, request: Request<Payload>) -> Reply<Done> {
        let told = self.service.tell(self.manager(&request)?, request.into_inner().bytes).await;
        reply(told.map(|()| Done {}))
    }

    async fn read_index(&self, request: Request<proto::ReadIndexRequest>) -> Reply<proto::ReadIndexResponse> {
        let read = self.service.read_index(self.manager(&request)?).await;
        reply(read.map(|read| proto::ReadIndexResponse {
            index: read.index,
            leader: read.leader,
            unreachable: read.unreachable,
        }))
    }

    async fn join_raft(&self, request: Request<proto::JoinRaftRequest>) -> Reply<proto::JoinRaftResponse> {
        let peer = self.manager(&request)?;
        let proto::JoinRaftRequest { raft_id, address } = request.into_inner();
        let joined = self.service.join_raft(peer, raft_id, address).await;
        reply(joined.map(|leader| proto::JoinRaftResponse { leader: leader.unwrap_or_default() }))
    }

    async fn leave_raft(&self, request: Request<proto::LeaveRaftRequest>) -> Reply<Done> {
        reply(self.service.leave_raft(self.manager(&request)?).await.map(|()| Done {}))
    }

    async fn pass(&self, request: Request<proto::PassRequest>) -> Reply<Done> {
        let (peer, request) = (self.manager(&request)?, request.into_inner());
        let nobody = |_| status(&Error::invalid("an errand for nobody"));
        let node = request.node.parse().map_err(nobody)?;
        let errand = request.errand.unwrap_or_default().into();
        reply(self.service.pass(peer, node, errand).await.map(|()| Done {}))
    }
}

#[tonic::async_trait]
impl<S: Service> Dispatch for Calls<S> {
    type SessionStream = Said<proto::ManagerMessage>;
    type CarryStream = Said<proto::Piece>;

    async fn answer(&self, request: Request<Streaming<proto::Piece>>) -> Reply<Done> {
        let (peer, from) = (peer(&request)?, caller(&request)?.from);
        let pieces = Inbound::<Piece>::new(request.into_inner(), from.to_string(), ());
        tokio::select! {
            answered = self.service.answer(peer, pieces) => reply(answered.map(|()| Done {})),
            () = self.stop.cancelled() => reply(Err(Error::unavailable("the manager is stopping"))),
        }
    }

    async fn place(&self, request: Request<Payload>) -> Reply<Payload> {
        let peer = peer(&request)?;
        self.admit_history(&request, peer, peer.role == Role::Manager)?;
        let answer = self.service.place(peer, request.into_inner().bytes).await;
        reply(answer.map(|bytes| Payload { bytes }))
    }

    async fn carry(&self, request: Request<Streaming<proto::Piece>>) -> Reply<Self::CarryStream> {
        let (peer, from) = (peer(&request)?, caller(&request)?.from);
        let inbound = Inbound::<Piece>::new(request.into_inner(), from.to_string(), ());
        let service = self.service.clone();
        Ok(self.converse(|outbound| async move { service.carry(peer, inbound, outbound).await }))
    }

    async fn session(&self, request: Request<Streaming<proto::AgentMessage>>) -> Reply<Self::SessionStream> {
        let (peer, from) = (peer(&request)?, caller(&request)?.from);
        self.admit_history(&request, peer, peer.role == Role::Manager)?;
        let inbound = Inbound::<AgentMessage>::new(request.into_inner(), from.to_string(), ());
        let service = self.service.clone();
        Ok(self.converse(|outbound| async move { service.session(peer, inbound, outbound).await }))
    }
}

impl<S: Service> Calls<S> {
    /// Serves a call of two directions in a task of its own: a slow reader must not keep it from taking what the other side
    /// says and watching the clock.
    fn converse<M, F>(&self, serve: impl FnOnce(Outbound<M>) -> F) -> Response<Said<M::Form>>
    where
        M: Wire,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (outbound, messages) = direction();
        let (end, ended) = oneshot::channel();
        let (gone, stop) = (outbound.clone(), self.stop.clone());
        let served = serve(outbound);
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = served => outcome,
                () = gone.closed() => return,
                () = stop.cancelled() => Err(Error::unavailable("the manager is stopping")),
            };
            // Nobody listens any more if the node left in the same moment.
            let _ = end.send(outcome);
        });
        let mut answers = Answers { messages, ended, outcome: None };
        Response::new(Box::pin(stream::poll_fn(move |cx| answers.poll(cx))))
    }
}

/// What a call of two directions is answered with.
type Said<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a node is sent: messages, then the refusal if it ended with one.
struct Answers<M> {
    messages: mpsc::Receiver<M>,
    ended: oneshot::Receiver<Result<(), Error>>,
    outcome: Option<Result<(), Error>>,
}

impl<M: Wire> Answers<M> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<M::Form, Status>>> {
        if self.outcome.is_none()
            && let Poll::Ready(outcome) = self.ended.poll_unpin(cx)
        {
            // A session that vanishes without a word has panicked.
            self.outcome = Some(outcome.unwrap_or_else(|_| Err(Error::internal("the session failed"))));
            self.messages.close();
        }
        match (ready!(self.messages.poll_recv(cx)), &mut self.outcome) {
            (Some(message), _) => Poll::Ready(Some(Ok(message.to_wire()))),
            (None, Some(outcome)) => {
                let outcome = std::mem::replace(outcome, Ok(()));
                Poll::Ready(outcome.err().map(|error| Err(status(&error))))
            }
            (None, None) => Poll::Pending,
        }
    }
}
