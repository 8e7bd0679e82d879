//! An index that queries use is dropped.

use crate::context::{Context, Site};
use crate::indexes::replacement;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "drop_used_index",
    severity: Severity::Error,
    title: "an index that queries use is dropped",
    harm: "queries that used it read the whole table from then on",
    instead: "build its replacement CONCURRENTLY first, see the plans use it, then drop this one",
    source: "DROP INDEX; pg_stat_user_indexes",
    guards_rows: false,
    examples: &[
        Example {
            sql: "DROP INDEX CONCURRENTLY orders_customer;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int); CREATE INDEX i ON n (a); DROP INDEX i;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "DROP INDEX CONCURRENTLY i;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a); INSERT INTO t \
                      VALUES (1, 1); SET enable_seqscan = off; SELECT * FROM t WHERE a = 1;",
            finds: &[Severity::Error, Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (a, b); DROP INDEX CONCURRENTLY i;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a); INSERT INTO t \
                      VALUES (1, 1); SET enable_seqscan = off; SELECT * FROM t WHERE a = 1;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY j ON t (b, a); DROP INDEX CONCURRENTLY i;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a); INSERT INTO t \
                      VALUES (1, 1); SET enable_seqscan = off; SELECT * FROM t WHERE a = 1;",
            finds: &[Severity::Error, Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Drop(d) = action else { continue };
            if d.kind != "index" {
                continue;
            }
            for name in d.names.iter().filter(|n| cx.existed(site, n)) {
                of_index(cx, site, name, found);
            }
        }
    }
}

fn of_index(cx: &Context, site: &Site, name: &Relation, found: &mut Vec<Finding>) {
    let known = cx.catalog.and_then(|c| c.index(name));
    let standing = known.and_then(|(table, index)| replacement(cx, site, table, index));
    if let Some(by) = &standing {
        let message = format!("index {name} goes, {by} starts with the same columns");
        found.push(site.finding(&LINT, Severity::Note, message));
        return;
    }
    let message = format!("index {name} goes: queries that use it will read the whole table");
    // Whether there are such queries only a live catalog tells.
    let finding = site.finding(&LINT, Severity::Note, message);
    found.push(finding.fix(LINT.instead, None));
    let Some((table, index)) = known else { return };
    if index.scans == 0 {
        return;
    }
    let scans = index.scans as f64;
    let evidence = cx.measured(
        format!("index {name} served {} scans", human(scans)),
        scans,
        "scans",
        "pg_stat_user_indexes.idx_scan",
    );
    let message = format!(
        "index {name} on {} ({}) is in use and no other index starts with these columns",
        table.relation,
        index.columns.join(", ")
    );
    let finding = site.catalog_finding(&LINT, Severity::Error, message, evidence);
    found.push(cx.sized(finding, &table.relation));
}
