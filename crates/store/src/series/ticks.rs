//! Each look at the server, so that a time without rows is told from a time without looks.

use super::{Column, Holds, Rows, Seen, Series, column, millis};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "ticks",
    about: "each look at the server, once a second, and what it cost",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the server was looked at, by its clock"),
    column("own_ms", Holds::Millis, "what the look took"),
    column("blocks_scanned", Holds::Whole, "blocks the integrity scan has read since the last"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) own_ms: f64,
    pub(crate) blocks_scanned: u64,
}

fn take(_: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let row =
        Row { at: sample.at, own_ms: millis(sample.own_ms), blocks_scanned: sample.blocks_scanned };
    rows.push(&SERIES, &row);
}
