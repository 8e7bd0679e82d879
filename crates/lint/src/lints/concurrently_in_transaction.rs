//! CONCURRENTLY inside a transaction.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "concurrently_in_transaction",
    severity: Severity::Error,
    title: "CONCURRENTLY inside a transaction",
    harm: "PostgreSQL refuses it there (25001), and what ran before it is rolled back",
    instead: "run it alone, outside of BEGIN and of a runner's transaction",
    source: "CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; CREATE INDEX CONCURRENTLY i ON a (x); COMMIT;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example { sql: "BEGIN; VACUUM a; COMMIT;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "CREATE INDEX CONCURRENTLY i ON a (x);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        if !site.in_transaction || site.statement.in_transaction {
            continue;
        }
        let words: Vec<&str> = site.statement.text.split_whitespace().take(3).collect();
        let message = format!("{} cannot run inside a transaction block", words.join(" "));
        found.push(site.finding(&LINT, Severity::Error, message));
    }
}
