//! CONCURRENTLY under a short timeout.

use crate::context::Context;
use crate::transaction::{is_concurrent, setting_at};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "concurrently_under_timeout",
    severity: Severity::Error,
    title: "CONCURRENTLY under a short timeout",
    harm: "it waits for all older snapshots; a timeout cancels it there and leaves an INVALID \
           index that only costs",
    instead: "SET lock_timeout = 0 and statement_timeout = 0 for this statement, and look for \
              old transactions first",
    source: "CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "SET lock_timeout = '1s'; CREATE INDEX CONCURRENTLY i ON a (x);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "SET lock_timeout = 0; CREATE INDEX CONCURRENTLY i ON a (x);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "SET statement_timeout = '5s'; RESET statement_timeout; REINDEX INDEX \
                  CONCURRENTLY i;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        if !site.actions.iter().any(is_concurrent) {
            continue;
        }
        for name in ["lock_timeout", "statement_timeout"] {
            if let Some(value) = setting_at(cx, site, name) {
                let message =
                    format!("{name} = {value} cancels it while it waits for old snapshots");
                let sql = Some(format!("SET {name} = 0;"));
                found.push(
                    site.finding(&LINT, Severity::Error, message)
                        .fix(LINT.instead, sql)
                        .placed(FixPlace::Before),
                );
            }
        }
    }
}
