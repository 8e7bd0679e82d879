//! A list of values becomes a type.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "enum_type",
    severity: Severity::Note,
    title: "a list of values becomes a type",
    harm: "a value can be added, but never taken away: that means another type and a rewrite of \
           every table with it",
    instead: "a table of the values and a foreign key, or text with a CHECK",
    source: "Enumerated Types",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TYPE mood AS ENUM ('ok', 'bad');",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "CREATE TYPE pair AS (a int, b int);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Create { kind, name, .. } = action else { continue };
            if kind == "type" && is_enum(&site.statement.text.to_lowercase()) {
                let message = format!("no value of {name} can ever be taken away");
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}

fn is_enum(text: &str) -> bool {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == '(').collect();
    words.windows(2).any(|w| w == ["as", "enum"])
}
