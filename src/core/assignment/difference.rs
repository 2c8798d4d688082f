//! From what a node holds to what it should hold, as small as can be: what changed, and what is gone.
//!
//! Most changes are of one task's desired state or status; its spec, by far the largest part of it, then stays where it
//! is.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::Assignments;
use crate::model::{
    Config, ConfigId, Member, NamedService, Network, NetworkId, NodeId, Peer, Secret, SecretId, ServiceId, Task, TaskId,
};

/// The way from the assignments of one log index to those of another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The log index from which this leads away.
    pub from: u64,
    /// The log index to which it leads.
    pub index: u64,
    /// Tasks that are new or not as before.
    pub tasks: Vec<ChangedTask>,
    /// Tasks that are no longer the node's.
    pub tasks_gone: Vec<TaskId>,
    /// Networks that are new or not as before.
    pub networks: Vec<Arc<Network>>,
    /// Networks that no task of the node uses any more.
    pub networks_gone: Vec<NetworkId>,
    /// Members that are new or not as before.
    pub members: Vec<Arc<Member>>,
    /// Members that are no more, or on networks that the node is not on any more.
    pub members_gone: Vec<(NetworkId, TaskId)>,
    /// Services that are new or not as before.
    pub services: Vec<Arc<NamedService>>,
    /// Services without members.
    pub services_gone: Vec<ServiceId>,
    /// Nodes that are new or not as before.
    pub peers: Vec<Arc<Peer>>,
    /// Nodes without members.
    pub peers_gone: Vec<NodeId>,
    /// Secrets that are new or not as before.
    pub secrets: Vec<Arc<Secret>>,
    /// Secrets that no task of the node needs any more.
    pub secrets_gone: Vec<SecretId>,
    /// Configs that are new or not as before.
    pub configs: Vec<Arc<Config>>,
    /// Configs that no task of the node needs any more.
    pub configs_gone: Vec<ConfigId>,
    /// The UDP port of the packets between them, if it is another than before.
    pub data_path_port: Option<u32>,
}

/// A task that is new or not as before.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedTask {
    /// The task as it is now.
    pub task: Arc<Task>,
    /// The receiver has its spec already: the spec of a task never changes.
    pub keeps_spec: bool,
}

/// A difference does not lead on from what is held; only a full set helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a difference from index {from} to {index} does not lead on from index {held}")]
pub struct Gap {
    /// The index that the holder is at.
    pub held: u64,
    /// Where the difference begins.
    pub from: u64,
    /// Where it leads.
    pub index: u64,
}

impl Difference {
    /// Whether only the index moves on.
    pub fn is_empty(&self) -> bool {
        *self == Difference { from: self.from, index: self.index, ..Difference::default() }
    }
}

impl Assignments {
    /// What leads from `self` to `newer`.
    pub fn difference(&self, newer: &Assignments) -> Difference {
        let changed_task = |task: &Arc<Task>| {
            let old = self.tasks.get(&task.id);
            let keeps_spec = old.is_some_and(|old| Arc::ptr_eq(&old.origin, &task.origin) || old.origin == task.origin);
            ChangedTask { task: task.clone(), keeps_spec }
        };
        Difference {
            from: self.index,
            index: newer.index,
            tasks: changed(&self.tasks, &newer.tasks).map(changed_task).collect(),
            tasks_gone: gone(&self.tasks, &newer.tasks),
            networks: changed(&self.networks, &newer.networks).cloned().collect(),
            networks_gone: gone(&self.networks, &newer.networks),
            members: changed(&self.members, &newer.members).cloned().collect(),
            members_gone: gone(&self.members, &newer.members),
            services: changed(&self.services, &newer.services).cloned().collect(),
            services_gone: gone(&self.services, &newer.services),
            peers: changed(&self.peers, &newer.peers).cloned().collect(),
            peers_gone: gone(&self.peers, &newer.peers),
            secrets: changed(&self.secrets, &newer.secrets).cloned().collect(),
            secrets_gone: gone(&self.secrets, &newer.secrets),
            configs: changed(&self.configs, &newer.configs).cloned().collect(),
            configs_gone: gone(&self.configs, &newer.configs),
            data_path_port: Some(newer.data_path_port).filter(|port| *port != self.data_path_port),
        }
    }

    /// Takes a difference over. Nothing changes if it does not lead on from here.
    pub fn apply(&mut self, difference: Difference) -> Result<(), Gap> {
        let gap = Gap { held: self.index, from: difference.from, index: difference.index };
        let lacks_spec = |changed: &ChangedTask| changed.keeps_spec && !self.tasks.contains_key(&changed.task.id);
        if gap.held != gap.from || difference.tasks.iter().any(lacks_spec) {
            return Err(gap);
        }
        self.index = difference.index;
        for id in difference.tasks_gone {
            self.tasks.remove(&id);
        }
        for ChangedTask { mut task, keeps_spec } in difference.tasks {
            if let Some(old) = self.tasks.get(&task.id).filter(|_| keeps_spec)
                && !Arc::ptr_eq(&old.origin, &task.origin)
            {
                Arc::make_mut(&mut task).origin = old.origin.clone();
            }
            self.tasks.insert(task.id, task);
        }
        renew(&mut self.networks, difference.networks_gone, difference.networks, |network| network.id);
        renew(&mut self.members, difference.members_gone, difference.members, |member| (member.network, member.task));
        renew(&mut self.services, difference.services_gone, difference.services, |service| service.id);
        renew(&mut self.peers, difference.peers_gone, difference.peers, |peer| peer.node);
        renew(&mut self.secrets, difference.secrets_gone, difference.secrets, |secret| secret.id);
        renew(&mut self.configs, difference.configs_gone, difference.configs, |config| config.id);
        self.data_path_port = difference.data_path_port.unwrap_or(self.data_path_port);
        Ok(())
    }
}

fn renew<K: Ord + Clone, V>(table: &mut OrdMap<K, Arc<V>>, gone: Vec<K>, new: Vec<Arc<V>>, key: impl Fn(&V) -> K) {
    for key in gone {
        table.remove(&key);
    }
    for value in new {
        table.insert(key(&value), value);
    }
}

/// What of `new` is not in `old`, or not the same there. What both share costs nothing, here as below.
fn changed<'a, K: Ord, V: PartialEq>(
    old: &'a OrdMap<K, Arc<V>>,
    new: &'a OrdMap<K, Arc<V>>,
) -> impl Iterator<Item = &'a Arc<V>> {
    old.diff(new).filter_map(|item| match item {
        DiffItem::Add(_, new) | DiffItem::Update { new: (_, new), .. } => Some(new),
        DiffItem::Remove(..) => None,
    })
}

/// What was in `old` and is not in `new`.
fn gone<K: Ord + Copy, V: PartialEq>(old: &OrdMap<K, Arc<V>>, new: &OrdMap<K, Arc<V>>) -> Vec<K> {
    let removed = |item| match item {
        DiffItem::Remove(key, _) => Some(*key),
        DiffItem::Add(..) | DiffItem::Update { .. } => None,
    };
    old.diff(new).filter_map(removed).collect()
}
