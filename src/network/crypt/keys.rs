//! The key pair of this node's tunnel: when another one is made, and when it is taken into use.
//!
//! A pair lives in memory only, so each start of Gam has its own. Every [`ROTATION`] the next one is made and said to the
//! managers; it is used as soon as they say it to this node themselves, which is when the others learn it too.

use std::time::{Duration, Instant};

use boringtun::x25519::{PublicKey, StaticSecret};
use gam_core::crypt::Key;

/// How long a pair is used. Docker changes the keys of its encrypted networks as often (swarmkit `keymanager`,
/// `DefaultKeyRotationInterval`).
const ROTATION: Duration = Duration::from_hours(12);

/// A key pair.
#[derive(Clone)]
pub struct Pair {
    /// The private key. It never leaves this process.
    pub secret: StaticSecret,
    /// The public key.
    pub public: Key,
}

impl Pair {
    /// The pair of a private key, which is 32 random bytes.
    pub fn new(secret: [u8; 32]) -> Pair {
        let secret = StaticSecret::from(secret);
        Pair { public: PublicKey::from(&secret).to_bytes(), secret }
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("public", &gam_core::crypt::print_key(&self.public)).finish_non_exhaustive()
    }
}

/// The pairs of this node.
#[derive(Debug, Default)]
pub struct Keys {
    /// The one in use, and since when.
    current: Option<(Pair, Instant)>,
    /// The one that is to follow.
    next: Option<Pair>,
}

impl Keys {
    /// The pair to use. `said` is the public key that managers know of this node; `fresh` makes 32 random bytes.
    pub fn turn<E>(
        &mut self,
        said: Option<Key>,
        now: Instant,
        mut fresh: impl FnMut() -> Result<[u8; 32], E>,
    ) -> Result<Pair, E> {
        if let Some(next) = self.next.take_if(|next| said == Some(next.public)) {
            self.current = Some((next, now));
        }
        let (pair, since) = match &self.current {
            Some((pair, since)) => (pair.clone(), *since),
            None => (Pair::new(fresh()?), now),
        };
        self.current = Some((pair.clone(), since));
        if self.next.is_none() && now.duration_since(since) >= ROTATION {
            self.next = Some(Pair::new(fresh()?));
        }
        Ok(pair)
    }

    /// The public key that the managers should know; `None` before the first pair was made.
    pub fn announced(&self) -> Option<Key> {
        let current = self.current.as_ref().map(|(current, _)| current);
        self.next.as_ref().or(current).map(|pair| pair.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_pair_is_used_once_the_managers_know_it() {
        let (mut keys, start) = (Keys::default(), Instant::now());
        assert_eq!(keys.announced(), None);
        let mut made = 0_u8;
        let mut turn = |keys: &mut Keys, said, at| {
            let fresh = || {
                made += 1;
                Ok::<_, ()>([made; 32])
            };
            keys.turn(said, start + at, fresh).unwrap().public
        };
        let first = turn(&mut keys, None, Duration::ZERO);
        assert_eq!(keys.announced(), Some(first));
        assert_eq!(turn(&mut keys, Some([9; 32]), ROTATION / 2), first, "what an earlier run said is of no use");
        // It is time, and the next one is said before it is used.
        assert_eq!(turn(&mut keys, Some(first), ROTATION), first);
        let second = keys.announced().unwrap();
        assert_ne!(second, first);
        assert_eq!(turn(&mut keys, Some(first), ROTATION * 3), first, "while no manager answers the old one is used");
        assert_eq!(keys.announced(), Some(second), "and no further one made");
        assert_eq!(turn(&mut keys, Some(second), ROTATION * 3), second);
        assert_eq!(keys.announced(), Some(second));
        assert_eq!(turn(&mut keys, Some(second), ROTATION * 4 - Duration::from_secs(1)), second);
        assert_eq!(keys.announced(), Some(second));
    }

    #[test]
    fn without_chance_nothing_changes() {
        let mut keys = Keys::default();
        assert_eq!(keys.turn(None, Instant::now(), || Err(7)).unwrap_err(), 7);
        assert_eq!(keys.announced(), None);
    }

    #[test]
    fn the_private_key_is_not_shown() {
        let secret = [0xab; 32];
        assert!(!format!("{:?}", Pair::new(secret)).contains("abab"));
    }
}
