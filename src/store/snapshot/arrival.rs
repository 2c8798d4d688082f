//! A snapshot on its way in from the leader: piece by piece into a file of its own, sealed with our keys.
//!
//! At most one is received at a time, and never more than one piece of it is in memory. What is not finished, or not wanted
//! by Raft in the end, leaves no file behind. Called by `Store::handle`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{CHUNK, Sealed, Snapshots, place, write_chunk, write_head};
use crate::codec;
use crate::error::StoreError;
use crate::files;
use crate::keys::Keyring;
use crate::message::Piece;
use crate::raft::SnapshotMeta;

/// Plain bytes in a piece, at most.
const MAX_PIECE: usize = 1 << 20;
const _: () = assert!(CHUNK <= MAX_PIECE, "what we send others must take");

/// The file of a snapshot from another member; goes away with this value unless it was renamed.
pub struct Arrived(PathBuf);

impl Arrived {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        // Renamed, or not wanted; what cannot be removed now is removed at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// A snapshot that is being received.
pub struct Arrival {
    meta: SnapshotMeta,
    index: u64,
    number: u64,
    file: File,
    arrived: Arrived,
    keyring: Arc<Keyring>,
}

impl Arrival {
    pub(super) fn begin(dir: &Path, keyring: Arc<Keyring>, header: &[u8], last: bool) -> Result<Arrival, StoreError> {
        /// Two may be there for a moment: one complete, while Raft installs it, and the next.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let meta = codec::decode_meta(header).map_err(|error| StoreError::Message(error.to_string()))?;
        let index = meta.last_log_id.map_or(0, |id| id.index());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The ending marks it as unfinished, for the next start.
        let path = dir.join(format!("arriving-{count}{}", files::UNFINISHED));
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(files::FILE_MODE).clone();
        let file = options.open(&path).map_err(StoreError::io(&path))?;
        let mut arrival = Arrival { meta, index, number: 0, file, arrived: Arrived(path), keyring };
        write_head(&mut arrival.file).map_err(StoreError::io(dir))?;
        arrival.write(header, last).map_err(StoreError::io(dir))?;
        Ok(arrival)
    }

    fn write(&mut self, chunk: &[u8], last: bool) -> io::Result<()> {
        write_chunk(&mut self.file, &self.keyring, &place(self.index, self.number, last), chunk)?;
        self.number += 1;
        Ok(())
    }

    /// The whole snapshot, on disk.
    fn finish(self) -> io::Result<Sealed> {
        self.file.sync_all()?;
        let Arrival { meta, index, file, arrived, keyring, .. } = self;
        Ok(Sealed { meta, index, file: Arc::new(file), keyring, arrived: Some(Arc::new(arrived)) })
    }
}

/// The place for the one snapshot that is being received: from whom, which transfer.
#[derive(Default)]
pub struct Arrivals(Mutex<Option<(u64, u64, Arrival)>>);

impl Arrivals {
    /// Takes a piece from a member; gives the snapshot with its last one. The first piece of another transfer takes the place
    /// of what came before; a piece that does not follow is refused, and the sender begins anew.
    pub fn take(&self, snapshots: &Snapshots, from: u64, piece: &Piece) -> Result<Option<Sealed>, StoreError> {
        if piece.data.len() > MAX_PIECE {
            return Err(StoreError::Message(format!("a piece of a snapshot of {} bytes", piece.data.len())));
        }
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let present = place.take();
        let arrival = if piece.number == 0 {
            drop(present);
            snapshots.receive(&piece.data, piece.last)?
        } else {
            let follows = |(member, transfer, arrival): &(u64, u64, Arrival)| {
                (*member, *transfer, arrival.number) == (from, piece.transfer, piece.number)
            };
            let (_, _, mut arrival) = present
                .filter(follows)
                .ok_or_else(|| StoreError::Message(format!("piece {} of a snapshot does not follow", piece.number)))?;
            arrival.write(&piece.data, piece.last).map_err(StoreError::io(arrival.arrived.path()))?;
            arrival
        };
        if !piece.last {
            *place = Some((from, piece.transfer, arrival));
            return Ok(None);
        }
        let path = arrival.arrived.path().to_owned();
        arrival.finish().map(Some).map_err(StoreError::io(&path))
    }
}
