//! An index that another one already does the work of.

use crate::context::{Context, Site};
use crate::indexes::twin;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "duplicate_index",
    severity: Severity::Warning,
    title: "another index does the work of this one",
    harm: "two indexes are written at each change of a row and kept in memory, and one would do",
    instead: "leave it out, or drop the shorter one once the longer one is valid",
    source: "Multicolumn Indexes; Examining Index Usage",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a);",
            catalog: "CREATE TABLE t (a int PRIMARY KEY, b int);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a);",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a, b);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX i ON t (lower(a)); CREATE INDEX j ON t (lower(a));",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE TABLE n (a int UNIQUE); CREATE INDEX j ON n (a);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (b);",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a, b);",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a text_pattern_ops);",
            catalog: "CREATE TABLE t (a text); CREATE INDEX i ON t (a);",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a) WHERE b IS NULL;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a);",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a); DROP INDEX CONCURRENTLY i;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateIndex(index) = action else { continue };
            if let Some(twin) = twin(cx, site, index) {
                found.push(finding(cx, site, &index.table, &twin));
            }
        }
    }
}

fn finding(cx: &Context, site: &Site, table: &Relation, twin: &crate::indexes::Twin) -> Finding {
    let how = if twin.is_longer { "begins with the same columns" } else { "does its work" };
    // Nobody writes yet into what the change itself has made.
    let costs = !twin.is_longer && cx.existed(site, table);
    let severity = if costs { Severity::Warning } else { Severity::Note };
    let message = format!("index {} on {table} {how}", twin.name);
    let known = cx.table(table).and_then(|t| t.indexes.iter().find(|i| i.name == twin.name));
    match known {
        None => site.finding(&LINT, severity, message),
        Some(known) => {
            let evidence = cx.measured(
                format!("{} is there: {}", twin.name, known.columns.join(", ")),
                known.bytes,
                "bytes",
                "pg_index",
            );
            site.catalog_finding(&LINT, severity, message, evidence)
        }
    }
}
