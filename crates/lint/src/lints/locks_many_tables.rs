//! One transaction locks many tables.

use crate::context::Context;
use crate::transaction::{after, before};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "locks_many_tables",
    severity: Severity::Note,
    title: "one transaction locks many tables",
    harm: "the first lock is held while the others are waited for, and a client that takes them \
           in another order ends in a deadlock (40P01)",
    instead: "one transaction a table, or lock them in the order in which the clients do",
    source: "Explicit Locking, Deadlocks",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; ALTER TABLE a ADD x int; ALTER TABLE b ADD x int; ALTER TABLE c ADD x \
                  int; COMMIT;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE a ADD x int; ALTER TABLE b ADD x int; ALTER TABLE c ADD x int;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; ALTER TABLE a ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES b (x) NOT \
                  VALID; COMMIT;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

/// A foreign key locks two; more than that is a choice.
const TABLES_FEW: usize = 2;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        let first = site.in_transaction
            && before(cx, site).next().is_none()
            && site.statement.kind != StatementKind::Commit;
        if !first {
            continue;
        }
        let all = std::iter::once(site).chain(after(cx, site));
        let locked: BTreeSet<String> = all
            .flat_map(|s| s.effects.iter().map(move |e| (s, e)))
            .filter(|(s, e)| e.lock.blocks_writes() && cx.existed(s, &e.relation))
            .map(|(_, e)| e.relation.to_string())
            .collect();
        if locked.len() > TABLES_FEW {
            let names: Vec<String> = locked.into_iter().collect();
            let message = format!(
                "{} tables are locked until the commit: {}",
                names.len(),
                crate::users::listed(&names)
            );
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
