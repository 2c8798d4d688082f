//! A waker between a connection and the task that drives it at the moment.
//!
//! Sending a request wakes the connection to dockerd, and the answer wakes who waits for it; asking for a piece of a
//! body wakes the client's connection. All of them are the same task, which is running at that moment. Woken directly,
//! it would be scheduled once more for nothing, and the scheduler would rouse another thread to take that work: for
//! each piece of a body the task would change threads. And a connection to dockerd that has been idle would wake the
//! task that used it last. So a connection is given this waker: while it is polled it only notes the call, and is
//! polled again; else it passes the call on to whoever drives the connection now. [`super::serve`] and
//! [`super::proxy`] use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Nobody polls; a call is passed on.
const RESTING: u8 = 0;
/// Somebody polls; a call is noted.
const POLLING: u8 = 1;
/// Somebody polls, and a call was noted.
const CALLED: u8 = 2;
/// So many times is polled at once before others have their turn.
const MAX_TURNS: usize = 16;

/// The waker of one connection.
#[derive(Debug)]
pub(in crate::api) struct Relay {
    waker: Waker,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: AtomicU8,
    target: AtomicWaker,
}

impl Relay {
    pub(in crate::api) fn new() -> Relay {
        let state = Arc::new(State::default());
        Relay { waker: Waker::from(state.clone()), state }
    }

    /// Polls on behalf of the task of `cx`, until it waits for something outside of it.
    pub(in crate::api) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.state.target.register(cx.waker());
        let mut inner = Context::from_waker(&self.waker);
        for _ in 0..MAX_TURNS {
            self.state.phase.store(POLLING, Ordering::SeqCst);
            let polled = poll(&mut inner);
            let called = self.state.phase.swap(RESTING, Ordering::SeqCst) == CALLED;
            if polled.is_ready() || !called {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// From now on nobody is woken.
    pub(in crate::api) fn detach(&self) {
        drop(self.state.target.take());
    }
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self.phase.compare_exchange(POLLING, CALLED, Ordering::SeqCst, Ordering::SeqCst);
        if noted == Err(RESTING) {
            self.target.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn calls_within_a_poll_repeat_it_and_wake_nobody() {
        let (relay, count) = (Relay::new(), Arc::new(Count::default()));
        let waker = Waker::from(count.clone());
        let mut turns = 0;
        let polled = relay.poll(&mut Context::from_waker(&waker), |cx| {
            turns += 1;
            if turns == 3 {
                return Poll::Ready("done");
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!((polled, turns, count.0.load(Ordering::SeqCst)), (Poll::Ready("done"), 3, 0));
    }

    #[test]
    fn calls_between_polls_go_to_whoever_polled_last() {
        let (relay, first, second) = (Relay::new(), Arc::new(Count::default()), Arc::new(Count::default()));
        let mut kept = None;
        for count in [&first, &second] {
            let waker = Waker::from(count.clone());
            let polled: Poll<()> = relay.poll(&mut Context::from_waker(&waker), |cx| {
                kept = Some(cx.waker().clone());
                Poll::Pending
            });
            assert!(polled.is_pending());
        }
        kept.as_ref().expect("a waker").wake_by_ref();
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
        relay.detach();
        kept.expect("a waker").wake();
        assert_eq!(second.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_never_rests_lets_others_have_their_turn() {
        let (relay, count) = (Relay::new(), Arc::new(Count::default()));
        let waker = Waker::from(count.clone());
        let polled: Poll<()> = relay.poll(&mut Context::from_waker(&waker), |cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
