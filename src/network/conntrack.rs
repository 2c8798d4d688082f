//! Flows that the kernel remembers. A protocol without connections has no end that would make it forget: whoever goes on
//! sending to a virtual address is carried to the same endpoint for ever, and so is who began before there were rules.
//!
//! Says the kernel's own bytes (`linux/netfilter/nfnetlink_conntrack.h`): one list, and the removal of those that the
//! core calls stale. TCP and SCTP know themselves when they end, and are left alone.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use gam_core::discovery::{Balance, balance};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::namespace::Namespace;

/// `NFNL_SUBSYS_CTNETLINK` in the upper byte, the message in the lower.
const NEW: u16 = 0x100;
const GET: u16 = 0x101;
const DELETE: u16 = 0x102;
/// The end of a list, and an error or acknowledgement.
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// `NLM_F_REQUEST` with `NLM_F_DUMP`, and alone.
const DUMP: u16 = 0x301;
const REQUEST: u16 = 1;
/// Attributes of a flow, of a tuple, of an address, of a protocol.
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ID: u16 = 12;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCES: [u16; 2] = [1, 3];
const DESTINATIONS: [u16; 2] = [2, 4];
const PROTOCOL_NUMBER: u16 = 1;
/// The flags in the type of an attribute.
const TYPE_MASK: u16 = 0x3fff;
/// UDP, UDP-Lite, ICMP, ICMPv6.
const WITHOUT_CONNECTIONS: [u8; 4] = [17, 136, 1, 58];
/// Bytes of a message's head, and of what stands between it and the attributes.
const HEAD: usize = 16;
const BODY: usize = 4;

/// Forgets what goes where the rules of a container do not send it any more, after these went from `old` (`None` if that is
/// not known) to `new`. Before them the next packet would only begin the same again.
pub async fn forget_stale(namespace: Namespace, old: Option<Arc<Balance>>, new: Arc<Balance>) {
    let is_stale = move |to, by| balance::is_dropped(old.as_deref(), &new, to, by);
    if let Err(error) = forget(&namespace, is_stale).await {
        // The rules are there, and hold for everything that begins from now on.
        tracing::warn!(%error, "cannot forget flows to endpoints that are gone");
    }
}

/// Removes the flows whose first destination and present source of answers `is_stale` says; returns how many.
async fn forget(
    namespace: &Namespace,
    is_stale: impl Fn(IpAddr, IpAddr) -> bool + Send + 'static,
) -> io::Result<usize> {
    let work = move || {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let removals: Vec<Vec<u8>> = list(&socket)?.iter().filter_map(|flow| removal(flow, &is_stale)).collect();
        for removal in &removals {
            // Without a wish for an answer: one that is gone already is as good as removed.
            socket.send(removal, 0)?;
        }
        Ok(removals.len())
    };
    namespace.run(work).await
}

/// All flows, as messages.
fn list(socket: &Socket) -> io::Result<Vec<Vec<u8>>> {
    socket.send(&message(GET, DUMP, 0, &[]), 0)?;
    let mut flows = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        for part in messages(&bytes) {
            match kind(part) {
                DONE => return Ok(flows),
                ERROR => return Err(io::Error::other("the kernel does not list its flows")),
                NEW => flows.push(part.to_vec()),
                _ => {}
            }
        }
    }
}

/// What removes a flow, if it is stale.
fn removal(flow: &[u8], is_stale: &impl Fn(IpAddr, IpAddr) -> bool) -> Option<Vec<u8>> {
    let attributes = flow.get(HEAD + BODY..)?;
    let (original, reply) = (attribute(attributes, &[TUPLE_ORIGINAL])?, attribute(attributes, &[TUPLE_REPLY])?);
    let protocol = *attribute(attribute(original.1, &[TUPLE_PROTOCOL])?.1, &[PROTOCOL_NUMBER])?.1.first()?;
    let destination = address(attribute(attribute(original.1, &[TUPLE_IP])?.1, &DESTINATIONS)?.1)?;
    let answering = address(attribute(attribute(reply.1, &[TUPLE_IP])?.1, &SOURCES)?.1)?;
    if !WITHOUT_CONNECTIONS.contains(&protocol) || !is_stale(destination, answering) {
        return None;
    }
    // The id sees to it that a new flow of the same ends is not taken for this one.
    let id = attribute(attributes, &[ID]).map_or(&[][..], |(whole, _)| whole);
    Some(message(DELETE, REQUEST, flow[HEAD], &[original.0, id].concat()))
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

fn kind(message: &[u8]) -> u16 {
    message.get(4..6).map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]))
}

/// The messages in one packet.
fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    pieces(bytes, |head| u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize, HEAD)
}

/// The first attribute of one of these types: as a whole with its padding, and what is in it.
fn attribute<'a>(bytes: &'a [u8], kinds: &[u16]) -> Option<(&'a [u8], &'a [u8])> {
    let length = |head: &[u8]| usize::from(u16::from_ne_bytes([head[0], head[1]]));
    pieces(bytes, length, 4)
        .find(|piece| kinds.contains(&(u16::from_ne_bytes([piece[2], piece[3]]) & TYPE_MASK)))
        .map(|piece| (piece, &piece[4..length(piece)]))
}

/// Pieces that begin with their length and are padded to four bytes. What is broken ends them.
fn pieces(bytes: &[u8], length: impl Fn(&[u8]) -> usize, head: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = rest.get(..head).map(&length).filter(|length| (head..=rest.len()).contains(length))?;
        let (piece, after) = rest.split_at(length.next_multiple_of(4).min(rest.len()));
        rest = after;
        Some(piece)
    })
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

    use super::*;

    fn piece(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(content.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn tuple(kind: u16, from: [u8; 4], to: [u8; 4], protocol: u8) -> Vec<u8> {
        let ip = piece(0x8000 | TUPLE_IP, &[piece(SOURCES[0], &from), piece(DESTINATIONS[0], &to)].concat());
        let protocol = piece(0x8000 | TUPLE_PROTOCOL, &piece(PROTOCOL_NUMBER, &[protocol]));
        piece(0x8000 | kind, &[ip, protocol].concat())
    }

    fn flow(protocol: u8) -> Vec<u8> {
        let original = tuple(TUPLE_ORIGINAL, [10, 0, 1, 9], [10, 0, 1, 2], protocol);
        let reply = tuple(TUPLE_REPLY, [10, 0, 1, 3], [10, 0, 1, 9], protocol);
        message(NEW, 0, 2, &[original, reply, piece(ID, &[1, 2, 3, 4])].concat())
    }

    #[test]
    fn only_stale_flows_without_connections_are_forgotten() {
        let ends = |to: IpAddr, by: IpAddr| (to, by) == ([10, 0, 1, 2].into(), [10, 0, 1, 3].into());
        let original = tuple(TUPLE_ORIGINAL, [10, 0, 1, 9], [10, 0, 1, 2], 17);
        let wanted = message(DELETE, REQUEST, 2, &[original, piece(ID, &[1, 2, 3, 4])].concat());
        assert_eq!(removal(&flow(17), &ends), Some(wanted));
        assert_eq!(removal(&flow(17), &|_, _| false), None);
        assert_eq!(removal(&flow(6), &ends), None, "TCP ends by itself");
        let two = [flow(17), flow(6)].concat();
        assert_eq!(messages(&two).map(<[u8]>::len).collect::<Vec<_>>(), [flow(17).len(), flow(6).len()]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
            let mut bytes = flow(17);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            messages(&bytes).count();
            removal(&bytes, &|_, _| true);
        }
    }
}
