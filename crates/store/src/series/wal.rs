//! WAL, archiver and slots.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "wal",
    about: "WAL, archiver and slots, every ten seconds",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was read"),
    column("lsn", Holds::Text, "where WAL was written to"),
    column("lsn_bytes", Holds::Whole, "the same as a number"),
    column("archived", Holds::Whole, "segments archived since the statistics were reset"),
    column("archive_failed", Holds::Whole, "failed attempts since then"),
    column("last_archived", Holds::Moment, "when the last segment was archived"),
    column("slot_retained_bytes", Holds::Whole, "kept for the slowest slot; NULL without slots"),
];

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    at: Timestamp,
    lsn: String,
    lsn_bytes: i64,
    archived: i64,
    archive_failed: i64,
    last_archived: Option<Timestamp>,
    slot_retained_bytes: Option<i64>,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Some(wal) = &sample.wal else { return };
    if seen.wal.over(sample.at).is_none() {
        return;
    }
    let row = Row {
        at: sample.at,
        lsn: wal.lsn.clone(),
        lsn_bytes: wal.lsn_bytes as i64,
        archived: wal.archived,
        archive_failed: wal.archive_failed,
        last_archived: wal.last_archived,
        slot_retained_bytes: wal.slot_retained_bytes.map(|b| b as i64),
    };
    rows.push(&SERIES, &row);
}
