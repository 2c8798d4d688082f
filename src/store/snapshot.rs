//! Snapshots: the whole state at one index, as one sealed file.
//!
//! A file `snapshot-<index>` is written under a temporary name, fsynced, renamed, and its folder fsynced: it is there whole or
//! not at all. It is a line of magic, a format byte, then sealed chunks: the header (what it stands for), then the encoded
//! state. Each chunk's place names the index, its number and whether it is the last, so chunks cannot be dropped, swapped or
//! taken from elsewhere. Blocking code: callers are on a thread that may block. Called by `machine`, `keeper` and `Store`.
//!
//! On its way to another member a snapshot is the same chunks, opened here and sealed there ([`arrival`]).

mod arrival;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gam_core::state::{State, codec as state_codec};

use crate::codec;
use crate::error::StoreError;
use crate::files;
use crate::keys::Keyring;
use crate::raft::SnapshotMeta;

use arrival::Arrived;
pub use arrival::{Arrival, Arrivals};

const PREFIX: &str = "snapshot-";
const MAGIC: &[u8] = b"gam snapshot\n";
/// The format of the file that this build writes, and the newest that it reads.
const FORMAT: u8 = 1;
/// Plain bytes in a chunk: large enough to be quick, small enough not to hold a second copy of a big state. Tests want many
/// chunks of a small state.
const CHUNK: usize = if cfg!(test) { 4 << 10 } else { 1 << 20 };
/// The longest sealed chunk that a reader accepts, so that a damaged length allocates nothing absurd.
const MAX_SEALED: usize = (1 << 20) + 1024;

/// A state that will not change any more, and what it stands for.
#[derive(Clone)]
pub struct Frozen {
    pub meta: SnapshotMeta,
    pub state: State,
}

/// A snapshot on disk. The file stays readable through this value even when a newer snapshot replaces it.
#[derive(Clone)]
pub struct Sealed {
    pub meta: SnapshotMeta,
    index: u64,
    file: Arc<File>,
    keyring: Arc<Keyring>,
    /// The file of a snapshot that came from another member and has no place among ours yet.
    arrived: Option<Arc<Arrived>>,
}

/// The snapshots of one folder.
pub struct Snapshots {
    dir: PathBuf,
    keyring: Arc<Keyring>,
    keep_old: AtomicU64,
    /// Bytes of the newest one's file.
    size: AtomicU64,
    /// The newest one.
    newest: Mutex<Option<Sealed>>,
    /// Held while one is written, so that two never are at once; `true` once no more may be written. Readers of `newest` do
    /// not wait for it.
    closed: Mutex<bool>,
}

impl Snapshots {
    /// Opens the folder and reads the newest snapshot, if there is one.
    pub fn open(dir: &Path, keyring: Arc<Keyring>, keep_old: u64) -> Result<(Snapshots, Option<Frozen>), StoreError> {
        let newest = list(dir).map_err(StoreError::io(dir))?.pop();
        let (sealed, frozen) = match newest {
            None => (None, None),
            Some((index, path)) => {
                let file = Arc::new(File::open(&path).map_err(StoreError::io(&path))?);
                let keyring = keyring.clone();
                let mut sealed = Sealed { meta: SnapshotMeta::default(), index, file, keyring, arrived: None };
                let frozen = sealed.read()?;
                sealed.meta = frozen.meta.clone();
                (Some(sealed), Some(frozen))
            }
        };
        let keep_old = AtomicU64::new(keep_old);
        let size = AtomicU64::new(sealed.as_ref().map_or(0, Sealed::size));
        let (newest, closed) = (Mutex::new(sealed), Mutex::new(false));
        Ok((Snapshots { dir: dir.to_owned(), keyring, keep_old, size, newest, closed }, frozen))
    }

    /// How many snapshots besides the newest stay after the next one.
    pub fn set_keep_old(&self, keep_old: u64) {
        self.keep_old.store(keep_old, Ordering::Relaxed);
    }

    /// Bytes of the newest snapshot; 0 if there is none.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// The newest snapshot.
    pub fn newest(&self) -> Option<Sealed> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes a snapshot; it is durable when this returns. An older one than the newest is not written.
    pub fn write(&self, frozen: &Frozen) -> io::Result<Sealed> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(io::Error::other("the store is shut down"));
        }
        if let Some(newest) = self.newest()
            && newest.meta.last_log_id >= frozen.meta.last_log_id
        {
            return Ok(newest);
        }
        let index = frozen.meta.last_log_id.map_or(0, |last| last.index());
        let name = name(index);
        let state = state_codec::encode_state(&frozen.state);
        files::write_whole(&self.dir, &name, |out| {
            write_chunks(out, &self.keyring, index, &codec::encode_meta(&frozen.meta), &state)
        })?;
        let file = Arc::new(File::open(self.dir.join(name))?);
        let keyring = self.keyring.clone();
        Ok(self.publish(Sealed { meta: frozen.meta.clone(), index, file, keyring, arrived: None }))
    }

    /// Gives a snapshot that came from another member its place; it is durable when this returns. Raft takes only newer ones
    /// than ours.
    pub fn place(&self, mut sealed: Sealed) -> io::Result<()> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(io::Error::other("the store is shut down"));
        }
        if let Some(arrived) = sealed.arrived.take() {
            fs::rename(arrived.path(), self.dir.join(name(sealed.index)))?;
            files::sync_dir(&self.dir)?;
        }
        self.publish(sealed);
        Ok(())
    }

    fn publish(&self, sealed: Sealed) -> Sealed {
        self.size.store(sealed.size(), Ordering::Relaxed);
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(sealed.clone());
        self.remove_old();
        sealed
    }

    /// Begins to receive a snapshot from another member, with its header.
    pub fn receive(&self, header: &[u8], last: bool) -> Result<Arrival, StoreError> {
        Arrival::begin(&self.dir, self.keyring.clone(), header, last)
    }

    /// Waits for a snapshot that is being written, and lets no other begin: the folder may get another owner after this.
    pub fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Removes snapshots beyond those to keep. What cannot be removed now is tried again next time.
    fn remove_old(&self) {
        let keep = usize::try_from(self.keep_old.load(Ordering::Relaxed)).unwrap_or(usize::MAX).saturating_add(1);
        let removed = list(&self.dir).and_then(|all| {
            let old = all.len().saturating_sub(keep);
            all.iter().take(old).try_for_each(|(_, path)| files::remove(path))
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "an old snapshot could not be removed");
        }
    }
}

/// Removes every snapshot of a folder.
pub fn remove_all(dir: &Path) -> io::Result<()> {
    list(dir)?.iter().try_for_each(|(_, path)| files::remove(path))
}

/// The snapshots in a folder, oldest first.
fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let index = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        if let Some(index) = index {
            found.push((index, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn name(index: u64) -> String {
    format!("{PREFIX}{index:020}")
}

fn place(index: u64, number: u64, last: bool) -> String {
    format!("snapshot/{index}/{number}/{last}")
}

fn write_chunks(out: &mut dyn Write, keyring: &Keyring, index: u64, meta: &[u8], state: &[u8]) -> io::Result<()> {
    write_head(out)?;
    let last = state.len().div_ceil(CHUNK) as u64;
    for (number, chunk) in std::iter::once(meta).chain(state.chunks(CHUNK)).enumerate() {
        let number = number as u64;
        write_chunk(out, keyring, &place(index, number, number == last), chunk)?;
    }
    Ok(())
}

fn write_head(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(&[FORMAT])
}

fn write_chunk(out: &mut dyn Write, keyring: &Keyring, place: &str, chunk: &[u8]) -> io::Result<()> {
    let sealed = keyring.seal(place.as_bytes(), chunk)?;
    let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&sealed)
}

/// A chunk of a snapshot, opened: its number, whether it is the last, and its content.
pub type Chunk = (u64, bool, Vec<u8>);

/// Reads a snapshot from its start, chunk by chunk, and ends behind the last one. Moves no cursor that others share.
pub struct Pieces {
    sealed: Sealed,
    offset: u64,
    number: u64,
    ended: bool,
}

impl Pieces {
    fn read<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.sealed.file.read_exact_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn chunk(&mut self) -> io::Result<Chunk> {
        let length = u32::from_be_bytes(self.read()?) as usize;
        if length > MAX_SEALED {
            return Err(io::Error::other("a chunk is too long"));
        }
        let mut chunk = vec![0; length];
        self.fill(&mut chunk)?;
        let Sealed { keyring, index, .. } = &self.sealed;
        let open = |last: bool| keyring.unseal(place(*index, self.number, last).as_bytes(), &chunk);
        if let Ok(plain) = open(false) {
            return Ok((self.number, false, plain));
        }
        open(true).map(|plain| (self.number, true, plain)).map_err(io::Error::other)
    }
}

impl Iterator for Pieces {
    type Item = io::Result<Chunk>;

    fn next(&mut self) -> Option<io::Result<Chunk>> {
        if self.ended {
            return None;
        }
        let chunk = self.chunk();
        self.number += 1;
        self.ended = !matches!(chunk, Ok((_, false, _)));
        Some(chunk)
    }
}

impl Sealed {
    fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Its chunks, from the header on.
    pub fn pieces(self) -> Pieces {
        Pieces { sealed: self, offset: MAGIC.len() as u64 + 1, number: 0, ended: false }
    }

    /// Reads and opens the whole snapshot.
    pub fn read(&self) -> Result<Frozen, StoreError> {
        let name = name(self.index);
        let damaged = |why: &dyn std::fmt::Display| StoreError::Damaged(format!("{name}: {why}"));
        let mut head = [0; MAGIC.len() + 1];
        self.file.read_exact_at(&mut head, 0).map_err(|error| damaged(&error))?;
        match head.split_last() {
            Some((found, MAGIC)) if *found > FORMAT => {
                return Err(StoreError::NewerFormat { found: *found, supported: FORMAT });
            }
            Some((_, MAGIC)) => {}
            _ => return Err(damaged(&"not a snapshot")),
        }
        let (mut meta, mut state) = (None, Vec::new());
        for chunk in self.clone().pieces() {
            match chunk.map_err(|error| damaged(&error))? {
                (0, _, chunk) => meta = Some(codec::decode_meta(&chunk)?),
                (_, _, chunk) => state.extend_from_slice(&chunk),
            }
        }
        let meta = meta.ok_or_else(|| damaged(&"it has no header"))?;
        let state = state_codec::decode_state(&state).map_err(|error| StoreError::codec(&error, &name))?;
        Ok(Frozen { meta, state })
    }
}

#[cfg(test)]
mod tests;
