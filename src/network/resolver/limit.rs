//! How many things of one kind there may be at once: in all, and for one asker, so that none keeps the others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Of all askers.
    pub all: usize,
    /// Of one.
    pub each: usize,
}

/// Counts against a [`Limit`].
#[derive(Clone, Debug)]
pub struct Counter {
    limit: Limit,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// One of those that are counted, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    counts: Arc<Mutex<Counts>>,
    asker: IpAddr,
}

impl From<Limit> for Counter {
    fn from(limit: Limit) -> Counter {
        Counter { limit, counts: Arc::default() }
    }
}

impl Counter {
    /// One more, unless there are too many.
    pub fn take(&self, asker: IpAddr) -> Option<Permit> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.each.get(&asker).copied().unwrap_or_default();
        if counts.all >= self.limit.all || own >= self.limit.each {
            return None;
        }
        counts.all += 1;
        counts.each.insert(asker, own + 1);
        Some(Permit { counts: self.counts.clone(), asker })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        match counts.each.get_mut(&self.asker) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                counts.each.remove(&self.asker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_asker_takes_it_all_and_nothing_is_kept_of_those_that_left() {
        let counter = Counter::from(Limit { all: 3, each: 2 });
        let asker = |host: u8| IpAddr::from([10, 0, 0, host]);
        let first = [counter.take(asker(1)), counter.take(asker(1))];
        assert!(first.iter().all(Option::is_some) && counter.take(asker(1)).is_none());
        let other = counter.take(asker(2));
        assert!(other.is_some() && counter.take(asker(3)).is_none());
        drop(first);
        assert!(counter.take(asker(1)).is_some());
        drop(other);
        let counts = counter.counts.lock().unwrap();
        assert_eq!((counts.all, counts.each.len()), (0, 0));
    }
}
