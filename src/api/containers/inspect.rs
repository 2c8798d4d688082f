//! `GET /containers/{name}/json`: networks by the ids that users know, and of DNS what the user asked for.
//!
//! The swarm's resolver is a server of the container's like any other, to dockerd, and `ndots` is kept from it
//! ([`gam_core::container`]); neither is anybody else's business. All else stays as dockerd wrote it, byte for byte.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use gam_core::container::LABEL_TASK_ID;
use gam_core::model::DnsConfig;
use gam_core::state::State as Cluster;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::networks::upstream::Answer;
use super::super::{Api, ApiError};
use super::list::known;
use crate::network::backing::resolver;

/// Shows a container.
pub async fn inspect(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let response = api.proxy.forward(request).await;
    let Some(rewriter) = api.networks.rewriter().filter(|_| response.status().is_success()) else {
        return Ok(response);
    };
    let (mut head, document) = Answer::read(response).await?.into_parts();
    let mut document = rewriter.all(&document);
    if let Some(cluster) = known(&api).await {
        let asked_by = |task: &str| {
            let id = task.parse().ok()?;
            let assigned = api.node.assignments().tasks.get(&id).cloned();
            let task = assigned.or_else(|| cluster.task(id).cloned())?;
            task.spec().container_spec.as_ref()?.dns_config.clone()
        };
        if let Some(given) = as_given(&document, &cluster, asked_by) {
            document = given;
        }
    }
    head.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(document)))
}

/// What is read of a document; the rest of it is not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected<'a> {
    config: Config,
    #[serde(borrow)]
    host_config: HostConfig<'a>,
    network_settings: NetworkSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig<'a> {
    #[serde(borrow)]
    dns: &'a RawValue,
    #[serde(borrow)]
    dns_options: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Value>>,
}

/// The document with the user's own servers and options; `None` if they are what it says already.
fn as_given(document: &[u8], cluster: &Cluster, asked_by: impl Fn(&str) -> Option<DnsConfig>) -> Option<Vec<u8>> {
    let seen: Inspected<'_> = serde_json::from_slice(document).ok()?;
    let mut servers: Vec<String> = serde_json::from_str(seen.host_config.dns.get()).ok()?;
    let networks = seen.network_settings.networks?;
    let is_ours = |server: &str| {
        let networks = networks.keys().filter_map(|name| cluster.network_named(name));
        networks.filter_map(|network| resolver(network)).any(|ours| ours.to_string() == server)
    };
    if !servers.first().is_some_and(|server| is_ours(server)) {
        return None;
    }
    servers.remove(0);
    let labels = seen.config.labels.unwrap_or_default();
    let task_id = labels.get(LABEL_TASK_ID).and_then(Value::as_str);
    // dockerd shows what it was told, and so none as none, or as an empty list: the CLI sends three empty ones.
    let are_none = task_id.is_some() || seen.host_config.dns_options.get() == "null";
    let servers = if servers.is_empty() && are_none { Value::Null } else { json!(servers) };
    let options = task_id.and_then(asked_by).map(|asked| asked.options).filter(|options| !options.is_empty());
    let mut places = vec![(seen.host_config.dns, servers)];
    places.extend(options.map(|options| (seen.host_config.dns_options, json!(options))));
    Some(replaced(document, places))
}

/// The document with other values in these places of it.
fn replaced(document: &[u8], mut places: Vec<(&RawValue, Value)>) -> Vec<u8> {
    let begin = document.as_ptr().addr();
    places.sort_by_key(|(old, _)| old.get().as_ptr().addr());
    let (mut out, mut from) = (Vec::with_capacity(document.len()), 0);
    for (old, new) in places {
        let at = old.get().as_ptr().addr() - begin;
        out.extend_from_slice(&document[from..at]);
        out.extend_from_slice(new.to_string().as_bytes());
        from = at + old.get().len();
    }
    out.extend_from_slice(&document[from..]);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gam_core::model::{IpamConfig, Meta, Network, NetworkSpec};

    use super::*;

    fn cluster() -> Cluster {
        let network = Network {
            id: 7.into(),
            meta: Meta::default(),
            spec: NetworkSpec { name: "ov".into(), ..NetworkSpec::default() },
            ipam: vec![IpamConfig { subnet: "10.0.1.0/24".into(), ..IpamConfig::default() }],
            vni: 0,
        };
        Cluster::of_networks([&Arc::new(network)])
    }

    fn document(dns: &str, options: &str, labels: &str, network: &str) -> String {
        format!(
            "{{\"Id\":\"a\\u003c\",\"HostConfig\":{{\"Memory\":9007199254740993, \"Dns\":{dns},\"DnsOptions\":{options},\
             \"DnsSearch\":null}},\"Config\":{{\"Labels\":{labels}}},\"NetworkSettings\":{{\"Networks\":{{\"{network}\":{{}}}}}}}}\n"
        )
    }

    fn shown(text: &str) -> Option<String> {
        as_given(text.as_bytes(), &cluster(), |_| None).map(|document| String::from_utf8(document).unwrap())
    }

    #[test]
    fn the_swarms_resolver_is_not_shown() {
        let task = "{\"com.docker.swarm.task.id\":\"x\"}";
        for (dns, options, labels, given) in [
            ("[\"10.0.1.1\"]", "null", task, "null"),
            ("[\"10.0.1.1\"]", "[\"a\"]", task, "null"),
            ("[\"10.0.1.1\",\"1.1.1.1\"]", "null", task, "[\"1.1.1.1\"]"),
            ("[\"10.0.1.1\"]", "[]", "{}", "[]"),
            ("[\"10.0.1.1\"]", "null", "null", "null"),
            ("[\"10.0.1.1\",\"10.0.1.1\"]", "[]", "{}", "[\"10.0.1.1\"]"),
        ] {
            let expected = document(given, options, labels, "ov");
            assert_eq!(shown(&document(dns, options, labels, "ov")), Some(expected), "{dns}");
        }
    }

    #[test]
    fn what_is_the_users_stays() {
        for (dns, network) in [("null", "ov"), ("[]", "ov"), ("[\"1.1.1.1\"]", "ov"), ("[\"10.0.1.1\"]", "other")] {
            assert_eq!(shown(&document(dns, "null", "{}", network)), None, "{dns}");
        }
        assert_eq!(shown("{\"message\":\"x\"}"), None);
    }

    #[test]
    fn the_options_of_a_task_are_its_specs() {
        let asked = DnsConfig { options: vec!["ndots:2".into(), "a".into()], ..DnsConfig::default() };
        let labels = "{\"com.docker.swarm.task.id\":\"x\"}";
        let seen = document("[\"10.0.1.1\"]", "[\"a\"]", labels, "ov");
        let shown = as_given(seen.as_bytes(), &cluster(), |_| Some(asked.clone())).unwrap();
        let expected = document("null", "[\"ndots:2\",\"a\"]", labels, "ov");
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }
}
