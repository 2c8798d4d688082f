//! The managers that a user names for a join: how their addresses are read, this host's own address on the way to them, and
//! why they cannot be reached, in the words of Go's `net` and gRPC, which dockerd hands through.

use std::io;
use std::net::{IpAddr, SocketAddr};

use gam_core::error::Error;
use gam_rpc::RpcError;
use tokio::net::UdpSocket;

use super::addresses::DEFAULT_PORT;
use crate::manager::chain;

/// Bytes that a URL takes in a host beside letters and digits (Go's `net/url`).
const HOST_BYTES: &[u8] = b"-_.~!$&'()*+,;=:<>\"%";

/// What dockerd makes of the addresses before it looks at anything else: a missing port is Docker's, and what cannot be read
/// stays as it is, to fail later (moby `validateAddr`).
pub(super) fn complete(given: &[String]) -> Result<Vec<String>, Error> {
    if given.is_empty() {
        return Err(Error::invalid("at least 1 RemoteAddr is required to join"));
    }
    if given.iter().any(String::is_empty) {
        return Err(Error::invalid("invalid remoteAddr \"\": invalid empty address"));
    }
    Ok(given.iter().map(|address| completed(address).unwrap_or_else(|| address.clone())).collect())
}

/// `host:port` of what is well-formed.
fn completed(given: &str) -> Option<String> {
    let rest = given.strip_prefix("tcp://").unwrap_or(given);
    let (host, port) = match rest.strip_prefix('[') {
        Some(inside) => match inside.split_once(']')? {
            (host, "") => (host, ""),
            (host, after) => (host, after.strip_prefix(':')?),
        },
        // Docker takes the end of a bare IPv6 address for a port.
        None if rest.parse::<IpAddr>().is_ok() => (rest, ""),
        None => rest.rsplit_once(':').unwrap_or((rest, "")),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || HOST_BYTES.contains(&byte);
    if !host.bytes().all(is_host) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let default = DEFAULT_PORT.to_string();
    let port = if port.is_empty() { &default } else { port };
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// Host and port of an address that can be dialled.
fn split(address: &str) -> Result<(&str, u16), String> {
    let wrong = |why: &str| format!("address {address}: {why}");
    let (before, port) = address.rsplit_once(':').ok_or_else(|| wrong("missing port in address"))?;
    let host = match before.strip_prefix('[') {
        Some(_) if !address.contains(']') => return Err(wrong("missing ']' in address")),
        Some(inside) => inside.strip_suffix(']').ok_or_else(|| wrong("too many colons in address"))?,
        None if before.contains(':') => return Err(wrong("too many colons in address")),
        None => before,
    };
    let port = port.parse().map_err(|_| {
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { format!("address {port}: invalid port") } else { format!("lookup udp/{port}: unknown port") }
    })?;
    Ok((host, port))
}

/// This host's address on the way to a manager.
pub(super) async fn own_address(remote: &str) -> Result<IpAddr, Error> {
    let (host, port) = split(remote).map_err(|why| no_way(&why))?;
    let unknown = || no_way(&format!("lookup {host}: no such host"));
    if !may_be_host(host) {
        return Err(unknown());
    }
    let found = tokio::net::lookup_host((host, port)).await.ok().and_then(|mut found| found.next());
    let to = found.ok_or_else(unknown)?;
    source(to).await.map_err(|error| no_way(&format!("{to}: connect: {}", words(&error))))
}

/// Whether it is worth asking a resolver, which may take its time.
fn may_be_host(host: &str) -> bool {
    let is_address = host.split('%').next().is_some_and(|address| address.parse::<IpAddr>().is_ok());
    is_address || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Sends nothing: connecting UDP only asks for the route.
async fn source(to: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket.local_addr()?.ip())
}

fn no_way(why: &str) -> Error {
    Error::internal(format!("could not find local IP address: dial udp: {why}"))
}

/// What a user is told of a manager that did not let the host in.
pub(super) fn refused(error: RpcError) -> Error {
    let why = match &error {
        RpcError::Refused(refusal) => return refusal.clone(),
        RpcError::Connect { address, source } if source.raw_os_error().is_some() => {
            let words = words(source);
            format!("connection error: desc = \"transport: Error while dialing: dial tcp {address}: connect: {words}\"")
        }
        RpcError::Connect { source, .. } => {
            format!("connection error: desc = \"transport: authentication handshake failed: {source}\"")
        }
        _ => chain(&error),
    };
    Error::unavailable(format!("rpc error: code = Unavailable desc = {why}"))
}

/// Whether nothing was heard of a manager at all, so that it is too early to say what is wrong. A host that is off is "no route"
/// after three seconds of asking for it.
pub(super) fn is_silence(error: &RpcError) -> bool {
    match error {
        RpcError::TimedOut { .. } => true,
        RpcError::Connect { source, .. } => {
            matches!(source.kind(), io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable)
        }
        _ => false,
    }
}

/// The system's word for an error, as Go prints it: without its number, and small.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    /// Recorded from dockerd 28.5.2 (`join/bad_remote`), but for the bare IPv6 address.
    #[tokio::test]
    async fn addresses_that_are_none_are_named_as_go_does() {
        let cases = [
            ("192.0.2.1:70000", "address 70000: invalid port"),
            ("192.0.2.1:x", "lookup udp/x: unknown port"),
            ("192.0.2.1:2377/x", "lookup udp/2377/x: unknown port"),
            ("http://192.0.2.1:2377", "address http://192.0.2.1:2377: too many colons in address"),
            (" ", "address  : missing port in address"),
            ("[::1", "address [::1: missing ']' in address"),
            ("192.0.2.1,192.0.2.1", "lookup 192.0.2.1,192.0.2.1: no such host"),
            ("192.0.2.1:2377:1", "lookup 192.0.2.1:2377: no such host"),
        ];
        for (given, why) in cases {
            let address = complete(&[given.to_owned()]).unwrap().remove(0);
            let error = own_address(&address).await.unwrap_err();
            assert_eq!(error, Error::internal(format!("could not find local IP address: dial udp: {why}")), "{given}");
        }
        assert_eq!(own_address("127.0.0.1:0").await.unwrap().to_string(), "127.0.0.1");
    }

    #[test]
    fn a_missing_port_is_dockers() {
        let completed = |given: &str| complete(&[given.to_owned()]).unwrap().remove(0);
        for (given, address) in [
            ("192.0.2.1", "192.0.2.1:2377"),
            ("tcp://manager", "manager:2377"),
            ("x:", "x:2377"),
            (":99", "0.0.0.0:99"),
            ("[2001:db8::1]", "[2001:db8::1]:2377"),
            ("2001:db8::1", "[2001:db8::1]:2377"),
        ] {
            assert_eq!(completed(given), address);
        }
        assert_eq!(complete(&[]).unwrap_err().message, "at least 1 RemoteAddr is required to join");
        let empty = complete(&["a".into(), String::new()]).unwrap_err();
        assert_eq!(empty, Error::invalid("invalid remoteAddr \"\": invalid empty address"));
    }

    /// Recorded from dockerd 28.5.2 (`join/dead_host`).
    #[test]
    fn whoever_cannot_be_reached_is_named_as_grpc_does() {
        let of = |source: io::Error| RpcError::Connect { address: "192.0.2.1:2377".into(), source: Arc::new(source) };
        let refusal = of(io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error()));
        assert!(!is_silence(&refusal));
        assert_eq!(
            refused(refusal).message,
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: \
             dial tcp 192.0.2.1:2377: connect: connection refused\""
        );
        assert!(is_silence(&of(io::ErrorKind::TimedOut.into())));
        assert!(is_silence(&RpcError::TimedOut { address: "a".into(), limit: Duration::ZERO }));
    }
}
