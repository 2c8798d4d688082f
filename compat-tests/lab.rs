//! The lab as the runner sees it: calls the script `lab`, knows where it keeps its files, and holds a lock so that two
//! runs never share one. Decides nothing about cases. Called by `target` and `main`.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, bail, ensure};

use crate::tee::lock;

/// Names of the labs that this process holds the lock of, for the signal handler that must take them down.
static HELD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Read while an `up` runs, so that the end of the run waits for it; nothing may leave a half-made lab behind.
static COMING_UP: RwLock<()> = RwLock::new(());
/// From now on no lab comes up.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Takes down every lab of this process, for good. For a run that is interrupted.
pub fn end_all(script: &Path) {
    ENDING.store(true, Ordering::SeqCst);
    let _all_are_up = COMING_UP.write().unwrap_or_else(PoisonError::into_inner);
    for name in lock(&HELD).iter() {
        // What fails here has said so on stderr, and the process is about to end.
        _ = Command::new(script).arg("down").env("LAB_NAME", name).status();
    }
}

/// One running lab; it is taken down when this is dropped, unless it shall be kept.
#[derive(Debug)]
pub struct Lab {
    name: String,
    dir: PathBuf,
    script: PathBuf,
    hosts: usize,
    keep: bool,
    /// Held as long as the lab is in use; the lock ends with the process.
    _lock: File,
}

impl Lab {
    /// Brings up a fresh lab of this name; what an interrupted run left under the name is removed first.
    ///
    /// # Errors
    /// When another run uses the name, or the script fails (it says why on stderr).
    pub fn up(tests: &Path, name: &str, hosts: usize, keep: bool) -> Result<Lab> {
        let path = std::env::temp_dir().join(format!("gamlab-{name}.lock"));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another run uses the lab {name:?}; give this one another name with --lab")
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the lab"),
        }
        let dir = std::env::temp_dir().join(format!("gamlab-{name}"));
        let lab = Lab { name: name.to_owned(), dir, script: tests.join("lab"), hosts, keep, _lock: file };
        lock(&HELD).push(name.to_owned());
        lab.call(&["down"])?;
        lab.fresh()?;
        Ok(lab)
    }

    /// Runs the script with these arguments; its complaints go to stderr.
    ///
    /// # Errors
    /// When it fails.
    pub fn call(&self, words: &[&str]) -> Result<()> {
        let status = self.command(words).stdin(Stdio::null()).status().context("cannot run the lab script")?;
        if !status.success() {
            bail!("lab {} failed", words.join(" "));
        }
        Ok(())
    }

    /// What the script prints with these arguments.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        let output = self.command(words).stdin(Stdio::null()).output().context("cannot run the lab script")?;
        if !output.status.success() {
            bail!("lab {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Takes everything down and up again, after a case that left what could not be cleaned.
    ///
    /// # Errors
    /// When the script fails.
    pub fn again(&self) -> Result<()> {
        self.call(&["down"])?;
        self.fresh()
    }

    fn fresh(&self) -> Result<()> {
        let _coming_up = COMING_UP.read().unwrap_or_else(PoisonError::into_inner);
        ensure!(!ENDING.load(Ordering::SeqCst), "the run was interrupted");
        self.call(&["up", &self.hosts.to_string()])
    }

    /// A command of the script for this lab, for callers that add to its environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.script);
        command.args(words).env("LAB_NAME", &self.name).env("LAB_DIR", &self.dir);
        command
    }

    /// The lab's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The script.
    pub fn script(&self) -> &Path {
        &self.script
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many hosts it has.
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// A file of host `k`.
    pub fn file(&self, k: usize, name: &str) -> PathBuf {
        self.dir.join(format!("h{k}")).join(name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("The lab stays; end it with: LAB_NAME={} {} down", self.name, self.script.display());
        } else if let Err(error) = self.call(&["down"]) {
            eprintln!("{error:#}");
        }
    }
}
