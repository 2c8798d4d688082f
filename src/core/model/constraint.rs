//! Placement constraints: `node.labels.zone == east`, `node.role != manager` (`docs: swarm services, placement`).
//!
//! Decides whether an expression is well formed and whether a node satisfies it; never which node is best. `control`
//! parses to refuse bad specs, orchestrator and scheduler match. Grammar, case rules and error sentences are
//! swarmkit's (`manager/constraint`).

use std::net::IpAddr;

use super::Node;

/// One parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    key: Key,
    equal: bool,
    value: String,
}

/// What an expression speaks of. Key names ignore case; the name of a label does not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Id,
    Hostname,
    Ip,
    Role,
    Os,
    Arch,
    NodeLabel(String),
    EngineLabel(String),
    /// Well formed but unknown: accepted by the parser, satisfied by no node, exactly as in Docker.
    Unknown,
}

const OPERATORS: [&str; 2] = ["==", "!="];
const NODE_LABEL: &str = "node.labels.";
const ENGINE_LABEL: &str = "engine.labels.";

/// Parses a service's constraints. The error is a sentence for the user, without prefix.
pub fn parse(expressions: &[String]) -> Result<Vec<Constraint>, String> {
    expressions.iter().map(|expression| parse_one(expression)).collect()
}

/// Whether `node` satisfies every one of `constraints`.
pub fn matches(constraints: &[Constraint], node: &Node) -> bool {
    constraints.iter().all(|constraint| constraint.holds(node))
}

fn parse_one(expression: &str) -> Result<Constraint, String> {
    // `==` is looked for first wherever it stands, so `a!=b==c` has the invalid key `a!=b`, as in Docker.
    let split = OPERATORS.iter().find_map(|operator| Some((expression.split_once(operator)?, *operator == "==")));
    let Some(((key, value), equal)) = split else {
        return Err(format!("constraint expected one operator from {}", OPERATORS.join(", ")));
    };
    let (key, value) = (key.trim(), value.trim());
    if !is_key(key) {
        return Err(format!("key '{key}' is invalid"));
    }
    if !is_value(value) {
        return Err(format!("value '{value}' is invalid"));
    }
    Ok(Constraint { key: Key::from_name(key), equal, value: value.to_owned() })
}

/// `^(?i)[a-z_][a-z0-9\-_.]+$`: at least two characters.
fn is_key(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && key.len() > 1
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Letters, digits, and what a glob or a regular expression could need.
fn is_value(value: &str) -> bool {
    const SPECIAL: &str = ":-_ \t\n\u{c}\r.*()?+[]\\^$|/";
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || SPECIAL.contains(c))
}

impl Key {
    fn from_name(name: &str) -> Key {
        let label = |prefix: &str| {
            let (head, label) = name.split_at_checked(prefix.len())?;
            (head.eq_ignore_ascii_case(prefix) && !label.is_empty()).then(|| label.to_owned())
        };
        match name.to_ascii_lowercase().as_str() {
            "node.id" => Key::Id,
            "node.hostname" => Key::Hostname,
            "node.ip" => Key::Ip,
            "node.role" => Key::Role,
            "node.platform.os" => Key::Os,
            "node.platform.arch" => Key::Arch,
            _ => label(NODE_LABEL)
                .map(Key::NodeLabel)
                .or_else(|| label(ENGINE_LABEL).map(Key::EngineLabel))
                .unwrap_or(Key::Unknown),
        }
    }
}

impl Constraint {
    fn holds(&self, node: &Node) -> bool {
        let is = |actual: &str| self.value.eq_ignore_ascii_case(actual) == self.equal;
        match &self.key {
            Key::Id => is(&node.id.to_string()),
            Key::Hostname => is(&node.description.hostname),
            Key::Ip => self.holds_for_ip(&node.status.addr),
            Key::Role => is(node.role().as_str()),
            Key::Os => is(&node.description.platform.os),
            Key::Arch => is(&node.description.platform.architecture),
            Key::NodeLabel(label) => is(node.spec.labels.get(label).map_or("", String::as_str)),
            Key::EngineLabel(label) => is(node.description.engine_labels.get(label).map_or("", String::as_str)),
            Key::Unknown => false,
        }
    }

    /// `node.ip` takes one address or a subnet; anything else is satisfied by no node, whatever the operator.
    fn holds_for_ip(&self, actual: &str) -> bool {
        let actual: Option<IpAddr> = actual.parse().ok().map(|ip: IpAddr| ip.to_canonical());
        if let Ok(wanted) = self.value.parse::<IpAddr>() {
            return (actual == Some(wanted.to_canonical())) == self.equal;
        }
        let Some((network, bits)) = self.value.split_once('/') else { return false };
        let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
        let width = if network.is_ipv4() { 32 } else { 128 };
        if bits > width {
            return false;
        }
        actual.is_some_and(|actual| contains(network, bits, actual)) == self.equal
    }
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (u128::from(u32::from(network)), u32::from(address).into(), 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => (u128::from(network), u128::from(address), 128),
        _ => return false,
    };
    (network ^ address).checked_shr(width - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IdSource, Meta, NodeDescription, NodeSpec, NodeStatus, Platform};

    fn node() -> Node {
        Node {
            id: IdSource::new([7; 32]).fresh(),
            meta: Meta::default(),
            spec: NodeSpec {
                role: "worker".into(),
                labels: [("zone".to_owned(), "East".to_owned())].into(),
                ..NodeSpec::default()
            },
            description: NodeDescription {
                hostname: "Alpha".into(),
                platform: Platform { os: "linux".into(), architecture: "x86_64".into() },
                engine_labels: [("disk".to_owned(), "ssd".to_owned())].into(),
                ..NodeDescription::default()
            },
            status: NodeStatus { addr: "192.168.5.7".into(), ..NodeStatus::default() },
            manager: None,
        }
    }

    fn holds(expression: &str) -> bool {
        matches(&parse(&[expression.to_owned()]).unwrap(), &node())
    }

    #[test]
    fn satisfied() {
        for expression in [
            "node.hostname==alpha",
            "NODE.Hostname == ALPHA",
            "node.role==worker",
            "node.role != manager",
            "node.platform.os==Linux",
            "node.platform.arch == x86_64",
            "node.labels.zone==EAST",
            "node.labels.Zone!=east",
            "node.labels.absent != x",
            "engine.labels.disk==ssd",
            "node.ip==192.168.5.7",
            "node.ip==::ffff:192.168.5.7",
            "node.ip==192.168.0.0/16",
            "node.ip==0.0.0.0/0",
            "node.ip!=10.0.0.0/8",
        ] {
            assert!(holds(expression), "{expression}");
        }
        assert!(holds(&format!("node.id=={}", node().id)));
    }

    #[test]
    fn not_satisfied() {
        for expression in [
            "node.hostname!=alpha",
            "node.role==manager",
            "node.labels.Zone==east",
            "node.labels.zone!=east",
            "engine.labels.zone==east",
            "node.labels.==x",
            "node.colour==red",
            "node.colour!=red",
            "node.ip==10.0.0.0/8",
            "node.ip!=192.168.5.7",
            "node.ip==2001:db8::/32",
            "node.ip!=nonsense",
            "node.ip==10.0.0.0/33",
        ] {
            assert!(!holds(expression), "{expression}");
        }
    }

    #[test]
    fn malformed() {
        for (expression, error) in [
            ("node.role=manager", "constraint expected one operator from ==, !="),
            ("", "constraint expected one operator from ==, !="),
            ("==x", "key '' is invalid"),
            ("n==x", "key 'n' is invalid"),
            ("1ode==x", "key '1ode' is invalid"),
            ("no de==x", "key 'no de' is invalid"),
            ("a!=b==c", "key 'a!=b' is invalid"),
            ("node.id==", "value '' is invalid"),
            ("node.id== a=b ", "value 'a=b' is invalid"),
            ("node.id==ä", "value 'ä' is invalid"),
        ] {
            assert_eq!(parse(&[expression.to_owned()]).unwrap_err(), error, "{expression}");
        }
    }
}
