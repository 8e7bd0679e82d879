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
            sql: "DO $$ DECLARE q text; BEGIN EXECUTE q; END $$;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "DO $$ BEGIN EXECUTE 'DROP TABLE ' || current_setting('x'); END $$;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM old'; CALL tidy();",
            catalog: "",
            finds: &[],
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
            let (severity, message) = match action {
                Action::Unknown { why } => {
                    (Severity::Warning, format!("its effects are unknown: {why}"))
                }
                Action::Computed { text } => {
                    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    (Severity::Note, format!("known only when it runs what … stands for: {text}"))
                }
                Action::Call { function, procedure: true } if !site.knows(function) => {
                    let name = function.quoted();
                    (
                        Severity::Warning,
                        format!("its effects are unknown: the text of {name} is not here"),
                    )
                }
                _ => continue,
            };
            found.push(site.finding(&LINT, severity, message));
        }
    }
}
