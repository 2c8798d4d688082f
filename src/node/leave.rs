//! Why a manager should not leave just like that, in Docker's words (`moby: daemon/cluster/swarm.go`).

use super::Roles;

/// The refusal of a leave without `--force`.
pub(super) async fn why_not(roles: &Roles) -> String {
    let begin = "You are attempting to leave the swarm on a node that is participating as a manager. ";
    let end = "The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use \
               `--force` to suppress this message.";
    let Some(manager) = &roles.manager else { return format!("{begin}{end}") };
    let Ok(view) = manager.view().await else {
        return format!("{begin}Doing so may lose the consensus of your cluster. {end}");
    };
    let total = view.state.nodes().filter(|node| node.manager.is_some()).count();
    let reachable = total.saturating_sub(view.unreachable.len());
    sentence(begin, end, reachable, total)
}

fn sentence(begin: &str, end: &str, reachable: usize, total: usize) -> String {
    let loses_quorum = reachable < total / 2 + 2;
    match (loses_quorum, total) {
        (true, 0 | 1) => format!(
            "{begin}Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. "
        ),
        (true, _) => format!(
            "{begin}Removing this node leaves {} managers out of {total}. Without a Raft quorum your swarm will be \
             inaccessible. {end}",
            reachable.saturating_sub(1)
        ),
        (false, _) => format!("{begin}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_would_be_lost() {
        assert!(sentence("", "", 1, 1).starts_with("Removing the last manager"));
        assert!(sentence("", "", 2, 2).starts_with("Removing this node leaves 1 managers out of 2."));
        assert_eq!(sentence("", "", 3, 3), "");
        assert!(sentence("", "", 2, 3).starts_with("Removing this node leaves 1 managers out of 3."));
    }
}
