//! A new column that may be NULL, where the team wants none.

use crate::columns::{defined, primary_key};
use crate::context::Context;
use crate::users::listed;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "policy_nullable",
    severity: Severity::Warning,
    title: "a new column that may be NULL",
    harm: "`forbid_nullable_columns` is set: every reader must bear a NULL there",
    instead: "NOT NULL, with a DEFAULT where the table has rows",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a int NOT NULL, b int);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE TABLE n (a int PRIMARY KEY, b int NOT NULL, PRIMARY KEY (a));",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TABLE n (a int, PRIMARY KEY (a));", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    if !cx.options.policy.forbid_nullable_columns {
        return;
    }
    let mut all = defined(cx);
    all.retain(|d| {
        let key = d.table.map(primary_key).unwrap_or_default();
        !d.column.not_null && !key.contains(&d.column.name)
    });
    for together in all.chunk_by(|a, b| a.site.index == b.site.index) {
        let names: Vec<String> =
            together.iter().map(|d| format!("{}.{}", d.relation, d.column.name)).collect();
        let message = format!("may be NULL: {}", listed(&names));
        let first = together.first().map(|d| d.site);
        found.extend(first.map(|s| s.finding(&LINT, Severity::Warning, message)));
    }
}
