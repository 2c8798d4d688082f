//! Which way a request takes, told from its first line alone.
//!
//! Nearly all requests of a busy host are dockerd's from end to end: they need no router, no handler and no second look, and
//! [`super::straight`] passes them on as the bytes that they are. This module says which ones. It may send a request to
//! the router that the router will pass on after all; never the other way round, and a test holds it to that.

use super::Api;
use super::proxy::is_hijack;
use super::query::unescape;
use super::serve::MAX_TARGET;
use super::version::split;

/// The way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through the router: Gam's own, or in need of a closer look.
    Routed,
    /// To dockerd and back as it is.
    Straight,
    /// The same, and a good answer gets the header `Swarm` with this value.
    Ping(&'static str),
    /// The same as it is, but those who ask at the same moment share an answer.
    List,
}

impl Api {
    /// The way of a request with this method and target.
    #[must_use]
    pub fn way(&self, method: &str, target: &str) -> Way {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match owner(method, path) {
            Owner::Gam => Way::Routed,
            Owner::Engine if self.is_elsewhere(method, path) => Way::Routed,
            Owner::Engine => Way::Straight,
            Owner::EnginesPing => Way::Ping(self.node.status()),
            // Nothing to turn in the answer (`containers::list`), nor in the question.
            Owner::EnginesList if !self.networks.has_backings() && is_plain(query) => way_of_list(query),
            Owner::EnginesList => Way::Routed,
        }
    }

    fn is_elsewhere(&self, method: &str, path: &str) -> bool {
        self.may_be_elsewhere(method, split(path).map_or(path, |(_, rest)| rest))
    }
}

/// Whether a query of `/containers/json` has nothing that [`super::containers`] turns.
fn is_plain(query: &str) -> bool {
    // What is escaped may be a filter. One that is too long for the router is looked at more closely.
    if query.len() < MAX_TARGET / 2 {
        return !query.contains("filters") && !query.contains('%');
    }
    let query = unescape(query, true);
    !query.contains("network") && !query.contains("is-task")
}

/// Sizes are counted file by file, which takes long: nobody waits for another's.
fn way_of_list(query: &str) -> Way {
    if query.contains("size") { Way::Straight } else { Way::List }
}

/// Whose a path is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The router's.
    Gam,
    Engine,
    /// `/_ping`
    EnginesPing,
    /// `/containers/json`
    EnginesList,
}

pub(super) fn owner(method: &str, path: &str) -> Owner {
    let path = split(path).map_or(path, |(_, rest)| rest);
    let Some(inner) = path.strip_prefix('/').filter(|_| !is_crooked(path)) else { return Owner::Gam };
    let mut parts = inner.split('/');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        ("_ping", None, None) if matches!(method, "GET" | "HEAD") => Owner::EnginesPing,
        ("containers", Some("json"), None) if method == "GET" => Owner::EnginesList,
        ("gam", None, None) if method == "GET" => Owner::Gam,
        ("containers", Some("json" | "create"), None)
        | ("containers", Some(_), Some("json" | "start" | "restart"))
        | ("system", Some("df"), None)
        | ("_ping" | "info" | "version" | "events", ..)
        | ("swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs" | "networks", ..)
        | ("session" | "grpc", ..) => Owner::Gam,
        _ if is_hijack(path) => Owner::Gam,
        _ => Owner::Engine,
    }
}

/// What Go's router would clean or unescape first.
fn is_crooked(path: &str) -> bool {
    path.contains(['%', '#']) || path.contains("//") || path.contains("/.") || path.ends_with('/')
}

/// Whether a path is for Gam alone, so that its query need not be sent on.
pub(super) fn is_native(path: &str) -> bool {
    let path = split(path).map_or(path, |(_, rest)| rest);
    let first = path.strip_prefix('/').and_then(|path| path.split('/').next());
    !is_crooked(path) && matches!(first, Some("swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs"))
}

/// Whether the answer to a request for this target ends only when its client goes.
pub(super) fn is_endless(target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let has = |parameter: &str| query.split('&').any(|pair| pair == parameter);
    match path.rsplit('/').next() {
        Some("events") => !query.contains("until="),
        Some("logs") => has("follow=1") || has("follow=true"),
        Some("stats") => !has("stream=0") && !has("stream=false"),
        Some("wait") => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_of_gams_goes_straight() {
        let document: toml::Table = include_str!("../../api-spec/routes.toml").parse().expect("TOML");
        let rows = document["route"].as_array().expect("rows");
        let mut seen = 0;
        for row in rows.iter().filter(|row| row["way"].as_str() != Some("proxied")) {
            let path = row["path"].as_str().expect("a path").replace("{id}", "x").replace("{name}", "x");
            for method in row["method"].as_str().expect("methods").split(", ") {
                let expected = match path.as_str() {
                    "/_ping" => Owner::EnginesPing,
                    "/containers/json" => Owner::EnginesList,
                    _ => Owner::Gam,
                };
                for path in [path.clone(), format!("/v1.41{path}")] {
                    assert_eq!(owner(method, &path), expected, "{method} {path}");
                }
                assert_eq!(owner(method, &format!("{path}/")), Owner::Gam);
                seen += 1;
            }
        }
        assert!(seen > 40);
    }

    #[test]
    fn only_gams_own_queries_may_be_long() {
        for path in ["/services", "/v1.51/tasks", "/services/x/logs", "/swarm"] {
            assert!(is_native(path), "{path}");
        }
        for path in [
            "/networks",
            "/containers/create",
            "/services/../containers/json",
            "/services/%2e%2e",
            "//services",
            "x",
            "",
        ] {
            assert!(!is_native(path), "{path}");
        }
    }

    #[test]
    fn crooked_paths_are_looked_at_by_the_router() {
        for path in
            ["/%73warm", "//swarm", "/x/../swarm", "/./swarm", "/images/../swarm", "*", "", "http://d/x", "/x#y"]
        {
            assert_eq!(owner("GET", path), Owner::Gam, "{path}");
        }
    }

    #[test]
    fn what_may_become_a_raw_stream_is_the_routers() {
        for path in ["/containers/x/attach", "/v1.51/exec/x/start", "/session", "/grpc"] {
            assert_eq!(owner("POST", path), Owner::Gam, "{path}");
        }
    }

    #[test]
    fn long_lists_of_filters_go_straight_unless_they_name_what_is_gams() {
        let ids = "%22x%22,".repeat(MAX_TARGET);
        for (query, plain) in [
            ("all=1", true),
            ("filters=%7B%7D", false),
            (&*format!("filters=%7B%22id%22:[{ids}]%7D"), true),
            (&format!("filters=%7B%22%6eetwork%22:[{ids}]%7D"), false),
            (&format!("filters=%7B%22is-task%22:[{ids}]%7D"), false),
        ] {
            assert_eq!(is_plain(query), plain, "{:.60}", query);
        }
    }

    #[test]
    fn a_list_that_takes_long_is_not_shared() {
        assert_eq!(way_of_list("all=1"), Way::List);
        assert_eq!(way_of_list("all=1&size=1"), Way::Straight);
    }

    #[test]
    fn what_never_ends_is_known() {
        for target in [
            "/events",
            "/v1.51/containers/x/logs?stdout=1&follow=1",
            "/services/x/logs?follow=true",
            "/containers/x/stats",
            "/containers/x/wait?condition=next-exit",
        ] {
            assert!(is_endless(target), "{target}");
        }
        for target in [
            "/events?until=5",
            "/containers/x/logs?follow=0",
            "/containers/x/stats?stream=false",
            "/images/events/json",
            "/build",
        ] {
            assert!(!is_endless(target), "{target}");
        }
    }

    #[test]
    fn the_rest_is_dockerds() {
        for path in
            ["/images/x/get", "/v1.51/containers/x/logs", "/build", "/containers/x/attach/ws", "/exec/x/json", "/x"]
        {
            assert_eq!(owner("GET", path), Owner::Engine, "{path}");
        }
    }
}
