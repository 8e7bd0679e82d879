//! A new table or view without its schema, where the team wants every name whole.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "policy_schema",
    severity: Severity::Warning,
    title: "a name without its schema",
    harm: "`require_schema` is set: without it the search path of whoever runs the file decides where the table is made",
    instead: "write schema.name",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE n (a int);", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "CREATE VIEW v AS SELECT 1;", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "CREATE TABLE app.n (a int);", catalog: "", finds: &[] },
        Example { sql: "CREATE TEMP TABLE n (a int);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    if !cx.options.policy.require_schema {
        return;
    }
    for site in &cx.sites {
        // As it is written: what a name means is told elsewhere.
        for action in pgward_sql::actions(&site.statement) {
            let made = match &action {
                Action::CreateTable(t) if !t.temporary => &t.relation,
                Action::CreateTableAs { relation, .. } | Action::CreateView { relation, .. } => {
                    relation
                }
                _ => continue,
            };
            if made.schema.is_empty() {
                let message = format!("{made} is made without its schema");
                found.push(site.finding(&LINT, Severity::Warning, message));
            }
        }
    }
}
