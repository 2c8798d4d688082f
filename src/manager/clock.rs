//! The time of the swarm: what the leader's clock says, but not earlier than what the state was told already.
//!
//! Times in the state are of whoever led when they were written. A clock that is set back, or a new leader whose clock is behind
//! that of the one before, would otherwise make every delay that was begun last as much longer as the clocks differ. Here time goes
//! on from the latest that was written, a little slower than the clock, until that has caught up. (Swarmkit's leader counts delays
//! with timers of its own, which a new one begins anew.)

use std::time::Instant;

use gam_core::model::Timestamp;

/// While time is ahead of the clock, this part of what passes is left out: delays grow by a seventh, and the lead ends.
const SLOWED: i64 = 8;
/// A lead of more than this is told of, ns.
const NOTED_LEAD: i64 = 60 * 1_000_000_000;
/// A lead of more than this is given up, ns: better all that waits is tried at once than a year that stays wrong for a year.
const LONGEST_LEAD: i64 = 24 * 3600 * 1_000_000_000;

/// The time, as one leader reads it.
#[derive(Debug)]
pub(super) struct Clock {
    latest: Timestamp,
    read: Instant,
    is_told: bool,
}

impl Clock {
    /// A clock that goes on from `latest`.
    pub fn new(latest: Timestamp, at: Instant) -> Clock {
        Clock { latest, read: at, is_told: false }
    }

    /// The time, while the clock on the wall says `wall` and a clock that nobody sets says `at`.
    pub fn read(&mut self, wall: Timestamp, at: Instant) -> Timestamp {
        let passed = i64::try_from(at.saturating_duration_since(self.read).as_nanos()).unwrap_or(i64::MAX);
        let slowed = passed - passed / SLOWED;
        self.latest = not_before(self.latest.plus(slowed), wall);
        self.read = at;
        self.latest
    }

    /// The same, now.
    pub fn now(&mut self) -> Timestamp {
        let wall = super::now();
        let now = self.read(wall, Instant::now());
        let lead = now.since(wall);
        if lead > NOTED_LEAD && !self.is_told {
            let seconds = lead / 1_000_000_000;
            tracing::warn!(
                seconds,
                "the swarm's time is ahead of this host's clock, which was set back or is not that of the leader before"
            );
        }
        self.is_told = lead > NOTED_LEAD;
        now
    }
}

/// What the clock says, or `latest` if that is later; unless it is so much later that it was never right.
pub(crate) fn not_before(latest: Timestamp, wall: Timestamp) -> Timestamp {
    if latest.since(wall) > LONGEST_LEAD { wall } else { latest.max(wall) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * SECOND;

    /// A clock that was read at a moment, and what it says so many seconds later on a wall that is so much ahead; both in
    /// nanoseconds since that moment.
    fn clock() -> impl FnMut(i64, i64) -> i64 {
        let (start, wall) = (Instant::now(), Timestamp(1_700_000_000 * SECOND));
        let mut clock = Clock::new(wall, start);
        move |seconds, ahead| {
            let at = start + Duration::from_secs(seconds.unsigned_abs());
            clock.read(wall.plus(seconds * SECOND + ahead), at).since(wall)
        }
    }

    #[test]
    fn it_is_that_on_the_wall_and_does_not_go_back() {
        let mut read = clock();
        assert_eq!(read(1, 0), SECOND);
        assert_eq!(read(2, HOUR), HOUR + 2 * SECOND, "set ahead");
        assert_eq!(read(2, 0), HOUR + 2 * SECOND, "set back");
        assert_eq!(read(2, -HOUR), HOUR + 2 * SECOND);
        assert_eq!(read(3, 2 * HOUR), 2 * HOUR + 3 * SECOND);
    }

    #[test]
    fn a_lead_does_not_hold_up_delays_and_ends() {
        let mut read = clock();
        assert_eq!(read(0, HOUR), HOUR);
        assert_eq!(read(8, 0), HOUR + 7 * SECOND);
        assert_eq!(read(80, 0), HOUR + 70 * SECOND);
        for seconds in 81..8 * 3600 {
            assert!(read(seconds, 0) > seconds * SECOND, "{seconds}");
        }
        for seconds in 8 * 3600..9 * 3600 {
            assert_eq!(read(seconds, 0), seconds * SECOND);
        }
    }

    #[test]
    fn a_new_leader_goes_on_where_the_one_before_was() {
        let start = Instant::now();
        let before = Timestamp(1_700_000_000 * SECOND);
        let mut clock = Clock::new(before, start);
        assert_eq!(clock.read(before.plus(-HOUR), start), before);
        assert_eq!(clock.read(before.plus(-HOUR), start + Duration::from_secs(8)), before.plus(7 * SECOND));
        assert_eq!(Clock::new(Timestamp::ZERO, start).read(before, start), before, "nothing was written yet");
    }

    #[test]
    fn an_absurd_time_is_given_up() {
        let wall = Timestamp(1_700_000_000 * SECOND);
        assert_eq!(not_before(wall.plus(24 * HOUR), wall), wall.plus(24 * HOUR));
        assert_eq!(not_before(wall.plus(24 * HOUR + 1), wall), wall);
    }
}
