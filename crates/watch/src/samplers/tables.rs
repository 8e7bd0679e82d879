//! Counters of tables.

use super::Sampler;
use crate::differences;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;
use std::collections::HashMap;

pub(super) static SAMPLER: Sampler = Sampler { id: "tables", period_s: 2.0, rights: "none", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let rows = eyes.session()?.query(include_str!("../../queries/tables.sql"), &[])?;
    let mut tables = Vec::with_capacity(rows.len());
    let mut files = HashMap::with_capacity(rows.len());
    for row in &rows {
        tables.push(TableCounters {
            oid: get(row, 0)?,
            relation: Relation::new(get::<String>(row, 1)?, get::<String>(row, 2)?),
            n_live: get(row, 3)?,
            n_dead: get(row, 4)?,
            seq_scans: get(row, 5)?,
            seq_rows: get(row, 6)?,
            idx_scans: get(row, 7)?,
            inserted: get(row, 8)?,
            updated: get(row, 9)?,
            deleted: get(row, 10)?,
            last_analyze: get(row, 11)?,
        });
        files.insert(get(row, 0)?, get(row, 12)?);
    }
    let emptied = eyes.files.truncated(&tables, &files, sample.at);
    let events = emptied.iter().map(|(at, t)| differences::truncated(*at, t, &sample.sessions));
    sample.ddl.extend(events);
    sample.tables = Some(tables);
    Ok(())
}

/// The files of tables, to tell TRUNCATE, for which no event trigger fires.
#[derive(Debug, Default)]
pub(crate) struct Files {
    known: HashMap<u32, File>,
}

#[derive(Debug)]
struct File {
    node: u32,
    n_live: i64,
    deleted: i64,
    /// When another file was seen, and the rows there were, until the counters have followed.
    changed: Option<(Timestamp, i64)>,
}

/// An idle backend reports its counters after 10 s at the latest (`PGSTAT_IDLE_INTERVAL`).
const COUNTERS_LATE_S: f64 = 15.0;
/// Of the rows before; what was inserted since may be there already.
const LEFT_MAX: f64 = 0.01;

impl Files {
    /// Tables whose file is another one and whose rows are gone without having been deleted;
    /// VACUUM FULL and other rewrites keep the rows.
    fn truncated<'a>(
        &mut self,
        tables: &'a [TableCounters],
        files: &HashMap<u32, u32>,
        at: Timestamp,
    ) -> Vec<(Timestamp, &'a TableCounters)> {
        let mut found = Vec::new();
        let mut known = HashMap::with_capacity(tables.len());
        for table in tables {
            let node = files.get(&table.oid).copied().unwrap_or(0);
            let mut changed = None;
            if let Some(old) = self.known.get(&table.oid) {
                let n_before = old.n_live - (table.deleted - old.deleted).max(0);
                changed = old.changed.filter(|(t, _)| seconds_between(*t, at) < COUNTERS_LATE_S);
                if old.node != node && n_before > 0 {
                    changed = Some((at, n_before));
                }
            }
            if let Some((since, n_before)) = changed
                && table.n_live as f64 <= n_before as f64 * LEFT_MAX
            {
                found.push((since, table));
                changed = None;
            }
            let file = File { node, n_live: table.n_live, deleted: table.deleted, changed };
            known.insert(table.oid, file);
        }
        self.known = known;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(n_live: i64, deleted: i64) -> TableCounters {
        TableCounters {
            oid: 16_384,
            relation: Relation::new("public", "orders"),
            n_live,
            n_dead: 0,
            seq_scans: 0,
            seq_rows: 0,
            idx_scans: 0,
            inserted: 0,
            updated: 0,
            deleted,
            last_analyze: None,
        }
    }

    /// How many truncations a run of (file, live rows, deleted rows) two seconds apart shows.
    fn n_truncated(run: &[(u32, i64, i64)]) -> usize {
        let mut files = Files::default();
        let mut n = 0;
        for (i, (node, n_live, deleted)) in run.iter().enumerate() {
            let at = Timestamp::from_second(1_795_219_200 + 2 * i as i64).unwrap();
            let tables = [table(*n_live, *deleted)];
            n += files.truncated(&tables, &HashMap::from([(16_384, *node)]), at).len();
        }
        n
    }

    #[test]
    fn a_truncate_is_told_from_a_rewrite_and_a_delete() {
        assert_eq!(n_truncated(&[(1, 500, 0), (2, 0, 0), (2, 0, 0)]), 1);
        assert_eq!(n_truncated(&[(1, 500, 0), (2, 500, 0), (2, 0, 0)]), 1); // counters were late
        assert_eq!(n_truncated(&[(1, 500, 0), (2, 500, 0), (2, 499, 1)]), 0); // VACUUM FULL
        assert_eq!(n_truncated(&[(1, 500, 0), (1, 0, 500), (2, 0, 500)]), 0); // DELETE, then it
        assert_eq!(n_truncated(&[(1, 0, 0), (2, 0, 0)]), 0);
    }
}
