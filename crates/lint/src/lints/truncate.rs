//! TRUNCATE of a table that others use.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "truncate",
    severity: Severity::Error,
    title: "TRUNCATE of a table that others use",
    harm: "every row is gone at once; TRUNCATE takes ACCESS EXCLUSIVE, fires no DELETE \
           trigger, and CASCADE empties other tables too",
    instead: "DELETE in batches what may go, or declare the number of rows with `-- pgward: \
              expect rows N`",
    source: "TRUNCATE",
    guards_rows: true,
    examples: &[
        Example { sql: "TRUNCATE orders;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "CREATE TABLE n (a int); TRUNCATE n;", catalog: "", finds: &[] },
        Example {
            sql: "TRUNCATE t;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Error, Severity::Error],
        },
        Example {
            sql: "TRUNCATE t;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "TRUNCATE t CASCADE;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t; CREATE TABLE u (t int \
                      REFERENCES t); INSERT INTO u VALUES (1); ANALYZE u;",
            finds: &[Severity::Error, Severity::Error, Severity::Error],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for e in site.effects.iter().filter(|e| e.destroys == Destroys::AllRows) {
            if cx.existed(site, &e.relation) {
                of_table(cx, site, &e.relation, found);
            }
        }
    }
}

fn of_table(cx: &Context, site: &Site, name: &Relation, found: &mut Vec<Finding>) {
    // What only CASCADE reaches is not in the text.
    if site.statement.effects.iter().any(|e| e.relation.same_as(name)) {
        let message = format!("ACCESS EXCLUSIVE on {name}, and every row of it goes");
        found.push(site.finding(&LINT, Severity::Error, message));
    }
    let Some(info) = cx.table(name) else { return };
    let Some(n) = info.n_rows.filter(|n| *n > 0.0) else { return };
    let declared = site.declares_rows(n);
    let severity = if declared { Severity::Warning } else { Severity::Error };
    let claim = format!("{name} has {} rows", human(n));
    let evidence = cx.measured(claim, n, "rows", "pg_class.reltuples");
    let message = format!("TRUNCATE takes {} rows of {name}", human(n));
    let finding = site.catalog_finding(&LINT, severity, message, evidence);
    found.push(finding.and(cx.traffic(info)));
}
