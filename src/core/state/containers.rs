//! Finding a service's task by the beginning of its container's id, as users give it.
//!
//! Kept is only the first part of each id, as a number: sixteen digits tell containers apart as well as all sixty-four do, but
//! cost a task 32 bytes. Whoever looks compares the rest.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::State;
use crate::model::{Task, TaskId};

/// Digits of an id that the index holds.
const DIGITS: usize = 16;

/// The numbers that the first digits of an id can be which begins so; `None` if no id does.
fn range(beginning: &str) -> Option<RangeInclusive<u64>> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !beginning.bytes().all(is_digit) {
        return None;
    }
    let first = &beginning[..beginning.len().min(DIGITS)];
    let number = |filled: String| u64::from_str_radix(&filled, 16).ok();
    Some(number(format!("{first:0<DIGITS$}"))?..=number(format!("{first:f<DIGITS$}"))?)
}

/// What the index holds of a task; nothing of a container that the swarm did not make.
fn digits(task: &Task) -> Option<u64> {
    task.service?;
    let id = &task.status.container.as_ref()?.id;
    range(id).filter(|_| id.len() >= DIGITS).map(|range| *range.start())
}

impl State {
    /// The tasks of services whose container's id begins so, by that id; from all of them if nothing is said. A container that the
    /// swarm did not make is its host's alone.
    pub fn tasks_by_container<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a Arc<Task>> {
        let numbers = range(beginning).into_iter();
        let keys = numbers
            .flat_map(|range| self.containers.range((*range.start(), TaskId::MIN)..=(*range.end(), TaskId::MAX)));
        keys.filter_map(|(_, task)| self.tasks.get(task)).filter(move |task| {
            task.status.container.as_ref().is_some_and(|container| container.id.starts_with(beginning))
        })
    }

    /// Brings the index from what a task was to what it is.
    pub(super) fn note_container(&mut self, id: TaskId, old: Option<&Task>, new: Option<&Task>) {
        let (old, new) = (old.and_then(digits), new.and_then(digits));
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.containers.remove(&(old, id));
        }
        if let Some(new) = new {
            self.containers.insert((new, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_range() {
        assert_eq!(range(""), Some(0..=u64::MAX));
        assert_eq!(range("c0"), Some(0xc000_0000_0000_0000..=0xc0ff_ffff_ffff_ffff));
        let whole = "c0ffee".repeat(11);
        assert_eq!(range(&whole[..64]), Some(0xc0ff_eec0_ffee_c0ff..=0xc0ff_eec0_ffee_c0ff));
        for none in ["C0", "web", "é", "c0\0"] {
            assert_eq!(range(none), None, "{none}");
        }
    }
}
