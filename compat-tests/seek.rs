//! Looks for a value that nobody may find: in the memory of a process, as a core dump would have it, and in files. Every form that
//! the value may have taken is looked for (as it is, base 64 at each of its three alignments, hexadecimal), and every piece of
//! it, for a buffer may have been overwritten in part. A word that must be found shows that the search sees what is there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

/// Bytes of a piece: enough that chance makes none of its forms.
const PIECE: usize = 16;
/// How much is read at once.
const BLOCK: usize = 1 << 20;

/// What to look for, and where.
#[derive(Args)]
pub struct Options {
    /// The value.
    #[arg(long)]
    value: String,
    /// A word that must be there.
    #[arg(long)]
    control: String,
    /// The process in whose memory it must not be.
    #[arg(long)]
    pid: Option<u32>,
    /// Files and folders in which it must not be.
    paths: Vec<PathBuf>,
}

/// Looks, and says how much was looked at; whether the value is nowhere.
///
/// # Errors
/// When something cannot be read, or the control is not found.
pub fn run(options: &Options) -> Result<bool> {
    ensure!(options.value.len() >= PIECE, "the value must have at least {PIECE} bytes");
    let mut words = forms(options.value.as_bytes());
    words.push(("the control".into(), options.control.as_bytes().to_vec()));
    let mut search = Search { finder: Finder::new(words), seen: 0, controls: 0, found: Vec::new() };
    if let Some(pid) = options.pid {
        search.memory(pid)?;
    }
    for path in &options.paths {
        search.files(path)?;
    }
    for (what, place) in &search.found {
        println!("{what} is in {place}");
    }
    println!("{} bytes; the control {} times, the value {} times", search.seen, search.controls, search.found.len());
    ensure!(search.controls > 0, "the control was not found, so nothing would have been");
    Ok(search.found.is_empty())
}

struct Search {
    finder: Finder,
    seen: u64,
    controls: usize,
    found: Vec<(String, String)>,
}

impl Search {
    /// What a core dump holds: every mapping but those that are a file's content, and no more.
    fn memory(&mut self, pid: u32) -> Result<()> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).context("there is no such process")?;
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (Some(range), Some(rights)) = (fields.next(), fields.next()) else { continue };
            let name = fields.nth(3).unwrap_or("memory without a name");
            let is_content = name.starts_with('/') && !rights.contains('w');
            if !rights.starts_with('r') || is_content || matches!(name, "[vvar]" | "[vvar_vclock]" | "[vsyscall]") {
                continue;
            }
            let (start, end) = range.split_once('-').context("what the kernel says of the memory is not understood")?;
            let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
            // What has gone since the list was made is no more.
            let _ = self.read(&memory, start, end, &format!("{range} ({name})"));
        }
        Ok(())
    }

    fn files(&mut self, path: &Path) -> Result<()> {
        let named = || format!("cannot read {}", path.display());
        let kind = fs::symlink_metadata(path).with_context(named)?;
        if kind.is_dir() {
            for entry in fs::read_dir(path).with_context(named)? {
                self.files(&entry?.path())?;
            }
        } else if kind.is_file() {
            let file = File::open(path).with_context(named)?;
            self.read(&file, 0, u64::MAX, &path.display().to_string()).with_context(named)?;
        }
        Ok(())
    }

    /// Reads block by block, each with the end of the one before, for a word may lie across.
    fn read(&mut self, file: &File, start: u64, end: u64, place: &str) -> io::Result<()> {
        let overlap = self.finder.longest() - 1;
        let mut block = vec![0; overlap + BLOCK];
        let (mut at, mut kept) = (start, 0);
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(BLOCK);
            let length = file.read_at(&mut block[kept..kept + wanted], at)?;
            if length == 0 {
                break;
            }
            self.look(kept, &block[..kept + length], place);
            (at, self.seen) = (at + length as u64, self.seen + length as u64);
            let all = kept + length;
            kept = overlap.min(all);
            block.copy_within(all - kept..all, 0);
        }
        Ok(())
    }

    /// Notes what is found and ends beyond the first `known` bytes, which were looked at before.
    fn look(&mut self, known: usize, block: &[u8], place: &str) {
        for (at, word) in self.finder.find(block) {
            let (name, bytes) = &self.finder.words[word];
            if at + bytes.len() <= known {
                continue;
            }
            if word + 1 == self.finder.words.len() {
                self.controls += 1;
            } else {
                self.found.push((name.clone(), place.to_owned()));
            }
        }
    }
}

/// Finds any of several words, by their first two bytes.
struct Finder {
    words: Vec<(String, Vec<u8>)>,
    begins: Vec<bool>,
}

impl Finder {
    fn new(words: Vec<(String, Vec<u8>)>) -> Finder {
        let mut begins = vec![false; 1 << 16];
        words.iter().for_each(|(_, word)| begins[pair(word[0], word[1])] = true);
        Finder { words, begins }
    }

    fn longest(&self) -> usize {
        self.words.iter().map(|(_, word)| word.len()).max().unwrap_or(1)
    }

    /// Where each begins, and which it is.
    fn find(&self, block: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (at, two) in block.windows(2).enumerate() {
            if self.begins[pair(two[0], two[1])] {
                let here = self.words.iter().enumerate().filter(|(_, (_, word))| block[at..].starts_with(word));
                found.extend(here.map(|(word, _)| (at, word)));
            }
        }
        found
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The forms of every piece of a value.
fn forms(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut forms = Vec::new();
    for (at, piece) in value.chunks_exact(PIECE).enumerate() {
        let bytes = format!("bytes {} to {} of the value", at * PIECE, (at + 1) * PIECE);
        let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        forms.push((format!("{bytes}, hexadecimal,"), hex.to_uppercase().into_bytes()));
        forms.push((format!("{bytes}, hexadecimal,"), hex.into_bytes()));
        forms.push((bytes.clone(), piece.to_vec()));
        for before in 0..3 {
            let coded = base64(piece, before);
            forms.push((format!("{bytes}, base 64 behind {before} bytes,"), coded.clone().into_bytes()));
            let of_urls = coded.replace('+', "-").replace('/', "_");
            if of_urls != coded {
                forms.push((format!("{bytes}, base 64 of URLs behind {before} bytes,"), of_urls.into_bytes()));
            }
        }
    }
    forms
}

/// The digits of base 64 that a piece alone decides, where so many bytes (modulo 3) come before it.
fn base64(piece: &[u8], before: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| piece[at / 8 - before] >> (7 - at % 8) & 1;
    let digits = (before * 8).div_ceil(6)..(before + piece.len()) * 8 / 6;
    let digit = |digit: usize| (digit * 6..digit * 6 + 6).fold(0, |value, at| value << 1 | bit(at));
    digits.map(|at| char::from(DIGITS[usize::from(digit(at))])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &[u8] = b"correct-horse-battery-staple-000";

    fn found_in(block: &[u8]) -> Vec<String> {
        let finder = Finder::new(forms(VALUE));
        finder.find(block).into_iter().map(|(_, word)| finder.words[word].0.clone()).collect()
    }

    #[test]
    fn every_form_of_each_piece_is_found() {
        // As `printf 'x...correct-horse-battery-staple-000' | base64` prints it, behind none, one and two bytes.
        for (text, form) in [
            ("correct-horse-battery", "bytes 0 to 16 of the value"),
            ("..e-battery-staple-000", "bytes 16 to 32 of the value"),
            ("Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "bytes 0 to 16 of the value, base 64 behind 0 bytes,"),
            ("eGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==", "bytes 0 to 16 of the value, base 64 behind 1 bytes,"),
            ("eHhjb3JyZWN0LWhvcnNlLWJhdHRlcnk=", "bytes 0 to 16 of the value, base 64 behind 2 bytes,"),
            ("636f72726563742d686f7273652d6261", "bytes 0 to 16 of the value, hexadecimal,"),
            ("636F72726563742D686F7273652D6261", "bytes 0 to 16 of the value, hexadecimal,"),
        ] {
            assert!(found_in(text.as_bytes()).contains(&form.to_owned()), "{text}: {:?}", found_in(text.as_bytes()));
        }
        assert!(found_in(b"correct-horse.battery staple Y29ycmVjdC1ob3JzZS0").is_empty());
    }

    #[test]
    fn what_lies_across_two_blocks_is_found_once_and_the_control_is_not_the_value() {
        let path = std::env::temp_dir().join(format!("gam-seek-{}", std::process::id()));
        let mut bytes = vec![0; BLOCK - 7];
        bytes.extend_from_slice(&VALUE[..PIECE]);
        bytes.extend_from_slice(b"control");
        fs::write(&path, bytes).unwrap();
        let mut words = forms(VALUE);
        words.push(("the control".into(), b"control".to_vec()));
        let mut search = Search { finder: Finder::new(words), seen: 0, controls: 0, found: Vec::new() };
        search.files(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!((search.controls, search.found.len()), (1, 1));
    }

    #[test]
    fn memory_is_looked_through() {
        let held = [b"held in mem".as_slice(), b"ory by this test".as_slice()].concat();
        let words = vec![("held".to_owned(), held.clone())];
        let mut search = Search { finder: Finder::new(words), seen: 0, controls: 0, found: Vec::new() };
        search.memory(std::process::id()).unwrap();
        // The last word is the control.
        assert!(search.controls > 0 && search.seen > 0);
        drop(held);
    }
}
