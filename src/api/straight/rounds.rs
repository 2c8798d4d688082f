//! Pings, and lists of containers, that are asked in the same words at the same time: dockerd is asked once for all.
//!
//! Every client pings before it does anything else, and monitors ping and list all day. An answer serves those alone who
//! had asked before dockerd was: whoever asks while it is underway waits for the next round, so nobody gets an answer
//! that is older than the question. Who asks alone waits for nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

/// The rounds underway; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Rounds(Arc<Mutex<HashMap<Bytes, Waiting>>>);

/// Those who wait for the next round.
type Waiting = Vec<oneshot::Sender<Turn>>;

/// What becomes of one who asks.
pub(super) enum Turn {
    /// Asks dockerd, for the others of the round too.
    Lead(Lead),
    /// Has the answer.
    Told(Bytes),
    /// Asks dockerd alone: the one who led the round came to no answer that could be told.
    Alone,
}

/// The lead of a round. Its end ends the round and begins the next one.
pub(super) struct Lead {
    rounds: Rounds,
    question: Bytes,
    others: Waiting,
    answer: Option<Bytes>,
}

impl Rounds {
    /// Takes part with this question, the bytes of a whole request.
    pub(super) async fn turn(&self, question: &[u8]) -> Turn {
        let place = {
            let mut rounds = self.lock();
            let Some(waiting) = rounds.get_mut(question) else {
                let question = Bytes::copy_from_slice(question);
                rounds.insert(question.clone(), Waiting::new());
                return Turn::Lead(Lead { rounds: self.clone(), question, others: Waiting::new(), answer: None });
            };
            let (turn, place) = oneshot::channel();
            waiting.push(turn);
            place
        };
        place.await.unwrap_or(Turn::Alone)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Whether somebody else waits for the answer of this round.
    pub(super) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// The answer, whole. It counts once the lead ends.
    pub(super) fn tell(&mut self, answer: &[u8]) {
        if self.has_others() {
            self.answer = Some(Bytes::copy_from_slice(answer));
        }
    }

    /// Those who have come meanwhile, the first of them apart; nobody is a round's end.
    fn next(&self) -> Option<(oneshot::Sender<Turn>, Waiting)> {
        let mut rounds = self.rounds.lock();
        let waiting = rounds.get_mut(&self.question)?;
        waiting.retain(|turn| !turn.is_closed());
        let Some(first) = waiting.pop() else {
            rounds.remove(&self.question);
            return None;
        };
        Some((first, std::mem::take(waiting)))
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        for other in self.others.drain(..) {
            // Who is gone meanwhile needs no answer.
            let _ = other.send(self.answer.clone().map_or(Turn::Alone, Turn::Told));
        }
        if let Some((first, others)) = self.next() {
            let lead = Lead { rounds: self.rounds.clone(), question: self.question.clone(), others, answer: None };
            // If that one is gone too, its lead comes back and ends here.
            let _ = first.send(Turn::Lead(lead));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn poll(turn: Pin<&mut impl Future<Output = Turn>>) -> Poll<Turn> {
        turn.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn lead(turn: Poll<Turn>) -> Lead {
        match turn {
            Poll::Ready(Turn::Lead(lead)) => lead,
            _ => panic!("it has no lead"),
        }
    }

    fn told(turn: Poll<Turn>) -> Option<Bytes> {
        match turn {
            Poll::Ready(Turn::Told(answer)) => Some(answer),
            Poll::Ready(Turn::Alone) => None,
            _ => panic!("it has no answer"),
        }
    }

    #[test]
    fn who_asks_meanwhile_gets_the_next_answer_and_never_the_one_underway() {
        let rounds = Rounds::default();
        let mut first = lead(poll(pin!(rounds.turn(b"ping"))));
        let (mut second, mut third) = (pin!(rounds.turn(b"ping")), pin!(rounds.turn(b"ping")));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        first.tell(b"old");
        drop(first);
        // One of the two leads the round of both.
        let (mut leading, mut other) = match poll(second.as_mut()) {
            Poll::Pending => (lead(poll(third)), second),
            turn => (lead(turn), third),
        };
        let mut late = pin!(rounds.turn(b"ping"));
        assert!(poll(other.as_mut()).is_pending() && poll(late.as_mut()).is_pending());
        leading.tell(b"new");
        drop(leading);
        assert_eq!(told(poll(other)), Some(Bytes::from_static(b"new")));
        drop(lead(poll(late)));
        assert!(rounds.lock().is_empty());
    }

    #[test]
    fn other_words_are_another_question() {
        let rounds = Rounds::default();
        let _one = lead(poll(pin!(rounds.turn(b"GET"))));
        let _other = lead(poll(pin!(rounds.turn(b"HEAD"))));
    }

    #[test]
    fn a_round_without_an_answer_leaves_its_others_alone() {
        let rounds = Rounds::default();
        let first = lead(poll(pin!(rounds.turn(b"ping"))));
        let (mut second, mut third) = (pin!(rounds.turn(b"ping")), pin!(rounds.turn(b"ping")));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        drop(first);
        let (leading, other) = match poll(second.as_mut()) {
            Poll::Pending => (lead(poll(third)), second),
            turn => (lead(turn), third),
        };
        drop(leading);
        assert_eq!(told(poll(other)), None);
        assert!(rounds.lock().is_empty());
    }

    #[test]
    fn who_is_gone_leads_nothing() {
        let rounds = Rounds::default();
        let first = lead(poll(pin!(rounds.turn(b"ping"))));
        {
            let mut gone = pin!(rounds.turn(b"ping"));
            assert!(poll(gone.as_mut()).is_pending());
        }
        let mut stays = pin!(rounds.turn(b"ping"));
        assert!(poll(stays.as_mut()).is_pending());
        let unpolled = Box::pin(rounds.turn(b"ping"));
        drop(first);
        drop(lead(poll(stays)));
        drop(unpolled);
        assert!(rounds.lock().is_empty());
        // Gone with the lead in hand, before it was looked at.
        let first = lead(poll(pin!(rounds.turn(b"ping"))));
        {
            let mut gone = pin!(rounds.turn(b"ping"));
            assert!(poll(gone.as_mut()).is_pending());
            drop(first);
        }
        assert!(rounds.lock().is_empty());
    }
}
