//! Join tokens and unlock keys: how they look, and whether one that was shown is the right one
//! (swarmkit `ca/config.go`, `manager/encryption`).

use crate::error::Error;
use crate::model::id::base36;
use crate::model::{JoinTokens, Role};

/// Digits of the root's digest in a join token: 256 bits in base 36.
const DIGEST_LENGTH: usize = 50;
/// The same in hexadecimal.
const DIGEST_HEX_LENGTH: usize = 64;
/// Digits of the secret in a join token: 128 bits in base 36.
const SECRET_LENGTH: usize = 25;

/// A join token: `SWMTKN-1-`, the digest of the root certificate in base 36 (50 digits), `-`, 128 bits of the secret
/// in base 36 (25 digits). Swarmkit `ca.GenerateJoinToken`.
pub fn join_token(digest36: &str, secret: [u8; 32]) -> String {
    let mut number = [0_u8; 16];
    number.copy_from_slice(&secret[..16]);
    format!("SWMTKN-1-{digest36:0>DIGEST_LENGTH$}-{}", base36(u128::from_be_bytes(number), SECRET_LENGTH))
}

/// A token with the digest of `token` and another secret.
pub(super) fn rotated(token: &str, secret: [u8; 32]) -> String {
    join_token(token.split('-').nth(2).unwrap_or_default(), secret)
}

/// The digest of the root certificate that a token pins, 50 digits in base 36. A joining node compares it with the
/// root that it is shown, before it shows the secret to anybody. The words are dockerd's, without type, hence 500.
pub fn pinned_digest(token: &str) -> Result<&str, Error> {
    let invalid = || Error::internal("invalid join token");
    let parts: Vec<&str> = token.split('-').collect();
    // Version 2 says in one more field whether the cluster keeps to FIPS; Gam makes none, but can join with one.
    let (digest, secret) = match parts[..] {
        ["SWMTKN", "1", digest, secret] | ["SWMTKN", "2", "0" | "1", digest, secret] => (digest, secret),
        _ => return Err(invalid()),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    if digest.len() != DIGEST_LENGTH || secret.len() != SECRET_LENGTH || !is_number(digest) {
        return Err(invalid());
    }
    // 50 digits in base 36 may say a little more than 256 bits, which are no digest (go-digest `ErrDigestInvalidLength`).
    if digest_hex(digest).len() > DIGEST_HEX_LENGTH {
        return Err(Error::internal("invalid checksum digest length"));
    }
    Ok(digest)
}

/// A token's digest as dockerd shows it: 64 hexadecimal digits, if it is one.
pub fn digest_hex(digest: &str) -> String {
    let mut number = [0_u8; DIGEST_HEX_LENGTH / 2 + 1];
    for digit in digest.chars().filter_map(|digit| digit.to_digit(36)) {
        let mut carry = digit;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 36 + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
    }
    let hex: String = number.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{:0>DIGEST_HEX_LENGTH$}", hex.trim_start_matches('0'))
}

/// The role that a token gives, if it is one of the cluster's.
pub(super) fn role_of(tokens: &JoinTokens, shown: &str) -> Option<Role> {
    // Both are always compared, so that the time taken tells nothing of either.
    let (is_manager, is_worker) = (is_same(&tokens.manager, shown), is_same(&tokens.worker, shown));
    if is_manager { Some(Role::Manager) } else { is_worker.then_some(Role::Worker) }
}

/// Whether two texts are the same, in a time that depends on their lengths alone. An empty secret is none.
fn is_same(secret: &str, shown: &str) -> bool {
    if secret.is_empty() || secret.len() != shown.len() {
        return false;
    }
    let differing = secret.bytes().zip(shown.bytes()).fold(0_u8, |bits, (a, b)| std::hint::black_box(bits | (a ^ b)));
    differing == 0
}

/// An unlock key: `SWMKEY-1-` and the 32 bytes in base 64 without padding. Swarmkit `encryption.HumanReadableKey`.
pub fn unlock_key(secret: [u8; 32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key = "SWMKEY-1-".to_owned();
    for bytes in secret.chunks(3) {
        let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        for at in 0..=bytes.len() {
            key.push(char::from(ALPHABET[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "1to5bxlabau44i1bcvva371mlbw5uzip1hgrzxmtlf9jq08mtr";

    #[test]
    fn tokens_and_keys_look_like_dockers() {
        let mut bytes = [0; 32];
        bytes[15] = 36;
        assert_eq!(join_token("abc", bytes), format!("SWMTKN-1-{:0>50}-{:0>25}", "abc", "10"));
        assert_eq!(join_token(DIGEST, [0xff; 32]), format!("SWMTKN-1-{DIGEST}-f5lxx1zz5pnorynqglhzmsp33"));
        let counted: [u8; 32] = std::array::from_fn(|at| at as u8);
        assert_eq!(unlock_key(counted), "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_eq!(unlock_key([0xff; 32]), format!("SWMKEY-1-{}8", "/".repeat(42)));
    }

    #[test]
    fn a_token_pins_a_root_or_is_none() {
        let token = join_token(DIGEST, [3; 32]);
        assert_eq!(pinned_digest(&token).unwrap(), DIGEST);
        assert_eq!(pinned_digest(&token.replace("-1-", "-2-0-")).unwrap(), DIGEST);
        for wrong in [
            "",
            "SWMTKN",
            "SWMTKN-1-x-y",
            &token[1..],
            &token[..token.len() - 1],
            &format!("{token}-x"),
            &token.replace("-1-", "-3-"),
            &token.replace("-1-", "-2-"),
            &token.to_uppercase(),
            &token.replace('-', " "),
        ] {
            assert_eq!(pinned_digest(wrong).unwrap_err().message, "invalid join token", "{wrong:?}");
        }
    }

    #[test]
    fn a_digest_has_256_bits() {
        let pinned =
            |digest: &str| pinned_digest(&join_token(digest, [3; 32])).map(drop).map_err(|error| error.message);
        assert_eq!(pinned("6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof"), Ok(()), "2^256 - 1");
        for wide in ["6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtog", &"z".repeat(50)] {
            assert_eq!(pinned(wide), Err("invalid checksum digest length".to_owned()));
        }
    }

    #[test]
    fn a_digest_is_shown_in_hexadecimal() {
        assert_eq!(digest_hex("6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof"), "f".repeat(64));
        assert_eq!(digest_hex(&format!("{:0>50}", "10")), format!("{:0>64}", "24"));
        assert_eq!(digest_hex(&"0".repeat(50)), "0".repeat(64));
    }

    #[test]
    fn only_a_whole_token_gives_a_role() {
        let tokens = JoinTokens { worker: join_token(DIGEST, [1; 32]), manager: join_token(DIGEST, [2; 32]) };
        assert_eq!(role_of(&tokens, &tokens.worker), Some(Role::Worker));
        assert_eq!(role_of(&tokens, &tokens.manager), Some(Role::Manager));
        for wrong in ["", &tokens.worker[1..], &tokens.manager[..60], &join_token(DIGEST, [3; 32])] {
            assert_eq!(role_of(&tokens, wrong), None);
        }
        assert_eq!(role_of(&JoinTokens::default(), ""), None, "a cluster without tokens lets nobody in");
    }
}
