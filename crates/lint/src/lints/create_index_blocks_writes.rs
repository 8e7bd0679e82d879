//! Writes wait until an index is built.

use crate::context::Context;
use crate::tables::is_partitioned;
use crate::transaction::may_wait;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "create_index_blocks_writes",
    severity: Severity::Error,
    title: "writes wait until an index is built",
    harm: "CREATE INDEX takes SHARE on the table: reads go on, INSERT, UPDATE and DELETE wait \
           for the whole build",
    instead: "build it CONCURRENTLY, outside of a transaction",
    source: "CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE INDEX i ON orders (a);", catalog: "", finds: &[Severity::Error] },
        Example { sql: "CREATE INDEX CONCURRENTLY i ON orders (a);", catalog: "", finds: &[] },
        Example {
            sql: "CREATE TABLE n (a int); CREATE INDEX i ON n (a);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX i ON t (a);",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX i ON t (a);",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE INDEX i ON t (a);",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateIndex(index) = action else { continue };
            if index.concurrently || !cx.existed(site, &index.table) {
                continue;
            }
            // Nothing is built where IF NOT EXISTS finds it, or on the parent of partitions alone.
            if !site.effects.iter().any(|e| e.builds_index && e.existed_before) {
                continue;
            }
            let severity = cx.weigh(&index.table, Severity::Error);
            let message = format!("SHARE on {}: writes wait until the index is built", index.table);
            let sql = pgward_sql::insert_after(&site.statement.text, "index", "CONCURRENTLY");
            let finding = site
                .finding(&LINT, severity, message)
                .fix(LINT.instead, sql.map(|sql| sql + ";"))
                .exact(may_wait(cx, site) && !is_partitioned(cx, site, &index.table));
            found.push(cx.sized(finding, &index.table));
        }
    }
}
