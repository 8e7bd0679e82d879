//! What sessions did with their time, counted.

use super::{Column, Every, Holds, Rows, Seen, Series, column, fold_minutes};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) static SERIES: Series = Series {
    id: "waits",
    about: "what sessions did with their time, by role and application: ten seconds a row, a \
            minute once they are an hour old",
    columns: COLUMNS,
    order: &["role", "application", "wait_type", "wait_event", "at"],
    fold: Some(fold),
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the time began"),
    column("role", Holds::Text, "role of the sessions"),
    column("application", Holds::Text, "their application_name"),
    column("database", Holds::Text, "database they are in"),
    column("state", Holds::Text, "active, idle in transaction, idle, ..."),
    column("wait_type", Holds::Text, "Lock, LWLock, IO, Client, ...; empty: on a CPU"),
    column("wait_event", Holds::Text, "what exactly they waited for"),
    column("seconds", Holds::Whole, "sessions times seconds"),
];

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    at: Timestamp,
    role: String,
    application: String,
    database: String,
    state: String,
    wait_type: String,
    wait_event: String,
    seconds: u64,
}

/// Role, application, database, state, wait type and event.
type Key = [String; 6];

/// Sessions counted since the last row.
#[derive(Debug, Default)]
pub(crate) struct Before {
    every: Every,
    counted: BTreeMap<Key, u64>,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    if let Some(at) = seen.waits.every.over(sample.at) {
        for (key, seconds) in std::mem::take(&mut seen.waits.counted) {
            let [role, application, database, state, wait_type, wait_event] = key;
            let row =
                Row { at, role, application, database, state, wait_type, wait_event, seconds };
            rows.push(&SERIES, &row);
        }
    }
    for s in &sample.sessions {
        let key = [&s.role, &s.application, &s.database, &s.state, &s.wait_type, &s.wait_event];
        *seen.waits.counted.entry(key.map(Clone::clone)).or_default() += 1;
    }
}

fn fold(lines: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let key = |r: &Row| {
        [&r.role, &r.application, &r.database, &r.state, &r.wait_type, &r.wait_event]
            .map(Clone::clone)
    };
    fold_minutes(lines, |r: &mut Row| &mut r.at, key, |sum, row| sum.seconds += row.seconds)
}
