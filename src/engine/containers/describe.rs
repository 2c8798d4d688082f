//! What dockerd says of its host, as a node describes itself (`moby: executor/container/executor.go`, `Describe`).

use std::collections::BTreeSet;

use gam_core::model::{GenericResource, NodeDescription, Platform, Resources};
use hyper::Method;
use serde::Deserialize;

use super::decode;
use super::http::CALL_LIMIT;
use crate::engine::{Engine, EngineError};

/// Billionths of a core in a core.
const NANO: i64 = 1_000_000_000;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Info {
    name: String,
    architecture: String,
    #[serde(rename = "OSType")]
    os_type: String,
    #[serde(rename = "NCPU")]
    ncpu: i64,
    mem_total: i64,
    server_version: String,
    labels: Vec<String>,
    plugins: Plugins,
    generic_resources: Vec<GenericResource>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Plugins {
    volume: Vec<String>,
    network: Vec<String>,
    authorization: Vec<String>,
    log: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ManagedPlugin {
    name: String,
    enabled: bool,
    config: ManagedPluginConfig,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ManagedPluginConfig {
    interface: ManagedPluginInterface,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ManagedPluginInterface {
    types: Vec<String>,
}

impl Engine {
    /// The node's description, without its certificates.
    pub async fn describe(&self) -> Result<NodeDescription, EngineError> {
        let info: Info = decode(&self.ask(Method::GET, "/info", None, CALL_LIMIT).await?)?;
        // As in Docker: a daemon that cannot list its managed plugins is described without them.
        let managed: Vec<ManagedPlugin> = match self.ask(Method::GET, "/plugins", None, CALL_LIMIT).await {
            Ok(body) => decode(&body).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Ok(describe(info, &managed))
    }
}

fn describe(info: Info, managed: &[ManagedPlugin]) -> NodeDescription {
    let mut plugins = BTreeSet::new();
    let mut add = |kind: &str, name: &str| plugins.insert((kind.to_owned(), name.to_owned()));
    // Outside its own swarm mode dockerd may leave its overlay driver out; a node always offers it.
    add("Network", "overlay");
    for (kind, names) in [
        ("Volume", &info.plugins.volume),
        ("Network", &info.plugins.network),
        ("Authorization", &info.plugins.authorization),
        ("Log", &info.plugins.log),
    ] {
        for name in names {
            add(kind, name);
        }
    }
    for plugin in managed.iter().filter(|plugin| plugin.enabled) {
        for capability in plugin.config.interface.types.iter().filter_map(|name| docker_capability(name)) {
            add(capability, &plugin.name);
        }
    }
    NodeDescription {
        hostname: info.name,
        platform: Platform { architecture: info.architecture, os: info.os_type },
        resources: Resources {
            nano_cpus: info.ncpu.saturating_mul(NANO),
            memory_bytes: info.mem_total,
            generic_resources: info.generic_resources,
        },
        engine_version: info.server_version,
        engine_labels: info
            .labels
            .iter()
            .filter_map(|label| label.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        plugins: plugins.into_iter().collect(),
        ..NodeDescription::default()
    }
}

/// `docker.volumedriver/1.0` is a `Volume`; capabilities without such a word keep their own.
fn docker_capability(kind: &str) -> Option<&str> {
    let capability = kind.strip_prefix("docker.")?.split('/').next()?;
    Some(match capability {
        "volumedriver" => "Volume",
        "networkdriver" => "Network",
        "logdriver" => "Log",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_as_docker_does() {
        let info = br#"{"Name":"host1","Architecture":"x86_64","OSType":"linux","NCPU":2,"MemTotal":25276502016,
            "ServerVersion":"28.5.2","Labels":["a=b=c","odd"],"GenericResources":null,
            "Plugins":{"Volume":["local"],"Network":["bridge","host"],"Authorization":null,"Log":["syslog","json-file"]}}"#;
        let managed = br#"[{"Name":"vieux/sshfs:latest","Enabled":true,
            "Config":{"Interface":{"Types":["docker.volumedriver/1.0"]}}},
            {"Name":"off","Enabled":false,"Config":{"Interface":{"Types":["docker.logdriver/1.0"]}}}]"#;
        let description = describe(decode(info).unwrap(), &decode::<Vec<ManagedPlugin>>(managed).unwrap());
        assert_eq!(description.hostname, "host1");
        assert_eq!((description.platform.architecture.as_str(), description.platform.os.as_str()), ("x86_64", "linux"));
        assert_eq!((description.resources.nano_cpus, description.resources.memory_bytes), (2 * NANO, 25276502016));
        assert_eq!(description.engine_labels.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b=c".to_owned())]);
        let plugins: Vec<String> = description.plugins.iter().map(|(kind, name)| format!("{kind} {name}")).collect();
        assert_eq!(
            plugins,
            [
                "Log json-file",
                "Log syslog",
                "Network bridge",
                "Network host",
                "Network overlay",
                "Volume local",
                "Volume vieux/sshfs:latest"
            ]
        );
    }
}
