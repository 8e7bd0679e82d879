//! BEGIN or COMMIT inside a transaction that is not its own.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "nested_transaction",
    severity: Severity::Warning,
    title: "BEGIN or COMMIT inside a transaction that is not its own",
    harm: "PostgreSQL has no nested transactions: the first COMMIT ends the outer one, and what \
           follows is no longer undone together",
    instead: "leave BEGIN and COMMIT to one side: the file or the tool that runs it",
    source: "BEGIN; COMMIT",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; ALTER TABLE a ADD x int; BEGIN; ALTER TABLE a ADD y int; COMMIT; COMMIT;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "BEGIN; SAVEPOINT s; ALTER TABLE a ADD x int; RELEASE s; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "BEGIN; COMMIT; BEGIN; COMMIT;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let own = pgward_sql::splits_transactions(file);
        let mut open = false;
        for site in cx.sites.iter().filter(|s| s.file.path == file.path) {
            match site.statement.kind {
                StatementKind::Begin if open => {
                    let message = "BEGIN inside a transaction: the next COMMIT ends it all";
                    found.push(site.finding(&LINT, Severity::Warning, message));
                }
                StatementKind::Begin => open = true,
                StatementKind::Commit | StatementKind::Rollback => open = false,
                _ => {}
            }
        }
        let ends = cx.sites.iter().find(|s| {
            s.file.path == file.path && own.ends.first().is_some_and(|e| *e == s.statement.span)
        });
        if let Some(site) = ends.filter(|_| cx.options.wraps(&file.path)) {
            let message = "it ends the transaction that the tool has begun: what the tool writes \
                           of the file is not undone with it";
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
