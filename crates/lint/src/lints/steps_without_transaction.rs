//! Several changes, each committed by itself.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

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
            sql: "ALTER TABLE a ADD x int; CREATE UNIQUE INDEX i ON a (x);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE a ADD x int; ALTER TABLE a ADD y int;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "BEGIN; ALTER TABLE a ADD x int; ALTER TABLE a ADD y int; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0) NOT VALID; ALTER TABLE a VALIDATE \
                  CONSTRAINT c;",
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
    for file in cx.files {
        let alone: Vec<&Site> = cx
            .sites
            .iter()
            .filter(|s| s.file.path == file.path)
            .filter(|s| !s.in_transaction && s.statement.in_transaction && changes(s))
            .collect();
        let schema = alone.iter().any(|s| s.statement.kind == StatementKind::Ddl);
        let (Some(first), true, true) = (alone.first(), alone.len() > 1, schema) else { continue };
        let n = alone.len();
        let mut message =
            format!("{n} statements are {n} transactions: if one fails, those before it stay");
        let mut severity = Severity::Note;
        if let Some(risky) = alone.iter().skip(1).find(|s| may_fail(s)) {
            severity = Severity::Warning;
            let line = risky.statement.span.line;
            message = format!("{message}; the one in line {line} fails where a row does not fit");
        }
        found.push(first.finding(&LINT, severity, message));
    }
}

/// Does it depend on the rows that it meets?
fn may_fail(site: &Site) -> bool {
    let unique = site.actions.iter().any(|a| match a {
        Action::CreateIndex(i) => i.unique,
        _ => false,
    });
    let on_rows = |e: &&Effect| e.scans || e.rewrites || (e.builds_index && unique);
    let existing = site.effects.iter().filter(|e| e.existed_before);
    site.statement.kind == StatementKind::Ddl && existing.filter(on_rows).count() > 0
}

fn changes(site: &Site) -> bool {
    use StatementKind::*;
    // VALIDATE only proves: where it fails, the constraint goes on as it was.
    let proves =
        |a: &Action| matches!(a, Action::Alter { command: Alter::ValidateConstraint { .. }, .. });
    matches!(site.statement.kind, Ddl | Insert | Update | Delete | Truncate)
        && !(site.actions.len() == 1 && site.actions.iter().all(proves))
}
