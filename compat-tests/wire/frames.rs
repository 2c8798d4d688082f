//! Frames in a file (pcap), and TCP segments in frames. Pure.

use std::time::Duration;

use anyhow::{Result, ensure};

/// Of a file with microseconds, in the byte order of the writer.
const MAGIC: u32 = 0xa1b2_c3d4;
/// The same with nanoseconds.
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
const HEAD: usize = 24;
const FRAME_HEAD: usize = 16;
const TCP: u8 = 6;

/// The head of a file of Ethernet frames.
pub fn head() -> Vec<u8> {
    let version = 2 | 4 << 16;
    [MAGIC, version, 0, 0, u32::MAX, ETHERNET].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A frame as it stands in the file.
pub fn framed(at: Duration, frame: &[u8]) -> Vec<u8> {
    let length = frame.len() as u32;
    let words = [at.as_secs() as u32, at.subsec_micros(), length, length];
    words.iter().flat_map(|word| word.to_le_bytes()).chain(frame.iter().copied()).collect()
}

/// The frames of a file. One that was cut short at the end was being written when the recorder was killed.
///
/// # Errors
/// When it is no such file, or a frame in it is not whole.
pub fn frames(file: &[u8]) -> Result<Vec<&[u8]>> {
    let word =
        |at: usize| file.get(at..at + 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    ensure!(matches!(word(0), Some(MAGIC | MAGIC_NANO)), "the file holds no recorded frames");
    ensure!(word(20) == Some(ETHERNET), "the frames are not those of an Ethernet");
    let (mut frames, mut at) = (Vec::new(), HEAD);
    while let (Some(kept), Some(length)) = (word(at + 8), word(at + 12)) {
        ensure!(kept == length, "a frame of {length} bytes was recorded only in part");
        let Some(frame) = file.get(at + FRAME_HEAD..at + FRAME_HEAD + kept as usize) else { break };
        frames.push(frame);
        at += FRAME_HEAD + kept as usize;
    }
    Ok(frames)
}

/// One end of a connection: address and port.
pub type End = (Vec<u8>, u16);

/// A piece of one direction of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Who sent it.
    pub from: End,
    /// To whom.
    pub to: End,
    /// The place of its first byte in the stream, or of the opening.
    pub sequence: u32,
    /// It opens the connection.
    pub opens: bool,
    /// What it carries.
    pub payload: &'a [u8],
}

/// The TCP segment in an Ethernet frame; `None` if there is none.
pub fn segment(frame: &[u8]) -> Option<Segment<'_>> {
    let short = |bytes: &[u8], at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let packet = frame.get(14..)?;
    let (source, target, tcp) = match short(frame, 12)? {
        0x0800 if *packet.get(9)? == TCP => {
            let (header, total) = (usize::from(packet[0] & 15) * 4, usize::from(short(packet, 2)?));
            // Of what the kernel has not cut yet the length may be left out; short frames are padded.
            let end = if total == 0 { packet.len() } else { total };
            (packet.get(12..16)?, packet.get(16..20)?, packet.get(header..end)?)
        }
        0x86dd if *packet.get(6)? == TCP => {
            let length = usize::from(short(packet, 4)?);
            let end = if length == 0 { packet.len() } else { 40 + length };
            (packet.get(8..24)?, packet.get(24..40)?, packet.get(40..end)?)
        }
        _ => return None,
    };
    let sequence = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
    Some(Segment {
        from: (source.to_vec(), short(tcp, 0)?),
        to: (target.to_vec(), short(tcp, 2)?),
        sequence,
        opens: *tcp.get(13)? & 2 != 0,
        payload: tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?,
    })
}
