//! IF NOT EXISTS hides an invalid index.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "concurrently_if_not_exists",
    severity: Severity::Error,
    title: "IF NOT EXISTS hides an invalid index",
    harm: "a CONCURRENTLY that failed leaves an INVALID index; the second run finds its name \
           and reports success",
    instead: "drop the invalid index first, then create it without IF NOT EXISTS",
    source: "CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (x);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "CREATE INDEX CONCURRENTLY i ON a (x);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateIndex(i) = action else { continue };
            if !i.concurrently || !i.if_not_exists || !cx.existed(site, &i.table) {
                continue;
            }
            let name = Relation::new(i.table.schema.clone(), i.name.clone());
            let message =
                format!("index {name} may be there already and INVALID: nothing is built");
            found.push(site.finding(&LINT, Severity::Note, message));
            if let Some((table, index)) = cx.catalog.and_then(|c| c.index(&name))
                && !index.valid
            {
                let evidence = cx.measured(
                    format!("index {name} on {} is INVALID now", table.relation),
                    index.bytes,
                    "bytes",
                    "pg_index.indisvalid",
                );
                let message = format!("index {name} is INVALID and stays so");
                let sql = Some(format!("DROP INDEX CONCURRENTLY {};", name.quoted()));
                let finding = site.catalog_finding(&LINT, Severity::Error, message, evidence);
                found.push(finding.fix(LINT.instead, sql).placed(FixPlace::Before));
            }
        }
    }
}
