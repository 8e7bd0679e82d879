//! An open transaction that nothing ends when its client stalls.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "idle_timeout_missing",
    severity: Severity::Note,
    title: "an open transaction that nothing ends when its client stalls",
    harm: "a client that hangs between two statements keeps all its locks, and everyone waits",
    instead: "SET LOCAL idle_in_transaction_session_timeout = '10s' at the head of it",
    source: "Client Connection Defaults, idle_in_transaction_session_timeout",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; ALTER TABLE a ADD COLUMN x int; COMMIT;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10s'; ALTER TABLE a ADD \
                  COLUMN x int; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER TABLE a ADD COLUMN x int;", catalog: "", finds: &[] },
        Example { sql: "BEGIN; CREATE TABLE n (a int); COMMIT;", catalog: "", finds: &[] },
    ],
    check,
};

const LIMITS: [&str; 2] = ["idle_in_transaction_session_timeout", "transaction_timeout"];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let here = || cx.sites.iter().filter(|s| s.file.path == file.path);
        let limited = here().flat_map(|s| &s.actions).any(|a| {
            matches!(a, Action::Set { name, value: Some(value), .. }
                if LIMITS.contains(&name.as_str()) && value != "0")
        });
        let begins = here().any(|s| s.statement.kind == StatementKind::Begin);
        if limited || !begins {
            continue;
        }
        let held = here().filter(|s| s.in_transaction).find_map(|s| {
            let strong = |e: &&Effect| e.lock.blocks_writes() && cx.existed(s, &e.relation);
            Some((s, s.effects.iter().find(strong)?))
        });
        let Some((site, e)) = held else { continue };
        let message = format!("{} on {} stays if the client stalls", e.lock, e.relation);
        found.push(site.finding(&LINT, Severity::Note, message));
    }
}
