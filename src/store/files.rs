//! Files that are either there whole or not at all, also after a power cut.
//!
//! Decides the order of write, fsync, rename and fsync of the folder. Called by `keys` and `snapshot`; the log has a
//! database of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Ending of a file that is still being written; removed at the next start.
pub const UNFINISHED: &str = ".tmp";
/// Files hold keys and secrets: nobody but the owner.
pub const FILE_MODE: u32 = 0o600;
/// The folder likewise.
const DIR_MODE: u32 = 0o700;

/// Writes a file through `fill` so that a reader, now or after a crash, finds the old content or the new, never a part.
pub fn write_whole(dir: &Path, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}{UNFINISHED}"));
    let written = write_synced(&unfinished, fill).and_then(|()| fs::rename(&unfinished, dir.join(name)));
    if let Err(error) = written {
        // Makes room on a full disk; what stays behind is removed at the next start.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_dir(dir)
}

fn write_synced(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    let mut buffered = io::BufWriter::new(&file);
    fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.sync_all()
}

/// Makes names in a folder durable: files made, renamed or removed.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes a folder, its parents included, readable by its owner alone.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what a crash left half-written.
pub fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
