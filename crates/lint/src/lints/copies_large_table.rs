//! A large table is copied by one statement.

use crate::context::{Context, SMALL_BYTES};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "copies_large_table",
    severity: Severity::Note,
    title: "a large table is read into another one by one statement",
    harm: "one long transaction: no vacuum removes rows that died since it began, and replicas \
           and archive get all of it at once",
    instead: "copy it in batches by key, each with a commit of its own",
    source: "INSERT; CREATE TABLE AS; Routine Vacuuming",
    guards_rows: false,
    examples: &[
        Example {
            sql: "INSERT INTO u SELECT * FROM t;",
            catalog: "CREATE TABLE t (a text); CREATE TABLE u (a text); INSERT INTO t SELECT \
                      repeat('x', 500) FROM generate_series(1, 30000) g; ANALYZE;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n AS SELECT * FROM t;",
            catalog: "CREATE TABLE t (a text); INSERT INTO t SELECT repeat('x', 500) FROM \
                      generate_series(1, 30000) g; ANALYZE;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "INSERT INTO u SELECT * FROM t;",
            catalog: "CREATE TABLE t (a text); CREATE TABLE u (a text); INSERT INTO t VALUES \
                      ('x'); ANALYZE;",
            finds: &[],
        },
        Example { sql: "INSERT INTO u SELECT * FROM t;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let (to, reads) = match action {
                Action::Rows(r) if r.verb == StatementKind::Insert => (&r.relation, &r.reads),
                Action::CreateTableAs { relation, reads, .. } => (relation, reads),
                _ => continue,
            };
            let tables = reads.iter().filter_map(|r| cx.table(r));
            let largest = tables.max_by(|a, b| a.table_bytes.total_cmp(&b.table_bytes));
            let Some(info) = largest.filter(|i| i.table_bytes > SMALL_BYTES) else { continue };
            let message = format!("{to} is filled from {} in one transaction", info.relation);
            let evidence = cx.traffic(info);
            let finding = site.catalog_finding(&LINT, Severity::Note, message, evidence);
            found.push(cx.sized(finding, &info.relation));
        }
    }
}
