//! REFRESH CONCURRENTLY without a unique index fails.

use crate::context::Context;
use crate::tables::before;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, CreateIndex};

pub(super) static LINT: Lint = Lint {
    id: "refresh_concurrently_refused",
    severity: Severity::Error,
    title: "REFRESH CONCURRENTLY of a view without a unique index",
    harm: "PostgreSQL refuses it, and the view keeps its old rows",
    instead: "CREATE UNIQUE INDEX on columns of the view, without WHERE and without expressions",
    source: "REFRESH MATERIALIZED VIEW, CONCURRENTLY",
    guards_rows: false,
    examples: &[
        Example {
            sql: "REFRESH MATERIALIZED VIEW CONCURRENTLY m;",
            catalog: "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE INDEX i ON m (a);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "REFRESH MATERIALIZED VIEW CONCURRENTLY m;",
            catalog: "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX i ON m (a) \
                      WHERE a > 0;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "REFRESH MATERIALIZED VIEW CONCURRENTLY m;",
            catalog: "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX i ON m (a);",
            finds: &[],
        },
        Example {
            sql: "CREATE UNIQUE INDEX i ON m (a); REFRESH MATERIALIZED VIEW CONCURRENTLY m;",
            catalog: "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;",
            finds: &[],
        },
        Example { sql: "REFRESH MATERIALIZED VIEW CONCURRENTLY m;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Refresh { relation, concurrently: true } = action else { continue };
            let Some(view) = cx.table(relation).filter(|t| t.kind == 'm') else { continue };
            let standing = view.indexes.iter().any(serves);
            let is_new = |i: &CreateIndex| i.table.same_as(relation) && serves_when_made(i);
            let made = before(cx, site).any(|a| matches!(a, Action::CreateIndex(i) if is_new(i)));
            let replaced = before(cx, site).any(|a| match a {
                Action::CreateTableAs { relation: r, .. } => r.same_as(relation),
                _ => false,
            });
            if standing || made || replaced {
                continue;
            }
            let n = view.indexes.len() as f64;
            let claim = format!("none of the {n} indexes of {relation} will do");
            let evidence = cx.measured(claim, n, "indexes", "pg_index.indisunique");
            let message = format!("{relation} has no unique index on columns of all its rows");
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}

fn serves(index: &IndexInfo) -> bool {
    let plain = |c: &String| !c.contains('(');
    let whole = !index.definition.contains(" WHERE ");
    index.unique && index.valid && whole && index.columns.iter().all(plain)
}

fn serves_when_made(index: &CreateIndex) -> bool {
    index.unique && index.predicate.is_none() && index.columns.iter().all(|c| !c.starts_with('('))
}
