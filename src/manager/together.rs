//! One question to the leader for all who ask the same at about the same time.
//!
//! For questions that strangers can cause, or many sessions at once, so that a flood of them stays this manager's own burden.
//! Whoever asks is answered by a question that began after he asked, never by an older answer.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The least time from one question to the next. Nobody notices it who mistyped a token.
const PACE: Duration = Duration::from_millis(50);

/// The last answer, and when its question began.
#[derive(Debug)]
pub(super) struct Together<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Together<T> {
    fn default() -> Together<T> {
        Together(Mutex::default())
    }
}

impl<T: Clone> Together<T> {
    /// Asks, unless somebody has begun to since.
    pub(super) async fn ask(&self, question: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((began, answer)) = &*last {
            if *began >= asked {
                return answer.clone();
            }
            sleep_until(*began + PACE).await;
        }
        let began = Instant::now();
        let answer = question.await;
        *last = Some((began, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn many_at_once_are_one_question_and_nobody_gets_an_old_answer() {
        let (together, asked, go) =
            (Arc::new(Together::default()), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let ask = || {
            let (together, asked, go) = (together.clone(), asked.clone(), go.clone());
            let question = async move {
                go.notified().await;
                asked.fetch_add(1, Ordering::Relaxed) + 1
            };
            async move { together.ask(question).await }
        };
        let mut first = Box::pin(ask());
        // The first question is under way when the others come: its answer may be older than they are.
        tokio::select! {
            biased;
            _ = &mut first => panic!("nobody has answered"),
            () = tokio::task::yield_now() => {}
        }
        let mut others = JoinSet::new();
        for _ in 0..100 {
            others.spawn(ask());
        }
        tokio::task::yield_now().await;
        go.notify_one();
        assert_eq!(first.await, 1);
        go.notify_one();
        while let Some(answer) = others.join_next().await {
            assert_eq!(answer.unwrap(), 2);
        }
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_question_to_the_next() {
        let together = Together::default();
        let gone = tokio::time::timeout(Duration::from_millis(1), together.ask(std::future::pending::<u32>())).await;
        assert!(gone.is_err());
        assert_eq!(together.ask(async { 7 }).await, 7);
    }
}
