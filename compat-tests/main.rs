//! The differential test runner: plays shell cases against dockerd's own swarm mode (the reference) or against Gam,
//! and compares transcripts with goldens that were recorded on the reference only. README.md beside this file says
//! how to run, write and read. This file: the command line, which cases run where, and the verdicts.

mod accepted;
mod case;
mod chaos;
mod http1;
mod kinds;
mod lab;
mod normalize;
mod seek;
mod sweep;
mod target;
mod tee;
mod transcript;
mod wire;

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};

use accepted::{Accepted, unified};
use case::{Case, Outcome};
use target::{Site, Target};
use tee::lock;

/// Differential tests of Docker swarm mode.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run cases and compare their transcripts with the goldens.
    Run {
        #[command(flatten)]
        options: Options,
        /// Who plays swarm mode.
        #[arg(long, value_enum, default_value = "gam")]
        target: TargetName,
        /// The gam binary.
        #[arg(long, env = "GAM_BIN", default_value = "target/debug/gam")]
        gam_bin: PathBuf,
    },
    /// Run cases twice on the reference and, if both transcripts are equal, write the goldens.
    Record {
        #[command(flatten)]
        options: Options,
    },
    /// Cut, kill and restart hosts by chance while clients write, and judge the history and what runs at the end.
    Chaos(chaos::Options),
    /// Record every frame of this network namespace, until killed.
    Capture {
        /// The file (pcap).
        file: PathBuf,
    },
    /// Judge recorded frames: everything on a port is TLS.
    Tls(wire::Options),
    /// Look for a value in the memory of a process and in files, where it must not be.
    Seek(seek::Options),
    /// Print the cases.
    List {
        /// Only cases whose area/name contains one of these.
        filter: Vec<String>,
    },
    /// Send the bytes on stdin to a socket and nothing after them; print status, type and body of what comes back (for cases).
    Send {
        /// The unix socket.
        socket: PathBuf,
    },
    /// Print one field of the JSON on stdin, by a dotted path (for cases).
    Pick {
        /// E.g. Version.Index or 0.ID.
        path: String,
    },
}

#[derive(Args)]
struct Options {
    /// Only cases whose area/name contains one of these.
    filter: Vec<String>,
    /// Skip cases that need more hosts than this.
    #[arg(long, default_value_t = 3)]
    hosts: usize,
    /// Labs to run side by side.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Name of the lab (a number is appended for each job).
    #[arg(long, default_value = "compat")]
    lab: String,
    /// Leave the labs up at the end.
    #[arg(long)]
    keep: bool,
    /// Also print the HTTP exchanges of cases that fail.
    #[arg(long)]
    trace: bool,
    /// The folder with lab, prelude.sh, cases and golden.
    #[arg(long, env = "GAM_COMPAT_TESTS", default_value = "compat-tests")]
    tests: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum TargetName {
    Reference,
    Gam,
}

enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Verb::Run { options, target: TargetName::Reference, .. } => work(&options, &Target::Reference, false),
        Verb::Run { options, gam_bin, .. } => gam_bin
            .canonicalize()
            .with_context(|| format!("there is no gam binary at {} (build it, or give --gam-bin)", gam_bin.display()))
            .and_then(|binary| work(&options, &Target::Gam(binary), false)),
        Verb::Record { options } => work(&options, &Target::Reference, true),
        Verb::Chaos(options) => chaos::run(&options),
        Verb::Capture { file } => wire::record(&file),
        Verb::Tls(options) => wire::judge(&options),
        Verb::Seek(options) => seek::run(&options),
        Verb::List { filter } => list(&filter),
        Verb::Send { socket } => send(&socket),
        Verb::Pick { path } => pick(&path),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("gam-compat: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn tests_dir() -> PathBuf {
    std::env::var_os("GAM_COMPAT_TESTS").map_or_else(|| PathBuf::from("compat-tests"), PathBuf::from)
}

fn chosen(cases: &[Case], filter: &[String]) -> Vec<Case> {
    cases.iter().filter(|case| filter.is_empty() || filter.iter().any(|f| case.name.contains(f))).cloned().collect()
}

fn list(filter: &[String]) -> Result<bool> {
    for case in chosen(&case::all(&tests_dir())?, filter) {
        let golden = if case.golden.exists() { " " } else { "?" };
        println!("{golden} {:<40} {} {}", case.name, case.hosts, case.about);
    }
    Ok(true)
}

fn send(socket: &Path) -> Result<bool> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let answer = http1::send(socket, &bytes).context("nothing came back")?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let shown =
        head.lines().enumerate().filter(|(n, line)| *n == 0 || line.to_lowercase().starts_with("content-type:"));
    shown.for_each(|(_, line)| println!("{line}"));
    println!("{}", body.trim_end());
    Ok(true)
}

fn pick(path: &str) -> Result<bool> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let value: serde_json::Value = serde_json::from_str(&text).context("stdin is not JSON")?;
    println!("{}", transcript::pick(&value, path).with_context(|| format!("there is no {path}"))?);
    Ok(true)
}

/// Runs the chosen cases over the labs and prints verdicts and the summary; whether all is well.
fn work(options: &Options, target: &Target, record: bool) -> Result<bool> {
    let tests =
        options.tests.canonicalize().with_context(|| format!("there is no folder {}", options.tests.display()))?;
    let all = case::all(&tests)?;
    let cases = chosen(&all, &options.filter);
    if cases.is_empty() {
        bail!("no case matches {:?}", options.filter);
    }
    let accepted = match target {
        Target::Gam(_) => Accepted::read(&tests.join("accepted.toml"))?,
        Target::Reference => Accepted::default(),
    };
    let begun = Instant::now();
    let (fits, too_big): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|case| case.hosts <= options.hosts);
    let run = Run { options, target, record, tests, accepted: Mutex::new(accepted), tally: Mutex::default() };
    for case in &too_big {
        run.report(case, Verdict::Skipped(format!("needs {} hosts", case.hosts)), Duration::ZERO);
    }
    run.all(fits)?;

    let names: Vec<String> = all.iter().map(|case| case.name.clone()).collect();
    let stale = lock(&run.accepted).stale(&names);
    stale.iter().for_each(|line| println!("FAIL {line}"));
    let tally = lock(&run.tally);
    let failed = tally.failed.len() + stale.len();
    if !tally.failed.is_empty() {
        println!("\nfailed: {}", tally.failed.join(" "));
    }
    println!("{:.1} s on the {}", begun.elapsed().as_secs_f64(), target.name());
    println!("{} passed, {failed} failed, {} skipped", tally.passed, tally.skipped);
    Ok(failed == 0)
}

#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: usize,
    failed: Vec<String>,
}

struct Run<'a> {
    options: &'a Options,
    target: &'a Target,
    record: bool,
    tests: PathBuf,
    accepted: Mutex<Accepted>,
    tally: Mutex<Tally>,
}

impl Run<'_> {
    /// One thread and one lab per job; each takes the next case as it becomes free. Cases with the most hosts go
    /// first, and one job alone has a lab large enough for all of them: every host is a dockerd that costs memory.
    fn all(&self, mut cases: Vec<Case>) -> Result<()> {
        let largest = cases.iter().map(|case| case.hosts).max().unwrap_or(1);
        cases.sort_by_key(|case| std::cmp::Reverse(case.hosts));
        let jobs = self.options.jobs.clamp(1, cases.len().max(1));
        let queue = Mutex::new(VecDeque::from(cases));
        let labs: Vec<(String, usize)> = (1..=jobs)
            .map(|j| (format!("{}{j}", self.options.lab), if j == 1 { largest } else { largest.min(2) }))
            .collect();
        take_down_on_signal(&self.tests, self.options.keep);
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                labs.iter().map(|(name, hosts)| scope.spawn(|| self.worker(name, *hosts, &queue))).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(done) => done,
                Err(_) => bail!("a worker panicked"),
            })
        })
    }

    fn worker(&self, name: &str, hosts: usize, queue: &Mutex<VecDeque<Case>>) -> Result<()> {
        let mut site = Site::up(&self.tests, name, hosts, self.options.keep, self.target)?;
        let next = || {
            let mut queue = lock(queue);
            let at = queue.iter().position(|case| case.hosts <= hosts)?;
            queue.remove(at)
        };
        while let Some(case) = next() {
            let begun = Instant::now();
            let outcome = case.run(&mut site, &self.tests).with_context(|| format!("while running {}", case.name))?;
            let verdict = if self.record {
                self.qualify(&case, outcome, &mut site)?
            } else {
                self.judge(&case, &outcome, &site)?
            };
            self.report(&case, verdict, begun.elapsed());
        }
        Ok(())
    }

    fn judge(&self, case: &Case, outcome: &Outcome, site: &Site) -> Result<Verdict> {
        if !case.golden.exists() {
            return Ok(Verdict::Failed("it has no golden; record it on the reference first\n".into()));
        }
        let golden = std::fs::read_to_string(&case.golden)?;
        // The header says where the golden comes from; the transcript begins after the first empty line.
        let golden = golden.split_once("\n\n").map_or("", |(_, rest)| rest);
        let diff = lock(&self.accepted).judge(&case.name, golden, &outcome.transcript);
        if diff.is_none() && outcome.problems.is_empty() {
            return Ok(Verdict::Passed);
        }
        let mut text = diff.unwrap_or_default();
        text.push_str(&self.particulars(outcome, site));
        Ok(Verdict::Failed(text))
    }

    /// Runs the case a second time and writes the golden if nothing differs.
    fn qualify(&self, case: &Case, first: Outcome, site: &mut Site) -> Result<Verdict> {
        let second = if first.problems.is_empty() { case.run(site, &self.tests)? } else { Outcome::default() };
        if !first.problems.is_empty() || !second.problems.is_empty() {
            let bad = if first.problems.is_empty() { &second } else { &first };
            return Ok(Verdict::Failed(format!("{}{}", bad.transcript, self.particulars(bad, site))));
        }
        if first.transcript != second.transcript {
            let diff = unified(&first.transcript, &second.transcript, "first run", "second run");
            return Ok(Verdict::Failed(format!("two runs differ; redact with a reason, or rewrite the case\n{diff}")));
        }
        let cli = Command::new("/usr/bin/docker").arg("--version").output().context("cannot run docker")?;
        let cli = String::from_utf8_lossy(&cli.stdout).split([' ', ',']).nth(2).unwrap_or("?").to_owned();
        let header = format!(
            "# {}: recorded from dockerd {} (API {}) with docker CLI {cli}\n\n",
            case.name, site.facts.engine, site.facts.api
        );
        if let Some(folder) = case.golden.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&case.golden, header + &first.transcript)?;
        Ok(Verdict::Passed)
    }

    fn particulars(&self, outcome: &Outcome, site: &Site) -> String {
        let mut text: String = outcome.problems.iter().map(|problem| format!("* {problem}\n")).collect();
        for line in outcome.log.lines() {
            text.push_str(&format!("  script: {line}\n"));
        }
        if self.options.trace {
            for k in 1..=site.lab.hosts() {
                for name in ["api.log", "wire.log", "engine.log", "gam.log"] {
                    let log = std::fs::read(site.lab.file(k, name)).unwrap_or_default();
                    String::from_utf8_lossy(&log)
                        .lines()
                        .for_each(|line| text.push_str(&format!("  h{k} {name}: {line}\n")));
                }
            }
        }
        text
    }

    fn report(&self, case: &Case, verdict: Verdict, took: Duration) {
        let mut tally = lock(&self.tally);
        let took = took.as_secs_f64();
        match verdict {
            Verdict::Passed => {
                println!("ok   {} ({took:.1} s)", case.name);
                tally.passed += 1;
            }
            Verdict::Skipped(why) => {
                println!("skip {} ({why})", case.name);
                tally.skipped += 1;
            }
            Verdict::Failed(why) => {
                println!("FAIL {} ({took:.1} s)  {}\n{why}", case.name, case.about);
                tally.failed.push(case.name.clone());
            }
        }
    }
}

/// An interrupted run takes its labs down too; dockerds must not outlive it.
pub(crate) fn take_down_on_signal(tests: &std::path::Path, keep: bool) {
    let script = tests.join("lab");
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
                return;
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
        });
        eprintln!("interrupted{}", if keep { "" } else { "; taking the labs down" });
        case::end_all();
        if !keep {
            lab::end_all(&script);
        }
        std::process::exit(130);
    });
}
