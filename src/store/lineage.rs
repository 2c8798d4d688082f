//! Which history of the cluster a log belongs to.
//!
//! A lineage is a number made with the cluster, and made anew when one member goes on alone
//! ([`crate::Store::recover_alone`]), which remembers the numbers before. Every message carries them, and one of another
//! lineage is refused: members that were left behind may still hold a quorum among themselves, and Raft alone would let them
//! overwrite what happened since. A member that joins takes over the lineage of the first message it gets, and keeps it.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::error::StoreError;
use crate::log::Log;

/// A lineage, and those that it went on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descent {
    pub lineage: u64,
    /// The oldest first.
    pub former: Vec<u64>,
}

impl Descent {
    /// Of a cluster that is made now.
    pub fn begin(lineage: u64) -> Descent {
        Descent { lineage, former: Vec::new() }
    }

    /// Of one member that goes on alone.
    pub fn go_on(self, lineage: u64) -> Descent {
        let Descent { lineage: left, mut former } = self;
        former.push(left);
        Descent { lineage, former }
    }

    fn kinship(&self, lineage: u64) -> Kinship {
        match lineage {
            same if same == self.lineage => Kinship::Same,
            past if self.former.contains(&past) => Kinship::Past,
            _ => Kinship::Other,
        }
    }
}

/// What another's lineage is to one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// The same, as far as both know theirs.
    Same,
    /// One from which the cluster here has gone on alone since.
    Past,
    /// One of which nothing is known here: of another cluster, or of this one as it went on elsewhere.
    Other,
}

/// The history that a store belongs to; a cheap handle that does not keep the store.
#[derive(Clone)]
pub struct History(pub(crate) Arc<Lineage>);

impl History {
    /// Its number; `None` for a member that still waits for its first message.
    pub fn number(&self) -> Option<u64> {
        self.0.known().map(|descent| descent.lineage)
    }

    /// What another's number is to it. Nothing can be held against a member that has none yet.
    pub fn kinship(&self, other: u64) -> Kinship {
        self.0.known().map_or(Kinship::Same, |descent| descent.kinship(other))
    }
}

/// The lineage of this member's log, once it has one.
pub struct Lineage {
    known: OnceCell<Descent>,
    log: Log,
}

impl Lineage {
    pub fn new(known: Option<Descent>, log: Log) -> Lineage {
        Lineage { known: OnceCell::new_with(known), log }
    }

    /// `None` for a member that still waits for its first message.
    pub fn known(&self) -> Option<&Descent> {
        self.known.get()
    }

    /// Lets a message of the same lineage pass. The first one that a new member gets decides, and is on disk before it passes.
    pub async fn admit(&self, descent: &Descent) -> Result<(), StoreError> {
        let adopt = || async { self.log.adopt(descent.clone()).await.map(|()| descent.clone()) };
        let known = self.known.get_or_try_init(adopt).await;
        match known.map_err(|error| StoreError::Failed(error.to_string()))?.kinship(descent.lineage) {
            Kinship::Same => Ok(()),
            Kinship::Past => Err(StoreError::LeftBehind),
            Kinship::Other => Err(StoreError::OtherLineage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_went_on_knows_those_left_behind_and_not_the_other_way_round() {
        let first = Descent::begin(1);
        let second = first.clone().go_on(2);
        let third = second.clone().go_on(3);
        assert_eq!([1, 2, 3].map(|other| third.kinship(other)), [Kinship::Past, Kinship::Past, Kinship::Same]);
        assert_eq!([1, 2, 3].map(|other| second.kinship(other)), [Kinship::Past, Kinship::Same, Kinship::Other]);
        assert_eq!([1, 2, 3].map(|other| first.kinship(other)), [Kinship::Same, Kinship::Other, Kinship::Other]);
    }
}
