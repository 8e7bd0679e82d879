//! UPDATE or DELETE touches every row.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Predicate, Rows};

pub(super) static LINT: Lint = Lint {
    id: "change_without_where",
    severity: Severity::Error,
    title: "UPDATE or DELETE touches every row",
    harm: "without a WHERE that chooses, every row is changed, locked until commit and \
           written anew",
    instead: "say which rows with WHERE, or declare `-- pgward: expect rows N` right before the \
              statement",
    source: "UPDATE, DELETE; Explicit Locking, Row-Level Locks",
    guards_rows: true,
    examples: &[
        Example {
            sql: "UPDATE accounts SET updated_at = now();",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DELETE FROM accounts WHERE id = id OR 1 = 1;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DO $$ BEGIN DELETE FROM accounts; END $$;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example { sql: "UPDATE accounts SET a = 1 WHERE id = 3;", catalog: "", finds: &[] },
        Example { sql: "CREATE TABLE n (a int); UPDATE n SET a = 1;", catalog: "", finds: &[] },
        Example {
            sql: "-- file 1.sql\nUPDATE state SET version = 1;\n\
                  -- file 2.sql\nUPDATE state SET version = 2;\n\
                  -- file 3.sql\nUPDATE state SET version = 3;",
            catalog: "",
            finds: &[Severity::Note, Severity::Note, Severity::Note],
        },
        Example {
            sql: "-- file 1.sql\nUPDATE state SET schema_checked = false;\n\
                  -- file 2.sql\nUPDATE state SET schema_checked = false;\n\
                  -- file 3.sql\nUPDATE state SET schema_checked = false;",
            catalog: "",
            finds: &[Severity::Error, Severity::Error, Severity::Error],
        },
        Example {
            sql: "-- file 1.sql\nUPDATE products SET conversion = 19;\n\
                  -- file 2.sql\nUPDATE products SET conversion = 16;\n\
                  -- file 3.sql\nUPDATE products SET conversion = 20;",
            catalog: "",
            finds: &[Severity::Error, Severity::Error, Severity::Error],
        },
        Example {
            sql: "-- file 1.sql\nUPDATE accounts SET plan = 1;\n\
                  -- file 2.sql\nUPDATE accounts SET plan = 2;",
            catalog: "",
            finds: &[Severity::Error, Severity::Error],
        },
        Example {
            sql: "-- pgward: expect rows 100\nUPDATE t SET a = 1;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: expect rows 10\nUPDATE t SET a = 1;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Error, Severity::Warning],
        },
        Example {
            sql: "UPDATE t SET a = 1 WHERE id IS NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "UPDATE t SET a = 1 WHERE a IS NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, 'x' FROM generate_series(1, 100) g; ANALYZE t;",
            finds: &[],
        },
    ],
    check,
};

/// Migrations that keep their own version set it in a table of one row, each file to another one.
/// Nobody changes data like that so often.
const VERSION_FILES: usize = 3;
/// What people call such a column or table, as a word between underscores.
const VERSION_WORDS: [&str; 4] = ["version", "revision", "schema", "migration"];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::Rows(rows) = action
                && rows.verb != StatementKind::Insert
                && cx.existed(site, &rows.relation)
            {
                of_rows(cx, site, rows, found);
            }
        }
    }
}

fn of_rows(cx: &Context, site: &Site, rows: &Rows, found: &mut Vec<Finding>) {
    let verb = if rows.verb == StatementKind::Delete { "DELETE" } else { "UPDATE" };
    let name = &rows.relation;
    let unbounded = match &rows.predicate {
        Predicate::Missing => Some(format!("{verb} of every row of {name}: there is no WHERE")),
        Predicate::Always { condition } => {
            Some(format!("{verb} of every row of {name}: WHERE {condition} is always true"))
        }
        _ => None,
    };
    let n_versions = versions(cx, rows);
    if let Some(message) = &unbounded {
        let (severity, message) = match (n_versions, &site.expected_rows) {
            (Some(n), _) => {
                let perhaps = format!("{message}; {n} files do so: perhaps the version they keep");
                (Severity::Note, perhaps)
            }
            (None, Some(_)) => (Severity::Warning, message.clone()),
            (None, None) => (Severity::Error, message.clone()),
        };
        found.push(site.finding(&LINT, severity, message));
    }
    let message = unbounded.or_else(|| always_by_constraint(cx, rows, verb));
    let (Some(message), Some(info)) = (message, cx.table(name)) else { return };
    let Some(n) = info.n_rows.filter(|n| *n > 0.0) else { return };
    if n_versions.is_some() {
        return;
    }
    if !site.declares_rows(n) {
        let evidence = cx.measured(
            format!("{verb} would touch all {} rows of {name}", human(n)),
            n,
            "rows",
            "pg_class.reltuples",
        );
        let finding = site.catalog_finding(&LINT, Severity::Error, message, evidence);
        found.push(finding.and(cx.traffic(info)));
    }
}

/// How many files set what is their own version with such a statement, as far as can be told: the
/// table has one row or, where nobody has counted, it or all that is set is called so.
fn versions(cx: &Context, rows: &Rows) -> Option<usize> {
    let constants = rows.constants.as_ref()?;
    let is_called =
        |name: &str| name.to_lowercase().split('_').any(|word| VERSION_WORDS.contains(&word));
    let set = rows.columns.iter().zip(constants).filter(|(_, to)| !to.is_empty());
    let is_one_row = match cx.table(&rows.relation).and_then(|t| t.n_rows) {
        Some(n) => n <= 1.0,
        None => is_called(&rows.relation.name) || set.into_iter().all(|(name, _)| is_called(name)),
    };
    is_one_row.then(|| cx.standing.n_settings(rows)).filter(|n| *n >= VERSION_FILES)
}

/// `col IS NOT NULL` or `col = col` on columns that cannot be null.
fn always_by_constraint(cx: &Context, rows: &Rows, verb: &str) -> Option<String> {
    let Predicate::NotNull { condition, columns } = &rows.predicate else { return None };
    let info = cx.table(&rows.relation)?;
    let all = columns.iter().all(|c| info.columns.iter().any(|i| i.name == *c && i.not_null));
    all.then(|| {
        format!(
            "{verb} of every row of {}: WHERE {condition} is always true, since {} cannot be null",
            rows.relation,
            columns.join(", ")
        )
    })
}
