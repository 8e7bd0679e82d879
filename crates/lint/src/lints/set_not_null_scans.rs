//! SET NOT NULL reads the whole table.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewConstraint};

pub(super) static LINT: Lint = Lint {
    id: "set_not_null_scans",
    severity: Severity::Error,
    title: "SET NOT NULL reads the whole table",
    harm: "it reads every row under ACCESS EXCLUSIVE: nobody reads or writes meanwhile",
    instead: "ADD CONSTRAINT c CHECK (col IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT c; then \
              SET NOT NULL takes no scan",
    source: "ALTER TABLE, SET NOT NULL",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ALTER COLUMN x SET NOT NULL;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT x_given NOT NULL x;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT x_given NOT NULL x NOT VALID;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (x int); ALTER TABLE n ALTER x SET NOT NULL;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t; ALTER \
                      TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let column = match command {
                Alter::SetNotNull { column } => column,
                // A constraint with a name of its own, since PostgreSQL 18.
                Alter::AddConstraint(NewConstraint { kind: 'n', columns, .. }) => {
                    let Some(column) = columns.first() else { continue };
                    column
                }
                _ => continue,
            };
            if !cx.existed(site, relation) || !scans(site, relation) {
                continue;
            }
            let severity = cx.weigh(relation, Severity::Error);
            let message = format!(
                "ACCESS EXCLUSIVE on {relation} while every row is read: {column} IS NOT NULL?"
            );
            let finding =
                site.finding(&LINT, severity, message).fix(LINT.instead, online(relation, column));
            found.push(cx.sized(finding, relation));
        }
    }
}

fn scans(site: &Site, relation: &Relation) -> bool {
    site.effects.iter().any(|e| e.relation.same_as(relation) && e.scans)
}

fn online(relation: &Relation, column: &str) -> Option<String> {
    let (table, name) = (relation.quoted(), quote_ident(column));
    let check = quote_ident(&format!("{column}_not_null"));
    Some(format!(
        "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID;\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {check};\n\
         ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {check};"
    ))
}
