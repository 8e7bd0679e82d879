//! Parts of a sample that have no series of their own, as JSON: slots, keys, upkeep, whatever a
//! sampler reads next. They are kept when they change, so that a look back finds them.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) static SERIES: Series = Series {
    id: "parts",
    about: "parts of a sample that have no table of their own, as JSON, when they change",
    columns: COLUMNS,
    order: &["part", "at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was seen"),
    column("part", Holds::Text, "name of the part"),
    column("json", Holds::Text, "what it was"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) part: String,
    pub(crate) json: String,
}

/// Parts that the other series keep whole.
const ELSEWHERE: [&str; 13] = [
    "at",
    "sessions",
    "database",
    "statements",
    "tables",
    "log",
    "log_dropped",
    "probe",
    "ddl",
    "changes",
    "blocks_scanned",
    "gaps",
    "own_ms",
];

/// A part that stays as it is, is told again after this time, so that a look back need not go
/// further.
pub(crate) const AGAIN_S: f64 = 300.0;
/// What one part may take; more is told as a gap.
const BYTES_MAX: usize = 256 << 10;

/// Of each part, when it was told and a hash of what it was.
pub(crate) type Before = HashMap<String, (Timestamp, u64)>;

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Ok(Value::Object(parts)) = serde_json::to_value(sample) else { return };
    for (part, value) in parts {
        let empty = match &value {
            Value::Null | Value::Number(_) => true,
            Value::Array(all) => all.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if empty || ELSEWHERE.contains(&part.as_str()) {
            continue;
        }
        let json = value.to_string();
        let mut hasher = DefaultHasher::new();
        json.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some((told, before)) = seen.parts.get(&part) {
            let since_s = seconds_between(*told, sample.at);
            let least_s = if *before == hash { AGAIN_S } else { pause_s(&value, json.len()) };
            if since_s < least_s {
                continue;
            }
        }
        seen.parts.insert(part.clone(), (sample.at, hash));
        if json.len() <= BYTES_MAX {
            rows.push(&SERIES, &Row { at: sample.at, part, json });
        } else {
            let why = format!("{part} is too large to be kept: {} bytes", json.len());
            let (at, until) = (sample.at, sample.at);
            let row = super::gaps::Row { at, until, sampler: part, why, looks: 1 };
            rows.push(&super::gaps::SERIES, &row);
        }
    }
}

/// Least seconds between two rows of a part that changes: none for a short list, which tells
/// what happened in one look; more for what is large.
fn pause_s(value: &Value, bytes: usize) -> f64 {
    match value {
        Value::Array(_) if bytes <= 4 << 10 => 0.0,
        _ if bytes <= 4 << 10 => 10.0,
        _ if bytes <= 32 << 10 => 60.0,
        _ => AGAIN_S,
    }
}
