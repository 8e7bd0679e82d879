//! Statistics that the change throws away or that nobody has yet.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "analyze_missing",
    severity: Severity::Note,
    title: "statistics are missing after the change",
    harm: "a column with a new type has lost its statistics, a new expression index has none: \
           until the next ANALYZE the planner guesses, and autovacuum waits for a tenth of the \
           rows to change",
    instead: "ANALYZE the table at the end of the change",
    source: "ALTER TABLE, SET DATA TYPE; CREATE INDEX, Notes; ANALYZE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (lower(a));",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint; ANALYZE t;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (lower(a)); VACUUM ANALYZE;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE INDEX CONCURRENTLY i ON t (a);", catalog: "", finds: &[] },
        Example {
            sql: "CREATE TABLE n (a text); CREATE INDEX i ON n (lower(a));",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Some((table, what)) = lost(action) else { continue };
            let empty = cx.table(table).is_some_and(|t| t.n_rows == Some(0.0));
            if empty || !cx.existed(site, table) || is_analyzed_later(cx, site, table) {
                continue;
            }
            let message = format!("no statistics of {what} on {table} until the next ANALYZE");
            let sql = Some(format!("ANALYZE {};", table.quoted()));
            found.push(
                site.finding(&LINT, Severity::Note, message)
                    .fix(LINT.instead, sql)
                    .placed(FixPlace::After),
            );
        }
    }
}

fn lost(action: &Action) -> Option<(&Relation, &str)> {
    match action {
        Action::CreateIndex(i) => {
            let expression = i.columns.iter().find(|c| c.starts_with('('))?;
            Some((&i.table, expression))
        }
        Action::Alter { relation, kind, command: Alter::SetType { column, .. }, .. }
            if kind == "table" =>
        {
            Some((relation, column))
        }
        _ => None,
    }
}

fn is_analyzed_later(cx: &Context, site: &Site, table: &Relation) -> bool {
    cx.sites.iter().skip(site.index + 1).any(|s| {
        s.actions.iter().any(|a| match a {
            // VACUUM is read with its ANALYZE only in the text.
            Action::Vacuum { relations, .. } => {
                let too = s.statement.text.to_ascii_uppercase().contains("ANALYZE");
                too && names(relations, table)
            }
            Action::Analyze { relations } => names(relations, table),
            _ => false,
        })
    })
}

/// Without a name it is every table.
fn names(relations: &[Relation], table: &Relation) -> bool {
    relations.is_empty() || relations.iter().any(|r| r.same_as(table))
}
