//! The statement contradicts what is there.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "statement_refused",
    severity: Severity::Error,
    title: "the statement contradicts what is there",
    harm: "the server refuses it, and the change stops half way or is rolled back",
    instead: "see which earlier migration made, renamed or dropped it; write IF EXISTS or IF NOT \
              EXISTS only where both are right",
    source: "PostgreSQL Error Codes, classes 42 and 2B",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN a int;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "SELECT make_columns(); ALTER TABLE t DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE t (a int); CREATE TABLE t (a int);",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DROP TABLE t;",
            catalog: "CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (t int REFERENCES t);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t DROP COLUMN a;",
            catalog: "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DROP TABLE u; DROP TABLE t;",
            catalog: "CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (t int REFERENCES t);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t RENAME a TO b; ALTER TABLE t ADD COLUMN a int;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
        Example {
            sql: "DO $$ BEGIN ALTER TABLE t ADD COLUMN a int; EXCEPTION WHEN duplicate_column \
                  THEN NULL; END $$;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD COLUMN a int;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        // What follows the first refusal follows from it.
        let refused = cx.sites.iter().filter(|s| s.file.path == file.path).find_map(|site| {
            let refusal = site.refusal.as_ref()?;
            Some((site, refusal))
        });
        let (Some((site, refusal)), Some(catalog)) = (refused, cx.catalog) else { continue };
        let severity = severity(cx, site, catalog, refusal.code);
        let message = format!("the server refuses it ({}): {}", refusal.code, refusal.why);
        let evidence = cx.measured(
            format!("{} tables are known before it", catalog.relations.len()),
            catalog.relations.len() as f64,
            "tables",
            "pg_class, pg_attribute, pg_constraint",
        );
        found.push(site.catalog_finding(&LINT, severity, message, evidence));
    }
}

/// A state put together from the files before may lack what no file says, most of all tables
/// that a tool or an extension has made; and what a block or a function did is not certain.
fn severity(cx: &Context, site: &Site, catalog: &Catalog, code: &str) -> Severity {
    const UNDEFINED_TABLE: &str = "42P01";
    let hides = |a: &Action| {
        matches!(a, Action::Call { .. } | Action::Unknown { .. } | Action::Computed { .. })
    };
    let hidden = cx.sites.iter().take(site.index).flat_map(|s| &s.actions).any(hides);
    match catalog.server_version {
        0 if code == UNDEFINED_TABLE => Severity::Note,
        0 => Severity::Warning,
        _ if hidden => Severity::Warning,
        _ => Severity::Error,
    }
}
