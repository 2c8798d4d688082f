//! Texts that are cleared when they are let go: what a template makes may be a secret, and what it is made of, too.

use zeroize::Zeroizing;

/// A text that leaves nothing behind in memory, unless it grows by itself: that is what [`append`] is for.
pub type Text = Zeroizing<String>;

/// Adds to a text; the place where it lay, if it has to be a larger one, is cleared.
pub(super) fn append(text: &mut Text, more: &str) {
    if text.capacity() - text.len() < more.len() {
        let mut larger = Text::new(String::with_capacity((text.len() + more.len()) * 2));
        larger.push_str(text);
        *text = larger;
    }
    text.push_str(more);
}

/// The parts, one after the other, with something between them.
pub(super) fn joined(parts: &[Text], between: &str) -> Text {
    let mut joined = Text::default();
    for (at, part) in parts.iter().enumerate() {
        append(&mut joined, if at == 0 { "" } else { between });
        append(&mut joined, part);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_as_any_other() {
        let mut text = Text::default();
        let mut wanted = String::new();
        for number in 0..100 {
            let more = "x".repeat(number % 7);
            append(&mut text, &more);
            wanted += &more;
            assert_eq!(*text, wanted);
        }
        let parts = ["a", "", "b"].map(|part| Text::new(part.to_owned()));
        assert_eq!(*joined(&parts, "-"), "a--b");
        assert_eq!(*joined(&[], "-"), "");
    }
}
