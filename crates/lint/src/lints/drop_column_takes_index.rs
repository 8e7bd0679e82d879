//! A dropped column takes an index on other columns with it.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "drop_column_takes_index",
    severity: Severity::Warning,
    title: "a dropped column takes an index on other columns with it",
    harm: "every index and key that has the column goes without a word: queries on its other \
           columns read the whole table, and what was unique is unique no more",
    instead: "build an index on the columns that stay with CREATE INDEX CONCURRENTLY first",
    source: "ALTER TABLE, DROP COLUMN",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX t_ab ON t (a, b);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX t_b ON t (b);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int, b int); CREATE INDEX t_ab ON t (a, b); CREATE INDEX \
                      t_a ON t (a);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t DROP COLUMN b;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::DropColumn { name, .. }, .. } = action
            else {
                continue;
            };
            let Some(info) = cx.table(relation) else { continue };
            for index in info.indexes.iter().filter(|i| i.columns.contains(name)) {
                let kept: Vec<String> =
                    index.columns.iter().filter(|c| *c != name).cloned().collect();
                let others = info.indexes.iter().filter(|i| !i.columns.contains(name));
                let mut others = others.filter(|i| i.valid && (i.unique || !index.unique));
                if kept.is_empty() || others.any(|i| i.columns.starts_with(&kept)) {
                    continue;
                }
                let what = if index.unique { "unique index" } else { "index" };
                let message =
                    format!("{what} {} on {} goes too", index.name, index.columns.join(", "));
                let scans = index.scans as f64;
                let claim = format!("{} was used by {} scans", index.name, human(scans));
                let evidence = cx.measured(claim, scans, "scans", "pg_stat_user_indexes");
                found.push(site.catalog_finding(&LINT, Severity::Warning, message, evidence));
            }
        }
    }
}
