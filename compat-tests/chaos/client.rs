//! One client: makes, changes, removes and reads services through managers at random, as long as it is told to, and notes
//! every call. Names change from time to time; of the old ones one is kept for good and the others are removed.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::history::{Call, History, Operation, Outcome};
use super::linear::Value;
use crate::http1;
use gam_dice::Dice;

/// A call may take so long: most often less than Gam gives itself (20 s), so that there are outcomes that nobody knows.
const LIMITS: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(3), Duration::from_secs(25)];
/// The longest rest between two calls, in milliseconds.
const REST_MS: u64 = 400;
/// How long names are in use before new ones come.
const GENERATION: Duration = Duration::from_secs(45);
/// Names at once.
const NAMES: u64 = 5;
/// Replicas of a service, at most.
const REPLICAS: u64 = 3;
/// How an update at an old version is refused.
const OUT_OF_SEQUENCE: &str = "rpc error: code = Unknown desc = update out of sequence";
/// The label that holds a service's value.
const LABEL: &str = "value";

/// What all clients share.
pub struct Common<'a> {
    /// What they did.
    pub history: &'a History,
    /// The next value that nobody has written.
    pub fresh: AtomicU64,
    /// Gam's sockets by host.
    pub managers: BTreeMap<usize, PathBuf>,
}

/// A service as a client read it.
#[derive(Clone)]
struct Seen {
    id: String,
    version: u64,
    value: Value,
    spec: Json,
}

/// One client.
pub struct Client<'a> {
    common: &'a Common<'a>,
    number: usize,
    dice: Dice,
    known: BTreeMap<String, Seen>,
    obsolete: Vec<String>,
    generation: u64,
}

/// An answer: its status and JSON.
type Answer = (u16, Json);

/// What became of a request.
enum Heard {
    Answer(Answer),
    /// Nobody listened, so nobody heard it.
    Unsent,
    /// It may have been heard.
    Lost(String),
}

impl<'a> Client<'a> {
    /// Client `number` with chance of its own.
    pub fn new(common: &'a Common<'a>, number: usize, seed: u64) -> Client<'a> {
        let dice = Dice(seed.wrapping_mul(31).wrapping_add(number as u64));
        Client { common, number, dice, known: BTreeMap::new(), obsolete: Vec::new(), generation: 0 }
    }

    /// Works until `end`.
    pub fn work(&mut self, begun: Instant, end: Instant) {
        while Instant::now() < end {
            self.turn_over(begun.elapsed().as_secs() / GENERATION.as_secs());
            self.act();
            std::thread::sleep(Duration::from_millis(self.dice.below(REST_MS)));
        }
    }

    /// Reads a service through one manager; for the end, when every manager must answer. Says whether it did.
    pub fn look(&mut self, host: usize, name: &str) -> bool {
        self.read(host, name, LIMITS[2]).is_some()
    }

    fn turn_over(&mut self, generation: u64) {
        if generation == self.generation {
            return;
        }
        let old = self.generation;
        // Each client removes every other name.
        let mine = |k: &u64| k % 2 == self.number as u64 % 2;
        self.obsolete.extend((1..NAMES).filter(mine).map(|k| name(old, k)));
        self.generation = generation;
        self.known.clear();
    }

    fn act(&mut self) {
        let hosts: Vec<usize> = self.common.managers.keys().copied().collect();
        let (host, limit) = (*self.dice.pick(&hosts), *self.dice.pick(&LIMITS));
        if !self.obsolete.is_empty() && self.dice.chance(30) {
            let name = self.obsolete[0].clone();
            if self.remove(host, &name, limit) {
                self.obsolete.remove(0);
            }
            return;
        }
        let name = name(self.generation, self.dice.below(NAMES));
        // Sometimes from memory, which may be out of date.
        let seen = match self.known.get(&name).cloned() {
            Some(seen) if self.dice.chance(30) => Some(Some(seen)),
            _ => self.read(host, &name, limit),
        };
        let host = *self.dice.pick(&hosts);
        match seen {
            Some(None) if self.dice.chance(90) => self.create(host, &name, limit),
            Some(Some(_)) if self.dice.chance(5) => _ = self.remove(host, &name, limit),
            Some(Some(seen)) if self.dice.chance(80) => self.update(host, &name, seen, limit),
            _ => {}
        }
    }

    /// What is there; `None` if nobody told.
    fn read(&mut self, host: usize, name: &str, limit: Duration) -> Option<Option<Seen>> {
        let begun = self.common.history.now();
        let heard = self.ask(host, "GET", &format!("/services/{name}"), &Json::Null, limit);
        let seen = match heard {
            Heard::Answer((200, service)) => Some(seen(service)),
            Heard::Answer((404, _)) => None,
            _ => return None,
        };
        self.note(host, name, Call::Read, Outcome::Saw(seen.as_ref().map(|seen| seen.value)), begun);
        match &seen {
            Some(seen) => _ = self.known.insert(name.to_owned(), seen.clone()),
            None => _ = self.known.remove(name),
        }
        Some(seen)
    }

    fn create(&mut self, host: usize, name: &str, limit: Duration) {
        let value = self.fresh();
        let body = json!({
            "Name": name,
            "Labels": { LABEL: value.to_string() },
            "TaskTemplate": { "ContainerSpec": { "Image": "busybox:1", "Command": ["sleep", "1000000"], "StopSignal": "KILL" } },
            "Mode": { "Replicated": { "Replicas": self.dice.below(REPLICAS + 1) } },
            "UpdateConfig": { "Parallelism": 0, "FailureAction": "continue" },
        });
        let begun = self.common.history.now();
        let outcome = match self.ask(host, "POST", "/services/create", &body, limit) {
            Heard::Unsent => return,
            Heard::Answer((201, _)) => Outcome::Done,
            Heard::Answer((409, _)) => Outcome::Exists,
            heard => Outcome::Unknown(heard.why()),
        };
        self.note(host, name, Call::Create(value), outcome, begun);
    }

    fn update(&mut self, host: usize, name: &str, seen: Seen, limit: Duration) {
        let (value, mut spec) = (self.fresh(), seen.spec);
        spec["Labels"][LABEL] = value.to_string().into();
        // Most updates touch no task, so that containers are not all there is to do.
        match self.dice.below(10) {
            0 => spec["TaskTemplate"]["ContainerSpec"]["Env"] = json!([format!("VALUE={value}")]),
            1 | 2 => spec["Mode"]["Replicated"]["Replicas"] = self.dice.below(REPLICAS + 1).into(),
            _ => {}
        }
        let begun = self.common.history.now();
        let path = format!("/services/{}/update?version={}", seen.id, seen.version);
        let outcome = match self.ask(host, "POST", &path, &spec, limit) {
            Heard::Unsent => return,
            Heard::Answer((200, _)) => Outcome::Done,
            Heard::Answer((404, _)) => Outcome::Refused,
            // In so many words, and not within another sentence: that would say that an earlier try may have worked.
            Heard::Answer((_, answer)) if message(&answer) == OUT_OF_SEQUENCE => Outcome::Refused,
            heard => Outcome::Unknown(heard.why()),
        };
        self.note(host, name, Call::Update { read: seen.value, value }, outcome, begun);
    }

    /// Says whether it is known to be gone.
    fn remove(&mut self, host: usize, name: &str, limit: Duration) -> bool {
        let begun = self.common.history.now();
        let outcome = match self.ask(host, "DELETE", &format!("/services/{name}"), &Json::Null, limit) {
            Heard::Unsent => return false,
            Heard::Answer((200, _)) => Outcome::Done,
            Heard::Answer((404, _)) => Outcome::Absent,
            heard => Outcome::Unknown(heard.why()),
        };
        let is_gone = matches!(outcome, Outcome::Done | Outcome::Absent);
        self.note(host, name, Call::Remove, outcome, begun);
        is_gone
    }

    fn fresh(&self) -> Value {
        self.common.fresh.fetch_add(1, Ordering::Relaxed)
    }

    fn note(&self, host: usize, name: &str, call: Call, outcome: Outcome, begun: u64) {
        let (client, name, ended) = (self.number, name.to_owned(), self.common.history.now());
        self.common.history.note(Operation { client, host, name, call, outcome, begun, ended });
    }

    fn ask(&self, host: usize, method: &str, path: &str, body: &Json, limit: Duration) -> Heard {
        let Ok(stream) = UnixStream::connect(&self.common.managers[&host]) else { return Heard::Unsent };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        match http1::exchange(stream, method, path, &body, limit) {
            Ok(exchange) => {
                Heard::Answer((exchange.status, serde_json::from_slice(&exchange.body).unwrap_or(Json::Null)))
            }
            Err(error) => Heard::Lost(error.to_string()),
        }
    }
}

impl Heard {
    fn why(self) -> String {
        match self {
            Heard::Answer((status, answer)) => format!("{status} {}", message(&answer)),
            Heard::Unsent => "nobody listens".to_owned(),
            Heard::Lost(why) => why,
        }
    }
}

fn name(generation: u64, k: u64) -> String {
    format!("g{generation}-{k}")
}

fn message(answer: &Json) -> &str {
    answer["message"].as_str().unwrap_or_default()
}

fn seen(service: Json) -> Seen {
    let value = service["Spec"]["Labels"][LABEL].as_str().and_then(|value| value.parse().ok()).unwrap_or(Value::MAX);
    Seen {
        id: service["ID"].as_str().unwrap_or_default().to_owned(),
        version: service["Version"]["Index"].as_u64().unwrap_or_default(),
        value,
        spec: service["Spec"].clone(),
    }
}
