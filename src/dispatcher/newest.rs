//! Only what is known to be the newest is acted upon.
//!
//! A manager that was cut off takes in what it has missed piece by piece once it is back. Each piece ends in a state that was
//! true once, and whoever acted by it would start, stop and balance what is long gone, and be late for what is. So whenever this
//! manager may have lost sight of the leader, the leader is asked first, and nothing is said until this manager is as far.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use gam_store::{Applied, Leadership};
use tokio::sync::{broadcast, watch};

/// Between two tries to make sure of the newest state while nothing changes. A try itself waits for a leader.
const READ_RETRY: Duration = Duration::from_millis(500);

/// Calls `give` at once and after everything that is `applied`, as long as it says that somebody wants it; but whenever
/// `leadership` has changed, not before `read` has succeeded: the state then is no further back than it was anywhere when `read` began.
pub(super) async fn follow<T, E: Display, F: Future<Output = Result<T, E>>>(
    mut applied: broadcast::Receiver<Arc<Applied>>,
    mut leadership: watch::Receiver<Leadership>,
    read: impl Fn() -> F,
    mut give: impl FnMut() -> bool,
) {
    let mut is_proven = false;
    loop {
        if !is_proven || leadership.has_changed().unwrap_or(false) {
            // What is needed now and then is not given room for as long as a session lasts.
            Box::pin(prove(&mut leadership, &read)).await;
            is_proven = true;
        }
        if !give() {
            return;
        }
        match applied.recv().await {
            // A receiver that lags has missed values, not the state: the next look sees it all.
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
        while applied.try_recv().is_ok() {}
    }
}

async fn prove<T, E: Display, F: Future<Output = Result<T, E>>>(
    leadership: &mut watch::Receiver<Leadership>,
    read: impl Fn() -> F,
) {
    loop {
        // What changes from here on is a reason to ask again.
        leadership.borrow_and_update();
        let Err(error) = read().await else { return };
        tracing::debug!(%error, "nothing is assigned until the state is known to be the newest");
        tokio::select! {
            Ok(()) = leadership.changed() => {}
            () = tokio::time::sleep(READ_RETRY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use gam_core::state::State;
    use tokio::sync::{mpsc, oneshot};
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::timeout;

    use super::*;

    /// A manager: what it has applied, and the leader's answers to its questions, one at a time.
    struct Scene {
        state: Arc<AtomicU64>,
        applied: broadcast::Sender<Arc<Applied>>,
        leadership: watch::Sender<Leadership>,
        questions: mpsc::UnboundedReceiver<oneshot::Sender<Result<(), &'static str>>>,
        given: Arc<Mutex<Vec<u64>>>,
        following: JoinHandle<()>,
    }

    /// On this one thread everybody has then done what they can.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    fn led_by(leader: u64) -> Leadership {
        Leadership::Follower { leader, address: format!("member-{leader}:2377") }
    }

    impl Scene {
        /// It follows a leader, and has given state 1.
        async fn new() -> Scene {
            let (asked, questions) = mpsc::unbounded_channel();
            let (applied, applying) = broadcast::channel(4);
            let (leadership, led) = watch::channel(led_by(1));
            let (state, given) = (Arc::new(AtomicU64::new(1)), Arc::<Mutex<Vec<u64>>>::default());
            let read = move || {
                let (answer, answered) = oneshot::channel();
                asked.send(answer).unwrap();
                async move { answered.await.unwrap() }
            };
            let (now, kept) = (state.clone(), given.clone());
            let give = move || {
                kept.lock().unwrap().push(now.load(Ordering::Relaxed));
                true
            };
            let following = tokio::spawn(follow(applying, led, read, give));
            let mut scene = Scene { state, applied, leadership, questions, given, following };
            scene.answer(Ok(())).await;
            scene.expect(&[1]);
            scene
        }

        async fn apply(&self, number: u64) {
            self.state.store(number, Ordering::Relaxed);
            let applied = Applied { index: number, state: Arc::new(State::default()), events: Vec::new() };
            self.applied.send(Arc::new(applied)).unwrap();
            settle().await;
        }

        async fn answer(&mut self, answer: Result<(), &'static str>) {
            let question = timeout(Duration::from_secs(10), self.questions.recv()).await.expect("the leader is asked");
            question.unwrap().send(answer).unwrap();
            settle().await;
        }

        fn expect(&self, given: &[u64]) {
            assert_eq!(*self.given.lock().unwrap(), given);
        }
    }

    #[tokio::test]
    async fn what_a_manager_has_missed_is_not_given_piece_by_piece() {
        let mut scene = Scene::new().await;
        scene.apply(2).await;
        scene.expect(&[1, 2]);
        // Cut off, and back: the log comes in pieces.
        scene.leadership.send_replace(Leadership::NoLeader);
        scene.apply(3).await;
        scene.leadership.send_replace(led_by(2));
        scene.apply(4).await;
        scene.expect(&[1, 2]);
        // The first question was for the leader before: whoever leads now is asked, too, but not before there is news.
        scene.apply(9).await;
        scene.answer(Ok(())).await;
        scene.answer(Ok(())).await;
        scene.expect(&[1, 2, 9, 9]);
        scene.apply(10).await;
        scene.expect(&[1, 2, 9, 9, 10]);
        assert!(scene.questions.is_empty(), "asked only when there is doubt");
        drop(scene.applied);
        scene.following.await.unwrap();
    }

    #[tokio::test]
    async fn a_new_leader_is_asked_at_once_after_a_question_that_nobody_answered() {
        let mut scene = Scene::new().await;
        scene.leadership.send_replace(Leadership::NoLeader);
        scene.apply(2).await;
        scene.answer(Err("nobody leads")).await;
        scene.leadership.send_replace(led_by(2));
        settle().await;
        assert!(!scene.questions.is_empty(), "there is no pause");
        scene.answer(Ok(())).await;
        scene.expect(&[1, 2]);
        // Also if nothing is heard of a leader.
        scene.leadership.send_replace(Leadership::NoLeader);
        scene.apply(3).await;
        scene.answer(Err("nobody leads")).await;
        scene.answer(Ok(())).await;
        scene.expect(&[1, 2, 3]);
    }
}
