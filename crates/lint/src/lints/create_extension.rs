//! An extension must be on the server before it can be created.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "create_extension",
    severity: Severity::Note,
    title: "an extension must be on the server before it can be created",
    harm: "its files, and often the rights of a superuser, are there in one environment and not \
           in the next: the change stops (0A000, 42501)",
    instead: "look it up in pg_available_extensions of production first",
    source: "CREATE EXTENSION",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE EXTENSION postgis;", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "CREATE EXTENSION IF NOT EXISTS citext;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "CREATE SCHEMA postgis;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::Create { kind, name, .. } = action
                && kind == "extension"
            {
                let message = format!("{name} must be installed on the server and allowed");
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}
