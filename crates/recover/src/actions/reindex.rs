//! Builds a damaged index anew from its table, without blocking writes.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static ACTION: Action = Action {
    id: "reindex",
    title: "Build a damaged index anew",
    price: "time and disk for one index; the table is read once, and must be whole. A build that fails \
            leaves an invalid index named ..._ccnew, which is told as such",
    plan,
};

const INDEX: &str = "
SELECT c.relfilenode, i.indisexclusion OR i.indrelid < 16384
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind = 'i'";

fn plan(cx: &Cx<'_>, likely: &Likely, _: &Case) -> Result<Runbook, Error> {
    let index = likely.relations.first().ok_or_else(|| refuse(&ACTION, "no index is named"))?;
    let rows = cx.session.query(INDEX, &[&index.quoted()])?;
    let Some(row) = rows.first() else {
        return Err(refuse(&ACTION, format!("{index} is no index, or is gone")));
    };
    let file: u32 = get(row, 0)?;
    if get(row, 1)? {
        let why = format!(
            "{index} cannot be built CONCURRENTLY; REINDEX INDEX {} locks its table meanwhile",
            index.quoted()
        );
        return Err(refuse(&ACTION, why));
    }
    let mut build = step(
        format!("build {} anew CONCURRENTLY", index.name),
        Act::Sql {
            statements: vec![format!("REINDEX INDEX CONCURRENTLY {}", index.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    build.undo = Undo::Nothing;
    build.expectations = vec![Expectation {
        claim: format!("{} is valid and has another file", index.name),
        sql: format!(
            "SELECT coalesce((SELECT i.indisvalid AND c.relfilenode <> {file} \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE c.oid = pg_catalog.to_regclass({})), false)",
            quote_literal(&index.quoted())
        ),
        within_ms: 5_000,
    }];
    Ok(runbook(
        &ACTION,
        format!("Build index {index} anew"),
        "all that an index says is in its table; to write the page back would need a backup",
        lossless("an index holds no data of its own"),
        vec![build],
    ))
}
