//! Lets vacuum keep the empty pages at the end of a table, so that it needs no strong lock.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "keep_empty_pages",
    title: "Let vacuum keep the empty pages at the end of the table",
    price: "the file stays as large as it is; autovacuum that is at work on the table begins anew",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, _: &Case) -> Result<Runbook, Error> {
    let table = likely.relations.first().ok_or_else(|| refuse(&ACTION, "no table is named"))?;
    let name = table.quoted();
    let of_both = [("vacuum_truncate", "oid"), ("toast.vacuum_truncate", "reltoastrelid")];
    let (mut set, mut back) = (Vec::new(), Vec::new());
    for (option, of) in of_both {
        match as_set(cx, table, of)?.as_deref() {
            Some("off" | "false" | "no" | "0") => continue,
            None => back.push(format!("ALTER TABLE {name} RESET ({option})")),
            Some(value) => {
                let value = quote_literal(value);
                back.push(format!("ALTER TABLE {name} SET ({option} = {value})"));
            }
        }
        set.push(format!("{option} = off"));
    }
    if set.is_empty() {
        return Err(refuse(&ACTION, format!("vacuum_truncate of {table} is off already")));
    }
    let mut keep = step(
        format!("set vacuum_truncate of {table} off"),
        Act::Sql {
            statements: vec![format!("ALTER TABLE {name} SET ({})", set.join(", "))],
            transaction: true,
        },
        Limits::SHORT,
    );
    keep.expectations = vec![Expectation {
        claim: format!("no vacuum holds {table} in ACCESS EXCLUSIVE"),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_locks l \
             JOIN pg_catalog.pg_stat_progress_vacuum v ON v.pid = l.pid \
             JOIN pg_catalog.pg_class c ON l.relation IN (c.oid, c.reltoastrelid) \
             WHERE c.oid = {} AND l.granted AND l.mode = 'AccessExclusiveLock')",
            oid(table)
        ),
        within_ms: 5_000,
    }];
    keep.undo = Undo::Exact { statements: back };
    Ok(runbook(
        &ACTION,
        format!("Let vacuum keep the empty pages of {table}"),
        "takes SHARE UPDATE EXCLUSIVE, which neither readers nor writers wait for; the server \
         itself cancels the autovacuum that stands in its way",
        lossless("no row is touched"),
        vec![keep],
    ))
}

fn oid(table: &Relation) -> String {
    format!("pg_catalog.to_regclass({})", quote_literal(&table.quoted()))
}

/// What the table (`oid`) or its TOAST table (`reltoastrelid`) says itself, to put back exactly that.
fn as_set(cx: &Cx<'_>, table: &Relation, of: &str) -> Result<Option<String>, Error> {
    let sql = format!(
        "SELECT (SELECT o.option_value FROM pg_catalog.pg_class t, pg_catalog.pg_class c, \
         pg_catalog.pg_options_to_table(c.reloptions) o \
         WHERE t.oid = {} AND c.oid = t.{of} AND o.option_name = 'vacuum_truncate')",
        oid(table)
    );
    Ok(cx.session.query_one(&sql, &[])?)
}
