//! Where a body ends, told while its bytes pass by unchanged (RFC 9112, sections 6 and 7).

/// Longest line of a chunk's size with its extensions, and of a trailer. Go's own limit for the former is 4 KiB.
const MAX_LINE: u32 = 4096;

/// What of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All that comes until the connection ends.
    ToTheEnd,
}

/// The place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Chunks {
    /// In the line of a size: its value, the digits so far, the bytes so far, and whether extensions have begun.
    Size { value: u64, digits: u8, line: u32, extended: bool },
    /// Past the first byte of the end of a size's line.
    SizeEnd(u64),
    /// In the data of a chunk, with the line's end after it: so many bytes.
    Data(u64),
    /// In the line's end after the data: so many bytes of it have passed.
    DataEnd(u8),
    /// In a line after the last chunk: the bytes so far. An empty one is the end.
    Trailer { line: u32 },
    /// Past the first byte of the end of such a line.
    TrailerEnd { line: u32 },
    /// Nothing more comes.
    Over,
}

/// The bytes are not those of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct Malformed;

impl Body {
    /// A body in chunks, at its beginning.
    pub(in crate::api) fn chunked() -> Body {
        Body::Chunked(Chunks::START)
    }

    /// Whether all of it has passed.
    pub(in crate::api) fn is_over(&self) -> bool {
        matches!(self, Body::Length(0) | Body::Chunked(Chunks::Over))
    }

    /// How many of the next bytes belong to it whatever they are.
    pub(in crate::api) fn unseen(&self) -> u64 {
        match *self {
            Body::Length(left) | Body::Chunked(Chunks::Data(left)) => left,
            Body::ToTheEnd => u64::MAX,
            Body::Chunked(_) => 0,
        }
    }

    /// Lets so many of those pass.
    pub(in crate::api) fn skip(&mut self, n: u64) {
        match self {
            Body::Length(left) => *left -= n,
            Body::Chunked(Chunks::Data(left)) => *self = Body::Chunked(Chunks::after(*left, n)),
            Body::Chunked(_) | Body::ToTheEnd => {}
        }
    }

    /// How many of these bytes belong to it. What follows them, if anything does, is another message.
    pub(in crate::api) fn pass(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self {
            Body::ToTheEnd => Ok(bytes.len()),
            Body::Length(left) => {
                let n = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= n as u64;
                Ok(n)
            }
            Body::Chunked(chunks) => {
                let mut at = 0;
                while at < bytes.len() && *chunks != Chunks::Over {
                    at += chunks.step(&bytes[at..])?;
                }
                Ok(at)
            }
        }
    }
}

impl Chunks {
    const START: Chunks = Chunks::Size { value: 0, digits: 0, line: 0, extended: false };

    /// The place after `n` of the `left` bytes of a chunk.
    fn after(left: u64, n: u64) -> Chunks {
        if n == left { Chunks::DataEnd(0) } else { Chunks::Data(left - n) }
    }

    /// Takes one byte, or as many as there are of a chunk's data.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let byte = bytes[0];
        *self = match *self {
            Chunks::Data(left) => {
                let n = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *self = Chunks::after(left, n as u64);
                return Ok(n);
            }
            Chunks::DataEnd(0) if byte == b'\r' => Chunks::DataEnd(1),
            Chunks::DataEnd(1) if byte == b'\n' => Chunks::START,
            Chunks::Size { value, digits: 1.., .. } if byte == b'\r' => Chunks::SizeEnd(value),
            Chunks::SizeEnd(0) if byte == b'\n' => Chunks::Trailer { line: 0 },
            Chunks::SizeEnd(size) if byte == b'\n' => Chunks::Data(size),
            Chunks::Size { line: MAX_LINE, .. } | Chunks::Trailer { line: MAX_LINE } => return Err(Malformed),
            Chunks::Size { value, digits, line, extended: false } if byte.is_ascii_hexdigit() => {
                // Sixteen digits fit.
                let digit = char::from(byte).to_digit(16).filter(|_| digits < 16).ok_or(Malformed)?;
                Chunks::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                    line: line + 1,
                    extended: false,
                }
            }
            Chunks::Size { value, digits: digits @ 1.., line, .. } if byte != 0 && byte != b'\n' => {
                Chunks::Size { value, digits, line: line + 1, extended: true }
            }
            Chunks::Trailer { line } if byte == b'\r' => Chunks::TrailerEnd { line },
            Chunks::Trailer { line } if byte != b'\n' => Chunks::Trailer { line: line + 1 },
            Chunks::TrailerEnd { line: 0 } if byte == b'\n' => Chunks::Over,
            Chunks::TrailerEnd { .. } if byte == b'\n' => Chunks::Trailer { line: 0 },
            // Lines end with both bytes and have neither within: where Go takes less, it waits for more.
            _ => return Err(Malformed),
        };
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pass(text: &str) -> Result<(usize, bool), Malformed> {
        let mut body = Body::chunked();
        let n = body.pass(text.as_bytes())?;
        Ok((n, body.is_over()))
    }

    #[test]
    fn a_length_is_counted() {
        let mut body = Body::Length(5);
        assert_eq!((body.pass(b"abc"), body.is_over()), (Ok(3), false));
        assert_eq!((body.pass(b"defg"), body.is_over()), (Ok(2), true));
        assert_eq!(body.pass(b"x"), Ok(0));
    }

    #[test]
    fn chunks_end_where_they_say() {
        for (text, rest) in [
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "GET /"),
            ("1F;a=b\r\n0\r\n\r\n0123456789012345678901234\r\nx\r\n", ""),
            ("00a ;x\r\n0123456789\r\n000;y=\"z\"\r\nA: b\r\nC: d\r\n\r\n", "0\r\n\r\n"),
        ] {
            let whole = format!("{text}{rest}");
            let passed = pass(&whole);
            if text.starts_with("1F") {
                assert_eq!(passed.map(|passed| passed.1), Err(Malformed), "data with a wrong end");
            } else {
                assert_eq!(passed, Ok((text.len(), true)), "{whole}");
            }
        }
        assert_eq!(pass("3\r\nabc\r\n0\r\n"), Ok((11, false)));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for text in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0",
            "10000000000000000\r\n",
            "0\n\r\n",
            "3\nabc\r\n",
            "0\r\n\n",
            "0\r\n\r\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\nA: \rb\r\n\r\n",
            "0\r\nA: b\r\n\n",
        ] {
            assert_eq!(pass(text), Err(Malformed), "{text}");
        }
        assert_eq!(pass(&format!("1;{}\r\n", "x".repeat(5000))), Err(Malformed));
        assert_eq!(pass(&format!("0\r\n{}\r\n", "x".repeat(5000))), Err(Malformed));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(sizes in prop::collection::vec(1_usize..300, 0..6), cuts in prop::collection::vec(1_usize..40, 1..8)) {
            let mut text = String::new();
            for size in sizes {
                text.push_str(&format!("{size:x}\r\n{}\r\n", "0\r\n\r\n".repeat(60).get(..size).unwrap()));
            }
            text.push_str("0\r\n\r\n");
            let (mut body, mut at, mut cuts) = (Body::chunked(), 0, cuts.into_iter().cycle());
            while at < text.len() {
                prop_assert!(!body.is_over());
                let piece = &text.as_bytes()[at..text.len().min(at + cuts.next().unwrap())];
                prop_assert_eq!(body.pass(piece), Ok(piece.len()));
                at += piece.len();
            }
            prop_assert!(body.is_over());
        }
    }
}
