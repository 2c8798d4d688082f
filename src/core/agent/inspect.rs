//! Reads dockerd's description of a container, as far as a task depends on it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::json;
use crate::model::{PortConfig, StringMap};

/// A container of this engine, reduced to what decides about a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// The engine's 64-character id.
    pub id: String,
    /// How far it is.
    pub phase: Phase,
    /// What its health check says.
    pub health: Health,
    /// Its first process; 0 if it does not run.
    pub pid: i64,
    /// Its exit code, once it ended.
    pub exit_code: i64,
    /// What the engine says went wrong with it; empty if nothing did.
    pub error: String,
    /// Ports published on the host, by number.
    pub ports: Vec<PortConfig>,
    /// The hardware address of each of its endpoints, by IP address; none unless it runs.
    pub macs: BTreeMap<Ipv4Addr, String>,
    /// The engine's name for each of them, likewise.
    pub endpoints: BTreeMap<Ipv4Addr, String>,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Made, and never started with success.
    Created,
    /// Has processes; paused and restarting containers have, or will in a moment.
    Running,
    /// Has ended, or is being removed.
    Exited,
}

/// What a container's health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There is no health check.
    #[default]
    None,
    /// Not decided yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well. A container that has ended says so too.
    Unhealthy,
}

/// The answer of `GET /containers/{id}/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Inspection {
    id: String,
    state: State,
    config: Config,
    network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct State {
    status: String,
    pid: i64,
    exit_code: i64,
    error: String,
    health: HealthState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HealthState {
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    labels: StringMap,
    healthcheck: Option<Healthcheck>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Healthcheck {
    test: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct NetworkSettings {
    ports: BTreeMap<String, Vec<Binding>>,
    networks: BTreeMap<String, Endpoint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    ip_address: String,
    mac_address: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Binding {
    host_port: String,
}

impl Inspection {
    /// Reads dockerd's answer with Go's leniency.
    pub fn parse(body: &[u8]) -> Result<Inspection, json::DecodeError> {
        json::from_slice(body)
    }

    /// The engine's id of the container.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A label, if the container has it.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.get(name).map(String::as_str)
    }

    /// What decides about a task.
    pub fn into_container(self) -> Container {
        let phase = match self.state.status.as_str() {
            "created" => Phase::Created,
            "running" | "paused" | "restarting" => Phase::Running,
            _ => Phase::Exited,
        };
        Container {
            phase,
            health: self.health(),
            pid: self.state.pid,
            exit_code: self.state.exit_code,
            ports: ports(&self.network_settings.ports),
            macs: by_address(&self.network_settings.networks, |endpoint| &endpoint.mac_address),
            endpoints: by_address(&self.network_settings.networks, |endpoint| &endpoint.endpoint_id),
            error: self.state.error,
            id: self.id,
        }
    }

    fn health(&self) -> Health {
        match &self.config.healthcheck {
            Some(check) if check.test.first().is_some_and(|first| first != "NONE") => {}
            _ => return Health::None,
        }
        match self.state.health.status.as_str() {
            "healthy" => Health::Healthy,
            "unhealthy" => Health::Unhealthy,
            _ => Health::Starting,
        }
    }
}

/// Something of each endpoint that has it.
fn by_address(
    networks: &BTreeMap<String, Endpoint>,
    what: impl Fn(&Endpoint) -> &String,
) -> BTreeMap<Ipv4Addr, String> {
    let known = networks.values().filter(|endpoint| !what(endpoint).is_empty());
    known.filter_map(|endpoint| Some((endpoint.ip_address.parse().ok()?, what(endpoint).clone()))).collect()
}

/// One entry for each binding, so twice where the engine binds IPv4 and IPv6, as Docker's own swarm mode lists them.
fn ports(published: &BTreeMap<String, Vec<Binding>>) -> Vec<PortConfig> {
    let mut ports = Vec::new();
    for (key, bindings) in published {
        let (target, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        for binding in bindings {
            if let (Ok(target_port), Ok(published_port)) = (target.parse(), binding.host_port.parse()) {
                ports.push(PortConfig {
                    name: String::new(),
                    protocol: protocol.to_owned(),
                    target_port,
                    published_port,
                    publish_mode: "host".into(),
                });
            }
        }
    }
    ports.sort_by_key(|port| (port.target_port, port.published_port));
    ports
}
