//! Lets a rush of small pieces gather, so that many of them take one turn.
//!
//! Whoever writes to a socket on which somebody waits pays for waking them, and a log is written line by line. The
//! thread sleeps, and not the task: in a sleep of the task's the thread would wait for its sockets, and be woken by each
//! piece all the same. It carries bytes and does nothing else (`serve/carriers.rs`), and after a sleep it is
//! there for its other connections for as long as it slept, however many of them rush: [`Rest`].

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// A piece is small below this.
const SMALL: usize = 16 * 1024;
/// Pieces that follow each other as fast as this rush. It is what a sleep takes, and a turn.
const QUICK: Duration = Duration::from_micros(300);
/// So many of them make a rush: short bodies, and lines that come now and then, are passed on at once.
const MANY: u32 = 16;
/// How long they gather; the kernel adds its timer slack of 50 us. A unix socket holds some hundred small pieces.
const GATHER: Duration = Duration::from_micros(50);

/// A sleep of this thread that is over.
#[derive(Debug, Clone, Copy)]
struct Rest {
    woke: Instant,
    /// What it took, which the kernel makes longer than it was to be.
    took: Duration,
}

impl Rest {
    /// Whether as long a time has passed without sleep.
    fn is_earned_back(self, now: Instant) -> bool {
        now.duration_since(self.woke) >= self.took
    }
}

thread_local! {
    static LAST: Cell<Option<Rest>> = const { Cell::new(None) };
}

/// How the pieces of a body come.
#[derive(Debug, Default)]
pub(super) struct Rush {
    last: Option<Instant>,
    quick: u32,
}

impl Rush {
    /// A piece of so many bytes was passed on: lets the next ones gather if they rush.
    pub(super) fn passed(&mut self, bytes: usize) {
        let start = Instant::now();
        if self.rushes(bytes, start) && LAST.get().is_none_or(|rest| rest.is_earned_back(start)) {
            thread::sleep(GATHER);
            let woke = Instant::now();
            LAST.set(Some(Rest { woke, took: woke.duration_since(start) }));
        }
    }

    fn rushes(&mut self, bytes: usize, now: Instant) -> bool {
        let quick = self.last.replace(now).is_some_and(|last| now.duration_since(last) < QUICK);
        self.quick = if quick && bytes < SMALL { self.quick.saturating_add(1) } else { 0 };
        self.quick >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each of these pieces, so many microseconds after the one before, is one too many.
    fn rushes(pieces: impl IntoIterator<Item = (usize, u64)>) -> Vec<bool> {
        let (mut rush, mut now) = (Rush::default(), Instant::now());
        let mut one = |(bytes, after)| {
            now += Duration::from_micros(after);
            rush.rushes(bytes, now)
        };
        pieces.into_iter().map(&mut one).collect()
    }

    #[test]
    fn many_small_pieces_rush() {
        let found = rushes([(80, 20); 40]);
        assert_eq!(found.iter().position(|rushes| *rushes), Some(MANY as usize));
        assert!(found[MANY as usize..].iter().all(|rushes| *rushes));
    }

    #[test]
    fn lines_now_and_then_and_big_pieces_do_not() {
        assert!(!rushes([(80, 1000); 100]).contains(&true), "a busy log that somebody follows");
        assert!(!rushes([(32 * 1024, 20); 100]).contains(&true), "an image");
        assert!(!rushes((0..100).map(|at| (80, if at % 10 == 0 { 5000 } else { 20 }))).contains(&true), "short bursts");
    }

    #[test]
    fn a_thread_sleeps_half_of_the_time_at_most() {
        let (mut rush, start) = (Rush::default(), Instant::now());
        let mut sleeps = Vec::new();
        for _ in 0..10_000_000 {
            rush.passed(80);
            let Some(rest) = LAST.get().filter(|rest| sleeps.last().is_none_or(|last: &Rest| last.woke != rest.woke))
            else {
                continue;
            };
            sleeps.push(rest);
            if sleeps.len() == 20 {
                break;
            }
        }
        assert_eq!(sleeps.len(), 20, "a rush is let gather");
        let asleep: Duration = sleeps.iter().map(|rest| rest.took).sum();
        // The last one is not earned back yet.
        let awake = start.elapsed() - asleep + sleeps[19].took;
        assert!(asleep >= 20 * GATHER && asleep <= awake, "{asleep:?} asleep, {awake:?} awake");
    }
}
