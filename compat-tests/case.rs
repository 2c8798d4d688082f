//! A case: a short shell script with a header. Finds them, runs one on a site, and returns its redacted transcript
//! together with whatever else went wrong. Never compares; called by `main`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::normalize::{Facts, normalize};
use crate::sweep;
use crate::target::Site;
use crate::tee::lock;
use crate::transcript;

/// A whole case; several steps of the prelude's own limit fit in.
const CASE_LIMIT: Duration = Duration::from_secs(180);
/// Exit code by which the prelude says that it ended the case, with a remark in the record.
const STOPPED: i32 = 97;
/// Enough of a log to see what happened, not so much that it hides the diff.
const LOG_TAIL: usize = 15;

/// Sessions of the cases that run now, for the end of an interrupted run.
static SESSIONS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Kills every case that runs.
pub fn end_all() {
    for session in lock(&SESSIONS).iter() {
        // Without /proc there is nothing to find them by, and the process is about to end.
        _ = kill_session(*session);
    }
}

/// A case file.
#[derive(Debug, Clone)]
pub struct Case {
    /// `area/name`.
    pub name: String,
    /// One line on what it shows.
    pub about: String,
    /// How many hosts it needs.
    pub hosts: usize,
    script: PathBuf,
    /// Where its golden is.
    pub golden: PathBuf,
}

/// What running a case gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The redacted transcript.
    pub transcript: String,
    /// Why the run is no good whatever the transcript says: the script broke, something was left over, a panic.
    pub problems: Vec<String>,
    /// What the script itself printed to stderr, its end.
    pub log: String,
}

/// All cases below `tests`/cases, by name.
///
/// # Errors
/// When a folder cannot be read or a header is missing or wrong.
pub fn all(tests: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for area in fs::read_dir(tests.join("cases")).context("no folder with cases")? {
        let area = area?.path();
        if !area.is_dir() {
            continue;
        }
        for file in fs::read_dir(&area)? {
            let file = file?.path();
            if file.extension().is_some_and(|ext| ext == "sh") {
                cases.push(read(tests, &area, &file)?);
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn read(tests: &Path, area: &Path, file: &Path) -> Result<Case> {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (area, short) = (stem(area), stem(file));
    let name = format!("{area}/{short}");
    let text = fs::read_to_string(file)?;
    let header = |key: &str| text.lines().find_map(|line| line.strip_prefix(&format!("# {key}:"))).map(str::trim);
    let about = header("about")
        .filter(|about| !about.is_empty())
        .with_context(|| format!("{name} has no line `# about: ...`"))?;
    let hosts: usize =
        header("hosts").and_then(|n| n.parse().ok()).with_context(|| format!("{name} has no line `# hosts: N`"))?;
    ensure!((1..=9).contains(&hosts), "{name} asks for {hosts} hosts; a lab has 1 to 9");
    let golden = tests.join("golden").join(area).join(short + ".txt");
    Ok(Case { about: about.to_owned(), hosts, script: file.to_owned(), golden, name })
}

impl Case {
    /// Runs the case on a clean site and cleans up behind it.
    ///
    /// # Errors
    /// When the machinery fails; a case that fails is an `Ok` with problems.
    pub fn run(&self, site: &mut Site, tests: &Path) -> Result<Outcome> {
        let dir = site.lab.dir().to_owned();
        let (record, log) = (dir.join("record"), dir.join("case.log"));
        prepare(site)?;
        let mut outcome = Outcome::default();

        let status = self.script(site, tests, &record, &log)?;
        match status.map(|s| (s.code(), s.signal())) {
            Some((Some(0), _)) => {}
            Some((Some(STOPPED), _)) => {
                outcome.problems.push("the case ended early (see the last remark of the transcript)".into())
            }
            Some((code, signal)) => {
                outcome.problems.push(format!("the script itself broke (exit code {code:?}, signal {signal:?})"))
            }
            None => outcome.problems.push(format!("the case did not end within {} s", CASE_LIMIT.as_secs())),
        }
        outcome.problems.extend(panics(site)?);

        let kinds = lock(&site.kinds).clone();
        let text = transcript::render(&String::from_utf8_lossy(&fs::read(&record)?));
        outcome.transcript = normalize(&text, &Facts { kinds, prefixes: prefixes(&dir), ..site.facts.clone() });
        outcome.log = tail(&String::from_utf8_lossy(&fs::read(&log)?));
        match sweep::sweep(site, self.hosts) {
            Ok(leftovers) if leftovers.is_empty() => {}
            // The next case must not see what this one left.
            Ok(leftovers) => {
                outcome.problems.extend(leftovers);
                site.rebuild()?;
            }
            Err(error) => {
                outcome.problems.push(format!("cleaning up failed: {error:#}"));
                site.rebuild()?;
            }
        }
        Ok(outcome)
    }

    /// Runs prelude and case in one shell; `None` when the limit passed and everything it started was killed.
    fn script(&self, site: &Site, tests: &Path, record: &Path, log: &Path) -> Result<Option<ExitStatus>> {
        let out = fs::File::create(log)?;
        let dir = site.lab.dir();
        let mut command = Command::new("setsid");
        command
            .args(["bash", "-c", r#"source "$0" && source "$1"; exit 0"#])
            .args([&tests.join("prelude.sh"), &self.script])
            .current_dir(dir.join("case"))
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", dir.join("cli"))
            .env("DOCKER_CONFIG", dir.join("cli"))
            .env("DOCKER_CLI_HINTS", "false")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("TERM", "dumb")
            .env("LAB", site.lab.script())
            .env("LAB_NAME", site.lab.name())
            .env("LAB_DIR", dir)
            .env("TARGET", site.target.name())
            .env("RECORD", record)
            .env("COMPAT_BIN", std::env::current_exe()?)
            .envs(site.facts.addresses.iter().enumerate().map(|(i, address)| (format!("H{}", i + 1), address)))
            .stdin(Stdio::null())
            .stderr(out)
            .stdout(Stdio::null());
        if let crate::target::Target::Gam(binary) = &site.target {
            command.env("GAM_BIN", binary);
        }
        let mut child = command.spawn().context("cannot run setsid bash")?;
        let session = child.id();
        lock(&SESSIONS).push(session);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait()));
        let status = receiver.recv_timeout(CASE_LIMIT);
        if status.is_err() {
            kill_session(session)?;
        }
        lock(&SESSIONS).retain(|running| *running != session);
        status.ok().transpose().context("cannot wait for the case")
    }
}

/// An empty folder for the case, an empty record, nothing learned yet.
fn prepare(site: &Site) -> Result<()> {
    let dir = site.lab.dir();
    for name in ["case", "cli"] {
        let path = dir.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
    }
    for name in ["record", "prefixes"] {
        fs::write(dir.join(name), "")?;
    }
    for k in 1..=site.lab.hosts() {
        for name in ["api.log", "wire.log", "engine.log", "gam.log"] {
            let path = site.lab.file(k, name);
            if path.exists() {
                fs::OpenOptions::new().write(true).open(path)?.set_len(0)?;
            }
        }
    }
    *lock(&site.kinds) = crate::kinds::Kinds::default();
    Ok(())
}

/// A panic of Gam is a failure even if no client noticed.
fn panics(site: &Site) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for k in 1..=site.lab.hosts() {
        let path = site.lab.file(k, "gam.log");
        if path.exists() {
            let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
            found.extend(
                text.lines().filter(|line| line.contains("panicked at")).map(|line| format!("host {k}: {line}")),
            );
        }
    }
    Ok(found)
}

fn prefixes(dir: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(dir.join("prefixes")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, prefix)| (id.to_owned(), prefix.to_owned()))
        .collect()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
}

/// Kills every process of the session that the case's shell leads, by its number.
fn kill_session(session: u32) -> Result<()> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in parentheses, may hold anything; the fields after it are state, parent, group, session.
        let leader = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
        if leader == Some(&session.to_string()) {
            Command::new("kill").arg("-9").arg(entry.file_name()).status()?;
        }
    }
    Ok(())
}
