//! The kernel's table of neighbours: which hardware address an IP address of the local link has.
//!
//! A host whose cable was out has forgotten its neighbours, and the kernel asks for each only once a second (`retrans_time`),
//! whatever there is to be sent. Who forgets the unanswered question and asks again has it asked at once. A container, too,
//! goes on for most of a minute with a hardware address that its neighbour has no more. Decides nothing: `node` says for whom
//! of the host, and when, and [`super::overlay`] of a container.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
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

    /// Asks anew for those of these addresses whose questions nobody has answered yet. What is known stays.
    pub async fn ask_again(&self, addresses: &[IpAddr]) -> std::io::Result<()> {
        let is_question = |state| matches!(state, NeighbourState::Incomplete | NeighbourState::Failed);
        for (interface, address) in self.forget_those(addresses, is_question).await? {
            let anew = self.handle.neighbours().add(interface, address);
            let anew = anew.state(NeighbourState::None).flags(NeighbourFlags::Use);
            // A packet that was to be sent meanwhile has asked already.
            if let Err(error) = anew.execute().await {
                tracing::debug!(%error, "a neighbour is not asked for");
            }
        }
        Ok(())
    }

    /// Forgets what is known of these addresses, unless somebody wrote it down by hand.
    pub async fn forget(&self, addresses: &[IpAddr]) -> std::io::Result<()> {
        self.forget_those(addresses, |state| state != NeighbourState::Permanent).await.map(drop)
    }

    async fn forget_those(
        &self,
        addresses: &[IpAddr],
        is_wanted: impl Fn(NeighbourState) -> bool,
    ) -> std::io::Result<Vec<(u32, IpAddr)>> {
        let mut listed = self.handle.neighbours().get().execute();
        let mut known = Vec::new();
        while let Some(neighbour) = listed.try_next().await.map_err(std::io::Error::other)? {
            if is_wanted(neighbour.header.state) {
                known.extend(named(&neighbour, addresses));
            }
        }
        let mut forgotten = Vec::new();
        for (address, neighbour) in known {
            forgotten.push((neighbour.header.ifindex, address));
            // It may have been answered, or given up, meanwhile.
            if let Err(error) = self.handle.neighbours().del(neighbour).execute().await {
                tracing::debug!(%error, "a neighbour could not be forgotten");
            }
        }
        Ok(forgotten)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What names an entry of the table to the kernel, if it is for one of the addresses.
fn named(neighbour: &NeighbourMessage, addresses: &[IpAddr]) -> Option<(IpAddr, NeighbourMessage)> {
    let address = |attribute: &NeighbourAttribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    };
    let wanted = |attribute| address(attribute).filter(|address| addresses.contains(address)).zip(Some(attribute));
    let (address, attribute) = neighbour.attributes.iter().find_map(wanted)?;
    let mut named = NeighbourMessage::default();
    named.header = neighbour.header.clone();
    named.attributes = vec![attribute.clone()];
    Some((address, named))
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
        let (address, found) = named(&neighbour(1, NeighbourState::Failed), &wanted).unwrap();
        assert_eq!(address, wanted[0]);
        assert_eq!((found.header.ifindex, found.header.state), (7, NeighbourState::Failed));
        assert_eq!(found.attributes, neighbour(1, NeighbourState::Failed).attributes[1..]);
        assert_eq!(named(&neighbour(2, NeighbourState::Failed), &wanted), None);
    }

    #[tokio::test]
    async fn the_kernel_is_asked() {
        let nobody = [IpAddr::from([192, 0, 2, 1])];
        Neighbours::open().unwrap().ask_again(&nobody).await.unwrap();
    }
}
