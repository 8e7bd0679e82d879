//! One transaction takes more locks than the server has room for.

use crate::context::{Context, Site};
use crate::transaction;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "lock_table_too_small",
    severity: Severity::Error,
    title: "one transaction takes more locks than the server has room for",
    harm: "each partition and each of its indexes is a lock until the commit; when the table \
           that all sessions share is full, the change fails (53200), and so does whoever else \
           asks for a lock then",
    instead: "go partition by partition, each in a transaction of its own, or raise \
              max_locks_per_transaction, which takes a restart",
    source: "Lock Management, max_locks_per_transaction",
    guards_rows: false,
    // It takes hundreds of partitions: see `STAGED`.
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF \
                      t FOR VALUES IN (1);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD COLUMN b int;", catalog: "", finds: &[] },
    ],
    check,
};

/// Of what is free: above it others may be refused while the change runs.
const MUCH: f64 = 0.5;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(limits) = cx.conditions().and_then(|c| c.limits.as_ref()) else { return };
    let free = (limits.lock_slots() - limits.locks_held).max(0) as f64;
    for site in &cx.sites {
        if !transaction::after(cx, site).all(|s| s.effects.is_empty()) {
            continue; // the last one of the transaction tells
        }
        let (n_locks, widest) = locks(cx, site);
        let Some((table, n_parts)) = widest else { continue };
        if n_locks <= MUCH * free {
            continue;
        }
        let severity = if n_locks > free { Severity::Error } else { Severity::Warning };
        let message = format!(
            "this takes at least {} locks, {table} has {} partitions, and the server has room \
             for {} more",
            human(n_locks),
            human(n_parts as f64),
            human(free)
        );
        let claim = format!(
            "max_locks_per_transaction of {} makes room for {}, {} of it taken",
            limits.max_locks_per_transaction,
            human(limits.lock_slots() as f64),
            human(limits.locks_held as f64)
        );
        let evidence = cx.measured(claim, free, "locks", "pg_settings, pg_locks").against(n_locks);
        found.push(site.catalog_finding(&LINT, severity, message, evidence));
    }
}

/// Locks that the transaction holds once this statement is through, and the partitioned table
/// with most partitions among what it touches. TOAST tables come on top.
fn locks<'a>(cx: &Context<'a>, site: &Site) -> (f64, Option<(&'a Relation, usize)>) {
    let mut locked: BTreeSet<u32> = BTreeSet::new();
    let mut n_locks = 0;
    let mut widest: Option<(&Relation, usize)> = None;
    for site in std::iter::once(site).chain(transaction::before(cx, site)) {
        for effect in &site.effects {
            let Some(info) = cx.table(&effect.relation) else { continue };
            let family = with_partitions(cx, info);
            if info.kind == 'p' && widest.is_none_or(|(_, n)| n < family.len() - 1) {
                widest = Some((&info.relation, family.len() - 1));
            }
            for table in family {
                if locked.insert(table.oid) {
                    n_locks += 1 + table.indexes.len();
                }
            }
        }
    }
    (n_locks as f64, widest)
}

/// The table and, where it is partitioned, all that it consists of.
fn with_partitions<'a>(cx: &Context<'a>, info: &'a RelationInfo) -> Vec<&'a RelationInfo> {
    let mut all = vec![info];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        next += 1;
        if parent.kind != 'p' {
            continue;
        }
        let relations = cx.catalog.iter().flat_map(|c| &c.relations);
        all.extend(
            relations.filter(|r| r.partition.as_ref().is_some_and(|p| p.parent == parent.relation)),
        );
    }
    all
}
