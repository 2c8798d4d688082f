//! What is done about a request's head before hyper sees it: those that Go's HTTP server refuses (`net/http: readRequest`,
//! `conn.readRequest`) are refused in its words, and a target that Go takes and `http::Uri` does not is escaped. Pure
//! functions of bytes; [`super::entry`] calls [`judge`]. Words are recorded from dockerd 28.5.2.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::Uri;
use httparse::{Error, Header, Status};

use super::lenient::{self, Anew};
use crate::api::proxy::MAX_HEAD;
use crate::api::straight::Body;
use crate::api::version;
use crate::api::way::is_native;

/// Most fields in the head of a request, `Host` among them: as many as Go's server takes.
/// BuildKit announces each of its methods in a field of its own.
pub(super) const MAX_FIELDS: usize = 500;

/// Longest target that the router takes: `http::Uri` counts in 16 bits. Go's limit is that of the head.
pub(in crate::api) const MAX_TARGET: usize = 65_534;
/// The field in which a longer query of Gam's own comes to the router; a client's of this name goes nowhere.
pub(super) const LONG_QUERY: &str = "gam-long-query";

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
const BAD_NAME: Refusal = refusal("400 Bad Request: invalid header name");
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
    match parse(bytes, ended) {
        // What Go reads and the parser does not.
        Judged::Refused(refusal) if refusal == MALFORMED || refusal == OTHER_VERSION => match lenient::anew(bytes) {
            // As it came: folds may join to next to nothing, however long they go on.
            Some(anew) if anew.len.unwrap_or(bytes.len()) > MAX_HEAD => Judged::Refused(TOO_LONG),
            Some(anew) => judge_anew(&anew, ended),
            None => Judged::Refused(refusal),
        },
        judged => judged,
    }
}

/// Judges a head in another spelling than it came in.
fn judge_anew(anew: &Anew, ended: bool) -> Judged {
    match (parse(&anew.bytes, ended), anew.len) {
        (Judged::Whole { .. }, Some(_)) if anew.has_bad_name => Judged::Refused(BAD_NAME),
        (Judged::Whole { len, spelled, body }, Some(before)) if len == anew.bytes.len() => {
            Judged::Whole { len: before, spelled: Some(spelled.unwrap_or_else(|| anew.bytes.clone())), body }
        }
        // Where the two ends are not the same it is not known what follows.
        (Judged::Whole { .. }, _) => Judged::Refused(MALFORMED),
        (judged, _) => judged,
    }
}

fn parse(bytes: &[u8], ended: bool) -> Judged {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    // Empty lines before a request are skipped by the parser.
    let result = if bytes.starts_with(b"\r") || bytes.starts_with(b"\n") {
        Err(Error::Token)
    } else {
        parsed.parse_with_uninit_headers(bytes, &mut fields)
    };
    let len = match result {
        Ok(Status::Complete(len)) if len > MAX_HEAD => return Judged::Refused(TOO_LONG),
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if bytes.len() > MAX_HEAD => return Judged::Refused(TOO_LONG),
        Ok(Status::Partial) if ended => return Judged::Refused(MALFORMED),
        Ok(Status::Partial) => return Judged::Partial,
        Err(Error::TooManyHeaders) => return Judged::Refused(TOO_LONG),
        // The parser has seen enough of the version, but the line may go on.
        Err(Error::Version) if !ended && bytes.len() <= MAX_HEAD && !bytes.contains(&b'\n') => return Judged::Partial,
        Err(Error::Version) if is_versioned(bytes) => return Judged::Refused(OTHER_VERSION),
        Err(_) => return Judged::Refused(MALFORMED),
    };
    judge_parsed(&parsed, len).unwrap_or_else(Judged::Refused)
}

fn judge_parsed(parsed: &httparse::Request<'_, '_>, len: usize) -> Result<Judged, Refusal> {
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let target_anew = spelled(method, target)?;
    let framing = Framing::of(parsed.headers, parsed.version)?;
    check_host(parsed.headers, parsed.version)?;
    check_expectation(parsed.headers)?;
    let keeps = |field: &Header<'_>| framing.keeps(field) && !field.name.eq_ignore_ascii_case(LONG_QUERY);
    let is_as_it_is = target_anew.is_none() && parsed.headers.iter().all(keeps);
    let spelled = (!is_as_it_is).then(|| {
        let target = target_anew.as_deref().unwrap_or(target);
        let (target, query) = if target.len() > MAX_TARGET { cut(target) } else { (target, None) };
        let mut head = format!("{method} {target} HTTP/1.").into_bytes();
        head.extend_from_slice(if parsed.version == Some(0) { b"0\r\n" } else { b"1\r\n" });
        if let Some(query) = query {
            head.extend_from_slice(&[LONG_QUERY.as_bytes(), b": ", query.as_bytes(), b"\r\n"].concat());
        }
        for field in parsed.headers.iter().filter(|field| keeps(field)) {
            head.extend_from_slice(&[field.name.as_bytes(), b": ", field.value, b"\r\n"].concat());
        }
        head.extend_from_slice(b"\r\n");
        head
    });
    Ok(Judged::Whole { len, spelled, body: framing.body })
}

/// Whether a request line is one of some version of HTTP.
fn is_versioned(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let mut words = line.split(|byte| *byte == b' ');
    matches!((words.nth(2), words.next()), (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// A target as `http::Uri` takes it, if it has to be spelled anew.
fn spelled(method: &str, target: &str) -> Result<Option<String>, Refusal> {
    if method == "CONNECT" || target == "*" {
        return Ok(None);
    }
    if target.len() > MAX_TARGET && !may_be_cut(target) {
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
        Err(_) if may_be_cut(&escaped) && escaped.len() <= MAX_HEAD => Ok(Some(escaped)),
        Err(_) if escaped.len() > MAX_TARGET => Err(TARGET_TOO_LONG),
        Err(_) => Err(MALFORMED),
    }
}

/// A target as path and query.
fn cut(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// Whether a target's query can come to the router apart from it.
fn may_be_cut(target: &str) -> bool {
    let (path, query) = cut(target);
    query.is_some() && path.len() <= MAX_TARGET && is_native(path)
}

/// Whether each `%` of a path begins an escape.
fn is_escaped_well(path: &str) -> bool {
    let mut parts = path.as_bytes().split(|byte| *byte == b'%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

/// How the end of a request is told (`net/http: transferReader`).
struct Framing {
    body: Body,
    /// There are fields about it that count for nothing, and so do not go on: whoever reads them next may think
    /// otherwise.
    is_coding_void: bool,
    is_length_void: bool,
}

impl Framing {
    fn of(fields: &[Header<'_>], version: Option<u8>) -> Result<Framing, Refusal> {
        let mut codings = values(fields, "transfer-encoding");
        let is_chunked = match codings.next() {
            // HTTP/1.0 knows of none.
            None => false,
            Some(_) if version == Some(0) => false,
            Some(coding) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => true,
            Some(_) => return Err(OTHER_CODING),
        };
        let length = length(fields)?;
        Ok(Framing {
            body: if is_chunked { Body::chunked() } else { Body::Length(length.unwrap_or(0)) },
            is_coding_void: version == Some(0) && values(fields, "transfer-encoding").next().is_some(),
            // One beside chunks goes on: hyper drops it, and ends the connection, as there may be two opinions of it.
            is_length_void: length.is_none() && values(fields, "content-length").next().is_some(),
        })
    }

    /// Whether a field goes on. A client that believes in its coding is not asked for another request, as bytes of its
    /// body would be taken for one: without its wish HTTP/1.0 ends a connection after the answer.
    fn keeps(&self, field: &Header<'_>) -> bool {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        !(self.is_coding_void && (is("transfer-encoding") || is("connection") || is("keep-alive"))
            || self.is_length_void && is("content-length"))
    }
}

/// The values of the fields of a name.
fn values<'a>(fields: &'a [Header<'a>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// `Content-Length`; more than one must be spelled the same. It fits 63 bits. An empty one is none.
fn length(fields: &[Header<'_>]) -> Result<Option<u64>, Refusal> {
    let mut values = values(fields, "content-length");
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) || !first.iter().all(u8::is_ascii_digit) {
        return Err(MALFORMED);
    }
    if first.is_empty() {
        return Ok(None);
    }
    let length = std::str::from_utf8(first).ok().and_then(|text| text.parse::<i64>().ok());
    length.and_then(|length| u64::try_from(length).ok()).map(Some).ok_or(MALFORMED)
}

fn check_expectation(fields: &[Header<'_>]) -> Result<(), Refusal> {
    let expected = values(fields, "expect").next().unwrap_or_default();
    if expected.is_empty() || expected.eq_ignore_ascii_case(b"100-continue") { Ok(()) } else { Err(NOT_EXPECTED) }
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

    fn spelled_anew(head: &str) -> (String, Body) {
        match judge(format!("{head}more").as_bytes(), false) {
            Judged::Whole { len, spelled: Some(spelled), body } if len == head.len() => {
                (String::from_utf8(spelled).expect("text"), body)
            }
            other => panic!("{head}: {other:?}"),
        }
    }

    #[test]
    fn what_only_go_reads_is_spelled_for_hyper() {
        for (head, spelled) in [
            ("GET /x HTTP/1.1\r\nHost: d\r\nA: b\r\n\tc\r\n\r\n", "GET /x HTTP/1.1\r\nHost: d\r\nA: b c\r\n\r\n"),
            ("GET /x HTTP/1.1\r\nHost:\r\n d\r\n\r\n", "GET /x HTTP/1.1\r\nHost: d\r\n\r\n"),
            ("GET /x HTTP/1.7\r\nHost: d\r\n\r\n", "GET /x HTTP/1.1\r\nHost: d\r\n\r\n"),
            ("GET /x?\" HTTP/1.2\r\nHost:\n d\n\n", "GET /x?%22 HTTP/1.1\r\nHost: d\r\n\r\n"),
            ("GET /x HTTP/1.1\r\nHost: d\r\nGAM-long-query: a\r\n\r\n", "GET /x HTTP/1.1\r\nHost: d\r\n\r\n"),
        ] {
            assert_eq!(spelled_anew(head), (spelled.into(), Body::Length(0)));
        }
        // Each piece of it is waited for.
        let head = "POST /x HTTP/1.2\r\nHost: d\r\nContent-Length:\r\n 5\r\n\r\n";
        for at in 0..head.len() {
            assert_eq!(judge(&head.as_bytes()[..at], false), Judged::Partial, "{at}");
        }
        assert_eq!(spelled_anew(head).1, Body::Length(5));
        for text in [" A: b", "A\r\n : b", "A: b\r\r\n c", "Content-Length: 1\r\n 0", "Content-Length: 1,\r\n 1"] {
            assert_eq!(refused(format!("GET /x HTTP/1.1\r\n{text}\r\nHost: d\r\n\r\n")), Some(MALFORMED), "{text}");
        }
        assert_eq!(fields("Transfer-Encoding: chun\r\n ked"), Some(OTHER_CODING));
        assert_eq!(fields("Transfer-Encoding: chunked\r\n \t"), Some(OTHER_CODING), "with a blank at its end");
        assert_eq!(refused("GET /x HTTP/1.1\r\nHost: d\r\n \r\n\r\n"), Some(BAD_HOST));
        assert_eq!(refused("GET /x HTTP/1.1\r\nHost:\r\n \r\n d\r\n\r\n"), None);
        assert_eq!(fields("Content-Length: 5\r\n \r\n \r\nX: y\r\n "), None);
        for name in ["X ", "X Y", "Content-Length "] {
            assert_eq!(fields(&format!("{name}: a")), Some(BAD_NAME), "{name}");
        }
        assert_eq!(fields("X Y: a\r\nZ"), Some(MALFORMED));
        assert_eq!(fields("X\t: a"), Some(MALFORMED));
        assert_eq!(refused("GET /x HTTP/1.1\r\nHost : d\r\n\r\n"), Some(NO_HOST));
        assert_eq!(refused("GET /x HTTP/1.2\r\n\r\n"), Some(NO_HOST));
        let many = format!("GET /x HTTP/1.1\r\nHost: d\r\n{}", "X: y\r\n z\r\n".repeat(600));
        assert_eq!(refused(many), Some(TOO_LONG));
        let long = format!("GET /x HTTP/1.1\r\nHost: d\r\nX: y\r\n {}", "z".repeat(MAX_HEAD));
        assert_eq!(judge(long.as_bytes(), false), Judged::Refused(TOO_LONG));
    }

    #[test]
    fn a_folded_head_is_as_long_as_it_came() {
        for fold in [" ", " \r\n"] {
            let endless = format!("GET / HTTP/1.1\r\nHost: d\r\nA: b\r\n {}", fold.repeat(MAX_HEAD));
            assert_eq!(judge(&endless.as_bytes()[..MAX_HEAD], false), Judged::Partial);
            assert_eq!(judge(&endless.as_bytes()[..=MAX_HEAD], false), Judged::Refused(TOO_LONG));
            assert_eq!(refused(format!("{endless}\r\n\r\n")), Some(TOO_LONG));
        }
        // What follows a head is not of it.
        let rest = "x".repeat(MAX_HEAD);
        assert_eq!(refused(format!("GET / HTTP/1.1\r\nHost: d\r\nA: b\r\n c\r\n\r\n{rest}")), None);
    }

    /// Whoever reads them next may believe otherwise.
    #[test]
    fn fields_that_count_for_nothing_do_not_go_on() {
        let old =
            "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
        let spelled = "POST /x HTTP/1.0\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(spelled_anew(old), (spelled.into(), Body::Length(3)));
        let both = "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length:\r\nTransfer-Encoding: chunked\r\n\r\n";
        let spelled = "POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(spelled_anew(both), (spelled.into(), Body::chunked()));
        let empty = "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length:\r\nContent-Length: \r\n\r\n";
        assert_eq!(spelled_anew(empty), ("POST /x HTTP/1.1\r\nHost: d\r\n\r\n".into(), Body::Length(0)));
        for text in ["1\r\nContent-Length: 01", "\r\nContent-Length: 0", "9223372036854775808", "+1", "1_0"] {
            assert_eq!(fields(&format!("Content-Length: {text}")), Some(MALFORMED), "{text}");
        }
        assert_eq!(fields("Content-Length: x\r\nTransfer-Encoding: gzip"), Some(OTHER_CODING));
        assert_eq!(
            refused("POST /x HTTP/1.0\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Some(MALFORMED)
        );
    }

    #[test]
    fn a_long_query_of_gams_own_goes_beside_the_target() {
        let query = format!("filters=\"{}", "x".repeat(MAX_TARGET));
        let (head, _) = spelled_anew(&format!("GET /v1.51/services?{query} HTTP/1.1\r\nHost: d\r\n\r\n"));
        let query = query.replace('"', "%22");
        assert_eq!(head, format!("GET /v1.51/services HTTP/1.1\r\n{LONG_QUERY}: {query}\r\nHost: d\r\n\r\n"));
        for target in [format!("/networks?{query}"), format!("/services/{query}"), format!("/services/%2e?{query}")] {
            assert_eq!(line(&format!("GET {target} HTTP/1.1")), Some(TARGET_TOO_LONG));
        }
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
        for text in ["X", ": a", "X: a\0", "Content-Length: x", "Content-Length: 1\r\nContent-Length: 2"] {
            assert_eq!(fields(text), Some(MALFORMED), "{text}");
        }
        assert_eq!(fields(" X: a"), Some(BAD_HOST), "the field before goes on");
        for text in ["gzip", "identity", "gzip, chunked", "chunked\r\nTransfer-Encoding: chunked"] {
            assert_eq!(fields(&format!("Transfer-Encoding: {text}")), Some(OTHER_CODING), "{text}");
        }
        for (length, refusal) in [(MAX_TARGET - 1, None), (MAX_TARGET, Some(TARGET_TOO_LONG))] {
            assert_eq!(line(&format!("GET /{} HTTP/1.1", "x".repeat(length))), refusal);
        }
        let quotes = "\"".repeat(MAX_TARGET / 2);
        assert_eq!(line(&format!("GET /?{quotes} HTTP/1.1")), Some(TARGET_TOO_LONG));
        assert_eq!(line(&format!("GET /services?{quotes} HTTP/1.1")), None);
        assert_eq!(line(&format!("GET /services?{} HTTP/1.1", "\"".repeat(MAX_HEAD / 2))), Some(TARGET_TOO_LONG));
        assert_eq!(fields("Expect: bogus"), Some(NOT_EXPECTED));
        assert_eq!(fields("Expect: 100-continue\r\nContent-Length: 0\r\nContent-Length: 0"), None);
        assert_eq!(fields(&"X: y\r\n".repeat(600)), Some(TOO_LONG));
        let head = |length| format!("GET /x HTTP/1.1\r\nHost: d\r\nX: {}\r\n\r\n", "y".repeat(length));
        let longest = MAX_HEAD - head(0).len();
        assert_eq!((refused(head(longest)), refused(head(longest + 1))), (None, Some(TOO_LONG)));
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
