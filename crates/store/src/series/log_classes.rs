//! Lines of the server log, counted.

use super::{Column, Every, Holds, Rows, Seen, Series, column, fold_minutes};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) static SERIES: Series = Series {
    id: "log_classes",
    about: "lines of the server log by severity, SQLSTATE, class and role: ten seconds a row, a minute \
            once they are an hour old",
    columns: COLUMNS,
    order: &["severity", "sqlstate", "class", "role", "at"],
    fold: Some(fold),
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the time began"),
    column("severity", Holds::Text, "LOG, WARNING, ERROR, FATAL, PANIC; empty: lines not read"),
    column("sqlstate", Holds::Text, "SQLSTATE"),
    column("class", Holds::Text, "class of the messages, as pgward logs names it"),
    column("role", Holds::Text, "role of the sessions"),
    column("lines", Holds::Whole, "lines in that time"),
];

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    at: Timestamp,
    severity: String,
    sqlstate: String,
    class: String,
    role: String,
    lines: u64,
}

/// Lines counted since the last row: by severity, SQLSTATE, class and role.
#[derive(Debug, Default)]
pub(crate) struct Before {
    every: Every,
    counted: BTreeMap<[String; 4], u64>,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    if let Some(at) = seen.log_classes.every.over(sample.at) {
        for (key, lines) in std::mem::take(&mut seen.log_classes.counted) {
            let [severity, sqlstate, class, role] = key;
            rows.push(&SERIES, &Row { at, severity, sqlstate, class, role, lines });
        }
    }
    let counted = &mut seen.log_classes.counted;
    for entry in &sample.log {
        let key = [&entry.severity, &entry.sqlstate, &entry.class, &entry.role].map(Clone::clone);
        *counted.entry(key).or_default() += 1;
    }
    if sample.log_dropped > 0 {
        *counted.entry(Default::default()).or_default() += sample.log_dropped;
    }
}

fn fold(lines: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let key = |r: &Row| [&r.severity, &r.sqlstate, &r.class, &r.role].map(Clone::clone);
    fold_minutes(lines, |r: &mut Row| &mut r.at, key, |sum, row| sum.lines += row.lines)
}
