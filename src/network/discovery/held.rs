//! A container whose names and rules are kept: what is found of it when it is new, what its rules are, and whether somebody else
//! changed them. Its own files are put right when it is found.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use gam_core::discovery::returns::Returns;
use gam_core::discovery::{Balance, balance};
use gam_core::model::{NetworkId, TaskId};

use super::super::generation::Generation;
use super::super::mesh::returns::Watch;
use super::super::namespace::Namespace;
use super::super::plugs::{Plug, plugs_of};
use super::super::{hosts, resolv_conf};
use super::{Discovery, gateway};
use crate::engine::EngineError;
use crate::engine::sandboxes::RunningContainer;

/// A container that is on networks of the swarm.
pub(super) struct Held {
    pub container: RunningContainer,
    pub places: Vec<(NetworkId, Vec<IpAddr>)>,
    pub namespace: Namespace,
    pub servers: Vec<IpAddr>,
    pub completes: bool,
    pub plugs: Vec<Plug>,
    /// What its rules are; `None` if that is not known.
    pub done: Option<Arc<Balance>>,
    /// What its ways back to the routing mesh's nodes are, likewise.
    pub returns: Option<Returns>,
    /// Tells whether anybody changed these.
    pub ways: Option<Arc<Watch>>,
    /// Tells whether anybody changed rules there.
    pub rules: Generation,
    /// What it told when they were what they should be.
    pub settled: Option<u32>,
    /// Whether somebody changed rules there since they were programmed, and so may have flushed the engine's, too.
    pub disturbed: bool,
}

/// What the rules of a container have become.
pub(super) struct Programmed {
    pub balance: Arc<Balance>,
    /// `None` as long as it cannot have those that it needs.
    pub returns: Option<Returns>,
    pub ways: Option<Arc<Watch>>,
    /// What [`Generation`] tells if nobody else changed rules meanwhile.
    pub expected: Option<u32>,
}

/// A sandbox, and what its balancers were and are.
type Dropping = (Namespace, Option<Arc<Balance>>, Arc<Balance>);

impl Held {
    /// Whether somebody may have changed its ways back to the mesh.
    pub fn is_astray(&self) -> bool {
        self.ways.as_ref().is_some_and(|ways| ways.is_disturbed())
    }

    /// Whether its rules may be others than those that were programmed.
    pub fn is_disturbed(&self) -> bool {
        self.done.is_some() && self.settled.is_none_or(|settled| self.rules.read().ok() != Some(settled))
    }

    /// Takes over what was programmed; tells the difference if flows have to be forgotten for it.
    pub fn settle(&mut self, programmed: Programmed) -> Option<Dropping> {
        let Programmed { balance, returns, ways, expected } = programmed;
        self.settled = expected.filter(|expected| self.rules.read().ok() == Some(*expected));
        self.disturbed = false;
        (self.returns, self.ways) = (returns, ways);
        let old = self.done.replace(balance.clone());
        balance::drops(old.as_deref(), &balance).then(|| (self.namespace.clone(), old, balance))
    }
}

impl Discovery {
    /// Finds out what is to be known of a container; `None` if it went, or nothing can be asked of it now.
    pub(super) async fn hold(&self, container: RunningContainer) -> Result<Option<Held>, EngineError> {
        let found = self.engine.network_sandbox(&container.id).await?;
        let Some(path) = found.path else { return Ok(None) };
        let namespace = match Namespace::open(&path) {
            Ok(namespace) => namespace,
            Err(error) => {
                tracing::debug!(container = %container.id, %error, "the network of a container went before it was seen");
                return Ok(None);
            }
        };
        let rules = match Generation::open(&namespace).await {
            Ok(rules) => rules,
            Err(error) => {
                tracing::debug!(container = %container.id, %error, "cannot ask for the rules of a container now");
                return Ok(None);
            }
        };
        let place =
            |(network, addresses): (String, _)| Some((self.networks.backing_by_id(&network)?.network, addresses));
        let places: Vec<(NetworkId, Vec<IpAddr>)> = found.places.into_iter().filter_map(place).collect();
        // Without them it only goes unguarded and unmended.
        let plugs = plugs_of(&namespace, &places).await.unwrap_or_default();
        // What its task wished wins over what the engine was asked for: that is only what the engine can do of it.
        let wished = found.task.and_then(|task| self.wished_options(task));
        if let (Some(options), Some(path)) = (wished.clone(), found.resolv_conf) {
            let amended = tokio::task::spawn_blocking(move || resolv_conf::amend(&path, &options)).await;
            if let Ok(Err(error)) = amended {
                tracing::warn!(container = %container.id, %error, "a container has no ndots of its own");
            }
        }
        let of_mesh = self.on_the_mesh(&places);
        if let Some(path) = found.hosts.filter(|_| !of_mesh.is_empty()) {
            let amended = tokio::task::spawn_blocking(move || hosts::leave_out(&path, &of_mesh)).await;
            if let Ok(Err(error)) = amended {
                tracing::warn!(container = %container.id, %error, "a container's name has the mesh's address");
            }
        }
        let options = &wished.unwrap_or(found.options);
        let known = self.known.borrow();
        // The first of its servers is Gam itself.
        let gateways: BTreeSet<IpAddr> = known.networks.values().filter_map(|network| gateway(network)).collect();
        let servers = found.servers.into_iter().filter(|server| !gateways.contains(server)).collect();
        let completes = completes(options);
        Ok(Some(Held {
            container,
            places,
            namespace,
            servers,
            completes,
            plugs,
            done: None,
            returns: None,
            ways: None,
            rules,
            settled: None,
            disturbed: false,
        }))
    }

    /// The addresses of a container on the routing mesh's network, if it is on others as well.
    fn on_the_mesh(&self, places: &[(NetworkId, Vec<IpAddr>)]) -> Vec<IpAddr> {
        let known = self.known.borrow();
        let is_mesh = |network: &NetworkId| known.networks.get(network).is_some_and(|network| network.spec.ingress);
        let (mesh, others): (Vec<_>, Vec<_>) = places.iter().partition(|(network, _)| is_mesh(network));
        if others.is_empty() {
            Vec::new()
        } else {
            mesh.into_iter().flat_map(|(_, addresses)| addresses).copied().collect()
        }
    }

    /// The DNS options that the user gave a task.
    fn wished_options(&self, task: TaskId) -> Option<Vec<String>> {
        let known = self.known.borrow();
        let dns = known.tasks.get(&task)?.spec().container_spec.as_ref()?.dns_config.as_ref()?;
        Some(dns.options.clone())
    }
}

/// Whether there is an `ndots` among the options, of whatever number: that is what the engine looks at, also if it writes
/// another one (`moby: libnetwork/sandbox_dns_unix.go`, `rebuildDNS`).
fn completes(options: &[String]) -> bool {
    options.iter().any(|option| option.split(':').next() == Some("ndots"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_ndots_keeps_names_without_dots_inside() {
        for (option, is_so) in [
            ("ndots:3", true),
            ("ndots:0", true),
            ("ndots:x", true),
            ("ndots", true),
            ("timeout:1", false),
            ("no-ndots:1", false),
        ] {
            assert_eq!(completes(&["attempts:2".to_owned(), option.to_owned()]), is_so, "{option}");
        }
    }
}
