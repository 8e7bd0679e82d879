//! A new table without a comment, where the team wants one.

use crate::context::Context;
use crate::tables::everywhere;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "policy_comment",
    severity: Severity::Warning,
    title: "a new table without a comment",
    harm: "`require_table_comments` is set: nobody can tell from the catalog what the table is for",
    instead: "COMMENT ON TABLE t IS '...'; in the same file",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE n (a int);", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "CREATE TABLE n (a int); COMMENT ON TABLE n IS 'what it is for';",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TEMP TABLE n (a int);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    if !cx.options.policy.require_table_comments {
        return;
    }
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateTable(t) = action else { continue };
            let says = |a: &Action| match a {
                Action::Comment { kind, relation: Some(r) } => {
                    kind == "table" && r.same_as(&t.relation)
                }
                _ => false,
            };
            if !t.temporary && t.partition_of.is_none() && !everywhere(cx).any(says) {
                let message = format!("{} has no comment", t.relation);
                found.push(site.finding(&LINT, Severity::Warning, message));
            }
        }
    }
}
