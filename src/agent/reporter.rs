//! Collects what workers report and sends it in batches: of one task only the newest status.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gam_core::model::{TaskId, TaskStatus};
use tokio::sync::{Notify, mpsc};

/// How long reports are gathered after the first: a batch is one commit of the manager's log, so thirty tasks that
/// start together should not cost thirty.
const GATHER: Duration = Duration::from_millis(10);

/// Statuses on their way to a manager; holds at most one for each task.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    pending: Mutex<BTreeMap<TaskId, TaskStatus>>,
    wake: Notify,
}

impl Reporter {
    /// Reports a status. Never waits.
    pub(super) fn push(&self, task: TaskId, status: TaskStatus) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(task, status);
        self.wake.notify_one();
    }

    /// Sends batches until nobody takes them any more.
    pub(super) async fn forward(&self, reports: mpsc::Sender<Vec<(TaskId, TaskStatus)>>) {
        loop {
            self.wake.notified().await;
            tokio::time::sleep(GATHER).await;
            // Room first, so that statuses which are overtaken while the manager is busy are never sent.
            let Ok(room) = reports.reserve().await else { return };
            let batch = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            if !batch.is_empty() {
                room.send(batch.into_iter().collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gam_core::model::TaskState;

    use super::*;

    #[tokio::test]
    async fn the_newest_status_of_each_task_is_sent() {
        let reporter = Arc::new(Reporter::default());
        let (sender, mut reports) = mpsc::channel(1);
        let status = |state| TaskStatus { state, ..TaskStatus::default() };
        reporter.push(TaskId::from(1), status(TaskState::Accepted));
        reporter.push(TaskId::from(2), status(TaskState::Accepted));
        reporter.push(TaskId::from(1), status(TaskState::Preparing));
        let forward = tokio::spawn({
            let reporter = reporter.clone();
            async move { reporter.forward(sender).await }
        });
        let states: Vec<TaskState> =
            reports.recv().await.unwrap().into_iter().map(|(_, status)| status.state).collect();
        assert_eq!(states, [TaskState::Preparing, TaskState::Accepted]);
        drop(reports);
        reporter.push(TaskId::from(1), status(TaskState::Running));
        forward.await.unwrap();
    }
}
