//! Chaos: three managers and two workers whose cables are cut and whose daemons are killed, paused and restarted by chance,
//! while two clients make and change services. At the end everything is mended, and then the history of what was
//! acknowledged must be linearizable and complete, and every replica must run exactly once.
//!
//! The seed decides what is done; what comes of it also depends on the machine.

mod client;
mod faults;
mod history;
mod linear;
mod settled;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::http1;
use crate::lab::Lab;
use client::{Client, Common};
use history::{History, Operation, Outcome, steps};
use linear::Fault;

/// Hosts with managers; the others are workers.
const MANAGERS: usize = 3;
const HOSTS: usize = 5;
/// Clients at once.
const CLIENTS: usize = 2;
/// How long a join may take.
const JOIN_LIMIT: Duration = Duration::from_secs(40);

/// How the run is to be.
#[derive(Args)]
pub struct Options {
    /// How long faults are made.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// What decides them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name of the lab.
    #[arg(long, default_value = "chaos")]
    lab: String,
    /// Where the history and, of a run that fails, the logs of the hosts are left.
    #[arg(long, default_value = "target/chaos")]
    out: PathBuf,
    /// Leave the lab up at the end.
    #[arg(long)]
    keep: bool,
    /// The gam binary.
    #[arg(long, env = "GAM_BIN", default_value = "target/debug/gam")]
    gam_bin: PathBuf,
    /// The folder with the script lab.
    #[arg(long, env = "GAM_COMPAT_TESTS", default_value = "compat-tests")]
    tests: PathBuf,
}

/// The hosts of the lab, with Gam on each.
pub struct Hosts {
    lab: Lab,
    gam_bin: PathBuf,
}

/// Brings hosts up, does all of it, and says what came of it; whether all is well.
///
/// # Errors
/// When the lab fails, or something is not as it should be.
pub fn run(options: &Options) -> Result<bool> {
    let gam_bin = options.gam_bin.canonicalize().with_context(|| {
        format!("there is no gam binary at {} (build it, or give --gam-bin)", options.gam_bin.display())
    })?;
    let tests =
        options.tests.canonicalize().with_context(|| format!("there is no folder {}", options.tests.display()))?;
    crate::take_down_on_signal(&tests, options.keep);
    let hosts = Hosts { lab: Lab::up(&tests, &options.lab, HOSTS, options.keep)?, gam_bin };
    let founded = hosts.found();
    let history = History::new();
    let outcome = founded.and_then(|()| storm(&hosts, &history, options));
    fs::create_dir_all(&options.out)?;
    let kept = options.out.join(format!("seed-{}.history", options.seed));
    history.write(&mut BufWriter::new(File::create(&kept)?))?;
    if let Err(error) = outcome {
        for host in 1..=HOSTS {
            for name in ["gam.log", "dockerd.log"] {
                let kept = options.out.join(format!("seed-{}-host{host}-{name}", options.seed));
                // A log that is not there is the least of it.
                _ = fs::copy(hosts.lab.file(host, name), kept);
            }
        }
        let kept = kept.display();
        return Err(error.context(format!("seed {}: it failed; history and logs are at {kept}", options.seed)));
    }
    Ok(true)
}

/// The faults and the clients, side by side, and then the judgement.
fn storm(hosts: &Hosts, history: &History, options: &Options) -> Result<()> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(options.minutes * 60.0);
    let managers: BTreeMap<usize, PathBuf> =
        hosts.managers().map(|host| (host, hosts.lab.file(host, "gam.sock"))).collect();
    let common = Common { history, fresh: AtomicU64::new(1), managers };
    let faults = std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let common = &common;
            scope.spawn(move || Client::new(common, number, options.seed).work(begun, end));
        }
        faults::strike(hosts, options.seed, begun, end)
    })?;
    for host in 1..=HOSTS {
        hosts.mend(host)?;
    }
    let met = settled::members(hosts)?;
    let names: Vec<String> = history.by_name().into_keys().collect();
    let mut reader = Client::new(&common, CLIENTS, options.seed);
    for host in hosts.managers() {
        for name in &names {
            ensure!(reader.look(host, name), "host {host} does not say whether there is a service {name}");
        }
    }
    judge(history)?;
    let ran = settled::replicas(hosts)?;
    println!(
        "seed {}: {faults} faults; {}; all nodes met after {:.1} s and all replicas ran once {:.1} s later",
        options.seed,
        tally(history),
        met.as_secs_f64(),
        ran.as_secs_f64()
    );
    Ok(())
}

/// Every service's history must be one of a register. Acknowledged services that are gone fail here too, for each was read
/// at the end.
fn judge(history: &History) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, operations) in history.by_name() {
        let (places, steps) = steps(&operations);
        match linear::check(&steps) {
            Ok(()) => {}
            Err(Fault::TooHard) => wrong.push(format!("{name}: there are too many orders to try\n")),
            Err(Fault::Stuck { register, next }) => {
                let next: Vec<usize> = next.into_iter().map(|at| places[at]).collect();
                wrong.push(format!("{name}: it holds {register:?}, and none of the calls with > can come next:\n"));
                wrong.extend(operations.iter().enumerate().map(|(at, operation)| line(operation, next.contains(&at))));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("the history is not linearizable\n{}", wrong.concat()) }
}

fn line(operation: &Operation, is_next: bool) -> String {
    let Operation { client, host, call, outcome, begun, ended, .. } = operation;
    let seconds = |at: &u64| *at as f64 / 1e9;
    let mark = if is_next { '>' } else { ' ' };
    format!("{mark} {:9.3}-{:9.3} client {client} host {host}: {call:?} {outcome:?}\n", seconds(begun), seconds(ended))
}

/// How many calls had which outcome.
fn tally(history: &History) -> String {
    let all: Vec<Operation> = history.by_name().into_values().flatten().collect();
    let count = |is_so: fn(&Outcome) -> bool| all.iter().filter(|operation| is_so(&operation.outcome)).count();
    format!(
        "{} calls on {} services, of them {} reads, {} acknowledged writes, {} refused, {} unknown",
        all.len(),
        history.by_name().len(),
        count(|outcome| matches!(outcome, Outcome::Saw(_))),
        count(|outcome| matches!(outcome, Outcome::Done)),
        count(|outcome| matches!(outcome, Outcome::Refused | Outcome::Exists | Outcome::Absent)),
        count(|outcome| matches!(outcome, Outcome::Unknown(_))),
    )
}

impl Hosts {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.lab.hosts()
    }

    /// Those with managers.
    pub fn managers(&self) -> impl Iterator<Item = usize> + use<> {
        1..=MANAGERS
    }

    /// The lab's script, told which Gam it starts.
    pub fn script(&self, words: &[&str]) -> Result<()> {
        let status = self.lab.command(words).env("GAM_BIN", &self.gam_bin).stdin(Stdio::null()).status();
        ensure!(status.context("cannot run the lab script")?.success(), "lab {} failed", words.join(" "));
        Ok(())
    }

    /// Starts what is down of a host's daemons.
    pub fn start(&self, host: usize) -> Result<()> {
        let host = host.to_string();
        self.script(&["start", &host])?;
        self.script(&["gam-start", &host])
    }

    /// Ends every fault of a host.
    pub fn mend(&self, host: usize) -> Result<()> {
        self.script(&["mend", &host.to_string()])?;
        self.start(host)
    }

    /// A list from the manager of a host.
    pub fn ask(&self, host: usize, path: &str) -> Result<Value> {
        self.get(host, "gam.sock", path)
    }

    /// The same from its dockerd.
    pub fn ask_engine(&self, host: usize, path: &str) -> Result<Value> {
        self.get(host, "docker.sock", path)
    }

    fn get(&self, host: usize, socket: &str, path: &str) -> Result<Value> {
        let exchange = http1::request(&self.lab.file(host, socket), "GET", path)
            .with_context(|| format!("host {host}: GET {path}"))?;
        let text = String::from_utf8_lossy(&exchange.body);
        ensure!(exchange.status == 200, "host {host}: GET {path}: {} {text}", exchange.status);
        serde_json::from_str(&text).with_context(|| format!("host {host}: GET {path}: no JSON"))
    }

    fn post(&self, host: usize, path: &str, body: &Value) -> Result<()> {
        let stream = std::os::unix::net::UnixStream::connect(self.lab.file(host, "gam.sock"))?;
        let exchange = http1::exchange(stream, "POST", path, body.to_string().as_bytes(), JOIN_LIMIT)?;
        let text = || String::from_utf8_lossy(&exchange.body).into_owned();
        ensure!(exchange.status == 200, "host {host}: POST {path}: {} {}", exchange.status, text());
        Ok(())
    }

    /// Starts Gam everywhere and makes one swarm of all.
    fn found(&self) -> Result<()> {
        for host in 1..=self.count() {
            self.start(host)?;
        }
        let addr = |host: usize| self.lab.ask(&["addr", &host.to_string()]);
        let first = addr(1)?;
        self.post(1, "/swarm/init", &json!({ "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": first }))?;
        let swarm = self.ask(1, "/swarm")?;
        for host in 2..=self.count() {
            let role = if host <= MANAGERS { "Manager" } else { "Worker" };
            let token = swarm["JoinTokens"][role].as_str().ok_or_else(|| anyhow!("there is no join token"))?;
            let remote = format!("{first}:2377");
            let join = json!({ "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": addr(host)?, "RemoteAddrs": [remote],
                               "JoinToken": token });
            self.post(host, "/swarm/join", &join)?;
        }
        settled::members(self).map(|_| ())
    }
}
