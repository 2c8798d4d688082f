//! Values of secrets, sealed for one node: on their way to it, and in its memory until a container needs them.
//!
//! A session's messages pass through many buffers (protobuf, HTTP/2, TLS, JSON, queues), none of which is cleared when it is done
//! with. So an agent makes a [`Key`] when it starts and says it in the hello of each session; whoever manages the session seals
//! each value with it before anything else is made of it, and the agent keeps the values as they came. [`Key::open`] gives one of
//! them for the moment in which its file is written, in a buffer that is cleared.
//!
//! This keeps values out of memory that is read later: a core dump, a swapped page, a buffer that another mistake gives away. It does not
//! keep them from whoever has the process's whole memory and knows this page, for the key is in it, too. On the cable TLS protects.
//!
//! A sealed value is `nonce (24, random) | XChaCha20-Poly1305` with the secret's id as associated data, so that values cannot be
//! swapped. Called by the two ends of a session, and by the agent. Managers hold the values themselves, in the cluster's state.

use std::fmt;
use std::io;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, AeadInOut as _, Payload as Message};
use chacha20poly1305::{Key as CipherKey, KeyInit as _, XChaCha20Poly1305, XNonce};
use gam_core::assignment::{Assignments, Difference};
use gam_core::model::{Payload, Secret};
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// What seals the values that are meant for one node.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

impl Key {
    /// A key that nobody else has; an error if the kernel has no chance to give.
    pub fn fresh() -> io::Result<Key> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        random(&mut *key)?;
        Ok(Key(key))
    }

    /// The key that a node said; `None` if it is none.
    pub fn said(bytes: &[u8]) -> Option<Key> {
        bytes.try_into().ok().map(|key| Key(Zeroizing::new(key)))
    }

    /// What the node says.
    pub fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The same assignments with sealed values; an error if the kernel has no chance to give.
    pub fn seal_all(&self, open: &Assignments) -> io::Result<Assignments> {
        let secrets = open.secrets.iter().map(|(id, secret)| Ok((*id, Arc::new(self.seal(secret)?))));
        let secrets = secrets.collect::<io::Result<_>>()?;
        Ok(Assignments { secrets, is_sealed: true, ..open.clone() })
    }

    /// The same difference with sealed values.
    pub fn seal_changed(&self, open: Difference) -> io::Result<Difference> {
        let secrets = open.secrets.iter().map(|secret| Ok(Arc::new(self.seal(secret)?)));
        let secrets = secrets.collect::<io::Result<_>>()?;
        Ok(Difference { secrets, ..open })
    }

    fn seal(&self, secret: &Secret) -> io::Result<Secret> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let (msg, id) = (secret.spec.data.bytes(), secret.id.to_string());
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), Message { msg, aad: id.as_bytes() });
        let sealed = sealed.map_err(|_| io::Error::other("the secret is too large to be sealed"))?;
        let mut secret = secret.clone();
        secret.spec.data = Payload::from([nonce.as_slice(), &sealed].concat().as_slice());
        Ok(secret)
    }

    /// The value of a sealed secret; `None` if it was sealed with another key, for another secret, or is damaged.
    pub fn open(&self, secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = secret.spec.data.bytes().split_first_chunk::<NONCE_LEN>()?;
        let (sealed, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        // Opened where it lies: it is never longer than it is now, so no copy of it is left behind.
        let mut value = Zeroizing::new(sealed.to_vec());
        let id = secret.id.to_string();
        let (nonce, tag) = (XNonce::from(*nonce), (*tag).into());
        let opened = self.cipher().decrypt_inout_detached(&nonce, id.as_bytes(), value.as_mut_slice().into(), &tag);
        opened.ok().map(|()| value)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&CipherKey::from(*self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

fn random(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        filled += rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gam_core::model::{SecretId, SecretSpec};
    use gam_core::wire;

    use super::*;

    const VALUE: &[u8] = b"correct-horse-battery";
    /// Its base 64.
    const CODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";

    fn secret(id: u128) -> Arc<Secret> {
        let spec = SecretSpec { name: "word".into(), data: VALUE.into(), ..SecretSpec::default() };
        Arc::new(Secret { id: SecretId::from(id), meta: Default::default(), spec })
    }

    fn shows(bytes: &[u8]) -> bool {
        let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        has(VALUE) || has(CODED.as_bytes())
    }

    #[test]
    fn what_is_sealed_for_a_node_is_opened_there_and_seen_nowhere_between() {
        let key = Key::fresh().unwrap();
        let there = Key::said(key.bytes()).unwrap();
        let open = Assignments {
            index: 4,
            secrets: [(SecretId::from(7), secret(7))].into_iter().collect(),
            ..Assignments::default()
        };
        assert!(shows(&wire::encode_assignments(&open)), "the test would see it");
        let bytes = wire::encode_assignments(&key.seal_all(&open).unwrap());
        assert!(!shows(&bytes));
        let mut held = wire::decode_assignments(&bytes).unwrap();
        assert!(held.is_sealed);
        assert_eq!(there.open(&held.secrets[&SecretId::from(7)]).unwrap().as_slice(), VALUE);
        let difference = Difference { from: 4, index: 5, secrets: vec![secret(8)], ..Difference::default() };
        let bytes = wire::encode_difference(&key.seal_changed(difference).unwrap());
        assert!(!shows(&bytes));
        held.apply(wire::decode_difference(&bytes).unwrap()).unwrap();
        assert!(held.is_sealed && held.secrets.len() == 2);
        assert_eq!(there.open(&held.secrets[&SecretId::from(8)]).unwrap().as_slice(), VALUE);
    }

    #[test]
    fn nothing_else_opens() {
        let key = Key::fresh().unwrap();
        let sealed = key.seal(&secret(7)).unwrap();
        assert!(Key::fresh().unwrap().open(&sealed).is_none(), "another key");
        assert!(key.open(&Secret { id: SecretId::from(8), ..sealed.clone() }).is_none(), "another secret's");
        assert!(key.open(&secret(7)).is_none(), "never sealed");
        let mut damaged = sealed.clone();
        let mut bytes = sealed.spec.data.bytes().to_vec();
        bytes[NONCE_LEN] ^= 1;
        damaged.spec.data = Payload::from(bytes.as_slice());
        assert!(key.open(&damaged).is_none());
        damaged.spec.data = Payload::default();
        assert!(key.open(&damaged).is_none(), "nothing");
        assert!(key.open(&sealed).is_some());
    }

    #[test]
    fn a_key_is_not_shown_and_none_is_taken_for_one() {
        let key = Key::fresh().unwrap();
        assert_eq!(format!("{key:?}"), "Key");
        for wrong in [0, 31, 33] {
            assert!(Key::said(&vec![1; wrong]).is_none());
        }
    }
}
