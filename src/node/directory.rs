//! The state directory: who may use it, and which node it belongs to.
//!
//! `node.json` names the node; it is written last when a node comes to be and removed first when it leaves, always by
//! rename, so that a crash leaves either a whole node or none. While `unowned` is there as well, the files beside it belong
//! to no node yet, or no more, and may be removed. Without either the state of a swarm lies there whose name is lost.

mod certificates;
mod seals;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gam_core::model::{ClusterId, NodeId};
use gam_core::state::State;
use serde::{Deserialize, Serialize};

use seals::Seals;
pub use seals::UnlockKey;

/// The format of `node.json` that this build writes, and the newest that it reads.
const FORMAT: u32 = 2;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another daemon has it.
    #[error("{path} is in use by another gam: stop that one first, or choose another --state-dir")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A newer Gam wrote it.
    #[error("{path} was written by a newer gam (format {found}; this gam reads up to {FORMAT}): run the newer gam")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It is not what a Gam writes.
    #[error("{path} is damaged: put it back from a copy, or move the state directory away to begin outside of a swarm")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A manager's part of the cluster's state is there, but not the file that says whose it is.
    #[error(
        "{path} is missing, but the state of a swarm is there: put it back from a copy, or move the state directory away to begin outside of a swarm"
    )]
    Nameless {
        /// The file.
        path: PathBuf,
    },
    /// The node's key is sealed with an unlock key that is not known.
    #[error("{path} is sealed: unlock the swarm with its unlock key")]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// A manager's part of the cluster's state is not there.
    #[error(
        "the swarm's state, {path}, is missing: is its file system mounted? Without it, move the state directory away and join the swarm anew"
    )]
    Stateless {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot use the state directory {path}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a node is in its swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Keeps the cluster's state. (Format 1 knew no other.)
    #[default]
    Manager,
    /// Runs tasks only.
    Worker,
}

/// What must be free before a state that failed is opened anew, in bytes.
const ROOM: usize = 256 * 1024;

/// Which node a state directory belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The format of this file.
    pub format: u32,
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// What it is.
    #[serde(default)]
    pub role: NodeRole,
    /// Its number in the consensus, while it is a manager. A node that becomes one again gets another: nobody may come
    /// back to a consensus with less than it had promised.
    pub raft_id: u64,
    /// `host:port` on which it listens for other nodes.
    pub listen: String,
    /// `host:port` that it tells other nodes.
    pub advertise: String,
    /// Where that address comes from. (Nobody knows of a node that was made before this was written down.)
    #[serde(default)]
    pub advertised: Advertised,
    /// Address of the data path, if it is not the advertised one.
    pub data_path: Option<String>,
    /// `host:port` of the managers that it knew last.
    #[serde(default)]
    pub managers: Vec<String>,
    /// Of a worker: the history of the cluster in which it was last, as its manager said.
    #[serde(default)]
    pub history: Option<u64>,
}

/// Where the address comes from that a node tells others: whether it is another one when the host's are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Advertised {
    /// The user gave it; it stays.
    #[default]
    Given,
    /// The host's only one, or the one on the way to a manager.
    Chosen,
    /// The interface that the user named.
    Interface(String),
}

impl Identity {
    /// The address that it tells other nodes, without the port.
    pub fn advertise_host(&self) -> &str {
        let host = self.advertise.rsplit_once(':').map_or(self.advertise.as_str(), |(host, _)| host);
        host.trim_matches(['[', ']'])
    }

    /// Every manager it may ask, each once: those that a state names, then those that it knew last.
    pub fn managers_of(&self, state: &State) -> Vec<String> {
        let mut managers: Vec<String> = state.manager_addresses().map(str::to_owned).collect();
        for known in &self.managers {
            if !managers.contains(known) {
                managers.push(known.clone());
            }
        }
        managers
    }
}

/// The state directory, held against every other daemon for as long as this value lives.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _lock: File,
    seals: Seals,
}

impl Directory {
    /// Makes (0700) and locks the directory.
    pub fn open(path: &Path) -> Result<Directory, DirectoryError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| DirectoryError::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io(path))?;
        let lock_path = path.join("lock");
        let mut options = OpenOptions::new();
        let lock =
            options.create(true).truncate(false).write(true).mode(0o600).open(&lock_path).map_err(io(&lock_path))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Directory { path: path.to_owned(), _lock: lock, seals: Seals::default() }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DirectoryError::InUse { path: path.to_owned() }),
            Err(error) => Err(DirectoryError::Io { path: lock_path, source: error.into() }),
        }
    }

    /// Where the replicated state is kept.
    pub fn raft(&self) -> PathBuf {
        self.path.join("raft")
    }

    /// Where the node's certificates are kept.
    pub fn certificates(&self) -> PathBuf {
        self.path.join("certificates")
    }

    fn identity_path(&self) -> PathBuf {
        self.path.join("node.json")
    }

    fn unowned_path(&self) -> PathBuf {
        self.path.join("unowned")
    }

    /// Says that what is in the directory belongs to no node until [`Directory::adopt`]: what is written from now on,
    /// and what was there.
    pub fn disown(&self) -> Result<(), DirectoryError> {
        let path = self.unowned_path();
        write_durably(&path, b"").map_err(|source| DirectoryError::Io { path, source })
    }

    /// Removes what a start or a leave that was interrupted has left behind.
    ///
    /// # Errors
    /// [`DirectoryError::Nameless`] if it is not that.
    pub fn clear(&self) -> Result<(), DirectoryError> {
        if self.raft().exists() && !self.unowned_path().exists() {
            return Err(DirectoryError::Nameless { path: self.identity_path() });
        }
        self.abandon()
    }

    /// The node that this directory belongs to; `None` if to none.
    pub fn identity(&self) -> Result<Option<Identity>, DirectoryError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = self.identity_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DirectoryError::Io { path, source }),
        };
        let format: Format = match serde_json::from_slice(&bytes) {
            Ok(format) => format,
            Err(source) => return Err(DirectoryError::Damaged { path, source }),
        };
        if format.format > FORMAT {
            return Err(DirectoryError::Newer { path, found: format.format });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|source| DirectoryError::Damaged { path, source })
    }

    /// Makes the directory belong to a node, durably.
    pub fn adopt(&self, identity: &Identity) -> Result<(), DirectoryError> {
        let identity = Identity { format: FORMAT, ..identity.clone() };
        let path = self.identity_path();
        let bytes = match serde_json::to_vec_pretty(&identity) {
            Ok(bytes) => bytes,
            Err(source) => return Err(DirectoryError::Damaged { path, source }),
        };
        write_durably(&path, &bytes).map_err(|source| DirectoryError::Io { path, source })?;
        self.remove(&self.unowned_path())
    }

    /// Whether there is room for what a state writes soon after it is opened. Without it a manager would come and go all the time,
    /// never there for its tasks and never away for long enough to be given up.
    pub fn check_room(&self) -> Result<(), DirectoryError> {
        let path = self.path.join("room");
        let filled = fs::write(&path, vec![0; ROOM]).and_then(|()| File::open(&path)?.sync_all());
        self.remove(&path)?;
        filled.map_err(|source| DirectoryError::Io { path, source })
    }

    fn left_behind_path(&self) -> PathBuf {
        self.path.join("left-behind")
    }

    /// Former nodes whose containers are still to be removed from dockerd. What cannot be read owes nothing.
    pub fn left_behind(&self) -> Vec<NodeId> {
        let text = fs::read_to_string(self.left_behind_path()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Writes them down, durably.
    pub fn set_left_behind(&self, nodes: &[NodeId]) -> Result<(), DirectoryError> {
        let path = self.left_behind_path();
        let text: String = nodes.iter().map(|node| format!("{node}\n")).collect();
        write_durably(&path, text.as_bytes()).map_err(|source| DirectoryError::Io { path, source })
    }

    /// Makes the directory belong to no node; what no node owns is removed with it.
    pub fn abandon(&self) -> Result<(), DirectoryError> {
        self.disown()?;
        self.seals.forget();
        for path in [self.identity_path(), self.certificates(), self.raft(), self.unowned_path()] {
            self.remove(&path)?;
        }
        Ok(())
    }

    /// Removes a file or folder of the directory, durably; that it is not there is no error.
    fn remove(&self, path: &Path) -> Result<(), DirectoryError> {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        let removed = match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync_directory(&self.path),
        };
        removed.map_err(|source| DirectoryError::Io { path: path.to_owned(), source })
    }
}

/// Writes a file so that after a crash it is either the old one or the new one, whole.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    crash::point()?;
    // In two parts, so that a crash between them can be tried.
    let (begin, end) = bytes.split_at(bytes.len() / 2);
    file.write_all(begin)?;
    crash::point()?;
    file.write_all(end)?;
    file.sync_all()?;
    crash::point()?;
    fs::rename(&temporary, path)?;
    crash::point()?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Where a test can have the process "crash": it goes no further than that.
mod crash {
    use std::io;

    #[cfg(test)]
    thread_local! {
        /// How many more points are passed.
        pub(super) static AFTER: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
    }

    #[cfg(test)]
    pub(super) fn point() -> io::Result<()> {
        let left = AFTER.get().checked_sub(1).ok_or_else(|| io::Error::other("crashed"))?;
        AFTER.set(left);
        Ok(())
    }

    #[cfg(not(test))]
    pub(super) fn point() -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::IdSource;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("gam-directory-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn identity() -> Identity {
        let mut ids = IdSource::new([5; 32]);
        Identity {
            format: FORMAT,
            node: ids.fresh(),
            cluster: ids.fresh(),
            role: NodeRole::Manager,
            raft_id: 1,
            listen: "0.0.0.0:2377".into(),
            advertise: "[2001:db8::1]:2377".into(),
            data_path: None,
            advertised: Advertised::Interface("eth0".into()),
            managers: Vec::new(),
            history: Some(7),
        }
    }

    #[test]
    fn belongs_to_one_daemon_and_one_node() {
        let path = scratch("one");
        let directory = Directory::open(&path).unwrap();
        assert!(matches!(Directory::open(&path), Err(DirectoryError::InUse { .. })));
        assert_eq!(directory.identity().unwrap(), None);
        directory.adopt(&identity()).unwrap();
        assert_eq!(directory.identity().unwrap(), Some(identity()));
        assert_eq!(identity().advertise_host(), "2001:db8::1");
        assert_eq!(directory.left_behind(), []);
        directory.set_left_behind(&[identity().node]).unwrap();
        directory.abandon().unwrap();
        assert_eq!(directory.identity().unwrap(), None);
        assert_eq!(directory.left_behind(), [identity().node], "that is remembered longer than the swarm");
        drop(directory);
        Directory::open(&path).unwrap();
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_an_interrupted_init_or_leave_left_behind_is_removed_and_nothing_else() {
        let path = scratch("unowned");
        let directory = Directory::open(&path).unwrap();
        directory.clear().unwrap();
        let begin = || {
            directory.disown().unwrap();
            fs::create_dir(directory.raft()).unwrap();
        };
        begin();
        directory.clear().unwrap();
        assert!(!directory.raft().exists(), "no node was made of it");
        begin();
        directory.adopt(&identity()).unwrap();
        fs::remove_file(directory.identity_path()).unwrap();
        assert!(matches!(directory.clear(), Err(DirectoryError::Nameless { .. })));
        assert!(directory.raft().exists(), "its name was lost, and it is whole");
        directory.adopt(&identity()).unwrap();
        directory.disown().unwrap();
        fs::remove_file(directory.identity_path()).unwrap();
        directory.clear().unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "a leave goes on where it was interrupted; the lock stays");
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_newer_or_damaged_file_is_named() {
        let path = scratch("newer");
        let directory = Directory::open(&path).unwrap();
        fs::write(path.join("node.json"), br#"{"format":99}"#).unwrap();
        assert!(matches!(directory.identity(), Err(DirectoryError::Newer { found: 99, .. })));
        fs::write(path.join("node.json"), b"{").unwrap();
        assert!(matches!(directory.identity(), Err(DirectoryError::Damaged { .. })));
        fs::remove_dir_all(&path).unwrap();
    }
}
