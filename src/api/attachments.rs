//! A task's places on networks, as `/tasks` shows them (`moby: swarm.NetworkAttachment`).

use gam_core::model::{Attachment, Driver, IpamOptions, Network, NetworkSpec, StringMap, Timestamp};
use gam_core::state::State as Cluster;
use serde::Serialize;

use super::swarm::Version;

/// One place.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachmentView<'a> {
    network: NetworkView<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    addresses: &'a [String],
}

/// A swarm network as it is nested in a task (`moby: swarm.Network`).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkView<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
    spec: &'a NetworkSpec,
    driver_state: Driver,
    #[serde(rename = "IPAMOptions")]
    ipam_options: IpamOptions,
}

/// Renders a place; `None` once its network is gone.
pub fn attachment_view<'a>(state: &'a Cluster, attachment: &'a Attachment) -> Option<AttachmentView<'a>> {
    let network = state.network(attachment.network?)?;
    Some(AttachmentView { network: network_view(network), addresses: &attachment.addresses })
}

fn network_view(network: &Network) -> NetworkView<'_> {
    let mut options = StringMap::new();
    if network.vni != 0 {
        options.insert("com.docker.network.driver.overlay.vxlanid_list".into(), network.vni.to_string());
    }
    NetworkView {
        id: network.id.to_string(),
        version: Version { index: network.meta.version },
        created_at: network.meta.created_at,
        updated_at: network.meta.updated_at,
        spec: &network.spec,
        driver_state: Driver { name: network.driver().to_owned(), options },
        ipam_options: IpamOptions {
            // The engine's own address manager is nobody's business here.
            driver: Driver {
                name: if network.is_predefined() { "" } else { "default" }.into(),
                options: StringMap::new(),
            },
            configs: network.ipam.clone(),
        },
    }
}
