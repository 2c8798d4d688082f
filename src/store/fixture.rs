//! What the tests of this crate share: folders that go away, proposals that can be found again, a disk that can fail.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use gam_core::model::{ConfigId, ConfigSpec, Timestamp};
use gam_core::state::{Change, Proposal, State, codec};
pub use gam_dice::Dice;
use redb::StorageBackend;

use crate::config::Config;
use crate::transport::{Answer, Purpose, Transport};

/// A folder of its own for one test, removed at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gam-store-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A configuration for a store in a folder below this one, so that the store makes it.
    pub fn config(&self) -> Config {
        Config::new(self.0.join("state"), MEMBER, "127.0.0.1:2377", Arc::new(Nowhere))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub const MEMBER: u64 = 0x1d;

/// For a member that has nobody to talk to.
struct Nowhere;

impl Transport for Nowhere {
    fn call(&self, _: u64, _: &str, _: Purpose, _: Bytes, _: Duration) -> Answer {
        Box::pin(async { Err(io::ErrorKind::HostUnreachable.into()) })
    }
}

/// A proposal that makes configs with these numbers.
pub fn proposal(numbers: impl IntoIterator<Item = u64>) -> Proposal {
    let change = |number: u64| Change::ConfigCreate {
        id: ConfigId::from(u128::from(number)),
        spec: Box::new(ConfigSpec { name: format!("config-{number}"), ..ConfigSpec::default() }),
    };
    Proposal { at: Timestamp(1), changes: numbers.into_iter().map(change).collect() }
}

/// The numbers of the configs in a state.
pub fn numbers(state: &State) -> BTreeSet<u64> {
    state.configs().map(|config| u64::try_from(config.id.number()).expect("a small number")).collect()
}

/// A state as bytes, to compare two.
pub fn bytes(state: &State) -> Vec<u8> {
    codec::encode_state(state)
}

/// A disk in memory that remembers what was not yet synced, fails when told to, and can be cut off from power.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// What a power cut cannot take.
    durable: Vec<u8>,
    /// What the program reads.
    present: Vec<u8>,
    /// What was done since the last sync, in order.
    pending: Vec<Pending>,
    /// Operations until the fault strikes.
    fuse: Option<u64>,
    fault: Option<i32>,
    syncs: u64,
}

#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// The unit in which a disk writes: a torn write ends at a multiple of it.
const SECTOR: usize = 512;

impl Pending {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Pending::Length(length) => image.resize(*length, 0),
            Pending::Write(offset, data) => {
                let end = offset + data.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(data);
            }
        }
    }

    /// What a power cut may leave of it.
    fn torn(&self, dice: &mut Dice) -> Option<Pending> {
        match (dice.below(3), self) {
            (0, _) => None,
            (1, Pending::Write(offset, data)) => {
                let sectors = dice.below((data.len() / SECTOR) as u64 + 1) as usize;
                Some(Pending::Write(*offset, data[..sectors * SECTOR].to_vec()))
            }
            _ => Some(self.clone()),
        }
    }
}

impl FaultyDisk {
    /// A disk with this content, all of it durable.
    pub fn with(content: Vec<u8>) -> FaultyDisk {
        let platter = Platter { durable: content.clone(), present: content, ..Platter::default() };
        FaultyDisk(Arc::new(Mutex::new(platter)))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    /// After so many writes and syncs more, every operation fails with this errno, for good.
    pub fn fail_after(&self, operations: u64, errno: i32) {
        let mut platter = self.platter();
        platter.fuse = Some(operations);
        platter.fault = Some(errno);
    }

    /// The disk as a restart finds it after a power cut now: what was synced, and a random part of the rest.
    pub fn after_power_cut(&self, dice: &mut Dice) -> FaultyDisk {
        let platter = self.platter();
        let mut image = platter.durable.clone();
        for pending in platter.pending.iter().filter_map(|pending| pending.torn(dice)) {
            pending.apply(&mut image);
        }
        FaultyDisk::with(image)
    }

    /// The disk as a restart finds it when the program died but the system lives: everything written is there.
    pub fn after_kill(&self) -> FaultyDisk {
        FaultyDisk::with(self.platter().present.clone())
    }

    pub fn syncs(&self) -> u64 {
        self.platter().syncs
    }
}

impl Platter {
    fn burn(&mut self) -> io::Result<()> {
        let Some(errno) = self.fault else { return Ok(()) };
        match &mut self.fuse {
            Some(0) => Err(io::Error::from_raw_os_error(errno)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, pending: Pending) -> io::Result<()> {
        self.burn()?;
        pending.apply(&mut self.present);
        self.pending.push(pending);
        Ok(())
    }
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().present.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let source = platter.present.get(offset..offset + out.len());
        out.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.platter().change(Pending::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.burn()?;
        platter.syncs += 1;
        platter.pending.clear();
        platter.durable = platter.present.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.platter().change(Pending::Write(offset, data.to_vec()))
    }
}
