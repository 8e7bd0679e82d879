//! Rows whose foreign key points to a row that is not there.

use super::{Check, Found, TABLE_BYTES_MAX, measured};
use crate::error::Error;
use pgward_model::name::{Relation, quote_ident};
use pgward_pg::prelude::*;
use pgward_pg::session::get;

pub(super) static CHECK: Check = Check {
    id: "orphan_rows",
    title: "rows point to a parent that is not there",
    doc: "The key was switched off for a while (DISABLE TRIGGER, session_replication_role), or \
          its parent's rows were lost. Bring the parents back, or move the orphans aside; then \
          VALIDATE the key again.",
    rights: "SELECT on both tables, as pg_read_all_data has it",
    cost: "reads both tables once; pairs of more than 64 MB are left out",
    sql: SQL,
    run,
};

const SQL: &str = "\
SELECT c.conname::text,
       n.nspname::text,
       t.relname::text,
       pn.nspname::text,
       p.relname::text,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
        FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
        FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum),
       (t.relpages + p.relpages)::bigint * pg_catalog.current_setting('block_size')::bigint
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE c.contype = 'f'
  AND c.conparentid = 0
  AND c.convalidated
  AND NOT (coalesce(pg_catalog.to_jsonb(c) ->> 'conperiod', 'false'))::boolean
ORDER BY 2, 3, 1";

fn run(session: &Session) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut too_large = Vec::new();
    for row in session.query(SQL, &[])? {
        let name: String = get(&row, 0)?;
        if get::<i64>(&row, 7)? > TABLE_BYTES_MAX {
            too_large.push(name);
            continue;
        }
        let child = Relation::new(get::<String>(&row, 1)?, get::<String>(&row, 2)?);
        let parent = Relation::new(get::<String>(&row, 3)?, get::<String>(&row, 4)?);
        let columns: Vec<String> = get(&row, 5)?;
        let keys: Vec<String> = get(&row, 6)?;
        match orphans(session, &child, &parent, &columns, &keys) {
            Ok(0) => {}
            Ok(n) => {
                let claim = format!("{n} rows of {child} break {name}: not in {parent}");
                let problem = measured(CHECK.id, claim, n as f64, "rows");
                found.add(super::Problem { relation: Some(child), ..problem });
            }
            Err(error) => found.leave_out(&[name], &error.to_string()),
        }
    }
    found.leave_out(&too_large, "more than 64 MB, left to a quiet hour");
    Ok(found)
}

fn orphans(
    session: &Session,
    child: &Relation,
    parent: &Relation,
    columns: &[String],
    keys: &[String],
) -> Result<i64, Error> {
    let each = |text: &dyn Fn(&str, &str) -> String| {
        let pairs = columns.iter().zip(keys);
        pairs.map(|(c, k)| text(&quote_ident(c), &quote_ident(k))).collect::<Vec<_>>().join(" AND ")
    };
    // A null in any column: the key does not apply (MATCH SIMPLE).
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} c WHERE {} \
         AND NOT EXISTS (SELECT FROM {} p WHERE {})",
        child.quoted(),
        each(&|c, _| format!("c.{c} IS NOT NULL")),
        parent.quoted(),
        each(&|c, k| format!("p.{k} = c.{c}")),
    );
    Ok(session.query_one(&sql, &[])?)
}
