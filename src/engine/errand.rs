//! What a node's engine does for the clients of another node.
//!
//! An errand travels as JSON, so that a node of another version at least says that it does not know it; what comes of it
//! are pieces of bytes that only the two ends read.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, future, stream};
use serde::{Deserialize, Serialize};

use super::logs::{LogLine, LogOptions};
use super::{Engine, EngineError};

/// Lines that are put into one piece if they are there already.
const LINES_MAX: usize = 128;

/// What is wanted of an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Errand {
    /// The log of a container: [`LogLine`]s.
    Logs {
        /// Its id.
        container: String,
        /// Which lines.
        options: LogOptions,
    },
    /// A connection to the node's API, for what may be asked of its tasks' containers.
    Connect,
}

impl Errand {
    /// As bytes.
    pub fn encode(&self) -> Result<Bytes, serde_json::Error> {
        serde_json::to_vec(self).map(Bytes::from)
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Errand, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

impl Engine {
    /// Does an errand. It ends where dockerd has no more to say, whatever the reason.
    pub fn run(&self, errand: Errand) -> Result<BoxStream<'static, Bytes>, EngineError> {
        let Errand::Logs { container, options } = errand else { return Ok(stream::empty().boxed()) };
        let lines = self.logs(&container, &options)?;
        let lines = lines.map(Result::ok).take_while(|line| future::ready(line.is_some())).filter_map(future::ready);
        Ok(lines.ready_chunks(LINES_MAX).map(|lines| LogLine::encode_all(&lines)).boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errands_survive_the_way() {
        let since =
            time::OffsetDateTime::from_unix_timestamp(-62_135_596_800).unwrap() + time::Duration::nanoseconds(7);
        let options = LogOptions { follow: true, stdout: true, stderr: false, since, tail: "all".into() };
        let errand = Errand::Logs { container: "c0ffee".into(), options };
        for errand in [errand, Errand::Connect] {
            assert_eq!(Errand::decode(&errand.encode().unwrap()).unwrap(), errand);
        }
        assert!(Errand::decode(br#"{"Tomorrow":{}}"#).is_err());
    }
}
