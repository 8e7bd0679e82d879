//! An explicit lock that others wait for.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "lock_table",
    severity: Severity::Warning,
    title: "an explicit lock that others wait for",
    harm: "LOCK TABLE keeps its lock until the end of the transaction",
    instead: "lock rows with SELECT ... FOR UPDATE, or add NOWAIT and try again",
    source: "LOCK; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; LOCK TABLE orders; COMMIT;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE; COMMIT;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Lock { relations, mode, .. } = action else { continue };
            if !mode.blocks_writes() {
                continue;
            }
            let waits = if mode.blocks_reads() { "reads and writes wait" } else { "writes wait" };
            for relation in relations.iter().filter(|r| cx.existed(site, r)) {
                let message = format!("{mode} on {relation} until the commit: {waits}");
                found.push(site.finding(&LINT, Severity::Warning, message));
            }
        }
    }
}
