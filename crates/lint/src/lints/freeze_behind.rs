//! Long work while the server is short of transaction ids.

use crate::context::{Context, Site};
use crate::weight::{self, BYTES_PER_S};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "freeze_behind",
    severity: Severity::Error,
    title: "long work while the server is short of transaction ids",
    harm: "as long as the statement runs no vacuum can freeze what it may still see, and at 2 \
           billion ids the server takes no more writes",
    instead: "let vacuum freeze first (VACUUM (FREEZE) of the oldest tables), find what holds it \
              back, then do the work in short transactions",
    source: "Routine Vacuuming, Preventing Transaction ID Wraparound Failures",
    guards_rows: false,
    // It takes a server that is short of transaction ids: see `STAGED`.
    examples: &[Example {
        sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
        catalog: "CREATE TABLE t (a int); UPDATE pg_class SET relpages = 2000000000, reltuples = \
                  100000000 WHERE relname = 't';",
        finds: &[],
    }],
    check,
};

/// Autovacuum begins at `autovacuum_freeze_max_age`; at twice that age it does not keep up.
const BEHIND: i64 = 2;
/// A minute: shorter work does not hold freezing back for long.
const LONG_S: f64 = 60.0;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(freeze) = cx.conditions().and_then(|c| c.freeze.as_ref()) else { return };
    let severity = match freeze.xid_age {
        age if age >= freeze.failsafe_age => Severity::Error,
        age if age >= BEHIND * freeze.freeze_max_age => Severity::Warning,
        _ => return,
    };
    let mut longest = cx.sites.iter().map(|s| (s, seconds(cx, s)));
    let Some((site, at_least_s)) = longest.find(|(_, s)| *s >= LONG_S) else { return };
    let (age, database) = (human(freeze.xid_age as f64), &freeze.database);
    let message = format!(
        "this takes {} or longer, while {database} is {age} transactions behind with freezing",
        human_duration(at_least_s)
    );
    let claim = format!(
        "the oldest row of {database} that is not frozen is {age} transactions old; autovacuum \
         begins at {} and drops all else at {}",
        human(freeze.freeze_max_age as f64),
        human(freeze.failsafe_age as f64)
    );
    let evidence = cx
        .measured(claim, freeze.xid_age as f64, "transactions", "pg_database.datfrozenxid")
        .against(freeze.freeze_max_age as f64);
    found.push(site.catalog_finding(&LINT, severity, message, evidence));
}

/// How long the statement reads and writes, at least, on a slow disk.
fn seconds(cx: &Context, site: &Site) -> f64 {
    let scanned = site.effects.iter().filter(|e| e.scans || e.rewrites || e.builds_index);
    let read: f64 = scanned
        .filter(|e| cx.existed(site, &e.relation))
        .filter_map(|e| cx.table(&e.relation))
        .map(|t| t.table_bytes)
        .sum();
    let written: f64 = weight::written(cx, site).iter().map(|w| w.bytes).sum();
    read.max(written) / BYTES_PER_S
}
