use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::fixture::Folder;

fn given(byte: u8) -> KeySource {
    KeySource::Given(Zeroizing::new([byte; KEY_LEN]))
}

#[test]
fn a_record_opens_only_at_its_place_and_unchanged() {
    let folder = Folder::new();
    let ring = Keyring::create(folder.path(), &KeySource::OnDisk).unwrap();
    let record = ring.seal(b"log/1", b"hello").unwrap();
    assert_eq!(ring.unseal(b"log/1", &record).unwrap(), b"hello");
    assert!(!record.windows(5).any(|window| window == b"hello"));
    assert!(matches!(ring.unseal(b"log/2", &record), Err(SealError::NotAuthentic)));
    for position in ID_LEN..record.len() {
        let mut changed = record.clone();
        changed[position] ^= 1;
        assert!(matches!(ring.unseal(b"log/1", &changed), Err(SealError::NotAuthentic)), "byte {position}");
    }
    assert!(matches!(ring.unseal(b"log/1", &record[..10]), Err(SealError::NotAuthentic)));
    assert!(matches!(ring.unseal(b"log/1", b"\0\0\0\x09 and so on"), Err(SealError::UnknownKey(9))));
    assert_ne!(record, ring.seal(b"log/1", b"hello").unwrap(), "a nonce is never used twice");
}

#[test]
fn keys_on_disk_reopen_and_belong_to_the_owner_alone() {
    let folder = Folder::new();
    let record = Keyring::create(folder.path(), &KeySource::OnDisk).unwrap().seal(b"x", b"hello").unwrap();
    let ring = Keyring::open(folder.path(), &KeySource::OnDisk).unwrap();
    assert_eq!(ring.unseal(b"x", &record).unwrap(), b"hello");
    for name in [KEYS_FILE, KEK_FILE] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_given_key_never_touches_the_disk_and_must_be_right() {
    let folder = Folder::new();
    let record = Keyring::create(folder.path(), &given(7)).unwrap().seal(b"x", b"hello").unwrap();
    assert!(!folder.path().join(KEK_FILE).exists());
    assert!(matches!(Keyring::open(folder.path(), &KeySource::OnDisk), Err(StoreError::Locked)));
    assert!(matches!(Keyring::open(folder.path(), &given(8)), Err(StoreError::WrongKey)));
    let ring = Keyring::open(folder.path(), &given(7)).unwrap();
    assert_eq!(ring.unseal(b"x", &record).unwrap(), b"hello");
}

#[test]
fn changing_the_key_keeps_old_records_and_shuts_out_the_old_key() {
    let folder = Folder::new();
    let ring = Keyring::create(folder.path(), &KeySource::OnDisk).unwrap();
    let old = ring.seal(b"x", b"old").unwrap();
    ring.change(&given(1)).unwrap();
    let new = ring.seal(b"x", b"new").unwrap();
    assert_ne!(old[..ID_LEN], new[..ID_LEN], "a new data key");
    assert!(matches!(Keyring::open(folder.path(), &KeySource::OnDisk), Err(StoreError::Locked)));

    let ring = Keyring::open(folder.path(), &given(1)).unwrap();
    assert_eq!(ring.unseal(b"x", &old).unwrap(), b"old");
    assert_eq!(ring.unseal(b"x", &new).unwrap(), b"new");
    ring.change(&given(2)).unwrap();
    assert!(matches!(Keyring::open(folder.path(), &given(1)), Err(StoreError::WrongKey)));
    ring.change(&KeySource::OnDisk).unwrap();
    let ring = Keyring::open(folder.path(), &KeySource::OnDisk).unwrap();
    assert_eq!(ring.unseal(b"x", &old).unwrap(), b"old");
}

#[test]
fn a_change_that_is_cut_short_opens_with_the_old_key_or_the_new() {
    let folder = Folder::new();
    let ring = Keyring::create(folder.path(), &given(1)).unwrap();
    let keys = DataKeys::clone(&ring.keys.load());
    // The moment between the two writes of the keys file.
    write_keys(folder.path(), &keys, &[&Zeroizing::new([2; KEY_LEN]), &Zeroizing::new([1; KEY_LEN])]).unwrap();
    assert!(Keyring::open(folder.path(), &given(1)).is_ok());
    assert!(Keyring::open(folder.path(), &given(2)).is_ok());
    assert!(matches!(Keyring::open(folder.path(), &given(3)), Err(StoreError::WrongKey)));
}

#[test]
fn a_newer_or_damaged_keys_file_is_refused() {
    let folder = Folder::new();
    Keyring::create(folder.path(), &KeySource::OnDisk).unwrap();
    let path = folder.path().join(KEYS_FILE);
    let whole = fs::read(&path).unwrap();
    let mut newer = whole.clone();
    newer[0] = FORMAT + 1;
    fs::write(&path, newer).unwrap();
    let opened = Keyring::open(folder.path(), &KeySource::OnDisk);
    assert!(matches!(opened, Err(StoreError::NewerFormat { found, supported }) if (found, supported) == (2, 1)));
    for length in [0, 1, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(Keyring::open(folder.path(), &KeySource::OnDisk), Err(StoreError::Damaged(_))), "{length}");
    }
}

#[test]
fn hex_reads_back_and_refuses_other_text() {
    assert_eq!(from_hex(&to_hex(&[0, 1, 0xab, 0xff])), Some(vec![0, 1, 0xab, 0xff]));
    for text in ["0", "0g", "é", "-1"] {
        assert_eq!(from_hex(text), None, "{text}");
    }
}
