//! `GET /containers/json`: names of swarm networks in filters go in as dockerd knows them, and come out as users do.

use axum::extract::{Request, State};
use axum::response::Response;
use gam_core::state::State as Cluster;
use serde_json::{Map, Value};

use super::super::Api;
use super::super::networks::prune::encode;
use super::super::networks::upstream;
use super::super::query::Query;
use crate::network::Networks;

/// Lists containers. Without backings on this node nothing is looked at and nothing changes.
pub async fn list(State(api): State<Api>, request: Request) -> Response {
    let Some(rewriter) = api.networks.rewriter() else { return api.proxy.forward(request).await };
    let filters = Query::of(&request).get("filters").to_owned();
    let translated = api.node.manager().ok().and_then(|manager| {
        let cluster = manager.state();
        translate(&filters, |name| names(&api.networks, &cluster, name))
    });
    let request = match translated {
        Some(filters) => {
            let target = format!("{}?{}", request.uri().path(), with_filters(request.uri().query(), &filters));
            upstream::retarget(request, &target)
        }
        None => request,
    };
    upstream::rewritten(api.proxy.forward(request).await, Some(rewriter))
}

/// The names by which dockerd knows a swarm network on this node.
fn names(networks: &Networks, cluster: &Cluster, name: &str) -> Option<[String; 2]> {
    let network = cluster.find_network(name).ok()?;
    let backing = networks.backing(network.id)?;
    Some([backing.engine_name, backing.engine_id])
}

/// Puts dockerd's names for swarm networks into filters; `None` if there is nothing to put in.
fn translate(filters: &str, names: impl Fn(&str) -> Option<[String; 2]>) -> Option<String> {
    let Ok(Value::Object(mut document)) = serde_json::from_str::<Value>(filters) else { return None };
    let wanted: Vec<String> = match document.get("network")? {
        Value::Array(list) => list.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        Value::Object(set) => set.keys().cloned().collect(),
        _ => return None,
    };
    let mut set = Map::new();
    for name in &wanted {
        // dockerd takes a container that is on any of them.
        match names(name) {
            Some(known) => set.extend(known.into_iter().map(|known| (known, Value::Bool(true)))),
            None => {
                set.insert(name.clone(), Value::Bool(true));
            }
        }
    }
    document.insert("network".into(), Value::Object(set));
    Some(Value::Object(document).to_string())
}

/// A query with other filters.
fn with_filters(query: Option<&str>, filters: &str) -> String {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let others = pairs.filter(|pair| pair.split('=').next() != Some("filters")).map(str::to_owned);
    others.chain([format!("filters={}", encode(filters))]).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<[String; 2]> {
        (name == "att").then(|| ["att".to_owned(), "e7".to_owned()])
    }

    #[test]
    fn swarm_networks_are_named_as_dockerd_names_them() {
        for shape in [r#"{"network":["att","x"],"label":["a"]}"#, r#"{"network":{"att":true,"x":true},"label":["a"]}"#]
        {
            assert_eq!(
                translate(shape, known).unwrap(),
                r#"{"network":{"att":true,"e7":true,"x":true},"label":["a"]}"#
            );
        }
    }

    #[test]
    fn other_filters_are_left_alone() {
        for filters in ["", "{", r#"{"label":["a"]}"#, r#"{"network":7}"#] {
            assert_eq!(translate(filters, known), None, "{filters}");
        }
    }

    #[test]
    fn the_rest_of_the_query_stays() {
        assert_eq!(with_filters(Some("all=1&filters=old&limit=2"), "{}"), "all=1&limit=2&filters=%7B%7D");
        assert_eq!(with_filters(None, "{}"), "filters=%7B%7D");
    }
}
