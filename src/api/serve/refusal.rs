//! What is done about a request's head before hyper sees it: those that Go's HTTP server refuses (`net/http: readRequest`,
//! `conn.readRequest`) are refused in its words, and a target that Go takes and `http::Uri` does not is escaped. Pure
//! functions of bytes; [`super::entry`] calls [`judge`]. Words are recorded from dockerd 28.5.2.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::Uri;
use httparse::{Error, Header, Status};

use crate::api::proxy::MAX_HEAD;
use crate::api::straight::Body;
use crate::api::version;

/// Most fields in the head of a request, `Host` among them: as many as Go's server takes.
/// BuildKit announces each of its methods in a field of its own.
pub(super) const MAX_FIELDS: usize = 500;

/// Longest target that the router takes: `http::Uri` counts in 16 bits. Go's limit is that of the head.
pub(in crate::api) const MAX_TARGET: usize = 65_534;

/// What becomes of a head.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// Not all of it is there.
    Partial,
    /// It goes on.
    Whole {
        /// Bytes of the head.
        len: usize,
        /// What goes on in its place.
        spelled: Option<Vec<u8>>,
        /// What follows it.
        body: Body,
    },
    /// It does not.
    Refused(Refusal),
}

/// An answer that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Refusal {
    status: &'static str,
    /// What the body says; the status again if this is empty.
    text: &'static str,
}

const fn refusal(status: &'static str) -> Refusal {
    Refusal { status, text: "" }
}

const MALFORMED: Refusal = refusal("400 Bad Request");
const NO_HOST: Refusal = refusal("400 Bad Request: missing required Host header");
const BAD_HOST: Refusal = refusal("400 Bad Request: malformed Host header");
const TARGET_TOO_LONG: Refusal = Refusal {
    status: "414 URI Too Long",
    text: "the path and query of this call are longer than the 65534 bytes that Gam takes",
};
const TOO_LONG: Refusal = refusal("431 Request Header Fields Too Large");
const OTHER_VERSION: Refusal = refusal("505 HTTP Version Not Supported: unsupported protocol version");
const OTHER_CODING: Refusal = Refusal { status: "501 Not Implemented", text: "Unsupported transfer encoding" };
const NOT_EXPECTED: Refusal = refusal("417 Expectation Failed");

impl Refusal {
    /// As bytes.
    pub(super) fn answer(self) -> Bytes {
        let Refusal { status, text } = self;
        if self == NOT_EXPECTED {
            let date = version::http_date(time::OffsetDateTime::now_utc());
            return format!("HTTP/1.1 {status}\r\nConnection: close\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n")
                .into();
        }
        let text = if text.is_empty() { status } else { text };
        let kind = "text/plain; charset=utf-8";
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n{text}").into()
    }
}

/// Judges the head at the start of these bytes, after which nothing comes if they have ended.
pub(super) fn judge(bytes: &[u8], ended: bool) -> Judged {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    // Empty lines before a request are skipped by the parser.
    let result = if bytes.starts_with(b"\r") || bytes.starts_with(b"\n") {
        Err(Error::Token)
    } else {
        parsed.parse_with_uninit_headers(bytes, &mut fields)
    };
    let len = match result {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if bytes.len() > MAX_HEAD => return Judged::Refused(TOO_LONG),
        Ok(Status::Partial) if ended => return Judged::Refused(MALFORMED),
        Ok(Status::Partial) => return Judged::Partial,
        Err(Error::TooManyHeaders) => return Judged::Refused(TOO_LONG),
        Err(Error::Version) if is_versioned(bytes) => return Judged::Refused(OTHER_VERSION),
        Err(_) => return Judged::Refused(MALFORMED),
    };
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let of_fields = body(parsed.headers, parsed.version).and_then(|body| {
        check_host(parsed.headers, parsed.version)?;
        Ok(body)
    });
    match spelled(method, target).and_then(|target| Ok((target, of_fields?))) {
        Err(refusal) => Judged::Refused(refusal),
        Ok((None, body)) => Judged::Whole { len, spelled: None, body },
        Ok((Some(other), body)) => {
            let Range { start, end } = place(bytes, target.as_bytes());
            let spelled = [&bytes[..start], other.as_bytes(), &bytes[end..len]].concat();
            Judged::Whole { len, spelled: Some(spelled), body }
        }
    }
}

/// Whether a request line is one of some version of HTTP.
fn is_versioned(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let mut words = line.split(|byte| *byte == b' ');
    matches!((words.nth(2), words.next()), (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Where a part of these bytes stands.
fn place(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    start..start + part.len()
}

/// A target as `http::Uri` takes it, if it has to be spelled anew.
fn spelled(method: &str, target: &str) -> Result<Option<String>, Refusal> {
    if method == "CONNECT" || target == "*" {
        return Ok(None);
    }
    if target.len() > MAX_TARGET {
        return Err(TARGET_TOO_LONG);
    }
    let path = target.split('?').next().unwrap_or_default();
    if !(target.starts_with('/') || target.contains("://")) || !is_escaped_well(path) {
        return Err(MALFORMED);
    }
    // To Go, `#` is a character like others in a request.
    if !target.contains('#') && target.parse::<Uri>().is_ok() {
        return Ok(None);
    }
    let mut escaped = String::with_capacity(target.len() + 32);
    for byte in target.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    match escaped.parse::<Uri>() {
        Ok(_) => Ok(Some(escaped)),
        Err(_) if escaped.len() > MAX_TARGET => Err(TARGET_TOO_LONG),
        Err(_) => Err(MALFORMED),
    }
}

/// Whether each `%` of a path begins an escape.
fn is_escaped_well(path: &str) -> bool {
    let mut parts = path.as_bytes().split(|byte| *byte == b'%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

/// The body that the fields announce.
fn body(fields: &[Header<'_>], version: Option<u8>) -> Result<Body, Refusal> {
    let (mut length, mut chunked) = (None, false);
    for field in fields {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("transfer-encoding") {
            if chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err(OTHER_CODING);
            }
            chunked = true;
        } else if is("content-length") {
            let value = std::str::from_utf8(field.value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let value: u64 = value.and_then(|text| text.parse().ok()).ok_or(MALFORMED)?;
            if length.replace(value).is_some_and(|before| before != value) {
                return Err(MALFORMED);
            }
        } else if is("expect") && !field.value.eq_ignore_ascii_case(b"100-continue") {
            return Err(NOT_EXPECTED);
        }
    }
    match chunked {
        true if version == Some(0) => Err(MALFORMED),
        true => Ok(Body::chunked()),
        false => Ok(Body::Length(length.unwrap_or(0))),
    }
}

/// HTTP/1.1 wants a host; Go wants it to be one.
fn check_host(fields: &[Header<'_>], version: Option<u8>) -> Result<(), Refusal> {
    let mut hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(MALFORMED);
    }
    match host {
        None if version != Some(0) => Err(NO_HOST),
        Some(host) if !host.value.iter().all(|byte| is_of_host(*byte)) => Err(BAD_HOST),
        _ => Ok(()),
    }
}

/// `golang.org/x/net/http/httpguts.ValidHostHeader`
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(head: impl AsRef<[u8]>) -> Option<Refusal> {
        match judge(head.as_ref(), true) {
            Judged::Refused(refusal) => Some(refusal),
            Judged::Whole { .. } => None,
            Judged::Partial => panic!("nothing more comes"),
        }
    }

    fn line(line: &str) -> Option<Refusal> {
        refused(format!("{line}\r\nHost: d\r\n\r\n"))
    }

    fn fields(fields: &str) -> Option<Refusal> {
        refused(format!("POST /x HTTP/1.1\r\nHost: d\r\n{fields}\r\n\r\n"))
    }

    #[test]
    fn a_host_is_needed_and_must_be_one() {
        let of = |version: &str, hosts: &[&[u8]]| {
            let mut head = format!("GET /swarm HTTP/{version}\r\n").into_bytes();
            for host in hosts {
                head.extend([b"Host: ", *host, b"\r\n"].concat());
            }
            head.extend(b"\r\n");
            refused(head)
        };
        assert_eq!(of("1.1", &[]), Some(NO_HOST));
        assert_eq!(of("1.0", &[]), None);
        for host in [&b""[..], b"d", b"localhost:2375", b"[::1]:2375", b"!$%&'()*+,-.:;=[]_~"] {
            assert_eq!(of("1.1", &[host]), None);
        }
        for byte in b"\t \"#/<>?@\\^`{|}\x80\xff" {
            assert_eq!(of("1.1", &[&[b'a', *byte, b'b']]), Some(BAD_HOST), "{byte}");
            assert_eq!(of("1.0", &[&[b'a', *byte, b'b']]), Some(BAD_HOST), "{byte}");
        }
        assert_eq!(of("1.1", &[b"d", b"d"]), Some(MALFORMED));
        assert_eq!(of("1.0", &[b"d", b"d"]), Some(MALFORMED));
    }

    #[test]
    fn escapes_of_a_path_are_whole() {
        for path in ["/services/%", "/services/a%2", "/services/%zz", "/%2/services", "/services/%z?x"] {
            assert_eq!(line(&format!("GET {path} HTTP/1.1")), Some(MALFORMED), "{path}");
        }
        for path in ["/services/%2F", "/services/%ff%00", "/services?filters=%zz", "*"] {
            assert_eq!(line(&format!("GET {path} HTTP/1.1")), None, "{path}");
        }
    }

    #[test]
    fn what_go_takes_in_a_target_is_escaped_for_hyper() {
        for (target, escaped) in [
            (r#"/services?filters={"name":["x"]}"#, r#"/services?filters=%7B%22name%22:[%22x%22]%7D"#),
            ("/services?a<b>%20", "/services?a%3Cb%3E%20"),
            ("/services#x", "/services%23x"),
            ("/services?a#x", "/services?a%23x"),
            ("/services/a\\^`\"", "/services/a%5C%5E%60%22"),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nhOST: d\r\n\r\n");
            let spelled = format!("GET {escaped} HTTP/1.1\r\nhOST: d\r\n\r\n").into_bytes();
            let whole = Judged::Whole { len: head.len(), spelled: Some(spelled), body: Body::Length(0) };
            assert_eq!(judge(format!("{head}more").as_bytes(), false), whole);
        }
        for target in ["/v1.41/services?filters=%7B%7D", "/services?x={}|^`", "http://d/x"] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n");
            let whole = Judged::Whole { len: head.len(), spelled: None, body: Body::Length(0) };
            assert_eq!(judge(head.as_bytes(), false), whole);
        }
        // Nothing of UTF-8 is lost.
        let Judged::Whole { spelled, .. } =
            judge("GET /services?\u{e9}\" HTTP/1.1\r\nHost: d\r\n\r\n".as_bytes(), false)
        else {
            panic!("whole");
        };
        assert!(spelled.is_some_and(|head| head.starts_with(b"GET /services?%C3%A9%22 HTTP/1.1\r\n")));
    }

    #[test]
    fn what_is_no_request_is_refused_in_gos_words() {
        for text in ["GET /x", "GET  /x HTTP/1.1", "GET x HTTP/1.1", "G@T /x HTTP/1.1", "GET /a b HTTP/1.1", "garbage"]
        {
            assert_eq!(line(text), Some(MALFORMED), "{text}");
        }
        for text in ["\r\nGET /x HTTP/1.1", "\nGET /x HTTP/1.1", " GET /x HTTP/1.1", "GET /\x7f HTTP/1.1"] {
            assert_eq!(line(text), Some(MALFORMED), "{text}");
        }
        assert_eq!(line("GET /x HTTP/2.0"), Some(OTHER_VERSION));
        assert_eq!(line("GET /x HTTP/0.9"), Some(OTHER_VERSION));
        for text in ["X", ": a", "X: a\0", " X: a", "Content-Length: x", "Content-Length: 1\r\nContent-Length: 2"] {
            assert_eq!(fields(text), Some(MALFORMED), "{text}");
        }
        for text in ["gzip", "identity", "gzip, chunked", "chunked\r\nTransfer-Encoding: chunked"] {
            assert_eq!(fields(&format!("Transfer-Encoding: {text}")), Some(OTHER_CODING), "{text}");
        }
        for (length, refusal) in [(MAX_TARGET - 1, None), (MAX_TARGET, Some(TARGET_TOO_LONG))] {
            assert_eq!(line(&format!("GET /{} HTTP/1.1", "x".repeat(length))), refusal);
        }
        let quotes = "\"".repeat(MAX_TARGET / 2);
        assert_eq!(line(&format!("GET /?{quotes} HTTP/1.1")), Some(TARGET_TOO_LONG));
        assert_eq!(fields("Expect: bogus"), Some(NOT_EXPECTED));
        assert_eq!(fields("Expect: 100-continue\r\nContent-Length: 0\r\nContent-Length: 0"), None);
        assert_eq!(fields(&"X: y\r\n".repeat(600)), Some(TOO_LONG));
        assert_eq!(fields(&format!("X: {}", "y".repeat(MAX_HEAD))), None);
        assert_eq!(judge(&[b'x'; MAX_HEAD + 1], false), Judged::Refused(TOO_LONG));
    }

    #[test]
    fn a_head_that_breaks_off_is_malformed() {
        for text in ["G", "GET /x HTTP/1.1\r\nHost: d\r\n"] {
            assert_eq!(judge(text.as_bytes(), false), Judged::Partial);
            assert_eq!(judge(text.as_bytes(), true), Judged::Refused(MALFORMED));
        }
    }
}
