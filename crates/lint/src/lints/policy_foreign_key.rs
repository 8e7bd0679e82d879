//! A foreign key, where the team wants none.

use crate::context::Context;
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "policy_foreign_key",
    severity: Severity::Warning,
    title: "a foreign key, where none is wanted",
    harm: "`forbid_foreign_keys` is set: tables are to be tied by the application alone",
    instead: "leave the key out, or allow it here with its reason",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a int REFERENCES t);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE n ADD FOREIGN KEY (a) REFERENCES t;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "ALTER TABLE n ADD UNIQUE (a);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    if !cx.options.policy.forbid_foreign_keys {
        return;
    }
    for site in &cx.sites {
        for (table, key) in site.actions.iter().flat_map(added).filter(|(_, k)| k.kind == 'f') {
            let to = key.references.as_ref().map(ToString::to_string).unwrap_or_default();
            let message = format!("a foreign key from {table} to {to}, and none is wanted");
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
