//! From what a node holds to what it should hold, as small as can be: what changed, and what is gone.
//!
//! Most changes are of one task's desired state or status; its spec, by far the largest part of it, then stays where it
//! is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Assignments;
use crate::model::{Network, NetworkId, Task, TaskId};

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
        self.tasks.is_empty() && self.tasks_gone.is_empty() && self.networks.is_empty() && self.networks_gone.is_empty()
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
        for id in difference.networks_gone {
            self.networks.remove(&id);
        }
        self.networks.extend(difference.networks.into_iter().map(|network| (network.id, network)));
        Ok(())
    }
}

/// What of `new` is not in `old`, or not the same there.
fn changed<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, Arc<V>>,
    new: &'a BTreeMap<K, Arc<V>>,
) -> impl Iterator<Item = &'a Arc<V>> {
    new.iter().filter_map(|(key, value)| {
        let is_same = old.get(key).is_some_and(|old| Arc::ptr_eq(old, value) || old == value);
        (!is_same).then_some(value)
    })
}

/// What was in `old` and is not in `new`.
fn gone<K: Ord + Copy, V>(old: &BTreeMap<K, Arc<V>>, new: &BTreeMap<K, Arc<V>>) -> Vec<K> {
    old.keys().filter(|key| !new.contains_key(key)).copied().collect()
}
