//! Enough of HTTP/1.1 to look over a connection's shoulder: bytes of both directions in, finished exchanges out.
//! Pure, but for [`request`], the runner's own small client. It never changes a byte and never fails a connection:
//! what it cannot parse, it stops looking at. Called by `tee` for what passes by, and by `sweep` and `target`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A request or response head longer than this is not HTTP that these tests make.
const HEAD_LIMIT: usize = 64 * 1024;
/// Bodies past this size (image archives, long logs) are counted and not kept.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// The daemons answer the runner's own requests in milliseconds; `swarm leave` of a busy node takes seconds.
const REQUEST_LIMIT: Duration = Duration::from_secs(40);

/// One request with its whole response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// The request's method.
    pub method: String,
    /// The request's target, query included, as sent.
    pub path: String,
    /// The response's status.
    pub status: u16,
    /// The response's headers, in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The response's body, without its framing; empty when it was over the limit.
    pub body: Vec<u8>,
}

impl Exchange {
    /// A response header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub struct Conversation {
    requests: Framer,
    responses: Framer,
    waiting: VecDeque<(String, String)>,
    spliced: bool,
}

impl Conversation {
    /// Takes bytes that the client sent.
    pub fn client_sent(&mut self, bytes: &[u8]) {
        if self.spliced {
            return;
        }
        self.requests.push(bytes);
        loop {
            match self.requests.next(|_| Framing::request) {
                Step::Message(message) => {
                    let mut words = message.start.split(' ');
                    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    self.waiting.push_back((method.to_owned(), path.to_owned()));
                }
                Step::More => break,
                Step::Broken => return self.splice(),
            }
        }
    }

    /// Takes bytes that the server sent, and returns the exchanges that they complete.
    pub fn server_sent(&mut self, bytes: &[u8]) -> Vec<Exchange> {
        let mut done = Vec::new();
        if self.spliced {
            return done;
        }
        self.responses.push(bytes);
        loop {
            // The request may still be sending its body when a server answers early; its head was seen.
            let method = match self.waiting.front() {
                Some((method, _)) => method.clone(),
                None => self.requests.pending_start().and_then(|s| s.split(' ').next()).unwrap_or_default().to_owned(),
            };
            match self.responses.next(|start| Framing::response(start, &method)) {
                Step::Message(message) => {
                    let status = status_of(&message.start);
                    if (100..200).contains(&status) && status != 101 {
                        continue;
                    }
                    done.push(self.exchange(message, status));
                    if status == 101 {
                        self.splice();
                        break;
                    }
                }
                Step::More => break,
                Step::Broken => {
                    self.splice();
                    break;
                }
            }
        }
        done
    }

    /// The server closed its side: an endless body ends here.
    pub fn server_closed(&mut self) -> Option<Exchange> {
        if self.spliced {
            return None;
        }
        let message = self.responses.finish()?;
        let status = status_of(&message.start);
        Some(self.exchange(message, status))
    }

    fn exchange(&mut self, message: Message, status: u16) -> Exchange {
        let (method, path) = self.waiting.pop_front().unwrap_or_else(|| {
            let mut words = self.requests.pending_start().unwrap_or_default().split(' ').map(str::to_owned);
            (words.next().unwrap_or_default(), words.next().unwrap_or_default())
        });
        Exchange { method, path, status, headers: message.headers, body: message.body }
    }

    fn splice(&mut self) {
        *self = Conversation { spliced: true, ..Conversation::default() };
    }
}

#[derive(Debug, Default)]
struct Message {
    start: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Framer {
    buffer: Vec<u8>,
    message: Option<(Message, Framing)>,
    over: bool,
}

/// How the rest of the body is told from what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    ChunkHead,
    Chunk(u64),
    Trailer,
    UntilClose,
}

enum Step {
    Message(Message),
    More,
    Broken,
}

impl Framing {
    fn request(headers: &[(String, String)]) -> Framing {
        Framing::stated(headers).unwrap_or(Framing::Length(0))
    }

    fn response(start: &str, method: &str) -> fn(&[(String, String)]) -> Framing {
        match status_of(start) {
            100..200 | 204 | 304 => |_| Framing::Length(0),
            _ if method == "HEAD" => |_| Framing::Length(0),
            _ => |headers| Framing::stated(headers).unwrap_or(Framing::UntilClose),
        }
    }

    fn stated(headers: &[(String, String)]) -> Option<Framing> {
        if find(headers, "transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
            return Some(Framing::ChunkHead);
        }
        find(headers, "content-length").and_then(|v| v.parse().ok()).map(Framing::Length)
    }
}

impl Framer {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The start line of a message whose body is still on its way.
    fn pending_start(&self) -> Option<&str> {
        self.message.as_ref().map(|(message, _)| message.start.as_str())
    }

    fn next<F>(&mut self, framing: impl Fn(&str) -> F) -> Step
    where
        F: Fn(&[(String, String)]) -> Framing,
    {
        if self.message.is_none() {
            let Some(end) = position(&self.buffer, b"\r\n\r\n") else {
                return if self.buffer.len() > HEAD_LIMIT { Step::Broken } else { Step::More };
            };
            let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
            let Some(message) = parse_head(&head) else { return Step::Broken };
            let body = framing(&message.start)(&message.headers);
            self.message = Some((message, body));
            self.over = false;
        }
        self.body()
    }

    fn body(&mut self) -> Step {
        let Some((mut message, mut framing)) = self.message.take() else { return Step::More };
        loop {
            match framing {
                Framing::Length(0) => return Step::Message(message),
                Framing::Length(left) => framing = Framing::Length(left - self.take(&mut message, left)),
                Framing::UntilClose => _ = self.take(&mut message, u64::MAX),
                Framing::Chunk(left) => {
                    let left = left - self.take(&mut message, left);
                    framing = if left == 0 { Framing::ChunkHead } else { Framing::Chunk(left) };
                }
                Framing::ChunkHead => match self.line() {
                    // The line break that ends a chunk reads as an empty line before the next one's size.
                    Some(line) if line.is_empty() => continue,
                    Some(line) => match u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16) {
                        Ok(0) => framing = Framing::Trailer,
                        Ok(size) => framing = Framing::Chunk(size),
                        Err(_) => return Step::Broken,
                    },
                    None => {}
                },
                Framing::Trailer => match self.line() {
                    Some(line) if line.is_empty() => return Step::Message(message),
                    _ => {}
                },
            }
            let stuck = match framing {
                Framing::Length(left) | Framing::Chunk(left) => left > 0 && self.buffer.is_empty(),
                Framing::UntilClose => true,
                Framing::ChunkHead | Framing::Trailer => position(&self.buffer, b"\r\n").is_none(),
            };
            if stuck {
                self.message = Some((message, framing));
                return Step::More;
            }
        }
    }

    /// Moves up to `want` bytes to the body; returns how many.
    fn take(&mut self, message: &mut Message, want: u64) -> u64 {
        let n = self.buffer.len().min(usize::try_from(want).unwrap_or(usize::MAX));
        if message.body.len() + n > BODY_LIMIT {
            self.over = true;
            message.body.clear();
        }
        if self.over {
            self.buffer.drain(..n);
        } else {
            message.body.extend(self.buffer.drain(..n));
        }
        n as u64
    }

    fn line(&mut self) -> Option<String> {
        let end = position(&self.buffer, b"\r\n")?;
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    fn finish(&mut self) -> Option<Message> {
        self.message.take().map(|(message, _)| message)
    }
}

fn parse_head(head: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let start = lines.next()?.to_owned();
    if !start.contains("HTTP/1.") {
        return None;
    }
    let headers = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())))
        .collect::<Option<Vec<_>>>()?;
    Some(Message { start, headers, body: Vec::new() })
}

fn status_of(start: &str) -> u16 {
    start.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// One request of the runner itself, without a body, on a connection of its own.
///
/// # Errors
/// When nobody listens, when the answer takes longer than [`REQUEST_LIMIT`], or when it ends before its time.
pub fn request(socket: &Path, method: &str, path: &str) -> io::Result<Exchange> {
    exchange(UnixStream::connect(socket)?, method, path, b"", REQUEST_LIMIT)
}

/// One request with a JSON body, on a fresh connection that is closed afterwards.
///
/// # Errors
/// When the answer is not whole within `limit`. The server may have heard the request all the same.
pub fn exchange(
    mut stream: UnixStream,
    method: &str,
    path: &str,
    body: &[u8],
    limit: Duration,
) -> io::Result<Exchange> {
    let deadline = Instant::now() + limit;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    if !body.is_empty() {
        head.push_str("Content-Type: application/json\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let sent = [head.as_bytes(), body].concat();
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(&sent)?;
    let mut conversation = Conversation::default();
    conversation.client_sent(&sent);
    let mut chunk = [0; 16 * 1024];
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(rest))?;
        let n = stream.read(&mut chunk)?;
        let done = if n == 0 { conversation.server_closed() } else { conversation.server_sent(&chunk[..n]).pop() };
        match done {
            Some(exchange) => return Ok(exchange),
            None if n == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

/// Whatever a server sends back to these bytes, after which the sending half is closed.
///
/// # Errors
/// When nobody listens, or when the server does not close within [`REQUEST_LIMIT`].
pub fn send(socket: &Path, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    // A server that has refused the beginning does not read the rest.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanges(client: &[u8], server: &[u8], step: usize) -> Vec<Exchange> {
        let mut conversation = Conversation::default();
        client.chunks(step).for_each(|bytes| conversation.client_sent(bytes));
        let mut done: Vec<Exchange> = server.chunks(step).flat_map(|bytes| conversation.server_sent(bytes)).collect();
        done.extend(conversation.server_closed());
        done
    }

    /// Every split of the bytes must give the same exchanges.
    fn check(client: &[u8], server: &[u8], expected: &[(&str, &str, u16, &str)]) {
        for step in 1..client.len().max(server.len()) + 1 {
            let seen = exchanges(client, server, step);
            let seen: Vec<_> = seen
                .iter()
                .map(|e| (e.method.as_str(), e.path.as_str(), e.status, std::str::from_utf8(&e.body).unwrap()))
                .collect();
            assert_eq!(seen, expected, "in pieces of {step} bytes");
        }
    }

    #[test]
    fn keeps_requests_and_responses_of_one_connection_in_step() {
        check(
            b"HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\nPOST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /b?c=1 HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 No\r\n\r\n",
            &[("HEAD", "/_ping", 200, ""), ("POST", "/a", 201, "{}"), ("GET", "/b?c=1", 204, "")],
        );
    }

    #[test]
    fn joins_chunks_and_skips_interim_answers() {
        check(
            b"GET /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nz",
            &[("GET", "/x", 200, "abcde"), ("GET", "/y", 404, "z")],
        );
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection() {
        check(b"GET /x HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nabc", &[("GET", "/x", 200, "abc")]);
    }

    #[test]
    fn looks_away_after_an_upgrade_and_at_garbage() {
        check(
            b"POST /attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 101 UPGRADED\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            &[("POST", "/attach", 101, "")],
        );
        check(b"\x16\x03\x01\r\n\r\n", b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", &[]);
    }

    #[test]
    fn an_early_answer_belongs_to_the_request_that_still_sends() {
        let mut conversation = Conversation::default();
        conversation.client_sent(b"POST /load HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
        let done = conversation.server_sent(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno");
        assert_eq!((done[0].path.as_str(), done[0].status), ("/load", 400));
    }

    #[test]
    fn a_body_over_the_limit_is_dropped_and_the_next_exchange_still_seen() {
        let big = BODY_LIMIT + 1;
        let mut server = format!("HTTP/1.1 200 OK\r\nContent-Length: {big}\r\n\r\n").into_bytes();
        server.resize(server.len() + big, b'x');
        server.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny");
        let seen = exchanges(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", &server, 32 * 1024);
        assert_eq!(seen.iter().map(|e| e.body.as_slice()).collect::<Vec<_>>(), [b"".as_slice(), b"y".as_slice()]);
    }
}
