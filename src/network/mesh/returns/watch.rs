//! Notices that somebody changed a container's links, addresses, routes, rules or neighbours: the kernel tells everybody who
//! listens (`linux/rtnetlink.h`, the groups of `RTMGRP`).
//!
//! To look is one system call that finds nothing. What Gam itself puts there is told as new and does not count; only what is
//! removed does, and all that happens to links and addresses, with which the kernel silently removes routes.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

use gam_core::discovery::returns::is_neighbour;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::network::messages::{attribute, kind, messages};
use crate::network::namespace::Namespace;

/// `RTMGRP_LINK`, `RTMGRP_NEIGH`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV4_RULE`.
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x80;
/// `RTM_NEWLINK`, `RTM_DELLINK`, `RTM_NEWADDR`, `RTM_DELADDR`, `RTM_DELROUTE`, `RTM_DELRULE`.
const CHANGES: [u16; 6] = [16, 17, 20, 21, 25, 33];
/// `RTM_DELNEIGH`, the length of its fixed part, and `NDA_DST`.
const NEIGHBOUR_GONE: u16 = 29;
const NEIGHBOUR_HEAD: usize = 16 + 12;
const NEIGHBOUR_ADDRESS: u16 = 1;

/// Listens in one network namespace.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    disturbed: AtomicBool,
}

impl Watch {
    /// From now on.
    pub async fn open(namespace: &Namespace) -> io::Result<Watch> {
        namespace
            .run(|| {
                let mut socket = Socket::new(NETLINK_ROUTE)?;
                socket.set_non_blocking(true)?;
                socket.bind(&SocketAddr::new(0, GROUPS))?;
                Ok(Watch { socket, disturbed: AtomicBool::new(false) })
            })
            .await
    }

    /// Whether anything was changed since the last [`Watch::reset`].
    pub fn is_disturbed(&self) -> bool {
        if self.take() {
            self.disturbed.store(true, Ordering::Relaxed);
        }
        self.disturbed.load(Ordering::Relaxed)
    }

    /// Forgets what happened until now.
    pub fn reset(&self) {
        self.take();
        self.disturbed.store(false, Ordering::Relaxed);
    }

    /// Takes all that was told; whether any of it counts.
    fn take(&self) -> bool {
        let mut counts = false;
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => counts |= messages(&bytes).any(is_change),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return counts,
                // More was told than the kernel keeps, or nobody can say: better look once too often.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => counts = true,
                Err(_) => return true,
            }
        }
    }
}

fn is_change(message: &[u8]) -> bool {
    let is_ours = || {
        let attributes = message.get(NEIGHBOUR_HEAD..)?;
        let address: [u8; 4] = attribute(attributes, &[NEIGHBOUR_ADDRESS])?.1.try_into().ok()?;
        Some(is_neighbour(Ipv4Addr::from(address)))
    };
    match kind(message) {
        NEIGHBOUR_GONE => is_ours() == Some(true),
        kind => CHANGES.contains(&kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::messages::tests::piece;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn what_is_removed_counts_and_what_gam_puts_there_does_not() {
        let neighbour = |address: [u8; 4]| [vec![0; 12], piece(NEIGHBOUR_ADDRESS, &address)].concat();
        assert!(is_change(&message(NEIGHBOUR_GONE, &neighbour([169, 254, 5, 5]))));
        assert!(!is_change(&message(NEIGHBOUR_GONE, &neighbour([10, 0, 0, 1]))), "the kernel's own housekeeping");
        assert!(!is_change(&message(NEIGHBOUR_GONE, &[0; 3])), "a broken one");
        // Routes, rules and neighbours that come: 24, 32, 28.
        assert_eq!(
            [16, 17, 20, 21, 24, 25, 28, 32, 33].map(|kind| is_change(&message(kind, &[]))),
            [true, true, true, true, false, true, false, false, true]
        );
    }
}
