//! What a store is told from outside: where it lives, who it is, how patient it is.
//!
//! Plain data; the only decision here is the defaults, each with its reason.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::transport::Transport;

/// Entries between two snapshots; Docker's default for `--snapshot-interval`.
pub const DEFAULT_SNAPSHOT_INTERVAL: u64 = 10_000;
/// Snapshots kept besides the newest; Docker's default for `--max-snapshots`.
pub const DEFAULT_KEEP_OLD_SNAPSHOTS: u64 = 0;
/// A leader is heard this often, in milliseconds: three times within the shortest election time-out.
pub const DEFAULT_HEARTBEAT_MS: u64 = 100;
/// The shortest wait for a silent leader, in milliseconds, on top of the longest one, for which everybody keeps faith with it:
/// a new leader takes writes some 700 ms after the last heartbeat of the old one.
pub const DEFAULT_ELECTION_MIN_MS: u64 = 200;
/// The longest wait for a silent leader, in milliseconds; twice the shortest, so that two candidates rarely collide.
pub const DEFAULT_ELECTION_MAX_MS: u64 = 400;

/// Where the key-encryption key comes from: the key that seals the data keys, and that autolock withholds.
#[derive(Clone)]
pub enum KeySource {
    /// In a file beside the data keys (mode 0600): whoever has the disk has the state.
    OnDisk,
    /// Given by the user at every start; it never touches the disk.
    Given(Zeroizing<[u8; 32]>),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeySource::OnDisk => "OnDisk",
            KeySource::Given(_) => "Given(..)",
        })
    }
}

/// The configuration of one member's store.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the store; made with mode 0700. Nothing else may live in it.
    pub dir: PathBuf,
    /// The raft id of this member, the same for its whole life.
    pub member: u64,
    /// The address other members reach this one at, `host:port`.
    pub address: String,
    /// Entries between two snapshots; at least 1.
    pub snapshot_interval: u64,
    /// Snapshots kept besides the newest.
    pub keep_old_snapshots: u64,
    /// Heartbeat of a leader, in milliseconds.
    pub heartbeat_ms: u64,
    /// Shortest election time-out, in milliseconds; more than the heartbeat.
    pub election_min_ms: u64,
    /// Longest election time-out, in milliseconds; more than the shortest.
    pub election_max_ms: u64,
    /// Where the key-encryption key comes from.
    pub key: KeySource,
    /// How messages reach the other members.
    pub transport: Arc<dyn Transport>,
}

impl Config {
    /// The defaults, for a member at an address with its state in `dir`.
    pub fn new(
        dir: impl Into<PathBuf>,
        member: u64,
        address: impl Into<String>,
        transport: Arc<dyn Transport>,
    ) -> Config {
        Config {
            dir: dir.into(),
            member,
            address: address.into(),
            snapshot_interval: DEFAULT_SNAPSHOT_INTERVAL,
            keep_old_snapshots: DEFAULT_KEEP_OLD_SNAPSHOTS,
            heartbeat_ms: DEFAULT_HEARTBEAT_MS,
            election_min_ms: DEFAULT_ELECTION_MIN_MS,
            election_max_ms: DEFAULT_ELECTION_MAX_MS,
            key: KeySource::OnDisk,
            transport,
        }
    }
}
