//! A new table without the columns that the team wants in each.

use crate::context::Context;
use crate::users::listed;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "policy_columns",
    severity: Severity::Warning,
    title: "a new table lacks a column that each must have",
    harm: "`require_columns` is set: what reads every table alike fails on this one",
    instead: "add the columns to CREATE TABLE",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a int NOT NULL);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE TABLE n (a int NOT NULL, created_at timestamptz);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TEMP TABLE n (a int);", catalog: "", finds: &[] },
        Example { sql: "CREATE TABLE n (LIKE t INCLUDING ALL);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateTable(t) = action else { continue };
            let own = t.like.is_empty() && t.inherits.is_empty() && t.partition_of.is_none();
            let has = |name: &String| t.columns.iter().any(|c| c.name == *name);
            let wanted = &cx.options.policy.require_columns;
            let missing: Vec<String> = wanted.iter().filter(|c| !has(c)).cloned().collect();
            if own && !t.temporary && !missing.is_empty() {
                let message = format!("{} lacks {}", t.relation, listed(&missing));
                found.push(site.finding(&LINT, Severity::Warning, message));
            }
        }
    }
}
