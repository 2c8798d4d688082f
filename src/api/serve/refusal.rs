//! Requests that Go's HTTP server refuses before dockerd sees them (`net/http: readRequest`, `conn.readRequest`), in its
//! words. hyper takes them. Only [`super`] asks, for every request, so nothing here allocates unless it refuses.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Request, StatusCode, Version};
use hyper::ext::ReasonPhrase;

const MALFORMED: &str = "Bad Request";
const NO_HOST: &str = "Bad Request: missing required Host header";
const BAD_HOST: &str = "Bad Request: malformed Host header";

/// The refusal of a request, if there is one. The connection ends with it.
pub(super) fn of<B>(request: &Request<B>) -> Option<Response> {
    let reason = reason(request)?;
    let mut response = Response::new(Body::from(format!("{} {reason}", StatusCode::BAD_REQUEST.as_str())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

fn reason<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || !is_escaped_well(request.uri().path()) {
        return Some(MALFORMED);
    }
    match host {
        None if request.version() >= Version::HTTP_11 => Some(NO_HOST),
        Some(host) if !host.as_bytes().iter().all(|byte| is_of_host(*byte)) => Some(BAD_HOST),
        _ => None,
    }
}

/// Whether each `%` of a path begins an escape.
fn is_escaped_well(path: &str) -> bool {
    let mut parts = path.as_bytes().split(|byte| *byte == b'%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

/// `golang.org/x/net/http/httpguts.ValidHostHeader`
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(version: Version, path: &str, hosts: &[&[u8]]) -> Option<&'static str> {
        let mut request = Request::builder().version(version).uri(path);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        reason(&request.body(()).expect("a request"))
    }

    /// Recorded from dockerd 28.5.2.
    #[test]
    fn a_host_is_needed_and_must_be_one() {
        let of = |version, hosts: &[&[u8]]| reason_of(version, "/swarm", hosts);
        assert_eq!(of(Version::HTTP_11, &[]), Some(NO_HOST));
        assert_eq!(of(Version::HTTP_10, &[]), None);
        for host in [&b""[..], b"d", b"localhost:2375", b"[::1]:2375", b"!$%&'()*+,-.:;=[]_~"] {
            assert_eq!(of(Version::HTTP_11, &[host]), None);
        }
        for byte in b"\t \"#/<>?@\\^`{|}\x80\xff" {
            assert_eq!(of(Version::HTTP_11, &[&[b'a', *byte, b'b']]), Some(BAD_HOST), "{byte}");
            assert_eq!(of(Version::HTTP_10, &[&[b'a', *byte, b'b']]), Some(BAD_HOST), "{byte}");
        }
        assert_eq!(of(Version::HTTP_11, &[b"d", b"d"]), Some(MALFORMED));
        assert_eq!(of(Version::HTTP_10, &[b"d", b"d"]), Some(MALFORMED));
    }

    #[test]
    fn escapes_of_a_path_are_whole() {
        for path in ["/services/%", "/services/a%2", "/services/%zz", "/%2/services", "/services/%z?x"] {
            assert_eq!(reason_of(Version::HTTP_11, path, &[b"d"]), Some(MALFORMED), "{path}");
        }
        for path in ["/services/%2F", "/services/%ff%00", "/services?filters=%zz", "*"] {
            assert_eq!(reason_of(Version::HTTP_11, path, &[b"d"]), None, "{path}");
        }
    }
}
