//! What each statement did, by fingerprint and role.

use super::{Column, Every, Holds, Rows, Seen, Series, column, fold_minutes, millis};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

pub(crate) static SERIES: Series = Series {
    id: "statements",
    about: "what each statement did, by role (pg_stat_statements): ten seconds a row, a minute \
            once they are an hour old",
    columns: COLUMNS,
    order: &["fingerprint", "role", "at"],
    fold: Some(fold),
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the time began"),
    column("fingerprint", Holds::Text, "which statement; the text stands in texts"),
    column("role", Holds::Text, "role that ran it"),
    column("calls", Holds::Whole, "calls that ended in that time"),
    column("total_ms", Holds::Millis, "what they took together"),
    column("squares_ms2", Holds::Float, "sum of the squares of their times"),
    column("rows", Holds::Whole, "rows they returned or changed"),
    column("blks", Holds::Whole, "blocks they touched"),
    column("blks_read", Holds::Whole, "of these, read from outside shared_buffers"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) fingerprint: String,
    pub(crate) role: String,
    pub(crate) calls: i64,
    pub(crate) total_ms: f64,
    pub(crate) squares_ms2: f64,
    pub(crate) rows: i64,
    pub(crate) blks: i64,
    pub(crate) blks_read: i64,
}

/// Statements whose counters are kept in mind; with the least of them forgotten, memory stays
/// bounded on a server whose statements never come twice.
const KNOWN_MAX: usize = 20_000;

/// A list this long may leave out statements that are not new.
const LIST_MAX: usize = 500; // LIMIT of the sampler's query

/// Counters at the last row, by the server's id and role.
#[derive(Debug, Default)]
pub(crate) struct Before {
    every: Every,
    counters: HashMap<(i64, String), Counters>,
    /// Was the list that was seen last a whole one?
    whole: bool,
    fingerprints: HashMap<i64, String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    calls: i64,
    total_ms: f64,
    squares_ms2: f64,
    rows: i64,
    blks: i64,
    blks_read: i64,
}

impl Before {
    /// Lets every text be named, and so kept, once more.
    pub(crate) fn forget_texts(&mut self) {
        self.fingerprints.clear();
    }

    /// The fingerprint of the statement that the server counts under `query_id`.
    pub(crate) fn fingerprint(&self, query_id: i64) -> Option<&str> {
        self.fingerprints.get(&query_id).map(String::as_str)
    }
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Some(statements) = &sample.statements else { return };
    let Some(began) = seen.statements.every.over(sample.at) else { return };
    let first = seen.statements.counters.is_empty();
    let mut done: BTreeMap<(String, &str), Counters> = BTreeMap::new();
    for statement in statements {
        let fingerprint = match seen.statements.fingerprints.get(&statement.query_id) {
            Some(known) => known.clone(),
            None => seen.texts.name(sample.at, &statement.text, rows),
        };
        let now = Counters::of(statement);
        let key = (statement.query_id, statement.role.clone());
        let before = seen.statements.counters.insert(key, now);
        seen.statements.fingerprints.insert(statement.query_id, fingerprint.clone());
        let before = match before {
            Some(before) if before.calls <= now.calls => before,
            Some(_) => Counters::default(), // reset, or evicted and back
            None if !first && seen.statements.whole => Counters::default(), // new
            None => continue,               // how much of it is old is not known
        };
        if now.calls > before.calls {
            done.entry((fingerprint, &statement.role)).or_default().add(now, before);
        }
    }
    seen.statements.whole = statements.len() < LIST_MAX;
    for ((fingerprint, role), did) in done {
        let row = Row {
            at: began,
            fingerprint,
            role: role.to_owned(),
            calls: did.calls,
            total_ms: millis(did.total_ms),
            squares_ms2: f64::from(did.squares_ms2 as f32),
            rows: did.rows,
            blks: did.blks,
            blks_read: did.blks_read,
        };
        rows.push(&SERIES, &row);
    }
    seen.statements.forget(statements);
}

impl Before {
    fn forget(&mut self, statements: &[StatementCounters]) {
        if self.counters.len() <= KNOWN_MAX {
            return;
        }
        let shown: HashMap<i64, ()> = statements.iter().map(|s| (s.query_id, ())).collect();
        self.counters.retain(|(id, _), _| shown.contains_key(id));
        self.fingerprints.retain(|id, _| shown.contains_key(id));
    }
}

impl Counters {
    fn of(statement: &StatementCounters) -> Counters {
        Counters {
            calls: statement.calls,
            total_ms: statement.total_ms,
            squares_ms2: statement.squares_ms2,
            rows: statement.rows,
            blks: statement.blks,
            blks_read: statement.blks_read,
        }
    }

    fn add(&mut self, now: Counters, before: Counters) {
        self.calls += now.calls - before.calls;
        self.total_ms += (now.total_ms - before.total_ms).max(0.0);
        self.squares_ms2 += (now.squares_ms2 - before.squares_ms2).max(0.0);
        self.rows += now.rows - before.rows;
        self.blks += now.blks - before.blks;
        self.blks_read += now.blks_read - before.blks_read;
    }
}

fn fold(lines: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let key = |r: &Row| (r.fingerprint.clone(), r.role.clone());
    fold_minutes(
        lines,
        |r: &mut Row| &mut r.at,
        key,
        |sum, row| {
            sum.calls += row.calls;
            sum.total_ms = millis(sum.total_ms + row.total_ms);
            sum.squares_ms2 += row.squares_ms2;
            sum.rows += row.rows;
            sum.blks += row.blks;
            sum.blks_read += row.blks_read;
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + s).unwrap()
    }

    fn statement(query_id: i64, text: &str, calls: i64) -> StatementCounters {
        StatementCounters {
            query_id,
            role: "site".to_owned(),
            text: text.into(),
            calls,
            total_ms: calls as f64 / 8.0,
            squares_ms2: 0.0,
            rows: calls,
            blks: 4 * calls,
            blks_read: 0,
        }
    }

    /// Rows of statements after each of these lists, ten seconds apart.
    fn rows(lists: &[Vec<StatementCounters>]) -> Vec<Vec<Row>> {
        let mut seen = Seen::default();
        let after = |(i, list): (usize, &Vec<StatementCounters>)| {
            let mut rows = Rows::default();
            let statements = Some(list.clone());
            let sample = Sample { at: at(10 * i as i64), statements, ..Sample::default() };
            take(&mut seen, &sample, &mut rows);
            let text = String::from_utf8(rows.lines).unwrap();
            let own = text.lines().filter_map(|l| l.strip_prefix("{\"statements\":"));
            own.map(|l| serde_json::from_str(l.strip_suffix('}').unwrap()).unwrap()).collect()
        };
        lists.iter().enumerate().map(after).collect()
    }

    #[test]
    fn one_shape_under_two_ids_is_one_statement() {
        let list = |n| {
            vec![
                statement(1, "select 1 where a in (1)", n),
                statement(2, "SELECT 2 where a in (1, 2)", n),
            ]
        };
        let rows = rows(&[list(5), list(8)]);
        assert!(rows[0].is_empty(), "how long the counters have run is not known");
        assert_eq!(rows[1].len(), 1);
        assert_eq!((rows[1][0].calls, rows[1][0].at), (6, at(0)));
    }
}
