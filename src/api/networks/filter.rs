//! Which swarm networks a list takes (`moby: daemon/network/filter.go`). dockerd has judged the filters by then.

use gam_core::model::Network;

use super::super::filters::Filters;

/// dockerd's own networks, which no user made.
const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "default"];

/// The filters of a list of networks.
pub struct Filter<'a>(&'a Filters);

impl Filter<'_> {
    /// The keys that mean something for networks; others dockerd refuses.
    pub fn of(filters: &Filters) -> Filter<'_> {
        Filter(filters)
    }

    /// Whether the list takes a network.
    ///
    /// Names match in part, as dockerd's own and as dockerd 29's swarm networks do; 28 wants the whole name of a swarm
    /// network unless a container of this node is on it.
    pub fn takes(&self, network: &Network) -> bool {
        let id = network.id.to_string();
        let is_predefined = PREDEFINED.contains(&network.name());
        self.0.any("driver", |driver| driver == super::render::shown_driver(network))
            && self.0.any("name", |pattern| matches(pattern, network.name()))
            && self.0.any("id", |pattern| matches(pattern, &id))
            && self.0.any("scope", |scope| scope == "swarm")
            && self.0.labels("label", |key| network.spec.labels.get(key))
            // A list does not know who uses a network: all but the predefined ones count as unused.
            && self.0.any("dangling", |wanted| matches!(wanted, "1" | "true") != is_predefined)
            && self.0.any("type", |kind| (kind == "builtin") == is_predefined)
    }
}

/// Go's `regexp.MatchString` for the patterns that people write for names: a part, `^` and `$`, `.*`.
pub fn matches(pattern: &str, text: &str) -> bool {
    if pattern == text {
        return true;
    }
    let (from_start, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (to_end, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |rest| (true, rest));
    let parts: Vec<&str> = pattern.split(".*").collect();
    let (Some((first, middle)), last) = (parts.split_first(), parts.last()) else { return true };
    let Some(last) = last.filter(|_| !middle.is_empty()) else {
        return match (from_start, to_end) {
            (true, true) => text == *first,
            (true, false) => text.starts_with(first),
            (false, true) => text.ends_with(first),
            (false, false) => text.contains(first),
        };
    };
    let mut rest = match (from_start, text.find(first)) {
        (true, _) => text.strip_prefix(first),
        (false, at) => at.map(|at| &text[at + first.len()..]),
    };
    for part in &middle[..middle.len() - 1] {
        rest = rest.and_then(|rest| rest.find(part).map(|at| &rest[at + part.len()..]));
    }
    rest.is_some_and(|rest| if to_end { rest.ends_with(last) } else { rest.contains(last) })
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Meta, NetworkSpec};

    use super::*;

    fn takes(filters: &str) -> bool {
        let network = Network {
            id: 0x00ab_cdef.into(),
            meta: Meta::default(),
            spec: NetworkSpec {
                name: "web_net".into(),
                labels: [("a".to_owned(), "b".to_owned())].into(),
                ..NetworkSpec::default()
            },
            ipam: Vec::new(),
            vni: 4097,
        };
        Filter::of(&Filters::parse(Some(filters)).unwrap()).takes(&network)
    }

    #[test]
    fn every_filter_has_its_say() {
        for yes in [
            "{}",
            r#"{"name":["web"]}"#,
            r#"{"name":{"^web_net$":true}}"#,
            r#"{"id":["0000"]}"#,
            r#"{"driver":["bridge","overlay"]}"#,
            r#"{"scope":["swarm"]}"#,
            r#"{"label":["a=b"]}"#,
            r#"{"dangling":["true"]}"#,
            r#"{"type":["custom"]}"#,
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in [
            r#"{"name":["^net"]}"#,
            r#"{"id":["zzz"]}"#,
            r#"{"driver":["bridge"]}"#,
            r#"{"scope":["local"]}"#,
            r#"{"label":["a=c"]}"#,
            r#"{"dangling":["false"]}"#,
            r#"{"type":["builtin"]}"#,
        ] {
            assert!(!takes(no), "{no}");
        }
    }

    #[test]
    fn patterns_match_as_users_expect() {
        for (pattern, text) in [
            ("b", "abc"),
            ("^ab", "abc"),
            ("bc$", "abc"),
            ("^abc$", "abc"),
            ("a.*c", "xabbc"),
            ("^a.*c$", "abc"),
            ("", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("^b", "abc"), ("b$", "abc"), ("^ab$", "abc"), ("c.*a", "abc"), ("^b.*c", "abc"), ("a.*b$", "abc")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
