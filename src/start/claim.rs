//! One engine, one Gam: two would each take the other's containers and networks for leftovers.
//!
//! A claim is a lock on a file that is named by the engine's id, in a folder of the host that only root may write to: whoever may
//! not run Gam cannot keep it from starting. The lock is free again the moment its holder is dead, however it died; the file stays
//! until the host starts anew. Two Gams that do not share the folder, in containers of their own, do not see each other's claims.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StartError;

/// Where the claims of a host are.
const CLAIMS: &str = "/run/gam";

/// Holds the claim as long as it lives.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims an engine.
    pub(super) fn of(engine: &str) -> Result<Claim, StartError> {
        Claim::within(Path::new(CLAIMS), engine)
    }

    fn within(claims: &Path, engine: &str) -> Result<Claim, StartError> {
        let path = claims.join(format!("engine-{}.lock", engine.replace('/', "-")));
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        DirBuilder::new().recursive(true).mode(0o755).create(claims).map_err(named)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(named)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Claim { _lock: lock }),
            Err(Errno::WOULDBLOCK) => Err(StartError::EngineClaimed),
            Err(error) => Err(named(error.into()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_gam() {
        let folder = std::env::temp_dir().join(format!("gam-claims-{}", std::process::id()));
        let claims = folder.join("gam");
        let claim = Claim::within(&claims, "one").unwrap();
        assert!(matches!(Claim::within(&claims, "one"), Err(StartError::EngineClaimed)));
        Claim::within(&claims, "other").unwrap();
        drop(claim);
        Claim::within(&claims, "one").unwrap();
        let odd = Claim::within(&claims, "../etc/passwd").unwrap();
        drop(odd);
        assert!(claims.join("engine-..-etc-passwd.lock").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
