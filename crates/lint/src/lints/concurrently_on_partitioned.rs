//! CONCURRENTLY on a partitioned table fails.

use crate::context::{Context, Site};
use crate::tables::is_partitioned;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "concurrently_on_partitioned",
    severity: Severity::Error,
    title: "an index of a partitioned table is made or dropped CONCURRENTLY",
    harm: "PostgreSQL refuses it, and the change stops there",
    instead: "CREATE INDEX ON ONLY the partitioned table, CREATE INDEX CONCURRENTLY on each \
              partition, then ALTER INDEX ... ATTACH PARTITION",
    source: "CREATE INDEX, CONCURRENTLY; DROP INDEX, CONCURRENTLY",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (a);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DROP INDEX CONCURRENTLY i;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE INDEX i ON t (a);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE n (a int) PARTITION BY LIST (a); CREATE INDEX CONCURRENTLY i ON n \
                  (a);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example { sql: "CREATE INDEX CONCURRENTLY i ON t (a);", catalog: "", finds: &[] },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON p (a);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF \
                      t FOR VALUES IN (1);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Some((table, verb)) = refused(cx, site, action) {
                let message =
                    format!("{table} is partitioned: {verb} INDEX CONCURRENTLY fails on it");
                found.push(site.finding(&LINT, Severity::Error, message));
            }
        }
    }
}

fn refused(cx: &Context, site: &Site, action: &Action) -> Option<(Relation, &'static str)> {
    match action {
        Action::CreateIndex(i) if i.concurrently && is_partitioned(cx, site, &i.table) => {
            Some((i.table.clone(), "CREATE"))
        }
        Action::Drop(d) if d.kind == "index" && d.concurrently => {
            let tables = d.names.iter().filter_map(|n| cx.catalog?.index(n));
            let mut tables = tables.map(|(table, _)| table).filter(|t| t.kind == 'p');
            tables.next().map(|t| (t.relation.clone(), "DROP"))
        }
        _ => None,
    }
}
