//! The one clock: hands ask here, minds are told.
#![allow(clippy::disallowed_methods)] // This is the place the lint points to.

use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The wall clock, UTC.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A monotonic point in time, for durations and deadlines.
pub fn instant() -> Instant {
    Instant::now()
}

/// A bound on waiting.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    pub fn passed(&self) -> bool {
        Instant::now() >= self.0
    }

    /// Time left, zero when passed.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Asks `ready` every `every` until it answers `Some` or `within` is over.
///
/// # Errors
/// Whatever `ready` fails with, at once.
pub fn poll<T, E>(
    within: Duration,
    every: Duration,
    mut ready: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Deadline::after(within);
    loop {
        if let Some(value) = ready()? {
            return Ok(Some(value));
        }
        if deadline.passed() {
            return Ok(None);
        }
        std::thread::sleep(every.min(deadline.left()));
    }
}
