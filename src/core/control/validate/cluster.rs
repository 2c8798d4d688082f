//! Whether a cluster is well formed: its spec, its address pools, its data path port, in Docker's words
//! (`daemon/cluster/{swarm,listen_addr}.go`, `convert/swarm.go`, swarmkit `manager/controlapi/cluster.go`).

use std::net::IpAddr;

use super::{Checked, invalid, quote, refuse_if};
use crate::error::{Code, Error};
use crate::model::{ExternalCa, SwarmSpec, normal_pem};

/// The shortest life of a node certificate, ns: 1 h (swarmkit `ca.MinNodeCertExpiration`).
const MIN_CERT_EXPIRY: i64 = 3_600_000_000_000;
/// Prefix length of a subnet unless the user says otherwise.
pub(in crate::control) const DEFAULT_SUBNET_SIZE: u32 = 24;
/// The longest prefix of a subnet: eight addresses, of which Docker needs four itself.
const MAX_SUBNET_SIZE: u32 = 29;
/// UDP port of VXLAN (RFC 7348).
const DEFAULT_DATA_PATH_PORT: u32 = 4789;
/// The registered ports; those below belong to the system, those above come and go.
const DATA_PATH_PORTS: std::ops::RangeInclusive<u32> = 1024..=49151;

/// Lays what the user sent over `base`: a zero, an absent value and an empty list leave the base as it is. The name is
/// checked, words and numbers get the form in which Docker prints them back.
pub(in crate::control) fn merge_cluster_spec(sent: SwarmSpec, base: SwarmSpec) -> Result<SwarmSpec, Error> {
    let mut spec = base;
    if !sent.name.is_empty() && sent.name != "default" {
        return Err(Error::invalid("swarm spec must be named \"default\""));
    }
    "default".clone_into(&mut spec.name);
    let set = |target: &mut i64, value: i64| {
        if value != 0 {
            *target = value;
        }
    };
    if !sent.labels.is_empty() {
        spec.labels = sent.labels;
    }
    if let Some(limit) = sent.orchestration.task_history_retention_limit {
        spec.orchestration.task_history_retention_limit = Some(limit);
    }
    if sent.raft.snapshot_interval != 0 {
        spec.raft.snapshot_interval = sent.raft.snapshot_interval;
    }
    if let Some(count) = sent.raft.keep_old_snapshots {
        spec.raft.keep_old_snapshots = Some(count);
    }
    if sent.raft.log_entries_for_slow_followers != 0 {
        spec.raft.log_entries_for_slow_followers = sent.raft.log_entries_for_slow_followers;
    }
    // Docker keeps 32 bits of the ticks.
    set(&mut spec.raft.election_tick, i64::from(sent.raft.election_tick as u32));
    set(&mut spec.raft.heartbeat_tick, i64::from(sent.raft.heartbeat_tick as u32));
    set(&mut spec.dispatcher.heartbeat_period, sent.dispatcher.heartbeat_period);
    set(&mut spec.ca_config.node_cert_expiry, sent.ca_config.node_cert_expiry);
    spec.ca_config.signing_ca_cert = sent.ca_config.signing_ca_cert;
    spec.ca_config.signing_ca_key = sent.ca_config.signing_ca_key;
    spec.ca_config.force_rotate = sent.ca_config.force_rotate;
    spec.ca_config.external_cas =
        sent.ca_config.external_cas.into_iter().map(external_ca).collect::<Result<Vec<_>, _>>()?;
    spec.task_defaults = sent.task_defaults;
    spec.encryption_config = sent.encryption_config;
    Ok(spec)
}

fn external_ca(authority: ExternalCa) -> Result<ExternalCa, Error> {
    if !authority.protocol.eq_ignore_ascii_case("cfssl") {
        return Err(Error::invalid(format!("invalid protocol: {}", quote(&authority.protocol))));
    }
    Ok(ExternalCa { protocol: "cfssl".to_owned(), ..authority })
}

/// Checks a merged spec as the control API does. Zero durations are absent ones.
pub(in crate::control) fn cluster_spec(spec: &SwarmSpec) -> Checked {
    let expiry = spec.ca_config.node_cert_expiry;
    refuse_if(expiry != 0 && expiry < MIN_CERT_EXPIRY, "minimum certificate expiry time is: 1h0m0s")?;
    refuse_if(spec.dispatcher.heartbeat_period < 0, "heartbeat time period cannot be a negative duration")?;
    let authority = &spec.ca_config;
    // A certificate without PEM is none, as in swarmkit.
    if !authority.signing_ca_key.is_empty() && normal_pem(&authority.signing_ca_cert).is_empty() {
        return Err(invalid("if a signing CA key is provided, the signing CA cert must also be provided"));
    }
    Ok(())
}

/// What of a cluster's certificate authority cannot be changed where nothing was prepared for it, as a refusal (501). External
/// authorities can: as in Docker they are first tried when a certificate is to be signed.
pub(in crate::control) fn unhonoured_authority(old: &SwarmSpec, new: &SwarmSpec) -> Option<Error> {
    let is_rotation = new.ca_config.force_rotate != old.ca_config.force_rotate;
    unhonoured_first_root(new)
        .or_else(|| is_rotation.then(|| Error::rpc(Code::Unimplemented, "the first root need not be rotated")))
}

/// What of a new cluster's certificate authority is not honoured, as a refusal (501).
pub(in crate::control) fn unhonoured_first_root(new: &SwarmSpec) -> Option<Error> {
    let is_given = !new.ca_config.signing_ca_cert.is_empty() || !new.ca_config.signing_ca_key.is_empty();
    let sentence = "the first root is made by gam; give your own with swarm ca --rotate --ca-cert --ca-key";
    is_given.then(|| Error::rpc(Code::Unimplemented, sentence))
}

/// The pools as they are kept, and the prefix length of a subnet. Without pools Docker's own are used, and the
/// prefix length that was asked for does not count.
pub(in crate::control) fn address_pools(pools: Vec<String>, size: u32) -> Result<(Vec<String>, u32), Error> {
    if pools.is_empty() {
        return Ok((Vec::new(), DEFAULT_SUBNET_SIZE));
    }
    let size = if size == 0 { DEFAULT_SUBNET_SIZE } else { size };
    if size > MAX_SUBNET_SIZE {
        return Err(Error::internal(format!("subnet size is out of range: {size}")));
    }
    let pools: Vec<String> = pools.iter().map(|pool| pool.trim().to_owned()).collect();
    for pool in &pools {
        let Some((address, bits)) = parse_cidr(pool) else {
            return Err(Error::internal(format!("invalid base pool {pool}: invalid CIDR address: {pool}")));
        };
        if size < bits {
            let pool = quote(pool);
            return Err(Error::internal(format!("invalid CIDR: {pool}. Subnet size is too small for pool: {size}")));
        }
        if address.is_ipv6() {
            return Err(Error::rpc(
                Code::Unimplemented,
                "IPv6 address pools are not honoured by gam yet; use IPv4 pools",
            ));
        }
    }
    Ok((pools, size))
}

/// Go's `net.ParseCIDR`: an address without zone, and a prefix length in plain digits.
fn parse_cidr(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = bits.parse().ok()?;
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

/// The UDP port of the overlay; 0 means the default.
pub(in crate::control) fn data_path_port(port: u32) -> Result<u32, Error> {
    match port {
        0 => Ok(DEFAULT_DATA_PATH_PORT),
        port if DATA_PATH_PORTS.contains(&port) => Ok(port),
        port => Err(Error::internal(format!("Datapath port number is not in valid range (1024-49151) : {port}"))),
    }
}
