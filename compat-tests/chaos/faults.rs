//! What happens to the hosts: faults by chance, one or some at once, each held for some seconds and then ended. Whatever
//! befalls a host ends the same way: it is mended, and its daemons are started if they are down.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Hosts;
use gam_dice::Dice;

/// The longest time that faults are held, in milliseconds: over the six seconds after which a node counts as down.
const HOLD_MS: u64 = 12_000;
/// The longest rest without a fault.
const REST_MS: u64 = 5_000;

/// One thing that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The host's cable is out.
    Cut,
    /// It and the next one do not reach each other.
    CutPair,
    /// Gam is killed with -9, and stays down.
    KillGam,
    /// Gam is killed with -9, and is started at once.
    BounceGam,
    /// Gam is stopped with SIGTERM.
    StopGam,
    /// dockerd is killed with -9.
    KillEngine,
    /// Both daemons are stopped with SIGSTOP.
    Pause,
    /// The power goes.
    Power,
    /// Every tenth packet of its line is lost.
    Lossy,
    /// Gam is killed with -9 on every manager at once.
    KillManagers,
}

/// Kinds by how often they happen.
const KINDS: [(Kind, u64); 10] = [
    (Kind::Cut, 20),
    (Kind::CutPair, 10),
    (Kind::KillGam, 15),
    (Kind::BounceGam, 15),
    (Kind::StopGam, 10),
    (Kind::KillEngine, 8),
    (Kind::Pause, 10),
    (Kind::Power, 4),
    (Kind::Lossy, 4),
    (Kind::KillManagers, 4),
];

/// A fault of a host.
#[derive(Debug, Clone, Copy)]
struct Fault {
    kind: Kind,
    host: usize,
    other: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::CutPair => write!(f, "{:?} {}-{}", self.kind, self.host, self.other),
            Kind::KillManagers => write!(f, "{:?}", self.kind),
            _ => write!(f, "{:?} {}", self.kind, self.host),
        }
    }
}

/// Makes faults until `end`, says what it does, and leaves everything mended; how many there were.
///
/// # Errors
/// When the lab fails.
pub fn strike(hosts: &Hosts, seed: u64, begun: Instant, end: Instant) -> Result<usize> {
    let (mut dice, mut count) = (Dice(seed), 0);
    let rest = |milliseconds: u64| {
        let rest = Duration::from_millis(milliseconds).min(end.saturating_duration_since(Instant::now()));
        std::thread::sleep(rest);
    };
    while Instant::now() < end {
        let mut faults = vec![choose(&mut dice, hosts)];
        while dice.chance(45) {
            let further = choose(&mut dice, hosts);
            if faults.iter().all(|fault| fault.host != further.host) {
                faults.push(further);
            }
        }
        let hold = 200 + dice.below(HOLD_MS);
        let listed: Vec<String> = faults.iter().map(Fault::to_string).collect();
        println!("{:6.1} s: {} for {:.1} s", begun.elapsed().as_secs_f64(), listed.join(", "), hold as f64 / 1e3);
        for fault in &faults {
            begin(hosts, *fault)?;
        }
        count += faults.len();
        rest(hold);
        for fault in &faults {
            finish(hosts, *fault)?;
        }
        rest(dice.below(REST_MS));
    }
    Ok(count)
}

fn choose(dice: &mut Dice, hosts: &Hosts) -> Fault {
    let all: u64 = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut at = dice.below(all);
    let kind = KINDS.iter().find(|(_, weight)| {
        let is_it = at < *weight;
        at = at.saturating_sub(*weight);
        is_it
    });
    let count = hosts.count() as u64;
    // Managers have more to lose.
    let among = if dice.chance(50) { hosts.managers().count() as u64 } else { count };
    let host = 1 + dice.below(among) as usize;
    let other = 1 + (host + dice.below(count - 1) as usize) % count as usize;
    Fault { kind: kind.map_or(Kind::Cut, |(kind, _)| *kind), host, other }
}

fn begin(hosts: &Hosts, fault: Fault) -> Result<()> {
    let host = fault.host.to_string();
    match fault.kind {
        Kind::Cut => hosts.script(&["cut", &host]),
        Kind::CutPair => hosts.script(&["cut", &format!("{}-{}", fault.host, fault.other)]),
        Kind::KillGam => hosts.script(&["gam-kill", &host]),
        Kind::BounceGam => {
            hosts.script(&["gam-kill", &host])?;
            hosts.start(fault.host)
        }
        Kind::StopGam => hosts.script(&["gam-stop", &host]),
        Kind::KillEngine => hosts.script(&["stop", &host]),
        Kind::Pause => hosts.script(&["pause", &host]),
        Kind::Power => hosts.script(&["off", &host]),
        Kind::Lossy => hosts.script(&["slow", &host, "0", "10"]),
        Kind::KillManagers => {
            let killed: Vec<Result<()>> = std::thread::scope(|scope| {
                let kill = |host: usize| hosts.script(&["gam-kill", &host.to_string()]);
                let kills: Vec<_> = hosts.managers().map(|host| scope.spawn(move || kill(host))).collect();
                kills.into_iter().map(|kill| kill.join().unwrap_or(Ok(()))).collect()
            });
            killed.into_iter().collect()
        }
    }
}

fn finish(hosts: &Hosts, fault: Fault) -> Result<()> {
    if fault.kind == Kind::KillManagers {
        hosts.managers().try_for_each(|host| hosts.mend(host))
    } else {
        ensure!(fault.host != fault.other, "a host has no line to itself");
        hosts.mend(fault.host)
    }
}
