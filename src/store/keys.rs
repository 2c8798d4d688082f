//! Encryption at rest: which key seals a record, and what opens the keys.
//!
//! A record is `key id (4, big-endian) | nonce (24, random) | XChaCha20-Poly1305`, with the record's place as associated
//! data, so that records cannot be swapped. Several data keys may be open at once: changing the key writes with a new one, and
//! records under the old ones go with the next snapshot and purge. The data keys lie in the file `keys`, each sealed with the
//! key-encryption key; that one lies beside them in `kek`, or (autolock) is given at every start.
//!
//! Not detected: records that were deleted, and an older copy of the whole folder put back. Indices, sizes and the number of
//! records stay visible. Called by `log`, `snapshot` and `Store`; knows nothing of Raft.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::KeySource;
use crate::error::StoreError;
use crate::files;

/// The sealed data keys.
const KEYS_FILE: &str = "keys";
/// The key-encryption key, when it is kept on disk.
const KEK_FILE: &str = "kek";
/// Format of the keys file: what this build writes, and the newest that it reads.
const FORMAT: u8 = 1;
const KEY_LEN: usize = 32;
const ID_LEN: usize = 4;
const NONCE_LEN: usize = 24;

type Secret = Zeroizing<[u8; KEY_LEN]>;

/// The open data keys of one store.
pub struct Keyring {
    dir: PathBuf,
    keys: ArcSwap<DataKeys>,
    /// The present key-encryption key, and at most one change of it at a time.
    kek: Mutex<Kek>,
}

struct Kek {
    key: Secret,
    is_on_disk: bool,
}

impl Kek {
    fn of(source: &KeySource, key: Secret) -> Kek {
        Kek { key, is_on_disk: matches!(source, KeySource::OnDisk) }
    }
}

#[derive(Clone)]
struct DataKeys {
    current: u32,
    keys: BTreeMap<u32, Secret>,
}

/// Why a record did not open.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Sealed with a key that is not in the ring.
    #[error("sealed with the unknown data key {0}")]
    UnknownKey(u32),
    /// Changed, moved from another place, or sealed with another key.
    #[error("not authentic")]
    NotAuthentic,
}

#[derive(Serialize, Deserialize)]
struct KeysFile {
    current: u32,
    /// The same data keys, sealed once for each key-encryption key that may open them: two for the moment of a change.
    wraps: Vec<Vec<SealedKey>>,
}

#[derive(Serialize, Deserialize)]
struct SealedKey {
    id: u32,
    sealed: String,
}

impl Keyring {
    /// Makes the first data key and writes the key files; whatever key files were there are replaced.
    pub fn create(dir: &Path, source: &KeySource) -> Result<Keyring, StoreError> {
        let kek = match source {
            KeySource::OnDisk => random_key().map_err(StoreError::io(dir))?,
            KeySource::Given(key) => key.clone(),
        };
        let keys = DataKeys { current: 1, keys: BTreeMap::from([(1, random_key().map_err(StoreError::io(dir))?)]) };
        place_kek(dir, source, &kek)?;
        write_keys(dir, &keys, &[&kek])?;
        Ok(Keyring { dir: dir.to_owned(), keys: ArcSwap::from_pointee(keys), kek: Mutex::new(Kek::of(source, kek)) })
    }

    /// Opens the data keys. [`StoreError::Locked`] if the key should be on disk and is not, [`StoreError::WrongKey`] if
    /// it opens nothing.
    pub fn open(dir: &Path, source: &KeySource) -> Result<Keyring, StoreError> {
        let file = read_keys(dir)?;
        let kek = match source {
            KeySource::OnDisk => read_kek(dir)?,
            KeySource::Given(key) => key.clone(),
        };
        let keys = file.wraps.iter().find_map(|wrap| open_wrap(wrap, &kek)).ok_or(StoreError::WrongKey)?;
        if !keys.contains_key(&file.current) {
            return Err(StoreError::Damaged(format!("{KEYS_FILE}: the current data key is missing")));
        }
        let keys = DataKeys { current: file.current, keys };
        Ok(Keyring { dir: dir.to_owned(), keys: ArcSwap::from_pointee(keys), kek: Mutex::new(Kek::of(source, kek)) })
    }

    /// Whether the data keys are sealed with a key from this source now.
    pub fn is_held_by(&self, source: &KeySource) -> bool {
        let kek = self.kek.lock().unwrap_or_else(PoisonError::into_inner);
        match source {
            KeySource::OnDisk => kek.is_on_disk,
            KeySource::Given(key) => !kek.is_on_disk && kek.key == *key,
        }
    }

    /// Changes the key-encryption key, and begins a new data key, since the old ones may have lain open on the disk.
    /// A crash at any point leaves a store that opens with the old key source or with the new one.
    pub fn change(&self, source: &KeySource) -> Result<(), StoreError> {
        let mut old = self.kek.lock().unwrap_or_else(PoisonError::into_inner);
        let new = match source {
            KeySource::OnDisk => random_key().map_err(StoreError::io(&self.dir))?,
            KeySource::Given(key) => key.clone(),
        };
        let mut keys = DataKeys::clone(&self.keys.load());
        keys.current += 1;
        keys.keys.insert(keys.current, random_key().map_err(StoreError::io(&self.dir))?);
        write_keys(&self.dir, &keys, &[&new, &old.key])?;
        place_kek(&self.dir, source, &new)?;
        write_keys(&self.dir, &keys, &[&new])?;
        self.keys.store(Arc::new(keys));
        *old = Kek::of(source, new);
        Ok(())
    }

    /// Seals a record for its place, with the current data key.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> io::Result<Vec<u8>> {
        let keys = self.keys.load();
        let key = keys.keys.get(&keys.current).ok_or_else(|| io::Error::other("the current data key is missing"))?;
        let mut record = Vec::with_capacity(ID_LEN + NONCE_LEN + plain.len() + 16);
        record.extend_from_slice(&keys.current.to_be_bytes());
        seal_with(key, place, plain, &mut record)?;
        Ok(record)
    }

    /// Opens a record that was sealed for this place.
    pub fn unseal(&self, place: &[u8], record: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, sealed) = record.split_first_chunk::<ID_LEN>().ok_or(SealError::NotAuthentic)?;
        let id = u32::from_be_bytes(*id);
        let keys = self.keys.load();
        let key = keys.keys.get(&id).ok_or(SealError::UnknownKey(id))?;
        unseal_with(key, place, sealed).ok_or(SealError::NotAuthentic)
    }
}

/// Seals something that lies outside of a store with a key that the user keeps; `place` as for a record.
///
/// # Errors
/// Of the system's random numbers.
pub fn seal_with_given(key: &[u8; KEY_LEN], place: &str, plain: &[u8]) -> io::Result<String> {
    let mut sealed = Vec::new();
    seal_with(&Zeroizing::new(*key), place.as_bytes(), plain, &mut sealed)?;
    Ok(to_hex(&sealed))
}

/// Opens what [`seal_with_given`] sealed for this place; `None` with another key, or if it was changed.
pub fn unseal_with_given(key: &[u8; KEY_LEN], place: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    unseal_with(&Zeroizing::new(*key), place.as_bytes(), &from_hex(sealed)?).map(Zeroizing::new)
}

/// Removes the key files of a folder: what was sealed stays sealed for good.
pub fn remove_files(dir: &Path) -> io::Result<()> {
    files::remove(&dir.join(KEK_FILE))?;
    files::remove(&dir.join(KEYS_FILE))
}

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(**key))
}

fn seal_with(key: &Secret, place: &[u8], plain: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
    let mut nonce = [0; NONCE_LEN];
    random(&mut nonce)?;
    let sealed = cipher(key)
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: place })
        .map_err(|_| io::Error::other("the record is too large to be sealed"))?;
    into.extend_from_slice(&nonce);
    into.extend_from_slice(&sealed);
    Ok(())
}

fn unseal_with(key: &Secret, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place }).ok()
}

/// A number that nobody else has.
pub fn random_number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    random(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

fn random(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        filled += rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

fn random_key() -> io::Result<Secret> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    random(&mut *key)?;
    Ok(key)
}

fn key_place(id: u32) -> String {
    format!("data key {id}")
}

fn open_wrap(wrap: &[SealedKey], kek: &Secret) -> Option<BTreeMap<u32, Secret>> {
    let open = |entry: &SealedKey| {
        let plain = Zeroizing::new(unseal_with(kek, key_place(entry.id).as_bytes(), &from_hex(&entry.sealed)?)?);
        Some((entry.id, Zeroizing::new(<[u8; KEY_LEN]>::try_from(plain.as_slice()).ok()?)))
    };
    wrap.iter().map(open).collect()
}

fn write_keys(dir: &Path, keys: &DataKeys, keks: &[&Secret]) -> Result<(), StoreError> {
    let path = dir.join(KEYS_FILE);
    let wrap = |kek: &&Secret| {
        let seal = |(id, key): (&u32, &Secret)| {
            let mut sealed = Vec::new();
            seal_with(kek, key_place(*id).as_bytes(), &**key, &mut sealed)?;
            Ok(SealedKey { id: *id, sealed: to_hex(&sealed) })
        };
        keys.keys.iter().map(seal).collect::<io::Result<Vec<SealedKey>>>()
    };
    let wraps = keks.iter().map(wrap).collect::<io::Result<Vec<_>>>().map_err(StoreError::io(&path))?;
    let file = KeysFile { current: keys.current, wraps };
    let write = |out: &mut dyn io::Write| {
        out.write_all(&[FORMAT])?;
        serde_json::to_writer(out, &file).map_err(io::Error::from)
    };
    files::write_whole(dir, KEYS_FILE, write).map_err(StoreError::io(&path))
}

fn read_keys(dir: &Path) -> Result<KeysFile, StoreError> {
    let path = dir.join(KEYS_FILE);
    let bytes = fs::read(&path).map_err(StoreError::io(&path))?;
    match bytes.split_first() {
        Some((found, _)) if *found > FORMAT => Err(StoreError::NewerFormat { found: *found, supported: FORMAT }),
        Some((_, document)) => {
            serde_json::from_slice(document).map_err(|error| StoreError::Damaged(format!("{KEYS_FILE}: {error}")))
        }
        None => Err(StoreError::Damaged(format!("{KEYS_FILE} is empty"))),
    }
}

fn place_kek(dir: &Path, source: &KeySource, kek: &Secret) -> Result<(), StoreError> {
    let path = dir.join(KEK_FILE);
    match source {
        KeySource::OnDisk => files::write_whole(dir, KEK_FILE, |out| out.write_all(&**kek)),
        KeySource::Given(_) => files::remove(&path).and_then(|()| files::sync_dir(dir)),
    }
    .map_err(StoreError::io(&path))
}

fn read_kek(dir: &Path) -> Result<Secret, StoreError> {
    let path = dir.join(KEK_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Locked),
        Err(error) => return Err(StoreError::Io { path, source: error }),
    };
    let key = <[u8; KEY_LEN]>::try_from(bytes.as_slice());
    key.map(Zeroizing::new).map_err(|_| StoreError::Damaged(format!("{KEK_FILE} does not have {KEY_LEN} bytes")))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
