//! What two states differ in, at the cost of the difference: what they share in memory is not looked at.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::State;
use crate::model::{Member, Network, Node, Service, Task};

/// Something as it was, and as it is now.
pub type Pair<'a, T> = (Option<&'a Arc<T>>, Option<&'a Arc<T>>);

impl State {
    /// Tasks that are others than in `old`.
    pub fn changed_tasks<'a>(&'a self, old: &'a State) -> impl Iterator<Item = Pair<'a, Task>> {
        pairs(&old.tasks, &self.tasks)
    }

    /// Members likewise.
    pub fn changed_members<'a>(&'a self, old: &'a State) -> impl Iterator<Item = Pair<'a, Member>> {
        pairs(&old.members, &self.members)
    }

    /// Services likewise.
    pub fn changed_services<'a>(&'a self, old: &'a State) -> impl Iterator<Item = Pair<'a, Service>> {
        pairs(&old.services, &self.services)
    }

    /// Nodes likewise.
    pub fn changed_nodes<'a>(&'a self, old: &'a State) -> impl Iterator<Item = Pair<'a, Node>> {
        pairs(&old.nodes, &self.nodes)
    }

    /// Whether any secret or config is another than before.
    pub fn entrusts_otherwise(&self, old: &State) -> bool {
        pairs(&old.secrets, &self.secrets).next().is_some() || pairs(&old.configs, &self.configs).next().is_some()
    }

    /// Networks likewise.
    pub fn changed_networks<'a>(&'a self, old: &'a State) -> impl Iterator<Item = Pair<'a, Network>> {
        pairs(&old.networks, &self.networks)
    }
}

fn pairs<'a, K: Ord, T: PartialEq>(
    old: &'a OrdMap<K, Arc<T>>,
    new: &'a OrdMap<K, Arc<T>>,
) -> impl Iterator<Item = Pair<'a, T>> {
    old.diff(new).map(|item| match item {
        DiffItem::Add(_, new) => (None, Some(new)),
        DiffItem::Update { old: (_, old), new: (_, new) } => (Some(old), Some(new)),
        DiffItem::Remove(_, old) => (Some(old), None),
    })
}
