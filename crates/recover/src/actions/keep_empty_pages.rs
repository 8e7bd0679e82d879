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
    let oid = format!("pg_catalog.to_regclass({})", quote_literal(&table.quoted()));
    // What it says itself, to put back exactly that.
    let sql = format!(
        "SELECT (SELECT o.option_value FROM pg_catalog.pg_class c, \
         pg_catalog.pg_options_to_table(c.reloptions) o \
         WHERE c.oid = {oid} AND o.option_name = 'vacuum_truncate')"
    );
    let before: Option<String> = cx.session.query_one(&sql, &[])?;
    let name = table.quoted();
    let undo = match before.as_deref() {
        None => format!("ALTER TABLE {name} RESET (vacuum_truncate)"),
        Some("off" | "false" | "no" | "0") => {
            return Err(refuse(&ACTION, format!("vacuum_truncate of {table} is off already")));
        }
        Some(value) => {
            format!("ALTER TABLE {name} SET (vacuum_truncate = {})", quote_literal(value))
        }
    };
    let mut keep = step(
        format!("set vacuum_truncate of {table} off"),
        Act::Sql {
            statements: vec![format!("ALTER TABLE {name} SET (vacuum_truncate = off)")],
            transaction: true,
        },
        Limits::SHORT,
    );
    keep.expectations = vec![Expectation {
        claim: format!("no vacuum holds {table} in ACCESS EXCLUSIVE"),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_locks l \
             JOIN pg_catalog.pg_stat_progress_vacuum v ON v.pid = l.pid \
             WHERE l.relation = {oid} AND l.granted AND l.mode = 'AccessExclusiveLock')"
        ),
        within_ms: 5_000,
    }];
    keep.undo = Undo::Exact { statements: vec![undo] };
    Ok(runbook(
        &ACTION,
        format!("Let vacuum keep the empty pages of {table}"),
        "takes SHARE UPDATE EXCLUSIVE, which neither readers nor writers wait for; the server \
         itself cancels the autovacuum that stands in its way",
        lossless("no row is touched"),
        vec![keep],
    ))
}
