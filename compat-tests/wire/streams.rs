//! Connections put together from their segments, and whether what they carried is TLS from the first byte to the last. Pure.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::frames::{End, segment};

/// What a record's first byte may be: change of cipher, alert, handshake, data.
const KINDS: std::ops::RangeInclusive<u8> = 20..=23;
/// The longest record that TLS knows, with its expansion.
const RECORD_MAX: usize = (1 << 14) + 2048;

/// All connections of a port.
#[derive(Debug)]
pub struct Streams {
    port: u16,
    /// Directions, in the order in which they were opened, so that a pair of ends can be used again.
    directions: Vec<Direction>,
    latest: BTreeMap<(End, End), usize>,
    /// Segments of connections whose opening was not recorded.
    unopened: usize,
}

#[derive(Debug)]
struct Direction {
    from: End,
    to: End,
    /// The sequence number of the first byte.
    first: u32,
    /// Pieces by their place in the stream.
    pieces: BTreeMap<u64, Vec<u8>>,
}

/// What a port carried.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Connections that carried anything.
    pub connections: usize,
    /// Bytes in both directions.
    pub bytes: usize,
    /// Whole records.
    pub records: usize,
}

impl Streams {
    /// Of one port.
    pub fn new(port: u16) -> Streams {
        Streams { port, directions: Vec::new(), latest: BTreeMap::new(), unopened: 0 }
    }

    /// Looks at a frame. The same one may come more than once: from several links, or sent again.
    pub fn take(&mut self, frame: &[u8]) {
        let Some(segment) = segment(frame) else { return };
        if segment.from.1 != self.port && segment.to.1 != self.port {
            return;
        }
        let ends = (segment.from.clone(), segment.to.clone());
        let known = self.latest.get(&ends).copied();
        if segment.opens {
            let first = segment.sequence.wrapping_add(1);
            if known.is_none_or(|at| self.directions[at].first != first) {
                self.latest.insert(ends, self.directions.len());
                self.directions.push(Direction { from: segment.from, to: segment.to, first, pieces: BTreeMap::new() });
            }
            return;
        }
        if segment.payload.is_empty() {
            return;
        }
        let Some(at) = known else {
            self.unopened += 1;
            return;
        };
        let direction = &mut self.directions[at];
        let place = u64::from(segment.sequence.wrapping_sub(direction.first));
        let piece = direction.pieces.entry(place).or_default();
        if piece.len() < segment.payload.len() {
            *piece = segment.payload.to_vec();
        }
    }

    /// Whether all of it is TLS.
    ///
    /// # Errors
    /// When something is not, or was not recorded.
    pub fn judge(&self) -> Result<Found> {
        ensure!(self.unopened == 0, "{} segments belong to connections that were open before", self.unopened);
        let mut found = Found::default();
        for direction in self.directions.iter().filter(|direction| !direction.pieces.is_empty()) {
            let bytes = direction.whole()?;
            found.bytes += bytes.len();
            found.connections += usize::from(direction.to.1 == self.port);
            match records(&bytes) {
                Ok(records) => found.records += records,
                Err(error) => bail!("from {} to {}: {error}", show(&direction.from), show(&direction.to)),
            }
        }
        Ok(found)
    }
}

impl Direction {
    fn whole(&self) -> Result<Vec<u8>> {
        let mut bytes: Vec<u8> = Vec::new();
        for (place, piece) in &self.pieces {
            let Some(over) = (bytes.len() as u64).checked_sub(*place) else {
                bail!("from {} to {}: bytes {}..{place} are missing", show(&self.from), show(&self.to), bytes.len());
            };
            bytes.extend(piece.get(over as usize..).unwrap_or_default());
        }
        Ok(bytes)
    }
}

/// How many records the bytes are. The last one may be cut off: connections break.
fn records(bytes: &[u8]) -> Result<usize, String> {
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        let head = &bytes[at..bytes.len().min(at + 5)];
        let is_tls = KINDS.contains(&head[0]) && head.get(1).is_none_or(|major| *major == 3);
        let length = if head.len() < 5 { 0 } else { usize::from(u16::from_be_bytes([head[3], head[4]])) };
        if !is_tls || length > RECORD_MAX {
            return Err(format!("byte {at} begins no TLS record: {head:02x?}"));
        }
        at += 5 + length;
        count += usize::from(at <= bytes.len());
    }
    Ok(count)
}

fn show((address, port): &End) -> String {
    let address = match <[u8; 4]>::try_from(address.as_slice()) {
        Ok(four) => std::net::Ipv4Addr::from(four).to_string(),
        Err(_) => format!("{address:02x?}"),
    };
    format!("{address}:{port}")
}

#[cfg(test)]
mod tests {
    use super::super::frames::{framed, frames, head};
    use super::*;
    use std::time::Duration;

    const SYN: u8 = 2;
    const ACK: u8 = 16;
    const HANDSHAKE: &[u8] = &[22, 3, 1, 0, 2, 9, 9];
    const DATA: &[u8] = &[23, 3, 3, 0, 3, 7, 7, 7];

    /// An Ethernet frame from one host's port to another's.
    fn frame(from: (u8, u16), to: (u8, u16), sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut tcp = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
        tcp.extend(sequence.to_be_bytes());
        tcp.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        tcp.extend(payload);
        let total = (20 + tcp.len()) as u16;
        let mut frame =
            [vec![0; 12], vec![8, 0, 0x45, 0], total.to_be_bytes().to_vec(), vec![0, 0, 0, 0, 64, 6, 0, 0]].concat();
        frame.extend([10, 0, 0, from.0, 10, 0, 0, to.0]);
        frame.extend(tcp);
        // Short frames are padded.
        frame.extend([0; 6]);
        frame
    }

    /// From a client's port to the manager.
    fn up(port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        frame((2, port), (1, 2377), sequence, flags, payload)
    }

    fn judge(frames: &[Vec<u8>]) -> Result<Found, String> {
        let mut streams = Streams::new(2377);
        frames.iter().for_each(|frame| streams.take(frame));
        streams.judge().map_err(|error| error.to_string())
    }

    #[test]
    fn records_are_found_whatever_the_segments() {
        let text = [HANDSHAKE, DATA, DATA].concat();
        for cut in 1..text.len() {
            let first = u32::MAX - 3;
            let at = |place: usize| first.wrapping_add(1).wrapping_add(place as u32);
            let (one, two) = (up(5, at(0), ACK, &text[..cut]), up(5, at(cut), ACK, &text[cut..]));
            // Late, twice, and once more in larger pieces.
            let frames = [up(5, first, SYN, &[]), two, one.clone(), one, up(5, at(0), ACK, &text[..text.len() - 1])];
            assert_eq!(judge(&frames), Ok(Found { connections: 1, bytes: text.len(), records: 3 }), "cut at {cut}");
        }
    }

    #[test]
    fn both_directions_count_and_ports_are_used_again() {
        let down = |sequence, flags, payload: &[u8]| frame((1, 2377), (2, 5), sequence, flags, payload);
        let frames = [
            up(5, 0, SYN, &[]),
            down(70, SYN | ACK, &[]),
            up(5, 1, ACK, HANDSHAKE),
            down(71, ACK, DATA),
            up(5, 9000, SYN, &[]),
            up(5, 9001, ACK, HANDSHAKE),
            frame((2, 80), (1, 81), 1, ACK, b"GET / of another port"),
        ];
        let bytes = 2 * HANDSHAKE.len() + DATA.len();
        assert_eq!(judge(&frames), Ok(Found { connections: 2, bytes, records: 3 }));
    }

    #[test]
    fn clear_text_is_found_wherever_it_is() {
        let text = |payload: &[u8]| judge(&[up(5, 0, SYN, &[]), up(5, 1, ACK, payload)]).unwrap_err();
        let told = "from 10.0.0.2:5 to 10.0.0.1:2377: byte 0 begins no TLS record: [50, 52, 49, 20, 2a]";
        assert_eq!(text(b"PRI * HTTP/2.0\r\n"), told);
        assert!(text(&[DATA, b"PRI"].concat()).contains("byte 8 begins no TLS record"));
        assert!(text(&[23, 2, 0, 0, 2, 9, 9]).contains("byte 0 begins no TLS record"));
        assert!(text(&[23, 3, 3, 0xff, 0xff, 9, 9]).contains("byte 0 begins no TLS record"));
    }

    #[test]
    fn what_was_not_recorded_is_missed() {
        assert!(judge(&[up(5, 1, ACK, DATA)]).unwrap_err().contains("were open before"));
        let gap = [up(5, 0, SYN, &[]), up(5, 1, ACK, DATA), up(5, 20, ACK, DATA)];
        assert_eq!(judge(&gap).unwrap_err(), "from 10.0.0.2:5 to 10.0.0.1:2377: bytes 8..19 are missing");
    }

    #[test]
    fn a_file_gives_its_frames_back() {
        let mut file = head();
        for frame in [&b"one"[..], b"three"] {
            file.extend(framed(Duration::from_millis(1500), frame));
        }
        assert_eq!(frames(&file).unwrap(), [&b"one"[..], b"three"]);
        assert_eq!(frames(&file[..file.len() - 1]).unwrap(), [b"one"]);
        assert!(frames(b"no such file").is_err());
    }
}
