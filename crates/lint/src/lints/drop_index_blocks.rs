//! Reads and writes wait while an index is dropped.

use crate::context::Context;
use crate::tables::is_partitioned;
use crate::transaction::may_wait;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "drop_index_blocks",
    severity: Severity::Warning,
    title: "reads and writes wait while an index is dropped",
    harm: "DROP INDEX takes ACCESS EXCLUSIVE on the table: it waits for every query on it, \
           and all later ones wait behind it",
    instead: "drop it CONCURRENTLY, outside of a transaction",
    source: "DROP INDEX",
    guards_rows: false,
    examples: &[
        Example { sql: "DROP INDEX orders_a;", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "DROP INDEX CONCURRENTLY orders_a;", catalog: "", finds: &[] },
        Example {
            sql: "CREATE TABLE n (a int); CREATE INDEX i ON n (a); DROP INDEX i;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Drop(d) = action else { continue };
            if d.kind != "index" || d.concurrently {
                continue;
            }
            for name in d.names.iter().filter(|n| cx.existed(site, n)) {
                let table = cx.catalog.and_then(|c| c.index(name)).map(|(t, _)| &t.relation);
                let on = table.map_or_else(|| format!("the table of {name}"), |t| t.to_string());
                let message =
                    format!("ACCESS EXCLUSIVE on {on}: reads and writes wait until {name} is gone");
                let text = &site.statement.text;
                let sql = pgward_sql::insert_after(text, "index", "CONCURRENTLY")
                    .filter(|_| d.names.len() == 1 && !d.cascade)
                    .map(|sql| sql + ";");
                let finding = site.finding(&LINT, Severity::Warning, message);
                let exact = may_wait(cx, site)
                    && table.is_none_or(|table| !is_partitioned(cx, site, table));
                found.push(finding.fix(LINT.instead, sql).exact(exact));
            }
        }
    }
}
