//! What nodes tell each other, as bytes: the payloads inside the transport's envelopes.
//!
//! Each is a record ([`crate::record`]): a newer Gam reads an older one's, and says by name that it cannot read a newer
//! one's. Nothing here knows of connections, or of who may say what. Called by dispatcher, agent and whoever forwards a
//! request to the leader.

mod assigned;
#[cfg(test)]
mod tests;

use crate::control::{Request, Response};
use crate::error::Error;
use crate::model::{NodeDescription, TaskId, TaskStatus};
use crate::record::{self, CodecError};
use crate::step::Input;

pub use assigned::{decode_assignments, decode_difference, encode_assignments, encode_difference};

/// The leader's answer to a request.
pub type Answer = Result<Response, Error>;
/// What an agent observed of its tasks.
pub type Report = Vec<(TaskId, TaskStatus)>;

macro_rules! messages {
    ($($(#[$doc:meta])* $type:ty, $encode:ident, $decode:ident;)*) => {$(
        $(#[$doc])*
        pub fn $encode(value: &$type) -> Vec<u8> {
            record::encode(value)
        }

        #[doc = concat!("Reads what [`", stringify!($encode), "`] wrote.")]
        pub fn $decode(bytes: &[u8]) -> Result<$type, CodecError> {
            record::decode(bytes)
        }
    )*};
}

messages! {
    /// A request on its way to the leader.
    Request, encode_request, decode_request;
    /// The answer on its way back.
    Answer, encode_answer, decode_answer;
    /// A refusal by itself, for a transport that has a place for it.
    Error, encode_error, decode_error;
    /// News that another manager passes on to the leader.
    Vec<Input>, encode_inputs, decode_inputs;
    /// An agent's observations.
    Report, encode_report, decode_report;
    /// What an agent says of its host.
    NodeDescription, encode_description, decode_description;
}
