//! The network namespaces of running containers, and what dockerd's event stream says about their coming and going.
//!
//! Decides nothing: `network` asks for those of containers on its own networks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerInspectResponse, EndpointSettings};
use bollard::query_parameters::{EventsOptions, InspectContainerOptions, ListContainersOptions};
use futures_util::StreamExt;
use gam_core::container::{LABEL_TASK_ID, LABEL_TASK_NAME, is_named_by};
use gam_core::model::TaskId;
use tokio::sync::Notify;

use super::{Engine, EngineError};

/// A running container, as a list tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningContainer {
    /// 64 hexadecimal digits.
    pub id: String,
    /// dockerd's ids of its networks and of its endpoints there, in order: they change whenever its places do, also
    /// when it was stopped and started in between.
    pub endpoints: Vec<(String, String)>,
}

/// A container's network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSandbox {
    /// Where it is bound; `None` if the container has none of its own, or does not run.
    pub path: Option<PathBuf>,
    /// dockerd's ids of its networks, with its addresses there.
    pub places: Vec<(String, Vec<IpAddr>)>,
    /// The task that it was made for.
    pub task: Option<TaskId>,
    /// `--dns`, as it was made with.
    pub servers: Vec<IpAddr>,
    /// `--dns-option`, likewise.
    pub options: Vec<String>,
    /// What it reads as `/etc/resolv.conf`, on the host, if the engine made it.
    pub resolv_conf: Option<PathBuf>,
    /// What it reads as `/etc/hosts`, likewise.
    pub hosts: Option<PathBuf>,
}

impl Engine {
    /// All running containers.
    pub async fn running_containers(&self) -> Result<Vec<RunningContainer>, EngineError> {
        let listed = self.docker()?.list_containers(None::<ListContainersOptions>).await?;
        let read = |container: bollard::models::ContainerSummary| {
            let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
            let ids = |settings: EndpointSettings| Some((settings.network_id?, settings.endpoint_id?));
            let mut endpoints: Vec<_> = networks.into_values().filter_map(ids).collect();
            endpoints.sort();
            RunningContainer { id: container.id.unwrap_or_default(), endpoints }
        };
        Ok(listed.into_iter().map(read).collect())
    }

    /// The network namespace of a container.
    pub async fn network_sandbox(&self, container: &str) -> Result<NetworkSandbox, EngineError> {
        Ok(sandbox(self.docker()?.inspect_container(container, None::<InspectContainerOptions>).await?))
    }

    /// Notifies whenever a container may have got a network namespace, a network, or lost one; ends when the connection
    /// does. It is notified first as soon as the events flow.
    pub async fn watch_sandboxes(&self, news: &Notify) -> Result<(), EngineError> {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned(), "network".to_owned()]),
            ("event".to_owned(), ["start", "die", "connect", "disconnect"].map(str::to_owned).to_vec()),
        ]);
        let docker = self.docker()?;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let options =
            EventsOptions { since: Some(since.to_string()), filters: Some(filters), ..EventsOptions::default() };
        let mut events = std::pin::pin!(docker.events(Some(options)));
        // The request goes out with the first poll; events since then are told however late the connection stands.
        news.notify_one();
        while let Some(event) = events.next().await {
            event?;
            news.notify_one();
        }
        Ok(())
    }
}

fn sandbox(inspected: ContainerInspectResponse) -> NetworkSandbox {
    // A bind mount on it makes it a file of the user's.
    let id = inspected.id.unwrap_or_default();
    let own = |path: Option<String>, name: &str| {
        path.map(PathBuf::from).filter(|path| path.ends_with(Path::new(&id).join(name)))
    };
    let name = inspected.name.unwrap_or_default();
    let labels = inspected.config.and_then(|config| config.labels).unwrap_or_default();
    let is_task = is_named_by(name.trim_start_matches('/'), labels.get(LABEL_TASK_NAME).map(String::as_str));
    let settings = inspected.network_settings.unwrap_or_default();
    let place = |settings: EndpointSettings| {
        let addresses = [settings.ip_address, settings.global_ipv6_address];
        let addresses = addresses.into_iter().flatten().filter_map(|address| address.parse().ok()).collect();
        Some((settings.network_id?, addresses))
    };
    let host = inspected.host_config.unwrap_or_default();
    NetworkSandbox {
        path: settings.sandbox_key.filter(|path| !path.is_empty()).map(PathBuf::from),
        places: settings.networks.unwrap_or_default().into_values().filter_map(place).collect(),
        task: labels.get(LABEL_TASK_ID).filter(|_| is_task).and_then(|id| id.parse().ok()),
        servers: host.dns.unwrap_or_default().iter().filter_map(|server| server.parse().ok()).collect(),
        options: host.dns_options.unwrap_or_default(),
        resolv_conf: own(inspected.resolv_conf_path, "resolv.conf"),
        hosts: own(inspected.hosts_path, "hosts"),
    }
}
