//! A body that is one JSON document on each line, as dockerd streams events and progress.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::http::broken;
use crate::engine::EngineError;

/// The longest line that is read. An event carries the labels of a container, which are bounded by the body that made
/// it.
const MAX_LINE: usize = 4 << 20;

pub(super) struct Lines {
    body: Incoming,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Lines {
        Lines { body, partial: Vec::new() }
    }

    /// The next line; `None` at the end of the body. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        loop {
            if let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.partial.drain(..=end).collect()));
            }
            if self.partial.len() > MAX_LINE {
                return Err(broken(std::io::ErrorKind::InvalidData.into()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.partial.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..])),
                Some(Err(error)) => return Err(broken(std::io::Error::other(error))),
                None if self.partial.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.partial))),
            }
        }
    }
}
