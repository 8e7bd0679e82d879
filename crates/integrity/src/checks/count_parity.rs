//! Counts rows in the table and in its primary key: the only sign of a page that was lost whole.

use super::{Check, Found, TABLE_BYTES_MAX, measured};
use crate::error::Error;
use pgward_model::name::{Relation, quote_ident};
use pgward_pg::prelude::*;
use pgward_pg::session::get;

pub(super) static CHECK: Check = Check {
    id: "count_parity",
    title: "a table and its primary key disagree",
    doc: "A page of zeros (a lost write) passes checksums, amcheck and pg_verifybackup; only the \
          index still knows how many rows there were. More rows in the table than in the index: \
          the index is corrupt, REINDEX it CONCURRENTLY. Fewer: rows are lost, restore them.",
    rights: "SELECT on the tables, as pg_read_all_data has it",
    cost: "reads table and index once; tables of more than 64 MB are left out",
    sql: SQL,
    run,
};

const SQL: &str = "\
SELECT n.nspname::text,
       c.relname::text,
       a.attname::text,
       c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE i.indisprimary
  AND i.indisvalid
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2";

fn run(session: &Session) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut too_large = Vec::new();
    for row in session.query(SQL, &[])? {
        let relation = Relation::new(get::<String>(&row, 0)?, get::<String>(&row, 1)?);
        if get::<i64>(&row, 3)? > TABLE_BYTES_MAX {
            too_large.push(relation.to_string());
            continue;
        }
        match counts(session, &relation, &get::<String>(&row, 2)?) {
            Ok((heap, index)) if heap == index => {}
            Ok((heap, index)) => {
                let claim = format!("{relation} has {heap} rows, its primary key {index}");
                let problem = measured(CHECK.id, claim, heap, "rows");
                let evidence = problem.evidence.against(index);
                found.add(super::Problem { relation: Some(relation), evidence });
            }
            Err(error) => {
                session.simple("ROLLBACK")?;
                found.leave_out(&[relation.to_string()], &error.to_string());
            }
        }
    }
    found.leave_out(&too_large, "more than 64 MB, left to a quiet hour");
    Ok(found)
}

/// Rows by the table alone and by the index alone, at the same moment.
fn counts(session: &Session, relation: &Relation, key: &str) -> Result<(f64, f64), Error> {
    let sql = format!(
        "SELECT pg_catalog.count(*)::float8 FROM ONLY {} WHERE {} IS NOT NULL",
        relation.quoted(),
        quote_ident(key)
    );
    session.simple("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    session.simple(
        "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexscan = off; \
         SET LOCAL enable_indexonlyscan = off",
    )?;
    let heap = session.query_one(&sql, &[])?;
    session.simple(
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on; \
         SET LOCAL enable_indexonlyscan = on",
    )?;
    let index = session.query_one(&sql, &[])?;
    session.simple("COMMIT")?;
    Ok((heap, index))
}
