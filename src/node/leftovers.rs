//! Containers of a swarm that was left while dockerd was away: remembered on disk, removed as soon as dockerd answers.
//!
//! Nobody else may remove them: an agent touches only the containers of its own node.

use std::time::Duration;

use gam_core::container::LABEL_NODE_ID;
use gam_core::model::NodeId;

use super::Node;
use crate::agent;
use crate::manager::chain;
use crate::vital;

/// The first pause before dockerd is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest: leftovers are in nobody's way for so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const REMOVAL: &str = "the removal of a former swarm's containers";

impl Node {
    /// Removes the containers of a node that is no more, now or later.
    pub(super) async fn remove_containers_of(&self, node: NodeId) {
        let removed = self.engine().remove_containers_of(node).await;
        agent::forget(node);
        let Err(error) = removed else { return };
        tracing::warn!(error = %chain(&error), "could not remove all containers of the swarm; it is tried again");
        self.remember(|owed| owed.push(node));
        vital::spawn(REMOVAL, self.clone().remove_later(node));
    }

    /// Removes in the background what earlier lives of this node left behind.
    pub(super) fn remove_leftovers(&self) {
        for former in self.0.directory.left_behind() {
            vital::spawn(REMOVAL, self.clone().remove_later(former));
        }
    }

    /// Says at the start which containers are of tasks of another node: this one's state was moved away, or put back. They may
    /// still be wanted, so that nobody but the user may remove them.
    pub(super) fn tell_of_strangers(&self) {
        vital::spawn("the look for containers of another swarm", self.clone().look_for_strangers());
    }

    async fn look_for_strangers(self) {
        let Ok(identity) = self.0.directory.identity() else { return };
        let own = identity.map(|identity| identity.node);
        let former = self.0.directory.left_behind();
        let is_known = |node: &String| node.parse().is_ok_and(|node| own == Some(node) || former.contains(&node));
        match self.engine().nodes_of_task_containers().await {
            Ok(nodes) => nodes.iter().filter(|(node, _)| !is_known(node)).for_each(|(node, count)| {
                tracing::warn!(
                    node,
                    count,
                    "containers of a swarm that this node is not in; gam leaves them alone: unless its state is to be put \
                     back, remove them with 'docker rm -f $(docker ps -aq --filter label={LABEL_NODE_ID}={node})'"
                );
            }),
            Err(error) => tracing::debug!(error = %chain(&error), "cannot look for containers of another swarm"),
        }
    }

    async fn remove_later(self, former: NodeId) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.engine().remove_containers_of(former).await {
            tracing::debug!(error = %chain(&error), "could not remove all containers of a former swarm");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        agent::forget(former);
        let _changing = self.0.changing.lock().await;
        self.remember(|owed| owed.retain(|other| *other != former));
    }

    /// Changes what is written down; whoever calls holds `changing`, or is alone.
    fn remember(&self, change: impl FnOnce(&mut Vec<NodeId>)) {
        let mut owed = self.0.directory.left_behind();
        change(&mut owed);
        if let Err(error) = self.0.directory.set_left_behind(&owed) {
            tracing::error!(error = %chain(&error), "cannot write down whose containers are still to be removed");
        }
    }
}
