//! Notes samples as rows until a batch is due.

use super::batch::Batch;
use crate::series::{Rows, SERIES, Seen};
use jiff::Timestamp;
use pgward_model::prelude::*;

/// What a crash may lose; the rest of the ten seconds is for writing it.
const BATCH_S: f64 = 5.0;
/// A batch is closed early when it has grown this large.
const BATCH_BYTES: usize = 8 << 20;

/// Turns the samples of one server into batches of rows.
#[derive(Debug, Default)]
pub struct Collector {
    seen: Seen,
    rows: Rows,
    from: Option<Timestamp>,
    /// Newest moment so far: batches are in order even when the clock goes back.
    newest: Timestamp,
}

impl Collector {
    /// Notes what a sample says; gives a batch every five seconds.
    pub fn note(&mut self, sample: &Sample) -> Option<Batch> {
        self.newest = self.newest.max(sample.at);
        if self.seen.texts.turn(sample.at) {
            self.seen.statements.forget_texts();
        }
        for series in SERIES {
            (series.take)(&mut self.seen, sample, &mut self.rows);
        }
        let from = *self.from.get_or_insert(self.newest);
        let due = seconds_between(from, self.newest) >= BATCH_S - 1.5;
        if due || self.rows.lines.len() >= BATCH_BYTES { self.close() } else { None }
    }

    /// Notes that something was not kept.
    pub(super) fn note_gap(&mut self, at: Timestamp, until: Timestamp, why: String, looks: u64) {
        let row = crate::series::gaps::Row { at, until, sampler: "history".to_owned(), why, looks };
        self.rows.push(&crate::series::gaps::SERIES, &row);
    }

    /// What was noted since the last batch.
    pub fn close(&mut self) -> Option<Batch> {
        let from = self.from.take()?;
        let lines = std::mem::take(&mut self.rows.lines);
        (!lines.is_empty()).then_some(Batch { at: self.newest, from, lines })
    }
}
