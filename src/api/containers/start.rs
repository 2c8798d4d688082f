//! `POST /containers/{name}/start` and `restart`: the last moment for a container to get its place on an overlay.
//!
//! Most have it since they were made. One that was made before its network, or that was refused then, gets it now, or
//! is refused now, which is when dockerd's swarm mode refuses it; one whose backing was made anew is moved to it.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::model::{Network, NetworkId};
use gam_core::state::State as Cluster;

use super::super::networks::{self, refused, swarm_network, upstream};
use super::super::{Api, ApiError};
use super::attach::{self, Wanted};
use super::create::MODES;
use crate::engine::networks::{ContainerEndpoint, NetworkedContainer};
use crate::network::Backing;
use crate::network::attachments::{addresses, attachments};
use crate::network::places::Places;

/// What dockerd says of a container that cannot join its networks, up to the reason.
const NETWORKING: &str = "failed to set up container networking: ";

/// Starts a container.
pub async fn start(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, ApiError> {
    attach::to_the_end(run(api, name, request)).await
}

/// Restarts a container; one that runs keeps its places.
pub async fn restart(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, ApiError> {
    // dockerd's answer comes after the old process has stopped, so a client may well go away before.
    attach::to_the_end(run(api, name, request)).await
}

async fn run(api: Api, name: String, request: Request) -> Result<Response, ApiError> {
    let Some(places) = api.node.places() else { return Ok(api.proxy.forward(request).await) };
    let refusal = prepare(&api, &places, &name).await.err();
    if let Some(Refusal { message, by: By::Gam { container } }) = &refusal {
        if let Some(id) = container
            && let Err(error) = api.engine.remove_container(id).await
        {
            tracing::debug!(%error, container = %id, "cannot remove a container that was refused its start");
        }
        return Err(refused_start(message));
    }
    let response = api.proxy.forward(request).await;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let answer = upstream::Answer::read(response).await?;
    let reason = refusal.map(|refusal| refusal.message);
    let translated = |message: String| match api.networks.rewriter() {
        Some(rewriter) => String::from_utf8_lossy(&rewriter.all(message.as_bytes())).into_owned(),
        None => message,
    };
    let ingress = ingress(&places);
    let told = |message: String| in_swarm_words(&message, reason.as_deref(), ingress.as_deref());
    match answer.message().map(translated).and_then(told) {
        Some(message) => Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)),
        None => Ok(upstream::rewritten(answer.into_response(), api.networks.rewriter()).await),
    }
}

/// Why a container cannot have its place.
struct Refusal {
    message: String,
    by: By,
}

/// Who tells the user.
enum By {
    /// dockerd fails to start the container, with all that belongs to it; only its reason is replaced.
    Dockerd,
    /// dockerd would start the container on an address that is not the container's. One that is to be removed when it
    /// ends has ended.
    Gam { container: Option<String> },
}

fn refused_start(reason: &str) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{NETWORKING}{reason}"))
}

/// The name of the routing mesh's network, which nothing is looked up for ([`prepare`]).
fn ingress(places: &Places) -> Option<String> {
    let Places::Here(manager) = places else { return None };
    manager.state().networks().find(|network| network.spec.ingress).map(|network| network.name().to_owned())
}

/// What dockerd in swarm mode says where this one said `message`: the reason that is known, or, of a network that
/// nobody knows, that the managers do not know it either; that of the routing mesh is for nobody. `None` if it was about
/// something else.
fn in_swarm_words(message: &str, reason: Option<&str>, ingress: Option<&str>) -> Option<String> {
    let (begin, told) = message.split_once(NETWORKING)?;
    let reason = match reason {
        Some(reason) => reason.to_owned(),
        None => {
            let name = told.strip_prefix("network ")?.strip_suffix(" not found")?;
            let (code, why) = match ingress {
                Some(ingress) if ingress == name => ("PermissionDenied", "not manually attachable"),
                _ => ("NotFound", "not found"),
            };
            format!("Could not attach to network {name}: rpc error: code = {code} desc = network {name} {why}")
        }
    };
    Some(format!("{begin}{NETWORKING}{reason}"))
}

/// Sees to it that a container has its places on overlays. Whatever is not about them is left to dockerd.
async fn prepare(api: &Api, places: &Places, name: &str) -> Result<(), Refusal> {
    // In a swarm with nothing but the routing mesh there is nothing to join.
    if matches!(places, Places::Here(manager) if manager.state().networks().all(|network| network.spec.ingress)) {
        return Ok(());
    }
    let Ok(container) = api.engine.networked_container(name).await else { return Ok(()) };
    if container.running || container.is_task {
        return Ok(());
    }
    let cluster = match places {
        Places::Here(manager) => Some(manager.state()),
        Places::There(_) => networks::asked(api, places, named(api, &container)).await,
    };
    let Some(cluster) = cluster else { return Ok(()) };
    for endpoint in &container.endpoints {
        let Ok(Some(network)) = network_of(api, places, &cluster, &container, endpoint).await else { continue };
        if let Err(error) = place(api, places, &container, endpoint, &network).await {
            // Without an address of its own dockerd has none to give it, and fails.
            let by = match (endpoint.address, api.networks.backing(network.id)) {
                (Some(_), Some(_)) => By::Gam { container: container.auto_remove.then(|| container.id.clone()) },
                _ => By::Dockerd,
            };
            return Err(Refusal { message: error.message, by });
        }
    }
    Ok(())
}

/// What the networks of a container may be called in the swarm.
fn named(api: &Api, container: &NetworkedContainer) -> Vec<String> {
    let named = container.endpoints.iter().map(|endpoint| {
        let by_name = || api.networks.backing_by_name(&endpoint.network);
        let backing = api.networks.backing_by_id(&endpoint.network_id).or_else(by_name);
        backing.map_or_else(|| endpoint.network.clone(), |backing| backing.network.to_string())
    });
    named.filter(|name| !MODES.contains(&name.as_str())).collect()
}

/// The swarm network of an endpoint, if it is on one. By the id once the container ran, else by the name.
async fn network_of(
    api: &Api,
    places: &Places,
    cluster: &Cluster,
    container: &NetworkedContainer,
    endpoint: &ContainerEndpoint,
) -> Result<Option<std::sync::Arc<Network>>, ApiError> {
    if endpoint.network_id.is_empty() {
        return match api.networks.backing_by_name(&endpoint.network) {
            Some(backing) => Ok(cluster.network(backing.network).cloned()),
            None => swarm_network(api, cluster, &endpoint.network).await,
        };
    }
    if let Some(backing) = api.networks.backing_by_id(&endpoint.network_id) {
        return Ok(cluster.network(backing.network).cloned());
    }
    // A backing that is no more: the container is still on the network if the managers think so.
    let network = cluster.network_named(&endpoint.network).cloned();
    Ok(network.filter(|network| is_given(cluster, places, network.id, &container.id, endpoint)))
}

fn is_given(
    cluster: &Cluster,
    places: &Places,
    network: NetworkId,
    container: &str,
    endpoint: &ContainerEndpoint,
) -> bool {
    let place = endpoint.address.map(|address| (network, address));
    attachments(cluster, places.node_id())
        .filter(|task| attach::is_of(task, container))
        .flat_map(addresses)
        .any(|given| Some(given) == place)
}

/// What an endpoint lacks.
#[derive(Debug, PartialEq, Eq)]
enum Lack {
    Nothing,
    /// dockerd must be told again where the endpoint is.
    Place,
}

/// Whether dockerd will find the network of an endpoint that has its address.
fn lack(endpoint: &ContainerEndpoint, backing: &Backing) -> Lack {
    let is_found = match endpoint.network_id.as_str() {
        "" => endpoint.network == backing.engine_name,
        id => id == backing.engine_id,
    };
    if is_found { Lack::Nothing } else { Lack::Place }
}

async fn place(
    api: &Api,
    places: &Places,
    container: &NetworkedContainer,
    endpoint: &ContainerEndpoint,
    network: &std::sync::Arc<Network>,
) -> Result<(), ApiError> {
    if is_given(&places.known(), places, network.id, &container.id, endpoint) {
        let backing = attach::backing(api, network).await?;
        return match lack(endpoint, &backing) {
            Lack::Nothing => Ok(()),
            Lack::Place => connect(api, container, endpoint, &backing).await,
        };
    }
    let named = if endpoint.network_id.is_empty() { endpoint.network.clone() } else { network.id.to_string() };
    let addresses = endpoint.addresses().collect();
    let wanted = Wanted { network: network.clone(), addresses, aliases: endpoint.aliases.clone() };
    let _joining = api.networks.joining(&container.id);
    let mut joined = attach::join(api, places, &container.name, &container.id, wanted.clone()).await;
    if joined.is_err() && !endpoint.network_id.is_empty() {
        // The address of an earlier run is no wish of the user's.
        let any = Wanted { addresses: Vec::new(), ..wanted };
        joined = attach::join(api, places, &container.name, &container.id, any).await;
    }
    let joined = joined.map_err(|error| attach::starting(error, &named))?;
    let endpoint =
        ContainerEndpoint { address: Some(joined.address), ipv6_address: joined.ipv6_address, ..endpoint.clone() };
    let connected = connect(api, container, &endpoint, &joined.backing).await;
    if connected.is_err() {
        attach::give_back(places, &[joined.task]).await;
    }
    connected
}

/// Tells dockerd anew where an endpoint of a container that does not run is.
async fn connect(
    api: &Api,
    container: &NetworkedContainer,
    endpoint: &ContainerEndpoint,
    backing: &Backing,
) -> Result<(), ApiError> {
    let refused = |error| refused(crate::network::NetworkError::Engine(error));
    api.engine.disconnect_network(&endpoint.network, &container.id, false).await.map_err(refused)?;
    api.engine.connect_network(&backing.engine_id, &container.id, endpoint).await.map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_must_name_what_dockerd_has() {
        let backing = Backing {
            network: 7.into(),
            name: "att".into(),
            engine_id: "e7".into(),
            engine_name: "att".into(),
            subnets: Vec::new(),
        };
        let endpoint = |network: &str, id: &str| ContainerEndpoint {
            network: network.into(),
            network_id: id.into(),
            ..ContainerEndpoint::default()
        };
        assert_eq!(lack(&endpoint("att", ""), &backing), Lack::Nothing, "made with its address");
        assert_eq!(lack(&endpoint("att", "e7"), &backing), Lack::Nothing, "ran before");
        assert_eq!(lack(&endpoint("att", "old"), &backing), Lack::Place, "its backing was made anew");
        assert_eq!(lack(&endpoint("0000000000000000000000007", ""), &backing), Lack::Place, "named by id");
    }

    #[test]
    fn refusals_read_as_dockerds_in_swarm_mode() {
        let words = |message: &str, reason: Option<&str>| in_swarm_words(message, reason, Some("mesh"));
        assert_eq!(
            words(
                "Cannot restart container c: failed to set up container networking: network natt not found",
                Some("why")
            ),
            Some("Cannot restart container c: failed to set up container networking: why".into())
        );
        assert_eq!(
            words("failed to set up container networking: network nope not found", None).unwrap(),
            "failed to set up container networking: Could not attach to network nope: \
             rpc error: code = NotFound desc = network nope not found"
        );
        assert_eq!(
            words("failed to set up container networking: network mesh not found", None).unwrap(),
            "failed to set up container networking: Could not attach to network mesh: \
             rpc error: code = PermissionDenied desc = network mesh not manually attachable"
        );
        assert_eq!(words("failed to set up container networking: driver failed", None), None);
        assert_eq!(words("OCI runtime create failed: exec: not found", Some("why")), None, "that came first");
    }
}
