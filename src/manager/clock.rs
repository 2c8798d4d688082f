//! The time of the swarm: what the leader's clock says, but never earlier than what the state was told already.
//!
//! Times in the state are of whoever led when they were written. A clock that is set back, or a new leader whose clock is behind
//! that of the one before, would otherwise make every delay that was begun last as much longer as the clocks differ. Here time goes
//! on from the latest that was written, until the clock has caught up. (Swarmkit's leader counts delays with timers of its own,
//! which a new one begins anew.)

use std::time::Instant;

use gam_core::model::Timestamp;

/// The time, as one leader reads it.
#[derive(Debug)]
pub(super) struct Clock {
    latest: Timestamp,
    read: Instant,
}

impl Clock {
    /// A clock that goes on from `latest`.
    pub fn from(latest: Timestamp, at: Instant) -> Clock {
        Clock { latest, read: at }
    }

    /// The time, while the clock on the wall says `wall` and a clock that nobody sets says `at`.
    pub fn read(&mut self, wall: Timestamp, at: Instant) -> Timestamp {
        let passed = i64::try_from(at.saturating_duration_since(self.read).as_nanos()).unwrap_or(i64::MAX);
        self.latest = wall.max(self.latest.plus(passed));
        self.read = at;
        self.latest
    }

    /// The same, now.
    pub fn now(&mut self) -> Timestamp {
        self.read(super::now(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * SECOND;

    #[test]
    fn it_is_that_on_the_wall_and_never_goes_back() {
        let start = Instant::now();
        let wall = Timestamp(1_700_000_000 * SECOND);
        let mut clock = Clock::from(wall, start);
        let mut read = |seconds: i64, ahead: i64| {
            let at = start + Duration::from_secs(seconds.unsigned_abs());
            clock.read(wall.plus(seconds * SECOND + ahead), at).since(wall)
        };
        assert_eq!(read(1, 0), SECOND);
        assert_eq!(read(2, HOUR), HOUR + 2 * SECOND, "set ahead");
        // Set back, it goes on as fast as any clock, and no delay is longer than it says.
        assert_eq!(read(5, 0), HOUR + 5 * SECOND);
        assert_eq!(read(5, -HOUR), HOUR + 5 * SECOND);
        assert_eq!(read(3605, 0), 2 * HOUR + 5 * SECOND);
        assert_eq!(read(3606, 2 * HOUR), 2 * HOUR + 3606 * SECOND);
    }

    #[test]
    fn a_new_leader_goes_on_where_the_one_before_was() {
        let start = Instant::now();
        let before = Timestamp(1_700_000_000 * SECOND);
        let mut clock = Clock::from(before, start);
        assert_eq!(clock.read(before.plus(-HOUR), start), before);
        assert_eq!(clock.read(before.plus(-HOUR), start + Duration::from_secs(3)), before.plus(3 * SECOND));
    }
}
