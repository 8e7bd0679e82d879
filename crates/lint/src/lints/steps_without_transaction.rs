//! Several changes, each committed by itself.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "steps_without_transaction",
    severity: Severity::Warning,
    title: "several changes, each committed by itself",
    harm: "when a later statement fails, the earlier ones stay: the schema is neither old nor \
           new",
    instead: "put them into one transaction: BEGIN; ... COMMIT;",
    source: "Transactions (tutorial); BEGIN",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ADD x int; ALTER TABLE a ADD y int;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "BEGIN; ALTER TABLE a ADD x int; ALTER TABLE a ADD y int; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON a (x); DROP INDEX CONCURRENTLY j;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in &cx.change.files {
        let alone: Vec<&Site> = cx
            .sites
            .iter()
            .filter(|s| s.file.path == file.path)
            .filter(|s| !s.in_transaction && s.statement.in_transaction && changes(s))
            .collect();
        let schema = alone.iter().any(|s| s.statement.kind == StatementKind::Ddl);
        let (Some(first), true, true) = (alone.first(), alone.len() > 1, schema) else { continue };
        let message = format!(
            "{} statements are {} transactions: if one fails, those before it stay",
            alone.len(),
            alone.len()
        );
        found.push(first.finding(&LINT, Severity::Warning, message));
    }
}

fn changes(site: &Site) -> bool {
    use StatementKind::*;
    matches!(site.statement.kind, Ddl | Insert | Update | Delete | Truncate)
}
