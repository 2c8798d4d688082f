//! The node's certificate, its key and the roots that it trusts, in one file: a key that does not fit its certificate is worth
//! nothing, so a crash must never leave the one without the other.
//!
//! On a manager of a locked swarm the key is sealed with the unlock key ([`super::seals`]).
//!
//! An earlier layout had a file for each, with the names of dockerd's own directory; it is read if the one file is not there, and
//! removed once it is.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;

use serde::{Deserialize, Serialize};

use super::{Directory, DirectoryError, UnlockKey, crash, seals, write_durably};

/// The one file.
const FILE: &str = "swarm-node.json";
/// The earlier layout: roots, certificate, key.
const EARLIER: [&str; 3] = ["swarm-root-ca.crt", "swarm-node.crt", "swarm-node.key"];

/// What the file holds, PEM.
#[derive(Serialize, Deserialize)]
struct Kept {
    roots: String,
    certificate: String,
    /// Empty when it is sealed.
    key: String,
    /// The key, sealed once for each unlock key that may open it: two for the moment of a change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sealed: Vec<String>,
}

impl Directory {
    /// Writes the roots, a certificate and its key, for root's eyes only. After a crash it is either all that was there before,
    /// or all of this.
    pub fn keep_certificates(&self, roots: &str, certificate: &str, key: &str) -> Result<(), DirectoryError> {
        self.write_certificates(&self.seals.hold(), [roots, certificate, key])
    }

    /// Says which unlock key, if any, opens the key on the disk. Nothing is written.
    pub fn unlock_with(&self, key: Option<UnlockKey>) {
        *self.seals.hold() = key.into_iter().collect();
    }

    /// Seals the key on the disk so that each of these unlock keys opens it, or lays it open if there are none.
    pub fn seal_key(&self, keys: Vec<UnlockKey>) -> Result<(), DirectoryError> {
        let mut seals = self.seals.hold();
        let [roots, certificate, key] = self.read_certificates(&seals)?;
        if !self.is_sealed_for(&keys) {
            self.write_certificates(&keys, [&roots, &certificate, &key])?;
        }
        *seals = keys;
        Ok(())
    }

    /// Has this unlock key open the key on the disk beside those that do. If there is none on one side, it lies open.
    pub fn seal_key_also(&self, new: Option<UnlockKey>) -> Result<(), DirectoryError> {
        let held = self.seals.hold().clone();
        match new {
            Some(new) if held.contains(&new) => Ok(()),
            Some(new) if !held.is_empty() => self.seal_key([vec![new], held].concat()),
            _ => self.seal_key(Vec::new()),
        }
    }

    /// Whether these keys, and no others, open the key on the disk.
    fn is_sealed_for(&self, keys: &[UnlockKey]) -> bool {
        let bytes = fs::read(self.certificates().join(FILE)).ok();
        let kept: Option<Kept> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let opens = |sealed: &[String], key: &UnlockKey| seals::unseal(std::slice::from_ref(key), sealed).is_some();
        kept.is_some_and(|kept| kept.sealed.len() == keys.len() && keys.iter().all(|key| opens(&kept.sealed, key)))
    }

    fn write_certificates(&self, seals: &[UnlockKey], kept: [&str; 3]) -> Result<(), DirectoryError> {
        let (directory, path) = (self.certificates(), self.certificates().join(FILE));
        let [roots, certificate, key] = kept.map(str::to_owned);
        let sealed = seals::seal(seals, &key).map_err(|source| DirectoryError::Io { path: path.clone(), source })?;
        let kept = Kept { roots, certificate, key: if sealed.is_empty() { key } else { String::new() }, sealed };
        let bytes = match serde_json::to_vec_pretty(&kept) {
            Ok(bytes) => bytes,
            Err(source) => return Err(DirectoryError::Damaged { path, source }),
        };
        let io = |source| DirectoryError::Io { path: directory.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(io)?;
        crash::point().map_err(io)?;
        write_durably(&path, &bytes).map_err(io)?;
        for name in EARLIER {
            crash::point().map_err(io)?;
            match fs::remove_file(directory.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Roots, certificate and key, PEM, as they were kept.
    ///
    /// # Errors
    /// [`DirectoryError::Sealed`] without the unlock key.
    pub fn certificates_kept(&self) -> Result<[String; 3], DirectoryError> {
        self.read_certificates(&self.seals.hold())
    }

    fn read_certificates(&self, seals: &[UnlockKey]) -> Result<[String; 3], DirectoryError> {
        let path = self.certificates().join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let kept = serde_json::from_slice(&bytes);
                let Kept { roots, certificate, key, sealed } =
                    kept.map_err(|source| DirectoryError::Damaged { path: path.clone(), source })?;
                if sealed.is_empty() {
                    return Ok([roots, certificate, key]);
                }
                let key = seals::unseal(seals, &sealed).ok_or(DirectoryError::Sealed { path })?;
                Ok([roots, certificate, key])
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.certificates_of_old() {
                // What is missed is what this build would have written.
                Err(DirectoryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    Err(DirectoryError::Io { path, source })
                }
                kept => kept,
            },
            Err(source) => Err(DirectoryError::Io { path, source }),
        }
    }

    fn certificates_of_old(&self) -> Result<[String; 3], DirectoryError> {
        let [roots, certificate, key] = EARLIER.map(|name| {
            let path = self.certificates().join(name);
            fs::read_to_string(&path).map_err(|source| DirectoryError::Io { path, source })
        });
        Ok([roots?, certificate?, key?])
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn scratch(name: &str) -> (Directory, PathBuf) {
        let path = std::env::temp_dir().join(format!("gam-certificates-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        (Directory::open(&path).unwrap(), path)
    }

    fn keep(directory: &Directory, text: &str) -> Result<(), DirectoryError> {
        directory.keep_certificates(&format!("roots {text}"), &format!("certificate {text}"), &format!("key {text}"))
    }

    fn kept(directory: &Directory) -> Option<String> {
        let [roots, certificate, key] = directory.certificates_kept().ok()?;
        let text = roots.strip_prefix("roots ").unwrap().to_owned();
        assert_eq!((certificate, key), (format!("certificate {text}"), format!("key {text}")), "they belong together");
        Some(text)
    }

    /// Writes the layout of old.
    fn keep_of_old(directory: &Directory) {
        fs::create_dir_all(directory.certificates()).unwrap();
        for (name, text) in EARLIER.into_iter().zip(["roots old", "certificate old", "key old"]) {
            fs::write(directory.certificates().join(name), text).unwrap();
        }
    }

    /// Crashes a write at its every point, each time from the state that `prepare` makes; what is there after each.
    fn crash_everywhere(name: &str, prepare: impl Fn(&Directory)) -> Vec<Option<String>> {
        let mut found = Vec::new();
        loop {
            let (directory, path) = scratch(name);
            prepare(&directory);
            crash::AFTER.set(found.len());
            let done = keep(&directory, "new");
            crash::AFTER.set(usize::MAX);
            found.push(kept(&directory));
            // The next try succeeds, whatever the crash left behind.
            keep(&directory, "newer").unwrap();
            assert_eq!(kept(&directory).as_deref(), Some("newer"));
            assert_eq!(fs::read_dir(directory.certificates()).unwrap().count(), 1, "nothing old is left");
            fs::remove_dir_all(path).unwrap();
            if done.is_ok() {
                return found;
            }
        }
    }

    /// First only what was there before, from some point on only what is new; at no point neither.
    #[track_caller]
    fn switches_once(found: &[Option<String>], before: Option<&str>) {
        let switch = found.iter().position(|kept| kept.as_deref() == Some("new")).unwrap();
        assert!(switch > 0 && found.len() > 6, "{found:?}");
        assert!(found[..switch].iter().all(|kept| kept.as_deref() == before), "{found:?}");
        assert!(found[switch..].iter().all(|kept| kept.as_deref() == Some("new")), "{found:?}");
    }

    #[test]
    fn a_crash_leaves_what_was_there_or_what_is_new() {
        switches_once(&crash_everywhere("renewed", |directory| keep(directory, "old").unwrap()), Some("old"));
        switches_once(&crash_everywhere("of-old", keep_of_old), Some("old"));
        switches_once(&crash_everywhere("first", |_| {}), None);
    }

    #[test]
    fn only_root_may_read_the_key() {
        let (directory, path) = scratch("mode");
        keep(&directory, "new").unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory.certificates()), 0o700);
        assert_eq!(mode(directory.certificates().join(FILE)), 0o600);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let (directory, path) = scratch("missing");
        let missing = directory.certificates_kept().unwrap_err();
        assert!(missing.to_string().ends_with(FILE), "{missing}");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_damaged_file_is_named() {
        let (directory, path) = scratch("damaged");
        keep_of_old(&directory);
        fs::write(directory.certificates().join(FILE), "{").unwrap();
        assert!(matches!(directory.certificates_kept(), Err(DirectoryError::Damaged { .. })));
        fs::remove_dir_all(path).unwrap();
    }
}
