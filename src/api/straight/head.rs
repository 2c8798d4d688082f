//! Heads of messages, read only as far as passing them on needs.
//!
//! A request that is in any way unusual is left to hyper, which knows what to do with it; so this is strict where it
//! matters that both ends agree on where a message ends, and knows nothing else. Pure functions of bytes.

use httparse::{EMPTY_HEADER, Header, Status};

use super::body::Body;

/// Most fields in the head of a request that goes straight; ordinary ones have about ten.
const MAX_REQUEST_FIELDS: usize = 32;
/// Most fields in the head of an answer: dockerd's have about ten, plugins may add some.
const MAX_ANSWER_FIELDS: usize = 128;

/// What is known of a message's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head<T> {
    /// Not all of it is there.
    Partial,
    /// All of it.
    Whole(T),
    /// Not to be passed on straight.
    Odd,
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// Bytes of the head.
    pub len: usize,
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    pub body: Body,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// Bytes of the head.
    pub len: usize,
    pub status: u16,
    pub body: Body,
    /// The connection ends with this answer.
    pub closes: bool,
    /// Value of `Api-Version`.
    pub api: Option<&'a [u8]>,
    /// Value of `Server`.
    pub server: Option<&'a [u8]>,
    /// Value of `Swarm`, which `/_ping` has.
    pub swarm: Option<&'a [u8]>,
}

/// Reads the head of a request.
pub(super) fn request(bytes: &[u8]) -> Head<Request<'_>> {
    let mut fields = [EMPTY_HEADER; MAX_REQUEST_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let len = match parsed.parse(bytes) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Head::Partial,
        Err(_) => return Head::Odd,
    };
    match (parsed.version, parsed.method, parsed.path) {
        (Some(1), Some(method), Some(target))
            if method != "CONNECT" && target.starts_with('/') && target.is_ascii() =>
        {
            match request_body(parsed.headers) {
                Some(body) => Head::Whole(Request { len, method, target, body }),
                None => Head::Odd,
            }
        }
        _ => Head::Odd,
    }
}

/// The body of a request with one good `Host` and nothing unusual about its connection.
fn request_body(fields: &[Header<'_>]) -> Option<Body> {
    let (mut hosts, mut body) = (0, None);
    for field in fields {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("host") {
            hosts += 1;
            if !field.value.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(byte)) {
                return None;
            }
        } else if is("content-length") || is("transfer-encoding") {
            let described = described(field)?;
            // Two of them, of whatever kind, are one too many.
            if body.replace(described).is_some() {
                return None;
            }
        } else if is("upgrade") || is("expect") || is("trailer") || is("connection") && !is_kept(field) {
            return None;
        }
    }
    (hosts == 1).then(|| body.unwrap_or(Body::Length(0)))
}

fn is_kept(connection: &Header<'_>) -> bool {
    connection.value.eq_ignore_ascii_case(b"keep-alive")
}

/// The body that `Content-Length` or `Transfer-Encoding` describes.
fn described(field: &Header<'_>) -> Option<Body> {
    if field.name.eq_ignore_ascii_case("transfer-encoding") {
        return field.value.eq_ignore_ascii_case(b"chunked").then(Body::chunked);
    }
    // Nineteen digits fit.
    let digits = field.value.len() < 20 && !field.value.is_empty() && field.value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(field.value).ok().filter(|_| digits)?;
    text.parse().ok().map(Body::Length)
}

/// Reads the head of an answer to a request that was, or was not, a `HEAD`.
pub(super) fn answer(bytes: &[u8], to_head: bool) -> Head<Answer<'_>> {
    let mut fields = [EMPTY_HEADER; MAX_ANSWER_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let len = match parsed.parse(bytes) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Head::Partial,
        Err(_) => return Head::Odd,
    };
    let status = parsed.code.unwrap_or_default();
    let mut answer = Answer { len, status, body: Body::ToTheEnd, closes: false, api: None, server: None, swarm: None };
    for field in parsed.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") || is("transfer-encoding") {
            match (described(field), &answer.body) {
                (Some(body), Body::ToTheEnd) => answer.body = body,
                _ => return Head::Odd,
            }
        } else if is("connection") {
            answer.closes |= !is_kept(field);
        } else if is("api-version") {
            answer.api = Some(field.value);
        } else if is("server") {
            answer.server = Some(field.value);
        } else if is("swarm") {
            answer.swarm = Some(field.value);
        }
    }
    // RFC 9112, section 6.3.
    if to_head || matches!(status, 100..=199 | 204 | 304) {
        answer.body = Body::Length(0);
    }
    answer.closes |= parsed.version != Some(1) || answer.body == Body::ToTheEnd;
    Head::Whole(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(fields: &str) -> Option<Body> {
        match request(format!("POST /x?y HTTP/1.1\r\n{fields}\r\n").as_bytes()) {
            Head::Whole(request) => Some(request.body),
            Head::Odd => None,
            Head::Partial => panic!("it is whole"),
        }
    }

    #[test]
    fn ordinary_requests_are_known() {
        let text = b"GET /v1.51/x?y=%20 HTTP/1.1\r\nHost: d\r\n\r\nrest";
        let whole = Request { len: text.len() - 4, method: "GET", target: "/v1.51/x?y=%20", body: Body::Length(0) };
        assert_eq!(request(text), Head::Whole(whole));
        assert_eq!(request(&text[..30]), Head::Partial);
        assert_eq!(body_of("Host: d\r\nContent-Length: 17\r\nConnection: keep-alive\r\n"), Some(Body::Length(17)));
        assert_eq!(body_of("hoSt:\r\nTransfer-Encoding: Chunked\r\n"), Some(Body::chunked()));
    }

    #[test]
    fn unusual_ones_are_left_to_hyper() {
        for fields in [
            "",
            "Host: d\r\nHost: d\r\n",
            "Host: a/b\r\n",
            "Host: d\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
            "Host: d\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Host: d\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Host: d\r\nTransfer-Encoding: gzip, chunked\r\n",
            "Host: d\r\nContent-Length: +1\r\n",
            "Host: d\r\nContent-Length: 1, 1\r\n",
            "Host: d\r\nContent-Length: \r\n",
            "Host: d\r\nContent-Length: 99999999999999999999\r\n",
            "Host: d\r\nConnection: close\r\n",
            "Host: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
            "Host: d\r\nExpect: 100-continue\r\n",
            "Host: d\r\n folded\r\n",
        ] {
            assert_eq!(body_of(fields), None, "{fields}");
        }
        for line in
            ["GET /x HTTP/1.0", "GET http://d/x HTTP/1.1", "CONNECT d:1 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /x"]
        {
            let text = format!("{line}\r\nHost: d\r\n\r\n");
            assert_eq!(request(text.as_bytes()), Head::Odd, "{line}");
        }
    }

    #[test]
    fn the_end_of_an_answer_is_known() {
        let of = |text: &str, to_head| match answer(format!("HTTP/1.1 {text}\r\n\r\n").as_bytes(), to_head) {
            Head::Whole(answer) => Some((answer.body, answer.closes)),
            _ => None,
        };
        assert_eq!(of("200 OK\r\nContent-Length: 5", false), Some((Body::Length(5), false)));
        assert_eq!(of("200 OK\r\nContent-Length: 5", true), Some((Body::Length(0), false)));
        assert_eq!(of("204 No Content", false), Some((Body::Length(0), false)));
        assert_eq!(of("200 OK\r\nTransfer-Encoding: chunked", false), Some((Body::chunked(), false)));
        assert_eq!(of("200 OK", false), Some((Body::ToTheEnd, true)));
        assert_eq!(of("200 OK\r\nContent-Length: 5\r\nConnection: close", false), Some((Body::Length(5), true)));
        assert_eq!(of("200 OK\r\nContent-Length: 5\r\nContent-Length: 6", false), None);
        assert_eq!(answer(b"HTTP/1.1 200", false), Head::Partial);
        assert_eq!(answer(b"SSH-2.0\r\n\r\n", false), Head::Odd);
    }
}
