//! Long work under a lock without statement_timeout.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "statement_timeout_missing",
    severity: Severity::Note,
    title: "long work under a lock without statement_timeout",
    harm: "once it has its lock it keeps it for as long as the work takes, and nothing ends it",
    instead: "SET statement_timeout to what a rehearsal took, with room to spare",
    source: "Client Connection Defaults, statement_timeout",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE INDEX i ON a (x);", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "SET LOCAL statement_timeout = '5s'; CREATE INDEX i ON a (x);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER TABLE a ADD COLUMN x int;", catalog: "", finds: &[] },
        Example { sql: "CREATE INDEX CONCURRENTLY i ON a (x);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let mut limited = false;
        for site in cx.sites.iter().filter(|s| s.file.path == file.path) {
            for action in &site.actions {
                if let Action::Set { name, value, .. } = action
                    && name == "statement_timeout"
                {
                    limited = value.as_deref().is_some_and(|v| v != "0");
                }
            }
            let Some(e) = long_work(cx, site).filter(|_| !limited) else { continue };
            let message = format!("{} on {} for as long as it takes", e.lock, e.relation);
            found.push(site.finding(&LINT, Severity::Note, message));
            break;
        }
    }
}

fn long_work<'a>(cx: &Context, site: &'a Site) -> Option<&'a Effect> {
    site.effects.iter().find(|e| {
        let works = e.rewrites || e.scans || e.builds_index;
        works
            && e.lock.blocks_writes()
            && e.destroys == Destroys::Nothing
            && cx.existed(site, &e.relation)
    })
}
