//! Says what is dangerous in a change before it runs, one file per lint.

mod allow;
mod blocks;
mod check;
mod columns;
mod context;
mod fix;
mod indexes;
pub mod lints;
mod policy;
mod standing;
mod tables;
mod transaction;
mod users;
mod weight;

pub use check::{Judged, check, judge, judge_chain};
pub use context::Context;
pub use fix::{Fixed, fixed};
use pgward_model::prelude::*;
use pgward_sql::expect::Allowance;
pub use policy::{Names, Policy};
use std::collections::{BTreeMap, BTreeSet};

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

impl Lint {
    /// Can it find something with a catalog that the text alone does not show? Its examples say.
    pub fn asks_catalog(&self) -> bool {
        let staged = lints::STAGED.contains(&self.id);
        staged || self.examples.iter().any(|e| !e.catalog.is_empty() && !e.finds.is_empty())
    }
}

/// Parts an example's catalog from what another session holds open beside it.
pub const ANOTHER_SESSION: &str = "-- another session:";

/// A piece of SQL and whether the lint must say something about it; run as a test.
pub struct Example {
    /// One file, or several, each behind a line `-- file PATH`.
    pub sql: &'static str,
    /// Statements that make the catalog it is checked against; empty: no catalog. What stands
    /// after [`ANOTHER_SESSION`] is run by one that stays open meanwhile.
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
    /// What `pgward.toml` says of single files, by their path.
    pub files: BTreeMap<String, FileOptions>,
    /// The files of a chain are some of many: what they do not make may exist all the same.
    pub partial: bool,
    /// Paths of the files to be judged; the others only make what these meet. `None`: all.
    pub only: Option<BTreeSet<String>>,
    /// What git says of the files, where it was asked.
    pub git: Option<SinceRevision>,
    /// What the team asks of its schema.
    pub policy: Policy,
    /// The role that read the catalog is the one that will run the files.
    pub deploys: bool,
}

/// What has become of files since a revision.
#[derive(Debug, Clone, Default)]
pub struct SinceRevision {
    /// As given.
    pub revision: String,
    /// Paths of files that it did not have.
    pub added: BTreeSet<String>,
    /// Paths of files that it had with another text.
    pub edited: BTreeSet<String>,
}

/// What is said of one file by those who keep it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// Values of template variables; those of [`Options`] go before.
    pub vars: BTreeMap<String, String>,
    /// Is the file wrapped in one transaction? `None`: as [`Options`] says.
    pub transaction: Option<bool>,
    /// Lints that are accepted here, each with its reason.
    pub allow: Vec<Allowance>,
    /// What a lint's findings weigh here, by its id.
    pub severity: BTreeMap<String, Severity>,
}

impl Options {
    /// Values of the variables of a file.
    pub fn vars_of(&self, file: &str) -> BTreeMap<String, String> {
        let mut vars = self.files.get(file).map(|f| f.vars.clone()).unwrap_or_default();
        vars.extend(self.vars.clone());
        vars
    }

    /// Does the caller wrap this file in one transaction?
    pub fn wraps(&self, file: &str) -> bool {
        self.transaction_of(file).unwrap_or(self.transaction_per_file)
    }

    /// What is said of the transaction around this file alone.
    pub fn transaction_of(&self, file: &str) -> Option<bool> {
        self.files.get(file).and_then(|f| f.transaction)
    }

    /// Is this file to be judged?
    pub fn judges(&self, file: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(file))
    }
}

/// May this be allowed: is it a lint, or a test of a later layer?
pub fn is_known(id: &str) -> bool {
    lints::LINTS.iter().any(|l| l.id == id) || LAYER_TESTS.contains(&id)
}
