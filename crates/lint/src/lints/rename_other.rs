//! Another object gets another name or schema.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "rename_other",
    severity: Severity::Warning,
    title: "a schema, type, function, value or constraint gets another name or schema",
    harm: "statements, casts and ON CONFLICT ON CONSTRAINT with the old name fail from the \
           moment of the commit; bodies of functions keep the old name",
    instead: "make the new one beside it, move the clients, then drop the old one",
    source: "ALTER SCHEMA; ALTER TYPE; ALTER FUNCTION; ALTER TABLE, RENAME CONSTRAINT",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER SCHEMA shop RENAME TO store;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER FUNCTION f(int) RENAME TO g;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER FUNCTION f(int) SET SCHEMA s;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE a RENAME CONSTRAINT b TO c;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int CONSTRAINT b UNIQUE); ALTER TABLE n RENAME CONSTRAINT b \
                  TO c;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER TYPE mood ADD VALUE 'fine';", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let (old, new) = match action {
                // What carries a table's name is told as one of its own.
                Action::RenameOther { kind, name, table: None, to } => {
                    (format!("{kind} {name}"), to.clone())
                }
                Action::AlterEnum { name, value, renamed: Some(old), .. } => {
                    (format!("value {old} of {name}"), value.clone())
                }
                Action::RenameConstraint { relation, from, to } if cx.existed(site, relation) => {
                    (format!("constraint {from} of {relation}"), to.clone())
                }
                Action::SetSchema { kind, relation, schema }
                    if kind != "table" && cx.existed(site, relation) =>
                {
                    (format!("{kind} {relation}"), format!("{schema}.{}", relation.name))
                }
                _ => continue,
            };
            let severity =
                if old.starts_with("schema ") { Severity::Warning } else { Severity::Note };
            let message = format!("{old} becomes {new}: what names it fails at once");
            found.push(site.finding(&LINT, severity, message));
        }
    }
}
