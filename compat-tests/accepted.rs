//! Known differences, from `accepted.toml`: lines of a diff that may stand, each with a reason and a date. Decides
//! which differences fail a case; an entry that no longer meets any difference is stale and fails the run.
//! Pure but for reading the file. Called by `main`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use similar::{ChangeTag, TextDiff};

/// The list, with a note of which entries were of use.
#[derive(Debug, Default)]
pub struct Accepted {
    entries: Vec<(Entry, Regex)>,
    used: BTreeSet<usize>,
    judged: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accepted: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// `area/name`, or `area/` for all of an area, or `*` for all cases.
    case: String,
    /// A pattern for one line of the diff, its `-` or `+` included.
    pattern: String,
    /// Why the difference is right, or not worth mending yet.
    reason: String,
    /// The day the difference was accepted.
    since: String,
}

impl Entry {
    fn is_for(&self, case: &str) -> bool {
        self.case == "*" || self.case == case || (self.case.ends_with('/') && case.starts_with(&self.case))
    }
}

impl Accepted {
    /// Reads the list; a missing file is an empty one.
    ///
    /// # Errors
    /// When it is not valid, or an entry says no reason or date.
    pub fn read(path: &Path) -> Result<Accepted> {
        if !path.exists() {
            return Ok(Accepted::default());
        }
        Accepted::parse(&std::fs::read_to_string(path)?).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Accepted> {
        let file: File = toml::from_str(text)?;
        let mut entries = Vec::new();
        for entry in file.accepted {
            anyhow::ensure!(!entry.reason.trim().is_empty(), "the entry for {} gives no reason", entry.case);
            let date = entry.since.len() == 10 && entry.since.chars().all(|c| c.is_ascii_digit() || c == '-');
            anyhow::ensure!(date, "the entry for {} has since = {:?}, which is not a date", entry.case, entry.since);
            let pattern = Regex::new(&entry.pattern).with_context(|| format!("the pattern for {}", entry.case))?;
            entries.push((entry, pattern));
        }
        Ok(Accepted { entries, ..Accepted::default() })
    }

    /// Compares; `None` when equal or when every differing line is accepted, else the unified diff.
    pub fn judge(&mut self, case: &str, golden: &str, got: &str) -> Option<String> {
        self.judged.insert(case.to_owned());
        let mut fails = false;
        for line in differing(golden, got) {
            let mut is_accepted = false;
            for (i, (entry, pattern)) in self.entries.iter().enumerate() {
                if entry.is_for(case) && pattern.is_match(&line) {
                    self.used.insert(i);
                    is_accepted = true;
                }
            }
            fails |= !is_accepted;
        }
        fails.then(|| unified(golden, got, "golden", "got"))
    }

    /// Entries without use, a sentence each. Only those are judged whose every case (of `all`) was run.
    pub fn stale(&self, all: &[String]) -> Vec<String> {
        let mut stale = Vec::new();
        for (i, (entry, _)) in self.entries.iter().enumerate() {
            let mut cases = all.iter().filter(|case| entry.is_for(case)).peekable();
            if cases.peek().is_none() {
                stale.push(format!("accepted.toml: there is no case {:?}", entry.case));
            } else if !self.used.contains(&i) && cases.all(|case| self.judged.contains(case)) {
                stale.push(format!(
                    "accepted.toml: {:?} of {} no longer meets any difference in {:?}; remove it",
                    entry.pattern, entry.since, entry.case
                ));
            }
        }
        stale
    }
}

/// The lines that differ, as a diff shows them.
fn differing(old: &str, new: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(old, new);
    let changes = diff.iter_all_changes();
    changes
        .filter_map(|change| match change.tag() {
            ChangeTag::Equal => None,
            ChangeTag::Delete => Some(format!("-{}", change.value().trim_end_matches('\n'))),
            ChangeTag::Insert => Some(format!("+{}", change.value().trim_end_matches('\n'))),
        })
        .collect()
}

/// A unified diff; each hunk's head names the step that it is in, as a body may be longer than any context.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    let lines: Vec<&str> = old.lines().collect();
    let step = |at: usize| {
        lines[..at.min(lines.len())].iter().rev().find(|line| line.starts_with("$ ")).copied().unwrap_or_default()
    };
    let diff = TextDiff::from_lines(old, new);
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    for hunk in diff.unified_diff().context_radius(6).iter_hunks() {
        let change = hunk.iter_changes().take_while(|change| change.tag() == ChangeTag::Equal).count();
        let first = hunk.ops().first().map_or(0, |op| op.old_range().start);
        out.push_str(&format!("{} {}\n", hunk.header(), step(first + change)));
        hunk.iter_changes().for_each(|change| out.push_str(&format!("{}{}", change.tag(), change)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Accepted {
        Accepted::parse(
            r#"
            [[accepted]]
            case = "node/ls"
            pattern = "^[-+].*extra"
            reason = "because"
            since = "2026-11-23"
            "#,
        )
        .unwrap()
    }

    #[test]
    fn equal_passes_and_a_difference_shows_as_a_diff() {
        assert_eq!(Accepted::default().judge("a/b", "x\n", "x\n"), None);
        let diff = Accepted::default().judge("a/b", "x\ny\n", "x\nz\n").unwrap();
        assert!(diff.contains("-y\n+z\n"), "{diff}");
    }

    #[test]
    fn a_hunk_names_its_step_however_far_up() {
        let body = |last: &str| format!("$ first\n$ second\n{}{last}\n", "  x\n".repeat(20));
        let diff = Accepted::default().judge("a/b", &body("y"), &body("z")).unwrap();
        assert!(diff.contains("@@ $ second\n"), "{diff}");
    }

    #[test]
    fn an_accepted_line_passes_and_any_other_fails() {
        assert_eq!(list().judge("node/ls", "x\n", "x\nextra\n"), None);
        assert!(list().judge("node/ls", "x\n", "x\nextra\nmore\n").is_some());
        assert!(list().judge("node/ps", "x\n", "x\nextra\n").is_some());
    }

    #[test]
    fn an_entry_without_use_is_stale_once_its_case_was_run() {
        let all = ["node/ls".to_owned(), "node/ps".to_owned()];
        let mut accepted = list();
        accepted.judge("node/ps", "", "");
        assert_eq!(accepted.stale(&all), Vec::<String>::new());
        accepted.judge("node/ls", "x\n", "x\n");
        assert_eq!(accepted.stale(&all).len(), 1);
        assert_eq!(accepted.stale(&all[1..]), ["accepted.toml: there is no case \"node/ls\""]);
        accepted.judge("node/ls", "x\n", "extra\n");
        assert_eq!(accepted.stale(&all), Vec::<String>::new());
    }

    #[test]
    fn an_entry_must_say_why_and_since_when() {
        let entry = |reason: &str, since: &str| {
            format!("[[accepted]]\ncase = \"*\"\npattern = \"x\"\nreason = \"{reason}\"\nsince = \"{since}\"\n")
        };
        assert!(Accepted::parse(&entry("why", "2026-11-23")).is_ok());
        assert!(Accepted::parse(&entry(" ", "2026-11-23")).is_err());
        assert!(Accepted::parse(&entry("why", "lately")).is_err());
    }
}
