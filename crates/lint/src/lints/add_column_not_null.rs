//! A NOT NULL column without a value.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "add_column_not_null",
    severity: Severity::Error,
    title: "a NOT NULL column without a value",
    harm: "the rows that are there would have null in it: the statement fails (23502) as soon \
           as there is one",
    instead: "give it a constant DEFAULT, or add it nullable, fill it, then SET NOT NULL",
    source: "ALTER TABLE, ADD COLUMN",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ADD COLUMN x int NOT NULL;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN x int NOT NULL DEFAULT 0;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN x int NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN x int NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::AddColumn { column, .. }, .. } = action
            else {
                continue;
            };
            if !cx.existed(site, relation) || !column.not_null || column.has_value() {
                continue;
            }
            let severity = match cx.table(relation).and_then(|t| t.n_rows) {
                Some(0.0) => Severity::Note,
                _ => Severity::Error,
            };
            let message = format!(
                "{relation}.{} may not be null and has no value for the rows that are there",
                column.name
            );
            let finding = site.finding(&LINT, severity, message).fix(LINT.instead, None);
            found.push(cx.sized(finding, relation));
        }
    }
}
