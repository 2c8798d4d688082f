//! The stop-watch of `benches/cluster.sh`: it begins something, and says in milliseconds what that cost a client of the swarm.
//!
//! - `outage SOCKET SERVICE COMMAND…` writes to the swarm without a pause (each write a new label of a service, over the manager
//!   at `SOCKET`, tried again until it is acknowledged), runs the command, and prints the longest wait for an acknowledgement,
//!   counted from the beginning of the command at the earliest. It ends with the first write that began after the command.
//! - `ready SOCKET NODES MANAGERS COMMAND…` runs the command and prints how long after its beginning so many nodes were ready,
//!   and so many managers reachable.
//!
//! Only the standard library is used, so that the client costs little and the same for every swarm.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long one try of a request may take. A client in a hurry: what hangs is tried again.
const TRY: Duration = Duration::from_millis(500);
/// Between a refusal and the next try, and between two writes: well below what is to be resolved, and rest enough for two cores
/// that do all the work.
const PAUSE: Duration = Duration::from_millis(5);
/// Writes that must go well before the command is run.
const WARM: usize = 3;
/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request on a connection of its own; `None` unless it is answered with success.
fn request(socket: &str, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(TRY)).ok()?;
    stream.set_write_timeout(Some(TRY)).ok()?;
    let head = format!("{method} {path} HTTP/1.0\r\nHost: d\r\nContent-Type: application/json\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.to_owned();
    status.starts_with('2').then_some(answer)
}

/// A new label for a service, by a client that knows nothing yet.
fn write(socket: &str, service: &str, label: u64) -> Option<()> {
    let known = request(socket, "GET", &format!("/services/{service}"), "")?;
    let index = known.split("\"Version\":{\"Index\":").nth(1)?.split('}').next()?;
    let spec = format!(
        r#"{{"Name":"{service}","Labels":{{"label":"{label}"}},"TaskTemplate":{{"ContainerSpec":{{"Image":"busybox"}}}},"Mode":{{"Replicated":{{"Replicas":0}}}}}}"#
    );
    request(socket, "POST", &format!("/services/{service}/update?version={index}"), &spec).map(drop)
}

/// Runs a command to its end; its failure is this program's.
fn run(command: &[String]) {
    let status = Command::new(&command[0]).args(&command[1..]).stdout(std::process::Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("cannot run {}: {error}", command[0]));
    assert!(status.success(), "{command:?} failed: {status}");
}

fn outage(socket: &str, service: &str, command: &[String]) -> Duration {
    let over = AtomicBool::new(false);
    let (acknowledge, acknowledged) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for label in 0.. {
                let began = Instant::now();
                while write(socket, service, label).is_none() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    thread::sleep(PAUSE);
                }
                if over.load(Ordering::Relaxed) || acknowledge.send((began, Instant::now())).is_err() {
                    return;
                }
                thread::sleep(PAUSE);
            }
        });
        let next = || acknowledged.recv_timeout(PATIENCE);
        let measured = (|| {
            for _ in 0..WARM {
                next()?;
            }
            let fault = Instant::now();
            run(command);
            let (done, mut longest) = (Instant::now(), Duration::ZERO);
            loop {
                let (began, acknowledged) = next()?;
                longest = longest.max(acknowledged.saturating_duration_since(began.max(fault)));
                if began > done {
                    return Ok::<_, mpsc::RecvTimeoutError>(longest);
                }
            }
        })();
        over.store(true, Ordering::Relaxed);
        measured.expect("writes are acknowledged again")
    })
}

fn ready(socket: &str, nodes: usize, managers: usize, command: &[String]) -> Duration {
    let is_so = |answer: String| {
        let count = |text| answer.matches(text).count();
        count("\"State\":\"ready\"") == nodes && count("\"Reachability\":\"reachable\"") == managers
    };
    let began = Instant::now();
    thread::scope(|scope| {
        let command = scope.spawn(|| run(command));
        while !request(socket, "GET", "/nodes", "").is_some_and(is_so) {
            assert!(began.elapsed() < PATIENCE, "the nodes are not ready");
            thread::sleep(PAUSE);
        }
        let took = began.elapsed();
        command.join().expect("the command succeeds");
        took
    })
}

fn main() -> ExitCode {
    // `cargo bench` adds a flag of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let took = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["outage", socket, service, _, ..] => outage(socket, service, &words[3..]),
        ["ready", socket, nodes, managers, _, ..] => match (nodes.parse(), managers.parse()) {
            (Ok(nodes), Ok(managers)) => ready(socket, nodes, managers, &words[4..]),
            _ => return usage(),
        },
        _ => return usage(),
    };
    println!("{}", took.as_millis());
    ExitCode::SUCCESS
}

/// Alone it measures nothing.
fn usage() -> ExitCode {
    eprintln!("run benches/cluster.sh: this is only its stop-watch");
    ExitCode::SUCCESS
}
