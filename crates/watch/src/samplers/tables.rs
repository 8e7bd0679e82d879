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
            vacuums: get(row, 15)?,
            written_since_analyze: get(row, 16)?,
            planner_rows: f64::from(get::<f32>(row, 17)?),
        });
        let file = FileNow {
            node: get(row, 12)?,
            pages: i64::from(get::<i32>(row, 13)?),
            is_bare: get(row, 14)?,
            xid: get::<String>(row, 18)?.parse().unwrap_or(0),
        };
        files.insert(get(row, 0)?, file);
    }
    let bare = eyes.files.bare(&files);
    if !bare.is_empty()
        && let Err(error) = count_pages(eyes, &bare, &mut files)
    {
        // Somebody has locked one of them; the counters will tell, somewhat later.
        let why = format!("pages of {} tables with new files: {error}", bare.len());
        sample.gaps.push(Gap { sampler: SAMPLER.id.to_owned(), why });
    }
    let emptied = eyes.files.truncated(&tables, &files, sample.at);
    if !emptied.is_empty() {
        super::sessions::ensure(eyes, sample);
        // A session that has gone on to its next statement is known by those it has run.
        super::statements::ensure(eyes, sample);
    }
    let events = emptied
        .iter()
        .map(|(emptied, t)| differences::truncated(emptied.at, t, emptied.xid, &sample.sessions));
    sample.ddl.extend(events);
    sample.tables = Some(tables);
    Ok(())
}

/// The pages of bare files; without a count none of them passes for empty.
fn count_pages(
    eyes: &mut Eyes,
    bare: &[u32],
    files: &mut HashMap<u32, FileNow>,
) -> Result<(), Error> {
    files.iter_mut().filter(|(oid, _)| bare.contains(oid)).for_each(|(_, f)| f.pages = i64::MAX);
    for row in &eyes.session()?.query(include_str!("../../queries/table_pages.sql"), &[&bare])? {
        if let (Some(file), Some(pages)) = (files.get_mut(&get(row, 0)?), get(row, 1)?) {
            file.pages = pages;
        }
    }
    Ok(())
}

/// The files of tables, to tell TRUNCATE, for which no event trigger fires.
#[derive(Debug, Default)]
pub(crate) struct Files {
    known: HashMap<u32, File>,
}

/// A table's file as the catalog shows it.
#[derive(Debug, Clone, Copy)]
struct FileNow {
    node: u32,
    /// As last counted by VACUUM or ANALYZE; those of the file itself when it is new and bare.
    pages: i64,
    /// Nothing has counted its pages or rows since it was made.
    is_bare: bool,
    /// The transaction that gave it the file, or changed its row in the catalog later.
    xid: u64,
}

#[derive(Debug)]
struct File {
    node: u32,
    n_live: i64,
    deleted: i64,
    /// Another file was seen, until the counters have followed.
    changed: Option<Emptied>,
}

/// What may have been a TRUNCATE.
#[derive(Debug, Clone, Copy)]
struct Emptied {
    /// When the other file was first seen.
    at: Timestamp,
    n_before: i64,
    /// The transaction that stood in the catalog then; a later one may only have changed rights.
    xid: u64,
}

/// An idle backend reports its counters after 10 s at the latest (`PGSTAT_IDLE_INTERVAL`).
const COUNTERS_LATE_S: f64 = 15.0;
/// No page holds more: `MaxHeapTuplesPerPage` of the largest pages, 32 kB. A bloated table that is
/// written anew has few pages too, but its rows fit into them.
const ROWS_OF_A_PAGE: i64 = 1169;
/// Of the rows before; what was inserted since may be there already.
const LEFT_MAX: f64 = 0.01;

impl Files {
    /// Tables with another file that nothing has counted yet.
    fn bare(&self, files: &HashMap<u32, FileNow>) -> Vec<u32> {
        let is_new = |oid: &u32, node| self.known.get(oid).is_some_and(|old| old.node != node);
        files.iter().filter(|(oid, f)| f.is_bare && is_new(oid, f.node)).map(|(o, _)| *o).collect()
    }

    /// Tables whose file is another one and whose rows are gone without having been deleted;
    /// VACUUM FULL and other rewrites keep the rows. The counters tell it, or at once a bare
    /// file without pages: before 15, an idle backend does not report its counters at all.
    fn truncated<'a>(
        &mut self,
        tables: &'a [TableCounters],
        files: &HashMap<u32, FileNow>,
        at: Timestamp,
    ) -> Vec<(Emptied, &'a TableCounters)> {
        let mut found = Vec::new();
        let mut known = HashMap::with_capacity(tables.len());
        for table in tables {
            let Some(FileNow { node, pages, is_bare, xid }) = files.get(&table.oid).copied() else {
                continue;
            };
            let (mut changed, mut is_empty) = (None, false);
            if let Some(old) = self.known.get(&table.oid) {
                let n_before = old.n_live - (table.deleted - old.deleted).max(0);
                changed = old.changed.filter(|c| seconds_between(c.at, at) < COUNTERS_LATE_S);
                if old.node != node && n_before > 0 {
                    changed = Some(Emptied { at, n_before, xid });
                    is_empty = is_bare && n_before > pages.saturating_mul(ROWS_OF_A_PAGE);
                }
            }
            if let Some(emptied) = changed
                && (is_empty || table.n_live as f64 <= emptied.n_before as f64 * LEFT_MAX)
            {
                found.push((emptied, table));
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
        let unused = TableCounters::new(16_384, Relation::new("public", "orders"));
        TableCounters { n_live, deleted, ..unused }
    }

    /// How many truncations a run of (file, live rows, deleted rows) two seconds apart shows.
    fn n_truncated(run: &[(u32, i64, i64)]) -> usize {
        let counted = |(node, n_live, deleted): &(u32, i64, i64)| {
            (FileNow { node: *node, pages: 500, is_bare: false, xid: 7 }, *n_live, *deleted)
        };
        n_emptied(&run.iter().map(counted).collect::<Vec<_>>())
    }

    fn n_emptied(run: &[(FileNow, i64, i64)]) -> usize {
        emptied(run).len()
    }

    fn emptied(run: &[(FileNow, i64, i64)]) -> Vec<Emptied> {
        let mut files = Files::default();
        let mut found = Vec::new();
        for (i, (file, n_live, deleted)) in run.iter().enumerate() {
            let at = Timestamp::from_second(1_795_219_200 + 2 * i as i64).unwrap();
            let tables = [table(*n_live, *deleted)];
            let now = files.truncated(&tables, &HashMap::from([(16_384, *file)]), at);
            found.extend(now.into_iter().map(|(emptied, _)| emptied));
        }
        found
    }

    #[test]
    fn a_later_change_of_the_catalog_is_not_what_emptied_it() {
        let file = |node, xid| FileNow { node, pages: 500, is_bare: false, xid };
        let run = [(file(1, 7), 500, 0), (file(2, 8), 500, 0), (file(2, 9), 0, 0)];
        assert_eq!(emptied(&run).iter().map(|e| e.xid).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn a_bare_file_without_pages_tells_it_before_any_counter() {
        let old = FileNow { node: 1, pages: 500, is_bare: false, xid: 7 };
        let of = |pages, is_bare| FileNow { node: 2, pages, is_bare, xid: 8 };
        let n_of = |n_live, new| n_emptied(&[(old, n_live, 0), (new, n_live, 0), (new, n_live, 0)]);
        let n = |new| n_of(50_000, new);
        assert_eq!((n(of(0, true)), n(of(5, true))), (1, 1)); // rows came since
        assert_eq!(n(of(500, true)), 0); // ALTER TABLE rewrote it
        assert_eq!(n_of(50, of(1, true)), 0); // ALTER TABLE rewrote a bloated one
        assert_eq!(n(of(0, false)), 0); // VACUUM FULL found no row
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
