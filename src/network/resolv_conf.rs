//! The `ndots` of a task's `/etc/resolv.conf`.
//!
//! The engine is not told of the user's `ndots` ([`gam_core::container`]): its resolver would ask nobody for names without
//! dots, which may be the swarm's. It writes `ndots:0` instead. Here the options in the file become those that the user gave,
//! as soon as the container runs. The engine reads the file no more then, and says in it that it may be changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What the engine puts at the end of the options if there is no `ndots` among them.
const ENGINES: &str = "ndots:0";

/// What is read of a file at most, bytes. The container may have written it.
const FILE_MAX: u64 = 64 * 1024;

/// Puts the user's options into a container's file, unless they have no `ndots` or somebody changed the file already.
pub fn amend(path: &Path, wished: &[String]) -> io::Result<()> {
    if !wished.iter().any(|option| is_dots(option)) {
        return Ok(());
    }
    rewrite(path, |text| amended(text, wished))
}

/// Changes a file that the engine made for a container, if there is something to change.
pub(super) fn rewrite(path: &Path, change: impl FnOnce(&str) -> Option<String>) -> io::Result<()> {
    // It is mounted into the container as it is, so it cannot be replaced by another file.
    let file: File = OpenOptions::new().read(true).write(true).open(path)?;
    let mut text = String::new();
    if (&file).take(FILE_MAX + 1).read_to_string(&mut text)? as u64 > FILE_MAX {
        return Ok(());
    }
    if let Some(changed) = change(&text) {
        file.write_all_at(changed.as_bytes(), 0)?;
        file.set_len(changed.len() as u64)?;
    }
    Ok(())
}

/// The text with these options; `None` if it is to stay. Like the engine it leaves out an `ndots` that is no number.
fn amended(text: &str, wished: &[String]) -> Option<String> {
    let is_engines = |line: &str| line.starts_with("options ") && line.split_whitespace().next_back() == Some(ENGINES);
    let at = text.split('\n').position(is_engines)?;
    let kept = |option: &&String| is_dots(option) || !option.starts_with("ndots:");
    let options: Vec<&str> = wished.iter().filter(kept).map(String::as_str).collect();
    let new = format!("options {}", options.join(" "));
    let mut lines: Vec<&str> = text.split('\n').collect();
    let old = std::mem::replace(&mut lines[at], &new);
    (new != old).then(|| lines.join("\n"))
}

fn is_dots(option: &str) -> bool {
    option.strip_prefix("ndots:").is_some_and(|dots| dots.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_options_become_those_of_the_user() {
        let path = std::env::temp_dir().join(format!("gam-resolv-{}.conf", std::process::id()));
        let text = |line: &str| format!("# a\nnameserver 127.0.0.11\nsearch a.b\n{line}\n\n# ExtServers: [10.0.1.1]\n");
        for (wished, made, becomes) in [
            ("ndots:3 timeout:1", "options timeout:1 ndots:0", "options ndots:3 timeout:1"),
            ("ndots:12", "options ndots:0", "options ndots:12"),
            // The host's are not the user's.
            ("ndots:1", "options edns0 trust-ad ndots:0", "options ndots:1"),
            ("ndots:x ndots:2", "options ndots:0", "options ndots:2"),
            ("ndots:0 timeout:1", "options timeout:1 ndots:0", "options ndots:0 timeout:1"),
            ("timeout:1", "options timeout:1 ndots:0", "options timeout:1 ndots:0"),
            ("ndots:x", "options ndots:0", "options ndots:0"),
            // Somebody was there before.
            ("ndots:3", "options ndots:4", "options ndots:4"),
            ("ndots:3", "", ""),
        ] {
            std::fs::write(&path, text(made)).unwrap();
            for _ in 0..2 {
                amend(&path, &options(wished)).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), text(becomes), "{wished}");
            }
        }
        let grown = text("options ndots:0") + &"#".repeat(FILE_MAX as usize);
        std::fs::write(&path, &grown).unwrap();
        amend(&path, &options("ndots:3")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), grown);
        std::fs::remove_file(&path).unwrap();
        assert!(amend(&path, &options("ndots:3")).is_err());
        amend(&path, &options("timeout:3")).unwrap();
    }
}
