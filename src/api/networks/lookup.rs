//! Which network a name, id or prefix means, across dockerd's and the swarm's
//! (`moby: api/server/router/network/network_routes.go`: `getNetwork`, `findUniqueNetwork`).

use std::sync::Arc;

use gam_core::model::Network;
use gam_core::state::State;

use crate::engine::networks::EngineNetwork;

/// What a name means.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// A network of dockerd's own, by its full id.
    Local(String),
    /// One of the swarm's.
    Swarm(Arc<Network>),
    /// So many, by `name` or `ID prefix`.
    Ambiguous(usize, &'static str),
    /// None.
    Nothing,
}

/// For `inspect`: a unique match in the swarm by id wins, and so does one by name if the swarm was asked for.
pub fn for_inspect(term: &str, scope: &str, local: &[EngineNetwork], swarm: &State) -> Lookup {
    let local: Vec<&EngineNetwork> =
        local.iter().filter(|network| scope.is_empty() || scope == network.scope).collect();
    if let Some(network) = local.iter().find(|network| network.id == term) {
        return Lookup::Local(network.id.clone());
    }
    if let Ok(network) = swarm.find_network(term)
        && (network.id.to_string().starts_with(term) || scope == "swarm")
    {
        return Lookup::Swarm(network);
    }
    unique(term, &local, Some(swarm).filter(|_| scope.is_empty() || scope == "swarm"))
}

/// For `rm`.
pub fn for_remove(term: &str, local: &[EngineNetwork], swarm: &State) -> Lookup {
    let local: Vec<&EngineNetwork> = local.iter().collect();
    if let Some(network) = local.iter().find(|network| network.id == term) {
        return Lookup::Local(network.id.clone());
    }
    unique(term, &local, Some(swarm))
}

/// Full ids first, then names, then prefixes of ids.
fn unique(term: &str, local: &[&EngineNetwork], swarm: Option<&State>) -> Lookup {
    let by = |matches: &dyn Fn(&str, &str) -> bool| {
        let ours = swarm.into_iter().flat_map(|state| state.networks());
        let ours = ours.filter(|network| matches(&network.id.to_string(), network.name()));
        let theirs = local.iter().filter(|network| matches(&network.id, &network.name));
        let theirs = theirs.map(|network| Lookup::Local(network.id.clone()));
        theirs.chain(ours.map(|network| Lookup::Swarm(network.clone()))).collect::<Vec<_>>()
    };
    let ways: [(&str, Vec<Lookup>); 3] = [
        ("id", by(&|id, _| id == term)),
        ("name", by(&|_, name| name == term)),
        ("ID prefix", by(&|id, _| id.starts_with(term))),
    ];
    for (way, mut found) in ways {
        match found.len() {
            0 => {}
            1 => return found.swap_remove(0),
            many => return Lookup::Ambiguous(many, way),
        }
    }
    Lookup::Nothing
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Meta, NetworkSpec, PREDEFINED_LABEL, Timestamp};
    use gam_core::state::{Change, Proposal};

    use super::*;

    fn swarm(names: &[(&str, &str)]) -> State {
        let changes = names.iter().map(|(id, name)| {
            let network = Network {
                id: id.parse().unwrap(),
                meta: Meta::default(),
                spec: NetworkSpec { name: (*name).into(), ..NetworkSpec::default() },
                ipam: Vec::new(),
                vni: 0,
            };
            Change::NetworkCreate(Box::new(network))
        });
        let mut state = State::default();
        state.apply(1, &Proposal { at: Timestamp(1), changes: changes.collect() });
        state
    }

    fn local(networks: &[(&str, &str)]) -> Vec<EngineNetwork> {
        let network = |(id, name): &(&str, &str)| EngineNetwork {
            id: (*id).into(),
            name: (*name).into(),
            scope: "local".into(),
            ..EngineNetwork::default()
        };
        networks.iter().map(network).collect()
    }

    const A: &str = "0000000000000000000000abc";
    const B: &str = "0000000000000000000000abd";

    fn text(lookup: Lookup) -> String {
        match lookup {
            Lookup::Swarm(network) => network.name().to_owned(),
            Lookup::Local(id) => id,
            Lookup::Ambiguous(count, by) => format!("{count} by {by}"),
            Lookup::Nothing => "nothing".into(),
        }
    }

    #[test]
    fn ids_come_before_names_and_names_before_prefixes() {
        let state = swarm(&[(A, "web"), (B, "db")]);
        let local = local(&[("f00d", "bridge"), ("f00e", "0000000000000000000000")]);
        let find = |term: &str| text(for_remove(term, &local, &state));
        assert_eq!(find(A), "web");
        assert_eq!(find("db"), "db");
        assert_eq!(find("f00d"), "f00d");
        assert_eq!(find("bridge"), "f00d");
        assert_eq!(find("f00"), "2 by ID prefix");
        assert_eq!(find("0000000000000000000000ab"), "2 by ID prefix");
        assert_eq!(find("0000000000000000000000"), "f00e", "a name is more than a prefix");
        assert_eq!(find("nope"), "nothing");
    }

    #[test]
    fn a_name_in_both_is_ambiguous_unless_a_scope_is_given() {
        let state = swarm(&[(A, "web")]);
        let local = local(&[("f00d", "web")]);
        let find = |scope: &str| text(for_inspect("web", scope, &local, &state));
        assert_eq!(find(""), "2 by name");
        assert_eq!(find("swarm"), "web");
        assert_eq!(find("local"), "f00d");
        assert_eq!(find("bogus"), "nothing");
    }

    #[test]
    fn predefined_networks_are_found_where_the_swarm_is_asked_for() {
        let mut state = swarm(&[(A, "web")]);
        let labels = [(PREDEFINED_LABEL.to_owned(), "true".to_owned())].into_iter().collect();
        let spec = NetworkSpec { name: "host".into(), labels, ..NetworkSpec::default() };
        let host = Network { id: B.parse().unwrap(), meta: Meta::default(), spec, ipam: Vec::new(), vni: 0 };
        state.apply(2, &Proposal { at: Timestamp(1), changes: vec![Change::NetworkCreate(Box::new(host))] });
        let local = local(&[("f00d", "host")]);
        let find = |term: &str, scope: &str| text(for_inspect(term, scope, &local, &state));
        assert_eq!((find("host", "").as_str(), find("host", "local").as_str()), ("f00d", "f00d"));
        assert_eq!((find("host", "swarm").as_str(), find(B, "").as_str()), ("host", "host"));
        let remove = |term: &str| text(for_remove(term, &local, &state));
        assert_eq!((remove("host").as_str(), remove(B).as_str()), ("f00d", "nothing"));
    }

    #[test]
    fn without_a_leader_there_is_dockerd_alone() {
        let local = local(&[("f00d", "bridge")]);
        assert_eq!(text(for_inspect("bridge", "", &local, &State::default())), "f00d");
        assert_eq!(text(for_inspect("web", "", &local, &State::default())), "nothing");
    }
}
