//! A table with more indexes than a query can lock on the quick way.

use crate::context::Context;
use crate::tables::everywhere;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

/// A session notes 16 weak locks for itself (`FP_LOCK_SLOTS_PER_BACKEND` before 18): the table
/// and 15 indexes.
const INDEXES_MAX: usize = 15;

pub(super) static LINT: Lint = Lint {
    id: "many_indexes",
    severity: Severity::Note,
    title: "a table gets more than 15 indexes",
    harm: "each INSERT writes into all of them, and before 18 each query that plans on the table \
           takes some of its locks in shared memory, where many sessions wait for each other",
    instead: "drop the indexes that nobody uses first: idx_scan in pg_stat_user_indexes",
    source: "Examining Index Usage; pg_stat_user_indexes; pg_locks, fastpath",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a, b);",
            catalog: "CREATE TABLE t (a int, b int); DO $$ BEGIN FOR i IN 1..15 LOOP EXECUTE \
                      format('CREATE INDEX ON t ((a + %s))', i); END LOOP; END $$;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a, b);",
            catalog: "CREATE TABLE t (a int, b int); DO $$ BEGIN FOR i IN 1..14 LOOP EXECUTE \
                      format('CREATE INDEX ON t ((a + %s))', i); END LOOP; END $$;",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateIndex(index) = action else { continue };
            let Some(table) = cx.table(&index.table) else { continue };
            let made_before = crate::tables::before(cx, site)
                .filter(|a| matches!(a, Action::CreateIndex(i) if table.relation.same_as(&i.table)))
                .count();
            let gone = everywhere(cx).filter_map(|a| match a {
                Action::Drop(d) if d.kind == "index" => Some(&d.names),
                _ => None,
            });
            let of_table = |n: &&Relation| table.indexes.iter().any(|i| i.name == n.name);
            let n_gone = gone.flatten().filter(of_table).count();
            let n = (table.indexes.len() + made_before + 1).saturating_sub(n_gone);
            if n <= INDEXES_MAX {
                continue;
            }
            let there = table.indexes.len() as f64;
            let evidence = cx.measured(
                format!("{} has {there} indexes", table.relation),
                there,
                "indexes",
                "pg_index",
            );
            let message = format!("{} gets its index no. {n}", table.relation);
            found.push(site.catalog_finding(&LINT, Severity::Note, message, evidence));
        }
    }
}
