//! Writes batches, and makes files of them.

use super::batch::Batch;
use super::retain::Keep;
use super::{History, names};
use crate::error::Error;
use jiff::Timestamp;
use object_store::path::Path;
use pgward_model::prelude::*;

/// Batches of one server in one millisecond: two processes at once are two.
const SAME_TIME_MAX: u32 = 100;
/// A clock that was this far ahead was wrong.
const AHEAD_S_MAX: f64 = 86_400.0;

/// The history of one server, to be written. It waits for the disk.
#[derive(Debug)]
pub struct Writer {
    pub(super) history: History,
    pub(super) server: String,
    keep: Keep,
    /// Files exist up to here; a batch that is named earlier would not count.
    floor: Timestamp,
    /// When files were last made, and when old ones were last dropped.
    settled: Option<Timestamp>,
    dropped: Option<Timestamp>,
}

/// Seconds between two looks for what is over.
const SETTLE_S: f64 = 60.0;
/// Seconds between two looks for what is too old or too much.
const DROP_S: f64 = 3600.0;

impl Writer {
    /// Goes on with the history of `server`.
    pub fn new(history: History, server: impl Into<String>, keep: Keep) -> Writer {
        let server = server.into();
        Writer { history, server, keep, floor: Timestamp::MIN, settled: None, dropped: None }
    }

    /// The history itself, to be read.
    pub fn into_history(self) -> History {
        self.history
    }

    /// Writes a batch; it is durable when this returns. `now` is the newest moment known.
    ///
    /// # Errors
    /// When the place is full, refuses, or is gone; then the batch is not kept and may be
    /// written again.
    pub fn write(&mut self, batch: &Batch, now: Timestamp) -> Result<(), Error> {
        if self.floor == Timestamp::MIN {
            self.floor = self.newest_file_end(now)?;
        }
        let at = now.max(batch.at).max(self.floor);
        let (day, _) = names::day(at);
        let folder = names::folder(names::RECENT, &self.server, &day);
        let packed = batch
            .packed()
            .map_err(|source| Error::Broken { path: self.history.objects.file(&folder), source })?;
        for n in 0..SAME_TIME_MAX {
            let object = folder.clone().join(names::batch(at, n));
            if self.history.objects.put_new(&object, packed.clone())? {
                return Ok(());
            }
        }
        let path = self.history.objects.file(&folder);
        Err(Error::TooMany { path, most: SAME_TIME_MAX as usize })
    }

    /// Makes files of batches and larger files of small ones once a minute, drops what is too
    /// old or too much once an hour. Says whether there was anything to look for.
    ///
    /// # Errors
    /// As of [`Writer::write`], and where a file does not read. What is not done is tried again
    /// the next time; its rows stay in their batches.
    pub fn tidy(&mut self, now: Timestamp) -> Result<bool, Error> {
        let due = |last: Option<Timestamp>, s: f64| {
            last.is_none_or(|last| seconds_between(last, now).abs() >= s)
        };
        let settles = due(self.settled, SETTLE_S);
        if settles {
            self.settled = Some(now);
            self.settle(now)?;
            self.merge_hours(now)?;
        }
        if due(self.dropped, DROP_S) {
            self.dropped = Some(now);
            self.history.drop_old(&self.server, self.keep, now)?;
        }
        Ok(settles)
    }

    /// Where the newest file ends: every look leaves a row in `ticks`.
    fn newest_file_end(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let folder = Path::from_iter([crate::series::ticks::SERIES.id, &self.server]);
        let (days, _) = self.history.objects.names(&folder)?;
        let Some(day) = days.last() else { return Ok(now) };
        let (_, files) = self.history.objects.names(&folder.join(day.as_str()))?;
        let end =
            names::counting(&files).last().and_then(|(span, _)| names::moment(day, span.to_s));
        Ok(end.filter(|end| seconds_between(now, *end) < AHEAD_S_MAX).unwrap_or(now).max(now))
    }
}
