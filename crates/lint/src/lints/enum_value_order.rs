//! A new enum value stands behind all others.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "enum_value_order",
    severity: Severity::Note,
    title: "a new enum value stands behind all others",
    harm: "ORDER BY, < and > follow the order of the values, which cannot be changed later",
    instead: "say BEFORE or AFTER which value it stands",
    source: "ALTER TYPE, ADD VALUE",
    guards_rows: false,
    examples: &[
        Example { sql: "ALTER TYPE mood ADD VALUE 'fine';", catalog: "", finds: &[Severity::Note] },
        Example { sql: "ALTER TYPE mood ADD VALUE 'fine' AFTER 'ok';", catalog: "", finds: &[] },
        Example { sql: "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::AlterEnum { name, value, renamed: None, placed: false } = action {
                let message = format!("{value} sorts behind every other value of {name}");
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}
