//! A new enum value is used in the transaction that adds it.

use crate::context::Context;
use crate::transaction::after;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "enum_value_used_early",
    severity: Severity::Error,
    title: "a new enum value is used in the transaction that adds it",
    harm: "the server refuses it (55P04) until the value is committed, and all is rolled back",
    instead: "add the value in a transaction of its own, before the one that uses it",
    source: "ALTER TYPE, ADD VALUE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; ALTER TYPE mood ADD VALUE 'fine'; UPDATE a SET x = 'fine'::mood WHERE id \
                  = 1; COMMIT;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "BEGIN; ALTER TYPE mood ADD VALUE 'fine'; UPDATE a SET x = 'fine' WHERE id = 1; \
                  COMMIT;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TYPE mood ADD VALUE 'fine'; UPDATE a SET x = 'fine' WHERE id = 1;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; CREATE TYPE mood AS ENUM ('ok'); ALTER TYPE mood ADD VALUE 'fine'; \
                  UPDATE a SET x = 'fine' WHERE id = 1; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; ALTER TYPE mood ADD VALUE 'fine'; COMMENT ON TYPE mood IS 'fine'; COMMIT;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::AlterEnum { name, value, renamed: None, .. } = action else { continue };
            let made_here =
                crate::transaction::before(cx, site).flat_map(|s| &s.actions).any(|a| {
                    matches!(a, Action::Create { kind, name: made, .. }
                    if kind == "type" && *made == name.quoted())
                });
            if made_here {
                continue;
            }
            let literal = quote_literal(value);
            let user =
                after(cx, site).find(|s| uses(&s.actions) && s.statement.text.contains(&literal));
            let Some(user) = user else { continue };
            let line = site.statement.span.line;
            let message =
                format!("{literal} of {name} cannot be used before line {line} is committed");
            // Without a cast it may as well be a text of another column.
            let cast = format!("{literal}::{}", name.quoted());
            let sure = user.statement.text.contains(&cast)
                || user.statement.text.contains(&format!("{literal}::{}", name.name));
            let severity = if sure { Severity::Error } else { Severity::Warning };
            found.push(user.finding(&LINT, severity, message));
        }
    }
}

/// Bodies of functions and comments are texts to the server, no values.
fn uses(actions: &[Action]) -> bool {
    actions.iter().any(|a| {
        matches!(
            a,
            Action::Rows(_)
                | Action::Alter { .. }
                | Action::CreateTable(_)
                | Action::CreateIndex(_)
                | Action::CreateView { .. }
        )
    })
}
