//! A setting of the server, a database or a role inside a change.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "alter_system",
    severity: Severity::Warning,
    title: "a setting of the server, a database or a role inside a change",
    harm: "ALTER SYSTEM holds for every database of the server, does not roll back, and some \
           settings keep the server from starting again; a role is that of every database",
    instead: "change settings through the server's own configuration, where they are reviewed",
    source: "ALTER SYSTEM; ALTER ROLE; ALTER DATABASE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER SYSTEM SET shared_buffers = '64GB';",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER ROLE app SET work_mem = '1GB';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER DATABASE shop SET statement_timeout = 0;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "SET work_mem = '64MB';", catalog: "", finds: &[] },
    ],
    check,
};

/// Statements whose effect is not in the tables of this database.
const BEYOND: &[&str] = &["alter role", "alter role set", "alter database", "alter database set"];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let name = match action {
                Action::AlterSystem { name } => name,
                Action::Other { what, .. } if BEYOND.contains(&what.as_str()) => {
                    let message = format!("{what}: new sessions meet it, in every file to come");
                    found.push(site.finding(&LINT, Severity::Note, message));
                    continue;
                }
                _ => continue,
            };
            let name = if name.is_empty() { "every setting" } else { name };
            let message = format!("{name} changes for the whole server and does not roll back");
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
