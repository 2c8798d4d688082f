//! Flows that the kernel remembers. A protocol without connections has no end that would make it forget: whoever goes on
//! sending to a virtual address or a published port is carried to the same task for ever, and so is who began before there
//! were rules. And whoever began a connection that nobody has answered yet goes on asking the same task, also once that is
//! gone, until its patience ends; forgotten, its next try reaches another one.
//!
//! Says the kernel's own bytes (`linux/netfilter/nfnetlink_conntrack.h`): one list, and the removal of those that the
//! core calls stale. Connections that were answered know themselves when they end, and are left alone.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gam_core::allocator::subnet::Subnet;
use gam_core::discovery::mesh::{self, Mesh};
use gam_core::discovery::{Balance, balance};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::messages::{HEAD, attribute, kind, messages};
use super::namespace::Namespace;

/// `NFNL_SUBSYS_CTNETLINK` in the upper byte, the message in the lower.
const NEW: u16 = 0x100;
const GET: u16 = 0x101;
const DELETE: u16 = 0x102;
/// The end of a list, and an error or acknowledgement.
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// `NLM_F_REQUEST` with `NLM_F_ACK`, and with `NLM_F_DUMP`.
const ANSWERED: u16 = 0x5;
const DUMP: u16 = 0x301;
/// Attributes of a flow, of a tuple, of an address, of a protocol.
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const ID: u16 = 12;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCES: [u16; 2] = [1, 3];
const DESTINATIONS: [u16; 2] = [2, 4];
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
/// `IPS_SEEN_REPLY` (`linux/netfilter/nf_conntrack_common.h`).
const SEEN_REPLY: u8 = 2;
/// UDP, UDP-Lite, ICMP, ICMPv6.
const WITHOUT_CONNECTIONS: [u8; 4] = [UDP, 136, 1, 58];
const UDP: u8 = 17;
/// Bytes between a message's head and the attributes.
const BODY: usize = 4;
/// A kernel that does not answer is not waited for any longer: names and balancing wait for this.
const PATIENCE: Duration = Duration::from_secs(2);

/// One end of a flow. What has no ports has 0.
type End = (IpAddr, u16);

/// A flow without connection, or whose connection was not answered yet.
struct Flow<'a> {
    /// The protocol's number.
    protocol: u8,
    /// Where its first packet went.
    to: End,
    /// Who answers.
    by: End,
    /// What names it to the kernel: so that a new flow of the same ends is not taken for this one, its id as well.
    named: [&'a [u8]; 2],
}

/// Forgets what goes where the rules of a container do not send it any more, after these went from `old` (`None` if that is
/// not known) to `new`. Before them the next packet would only begin the same again.
pub async fn forget_stale(namespace: Namespace, old: Option<Arc<Balance>>, new: Arc<Balance>) {
    let is_stale = move |flow: &Flow<'_>| balance::is_dropped(old.as_deref(), &new, flow.to.0, flow.by.0);
    if let Err(error) = forget(&namespace, is_stale).await {
        // The rules are there, and hold for everything that begins from now on.
        tracing::warn!(%error, "cannot forget flows to endpoints that are gone");
    }
}

/// Forgets datagrams to published ports of this host that go to tasks of the mesh's `subnets` that are not behind their port
/// any more.
pub async fn forget_unpublished(host: &Namespace, mesh: &Mesh, subnets: Vec<Subnet>) {
    let mesh = mesh.clone();
    let is_stale = move |flow: &Flow<'_>| {
        flow.protocol == UDP && mesh::is_stale(&mesh, &subnets, (mesh::Protocol::Udp, flow.to.1), flow.by)
    };
    match forget(host, is_stale).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "flows to tasks that are gone are forgotten"),
        Err(error) => tracing::warn!(%error, "flows to tasks that are gone stay until their clients are silent"),
    }
}

/// Removes the flows that `is_stale` names; returns how many.
async fn forget(namespace: &Namespace, is_stale: impl Fn(&Flow<'_>) -> bool + Send + 'static) -> io::Result<usize> {
    let work = move || {
        let socket = open(PATIENCE)?;
        let removals = removals(&socket, is_stale)?;
        for removal in &removals {
            socket.send(removal, 0)?;
            let (answer, _) = socket.recv_from_full()?;
            // One that is gone already is as good as removed.
            if let Some(error) = messages(&answer).find_map(refusal).filter(|error| *error != Errno::NOENT) {
                return Err(error.into());
            }
        }
        Ok(removals.len())
    };
    namespace.run(work).await
}

/// A way to the kernel, in the network namespace of this thread.
fn open(patience: Duration) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(patience))?;
    Ok(socket)
}

/// What removes the stale among all flows.
fn removals(socket: &Socket, is_stale: impl Fn(&Flow<'_>) -> bool) -> io::Result<Vec<Vec<u8>>> {
    socket.send(&message(GET, DUMP, 0, &[]), 0)?;
    let mut removals = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        for part in messages(&bytes) {
            match kind(part) {
                DONE => return Ok(removals),
                ERROR => return Err(refusal(part).map_or(io::ErrorKind::InvalidData.into(), io::Error::from)),
                NEW => removals.extend(removal(part, &is_stale)),
                _ => {}
            }
        }
    }
}

/// What removes a flow, if it is stale.
fn removal(message_of: &[u8], is_stale: &impl Fn(&Flow<'_>) -> bool) -> Option<Vec<u8>> {
    let flow = flow(message_of.get(HEAD + BODY..)?)?;
    is_stale(&flow).then(|| message(DELETE, ANSWERED, message_of[HEAD], &flow.named.concat()))
}

fn flow(attributes: &[u8]) -> Option<Flow<'_>> {
    let original = attribute(attributes, &[TUPLE_ORIGINAL])?;
    let (_, reply) = attribute(attributes, &[TUPLE_REPLY])?;
    let protocol = attribute(original.1, &[TUPLE_PROTOCOL])?.1;
    let protocol = *attribute(protocol, &[PROTOCOL_NUMBER])?.1.first()?;
    let to = end(original.1, &DESTINATIONS, DESTINATION_PORT)?;
    let by = end(reply, &SOURCES, SOURCE_PORT)?;
    let id = attribute(attributes, &[ID]).map_or(&[][..], |(whole, _)| whole);
    let is_loose = WITHOUT_CONNECTIONS.contains(&protocol) || !is_answered(attributes);
    is_loose.then_some(Flow { protocol, to, by, named: [original.0, id] })
}

/// Whether anything came back; a kernel that does not tell is taken to say so.
fn is_answered(attributes: &[u8]) -> bool {
    attribute(attributes, &[STATUS])
        .and_then(|(_, status)| status.last().copied())
        .is_none_or(|lowest| lowest & SEEN_REPLY != 0)
}

fn end(tuple: &[u8], address_kinds: &[u16], port_kind: u16) -> Option<End> {
    let address = address(attribute(attribute(tuple, &[TUPLE_IP])?.1, address_kinds)?.1)?;
    let port = attribute(attribute(tuple, &[TUPLE_PROTOCOL])?.1, &[port_kind]);
    let port = port.and_then(|(_, port)| <[u8; 2]>::try_from(port).ok()).map_or(0, u16::from_be_bytes);
    Some((address, port))
}

/// What the kernel refuses a request with, if this is that.
fn refusal(message: &[u8]) -> Option<Errno> {
    let code: [u8; 4] = message.get(HEAD..HEAD + 4).filter(|_| kind(message) == ERROR)?.try_into().ok()?;
    Some(i32::from_ne_bytes(code).saturating_neg()).filter(|code| *code != 0).map(Errno::from_raw_os_error)
}

fn message(kind: u16, flags: u16, family: u8, attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEAD + BODY + attributes.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // Neither a number nor a sender is needed by one that asks one thing at a time.
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, 0]);
    bytes.extend(attributes);
    bytes
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::messages::tests::piece;
    use super::*;

    fn tuple(kind: u16, protocol: u8, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
        let ip = piece(0x8000 | TUPLE_IP, &[piece(SOURCES[0], &from.0), piece(DESTINATIONS[0], &to.0)].concat());
        let ports = [piece(SOURCE_PORT, &from.1.to_be_bytes()), piece(DESTINATION_PORT, &to.1.to_be_bytes())];
        let protocol = [piece(PROTOCOL_NUMBER, &[protocol]), ports.concat()].concat();
        piece(0x8000 | kind, &[ip, piece(0x8000 | TUPLE_PROTOCOL, &protocol)].concat())
    }

    const CLIENT: ([u8; 4], u16) = ([10, 0, 1, 9], 4000);

    fn told(protocol: u8) -> Vec<u8> {
        told_with(protocol, &piece(STATUS, &[0, 0, 1, 0x8e]))
    }

    fn told_with(protocol: u8, status: &[u8]) -> Vec<u8> {
        let original = tuple(TUPLE_ORIGINAL, protocol, CLIENT, ([10, 0, 1, 2], 53));
        let reply = tuple(TUPLE_REPLY, protocol, ([10, 0, 1, 3], 5353), CLIENT);
        message(NEW, 0, 2, &[original, reply, status.to_vec(), piece(ID, &[1, 2, 3, 4])].concat())
    }

    #[test]
    fn only_stale_flows_without_connections_are_forgotten() {
        let ends = |flow: &Flow<'_>| (flow.to, flow.by) == (([10, 0, 1, 2].into(), 53), ([10, 0, 1, 3].into(), 5353));
        let original = tuple(TUPLE_ORIGINAL, UDP, CLIENT, ([10, 0, 1, 2], 53));
        let wanted = message(DELETE, ANSWERED, 2, &[original, piece(ID, &[1, 2, 3, 4])].concat());
        assert_eq!(removal(&told(UDP), &ends), Some(wanted));
        assert_eq!(removal(&told(UDP), &|_: &Flow<'_>| false), None);
        assert_eq!(removal(&told(6), &ends), None, "TCP ends by itself");
        assert_eq!(removal(&told_with(6, &[]), &ends), None, "nobody says that it was not answered");
        let unanswered = told_with(6, &piece(STATUS, &[0, 0, 1, 0x88]));
        assert!(removal(&unanswered, &ends).is_some(), "its next try may reach another");
        let two = [told(UDP), told(6)].concat();
        assert_eq!(messages(&two).map(<[u8]>::len).collect::<Vec<_>>(), [told(UDP).len(), told(6).len()]);
    }

    #[test]
    fn a_refusal_is_told_from_an_acknowledgement() {
        let answer = |code: i32| message(ERROR, 0, 0, &[]).into_iter().take(HEAD).chain(code.to_ne_bytes()).collect();
        let refused = |code: i32| -> Option<Errno> {
            let bytes: Vec<u8> = answer(code);
            refusal(&bytes)
        };
        assert_eq!((refused(0), refused(-2), refused(-1)), (None, Some(Errno::NOENT), Some(Errno::PERM)));
        assert_eq!(refusal(&told(UDP)), None);
    }

    #[test]
    fn a_kernel_that_is_silent_is_not_waited_for() {
        // It was asked for nothing.
        let socket = open(Duration::from_millis(10)).unwrap();
        assert_eq!(socket.recv_from_full().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
            let mut bytes = told(UDP);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            messages(&bytes).count();
            removal(&bytes, &|_: &Flow<'_>| true);
            refusal(&bytes);
        }
    }
}
