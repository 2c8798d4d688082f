//! `POST /containers/create`: a container that names an attachable overlay gets its address before it is made, so that
//! it starts, restarts and survives without Gam.
//!
//! Only the settings of that network are touched. Whatever cannot be had (a network that is not attachable, an address
//! that is taken) is no reason to refuse here: dockerd makes such a container, too, and it is refused when it starts
//! ([`super::start`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::json::coerced;
use gam_core::model::Network;
use gam_core::state::State as Cluster;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::networks::{self, swarm_network, upstream};
use super::super::query::{Query, read_body};
use super::super::version::ApiVersion;
use super::super::{Api, ApiError, gates};
use super::attach::{self, Joined, WORD, Wanted, field, key, object, place, set};
use super::socket;
use crate::manager::now;
use crate::network::backing::resolver;
use crate::network::places::Places;
use upstream::Outline;

/// Names that mean no network of a user's (`moby: runconfig`, `NetworkMode`).
pub(super) const MODES: [&str; 5] = ["", "default", "bridge", "host", "none"];

/// Tells containers apart that are being made at the same moment.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The networks of the swarm that a body names, by the names it gives them.
type Named = BTreeMap<String, Arc<Network>>;

/// Makes a container.
pub async fn create(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let places = api.node.places();
    if places.is_none() && api.gam_socket.is_none() {
        return Ok(api.proxy.forward(request).await);
    }
    let legacy = gates::version(&request) < ApiVersion::new(1, 44);
    let name = Query::of(&request).get("name").trim_start_matches('/').to_owned();
    let (outline, body) = Outline::of(request);
    let bytes = read_body(body).await?;
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(&coerced(&bytes)) else {
        return Ok(api.proxy.forward(outline.with(bytes)).await);
    };
    let redirected = api.gam_socket.as_deref().is_some_and(|socket| socket::redirect(&mut body, socket));
    let bytes = if redirected { Value::Object(body.clone()).to_string().into() } else { bytes };
    let Some(places) = places else { return Ok(api.proxy.forward(outline.with(bytes)).await) };
    let cluster = match &places {
        Places::Here(manager) => manager.read().await.ok(),
        Places::There(_) => networks::asked(&api, &places, names(&body).map(str::to_owned).collect()).await,
    };
    let Some(cluster) = cluster else { return Ok(api.proxy.forward(outline.with(bytes)).await) };
    let named = named(&api, &cluster, &body).await;
    match wanted(&body, &named) {
        Some(wanted) if !wanted.is_empty() => {
            let creation = Creation { api, places, outline, name, legacy, named, wanted };
            attach::to_the_end(creation.run(body, bytes)).await
        }
        _ => Ok(api.proxy.forward(outline.with(bytes)).await),
    }
}

/// What is read of dockerd's answer.
#[derive(Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
}

/// A container on its way.
struct Creation {
    api: Api,
    places: Places,
    outline: Outline,
    name: String,
    legacy: bool,
    named: Named,
    wanted: Vec<Wanted>,
}

impl Creation {
    async fn run(self, mut body: Map<String, Value>, bytes: bytes::Bytes) -> Result<Response, ApiError> {
        let count = MADE.fetch_add(1, Ordering::Relaxed);
        let word = format!("{WORD}{}-{count}", now().0);
        let _joining = self.api.networks.joining(&word);
        let mut joined: Vec<Joined> = Vec::new();
        let mut refused = false;
        for wanted in &self.wanted {
            match attach::join(&self.api, &self.places, &self.name, &word, wanted.clone()).await {
                Ok(place) => joined.push(place),
                // An address that can never be right is refused here, as dockerd does where it knows the subnet.
                Err(error) if error.status == StatusCode::BAD_REQUEST => {
                    let tasks: Vec<_> = joined.iter().map(|joined| joined.task).collect();
                    attach::give_back(&self.places, &tasks).await;
                    return Err(error);
                }
                Err(error) => {
                    tracing::debug!(network = %wanted.network.name(), error = %error.message, "no address for a new container");
                    refused = true;
                    break;
                }
            }
        }
        let tasks: Vec<_> = joined.iter().map(|joined| joined.task).collect();
        if refused || rewrite(&mut body, &self.named, &joined, self.legacy).is_none() {
            attach::give_back(&self.places, &tasks).await;
            return Ok(self.api.proxy.forward(self.outline.with(bytes)).await);
        }
        let request = self.outline.with(Value::Object(body).to_string());
        let answer = upstream::ask(&self.api, request).await;
        match answer.as_ref().ok().and_then(|answer| answer.ok::<Created>()) {
            Some(created) => attach::settle(&self.places, &tasks, &created.id).await,
            None => attach::give_back(&self.places, &tasks).await,
        }
        Ok(upstream::rewritten(answer?.into_response(), self.api.networks.rewriter()).await)
    }
}

fn mode(body: &Map<String, Value>) -> &str {
    let host = field(body, "HostConfig").and_then(Value::as_object);
    host.and_then(|host| field(host, "NetworkMode")).and_then(Value::as_str).unwrap_or_default()
}

fn endpoints(body: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let networking = field(body, "NetworkingConfig").and_then(Value::as_object)?;
    field(networking, "EndpointsConfig")?.as_object().filter(|endpoints| !endpoints.is_empty())
}

/// The names in a body that may mean networks of a user's.
fn names(body: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let keys = endpoints(body).into_iter().flat_map(Map::keys).map(String::as_str);
    keys.chain([mode(body)]).filter(|name| !MODES.contains(name) && !name.starts_with("container:"))
}

/// Finds out which of the names in a body are networks of the swarm.
async fn named(api: &Api, cluster: &Cluster, body: &Map<String, Value>) -> Named {
    let mut named = Named::new();
    for name in names(body) {
        if named.contains_key(name) {
            continue;
        }
        if let Ok(Some(network)) = swarm_network(api, cluster, name).await {
            named.insert(name.to_owned(), network);
        }
    }
    named
}

/// The places that a body asks for; `None` if something about one of them is wrong, which dockerd will say.
fn wanted(body: &Map<String, Value>, named: &Named) -> Option<Vec<Wanted>> {
    let Some(endpoints) = endpoints(body) else {
        let network = named.get(mode(body)).cloned();
        return Some(
            network.into_iter().map(|network| Wanted { network, addresses: Vec::new(), aliases: Vec::new() }).collect(),
        );
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    for (name, endpoint) in endpoints {
        let Some(network) = named.get(name) else { continue };
        let endpoint = endpoint.as_object()?;
        let ipam = field(endpoint, "IPAMConfig").and_then(Value::as_object);
        let asked = |name| ipam.and_then(|ipam| field(ipam, name)?.as_str()).filter(|address| !address.is_empty());
        let mut addresses: Vec<IpAddr> = Vec::new();
        if let Some(address) = asked("IPv4Address") {
            addresses.push(IpAddr::V4(address.parse().ok()?));
        }
        if let Some(address) = asked("IPv6Address") {
            addresses.push(IpAddr::V6(address.parse().ok()?));
        }
        let aliases = field(endpoint, "Aliases").and_then(Value::as_array).into_iter().flatten();
        let aliases = aliases.filter_map(Value::as_str).map(str::to_owned).collect();
        if wanted.iter().any(|other| other.network.id == network.id) {
            // One network under two names: dockerd joins it once and then fails.
            return None;
        }
        wanted.push(Wanted { network: network.clone(), addresses, aliases });
    }
    Some(wanted)
}

/// Puts the places into the body, under names that dockerd knows. `legacy` is an API before 1.44, which takes a MAC
/// address for the whole container only. `None` if the body is not what it should be.
fn rewrite(body: &mut Map<String, Value>, named: &Named, joined: &[Joined], legacy: bool) -> Option<()> {
    let placed = |name: &str| {
        let network = named.get(name)?;
        joined.iter().find(|joined| joined.backing.network == network.id)
    };
    let mode = mode(body).to_owned();
    let has_mac = field(body, "MacAddress").and_then(Value::as_str).is_some_and(|mac| !mac.is_empty());
    let networking = object(body, "NetworkingConfig")?;
    let endpoints = object(networking, "EndpointsConfig")?;
    if endpoints.is_empty() {
        endpoints.insert(mode.clone(), Value::Object(Map::new()));
    }
    let old = std::mem::take(endpoints);
    for (name, mut endpoint) in old {
        let Some(joined) = placed(&name) else {
            endpoints.insert(name, endpoint);
            continue;
        };
        // The container's own MAC address is its first network's.
        let is_first = placed(&mode).is_some_and(|first| first.task == joined.task);
        place(endpoint.as_object_mut()?, joined, !(legacy || has_mac && is_first))?;
        endpoints.insert(joined.backing.engine_name.clone(), endpoint);
    }
    resolve(body, named, joined)?;
    let Some(first) = placed(&mode) else { return Some(()) };
    let is_name = mode == first.backing.name;
    // By the id, so that answers show the network's own id again.
    let known_as = if is_name { &first.backing.engine_name } else { &first.backing.engine_id };
    let (known_as, address) = (known_as.clone(), first.address);
    set(object(body, "HostConfig")?, "NetworkMode", known_as);
    if legacy && !has_mac {
        let name = key(body, "MacAddress");
        body.insert(name, gam_core::model::mac_of(address).into());
    }
    Some(())
}

/// Has the engine's own resolver ask the swarm's first. What is no list of servers is left for dockerd to refuse.
fn resolve(body: &mut Map<String, Value>, named: &Named, joined: &[Joined]) -> Option<()> {
    let network = |joined: &Joined| named.values().find(|network| network.id == joined.backing.network);
    let Some(server) = joined.iter().filter_map(network).find_map(|network| resolver(network)) else { return Some(()) };
    let host = object(body, "HostConfig")?;
    let mut servers = match field(host, "Dns") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(servers)) => servers.clone(),
        Some(_) => return Some(()),
    };
    servers.insert(0, server.to_string().into());
    set(host, "Dns", servers);
    Some(())
}

#[cfg(test)]
mod tests {
    use gam_core::model::{IpamConfig, Meta, NetworkSpec};
    use serde_json::json;

    use super::*;
    use crate::network::Backing;

    const ID: &str = "0000000000000000000000007";

    fn named() -> Named {
        let network = Arc::new(Network {
            id: 7.into(),
            meta: Meta::default(),
            spec: NetworkSpec { name: "att".into(), ..NetworkSpec::default() },
            ipam: Vec::new(),
            vni: 0,
        });
        [("att".to_owned(), network.clone()), (ID.to_owned(), network)].into()
    }

    fn joined(engine_name: &str) -> Joined {
        Joined {
            task: 1.into(),
            address: "10.0.1.5".parse().unwrap(),
            ipv6_address: "fd00::5".parse().ok(),
            backing: Backing {
                network: 7.into(),
                name: "att".into(),
                engine_id: "e".repeat(64),
                engine_name: engine_name.into(),
                subnets: Vec::new(),
            },
        }
    }

    fn rewritten(body: Value, engine_name: &str, legacy: bool) -> Value {
        let Value::Object(mut body) = body else { panic!("a body is an object") };
        rewrite(&mut body, &named(), &[joined(engine_name)], legacy).unwrap();
        Value::Object(body)
    }

    fn places(body: Value) -> Option<Vec<(Vec<IpAddr>, Vec<String>)>> {
        let wanted = wanted(body.as_object().unwrap(), &named())?;
        Some(wanted.into_iter().map(|wanted| (wanted.addresses, wanted.aliases)).collect())
    }

    /// What `docker run --network att --network-alias al --ip 10.0.1.5` sends, in part.
    fn run(mode: &str) -> Value {
        json!({
            "Image": "busybox",
            "HostConfig": { "NetworkMode": mode, "Memory": 9_007_199_254_740_993_i64 },
            "NetworkingConfig": { "EndpointsConfig": {
                mode: { "IPAMConfig": { "LinkLocalIPs": ["169.254.1.1"] }, "Aliases": ["al"], "Links": null, "MacAddress": "" }
            }},
        })
    }

    #[test]
    fn a_place_is_read_from_endpoints_or_mode() {
        assert_eq!(places(run("att")), Some(vec![(vec![], vec!["al".to_owned()])]));
        assert_eq!(places(json!({ "HostConfig": { "NetworkMode": "att" } })), Some(vec![(vec![], vec![])]));
        assert_eq!(places(json!({ "HostConfig": { "NetworkMode": "bridge" } })), Some(vec![]));
        let asked = json!({ "networkingconfig": { "endpointsconfig": { ID: { "ipamconfig": { "ipv4address": "10.0.1.9" } } } } });
        assert_eq!(places(asked), Some(vec![(vec!["10.0.1.9".parse().unwrap()], vec![])]));
        let asked = json!({ "NetworkingConfig": { "EndpointsConfig": { "att": { "IPAMConfig": { "IPv6Address": "fd00::9" } } } } });
        assert_eq!(places(asked), Some(vec![(vec!["fd00::9".parse().unwrap()], vec![])]));
        // With endpoints given, the mode alone joins nothing, as in dockerd.
        let other = json!({ "HostConfig": { "NetworkMode": "att" }, "NetworkingConfig": { "EndpointsConfig": { "bridge": {} } } });
        assert_eq!(places(other), Some(vec![]));
    }

    #[test]
    fn what_is_wrong_is_left_to_dockerd() {
        for endpoint in [json!(null), json!("x"), json!({ "IPAMConfig": { "IPv6Address": "10.0.1.9" } })] {
            assert_eq!(places(json!({ "NetworkingConfig": { "EndpointsConfig": { "att": endpoint } } })), None);
        }
        assert_eq!(places(json!({ "NetworkingConfig": { "EndpointsConfig": { "att": {}, ID: {} } } })), None);
    }

    #[test]
    fn address_and_mac_are_put_in_and_the_rest_stays() {
        let body = rewritten(run("att"), "att", false);
        let mut expected = run("att");
        expected["NetworkingConfig"]["EndpointsConfig"]["att"]["IPAMConfig"]["IPv4Address"] = "10.0.1.5".into();
        expected["NetworkingConfig"]["EndpointsConfig"]["att"]["IPAMConfig"]["IPv6Address"] = "fd00::5".into();
        expected["NetworkingConfig"]["EndpointsConfig"]["att"]["MacAddress"] = "02:42:0a:00:01:05".into();
        assert_eq!(body.to_string(), expected.to_string(), "order and big numbers included");
    }

    #[test]
    fn a_network_named_by_id_or_under_a_second_name_is_named_as_dockerd_knows_it() {
        let body = rewritten(run(ID), "att", false);
        assert_eq!(body["HostConfig"]["NetworkMode"], "e".repeat(64));
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["att"]["Aliases"], json!(["al"]));
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"].get(ID), None);
        let body = rewritten(run("att"), "att.000000000000", false);
        assert_eq!(body["HostConfig"]["NetworkMode"], "att.000000000000");
        assert!(body["NetworkingConfig"]["EndpointsConfig"]["att.000000000000"].is_object());
    }

    #[test]
    fn a_mode_alone_gets_its_endpoint() {
        let body = rewritten(json!({ "HostConfig": { "NetworkMode": "att" } }), "att", false);
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["att"]["IPAMConfig"]["IPv4Address"], "10.0.1.5");
    }

    #[test]
    fn the_users_mac_address_stays() {
        let mut given = run("att");
        given["NetworkingConfig"]["EndpointsConfig"]["att"]["MacAddress"] = "02:00:00:00:00:05".into();
        let body = rewritten(given, "att", false);
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["att"]["MacAddress"], "02:00:00:00:00:05");
        let mut given = run("att");
        given["MacAddress"] = "02:00:00:00:00:05".into();
        let body = rewritten(given, "att", false);
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["att"]["MacAddress"], "");
    }

    #[test]
    fn old_clients_have_one_mac_address_for_the_container() {
        let body = rewritten(run("att"), "att", true);
        assert_eq!(body["MacAddress"], "02:42:0a:00:01:05");
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["att"]["MacAddress"], "");
    }

    #[test]
    fn the_swarms_resolver_is_asked_before_the_users() {
        let mut named = named();
        let network = Arc::make_mut(named.get_mut("att").unwrap());
        network.ipam = vec![IpamConfig { subnet: "10.0.1.0/24".into(), ..IpamConfig::default() }];
        named.remove(ID);
        let made = |dns: Value| {
            let mut given = run("att");
            given["HostConfig"]["Dns"] = dns;
            let Value::Object(mut body) = given else { panic!("a body is an object") };
            rewrite(&mut body, &named, &[joined("att")], false).unwrap();
            body["HostConfig"]["Dns"].clone()
        };
        assert_eq!(made(json!(null)), json!(["10.0.1.1"]));
        assert_eq!(made(json!(["1.1.1.1"])), json!(["10.0.1.1", "1.1.1.1"]));
        assert_eq!(made(json!("wrong")), json!("wrong"), "dockerd says what is wrong with it");
    }

    #[test]
    fn other_networks_stay() {
        let body = json!({ "NetworkingConfig": { "EndpointsConfig": { "att": {}, "other": { "GwPriority": 3 } } } });
        let body = rewritten(body, "att", false);
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["other"], json!({ "GwPriority": 3 }));
        assert_eq!(body.get("HostConfig"), None);
    }
}
