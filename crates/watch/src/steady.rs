//! Does the clock go steadily? One that is set, or a machine that slept, must not blind us.

use pgward_model::prelude::*;
use std::time::Instant;

/// Less is drift and scheduling.
const JUMP_S: f64 = 5.0; // a tick that hangs takes 4 s at most, and both clocks count it

/// When the last tick was, by both clocks.
#[derive(Debug, Default)]
pub(crate) struct Steady {
    last: Option<(Timestamp, Instant)>,
}

impl Steady {
    /// Seconds that the wall clock has moved against the one that only goes forward, since the
    /// last call; `None` when it went steadily.
    pub(crate) fn jumped(&mut self, wall: Timestamp, steady: Instant) -> Option<f64> {
        let (was, then) = self.last.replace((wall, steady))?;
        let moved = seconds_between(was, wall) - steady.duration_since(then).as_secs_f64();
        (moved.abs() > JUMP_S).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_a_slow_tick_is_not() {
        let (began, wall) = (pgward_pg::clock::instant(), Timestamp::UNIX_EPOCH);
        let at = |s: i64| wall.checked_add(jiff::SignedDuration::from_secs(s)).unwrap();
        let mut steady = Steady::default();
        assert_eq!(steady.jumped(at(1000), began), None);
        assert_eq!(steady.jumped(at(1060), began + Duration::from_secs(60)), None);
        let back = steady.jumped(at(61), began + Duration::from_secs(61));
        assert_eq!(back, Some(-1000.0));
        assert_eq!(steady.jumped(at(62), began + Duration::from_secs(62)), None);
        assert_eq!(steady.jumped(at(3663), began + Duration::from_secs(63)), Some(3600.0));
    }
}
