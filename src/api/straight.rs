//! Requests that go straight: from a client's socket to dockerd's and back, as the bytes that they are.
//!
//! A connection of a client begins here. Only as much of each message is read as tells where it ends; nothing is built from
//! it, and nothing is written that was not read, but for the value of one header of `/_ping`; pings and lists of containers
//! of the same moment share one of dockerd's answers ([`rounds`]). The first request that is Gam's own, or
//! in any way unusual, ends this: the connection, that request unread, then goes to the router for good. So a request
//! takes this way or the router's, never half of each, and what happens to unusual ones is decided in one place. The
//! router's way costs a small request three times as much ([`super::way`] says who takes which).
//! [`super::serve`] calls [`Straight::serve`], and ends it when the client is gone.

mod body;
mod head;
mod pour;
mod rounds;
mod rush;

use std::borrow::Cow;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::listen::Socket;
use super::proxy::{MAX_HEAD, Proxy, ProxyError};
use super::serve::Progress;
use super::version::{self, ApiVersion};
use super::way::{Way, is_endless};
pub(super) use body::Body;
use head::Head;
use pour::{Broken, pour};
use rounds::{Lead, Rounds, Turn};

/// First room for a message: ordinary heads fit, and so do small bodies with them.
const ROOM: usize = 4 * 1024;
/// Longest head of an answer; far above what dockerd sends.
const MAX_ANSWER_HEAD: usize = 256 * 1024;
/// Longest answer that is shared: a list of several hundred containers.
const MAX_SHARED: usize = 1024 * 1024;

/// Connections to dockerd kept for the next request: as many as clients that ask at the same moment.
const MAX_IDLE: usize = 32;

/// Tells the way of a request from its method and target.
pub(super) type WayOf = dyn Fn(&str, &str) -> Way + Send + Sync;

/// Serves the requests that go straight, on the runtime of one thread; cheap to clone.
#[derive(Clone)]
pub(super) struct Straight {
    proxy: Proxy,
    way: Arc<WayOf>,
    /// Connections to dockerd that wait for the next request.
    idle: Arc<Mutex<Vec<Socket>>>,
    rounds: Rounds,
}

/// A request that goes straight.
struct Asked {
    head: usize,
    body: Body,
    is_head: bool,
    endless: bool,
    version: Option<ApiVersion>,
    swarm: Option<&'static str>,
    shared: bool,
    /// There if others wait for the same answer.
    lead: Option<Lead>,
}

/// What comes after a request.
enum Next {
    /// The next one.
    Request,
    /// This very one is the router's; not a byte of it was sent.
    Router,
    /// The end of the connection.
    End,
}

/// Why an exchange broke off.
enum Cut {
    /// The client is gone, or sends what it may not.
    Client,
    /// dockerd went before it began to answer; the client may be told.
    Unanswered(ProxyError),
    /// dockerd went in the middle of its answer.
    Engine,
}

impl Straight {
    pub(super) fn new(proxy: Proxy, way: Arc<WayOf>) -> Straight {
        Straight { proxy, way, idle: Arc::default(), rounds: Rounds::default() }
    }

    /// Serves a connection until it ends, or until a request is not for this way: then returns what was read of that.
    pub(super) async fn serve(
        &self,
        mut client: Socket,
        early: Bytes,
        progress: &Arc<Progress>,
        draining: &CancellationToken,
    ) -> Option<Bytes> {
        let mut draining = pin!(draining.cancelled());
        let mut unread = BytesMut::from(early);
        loop {
            let mut asked = loop {
                match self.asked(&unread) {
                    Head::Whole(asked) => break asked,
                    Head::Partial if unread.len() <= MAX_HEAD => {}
                    Head::Partial | Head::Odd => return Some(unread.freeze()),
                }
                if !more(&mut client, &mut unread, draining.as_mut()).await {
                    return (!unread.is_empty()).then(|| unread.freeze());
                }
            };
            let _underway = progress.begin(asked.endless);
            if asked.shared && asked.body.is_over() {
                match self.rounds.turn(&unread[..asked.head]).await {
                    Turn::Lead(lead) => asked.lead = Some(lead),
                    Turn::Alone => {}
                    Turn::Told(answer) if client.write_all(&answer).await.is_ok() => {
                        unread.advance(asked.head);
                        continue;
                    }
                    Turn::Told(_) => return None,
                }
            }
            match self.exchange(&mut client, &mut unread, asked).await {
                Next::Request => {}
                Next::Router => return Some(unread.freeze()),
                Next::End => return None,
            }
        }
    }

    /// Looks at a request's head.
    fn asked(&self, bytes: &[u8]) -> Head<Asked> {
        // Whoever waits for the next request has asked nothing.
        if bytes.is_empty() {
            return Head::Partial;
        }
        let request = match head::request(bytes) {
            Head::Whole(request) => request,
            Head::Partial => return Head::Partial,
            Head::Odd => return Head::Odd,
        };
        let (swarm, shared) = match (self.way)(request.method, request.target) {
            Way::Straight => (None, false),
            Way::List => (None, true),
            Way::Ping(status) => (Some(status), true),
            Way::Routed => return Head::Odd,
        };
        let version = version::asked(request.target);
        let endless = is_endless(request.target);
        let is_head = request.method == "HEAD";
        Head::Whole(Asked {
            head: request.len,
            body: request.body,
            is_head,
            endless,
            version,
            swarm,
            shared,
            lead: None,
        })
    }

    /// Passes one request on, and its answer back.
    async fn exchange(&self, client: &mut Socket, unread: &mut BytesMut, mut asked: Asked) -> Next {
        let Asked { head, mut body, .. } = asked;
        let of_body = body.pass(&unread[head..]);
        // What is no body goes along: dockerd says what is wrong with it.
        let sent = of_body.map_or(unread.len(), |of_body| head + of_body);
        let Some(mut engine) = self.send(&unread[..sent], asked.version).await else { return Next::Router };
        unread.advance(sent);
        let answered = if of_body.is_err() {
            let _ = engine.finish();
            self.answer(&mut engine, client, &mut asked).await.map(|_| false)
        } else if body.is_over() {
            self.answer(&mut engine, client, &mut asked).await
        } else {
            self.answer_while_sending(&mut engine, client, &mut asked, body, unread).await
        };
        match answered {
            Ok(true) => {
                self.keep(engine);
                Next::Request
            }
            Ok(false) | Err(Cut::Client | Cut::Engine) => Next::End,
            Err(Cut::Unanswered(error)) => {
                asked.lead = None;
                // A client that is gone needs no answer.
                let _ = client.write_all(&refusal(&error, asked.is_head)).await;
                Next::End
            }
        }
    }

    /// A connection on which these bytes were sent; `None` if there is none, or the engine is too new for the version,
    /// and nothing was sent.
    async fn send(&self, bytes: &[u8], version: Option<ApiVersion>) -> Option<Socket> {
        loop {
            // In this order: a connection that was closed tells that it may be another engine.
            let (mut engine, reused) = match self.idle() {
                Some(engine) => (engine, true),
                None => (self.proxy.dial().await.ok()?, false),
            };
            if self.proxy.is_lifted(version).await {
                self.keep(engine);
                return None;
            }
            match engine.write(bytes).await {
                Ok(n) => {
                    // dockerd may answer what it does not read to the end.
                    let _ = engine.write_all(&bytes[n..]).await;
                    return Some(engine);
                }
                // It was closed under us; there are only so many that were.
                Err(_) if reused => self.proxy.outdate(),
                Err(_) => return None,
            }
        }
    }

    /// A connection to dockerd that was used before and not closed since.
    fn idle(&self) -> Option<Socket> {
        loop {
            // The latest used first: the others may then be the ones that nobody needs.
            let socket = self.lock().pop()?;
            if socket.is_silent() {
                return Some(socket);
            }
            self.proxy.outdate();
        }
    }

    /// Keeps a connection whose answer has passed.
    fn keep(&self, socket: Socket) {
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE {
            idle.push(socket);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes the rest of a request's body on while dockerd's answer comes back, whichever ends first. Of a body that
    /// breaks off dockerd sees just that, and answers it.
    async fn answer_while_sending(
        &self,
        engine: &mut Socket,
        client: &mut Socket,
        asked: &mut Asked,
        mut body: Body,
        unread: &mut BytesMut,
    ) -> Result<bool, Cut> {
        let (mut from, mut to) = (client.clone(), engine.clone());
        let mut sending = pin!(async {
            let sent = pour(&mut from, &mut to, &mut body).await;
            if let Err(Broken::Reading) = sent {
                let _ = to.finish();
            }
            sent
        });
        let mut answering = pin!(self.answer(engine, client, asked));
        let mut sent = None;
        let answered = loop {
            tokio::select! {
                answered = &mut answering => break answered,
                result = &mut sending, if sent.is_none() => sent = Some(result),
            }
        };
        if !answered? {
            return Ok(false);
        }
        let sent = match sent {
            Some(sent) => sent,
            // dockerd answers some requests early; it reads on, or closes.
            None => sending.await,
        };
        Ok(sent.map(|rest| unread.extend_from_slice(&rest)).is_ok())
    }

    /// Passes an answer back as it comes; whether both connections can carry another one.
    async fn answer(&self, engine: &mut Socket, client: &mut Socket, asked: &mut Asked) -> Result<bool, Cut> {
        let mut read = BytesMut::with_capacity(ROOM);
        let (len, mut body, closes, field) = loop {
            let answer = match head::answer(&read, asked.is_head) {
                Head::Partial if read.len() <= MAX_ANSWER_HEAD => {
                    read.reserve(ROOM);
                    match engine.read_buf(&mut read).await {
                        Ok(0) | Err(_) => return Err(Cut::Unanswered(ProxyError::Silent)),
                        Ok(_) => continue,
                    }
                }
                Head::Partial | Head::Odd => return Err(Cut::Unanswered(ProxyError::Garbled)),
                Head::Whole(answer) => answer,
            };
            match answer.status {
                101 => return Err(Cut::Unanswered(ProxyError::Switched)),
                100..=199 => {
                    let len = answer.len;
                    client.write_all(&read[..len]).await.map_err(|_| Cut::Client)?;
                    read.advance(len);
                }
                status => {
                    self.proxy.look_at(answer.api, answer.server);
                    let turned = asked.swarm.filter(|_| (200..300).contains(&status));
                    let field = turned.and_then(|status| Some((place(&read, answer.swarm?), status)));
                    break (answer.len, answer.body, answer.closes, field);
                }
            }
        };
        let garbled = |_| Cut::Unanswered(ProxyError::Garbled);
        let mut of_body = body.pass(&read[len..]).map_err(garbled)?;
        // What others wait for is told whole; a list comes at once, so nobody's answer waits for that.
        while asked.lead.as_ref().is_some_and(Lead::has_others) && !body.is_over() && read.len() < MAX_SHARED {
            read.reserve(read.len());
            if !matches!(engine.read_buf(&mut read).await, Ok(1..)) {
                break;
            }
            of_body += body.pass(&read[len + of_body..]).map_err(garbled)?;
        }
        let whole = read.len() == len + of_body;
        let mut answered = Cow::Borrowed(&read[..len + of_body]);
        if let Some((at, status)) = field {
            answered = [&answered[..at.start], status.as_bytes(), &answered[at.end..]].concat().into();
        }
        // The round ends here: nobody else waits for a client that is slow to read.
        if let Some(mut lead) = asked.lead.take()
            && body.is_over()
            && whole
            && !closes
        {
            lead.tell(&answered);
        }
        client.write_all(&answered).await.map_err(|_| Cut::Client)?;
        drop(answered);
        drop(read);
        if body.is_over() {
            return Ok(whole && !closes);
        }
        match pour(engine, client, &mut body).await {
            Ok(rest) => Ok(rest.is_empty() && !closes),
            Err(Broken::Writing) => Err(Cut::Client),
            Err(Broken::Reading) => Err(Cut::Engine),
        }
    }
}

/// Reads some more of a request, unless it is time to stop; false at the end.
async fn more(
    client: &mut Socket,
    unread: &mut BytesMut,
    mut draining: Pin<&mut WaitForCancellationFuture<'_>>,
) -> bool {
    // A long head is looked at anew each time; so it comes in few pieces.
    unread.reserve(ROOM.max(unread.len()));
    tokio::select! {
        biased;
        () = draining.as_mut() => {
            unread.clear();
            false
        }
        read = client.read_buf(unread) => read.is_ok_and(|n| n > 0),
    }
}

/// Where a part of these bytes stands.
fn place(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    start..start + part.len()
}

/// The answer when dockerd gives none.
fn refusal(error: &ProxyError, to_head: bool) -> Vec<u8> {
    let status = error.status();
    let body = format!("{}\n", serde_json::json!({ "message": error.to_string() }));
    let date = version::http_date(time::OffsetDateTime::now_utc());
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: {date}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    (if to_head { head } else { head + &body }).into_bytes()
}
