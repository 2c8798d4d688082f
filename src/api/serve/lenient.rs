//! Heads that Go reads and the parser does not, spelled anew: fields folded over several lines (`net/textproto:
//! readContinuedLineSlice`), later versions of HTTP/1 (`net/http: ParseHTTPVersion`), targets that are no UTF-8. What goes
//! on is always the new spelling, so that whoever reads it next sees the very message that was judged. Pure functions of
//! bytes; [`super::refusal`] calls [`anew`] for what could not be parsed.

/// A head in the parser's spelling.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Anew {
    pub(super) bytes: Vec<u8>,
    /// Bytes of the head as it came, if all of it is there.
    pub(super) len: Option<usize>,
    /// The name of a field has blanks, which Go reads, and refuses later than all else.
    pub(super) has_bad_name: bool,
}

/// The head at the start of these bytes, if there is anything to spell anew.
pub(super) fn anew(bytes: &[u8]) -> Option<Anew> {
    let (head, len) = match end(bytes) {
        Some(end) => (&bytes[..end], Some(end)),
        None => (bytes, None),
    };
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let mut out = Vec::with_capacity(head.len());
    let mut is_other = request_line(lines.next()?, &mut out);
    let mut has_bad_name = false;
    for (number, line) in lines.enumerate() {
        // To continue there must be something to be continued.
        if number > 0 && line.first().is_some_and(|byte| is_blank(*byte)) {
            is_other = true;
            out.truncate(without_end(&out).len());
            if without_end(line).is_empty() && ends_strictly(&out) {
                out.push(NEVER);
            }
            out.push(b' ');
            out.extend_from_slice(without_blanks(line));
        } else {
            has_bad_name |= field(line, &mut out);
        }
    }
    (is_other || has_bad_name).then_some(Anew { bytes: out, len, has_bad_name })
}

/// In no host and no coding.
const NEVER: u8 = b'"';

/// Whether these bytes end with a value that must not have a blank at its end, which an empty continuation gives it and the
/// parser takes away.
fn ends_strictly(out: &[u8]) -> bool {
    let line = out.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(0));
    let is_strict = name.eq_ignore_ascii_case(b"host") || name.eq_ignore_ascii_case(b"transfer-encoding");
    is_strict && value.iter().any(|byte| *byte != b':' && !is_blank(*byte))
}

/// Writes the first line; whether it has become another one. The versions 1.2 to 1.9 are 1.1 to Go.
fn request_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    if std::str::from_utf8(line).is_ok() {
        out.extend_from_slice(line);
    } else {
        for byte in line {
            match byte {
                0x80.. => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => out.push(*byte),
            }
        }
    }
    let version = later_version(line);
    if version {
        let end = out.len() - (line.len() - without_end(line).len());
        out[end - 3..end].copy_from_slice(b"1.1");
    }
    version || out.len() != line.len()
}

/// Writes the line of a field; whether its name has blanks, for which something is written that a name may have and that
/// makes no name of another one.
fn field(line: &[u8], out: &mut Vec<u8>) -> bool {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
    let (name, rest) = line.split_at(colon);
    let has_blanks = name.contains(&b' ') && name[0] != b' ';
    out.extend(name.iter().map(|byte| if has_blanks && *byte == b' ' { b'|' } else { *byte }));
    out.extend_from_slice(rest);
    has_blanks
}

/// A line without its end and the blanks before that. Nothing else is trimmed: Go refuses it, and so does the parser.
fn without_end(text: &[u8]) -> &[u8] {
    let Some(text) = text.strip_suffix(b"\n") else { return text };
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let blanks = text.iter().rev().take_while(|byte| is_blank(**byte)).count();
    &text[..text.len() - blanks]
}

fn without_blanks(line: &[u8]) -> &[u8] {
    &line[line.iter().take_while(|byte| is_blank(**byte)).count()..]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Where a head ends: after its first empty line.
fn end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if at > line.len() && matches!(line, b"\n" | b"\r\n") {
            return Some(at);
        }
    }
    None
}

/// Whether a request line names one of the versions 1.2 to 1.9.
fn later_version(line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\n") else { return false };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ');
    matches!((words.nth(2), words.next()), (Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Option<(String, Option<usize>)> {
        anew(text.as_bytes()).map(|anew| (String::from_utf8(anew.bytes).expect("text"), anew.len))
    }

    #[test]
    fn folded_fields_become_one_line() {
        for (fields, joined) in [
            ("A: b\r\n c\r\n", "A: b c\r\n"),
            ("A: b  \r\n\t  c\t\r\n  d\r\nE: f\r\n", "A: b c d\r\nE: f\r\n"),
            ("A:\r\n b\r\n", "A: b\r\n"),
            ("A: b\n c\n", "A: b c\n"),
            ("A: b\r\n \r\nE: f\r\n", "A: b \r\nE: f\r\n"),
            ("A\r\n : b\r\n", "A : b\r\n"),
            ("A : b\r\nC D: e f: g\r\n", "A|: b\r\nC|D: e f: g\r\n"),
            ("A: b\r\r\n c\x0c\r\n d\r\n", "A: b\r c\x0c d\r\n"),
        ] {
            let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            let whole = (format!("GET / HTTP/1.1\r\n{joined}\r\n"), Some(text.len()));
            assert_eq!(spelled(&format!("{text} rest\r\n more\r\n")), Some(whole), "{text}");
        }
    }

    #[test]
    fn the_first_field_continues_nothing() {
        for text in
            ["GET / HTTP/1.1\r\n A: b\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r\n c\r\n", "GET / HTTP/1.1", "", "\n"]
        {
            assert_eq!(spelled(text), None, "{text}");
        }
    }

    #[test]
    fn a_head_that_is_not_whole_yet_has_no_end() {
        let text = "GET / HTTP/1.1\r\nA: b\r\n c\r\nD: e\r\n \r\n";
        for at in 0..text.len() {
            if let Some(anew) = anew(&text.as_bytes()[..at]) {
                assert_eq!(anew.len, None, "{at}");
            }
        }
    }

    #[test]
    fn targets_that_are_no_text_are_escaped() {
        let head = anew(b"GET /\xff?\xe2\x82 HTTP/1.3\r\n\r\n").expect("another one");
        assert_eq!((head.bytes.as_slice(), head.has_bad_name), (&b"GET /%FF?%E2%82 HTTP/1.1\r\n\r\n"[..], false));
        assert_eq!(anew("GET /\u{e9} HTTP/1.1\r\n\r\n".as_bytes()), None);
    }

    #[test]
    fn later_versions_of_the_first_are_the_first() {
        assert_eq!(spelled("GET / HTTP/1.2\r\n\r\n"), Some(("GET / HTTP/1.1\r\n\r\n".into(), Some(18))));
        assert_eq!(spelled("GET / HTTP/1.9\n\n"), Some(("GET / HTTP/1.1\n\n".into(), Some(16))));
        for version in ["HTTP/1.0", "HTTP/1.10", "HTTP/2.2", "http/1.2", "HTTP/1.2 ", "HTTP/1.2"] {
            let text = if version == "HTTP/1.2" { "GET / HTTP/1.2".into() } else { format!("GET / {version}\r\n\r\n") };
            assert_eq!(spelled(&text), None, "{version}");
        }
    }
}
