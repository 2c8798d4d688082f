//! One value as bytes: a byte for the format's version, then JSON.
//!
//! Everything that outlives a process or leaves it has this form: log entries and snapshots ([`crate::state::codec`]),
//! and what nodes tell each other ([`crate::wire`]). JSON, so that an older Gam's bytes can be read by a newer one, a
//! dump can be read by a person, and unknown fields are no error.

use serde::{Deserialize, Serialize};

/// The format that this build writes, and the newest that it reads.
pub const FORMAT: u8 = 1;

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A newer Gam wrote this.
    #[error("written in format {0}, but this gam reads formats up to {FORMAT}: run the newer gam again")]
    Newer(u8),
    /// Nothing there.
    #[error("an empty record")]
    Empty,
    /// Not what a Gam writes.
    #[error("a damaged record")]
    Damaged(#[source] serde_json::Error),
}

/// A value as bytes.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    // Writing plain data with string keys to memory cannot fail; a failure would be a bug in a derive.
    serde_json::to_writer(&mut bytes, value).expect("plain data serialises");
    bytes
}

/// Reads a value.
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, CodecError> {
    match bytes.split_first() {
        None => Err(CodecError::Empty),
        Some((format, _)) if *format > FORMAT => Err(CodecError::Newer(*format)),
        Some((_, document)) => serde_json::from_slice(document).map_err(CodecError::Damaged),
    }
}
