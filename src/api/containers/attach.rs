//! How a container that the swarm did not make comes to its place on an overlay: an address from the managers, a
//! backing in dockerd, both in the container's settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use gam_core::error::Error;
use gam_core::model::{Attachment, Network, Task, TaskId, mac_of};
use serde_json::{Map, Value};

use super::super::networks::refused;
use super::super::{Api, ApiError};
use crate::network::Backing;
use crate::network::places::Places;

/// Begins the words that stand for containers that have no id yet; no id begins so.
pub const WORD: &str = "create-";

/// A place that a container wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// On this network.
    pub network: Arc<Network>,
    /// These addresses, at most one of each family; any of a family of which there is none.
    pub addresses: Vec<IpAddr>,
    /// Names under which it wants to be found.
    pub aliases: Vec<String>,
}

/// A place that a container has.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The attachment.
    pub task: TaskId,
    /// Its address.
    pub address: Ipv4Addr,
    /// The one of IPv6, on networks that have it.
    pub ipv6_address: Option<Ipv6Addr>,
    /// The network in dockerd.
    pub backing: Backing,
}

/// Gets an address and a backing. `container` is the engine's id of the container, or a word that nobody else has
/// until there is one; it is joining ([`crate::network::Networks::joining`]) while this runs.
pub async fn join(api: &Api, places: &Places, name: &str, container: &str, wanted: Wanted) -> Result<Joined, ApiError> {
    let place = Attachment {
        network: Some(wanted.network.id),
        addresses: wanted.addresses.iter().map(IpAddr::to_string).collect(),
        aliases: wanted.aliases,
    };
    let (task, given) = places.attach(name, container, vec![place]).await?;
    let made = match given.iter().find_map(Attachment::host) {
        Some(address) => {
            let ipv6_address = given.iter().find_map(Attachment::host);
            backing(api, &wanted.network).await.map(|backing| Joined { task, address, ipv6_address, backing })
        }
        None => Err(Error::internal(format!("network {} has no IPv4 address to give", wanted.network.name())).into()),
    };
    if made.is_err() {
        give_back(places, &[task]).await;
    }
    made
}

/// The network's backing, made if it is missing.
pub async fn backing(api: &Api, network: &Network) -> Result<Backing, ApiError> {
    api.networks.ensure(network).await.map_err(refused)?;
    let gone = || ApiError::new(StatusCode::CONFLICT, format!("network {} was removed meanwhile", network.name()));
    api.networks.backing(network.id).ok_or_else(gone)
}

/// Writes down whose the attachments are, now that their container has an id.
pub async fn settle(places: &Places, tasks: &[TaskId], container: &str) {
    if let Err(error) = places.settle(tasks, container).await {
        // They are the container's all the same: it has their addresses.
        tracing::debug!(container, %error, "cannot write down whose an attachment is");
    }
}

/// Whether an attachment is a container's: its id says so, or it was made for a container that had none yet.
pub fn is_of(task: &Task, container: &str) -> bool {
    let known = task.status.container.as_ref().map_or("", |status| status.id.as_str());
    known == container || known.starts_with(WORD)
}

/// Gives attachments back that came to nothing.
pub async fn give_back(places: &Places, tasks: &[TaskId]) {
    for task in tasks {
        if let Err(error) = places.detach(*task).await {
            // The watch finds it without a container and tries again.
            tracing::warn!(%task, %error, "cannot give back an address");
        }
    }
}

/// Runs to the end even if the client goes away meanwhile, so that no address is left behind without its container.
pub async fn to_the_end(
    work: impl Future<Output = Result<Response, ApiError>> + Send + 'static,
) -> Result<Response, ApiError> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the request was broken off: {error}")))
    })
}

/// A refusal as dockerd tells it when a container that runs, or is to run, cannot join: a 500 that begins with the
/// name that the user gave (`moby: daemon/cluster/networks.go`, `AttachNetwork`).
pub fn starting(error: ApiError, name: &str) -> ApiError {
    let begin = "Could not attach to network ";
    let message = match error.message.strip_prefix(begin).and_then(|rest| rest.split_once(": ")) {
        Some((_, cause)) => format!("{begin}{name}: {cause}"),
        None => format!("{begin}{name}: {}", error.message),
    };
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

/// Puts an address into an endpoint's settings, with the MAC address that belongs to it unless the user chose one.
pub fn place(endpoint: &mut Map<String, Value>, joined: &Joined, with_mac: bool) -> Option<()> {
    let ipam = object(endpoint, "IPAMConfig")?;
    set(ipam, "IPv4Address", joined.address.to_string());
    if let Some(address) = joined.ipv6_address {
        set(ipam, "IPv6Address", address.to_string());
    }
    let has_mac = field(endpoint, "MacAddress").and_then(Value::as_str).is_some_and(|mac| !mac.is_empty());
    if with_mac && !has_mac {
        set(endpoint, "MacAddress", mac_of(joined.address));
    }
    Some(())
}

/// A field, its name found as Go finds it: without regard to case, the last one counts.
pub fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The key under which a field stands.
pub fn key(object: &Map<String, Value>, name: &str) -> String {
    let found = object.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map_or_else(|| name.to_owned(), |(key, _)| key.clone())
}

/// Sets a field, whatever the case of its name.
pub fn set(object: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let key = key(object, name);
    object.insert(key, value.into());
}

/// A field that is an object, made if it is absent or null; `None` if it is anything else.
pub fn object<'a>(parent: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let key = key(parent, name);
    let value = parent.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_what_the_user_named() {
        let cause = "rpc error: code = PermissionDenied desc = network natt not manually attachable";
        let error = ApiError::new(StatusCode::FORBIDDEN, format!("Could not attach to network natt: {cause}"));
        let told = starting(error, "x1y2");
        assert_eq!((told.status.as_u16(), told.message), (500, format!("Could not attach to network x1y2: {cause}")));
        let told = starting(ApiError::invalid("no room"), "natt");
        assert_eq!(told.message, "Could not attach to network natt: no room");
    }

    #[test]
    fn fields_are_found_as_go_finds_them() {
        let Value::Object(mut body) = serde_json::json!({ "hostconfig": { "a": 1 }, "Null": null, "Text": "x" }) else {
            panic!("an object is an object")
        };
        assert_eq!(field(&body, "HostConfig").unwrap()["a"], 1);
        assert!(object(&mut body, "Null").unwrap().is_empty());
        assert!(object(&mut body, "Text").is_none());
        set(&mut body, "HOSTCONFIG", 2);
        assert_eq!(body["hostconfig"], 2);
        object(&mut body, "New").unwrap();
        assert!(body["New"].is_object());
    }
}
