//! A table that others use is dropped.

use crate::context::{Context, Site};
use crate::users::{dependents, listed};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "drop_table",
    severity: Severity::Error,
    title: "a table that others use is dropped",
    harm: "its rows are gone from the database and every client that names it fails (42P01)",
    instead: "rename it into a schema for trash, wait until nobody misses it, keep a backup, \
              then drop it",
    source: "DROP TABLE",
    guards_rows: true,
    examples: &[
        Example { sql: "DROP TABLE orders;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "CREATE TABLE n (a int); DROP TABLE n;", catalog: "", finds: &[] },
        Example {
            sql: "DROP TABLE IF EXISTS t CASCADE;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Error, Severity::Error],
        },
        Example {
            sql: "-- pgward: allow drop_table empty since the move\nDROP TABLE t;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: allow drop_table archived\nDROP TABLE t;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Error, Severity::Warning],
        },
        Example {
            sql: "-- pgward: allow drop_table archived\n-- pgward: expect rows 100\nDROP TABLE \
                  t;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Warning, Severity::Warning],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            match action {
                // The rows of a materialized view can be had again.
                Action::Drop(d) if d.kind == "table" => {
                    for name in d.names.iter().filter(|n| cx.existed(site, n)) {
                        of_table(cx, site, name, found);
                    }
                }
                _ => {}
            }
        }
    }
}

fn of_table(cx: &Context, site: &Site, name: &Relation, found: &mut Vec<Finding>) {
    let message = format!("{name} goes with all its rows; its clients fail at once");
    let finding = site.finding(&LINT, Severity::Error, message);
    found.push(cx.sized(finding, name));
    let (Some(info), Some(catalog)) = (cx.table(name), cx.catalog) else { return };
    let dependents = dependents(catalog, &info.relation);
    let empty = info.n_rows == Some(0.0);
    if empty && dependents.is_empty() {
        return;
    }
    let declared =
        info.n_rows.is_some_and(|n| site.declares_rows(n)) && site.allowance(LINT.id).is_some();
    let severity = if declared { Severity::Warning } else { Severity::Error };
    let used_by = match dependents.as_slice() {
        [] => String::new(),
        all => format!("; used by {}", listed(all)),
    };
    let rows = match info.n_rows {
        Some(n) => format!("{} rows", human(n)),
        None => "rows never counted".to_owned(),
    };
    let message = format!("{name} is live: {rows}{used_by}");
    let finding = site.catalog_finding(&LINT, severity, message, cx.traffic(info));
    let finding = cx.sized(finding, name);
    let written = (info.rows_inserted + info.rows_updated + info.rows_deleted) as f64;
    let claim = format!("{} row changes were made to {name}", human(written));
    found.push(finding.and(cx.measured(claim, written, "rows", "pg_stat_user_tables")));
}
