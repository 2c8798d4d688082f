//! Listens to dockerd's events and passes them on; comes back after every loss of the connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::News;
use super::context::{Context, Pause};

/// The longest pause between two tries. That nobody listens on the socket costs nothing to learn, and all else waits for the
/// engine's return.
const LONGEST_TRY: Duration = Duration::from_millis(500);

/// Runs until the agent is gone.
pub(super) async fn watch(context: Arc<Context>, news: mpsc::Sender<News>) {
    let mut pause = Pause::default();
    let mut is_away = false;
    loop {
        match context.engine.container_events(context.node).await {
            Ok(mut events) => {
                if std::mem::take(&mut is_away) {
                    tracing::info!("the Docker engine is back");
                }
                pause.reset();
                // The list that this causes comes after the subscription, so nothing falls between the two.
                if news.send(News::Connected).await.is_err() {
                    return;
                }
                while let Ok(event) = events.next().await {
                    if concerns_a_task(&event.action) && news.send(News::Event(event)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "the Docker engine does not answer; containers are left as they are");
                }
            }
        }
        tokio::time::sleep(pause.next().min(LONGEST_TRY)).await;
    }
}

/// Health checks run as `exec`, several events a second for each container; those and the like say nothing of a task.
fn concerns_a_task(action: &str) -> bool {
    matches!(action, "start" | "die" | "destroy") || action.starts_with("health_status")
}
