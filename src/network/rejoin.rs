//! Puts containers of tasks back on networks that somebody took from them: `docker network disconnect`, or a backing
//! that was removed behind Gam's back.
//!
//! Costs nothing as long as every container is plugged in where its task wants it; only for one that is not dockerd is
//! asked. Containers that the swarm did not make are left where their users put them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use gam_core::assignment::Assignments;
use gam_core::container::{endpoint_options, gw_priority};
use gam_core::model::{Attachment, NetworkId, Task, TaskState, mac_of};
use gam_core::plane;

use super::interfaces::set_mac;
use super::namespace::Namespace;
use super::{NetworkError, Networks, backing};
use crate::engine::networks::ContainerEndpoint;

/// Looks at all tasks of this node.
pub async fn rejoin(networks: &Networks, held: &Assignments) -> Result<(), NetworkError> {
    let mut first = Ok(());
    for (container, task) in held.tasks.values().filter_map(|task| Some((running(task)?, task))) {
        // The others do not have to wait for one that cannot be put back.
        first = first.and(rejoin_one(networks, held, container, task).await);
    }
    first
}

async fn rejoin_one(networks: &Networks, held: &Assignments, container: &str, task: &Task) -> Result<(), NetworkError> {
    let places: Vec<(NetworkId, &Attachment, Ipv4Addr)> =
        task.networks.iter().filter_map(|place| place_of(held, place)).collect();
    let plugged: BTreeSet<NetworkId> =
        networks.plugs().borrow().get(container).into_iter().flatten().map(|plug| plug.network).collect();
    if places.iter().all(|(network, ..)| plugged.contains(network)) {
        return Ok(());
    }
    let found = match networks.engine().networked_container(container).await {
        Ok(found) if found.running => found,
        Ok(_) => return Ok(()),
        // It went meanwhile, and its task with it.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for (network, place, address) in places {
        let known = networks.backing(network);
        let is_there =
            |endpoint: &ContainerEndpoint| known.as_ref().is_some_and(|known| known.engine_id == endpoint.network_id);
        if found.endpoints.iter().any(is_there) {
            continue;
        }
        let driver_opts = endpoint_options(task, network);
        let Some(network) = held.networks.get(&network) else { continue };
        let engine_name = networks.ensure(network).await?;
        tracing::warn!(task = %task.id, network = network.name(), "a task's container was taken off its network: it is put back");
        let endpoint = ContainerEndpoint {
            address: Some(address),
            ipv6_address: place.host(),
            aliases: place.aliases.clone(),
            driver_opts,
            gw_priority: gw_priority(network.spec.ingress),
            ..ContainerEndpoint::default()
        };
        networks.engine().connect_network(&engine_name, container, &endpoint).await?;
        settle(networks, container, address).await?;
    }
    Ok(())
}

/// The container of a task that runs and shall.
fn running(task: &Task) -> Option<&str> {
    let container = task.status.container.as_ref().map(|container| container.id.as_str())?;
    (task.status.state == TaskState::Running && task.is_wanted() && !container.is_empty()).then_some(container)
}

fn place_of<'a>(held: &Assignments, place: &'a Attachment) -> Option<(NetworkId, &'a Attachment, Ipv4Addr)> {
    let network = held.networks.get(&place.network?)?;
    // Only overlays are on bridges of Gam's.
    backing::resolver(network)?;
    Some((network.id, place, place.host()?))
}

/// dockerd chooses a hardware address of its own for who joins late (before API 1.54): it is given the one that everybody knows.
async fn settle(networks: &Networks, container: &str, address: Ipv4Addr) -> Result<(), NetworkError> {
    let found = networks.engine().network_sandbox(container).await?;
    let (Some(path), Some(mac)) = (found.path, plane::parse_mac(&mac_of(address))) else { return Ok(()) };
    let set = async { set_mac(&Namespace::open(&path)?, IpAddr::V4(address), mac).await };
    if let Err(error) = set.await {
        tracing::warn!(container, %address, %error, "cannot give a container the hardware address that others know it by");
    }
    Ok(())
}
