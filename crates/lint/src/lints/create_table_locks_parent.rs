//! A new table stops writes on an old one.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "create_table_locks_parent",
    severity: Severity::Note,
    title: "a new table stops writes on an old one",
    harm: "CREATE TABLE with a foreign key takes SHARE ROW EXCLUSIVE on the table it points \
           to, PARTITION OF takes ACCESS EXCLUSIVE on the parent",
    instead: "create it without the key and add the key NOT VALID under a lock_timeout; create \
              partitions alone and ATTACH them",
    source: "CREATE TABLE; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a int REFERENCES orders (id));",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE p1 PARTITION OF orders FOR VALUES IN (1);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE m (id int PRIMARY KEY); CREATE TABLE n (a int REFERENCES m (id));",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateTable(t) = action else { continue };
            let keys = t.references.iter().map(|r| (r, LockMode::ShareRowExclusive));
            let parents = t.partition_of.iter().map(|r| (r, LockMode::AccessExclusive));
            for (parent, lock) in keys.chain(parents) {
                if *parent == t.relation || !cx.existed(site, parent) {
                    continue;
                }
                let waits = if lock.blocks_reads() { "reads and writes" } else { "writes" };
                let message = format!(
                    "{lock} on {parent} until the commit: {waits} on it wait behind {}",
                    t.relation
                );
                // The lock is short, but for who waits for it behind a long transaction.
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}
