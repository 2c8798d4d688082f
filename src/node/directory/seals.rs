//! With which unlock keys the key of the node's certificate is sealed on the disk.
//!
//! A manager's key opens every door of the cluster, the whole state with all secrets among them, so a locked manager must not
//! leave it in the open beside a state that is sealed. (Docker's autolock seals both, too.)

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gam_store::{seal_with_given, unseal_with_given};
use zeroize::Zeroizing;

/// The bytes of `SWMKEY-1-<base 64>`.
pub type UnlockKey = Zeroizing<[u8; 32]>;

/// What the sealed thing is, so that nothing else can be put in its place.
const PLACE: &str = "the key of the node's certificate";

/// The unlock keys, each of which opens the key on the disk; none while it lies there as it is. Also orders the writers of the file.
#[derive(Default)]
pub struct Seals(Mutex<Vec<UnlockKey>>);

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seals(..)")
    }
}

impl Seals {
    /// The keys, for as long as nobody else may change them or what they seal.
    pub fn hold(&self) -> MutexGuard<'_, Vec<UnlockKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was sealed is gone.
    pub fn forget(&self) {
        self.hold().clear();
    }
}

/// One text for each of the keys, any of which opens it.
pub fn seal(keys: &[UnlockKey], plain: &str) -> io::Result<Vec<String>> {
    keys.iter().map(|key| seal_with_given(key, PLACE, plain.as_bytes())).collect()
}

/// What was sealed, if one of the keys opens it.
pub fn unseal(keys: &[UnlockKey], sealed: &[String]) -> Option<String> {
    let mut opened = sealed.iter().flat_map(|text| keys.iter().filter_map(|key| unseal_with_given(key, PLACE, text)));
    opened.find_map(|plain| String::from_utf8(plain.to_vec()).ok())
}
