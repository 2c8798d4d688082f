//! Protobuf with small buffers.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// What a stream sets aside for a message in each direction, in bytes; more is taken when more comes. tonic's own 8 KiB are a
/// sixth of what a session costs its manager, and nearly all of a session's messages are heartbeats.
const BUFFER: usize = 512;
/// What may gather before it is sent, in bytes: tonic's own.
const GATHERED: usize = 32 * 1024;

/// [`tonic_prost::ProstCodec`] with small buffers.
#[derive(Debug)]
pub(crate) struct LeanCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for LeanCodec<T, U> {
    fn default() -> LeanCodec<T, U> {
        LeanCodec(PhantomData)
    }
}

impl<T, U> Codec for LeanCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, GATHERED))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, GATHERED))
    }
}
