//! What it does cannot be read from the text.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "not_understood",
    severity: Severity::Warning,
    title: "what it does cannot be read from the text",
    harm: "its locks and losses are unknown, so nothing here may be called safe",
    instead: "write it as plain SQL, or look at what the rehearsal on a clone saw",
    source: "DO; PL/pgSQL, Executing Dynamic Commands",
    guards_rows: false,
    examples: &[
        Example { sql: "FROBNICATE TABLE a;", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "DO $$ BEGIN EXECUTE 'DROP TABLE ' || current_setting('x'); END $$;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "CALL tidy();", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "\\i other.sql", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "SELECT 1;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        if site.statement.kind == StatementKind::Unparsed {
            let first =
                site.statement.text.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            let message = format!("not understood, its effects are unknown: {first}");
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
        for action in &site.actions {
            if let Action::Unknown { why } = action {
                let message = format!("its effects are unknown: {why}");
                found.push(site.finding(&LINT, Severity::Warning, message));
            }
        }
    }
}
