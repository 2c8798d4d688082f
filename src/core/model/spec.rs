//! What a user asks for, in Docker's own JSON spelling: one definition, used on the socket, in state and in the log.
//!
//! Every field may be absent or null on the way in ([`crate::json`]); `omitempty` fields are left out on the way out,
//! exactly as in Docker's API types (`moby: api/types/swarm`, 28.5). Closed sets of words stay strings here, because
//! Docker refuses a wrong word with a sentence of its own and not while decoding; `control` checks them.
//! Durations are nanoseconds.

// A field that means just what Docker's API reference says needs no second description here.
#![allow(missing_docs)]

mod cluster;
mod container;
pub mod credential;
pub mod go;
mod payload;
mod service;
#[cfg(test)]
mod tests;

pub use cluster::*;
pub use container::*;
pub use credential::Credential;
pub use payload::Payload;
pub use service::*;

/// Labels, options and the like: Go prints maps sorted by key.
pub type StringMap = std::collections::BTreeMap<String, String>;

/// Go's `omitempty`, for every type whose zero value is its default.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
