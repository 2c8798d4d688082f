//! Turns dockerd's answers about backings into answers about swarm networks, byte by byte as they stream past.
//!
//! A backing's id is 64 random digits, so wherever it stands in a document it means that network; nothing has to be
//! parsed, and everything else stays as dockerd wrote it. A backing's name needs turning only if the plain one was
//! taken; then the whole JSON string is replaced.

use super::Backing;

/// Replaces ids and names of backings in a stream of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewriter {
    /// What to look for and what to put in its place.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Length of the longest thing looked for.
    longest: usize,
    /// Bytes that may be the beginning of something looked for.
    held: Vec<u8>,
}

impl Rewriter {
    /// A rewriter for these backings; `None` if there are none.
    pub fn new<'a>(backings: impl Iterator<Item = &'a Backing>) -> Option<Rewriter> {
        let mut pairs = Vec::new();
        for backing in backings {
            pairs.push((backing.engine_id.clone().into_bytes(), backing.network.to_string().into_bytes()));
            if backing.engine_name != backing.name {
                pairs.push((quoted(&backing.engine_name), quoted(&backing.name)));
            }
        }
        pairs.retain(|(from, _)| !from.is_empty());
        let longest = pairs.iter().map(|(from, _)| from.len()).max()?;
        Some(Rewriter { pairs, longest, held: Vec::new() })
    }

    /// Takes a piece of the stream; returns what of it can be passed on.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        // Whatever begins before this point is complete.
        let end = (self.held.len() + 1).saturating_sub(self.longest);
        self.drain(end)
    }

    /// The rest, once the stream has ended.
    pub fn finish(mut self) -> Vec<u8> {
        let end = self.held.len();
        self.drain(end)
    }

    /// Rewrites a document that is there as a whole.
    pub fn all(mut self, document: &[u8]) -> Vec<u8> {
        let mut out = self.push(document);
        out.extend(self.finish());
        out
    }

    /// Rewrites everything that begins before `end`.
    fn drain(&mut self, end: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(end);
        let mut at = 0;
        while at < end {
            let rest = &self.held[at..];
            match self.pairs.iter().find(|(from, _)| rest.starts_with(from)) {
                Some((from, to)) => {
                    out.extend_from_slice(to);
                    at += from.len();
                }
                None => {
                    out.push(rest[0]);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        out
    }
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backing(engine_name: &str) -> Backing {
        Backing {
            network: 7_u128.into(),
            name: "web".into(),
            engine_id: "ab".repeat(32),
            engine_name: engine_name.into(),
            subnets: Vec::new(),
        }
    }

    fn document(id: &str, name: &str) -> String {
        format!(r#"[{{"Networks":{{"{name}":{{"NetworkID":"{id}","x":"abab"}}}},"Mode":"{id}","Cmd":"my {name}"}}]"#)
    }

    #[test]
    fn ids_and_whole_names_are_turned() {
        let backing = backing("web.0000000000ab");
        let rewriter = Rewriter::new([&backing].into_iter()).unwrap();
        let out = rewriter.all(document(&backing.engine_id, &backing.engine_name).as_bytes());
        let expected = document(&backing.network.to_string(), "web").replace("my web", "my web.0000000000ab");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn without_backings_there_is_nothing_to_do() {
        assert_eq!(Rewriter::new(std::iter::empty()), None);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cuts in proptest::collection::vec(0_usize..260, 0..8)) {
            let backing = backing("web");
            let text = document(&backing.engine_id, "web");
            let mut rewriter = Rewriter::new([&backing].into_iter()).unwrap();
            let whole = rewriter.clone().all(text.as_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let (mut out, mut from) = (Vec::new(), 0);
            for cut in cuts {
                out.extend(rewriter.push(&text.as_bytes()[from..cut]));
                from = cut;
            }
            out.extend(rewriter.push(&text.as_bytes()[from..]));
            out.extend(rewriter.finish());
            prop_assert_eq!(out, whole);
        }
    }
}
