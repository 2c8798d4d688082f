//! Going on with a log that is followed, when its node was away: from the last line that the client has, and without it.

use std::time::Duration;

use axum::body::Bytes;
use gam_core::model::{NodeId, NodeState, TaskId};
use gam_core::state::State;
use time::OffsetDateTime;
use tokio::sync::broadcast;

use super::merge::Line;
use super::{Place, Reader, absent, render};
use crate::engine::logs::{LogLine, LogOptions, time_of};

/// The first pause before a log that broke off, or that had ended before its task had, is asked for again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: there are logs that nobody can read, of tasks that never end.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How much of a log was handed on.
#[derive(Debug, Default)]
pub(super) struct Mark {
    /// The time of the last line.
    time: Bytes,
    /// How many lines of that time there were.
    lines: usize,
    /// How many of them are still to come again.
    repeated: usize,
    /// When the log was first asked for.
    begun: Option<OffsetDateTime>,
}

impl Mark {
    /// What to ask for so that all new lines come. Of those that come with them [`Mark::is_new`] knows.
    pub(super) fn rewound(&mut self, options: &LogOptions) -> LogOptions {
        self.repeated = self.lines;
        let begun = self.begun.replace(self.begun.unwrap_or_else(OffsetDateTime::now_utc));
        // Who wants nothing of what was there before wants all that was written since.
        let begun = begun.filter(|_| options.tail == "0").map(|begun| begun.max(options.since));
        match time_of(&self.time).or(begun) {
            Some(since) => LogOptions { since, tail: "all".into(), ..options.clone() },
            None => options.clone(),
        }
    }

    /// Whether a line was not handed on yet. To be asked once for each.
    pub(super) fn is_new(&mut self, line: &LogLine) -> bool {
        let is_repeated = self.repeated > 0 && !line.time.is_empty() && line.time <= self.time;
        if is_repeated && line.time == self.time {
            self.repeated -= 1;
        }
        !is_repeated
    }

    /// A line was handed on.
    pub(super) fn put_behind(&mut self, line: &LogLine) {
        if line.time > self.time {
            *self = Mark { time: line.time.clone(), lines: 1, repeated: 0, begun: self.begun };
        } else if line.time == self.time {
            self.lines += 1;
        }
    }
}

impl Reader {
    /// Hands on the log of a container on another node, until all of it was said, or its task is gone.
    pub(super) async fn follow_elsewhere(&self, place: &Place, attributes: &[u8]) {
        let mut mark = Mark::default();
        let mut pause = FIRST_PAUSE;
        let mut is_away = false;
        loop {
            let was_over = self.is_over(place.task);
            let before = mark.time.clone();
            let read = tokio::select! {
                biased;
                read = self.read_elsewhere(place, attributes, &mut mark) => Some(read),
                () = self.left(place.node) => None,
            };
            let is_idle = read.is_some() && mark.time == before;
            pause = if is_idle { (pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
            match read {
                Some(Ok(())) if was_over => return,
                // Nobody is told if the client has gone.
                Some(Err(error)) if !is_away => {
                    is_away = true;
                    let line = absent(&error);
                    let text = render(&line, attributes, self.format);
                    let _ = self.lines.send(Line { time: line.time, text }).await;
                }
                Some(Err(_)) => {}
                Some(Ok(())) | None => is_away = false,
            }
            let back = async {
                // It may not be known yet that the node is away.
                let is_known_away = !is_ready(&self.manager.state(), place.node);
                tokio::time::sleep(if is_known_away { FIRST_PAUSE } else { pause }).await;
                if is_away {
                    self.until(|state| is_gone(state, place.task) || is_ready(state, place.node)).await;
                }
            };
            tokio::select! {
                () = back => {}
                () = self.lines.closed() => return,
            }
            if is_gone(&self.manager.state(), place.task) {
                return;
            }
        }
    }

    fn is_over(&self, task: TaskId) -> bool {
        self.manager.state().task(task).is_none_or(|task| task.status.state.is_terminal())
    }

    /// Returns once a node is not there (any more).
    async fn left(&self, node: NodeId) {
        self.until(|state| !is_ready(state, node)).await;
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let mut applied = self.manager.subscribe();
        while !is_so(&self.manager.state()) {
            if matches!(applied.recv().await, Err(broadcast::error::RecvError::Closed)) {
                // The manager ends, and so does this.
                return std::future::pending().await;
            }
        }
    }
}

fn is_gone(state: &State, task: TaskId) -> bool {
    state.task(task).is_none()
}

fn is_ready(state: &State, node: NodeId) -> bool {
    state.node(node).is_some_and(|node| node.status.state == NodeState::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::logs::Source;

    fn at(second: u8, text: &str) -> LogLine {
        let time = format!("2026-11-23T05:06:{second:02}.735470848Z");
        LogLine { source: Source::Stdout, time: time.into(), text: text.to_owned().into() }
    }

    fn options() -> LogOptions {
        let since = OffsetDateTime::UNIX_EPOCH;
        LogOptions { follow: true, stdout: true, stderr: false, since, tail: "2".into() }
    }

    /// Reads a log up to so many lines; what is handed on.
    fn read(mark: &mut Mark, log: &[LogLine], lines: usize) -> (LogOptions, Vec<String>) {
        let asked = mark.rewound(&options());
        let mut handed_on = Vec::new();
        let since = asked.since.unix_timestamp();
        for line in
            log.iter().filter(|line| time_of(&line.time).is_none_or(|time| time.unix_timestamp() >= since)).take(lines)
        {
            if mark.is_new(line) {
                handed_on.push(String::from_utf8(line.text.to_vec()).unwrap());
                mark.put_behind(line);
            }
        }
        (asked, handed_on)
    }

    #[test]
    fn a_log_goes_on_without_a_line_twice_and_without_a_gap() {
        let log = [at(1, "a"), at(2, "b"), at(2, "c"), at(2, "d"), at(3, "e"), at(2, "late"), at(4, "f")];
        let all: Vec<String> = log.iter().map(|line| String::from_utf8(line.text.to_vec()).unwrap()).collect();
        for breaks in 0..=log.len() {
            let mut mark = Mark::default();
            let (asked, mut handed_on) = read(&mut mark, &log, breaks);
            assert_eq!(asked, options(), "first as the client wants it");
            // What is written while the clock was set back is lost only if the log breaks off before it.
            let rest = read(&mut mark, &log, usize::MAX);
            handed_on.extend(rest.1);
            let wanted: Vec<&String> = all.iter().filter(|text| breaks != 5 || *text != "late").collect();
            assert_eq!(handed_on.iter().collect::<Vec<_>>(), wanted, "{breaks}");
            if breaks > 0 {
                assert_eq!(rest.0.tail, "all");
            }
            assert!(read(&mut mark, &log[6..], usize::MAX).1.is_empty());
        }
    }

    #[test]
    fn who_wants_no_old_lines_gets_those_written_while_nobody_read() {
        let mut mark = Mark::default();
        let wanted = LogOptions { tail: "0".into(), ..options() };
        assert_eq!(mark.rewound(&wanted), wanted);
        let (before, again) = (OffsetDateTime::now_utc(), mark.rewound(&wanted));
        assert_eq!(again.tail, "all");
        assert!(again.since > OffsetDateTime::UNIX_EPOCH && again.since <= before);
        assert_eq!(mark.rewound(&wanted), again, "of the first time");
    }

    #[test]
    fn lines_without_a_time_are_always_new() {
        let mut mark = Mark::default();
        let line = LogLine { time: Bytes::new(), ..at(1, "a") };
        assert_eq!(read(&mut mark, &[line.clone(), line.clone()], 2).1.len(), 2);
        assert_eq!(read(&mut mark, &[line], 1).1.len(), 1);
    }
}
