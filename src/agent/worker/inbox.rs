//! News for one worker, boiled down to what still matters when it next looks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gam_core::model::{Parting, TaskState};
use tokio::sync::Notify;

use crate::engine::containers::{ContainerEvent, ListedContainer};

/// Where news for one worker wait; bounded, because news of one kind replace each other.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    wake: Notify,
}

/// What happened since the worker last looked.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// What the manager wants now.
    pub(super) desired: Option<TaskState>,
    /// How far the task is on its way out.
    pub(super) parting: Option<Parting>,
    /// Something happened to the container.
    pub(super) look: bool,
    /// The container died with this exit code.
    pub(super) died: Option<i64>,
    /// The container was called unhealthy.
    pub(super) sick: bool,
    /// The line of the container in a list of all; the inner `None` says that it is not in the list.
    pub(super) listed: Option<Option<ListedContainer>>,
    /// The task is not assigned any more.
    pub(super) dismissed: bool,
}

impl Inbox {
    pub(crate) fn desire(&self, desired: TaskState, parting: Option<Parting>) {
        self.put(|letters| {
            letters.desired = letters.desired.max(Some(desired));
            letters.parting = parting;
        });
    }

    pub(crate) fn dismiss(&self) {
        self.put(|letters| letters.dismissed = true);
    }

    pub(crate) fn event(&self, event: &ContainerEvent) {
        self.put(|letters| {
            letters.look = true;
            match event.action.as_str() {
                "die" => letters.died = event.exit_code,
                "health_status: unhealthy" => letters.sick = true,
                _ => {}
            }
        });
    }

    pub(crate) fn listed(&self, container: Option<ListedContainer>) {
        self.put(|letters| letters.listed = Some(container));
    }

    pub(super) fn take(&self) -> Letters {
        std::mem::take(&mut *self.open())
    }

    /// Waits for news.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Waits until the task is not to run any more; leaves the news where they are.
    pub(super) async fn unwanted(&self) {
        loop {
            let is_unwanted = {
                let letters = self.open();
                super::Worker::is_unwanted(letters.desired, letters.dismissed)
            };
            if is_unwanted {
                return;
            }
            self.changed().await;
        }
    }

    fn put(&self, write: impl FnOnce(&mut Letters)) {
        write(&mut self.open());
        self.wake.notify_one();
    }

    fn open(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
