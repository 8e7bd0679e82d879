//! SET NOT NULL on a column that has NULLs.

use crate::context::{Context, Site};
use crate::tables::before;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewConstraint, Rows};

pub(super) static LINT: Lint = Lint {
    id: "not_null_may_fail",
    severity: Severity::Error,
    title: "a column with NULLs is to be NOT NULL",
    harm: "the statement reads rows under its lock until it meets the first NULL, then fails \
           (23502), and the change with it",
    instead: "fill the column in batches first, and count what is left",
    source: "ALTER TABLE, SET NOT NULL; pg_stats, null_frac",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT g, \
                      nullif(g % 4, 0) FROM generate_series(1, 1000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ADD PRIMARY KEY (a);",
            catalog: "CREATE TABLE t (id int, a int); INSERT INTO t SELECT g, nullif(g % 4, 0) \
                      FROM generate_series(1, 1000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "UPDATE t SET a = 0 WHERE a IS NULL; ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT g, \
                      nullif(g % 4, 0) FROM generate_series(1, 1000) g; ANALYZE t;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT g, g FROM \
                      generate_series(1, 1000) g; ANALYZE t;",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let Some(table) = cx.table(relation) else { continue };
            for column in proven(command) {
                let share = table.null_shares.get(column).copied().unwrap_or(0.0);
                if share > 0.0 && !is_filled(cx, site, relation, column) {
                    found.push(finding(cx, site, relation, column, share));
                }
            }
        }
    }
}

/// Columns of which every row is read for a NULL.
fn proven(command: &Alter) -> Vec<&str> {
    match command {
        Alter::SetNotNull { column } => vec![column],
        Alter::AddConstraint(NewConstraint {
            kind: 'n' | 'p', columns, not_valid: false, ..
        }) => columns.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Does the change give it values, or another column its name, before?
fn is_filled(cx: &Context, site: &Site, relation: &Relation, column: &str) -> bool {
    before(cx, site).chain(&site.actions).any(|action| match action {
        Action::Rows(Rows { verb, relation: changed, columns, .. }) => {
            let sets = columns.iter().any(|c| c == column);
            let takes = matches!(verb, StatementKind::Delete);
            changed.same_as(relation) && (sets && *verb == StatementKind::Update || takes)
        }
        Action::Truncate { relations, .. } => relations.iter().any(|r| r.same_as(relation)),
        Action::RenameColumn { relation: r, to, .. } => r.same_as(relation) && to == column,
        Action::Alter { relation: r, command, .. } if r.same_as(relation) => match command {
            Alter::AddColumn { column: new, .. } => new.name == column,
            Alter::SetType { column: set, using, .. } => set == column && using.is_some(),
            _ => false,
        },
        // What it does to rows is not in the text.
        Action::Unknown { .. } | Action::Computed { .. } => true,
        _ => false,
    })
}

fn finding(cx: &Context, site: &Site, relation: &Relation, column: &str, share: f64) -> Finding {
    let percent = share * 100.0;
    let claim = format!("{relation}.{column} was NULL in {percent:.2} % of the rows looked at");
    let evidence = cx.measured(claim, percent, "%", "pg_stats.null_frac, of the last ANALYZE");
    let message = format!("{relation}.{column} has NULLs: it fails while one is left");
    let (table, name) = (relation.quoted(), quote_ident(column));
    let sql = format!("SELECT count(*) FROM {table} WHERE {name} IS NULL;");
    site.catalog_finding(&LINT, Severity::Error, message, evidence)
        .fix(LINT.instead, Some(sql))
        .placed(FixPlace::Before)
}
