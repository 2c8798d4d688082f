//! The log in its file: one redb database with two tables, every value sealed.
//!
//! Decides the layout on disk and what counts as a readable log. Called by `writer` for writing and by `Store` at the
//! start; holds no state of its own.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use openraft::entry::RaftEntry;
use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
};
use serde::Serialize;

use crate::codec::{self, LogIdRecord, VoteRecord};
use crate::error::StoreError;
use crate::files;
use crate::keys::Keyring;
use crate::lineage::Descent;
use crate::raft::{Entry, LogId, Vote};

/// Index to sealed entry.
const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// Name to sealed record.
const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// The one value that is not sealed: the format of the file.
const META_FORMAT: &str = "format";
const META_MEMBER: &str = "member";
const META_VOTE: &str = "vote";
const META_COMMITTED: &str = "committed";
const META_PURGED: &str = "purged";
const META_LINEAGE: &str = "lineage";
const META_FORMER: &str = "former";
const META_JOINED: &str = "joined";

/// The format of the file that this build writes, and the newest that it reads.
const FORMAT: u8 = 1;
/// redb's page cache in bytes. The log is read once, at the start, and then written at its end: there is little to cache.
const CACHE: usize = 1 << 20;
const FILE_MODE: u32 = 0o600;

/// One change to the log's file.
pub enum Change {
    Append(Vec<Entry>),
    TruncateFrom(u64),
    Purge(LogId),
    Vote(Vote),
    Committed(LogId),
    Lineage(Descent),
}

/// What a file holds.
#[derive(Default)]
pub struct Loaded {
    pub entries: BTreeMap<u64, Entry>,
    pub purged: Option<LogId>,
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    /// The member that the file was made for; `None` if its making was cut short.
    pub member: Option<u64>,
    /// The history of the cluster that it belongs to; `None` for a member that waits to be told by the first message.
    pub lineage: Option<Descent>,
    /// Whether the member was made to join a cluster, and not to begin one.
    pub joined: bool,
}

impl Loaded {
    /// The last entry, in the log or behind its beginning.
    pub fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }

    /// Whether a cluster was ever begun or joined in this log.
    pub fn is_pristine(&self) -> bool {
        let is_empty = self.entries.is_empty() && self.purged.is_none() && self.vote.is_none();
        self.member.is_none() || (is_empty && !self.joined)
    }
}

/// An open database and the keys to it.
pub struct Disk {
    database: Database,
    keyring: Arc<Keyring>,
}

fn place_of_entry(index: u64) -> [u8; 12] {
    let mut place = *b"log/\0\0\0\0\0\0\0\0";
    place[4..].copy_from_slice(&index.to_be_bytes());
    place
}

fn place_of_meta(name: &str) -> String {
    format!("meta/{name}")
}

fn to_io(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Makes the database file, or opens it. Recovers a file that was not closed.
pub fn open_file(path: &Path, create: bool) -> Result<Database, StoreError> {
    if create {
        let dir = path.parent().unwrap_or(Path::new("."));
        let open = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
        open.and_then(|_| files::sync_dir(dir)).map_err(StoreError::io(path))?;
    }
    if !create {
        forget_pages(path).map_err(StoreError::io(path))?;
    }
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    let opened = if create { builder.create(path) } else { builder.open(path) };
    opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_owned()),
        DatabaseError::Storage(redb::StorageError::Io(source)) => StoreError::Io { path: path.to_owned(), source },
        other => StoreError::Damaged(format!("{}: {other}", path.display())),
    })
}

/// Has the kernel read the file from the disk. After a failed fsync its cache may hold, as clean, what never got there.
fn forget_pages(path: &Path) -> io::Result<()> {
    let file = std::fs::File::open(path)?;
    Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
}

impl Disk {
    pub fn new(database: Database, keyring: Arc<Keyring>) -> Disk {
        Disk { database, keyring }
    }

    /// Marks a fresh file as this member's: of a new lineage, or without one, to join a cluster.
    pub fn prepare(&self, member: u64, lineage: Option<&Descent>) -> io::Result<()> {
        let write = self.database.begin_write().map_err(to_io)?;
        {
            let mut meta = write.open_table(META).map_err(to_io)?;
            meta.insert(META_FORMAT, [FORMAT].as_slice()).map_err(to_io)?;
            self.put(&mut meta, META_MEMBER, &member)?;
            self.put(&mut meta, META_JOINED, &lineage.is_none())?;
            self.put(&mut meta, META_LINEAGE, &lineage.map(|descent| descent.lineage))?;
            write.open_table(LOG).map_err(to_io)?;
        }
        write.commit().map_err(to_io)
    }

    /// Writes changes in order, in one transaction; they are on the disk when this returns.
    pub fn commit(&self, changes: &[Change]) -> io::Result<()> {
        // A transaction is durable (redb's `Durability::Immediate`) unless it is told otherwise.
        let write = self.database.begin_write().map_err(to_io)?;
        {
            let mut log = write.open_table(LOG).map_err(to_io)?;
            let mut meta = write.open_table(META).map_err(to_io)?;
            for change in changes {
                match change {
                    Change::Append(entries) => self.append(&mut log, entries)?,
                    Change::TruncateFrom(from) => {
                        log.retain_in::<u64, _>(*from.., |_, _| false).map_err(to_io)?;
                    }
                    Change::Purge(upto) => {
                        self.put(&mut meta, META_PURGED, &LogIdRecord::from(upto))?;
                        log.retain_in::<u64, _>(..=upto.index(), |_, _| false).map_err(to_io)?;
                    }
                    Change::Vote(vote) => self.put(&mut meta, META_VOTE, &VoteRecord::from(vote))?,
                    Change::Lineage(descent) => {
                        self.put(&mut meta, META_LINEAGE, &Some(descent.lineage))?;
                        self.put(&mut meta, META_FORMER, &descent.former)?;
                    }
                    Change::Committed(upto) => self.put(&mut meta, META_COMMITTED, &LogIdRecord::from(upto))?,
                }
            }
        }
        write.commit().map_err(to_io)
    }

    fn append(&self, log: &mut Table<'_, u64, &'static [u8]>, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            let index = entry.index();
            let sealed = self.keyring.seal(&place_of_entry(index), &codec::encode_entry(entry))?;
            log.insert(index, sealed.as_slice()).map_err(to_io)?;
        }
        Ok(())
    }

    fn put<T: Serialize>(
        &self,
        meta: &mut Table<'_, &'static str, &'static [u8]>,
        name: &str,
        value: &T,
    ) -> io::Result<()> {
        let sealed = self.keyring.seal(place_of_meta(name).as_bytes(), &codec::encode(value))?;
        meta.insert(name, sealed.as_slice()).map_err(to_io)?;
        Ok(())
    }

    /// Reads the whole file. Refuses what a newer Gam wrote, what the keys do not open, and a log with a hole.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let read = self.database.begin_read().map_err(damaged)?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Loaded::default()),
            Err(error) => return Err(damaged(error)),
        };
        let format = meta.get(META_FORMAT).map_err(damaged)?;
        match format.as_ref().map(|guard| guard.value()) {
            Some([FORMAT]) => {}
            Some([found]) if *found > FORMAT => {
                return Err(StoreError::NewerFormat { found: *found, supported: FORMAT });
            }
            _ => return Err(StoreError::Damaged("the log does not say its format".to_owned())),
        }
        let entries = self.load_entries(&read)?;
        let purged = self.get::<LogIdRecord>(&meta, META_PURGED)?.map(LogId::from);
        // Logs from before there were lineages belong to this one.
        let lineage = self.get::<Option<u64>>(&meta, META_LINEAGE)?.unwrap_or(Some(0));
        let former = self.get::<Vec<u64>>(&meta, META_FORMER)?.unwrap_or_default();
        let loaded = Loaded {
            vote: self.get::<VoteRecord>(&meta, META_VOTE)?.map(Vote::from),
            committed: self.get::<LogIdRecord>(&meta, META_COMMITTED)?.map(LogId::from),
            member: self.get(&meta, META_MEMBER)?,
            lineage: lineage.map(|lineage| Descent { lineage, former }),
            joined: self.get(&meta, META_JOINED)?.unwrap_or(false),
            entries,
            purged,
        };
        check_whole(&loaded)?;
        Ok(loaded)
    }

    fn load_entries(&self, read: &ReadTransaction) -> Result<BTreeMap<u64, Entry>, StoreError> {
        let log = read.open_table(LOG).map_err(damaged)?;
        let mut entries = BTreeMap::new();
        for record in log.iter().map_err(damaged)? {
            let (index, sealed) = record.map_err(damaged)?;
            let index = index.value();
            let plain = self
                .keyring
                .unseal(&place_of_entry(index), sealed.value())
                .map_err(|error| StoreError::Damaged(format!("log entry {index} is {error}")))?;
            let entry = codec::decode_entry(&plain)?;
            if entry.index() != index {
                return Err(StoreError::Damaged(format!("log entry {index} says that it is {}", entry.index())));
            }
            entries.insert(index, entry);
        }
        Ok(entries)
    }

    fn get<T: serde::de::DeserializeOwned>(
        &self,
        meta: &impl ReadableTable<&'static str, &'static [u8]>,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        let Some(sealed) = meta.get(name).map_err(damaged)? else { return Ok(None) };
        let plain = self
            .keyring
            .unseal(place_of_meta(name).as_bytes(), sealed.value())
            .map_err(|error| StoreError::Damaged(format!("the log's record {name} is {error}")))?;
        codec::decode(&plain, name).map(Some)
    }
}

fn damaged(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Damaged(format!("the log: {}", error.into()))
}

/// Indices follow each other from the purged one on.
fn check_whole(loaded: &Loaded) -> Result<(), StoreError> {
    let mut expected = loaded.purged.map(|purged| purged.index() + 1);
    for index in loaded.entries.keys() {
        if expected.unwrap_or(0) != *index {
            return Err(StoreError::Damaged(format!("log entry {} is missing", expected.unwrap_or(0))));
        }
        expected = Some(index + 1);
    }
    Ok(())
}
