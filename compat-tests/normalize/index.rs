//! Version indexes as ranks: per object, the smallest index that the transcript shows is `<index:1>`, the next one
//! `<index:2>`. What clients rely on is that an object's index grows with each change and that a stale one is refused,
//! not how one object's index relates to another's. Pure; called by `normalize` while ids are still in the text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::pattern;
use crate::kinds::Kinds;

/// Replaces `Version.Index` of objects and the `version=` of updates.
pub(super) fn ranks(text: &str, kinds: &Kinds) -> String {
    pattern!(OBJECT, r#"("ID": "([0-9a-z]{25})",\s+(?:\*\s+)?"Version": \{\s+(?:\*\s+)?"Index": )(\d+)"#);
    pattern!(UPDATE, r"(/(swarm|nodes|services|secrets|configs)(?:/([^/\s?']+))?/update\?(?:[^\s']*&)?version=)(\d+)");
    let mut seen: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for found in OBJECT.captures_iter(text) {
        seen.entry(found[2].to_owned()).or_default().extend(found[3].parse::<u64>());
    }
    let mut updates: Vec<Option<String>> = Vec::new();
    for found in UPDATE.captures_iter(text) {
        let owner = owner(&found, kinds);
        if let Some(id) = &owner {
            seen.entry(id.clone()).or_default().extend(found[4].parse::<u64>());
        }
        updates.push(owner);
    }
    let rank = |id: &str, index: &str| {
        let index: u64 = index.parse().ok()?;
        Some(seen.get(id)?.iter().position(|known| *known == index)? + 1)
    };
    let text = OBJECT.replace_all(text, |c: &Captures| match rank(&c[2], &c[3]) {
        Some(rank) => format!("{}<index:{rank}>", &c[1]),
        None => c[0].to_owned(),
    });
    let mut updates = updates.into_iter();
    UPDATE
        .replace_all(&text, |c: &Captures| match updates.next().flatten().and_then(|id| rank(&id, &c[4])) {
            Some(rank) => format!("{}<index:{rank}>", &c[1]),
            None => c[0].to_owned(),
        })
        .into_owned()
}

/// The object whose index an update names: the one with that id, or else (the path has a name, or is the swarm) one
/// of that kind which was seen with this very index. A number that a case made up has no owner and stays.
fn owner(update: &Captures, kinds: &Kinds) -> Option<String> {
    let index: u64 = update[4].parse().ok()?;
    let named = update.get(3).map(|name| name.as_str());
    let kind = match &update[2] {
        "swarm" => "cluster",
        plural => plural.trim_end_matches('s'),
    };
    let candidates = || kinds.indexes.iter().filter(|(_, seen)| *seen == index).map(|(id, _)| id);
    candidates()
        .find(|id| Some(id.as_str()) == named)
        .or_else(|| candidates().find(|id| kinds.ids.get(*id).is_some_and(|known| *known == kind)))
        .cloned()
}
