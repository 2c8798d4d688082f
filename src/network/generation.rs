//! The number of a network namespace's rule set: it grows by one with each change of any table, whoever made it
//! (`linux: net/netfilter/nf_tables_api.c`, `nf_tables_commit`).
//!
//! Asking for it is one message to the kernel and its answer on a socket that stays open: a microsecond or two, without
//! a process and without a thread. So somebody else's `nft flush ruleset` is noticed in hundreds of containers for next
//! to nothing. Decides nothing.

use std::io::{self, Read, Write};
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

use super::namespace::Namespace;

/// `AF_NETLINK` and `NETLINK_NETFILTER` (`linux/socket.h`, `linux/netlink.h`).
const AF_NETLINK: i32 = 16;
const NETLINK_NETFILTER: i32 = 12;
/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`, and its answer's `NFT_MSG_NEWGEN` (`linux/netfilter/nf_tables.h`).
const GET: u16 = 10 << 8 | 16;
const NEW: u16 = 10 << 8 | 15;
/// `NLM_F_REQUEST`
const REQUEST: u16 = 1;
/// `NFTA_GEN_ID`
const ID: u16 = 1;
/// The length of a message's head, and of netfilter's own behind it.
const HEAD: usize = 16;
const INNER_HEAD: usize = 4;
/// Enough for an answer: a number, and the number and name of the process that made the last change.
const ANSWER_MAX: usize = 512;

/// A way to the number of one namespace.
#[derive(Debug)]
pub struct Generation(Socket);

impl Generation {
    /// That of a namespace.
    pub async fn open(namespace: &Namespace) -> io::Result<Generation> {
        namespace
            .run(|| {
                let kind = Protocol::from(NETLINK_NETFILTER);
                let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(kind))?;
                // The answer is there when the question was taken; to wait for another would be to wait for ever.
                socket.set_nonblocking(true)?;
                Ok(Generation(socket))
            })
            .await
    }

    /// That of this process.
    pub async fn own() -> io::Result<Generation> {
        Generation::open(&Namespace::open(Path::new("/proc/self/ns/net"))?).await
    }

    /// The number now.
    pub fn read(&self) -> io::Result<u32> {
        (&self.0).write_all(&question())?;
        let mut answer = [0; ANSWER_MAX];
        let length = (&self.0).read(&mut answer)?;
        number(&answer[..length]).ok_or_else(|| io::Error::other("the kernel tells no number of its rules"))
    }
}

fn question() -> [u8; HEAD + INNER_HEAD] {
    let mut bytes = [0; HEAD + INNER_HEAD];
    // Its own length fits.
    bytes[..4].copy_from_slice(&(HEAD as u32 + INNER_HEAD as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&GET.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    bytes
}

/// Reads the answer.
fn number(answer: &[u8]) -> Option<u32> {
    if answer.get(4..6)? != NEW.to_ne_bytes() {
        return None;
    }
    let mut rest = answer.get(HEAD + INNER_HEAD..)?;
    while let (Some(length), Some(kind)) = (rest.get(..2), rest.get(2..4)) {
        let length = usize::from(u16::from_ne_bytes(length.try_into().ok()?));
        if kind == ID.to_ne_bytes() {
            return Some(u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD + INNER_HEAD];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(attributes);
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn the_number_is_found_among_others() {
        let name = attribute(3, b"nft\0x");
        let id = attribute(ID, &7_u32.to_be_bytes());
        assert_eq!(number(&answer(NEW, &[name.clone(), id.clone()].concat())), Some(7));
        assert_eq!(number(&answer(NEW, &name)), None);
        assert_eq!(number(&answer(2, &id)), None, "a refusal");
        for cut in 0..HEAD + INNER_HEAD + 8 {
            assert_eq!(number(&answer(NEW, &id)[..cut]), None, "{cut}");
        }
        assert_eq!(number(&answer(NEW, &[0; 4])), None, "an attribute without a length ends");
    }
}
