//! Forgets flows of datagrams to tasks that are not behind their port any more. A connection ends with its task; a client
//! that goes on sending would never ask the rules again, since the kernel keeps its flow as long as it does.
//!
//! Speaks ctnetlink (`linux/netfilter/nfnetlink_conntrack.h`): lists the flows of this network namespace, and deletes some.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};

use gam_core::discovery::mesh::{Mesh, Protocol, is_stale};
use socket2::{Domain, Socket, Type};

const AF_NETLINK: i32 = 16;
const NETLINK_NETFILTER: i32 = 12;
const AF_INET: u8 = 2;
const IPPROTO_UDP: u8 = 17;
/// Messages: what is listed, what lists, what deletes, and the two of netlink itself.
const CT_NEW: u16 = 0x100;
const CT_GET: u16 = 0x101;
const CT_DELETE: u16 = 0x102;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const REQUEST: u16 = 0x001;
const ACK: u16 = 0x004;
const DUMP: u16 = 0x300;
/// Attributes: both directions of a flow, and the parts of one.
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const IP_SRC: u16 = 1;
const IP_DST: u16 = 2;
const PROTO_NUM: u16 = 1;
const PROTO_SRC: u16 = 2;
const PROTO_DST: u16 = 3;
/// That an attribute has others inside, beside its number.
const NESTED: u16 = 0x8000;
const KIND_MASK: u16 = 0x3fff;
/// Of a message's head, and of what stands between it and the attributes.
const HEAD: usize = 16;
const FAMILY: usize = 4;
/// What the kernel puts into one answer at most.
const ANSWER_MAX: usize = 64 * 1024;
/// A kernel that does not answer is not waited for any longer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Forgets them; returns how many there were.
pub async fn forget_stale(mesh: &Mesh) -> io::Result<usize> {
    if !mesh.keys().any(|(protocol, _)| *protocol == Protocol::Udp) {
        return Ok(0);
    }
    let mesh = mesh.clone();
    tokio::task::spawn_blocking(move || forget(&mesh)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn forget(mesh: &Mesh) -> io::Result<usize> {
    let mut socket =
        Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(socket2::Protocol::from(NETLINK_NETFILTER)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(&message(CT_GET, REQUEST | DUMP, &[]))?;
    let mut stale = Vec::new();
    let mut bytes = vec![0; ANSWER_MAX];
    'all: loop {
        let length = socket.read(&mut bytes)?;
        for (kind, body) in messages(&bytes[..length]) {
            match kind {
                CT_NEW => stale.extend(stale_flow(mesh, body)),
                NLMSG_ERROR => return Err(refusal(body).unwrap_or_else(|| io::Error::other("an empty answer"))),
                NLMSG_DONE => break 'all,
                _ => {}
            }
        }
    }
    for flow in &stale {
        socket.write_all(&message(CT_DELETE, REQUEST | ACK, flow))?;
        let length = socket.read(&mut bytes)?;
        let refused =
            messages(&bytes[..length]).find(|(kind, _)| *kind == NLMSG_ERROR).and_then(|(_, body)| refusal(body));
        // It may have ended meanwhile.
        if let Some(error) =
            refused.filter(|error| error.raw_os_error() != Some(rustix::io::Errno::NOENT.raw_os_error()))
        {
            return Err(error);
        }
    }
    Ok(stale.len())
}

/// What names a flow to the kernel, if it has to be forgotten.
fn stale_flow(mesh: &Mesh, body: &[u8]) -> Option<Vec<u8>> {
    let body = body.get(FAMILY..)?;
    let (there, back) = (find(body, TUPLE_ORIG)?, find(body, TUPLE_REPLY)?);
    let (number, to) = end(there, IP_DST, PROTO_DST)?;
    let (_, behind) = end(back, IP_SRC, PROTO_SRC)?;
    // What was not turned is the node's own.
    let is_turned = to != behind;
    let is_gone = number == IPPROTO_UDP && is_turned && is_stale(mesh, (Protocol::Udp, to.port()), behind);
    is_gone.then(|| attribute(TUPLE_ORIG | NESTED, there))
}

/// The protocol of a direction, and one end of it.
fn end(tuple: &[u8], ip: u16, port: u16) -> Option<(u8, SocketAddrV4)> {
    let (addresses, protocol) = (find(tuple, TUPLE_IP)?, find(tuple, TUPLE_PROTO)?);
    let address: [u8; 4] = find(addresses, ip)?.try_into().ok()?;
    let port: [u8; 2] = find(protocol, port)?.try_into().ok()?;
    Some((*find(protocol, PROTO_NUM)?.first()?, SocketAddrV4::new(Ipv4Addr::from(address), u16::from_be_bytes(port))))
}

fn message(kind: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
    let length = (HEAD + FAMILY + attributes.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // Neither a number nor a sender is needed: one question is asked at a time.
    bytes.extend([0; 8]);
    bytes.extend([AF_INET, 0, 0, 0]);
    bytes.extend(attributes);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The messages of one answer: kind and body.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let body = bytes.get(HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The first attribute of a kind.
fn find(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & KIND_MASK;
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// What the kernel complains of; `None` if it is content.
fn refusal(body: &[u8]) -> Option<io::Error> {
    let code = i32::from_ne_bytes(body.get(..4)?.try_into().ok()?);
    (code != 0).then(|| io::Error::from_raw_os_error(-code))
}

#[cfg(test)]
mod tests {
    use gam_core::discovery::mesh::Published;

    use super::*;

    fn tuple(kind: u16, protocol: u8, from: &str, to: &str) -> Vec<u8> {
        let [from, to]: [SocketAddrV4; 2] = [from, to].map(|end| end.parse().unwrap());
        let ip = [attribute(IP_SRC, &from.ip().octets()), attribute(IP_DST, &to.ip().octets())].concat();
        let ports = [attribute(PROTO_SRC, &from.port().to_be_bytes()), attribute(PROTO_DST, &to.port().to_be_bytes())];
        let proto = [attribute(PROTO_NUM, &[protocol]), ports.concat()].concat();
        attribute(kind | NESTED, &[attribute(TUPLE_IP | NESTED, &ip), attribute(TUPLE_PROTO | NESTED, &proto)].concat())
    }

    fn flow(protocol: u8, port: u16, task: &str) -> Vec<u8> {
        let there = tuple(TUPLE_ORIG, protocol, "198.51.100.7:4000", &format!("192.0.2.1:{port}"));
        message(CT_NEW, 0, &[there, tuple(TUPLE_REPLY, protocol, task, "198.51.100.7:4000")].concat())
    }

    #[test]
    fn flows_to_tasks_that_are_gone_are_named_as_the_kernel_named_them() {
        let behind = ["10.0.0.3:53".parse().unwrap()].into();
        let mesh = Mesh::from([((Protocol::Udp, 5000), Published { behind, ..Published::default() })]);
        let told = [
            flow(IPPROTO_UDP, 5000, "10.0.0.3:53"),
            flow(IPPROTO_UDP, 5000, "10.0.0.4:53"),
            flow(6, 5000, "10.0.0.4:53"),
            flow(IPPROTO_UDP, 5001, "10.0.0.4:53"),
            flow(IPPROTO_UDP, 5000, "192.0.2.1:5000"),
        ]
        .concat();
        let stale: Vec<Option<Vec<u8>>> = messages(&told).map(|(_, body)| stale_flow(&mesh, body)).collect();
        let named = tuple(TUPLE_ORIG, IPPROTO_UDP, "198.51.100.7:4000", "192.0.2.1:5000");
        assert_eq!(stale, [None, Some(named), None, None, None]);
    }

    #[test]
    fn half_a_message_is_none() {
        let whole = flow(IPPROTO_UDP, 5000, "10.0.0.4:53");
        let mesh = Mesh::from([((Protocol::Udp, 5000), Published::default())]);
        for length in 0..whole.len() {
            let found: Vec<_> = messages(&whole[..length]).collect();
            assert!(found.is_empty() || length == whole.len(), "{length}");
            assert_eq!(stale_flow(&mesh, whole.get(HEAD..length).unwrap_or_default()), None, "{length}");
        }
    }
}
