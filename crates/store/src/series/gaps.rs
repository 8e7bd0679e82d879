//! What could not be seen or kept.

use super::{Column, Every, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) static SERIES: Series = Series {
    id: "gaps",
    about: "what could not be seen or kept, and why",
    columns: COLUMNS,
    order: &["sampler", "at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "first look without it"),
    column("until", Holds::Moment, "last look without it, of some seconds"),
    column("sampler", Holds::Text, "what is missing: statements, log, ...; history: all of it"),
    column("why", Holds::Text, "why, and what would cure it"),
    column("looks", Holds::Whole, "looks without it"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) sampler: String,
    pub(crate) why: String,
    pub(crate) looks: u64,
}

/// Reasons that differ in every look must not fill memory.
const GAPS_MAX: usize = 1_000;

/// Gaps since the last row, by sampler and reason: first, last, how often.
#[derive(Debug, Default)]
pub(crate) struct Before {
    every: Every,
    open: BTreeMap<(String, String), (Timestamp, Timestamp, u64)>,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    if seen.gaps.every.over(sample.at).is_some() {
        for ((sampler, why), (at, until, looks)) in std::mem::take(&mut seen.gaps.open) {
            rows.push(&SERIES, &Row { at, until, sampler, why, looks });
        }
    }
    let open = &mut seen.gaps.open;
    for gap in &sample.gaps {
        let key = (gap.sampler.clone(), gap.why.clone());
        if open.len() < GAPS_MAX || open.contains_key(&key) {
            let entry = open.entry(key).or_insert((sample.at, sample.at, 0));
            *entry = (entry.0, sample.at, entry.2 + 1);
        }
    }
}
