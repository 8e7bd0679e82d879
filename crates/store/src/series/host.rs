//! The server's host, as far as it can be seen.

use super::{Column, Holds, Rows, Seen, Series, column, millis};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "host",
    about: "the server's host, as far as it can be seen, every ten seconds",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was read"),
    column("disk_free_bytes", Holds::Whole, "free on the file system of the data directory"),
    column("disk_total_bytes", Holds::Whole, "size of that file system"),
    column("load_per_cpu", Holds::Float, "load average over one minute divided by CPUs"),
];

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    at: Timestamp,
    disk_free_bytes: i64,
    disk_total_bytes: i64,
    load_per_cpu: Option<f64>,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Some(host) = &sample.host else { return };
    if seen.host.over(sample.at).is_none() {
        return;
    }
    let row = Row {
        at: sample.at,
        disk_free_bytes: host.disk_free_bytes as i64,
        disk_total_bytes: host.disk_total_bytes as i64,
        load_per_cpu: host.load_per_cpu.map(millis),
    };
    rows.push(&SERIES, &row);
}
