//! lock_timeout is not shorter than statement_timeout.

use crate::context::Context;
use crate::transaction::milliseconds;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "lock_timeout_not_shorter",
    severity: Severity::Note,
    title: "lock_timeout is not shorter than statement_timeout",
    harm: "statement_timeout counts the wait too and ends the statement first, so that \
           lock_timeout limits nothing",
    instead: "give lock_timeout a few seconds and statement_timeout the time of the work",
    source: "Client Connection Defaults, lock_timeout",
    guards_rows: false,
    examples: &[
        Example {
            sql: "SET lock_timeout = '10s'; SET statement_timeout = '5s';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "SET statement_timeout = 5000; SET LOCAL lock_timeout = '1min';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "SET lock_timeout = '2s'; SET statement_timeout = '1min';",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "SET lock_timeout = '2s'; SET statement_timeout = 0;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let (mut lock_ms, mut statement_ms) = (None, None);
        for site in cx.sites.iter().filter(|s| s.file.path == file.path) {
            for action in &site.actions {
                let Action::Set { name, value, .. } = action else { continue };
                let given = value.as_deref().and_then(milliseconds).filter(|ms| *ms > 0.0);
                match name.as_str() {
                    "lock_timeout" => lock_ms = given,
                    "statement_timeout" => statement_ms = given,
                    _ => continue,
                }
                if let (Some(lock), Some(statement)) = (lock_ms, statement_ms)
                    && lock >= statement
                {
                    let message = format!(
                        "lock_timeout of {lock} ms never comes before statement_timeout of \
                         {statement} ms"
                    );
                    found.push(site.finding(&LINT, Severity::Note, message));
                }
            }
        }
    }
}
