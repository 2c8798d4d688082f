//! Text in a document that is no Unicode: Go puts U+FFFD in the place of each byte of it (`encoding/json: unquote`),
//! and serde refuses the whole document.

use std::borrow::Cow;

/// What Go writes for it.
const REPLACEMENT: &str = "\u{fffd}";

/// A document whose strings are Unicode: what is not, bytes and escaped halves of surrogate pairs alike, is replaced.
/// What stands between the strings is left as it is.
#[must_use]
pub fn coerced(body: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(body).is_ok() && !body.windows(3).any(|bytes| matches!(bytes, b"\\ud" | b"\\uD")) {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len() + REPLACEMENT.len());
    let (mut rest, mut in_string) = (body, false);
    while let Some(first) = rest.first() {
        let len = match first {
            b'"' => {
                in_string = !in_string;
                Some(1)
            }
            b'\\' if in_string => escape_len(rest),
            _ if in_string => char_len(rest),
            _ => Some(1),
        };
        let (whole, after) = rest.split_at(len.unwrap_or(if *first == b'\\' { 6 } else { 1 }));
        out.extend_from_slice(len.map_or(REPLACEMENT.as_bytes(), |_| whole));
        rest = after;
    }
    Cow::Owned(out)
}

/// Bytes as text, each that is none replaced.
#[must_use]
pub fn coerced_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| REPLACEMENT));
        }
        text
    })
}

/// Bytes of the character at the start of these; `None` if they are no character.
fn char_len(bytes: &[u8]) -> Option<usize> {
    (1..=4).find(|len| bytes.get(..*len).is_some_and(|bytes| std::str::from_utf8(bytes).is_ok()))
}

/// Bytes of the escape at the start of these, of both halves of a surrogate pair; `None` if it is a half alone.
fn escape_len(bytes: &[u8]) -> Option<usize> {
    match (escaped(bytes), bytes.get(6..).and_then(escaped)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => Some(12),
        (Some(0xd800..=0xdfff), _) => None,
        (Some(_), _) => Some(6),
        // What follows a backslash never ends the string.
        (None, _) => Some(bytes.len().min(2)),
    }
}

/// The number in `\u12ab`.
fn escaped(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_byte_that_is_no_character_is_replaced() {
        for (body, expected) in [
            (&b"{\"a\":\"\xff\xfe\"}"[..], "{\"a\":\"\u{fffd}\u{fffd}\"}"),
            (b"\"\xe2\x82\"", "\"\u{fffd}\u{fffd}\""),
            (b"\"\xed\xa0\x80\xe2\x82\xac\"", "\"\u{fffd}\u{fffd}\u{fffd}\u{20ac}\""),
            (b"\"\\\"\xc3\"", "\"\\\"\u{fffd}\""),
            (b"\"\\\\\"", "\"\\\\\""),
        ] {
            assert_eq!(coerced(body), expected.as_bytes(), "{expected}");
        }
        assert_eq!(coerced(b"\xff\"\xff\"\xff"), &b"\xff\"\xef\xbf\xbd\"\xff"[..], "between strings it is an error");
        assert_eq!(coerced_text(b"a\xe2\x82b\xff".to_vec()), "a\u{fffd}\u{fffd}b\u{fffd}");
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        for (body, expected) in [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\uDE00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d""#, "\\ud83d"),
        ] {
            let text: String = serde_json::from_slice(&coerced(body.as_bytes())).expect(body);
            assert_eq!(text, expected, "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sound_is_left_alone(text in ".*") {
            let body = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(&*coerced(&body), &body[..]);
        }

        #[test]
        fn any_bytes_make_a_string(bytes in prop::collection::vec(any::<u8>().prop_filter("sound", |byte| *byte >= 0x20 && !b"\"\\".contains(byte)), 0..64)) {
            let body = [b"\"", &bytes[..], b"\""].concat();
            let text: String = serde_json::from_slice(&coerced(&body)).unwrap();
            prop_assert_eq!(text, coerced_text(bytes));
        }
    }
}
