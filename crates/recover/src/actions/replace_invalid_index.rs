//! Takes an invalid index away without blocking anyone, and gives back the one it was to replace.

use super::rebuild_index;
use super::{Action, Cx, bounded_count, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_incident::causes::refused_by_rows;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static ACTION: Action = Action {
    id: "replace_invalid_index",
    title: "Replace an invalid index without blocking writes",
    price: "time and disk for one index; a unique one stands back until its duplicates are gone",
    plan,
};

/// An index that no build finished, as it is now.
struct Leftover {
    index: Relation,
    unique: bool,
    /// Its key, quoted, where it has plain columns only.
    columns: Vec<String>,
}

const LEFTOVERS: &str = "
SELECT n.nspname::text,
       c.relname::text,
       i.indisunique,
       i.indpred IS NULL AND i.indexprs IS NULL,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname)
             FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.place <= i.indnkeyatts
             ORDER BY k.place)::text[]
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = pg_catalog.to_regclass($1)
  AND NOT i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                  WHERE p.relid = i.indrelid)
ORDER BY c.relname";

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let table = likely.relations.first().ok_or_else(|| refuse(&ACTION, "no table is named"))?;
    let left = leftovers(cx, table)?;
    let Some(first) = left.first() else {
        return Err(refuse(
            &ACTION,
            format!("no index of {table} is invalid, or it is being built"),
        ));
    };
    let mut steps = Vec::new();
    // What served before comes back first, so that nobody waits for the clearing up.
    if likely.ddl.iter().any(|d| d.dropped && d.old_definition.is_some()) {
        steps.extend(rebuild_index::build(cx, likely)?);
    }
    let mut why = "an invalid index costs every write and serves no statement".to_owned();
    for leftover in &left {
        if let Some(refusal) = refused_by_rows(case, &leftover.index) {
            steps.push(drop_it(&leftover.index));
            why = format!("{} cannot be built: {refusal}", leftover.index);
            continue;
        }
        let n = if leftover.unique { duplicates(cx, table, leftover) } else { Some(0) };
        match n {
            Some(0) => steps.push(build_again(&leftover.index)),
            n => {
                steps.push(drop_it(&leftover.index));
                why = format!(
                    "{} cannot be built while {} keys are there more than once; they are for a \
                     person to settle",
                    leftover.index,
                    n.map_or("some".to_owned(), |n| human(n as f64))
                );
            }
        }
    }
    let title = format!("Replace the invalid index {} on {table}", first.index.name);
    Ok(runbook(&ACTION, title, &why, lossless("an index holds no data of its own"), steps))
}

fn leftovers(cx: &Cx<'_>, table: &Relation) -> Result<Vec<Leftover>, Error> {
    let rows = cx.session.query(LEFTOVERS, &[&table.quoted()])?;
    let leftover = |row: &pgward_pg::session::Row| -> Result<Leftover, Error> {
        let plain: bool = get(row, 3)?;
        let columns: Vec<String> = get(row, 4)?;
        Ok(Leftover {
            index: Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
            unique: get(row, 2)?,
            columns: if plain { columns } else { Vec::new() },
        })
    };
    rows.iter().map(leftover).collect()
}

/// Keys that are there more than once; `None` where that cannot be told in time.
fn duplicates(cx: &Cx<'_>, table: &Relation, leftover: &Leftover) -> Option<u64> {
    if leftover.columns.is_empty() {
        return None;
    }
    let key = leftover.columns.join(", ");
    let present: Vec<String> =
        leftover.columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM {} WHERE {} GROUP BY {key} \
         HAVING pg_catalog.count(*) > 1) d",
        table.quoted(),
        present.join(" AND ")
    );
    bounded_count(cx.session, &sql)
}

fn build_again(index: &Relation) -> Step {
    let mut build = step(
        format!("build {} again CONCURRENTLY", index.name),
        Act::Sql {
            statements: vec![format!("REINDEX INDEX CONCURRENTLY {}", index.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    build.expectations = vec![Expectation {
        claim: format!("{} is valid", index.name),
        sql: format!(
            "SELECT coalesce((SELECT i.indisvalid FROM pg_catalog.pg_index i WHERE i.indexrelid = \
             pg_catalog.to_regclass({})), false)",
            quote_literal(&index.quoted())
        ),
        within_ms: 5_000,
    }];
    build
}

fn drop_it(index: &Relation) -> Step {
    let mut drop = step(
        format!("drop the invalid index {}", index.name),
        Act::Sql {
            statements: vec![format!("DROP INDEX CONCURRENTLY {}", index.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    drop.undo = Undo::Impossible { why: "it was never whole; its build can be run again".into() };
    drop
}
