//! A new column type holds less than the old one.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};
use pgward_sql::base_type;

pub(super) static LINT: Lint = Lint {
    id: "alter_type_narrows",
    severity: Severity::Warning,
    title: "a new column type holds less than the old one",
    harm: "values are rounded or cut without a word, or the first one that does not fit stops \
           the statement (22001, 22003) after it has read the table",
    instead: "count the rows that would change first; add a column of the new type and fill it",
    source: "ALTER TABLE, SET DATA TYPE; Numeric Types; Date/Time Types",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE numeric(10, 1);",
            catalog: "CREATE TABLE t (a numeric(10, 2));",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE date;",
            catalog: "CREATE TABLE t (a timestamptz);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE varchar(20);",
            catalog: "CREATE TABLE t (a varchar(50));",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE int;",
            catalog: "CREATE TABLE t (a bigint);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE text;",
            catalog: "CREATE TABLE t (a varchar(50));",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE numeric(12, 2);",
            catalog: "CREATE TABLE t (a numeric(10, 2));",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ALTER COLUMN a TYPE int;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter {
                relation, command: Alter::SetType { column, data_type, .. }, ..
            } = action
            else {
                continue;
            };
            let Some(info) = cx.table(relation) else { continue };
            let Some(old) = info.columns.iter().find(|c| c.name == *column) else { continue };
            let (severity, what) = match narrows(&old.data_type, data_type) {
                Narrows::No => continue,
                Narrows::Cuts => (Severity::Warning, "digits or times are cut"),
                Narrows::Fails => (Severity::Note, "a value that does not fit stops it"),
            };
            let message =
                format!("{relation}.{column} from {} to {data_type}: {what}", old.data_type);
            let n_rows = info.n_rows.unwrap_or(0.0);
            let claim = format!("{relation}.{column} is {}", old.data_type);
            let evidence = cx.measured(claim, n_rows, "rows", "pg_attribute, pg_class.reltuples");
            found.push(site.catalog_finding(&LINT, severity, message, evidence));
        }
    }
}

enum Narrows {
    No,
    /// Without a word.
    Cuts,
    Fails,
}

/// How much a number type holds; an approximate one has no place here.
fn integer_rank(data_type: &str) -> Option<u8> {
    Some(match base_type(data_type).as_str() {
        "int2" => 1,
        "int4" => 2,
        "int8" => 3,
        _ => return None,
    })
}

fn narrows(old: &str, new: &str) -> Narrows {
    let (from, to) = (base_type(old), base_type(new));
    let is_time = |t: &str| t.starts_with("timestamp");
    let is_exact = |t: &str| t == "numeric";
    let is_float = |t: &str| t == "real" || t.starts_with("double") || t.starts_with("float");
    let is_limited = |t: &str| matches!(t, "varchar" | "char" | "character" | "bpchar");
    if let (Some(a), Some(b)) = (integer_rank(old), integer_rank(new)) {
        return if b < a { Narrows::Fails } else { Narrows::No };
    }
    if is_time(&from) && matches!(to.as_str(), "date" | "time") {
        return Narrows::Cuts;
    }
    if (is_exact(&from) || is_float(&from)) && integer_rank(new).is_some() {
        return Narrows::Cuts;
    }
    if from.starts_with("double") && matches!(to.as_str(), "real" | "float4") {
        return Narrows::Cuts;
    }
    if is_exact(&from) && is_exact(&to) {
        return match (limits(old), limits(new)) {
            (_, None) => Narrows::No,
            (None, Some(_)) => Narrows::Cuts,
            (Some((_, a)), Some((_, b))) if b < a => Narrows::Cuts,
            (Some((p, a)), Some((q, b))) if q - b < p - a => Narrows::Fails,
            _ => Narrows::No,
        };
    }
    if (from == "text" || is_limited(&from)) && is_limited(&to) {
        return match (limits(old), limits(new)) {
            (Some((n, _)), Some((m, _))) if m >= n => Narrows::No,
            (_, None) if to == "varchar" => Narrows::No,
            _ => Narrows::Fails,
        };
    }
    Narrows::No
}

/// `numeric(10, 2)` → 10 and 2.
fn limits(data_type: &str) -> Option<(i64, i64)> {
    let inner = data_type.split_once('(')?.1.split(')').next()?;
    let mut parts = inner.split(',').map(|p| p.trim().parse().ok());
    let first: i64 = parts.next()??;
    Some((first, parts.next().flatten().unwrap_or(0)))
}
