//! An index is dropped before its replacement is built.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "drop_before_replacement",
    severity: Severity::Error,
    title: "an index is dropped before its replacement is built",
    harm: "until the new index is built, every query that needs one reads the whole table",
    instead: "create the new index first, then drop the old one",
    source: "DROP INDEX; CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "DROP INDEX CONCURRENTLY a_x; CREATE INDEX CONCURRENTLY a_x_y ON a (x, y);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY a_x_y ON a (x, y); DROP INDEX CONCURRENTLY a_x;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "DROP INDEX CONCURRENTLY i; CREATE INDEX CONCURRENTLY j ON t (b);",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a); INSERT INTO t \
                      VALUES (1, 1); SET enable_seqscan = off; SELECT * FROM t WHERE a = 1;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DROP INDEX CONCURRENTLY i; CREATE INDEX CONCURRENTLY j ON u (b);",
            catalog: "CREATE TABLE t (a int, b int); CREATE TABLE u (b int); CREATE INDEX i ON t \
                      (a);",
            finds: &[],
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
    let next = cx.sites.iter().skip(site.index + 1).flat_map(|s| &s.actions).find_map(|a| {
        let Action::CreateIndex(made) = a else { return None };
        let same = known.is_none_or(|(table, _)| table.relation.same_as(&made.table));
        same.then_some(made)
    });
    let Some(next) = next else { return };
    let message = format!(
        "index {name} is dropped before {} on {} is built",
        if next.name.is_empty() { "the index" } else { &next.name },
        next.table
    );
    match known.filter(|(_, index)| index.scans > 0) {
        None => found.push(site.finding(&LINT, Severity::Warning, message)),
        Some((_, index)) => {
            let scans = index.scans as f64;
            let evidence = cx.measured(
                format!("index {name} served {} scans", human(scans)),
                scans,
                "scans",
                "pg_stat_user_indexes.idx_scan",
            );
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}
