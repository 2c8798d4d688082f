//! The pieces of netlink messages (`linux/netlink.h`): all of them begin with their length and are padded to four bytes.
//! Whatever is broken ends what is read.

/// Bytes of a message's head.
pub const HEAD: usize = 16;
/// The flags in the type of an attribute.
const TYPE_MASK: u16 = 0x3fff;

/// The messages in one packet.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    pieces(bytes, |head| u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize, HEAD)
}

/// The type of a message.
pub fn kind(message: &[u8]) -> u16 {
    message.get(4..6).map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]))
}

/// The first attribute of one of these types: as a whole with its padding, and what is in it.
pub fn attribute<'a>(bytes: &'a [u8], kinds: &[u16]) -> Option<(&'a [u8], &'a [u8])> {
    let length = |head: &[u8]| usize::from(u16::from_ne_bytes([head[0], head[1]]));
    pieces(bytes, length, 4)
        .find(|piece| kinds.contains(&(u16::from_ne_bytes([piece[2], piece[3]]) & TYPE_MASK)))
        .map(|piece| (piece, &piece[4..length(piece)]))
}

fn pieces(bytes: &[u8], length: impl Fn(&[u8]) -> usize, head: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = rest.get(..head).map(&length).filter(|length| (head..=rest.len()).contains(length))?;
        let (piece, after) = rest.split_at(length.next_multiple_of(4).min(rest.len()));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
pub(super) mod tests {
    /// An attribute.
    pub fn piece(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(content.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}
