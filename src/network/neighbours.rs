//! The kernel's table of neighbours: which hardware address an IP address of the local link has.
//!
//! A host whose cable was out has forgotten its neighbours, and the kernel asks for each only once a second (`retrans_time`),
//! whatever there is to be sent. Who forgets the unanswered question has it asked anew with the next packet. A container, too,
//! goes on for most of a minute with a hardware address that its neighbour has no more. Decides nothing: `node` says for whom
//! of the host, and when, and [`super::overlay`] of a container.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use tokio::task::JoinHandle;

use super::namespace::Namespace;

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

    /// Opens that of a container.
    pub async fn open_in(namespace: &Namespace) -> std::io::Result<Neighbours> {
        let runtime = tokio::runtime::Handle::current();
        let open = move || {
            let _entered = runtime.enter();
            rtnetlink::new_connection()
        };
        let (connection, handle, _) = namespace.run(open).await?;
        Ok(Neighbours { handle, connection: tokio::spawn(connection) })
    }

    /// Forgets the questions for these addresses that nobody has answered yet. What is known stays.
    pub async fn forget_unanswered(&self, addresses: &[IpAddr]) -> std::io::Result<()> {
        let is_question = |state| matches!(state, NeighbourState::Incomplete | NeighbourState::Failed);
        self.forget_those(addresses, is_question).await
    }

    /// Forgets what is known of these addresses, unless somebody wrote it down by hand.
    pub async fn forget(&self, addresses: &[IpAddr]) -> std::io::Result<()> {
        self.forget_those(addresses, |state| state != NeighbourState::Permanent).await
    }

    async fn forget_those(
        &self,
        addresses: &[IpAddr],
        is_wanted: impl Fn(NeighbourState) -> bool,
    ) -> std::io::Result<()> {
        let mut listed = self.handle.neighbours().get().execute();
        let mut known = Vec::new();
        while let Some(neighbour) = listed.try_next().await.map_err(std::io::Error::other)? {
            if is_wanted(neighbour.header.state) {
                known.extend(named(&neighbour, addresses));
            }
        }
        for neighbour in known {
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

/// What names an entry of the table to the kernel, if it is for one of the addresses.
fn named(neighbour: &NeighbourMessage, addresses: &[IpAddr]) -> Option<NeighbourMessage> {
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
    fn entries_are_named_by_their_address_alone() {
        let wanted = [IpAddr::from([192, 0, 2, 1])];
        let found = named(&neighbour(1, NeighbourState::Failed), &wanted).unwrap();
        assert_eq!((found.header.ifindex, found.header.state), (7, NeighbourState::Failed));
        assert_eq!(found.attributes, neighbour(1, NeighbourState::Failed).attributes[1..]);
        assert_eq!(named(&neighbour(2, NeighbourState::Failed), &wanted), None);
    }

    #[tokio::test]
    async fn the_kernel_is_asked() {
        let nobody = [IpAddr::from([192, 0, 2, 1])];
        Neighbours::open().unwrap().forget_unanswered(&nobody).await.unwrap();
    }
}
