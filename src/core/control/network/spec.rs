//! What a network's spec may say. The order of the checks is dockerd's, because only the first mistake is told.

use super::ipam;
use crate::allocator::ingress_network;
use crate::error::{Code, Error, Kind};
use crate::model::{Driver, NetworkSpec, PREDEFINED_LABEL, StringMap};
use crate::state::State;

/// The size of the largest packet.
const MTU: &str = "com.docker.network.driver.mtu";
/// The length of a DNS label.
const MAX_NAME: usize = 63;

/// Refuses a spec that cannot become a network, or that asks for something that is not served yet.
pub(super) fn validate(state: &State, spec: &NetworkSpec) -> Result<(), Error> {
    let name = spec.name.as_str();
    // Docker's swarms hold networks that stand for each node's own `bridge` and `host`, so these names are taken.
    if state.network_named(name).is_some() || matches!(name, "bridge" | "host") {
        return Err(Error::new(Kind::Conflict, format!("network with name {name} already exists")));
    }
    if matches!(name, "none" | "default") {
        let sentence = format!("operation is not permitted on predefined {name} network ");
        return Err(Error::new(Kind::Forbidden, sentence));
    }
    if let Some(options) = &spec.ipam_options {
        ipam::validate(&options.configs, spec.ipv6_enabled)?;
    }
    if name.trim().is_empty() {
        return Err(Error::invalid("invalid name: name is empty"));
    }
    validate_driver(spec)?;
    if spec.attachable && spec.ingress {
        return Err(Error::rpc(Code::InvalidArgument, "ingress network cannot be attachable"));
    }
    validate_name(name)?;
    if spec.labels.contains_key(PREDEFINED_LABEL) {
        let sentence = format!(
            "label {PREDEFINED_LABEL} is for internally created predefined networks and cannot be applied by users"
        );
        return Err(Error::rpc(Code::PermissionDenied, sentence));
    }
    let ipam = spec.ipam_options.as_ref().map_or("", |options| &options.driver.name);
    if !ipam.is_empty() && !ipam.eq_ignore_ascii_case("default") {
        return Err(Error::rpc(Code::InvalidArgument, format!("error during lookup of plugin {ipam}")));
    }
    if let Some(other) = ingress_network(state).filter(|_| spec.ingress) {
        let sentence = format!("ingress network ({}) is already present", other.id);
        return Err(Error::rpc(Code::AlreadyExists, sentence));
    }
    // Names differ without regard to case, which dockerd notices last and reports so.
    if state.network_alike(name).is_some() {
        return Err(Error::rpc(Code::Unknown, "name conflicts with an existing object"));
    }
    validate_options(spec)
}

/// The refusal of something that Docker has and this version does not.
pub(super) fn not_honoured(what: &str) -> Error {
    Error::rpc(Code::Unimplemented, format!("{what} on swarm networks is not honoured by gam yet"))
}

fn validate_driver(spec: &NetworkSpec) -> Result<(), Error> {
    let driver = match &spec.driver_configuration {
        Some(Driver { name, .. }) if !name.is_empty() => name.as_str(),
        _ => "overlay",
    };
    match driver {
        "overlay" if spec.scope == "local" => {
            Err(Error::new(Kind::Forbidden, "cannot downgrade network scope for overlay networks"))
        }
        "overlay" => Ok(()),
        "bridge" | "host" | "macvlan" | "ipvlan" | "null" if spec.ingress => {
            Err(Error::new(Kind::Forbidden, "Ingress network can only be global scope network"))
        }
        "bridge" | "host" | "macvlan" | "ipvlan" | "null" => Err(not_honoured(&format!("the {driver} driver"))),
        other => Err(Error::not_found(format!("plugin {other:?} not found"))),
    }
}

/// `^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`, at most 63 characters (swarmkit's `validateAnnotations`).
fn validate_name(name: &str) -> Result<(), Error> {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let inner = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !(inner && edge(bytes.first()) && edge(bytes.last())) {
        return Err(Error::rpc(Code::InvalidArgument, "name must be valid as a DNS name component"));
    }
    if name.len() > MAX_NAME {
        return Err(Error::rpc(Code::InvalidArgument, "name must be 63 characters or fewer"));
    }
    Ok(())
}

fn options(spec: &NetworkSpec) -> Option<&StringMap> {
    spec.driver_configuration.as_ref().map(|driver| &driver.options)
}

/// Options that the overlay driver does not know are kept and mean nothing, as in Docker. A bad MTU is refused here;
/// Docker takes it and then starts no task.
fn validate_options(spec: &NetworkSpec) -> Result<(), Error> {
    let Some(options) = options(spec) else { return Ok(()) };
    if let Some(mtu) = options.get(MTU) {
        match mtu.parse::<i64>() {
            Err(_) => {
                let cause = format!("strconv.Atoi: parsing {mtu:?}: invalid syntax");
                return Err(Error::invalid(format!("failed to parse {mtu}: {cause}")));
            }
            Ok(number) if number < 0 => return Err(Error::invalid(format!("invalid MTU value: {number}"))),
            Ok(_) => {}
        }
    }
    Ok(())
}
