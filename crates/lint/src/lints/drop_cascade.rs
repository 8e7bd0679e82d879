//! CASCADE drops what is not named.

use crate::context::Context;
use crate::users::{dependents, listed};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "drop_cascade",
    severity: Severity::Error,
    title: "CASCADE drops what is not named",
    harm: "views, foreign keys and functions that depend on it go too, without a word in the \
           change",
    instead: "name each dependent object and drop it by itself, without CASCADE",
    source: "Dependency Tracking",
    guards_rows: false,
    examples: &[
        Example { sql: "DROP VIEW a CASCADE;", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "DROP TABLE orders;", catalog: "", finds: &[] },
        Example { sql: "CREATE TABLE n (a int); DROP TABLE n CASCADE;", catalog: "", finds: &[] },
        Example {
            sql: "DROP TABLE t CASCADE;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "DROP TABLE t CASCADE;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t; CREATE VIEW v AS \
                      SELECT * FROM t; CREATE VIEW w AS SELECT * FROM v;",
            finds: &[Severity::Error, Severity::Warning],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let (what, name) = match action {
                Action::Drop(d) if d.cascade => {
                    match d.names.iter().find(|n| cx.existed(site, n)) {
                        Some(name) => (format!("{} {name}", d.kind), name),
                        None => continue,
                    }
                }
                Action::Alter {
                    relation,
                    command: Alter::DropColumn { name, cascade: true, .. },
                    ..
                } if cx.existed(site, relation) => (format!("column {relation}.{name}"), relation),
                _ => continue,
            };
            let message = format!("CASCADE drops everything that depends on {what}");
            found.push(site.finding(&LINT, Severity::Warning, message));
            let Some((catalog, info)) = cx.catalog.zip(cx.table(name)) else { continue };
            let gone = dependents(catalog, &info.relation);
            if gone.is_empty() {
                continue;
            }
            let evidence = cx.measured(
                format!("{} objects depend on {name}", gone.len()),
                gone.len() as f64,
                "objects",
                "pg_depend",
            );
            let message = format!("CASCADE also drops {}", listed(&gone));
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}
