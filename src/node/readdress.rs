//! A node whose host has got other addresses while it was down: it is the same node, and tells the others the new one.
//!
//! Only an address that Gam chose, or took from an interface that the user named, is replaced; one that the user gave stays
//! what it is. (Docker keeps what a manager once resolved, which then never comes back.)

use std::net::IpAddr;

use super::addresses::{self, HostPort, Subnet};
use super::directory::{Advertised, Identity};
use super::{Node, remote};
use crate::network::interfaces::{self, Interface};

impl Node {
    /// The node with the addresses that its host has now; written down if they are other ones than before.
    pub(super) async fn at_home(&self, identity: Identity) -> Identity {
        let Ok(old) = identity.advertise_host().parse::<IpAddr>() else { return identity };
        if identity.advertised == Advertised::Given {
            return identity;
        }
        let interfaces = match interfaces::interfaces().await {
            Ok(interfaces) => interfaces,
            Err(error) => {
                tracing::warn!(%error, "the addresses of this host are not known; what was its address counts");
                return identity;
            }
        };
        match self.new_address(&identity, old, &interfaces).await {
            Some(new) => self.move_to(identity, old, new),
            None => identity,
        }
    }

    fn move_to(&self, identity: Identity, old: IpAddr, new: IpAddr) -> Identity {
        let identity = moved(identity, old, new);
        tracing::info!(%old, %new, "the address of this host has changed; the other nodes are told the new one");
        if let Err(error) = self.0.directory.adopt(&identity) {
            tracing::warn!(%error, "the new address cannot be written down; the next start finds it again");
        }
        identity
    }

    async fn new_address(&self, identity: &Identity, old: IpAddr, interfaces: &[Interface]) -> Option<IpAddr> {
        let is_gone = !interfaces.iter().any(|interface| interface.addresses.contains(&old));
        let found = match identity.advertised {
            Advertised::Chosen if is_gone => self.choose(identity, interfaces).await,
            _ => None,
        };
        addresses::moved(old, &identity.advertised, found, interfaces)
    }

    /// The address that Gam would choose now: the one on the way to another manager. What else the host has may be known to nobody
    /// but its own containers and machines, so its only address counts only where there is nobody else.
    async fn choose(&self, identity: &Identity, interfaces: &[Interface]) -> Option<IpAddr> {
        let others: Vec<&String> = identity.managers.iter().filter(|manager| **manager != identity.advertise).collect();
        if others.is_empty() {
            let subnets = self.engine().subnets().await.ok()?;
            let own: Vec<Subnet> = subnets.iter().filter_map(|subnet| Subnet::parse(subnet)).collect();
            return addresses::only_address(interfaces, &own).ok();
        }
        for manager in others {
            if let Ok(own) = remote::own_address(manager).await {
                return Some(own);
            }
        }
        None
    }
}

/// The same node at another address. A node that listens on its one address only goes on to do so.
fn moved(identity: Identity, old: IpAddr, new: IpAddr) -> Identity {
    let at = |address: &str| {
        let port = address.rsplit_once(':').map_or("", |(_, port)| port);
        HostPort { host: new, port: port.to_owned() }.to_string()
    };
    let (advertise, listen) = (at(&identity.advertise), at(&identity.listen));
    let listens_there = addresses::host(&identity.listen).parse() == Ok(old);
    let listen = if listens_there { listen } else { identity.listen.clone() };
    Identity { advertise, listen, ..identity }
}

#[cfg(test)]
mod tests {
    use gam_core::model::IdSource;

    use super::*;
    use crate::agent::AgentConfig;
    use crate::engine::Engine;
    use crate::network::Networks;
    use crate::node::directory::{Directory, NodeRole};

    fn identity() -> Identity {
        let mut ids = IdSource::new([5; 32]);
        Identity {
            format: 2,
            node: ids.fresh(),
            cluster: ids.fresh(),
            role: NodeRole::Manager,
            raft_id: 1,
            listen: "0.0.0.0:2377".into(),
            advertise: "192.0.2.1:4000".into(),
            advertised: Advertised::Chosen,
            data_path: None,
            managers: vec!["192.0.2.9:2377".into()],
            history: None,
        }
    }

    #[test]
    fn the_node_stays_the_same_at_its_new_address() {
        let before = identity();
        let [old, new] = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap());
        let after = Identity { advertise: "[2001:db8::1]:4000".into(), ..before.clone() };
        assert_eq!(moved(before.clone(), old, new), after);
        let only_there = Identity { listen: "192.0.2.1:2377".into(), ..before };
        assert_eq!(moved(only_there, old, new), Identity { listen: "[2001:db8::1]:2377".into(), ..after });
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_written_down_counts_all_the_same() {
        let folder = std::env::temp_dir().join(format!("gam-readdress-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let directory = Directory::open(&folder).unwrap();
        let engine = Engine::new("/nowhere/docker.sock");
        let agent = AgentConfig::new(engine.clone(), Networks::new(engine), None);
        let node = Node::open(directory, agent).await.unwrap();
        let before = identity();
        node.0.directory.adopt(&before).unwrap();
        // Where the new file would be made.
        std::fs::create_dir(folder.join("node.new")).unwrap();
        let [old, new] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let after = node.move_to(before.clone(), old, new);
        assert_eq!(after.advertise, "192.0.2.2:4000");
        assert_eq!(node.0.directory.identity().unwrap(), Some(before.clone()), "the next start finds it again");
        std::fs::remove_dir(folder.join("node.new")).unwrap();
        assert_eq!(node.move_to(before, old, new), after);
        assert_eq!(node.0.directory.identity().unwrap(), Some(after));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
