//! Making, finding, opening and removing the files of a store, before Raft runs. Blocking code.
//!
//! The log's file is what makes a folder a store: it comes last when one is made and goes first when one is removed, so a
//! crash in between leaves leftovers that count for nothing. A log in which no cluster was begun counts for nothing either.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::entry::RaftEntry;
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, EntryPayload};
use redb::Database;

use crate::config::Config;
use crate::error::StoreError;
use crate::files;
use crate::keys::{self, Keyring};
use crate::lineage::Descent;
use crate::log::{Change, Disk, Loaded, open_file};
use crate::raft::{Entry, LeaderId, LogId, Membership, Vote};
use crate::snapshot::{self, Frozen, Snapshots};

const LOG_FILE: &str = "raft.redb";

/// An open store without Raft.
pub struct Opened {
    pub disk: Disk,
    pub loaded: Loaded,
    pub keyring: Arc<Keyring>,
    pub snapshots: Snapshots,
    pub recovered: Option<Frozen>,
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join(LOG_FILE)
}

pub fn exists(dir: &Path) -> bool {
    log_file(dir).exists()
}

/// A fresh folder with keys and an empty log, to begin a cluster in.
pub fn create(config: &Config) -> Result<Opened, StoreError> {
    let lineage = keys::random_number().map_err(StoreError::io(&config.dir))?;
    make(config, Some(Descent::begin(lineage)))
}

/// A fresh folder with keys and an empty log, to join a cluster with.
pub fn join(config: &Config) -> Result<Opened, StoreError> {
    make(config, None)
}

fn make(config: &Config, lineage: Option<Descent>) -> Result<Opened, StoreError> {
    let dir = &config.dir;
    if exists(dir) && !is_unfinished(config) {
        return Err(StoreError::Exists(dir.clone()));
    }
    destroy(dir)?;
    files::make_dir(dir).map_err(StoreError::io(dir))?;
    let keyring = Arc::new(Keyring::create(dir, &config.key)?);
    let database = open_file(&log_file(dir), true)?;
    prepare(config, database, keyring, lineage)
}

/// Whether the making of this store was cut short. When in doubt it was not.
fn is_unfinished(config: &Config) -> bool {
    matches!(open(config), Err(StoreError::Missing(_)))
}

/// The log and snapshots over an empty database.
pub fn prepare(
    config: &Config,
    database: Database,
    keyring: Arc<Keyring>,
    lineage: Option<Descent>,
) -> Result<Opened, StoreError> {
    let disk = Disk::new(database, keyring.clone());
    disk.prepare(config.member, lineage.as_ref()).map_err(StoreError::io(&log_file(&config.dir)))?;
    let (snapshots, recovered) = Snapshots::open(&config.dir, keyring.clone(), config.keep_old_snapshots)?;
    let loaded = Loaded { lineage, ..Loaded::default() };
    Ok(Opened { disk, loaded, keyring, snapshots, recovered })
}

/// What is in the folder, with this member as the only one from its next entry on. On disk when this returns.
pub fn open_alone(config: &Config) -> Result<Opened, StoreError> {
    let mut opened = open(config)?;
    let Opened { disk, loaded, recovered, .. } = &mut opened;
    let snapshot = recovered.as_ref().and_then(|frozen| frozen.meta.last_log_id);
    let last = loaded.last().max(snapshot);
    let Some(last) = last else {
        // It never heard from the cluster that it was to join.
        return Err(StoreError::Missing(config.dir.clone()));
    };
    let mut changes = Vec::new();
    if loaded.last() < snapshot {
        // A snapshot that was taken right before a stop; the entries before it have not gone yet.
        loaded.entries.clear();
        loaded.purged = snapshot;
        changes.extend(snapshot.map(Change::Purge));
    }
    // Later than everything that this member has seen; the leader of a new term may append.
    let seen = loaded.vote.map_or(0, |vote| vote.leader_id.term).max(last.committed_leader_id().term);
    let leader = LeaderId::new(seen + 1, config.member);
    let alone = BTreeMap::from([(config.member, BasicNode::new(config.address.clone()))]);
    let membership = Membership::new(vec![BTreeSet::from([config.member])], alone)
        .map_err(|error| StoreError::Config(error.to_string()))?;
    let entry = Entry::new(LogId::new(leader, last.index() + 1), EntryPayload::Membership(membership));
    let vote = Vote { leader_id: leader, committed: true };
    let lineage = keys::random_number().map_err(StoreError::io(&config.dir))?;
    let lineage = loaded.lineage.take().map_or(Descent::begin(lineage), |left| left.go_on(lineage));
    changes.extend([Change::Append(vec![entry.clone()]), Change::Vote(vote), Change::Lineage(lineage.clone())]);
    disk.commit(&changes).map_err(StoreError::io(&log_file(&config.dir)))?;
    loaded.entries.insert(entry.index(), entry);
    loaded.vote = Some(vote);
    loaded.lineage = Some(lineage);
    Ok(opened)
}

/// What is in the folder.
pub fn open(config: &Config) -> Result<Opened, StoreError> {
    let dir = &config.dir;
    if !exists(dir) {
        return Err(StoreError::Missing(dir.clone()));
    }
    let keyring = match Keyring::open(dir, &config.key) {
        // A log without keys was never opened by anybody: the keys are made first.
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Damaged("its data keys are missing".to_owned()));
        }
        other => Arc::new(other?),
    };
    files::remove_unfinished(dir).map_err(StoreError::io(dir))?;
    let database = open_file(&log_file(dir), false)?;
    recover(config, database, keyring)
}

/// The log and snapshots over a database with content.
pub fn recover(config: &Config, database: Database, keyring: Arc<Keyring>) -> Result<Opened, StoreError> {
    let disk = Disk::new(database, keyring.clone());
    let loaded = disk.load()?;
    if loaded.is_pristine() {
        return Err(StoreError::Missing(config.dir.clone()));
    }
    if let Some(stored) = loaded.member
        && stored != config.member
    {
        return Err(StoreError::OtherMember { stored, given: config.member });
    }
    let (snapshots, recovered) = Snapshots::open(&config.dir, keyring.clone(), config.keep_old_snapshots)?;
    let reached = recovered.as_ref().and_then(|frozen| frozen.meta.last_log_id);
    if loaded.purged > reached {
        return Err(StoreError::Damaged("the snapshot that the log goes on from is missing".to_owned()));
    }
    Ok(Opened { disk, loaded, keyring, snapshots, recovered })
}

/// Removes everything, the log first.
pub fn destroy(dir: &Path) -> Result<(), StoreError> {
    if !dir.exists() {
        return Ok(());
    }
    let remove = || {
        files::remove(&log_file(dir))?;
        files::sync_dir(dir)?;
        keys::remove_files(dir)?;
        snapshot::remove_all(dir)?;
        files::remove_unfinished(dir)?;
        files::sync_dir(dir)
    };
    remove().map_err(StoreError::io(dir))
}
