//! What happened to each table.

use super::{Column, Every, Holds, Rows, Seen, Series, column, fold_minutes};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub(crate) static SERIES: Series = Series {
    id: "tables",
    about: "what happened to each table (pg_stat_user_tables): ten seconds a row, a minute once \
            they are an hour old, one an hour when nothing happened",
    columns: COLUMNS,
    order: &["schema", "relation", "at"],
    fold: Some(fold),
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the time began"),
    column("schema", Holds::Text, "its schema"),
    column("relation", Holds::Text, "its name"),
    column("oid", Holds::Whole, "its object id"),
    column("n_live", Holds::Whole, "rows, as far as the server knows, at the end of the time"),
    column("n_dead", Holds::Whole, "dead rows, likewise"),
    column("seq_scans", Holds::Whole, "sequential scans in that time"),
    column("seq_rows", Holds::Whole, "rows they read"),
    column("idx_scans", Holds::Whole, "index scans in that time"),
    column("inserted", Holds::Whole, "rows inserted in that time"),
    column("updated", Holds::Whole, "rows updated in that time"),
    column("deleted", Holds::Whole, "rows deleted in that time"),
    column("vacuums", Holds::Whole, "vacuums that ended in that time, by hand or by themselves"),
    column("written_since_analyze", Holds::Whole, "rows written since its statistics were made"),
    column("planner_rows", Holds::Float, "rows as the planner counts them; -1: never counted"),
    column("last_analyze", Holds::Moment, "when its statistics were last made"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) schema: String,
    pub(crate) relation: String,
    pub(crate) oid: u32,
    pub(crate) n_live: i64,
    pub(crate) n_dead: i64,
    pub(crate) seq_scans: i64,
    pub(crate) seq_rows: i64,
    pub(crate) idx_scans: i64,
    pub(crate) inserted: i64,
    pub(crate) updated: i64,
    pub(crate) deleted: i64,
    pub(crate) vacuums: i64,
    pub(crate) written_since_analyze: i64,
    pub(crate) planner_rows: f64,
    pub(crate) last_analyze: Option<Timestamp>,
}

/// Tables of one row, busiest first; a schema a customer must not fill the disk.
const TABLES_MAX: usize = 2_000;

/// Counters at the last row, by object id.
#[derive(Debug, Default)]
pub(crate) struct Before {
    every: Every,
    hour: i64,
    counters: HashMap<u32, TableCounters>,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Some(tables) = &sample.tables else { return };
    let Some(began) = seen.tables.every.over(sample.at) else { return };
    let hour = sample.at.as_second().div_euclid(3600);
    let all = std::mem::replace(&mut seen.tables.hour, hour) != hour;
    let changed = |t: &&TableCounters| match seen.tables.counters.get(&t.oid) {
        Some(before) => all || before != *t,
        None => true,
    };
    let mut told: Vec<(&TableCounters, Row)> = tables
        .iter()
        .filter(changed)
        .map(|t| (t, row(began, seen.tables.counters.get(&t.oid), t)))
        .collect();
    let busy = |r: &Row| r.inserted + r.updated + r.deleted + r.seq_scans + r.idx_scans;
    told.sort_by_key(|(_, row)| std::cmp::Reverse(busy(row)));
    for (_, row) in told.iter().take(TABLES_MAX) {
        rows.push(&SERIES, row);
    }
    let told: Vec<u32> = told.iter().take(TABLES_MAX).map(|(t, _)| t.oid).collect();
    let known: HashMap<u32, &TableCounters> = tables.iter().map(|t| (t.oid, t)).collect();
    seen.tables.counters.retain(|oid, _| known.contains_key(oid));
    for oid in told {
        if let Some(table) = known.get(&oid) {
            seen.tables.counters.insert(oid, (*table).clone());
        }
    }
}

/// Counters that went back were reset: what they show is all that is known.
fn row(at: Timestamp, before: Option<&TableCounters>, now: &TableCounters) -> Row {
    let since = |of: fn(&TableCounters) -> i64| match before {
        Some(before) if of(before) <= of(now) => of(now) - of(before),
        Some(_) => of(now),
        None => 0,
    };
    Row {
        at,
        schema: now.relation.schema.clone(),
        relation: now.relation.name.clone(),
        oid: now.oid,
        n_live: now.n_live,
        n_dead: now.n_dead,
        seq_scans: since(|t| t.seq_scans),
        seq_rows: since(|t| t.seq_rows),
        idx_scans: since(|t| t.idx_scans),
        inserted: since(|t| t.inserted),
        updated: since(|t| t.updated),
        deleted: since(|t| t.deleted),
        vacuums: since(|t| t.vacuums),
        written_since_analyze: now.written_since_analyze,
        planner_rows: now.planner_rows,
        last_analyze: now.last_analyze,
    }
}

fn fold(lines: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let key = |r: &Row| r.oid;
    fold_minutes(
        lines,
        |r: &mut Row| &mut r.at,
        key,
        |sum, row| {
            *sum = Row {
                at: sum.at,
                seq_scans: sum.seq_scans + row.seq_scans,
                seq_rows: sum.seq_rows + row.seq_rows,
                idx_scans: sum.idx_scans + row.idx_scans,
                inserted: sum.inserted + row.inserted,
                updated: sum.updated + row.updated,
                deleted: sum.deleted + row.deleted,
                ..row
            };
        },
    )
}
