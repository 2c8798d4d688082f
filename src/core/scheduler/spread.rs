//! Which of the nodes that fit gets the next task: evenly over the values of each placement preference, then the node
//! with the fewest tasks of the service, then the one with the fewest tasks in all, then the lowest id.
//!
//! Each choice costs a heap operation per level of preferences and one over the nodes of a branch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::demand::Demand;
use super::node_info::{NodeInfo, NodeSet};
use super::{MAX_FAILURES, filter};
use crate::model::{GenericResource, NodeId, Task};

/// How good a node is, the lowest first: its recent failures if there are too many, tasks of the service, tasks in
/// all, place in the node set.
type Rank = Reverse<(u32, u32, u32, usize)>;

/// The nodes that fit, one level for each placement preference.
#[derive(Debug)]
pub enum Tree {
    /// Below the last preference.
    Nodes(BinaryHeap<Rank>),
    /// One branch for each value of a label, the branch with the fewest tasks of the service first.
    Branches(BinaryHeap<Reverse<(u64, usize)>>, Vec<Tree>),
}

/// A label by which a preference spreads.
enum Label<'a> {
    Node(&'a str),
    Engine(&'a str),
}

impl Tree {
    /// The nodes that fit `demand` now.
    pub fn new(nodes: &NodeSet, demand: &Demand) -> Tree {
        let placement = demand.origin.task_template.placement.as_ref();
        let preferences = placement.map_or(&[][..], |placement| &placement.preferences);
        let spreads = preferences.iter().filter_map(|preference| preference.spread.as_ref());
        let labels: Vec<Label<'_>> = spreads.filter_map(|spread| Label::parse(&spread.spread_descriptor)).collect();
        Tree::level(&labels, nodes.iter().enumerate().collect(), demand)
    }

    fn level(labels: &[Label<'_>], nodes: Vec<(usize, &NodeInfo)>, demand: &Demand) -> Tree {
        let Some((label, labels)) = labels.split_first() else {
            let fits = |(_, node): &(usize, &NodeInfo)| filter::first_refusal(demand, node).is_none();
            return Tree::Nodes(nodes.into_iter().filter(fits).map(|(at, node)| rank(at, node, demand)).collect());
        };
        let mut values: BTreeMap<&str, Vec<(usize, &NodeInfo)>> = BTreeMap::new();
        for (at, node) in nodes {
            values.entry(label.value(node)).or_default().push((at, node));
        }
        // Tasks on nodes that do not fit count as well: the branch has them.
        let count = |nodes: &[(usize, &NodeInfo)]| -> u64 {
            nodes.iter().map(|(_, node)| u64::from(node.tasks_of(demand.service))).sum()
        };
        let heap = values.values().enumerate().map(|(at, nodes)| Reverse((count(nodes), at))).collect();
        let branches = values.into_values().map(|nodes| Tree::level(labels, nodes, demand)).collect();
        Tree::Branches(heap, branches)
    }

    /// Chooses a node for `task`, which is one of those that `demand` describes, and puts it there, with what it gets of
    /// that node's generic resources; `None` if no node fits any more.
    pub fn assign(
        &mut self,
        nodes: &mut NodeSet,
        demand: &Demand,
        task: &Task,
    ) -> Option<(NodeId, Vec<GenericResource>)> {
        match self {
            Tree::Nodes(heap) => loop {
                let Reverse((.., at)) = heap.pop()?;
                let Some(node) = nodes.nth_mut(at).filter(|node| filter::still_fits(demand, node)) else { continue };
                let generic = node.claim(demand);
                node.add(task);
                heap.push(rank(at, node, demand));
                return Some((node.node.id, generic));
            },
            Tree::Branches(heap, branches) => loop {
                // A branch without room is dropped; the tasks of a group are alike, so it has none for the others.
                let Reverse((tasks, at)) = heap.pop()?;
                let Some(place) = branches.get_mut(at)?.assign(nodes, demand, task) else { continue };
                heap.push(Reverse((tasks + 1, at)));
                return Some(place);
            },
        }
    }
}

fn rank(at: usize, node: &NodeInfo, demand: &Demand) -> Rank {
    let failures = node.failures_of(demand);
    let penalty = if failures >= MAX_FAILURES { failures } else { 0 };
    Reverse((penalty, node.tasks_of(demand.service), node.active, at))
}

impl<'a> Label<'a> {
    /// `node.labels.zone` or `engine.labels.zone`; swarmkit ignores other descriptors.
    fn parse(descriptor: &'a str) -> Option<Label<'a>> {
        let label = |prefix: &str| {
            let (head, label) = descriptor.split_at_checked(prefix.len())?;
            (head.eq_ignore_ascii_case(prefix) && !label.is_empty()).then_some(label)
        };
        label("node.labels.").map(Label::Node).or_else(|| label("engine.labels.").map(Label::Engine))
    }

    /// A node without the label is in the branch of the empty value.
    fn value<'n>(&self, node: &'n NodeInfo) -> &'n str {
        let value = match self {
            Label::Node(label) => node.node.spec.labels.get(*label),
            Label::Engine(label) => node.node.description.engine_labels.get(*label),
        };
        value.map_or("", String::as_str)
    }
}
