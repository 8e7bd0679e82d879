//! A foreign key that deletes.

use crate::context::Context;
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "on_delete_cascade",
    severity: Severity::Note,
    title: "a foreign key that deletes rows",
    harm: "a DELETE of one row takes every row that points to it, in the same transaction, and \
           says nothing of how many",
    instead: "ON DELETE RESTRICT, and delete what points to a row first, in batches",
    source: "CREATE TABLE, REFERENCES, ON DELETE CASCADE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) ON DELETE \
                  CASCADE NOT VALID;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int REFERENCES p (id) ON DELETE CASCADE);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int REFERENCES p (id) ON DELETE SET NULL);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TABLE n (a int REFERENCES p (id));", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for (table, key) in site.actions.iter().flat_map(added).filter(|(_, c)| c.on_delete == 'c')
        {
            let Some(parent) = &key.references else { continue };
            let message = format!("a DELETE on {parent} deletes rows of {table} too");
            found.push(cx.sized(site.finding(&LINT, Severity::Note, message), table));
        }
    }
}
