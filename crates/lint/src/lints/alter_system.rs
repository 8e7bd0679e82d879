//! A server setting inside a change.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "alter_system",
    severity: Severity::Warning,
    title: "a server setting inside a change",
    harm: "it holds for every database of the server, does not roll back, and some settings \
           keep the server from starting again",
    instead: "change settings through the server's own configuration, where they are reviewed",
    source: "ALTER SYSTEM",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER SYSTEM SET shared_buffers = '64GB';",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "SET work_mem = '64MB';", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::AlterSystem { name } = action else { continue };
            let name = if name.is_empty() { "every setting" } else { name };
            let message = format!("{name} changes for the whole server and does not roll back");
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
