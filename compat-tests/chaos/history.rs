//! What clients did and were told: calls with their times and outcomes, by the name of the service. Two clients write here
//! at once; `linear` judges it afterwards, and the file that is written at the end shows it to people.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use super::linear::{Needs, Step, Value};
use crate::tee::lock;

/// A call on one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Call {
    /// Made, with this value in its label.
    Create(Value),
    /// Given a value, at the version at which another value was read.
    Update { read: Value, value: Value },
    /// Removed by its name.
    Remove,
    /// Looked at.
    Read,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It was acknowledged.
    Done,
    /// A read: the value, if the service is there.
    Saw(Option<Value>),
    /// A creation: there is one of this name.
    Exists,
    /// A removal: there is none of this name.
    Absent,
    /// It was refused for a reason that says nothing of the value, and did not happen.
    Refused,
    /// It may have happened, may happen yet, or never will; and why that is not known.
    Unknown(String),
}

/// One call from its begin to its end.
#[derive(Debug, Clone, Serialize)]
pub struct Operation {
    /// Which client.
    pub client: usize,
    /// The host whose manager was asked.
    pub host: usize,
    /// The service's name.
    pub name: String,
    /// What was asked.
    pub call: Call,
    /// What was answered.
    pub outcome: Outcome,
    /// Nanoseconds since the history began, before anything was sent.
    pub begun: u64,
    /// The same after everything was received.
    pub ended: u64,
}

impl Operation {
    /// What the call did to the register that a service is; `None` if it says nothing.
    fn step(&self) -> Option<Step> {
        let (needs, sets) = match (self.call, &self.outcome) {
            (Call::Read, Outcome::Saw(None)) => (Needs::Absent, None),
            (Call::Read, Outcome::Saw(Some(value))) => (Needs::Value(*value), None),
            (Call::Create(_), Outcome::Exists) => (Needs::Present, None),
            (Call::Create(value), Outcome::Done | Outcome::Unknown(_)) => (Needs::Absent, Some(Some(value))),
            (Call::Update { read, value }, Outcome::Done | Outcome::Unknown(_)) => {
                (Needs::Value(read), Some(Some(value)))
            }
            (Call::Remove, Outcome::Absent) => (Needs::Absent, None),
            (Call::Remove, Outcome::Done | Outcome::Unknown(_)) => (Needs::Present, Some(None)),
            _ => return None,
        };
        let ended = (!matches!(self.outcome, Outcome::Unknown(_))).then_some(self.ended);
        Some(Step { needs, sets, begun: self.begun, ended })
    }
}

/// All calls of all clients.
#[derive(Debug)]
pub struct History {
    origin: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl History {
    /// An empty one that begins now.
    pub fn new() -> History {
        History { origin: Instant::now(), operations: Mutex::default() }
    }

    /// Nanoseconds since the begin.
    pub fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Adds a call that has ended.
    pub fn note(&self, operation: Operation) {
        lock(&self.operations).push(operation);
    }

    /// All calls by the name of their service, in the order in which they began.
    pub fn by_name(&self) -> BTreeMap<String, Vec<Operation>> {
        let mut all: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for operation in lock(&self.operations).iter() {
            all.entry(operation.name.clone()).or_default().push(operation.clone());
        }
        all.values_mut().for_each(|operations| operations.sort_by_key(|operation| operation.begun));
        all
    }

    /// One call a line, as JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        for operation in lock(&self.operations).iter() {
            serde_json::to_writer(&mut *to, operation)?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// The register's steps in a list of calls, each with its place in the list.
pub fn steps(operations: &[Operation]) -> (Vec<usize>, Vec<Step>) {
    let step = |(at, operation): (usize, &Operation)| operation.step().map(|step| (at, step));
    operations.iter().enumerate().filter_map(step).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(call: Call, outcome: Outcome) -> Operation {
        Operation { client: 0, host: 1, name: "web".into(), call, outcome, begun: 5, ended: 9 }
    }

    fn step(call: Call, outcome: Outcome) -> Option<(Needs, Option<Option<Value>>, Option<u64>)> {
        operation(call, outcome).step().map(|step| (step.needs, step.sets, step.ended))
    }

    #[test]
    fn what_was_answered_has_an_end_and_what_is_unknown_has_none() {
        let unknown = || Outcome::Unknown("timed out".into());
        let update = Call::Update { read: 1, value: 2 };
        assert_eq!(step(Call::Create(1), Outcome::Done), Some((Needs::Absent, Some(Some(1)), Some(9))));
        assert_eq!(step(Call::Create(1), unknown()), Some((Needs::Absent, Some(Some(1)), None)));
        assert_eq!(step(update, Outcome::Done), Some((Needs::Value(1), Some(Some(2)), Some(9))));
        assert_eq!(step(update, unknown()), Some((Needs::Value(1), Some(Some(2)), None)));
        assert_eq!(step(Call::Remove, Outcome::Done), Some((Needs::Present, Some(None), Some(9))));
        assert_eq!(step(Call::Remove, unknown()), Some((Needs::Present, Some(None), None)));
        assert_eq!(step(Call::Read, Outcome::Saw(Some(3))), Some((Needs::Value(3), None, Some(9))));
    }

    #[test]
    fn a_refusal_changes_nothing_but_may_tell_something() {
        assert_eq!(step(Call::Create(1), Outcome::Exists), Some((Needs::Present, None, Some(9))));
        assert_eq!(step(Call::Remove, Outcome::Absent), Some((Needs::Absent, None, Some(9))));
        assert_eq!(step(Call::Update { read: 1, value: 2 }, Outcome::Refused), None);
    }

    #[test]
    fn calls_are_judged_in_the_order_of_their_begin() {
        let history = History::new();
        history.note(Operation { begun: 7, ..operation(Call::Read, Outcome::Saw(Some(1))) });
        history.note(operation(Call::Update { read: 0, value: 9 }, Outcome::Refused));
        history.note(Operation { begun: 1, ended: 2, ..operation(Call::Create(1), Outcome::Done) });
        let all = history.by_name();
        let (places, steps) = steps(&all["web"]);
        assert_eq!(places, [0, 2], "the refused update tells nothing");
        assert_eq!(super::super::linear::check(&steps), Ok(()));
    }
}
