//! Which history of the cluster a log belongs to.
//!
//! A lineage is a number made with the cluster, and made anew when one member goes on alone
//! ([`crate::Store::recover_alone`]). Every message carries it, and one of another lineage is refused: members that were left
//! behind may still hold a quorum among themselves, and Raft alone would let them overwrite what happened since. A member
//! that joins takes over the lineage of the first message it gets, and keeps it.

use tokio::sync::OnceCell;

use crate::error::StoreError;
use crate::log::Log;

/// The lineage of this member's log, once it has one.
pub struct Lineage {
    known: OnceCell<u64>,
    log: Log,
}

impl Lineage {
    pub fn new(known: Option<u64>, log: Log) -> Lineage {
        Lineage { known: OnceCell::new_with(known), log }
    }

    /// `None` for a member that still waits for its first message.
    pub fn known(&self) -> Option<u64> {
        self.known.get().copied()
    }

    /// Lets a message of the same lineage pass. The first one that a new member gets decides, and is on disk before it passes.
    pub async fn admit(&self, lineage: u64) -> Result<(), StoreError> {
        let adopt = || async { self.log.adopt(lineage).await.map(|()| lineage) };
        let known = self.known.get_or_try_init(adopt).await;
        let known = *known.map_err(|error| StoreError::Failed(error.to_string()))?;
        if known == lineage { Ok(()) } else { Err(StoreError::OtherLineage) }
    }
}
