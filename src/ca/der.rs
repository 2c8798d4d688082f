//! As much of DER as it takes to wrap a key and to put another issuer's name into a certificate, byte by byte: whatever is
//! not replaced stays exactly as it was. Only the authority uses this.

/// `SEQUENCE`
pub(super) const SEQUENCE: u8 = 0x30;
/// `OCTET STRING`
pub(super) const OCTET_STRING: u8 = 0x04;
/// `BIT STRING`
pub(super) const BIT_STRING: u8 = 0x03;

/// An element around its content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().position(|digit| *digit != 0).unwrap_or(length.len() - 1)..];
    if content.len() < 0x80 {
        bytes.push(digits[0]);
    } else {
        // At most eight digits.
        bytes.push(0x80 | digits.len() as u8);
        bytes.extend_from_slice(digits);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    /// What it is.
    pub(super) tag: u8,
    /// Its content.
    pub(super) content: &'a [u8],
    /// All of it.
    pub(super) raw: &'a [u8],
}

/// The elements that follow one another in `bytes`; `None` if that is not what they are.
pub(super) fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = first(bytes)?;
        found.push(element);
        bytes = rest;
    }
    Some(found)
}

/// The only element in `bytes`, which must have this tag: its content's elements.
pub(super) fn inside(bytes: &[u8], tag: u8) -> Option<Vec<Element<'_>>> {
    match first(bytes)? {
        (element, []) if element.tag == tag => elements(element.content),
        _ => None,
    }
}

fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, length) = (*bytes.first()?, *bytes.get(1)?);
    let (head, length) = match length {
        0..=0x7f => (2, usize::from(length)),
        0x81..=0x84 => {
            let digits = bytes.get(2..2 + usize::from(length & 0x7f))?;
            let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
            (2 + digits.len(), length)
        }
        _ => return None,
    };
    let end = head.checked_add(length)?;
    let content = bytes.get(head..end)?;
    Some((Element { tag, content, raw: &bytes[..end] }, &bytes[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_whatever_their_length() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let bytes = [element(OCTET_STRING, &content), element(SEQUENCE, &[])].concat();
            let found = elements(&bytes).unwrap();
            assert_eq!((found.len(), found[0].tag, found[0].content), (2, OCTET_STRING, &content[..]), "{length}");
            assert!(elements(&bytes[..bytes.len() - 1]).is_none());
        }
    }
}
