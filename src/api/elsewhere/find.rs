//! Which task's container on another node a reference names, told from the cluster's state alone.

use std::collections::BTreeSet;

use gam_core::model::{NodeId, Task};
use gam_core::state::State;

use super::calls::{is_hex, is_whole_id};

/// What a reference names elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// The container with this id on this node.
    One(NodeId, String),
    /// The beginning of more than one id.
    Several,
}

/// Resolves as dockerd does (`moby: daemon/container.go`, `GetContainer`): a whole id, then a name, then the beginning of an id.
pub(super) fn find(state: &State, own: NodeId, reference: &str) -> Found {
    let place = |task: &Task| {
        // A container that the swarm did not make is its host's alone.
        task.service?;
        let container = task.status.container.as_ref().filter(|container| !container.id.is_empty())?;
        Some((task.node.filter(|node| *node != own)?, container.id.clone()))
    };
    // A task's id is the last part of its container's name, and never a container's id.
    let named = reference.rsplit_once('.').and_then(|(_, id)| state.task(id.parse().ok()?));
    if let Some((node, id)) = named.filter(|task| task.name() == reference).and_then(|task| place(task)) {
        return Found::One(node, id);
    }
    if reference.is_empty() || !is_hex(reference) || reference.len() > 64 {
        return Found::Nothing;
    }
    let mut found: BTreeSet<(NodeId, String)> =
        state.tasks_by_container(reference).filter_map(|task| place(task)).take(2).collect();
    match (found.pop_first(), found.is_empty()) {
        (Some((node, id)), true) if is_whole_id(&id) => Found::One(node, id),
        (Some(_), false) => Found::Several,
        _ => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use gam_core::model::Attachment;
    use gam_core::state::{Change, Proposal};

    use super::*;

    #[test]
    fn a_container_that_is_no_tasks_is_not_found_elsewhere() {
        let (there, here) = (NodeId::from(2), NodeId::from(1));
        let container = "c0ffee".repeat(11)[..64].to_owned();
        let attach = Change::AttachmentCreate {
            id: 7.into(),
            node: there,
            name: "plain".into(),
            container: container.clone(),
            chosen: Vec::new(),
            networks: vec![Attachment { network: None, addresses: Vec::new(), aliases: Vec::new() }],
        };
        let mut state = State::default();
        state.apply(1, &Proposal { changes: vec![attach], ..Proposal::default() });
        assert_eq!(state.tasks().count(), 1);
        for reference in [&container[..], &container[..12], "plain"] {
            assert_eq!(find(&state, here, reference), Found::Nothing, "{reference}");
        }
    }
}
