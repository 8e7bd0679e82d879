//! A unique key that is checked at the end of the transaction.

use crate::context::Context;
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "deferrable_key",
    severity: Severity::Note,
    title: "a unique key that is DEFERRABLE",
    harm: "INSERT ... ON CONFLICT cannot use it, foreign keys cannot point to it, and it is no \
           replica identity",
    instead: "leave DEFERRABLE out, or keep a second key that is not deferrable",
    source: "CREATE TABLE, DEFERRABLE; INSERT, ON CONFLICT; SET CONSTRAINTS",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a int, UNIQUE (a) DEFERRABLE INITIALLY DEFERRED);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int UNIQUE DEFERRABLE);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int REFERENCES p (id) DEFERRABLE);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TABLE n (a int UNIQUE);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        let keys = site.actions.iter().flat_map(added);
        for (table, key) in keys.filter(|(_, c)| c.deferrable && matches!(c.kind, 'p' | 'u')) {
            let columns = key.columns.join(", ");
            let message = format!("ON CONFLICT ({columns}) fails on {table}: the key may wait");
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
