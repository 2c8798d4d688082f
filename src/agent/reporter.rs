//! Collects what workers report and sends it in batches: of one task only the newest status.
//!
//! A report may get lost on its way, with a connection or with a leader. What arrived comes back in the assignments, so
//! whatever has not after a while is said again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gam_core::assignment::Assignments;
use gam_core::model::{TaskId, TaskStatus};
use tokio::sync::{Notify, mpsc};

/// How long reports are gathered after the first: a batch is one commit of the manager's log, so thirty tasks that
/// start together should not cost thirty.
const GATHER: Duration = Duration::from_millis(10);

/// How long a report may take to come back in the assignments before it is said again.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

/// Statuses on their way to a manager; holds at most one for each task.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    pending: Mutex<BTreeMap<TaskId, TaskStatus>>,
    /// The last report of each task that is assigned here, and whether it was already there at the last look.
    said: Mutex<BTreeMap<TaskId, (TaskStatus, bool)>>,
    wake: Notify,
}

impl Reporter {
    /// Reports a status. Never waits.
    pub(super) fn push(&self, task: TaskId, status: TaskStatus) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(task, (status.clone(), false));
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(task, status);
        self.wake.notify_one();
    }

    /// Says again what the manager has not heard although it had time to; called every [`AGAIN`].
    pub(super) fn say_again(&self, assigned: &Assignments) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|task, _| assigned.tasks.contains_key(task));
        for (task, (status, is_old)) in said.iter_mut() {
            let heard = &assigned.tasks[task].status;
            if *is_old && heard != status && heard.state <= status.state {
                self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(*task, status.clone());
                self.wake.notify_one();
            }
            *is_old = true;
        }
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

    use gam_core::model::{RestartPlan, ServiceSpec, Task, TaskState};
    use gam_core::state::{Change, Proposal, State};

    use super::*;

    fn some_task() -> Task {
        let (id, service) = (TaskId::from(1), 2_u128.into());
        let changes = vec![
            Change::ServiceCreate { id: service, spec: Box::new(ServiceSpec::default()) },
            Change::TaskCreate {
                id,
                service,
                slot: 1,
                node: None,
                desired: TaskState::Running,
                restart: RestartPlan::default(),
            },
        ];
        let mut state = State::default();
        state.apply(1, &Proposal { changes, ..Proposal::default() });
        Task::clone(state.task(id).unwrap())
    }

    #[test]
    fn what_was_not_heard_is_said_again() {
        let task = some_task();
        let id = task.id;
        let running = TaskStatus { state: TaskState::Running, ..TaskStatus::default() };
        let assigned = |status: &TaskStatus| Assignments {
            tasks: [(id, Arc::new(Task { status: status.clone(), ..task.clone() }))].into_iter().collect(),
            ..Assignments::default()
        };
        let reporter = Reporter::default();
        let pending = || std::mem::take(&mut *reporter.pending.lock().unwrap());
        reporter.push(id, running.clone());
        pending();
        reporter.say_again(&assigned(&TaskStatus::default()));
        assert!(pending().is_empty(), "it may be on its way");
        reporter.say_again(&assigned(&TaskStatus::default()));
        assert_eq!(pending().len(), 1);
        reporter.say_again(&assigned(&running));
        assert!(pending().is_empty(), "it was heard");
        reporter.say_again(&Assignments::default());
        assert!(reporter.said.lock().unwrap().is_empty());
    }

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
