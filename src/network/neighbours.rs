//! The kernel's table of neighbours: which hardware address an IP address of the local link has.
//!
//! A host whose cable was out has forgotten its neighbours, and the kernel asks for each only once a second (`retrans_time`),
//! whatever there is to be sent. Who forgets the unanswered question has it asked anew with the next packet. Decides nothing:
//! `node` says for whom, and when.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use tokio::task::JoinHandle;

/// A way to the table of this network namespace.
pub struct Neighbours {
    handle: rtnetlink::Handle,
    connection: JoinHandle<()>,
}

impl Neighbours {
    /// Opens it.
    pub fn open() -> std::io::Result<Neighbours> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Neighbours { handle, connection: tokio::spawn(connection) })
    }

    /// Forgets the questions for these addresses that nobody has answered yet. What is known stays.
    pub async fn forget_unanswered(&self, addresses: &[IpAddr]) -> std::io::Result<()> {
        let mut listed = self.handle.neighbours().get().execute();
        let mut unanswered = Vec::new();
        while let Some(neighbour) = listed.try_next().await.map_err(std::io::Error::other)? {
            unanswered.extend(question(&neighbour, addresses));
        }
        for neighbour in unanswered {
            // It may have been answered, or given up, meanwhile.
            if let Err(error) = self.handle.neighbours().del(neighbour).execute().await {
                tracing::debug!(%error, "a neighbour could not be forgotten");
            }
        }
        Ok(())
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What names an entry of the table to the kernel, if it is an unanswered question for one of the addresses.
fn question(neighbour: &NeighbourMessage, addresses: &[IpAddr]) -> Option<NeighbourMessage> {
    if !matches!(neighbour.header.state, NeighbourState::Incomplete | NeighbourState::Failed) {
        return None;
    }
    let is_wanted = |attribute: &&NeighbourAttribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => addresses.contains(&IpAddr::V4(*ip)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => addresses.contains(&IpAddr::V6(*ip)),
        _ => false,
    };
    let mut named = NeighbourMessage::default();
    named.header = neighbour.header.clone();
    named.attributes = vec![neighbour.attributes.iter().find(is_wanted)?.clone()];
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(last: u8, state: NeighbourState) -> NeighbourMessage {
        let mut neighbour = NeighbourMessage::default();
        neighbour.header.ifindex = 7;
        neighbour.header.state = state;
        let address = NeighbourAddress::Inet([192, 0, 2, last].into());
        neighbour.attributes = vec![NeighbourAttribute::Probes(3), NeighbourAttribute::Destination(address)];
        neighbour
    }

    #[test]
    fn only_unanswered_questions_for_the_wanted_are_forgotten() {
        let wanted = [IpAddr::from([192, 0, 2, 1])];
        for state in [NeighbourState::Incomplete, NeighbourState::Failed] {
            let found = question(&neighbour(1, state), &wanted).unwrap();
            assert_eq!((found.header.ifindex, found.header.state), (7, state));
            assert_eq!(found.attributes, neighbour(1, state).attributes[1..]);
            assert_eq!(question(&neighbour(2, state), &wanted), None);
        }
        for state in [NeighbourState::Reachable, NeighbourState::Stale, NeighbourState::Permanent] {
            assert_eq!(question(&neighbour(1, state), &wanted), None);
        }
    }

    #[tokio::test]
    async fn the_kernel_is_asked() {
        let nobody = [IpAddr::from([192, 0, 2, 1])];
        Neighbours::open().unwrap().forget_unanswered(&nobody).await.unwrap();
    }
}
