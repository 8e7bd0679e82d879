//! Says what is dangerous in a change before it runs, one file per lint.

mod check;
mod context;
mod indexes;
pub mod lints;
mod users;

pub use check::check;
pub use context::Context;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// One rule over statements, with the live catalog where there is one.
pub struct Lint {
    /// The name of its file.
    pub id: &'static str,
    /// The strongest severity it gives.
    pub severity: Severity,
    /// One line: what is wrong.
    pub title: &'static str,
    /// What happens to the people who use the database.
    pub harm: &'static str,
    /// What to do instead.
    pub instead: &'static str,
    /// Where PostgreSQL says so.
    pub source: &'static str,
    /// It stands before rows that would be lost: `allow` does not silence what the catalog
    /// says of them, only `expect rows` does.
    pub guards_rows: bool,
    pub examples: &'static [Example],
    pub check: fn(&Context, &mut Vec<Finding>),
}

/// A piece of SQL and whether the lint must say something about it; run as a test.
pub struct Example {
    pub sql: &'static str,
    /// Statements that make the catalog it is checked against; empty: no catalog.
    pub catalog: &'static str,
    /// The severities it must give, strongest first; empty: it must stay silent.
    pub finds: &'static [Severity],
}

/// What the caller knows besides the text.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Values of template variables, as they would be given to the deploy tool.
    pub vars: BTreeMap<String, String>,
    /// The caller wraps each file in one transaction of its own.
    pub transaction_per_file: bool,
}
