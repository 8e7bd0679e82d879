//! What must be true of production: that a refused change has changed nothing, and that the
//! scenario's truths hold at the end.

use crate::error::Error;
use crate::run::Theatre;
use pgward_model::prelude::*;
use pgward_pg::catalog;
use pgward_pg::prelude::*;
use pgward_sandbox::ledger::LedgerCheck;
use std::collections::BTreeMap;

/// Production as it was at a moment.
pub(crate) struct Production {
    schema: Vec<String>,
    n_rows: BTreeMap<String, i64>,
    /// The scenario's truths that held.
    held: Vec<String>,
}

/// Differences that are told one by one.
const TOLD_MAX: usize = 5;
/// Schemas that are pgward's own or the server's.
const NOT_PRODUCTION: [&str; 3] = ["pgward", "pg_catalog", "information_schema"];

impl Production {
    /// Reads schema, number of rows of each table, and truths.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) fn read(theatre: &Theatre<'_>) -> Result<Production, Error> {
        let session = Session::connect(&theatre.stage.superuser(), Purpose::Private)?;
        let catalog = catalog::schema(&session)?;
        let mut n_rows = BTreeMap::new();
        for table in catalog.relations.iter().filter(|r| is_table(r)) {
            let name = table.relation.quoted();
            let n: i64 = session.query_one(&format!("SELECT count(*) FROM {name}"), &[])?;
            n_rows.insert(name, n);
        }
        let holds = theatre.scenario.expect.holds.iter();
        let held = holds.filter(|sql| is_true(&session, sql)).cloned().collect();
        Ok(Production { schema: catalog.schema_lines(), n_rows, held })
    }

    /// What is no longer as it was. The live load only adds rows and changes them, so a table
    /// with fewer rows has lost some.
    pub(crate) fn changed(&self, now: &Production) -> Vec<String> {
        let mut changed = Vec::new();
        let gone = self.schema.iter().filter(|l| !now.schema.contains(l));
        let come = now.schema.iter().filter(|l| !self.schema.contains(l));
        changed.extend(gone.map(|l| format!("gone from the schema: {l}")));
        changed.extend(come.map(|l| format!("new in the schema: {l}")));
        for (table, before) in &self.n_rows {
            let after = now.n_rows.get(table).copied().unwrap_or(0);
            if after < *before {
                changed.push(format!("{table} had {before} rows and has {after}"));
            }
        }
        changed.extend(self.held.iter().filter(|sql| !now.held.contains(sql)).cloned());
        let n_more = changed.len().saturating_sub(TOLD_MAX);
        changed.truncate(TOLD_MAX);
        if n_more > 0 {
            changed.push(format!("… and {n_more} more"));
        }
        changed
    }
}

fn is_table(relation: &RelationInfo) -> bool {
    relation.kind == 'r' && !NOT_PRODUCTION.contains(&relation.relation.schema.as_str())
}

fn is_true(session: &Session, sql: &str) -> bool {
    let answer: Result<Option<bool>, _> = session.query_one(sql, &[]);
    matches!(answer, Ok(Some(true)))
}

/// The scenario's truths that do not hold.
///
/// # Errors
/// When the server does not answer.
pub(crate) fn broken(theatre: &Theatre<'_>) -> Result<Vec<String>, Error> {
    let session = Session::connect(&theatre.stage.superuser(), Purpose::Private)?;
    let holds = theatre.scenario.expect.holds.iter();
    Ok(holds.filter(|sql| !is_true(&session, sql)).cloned().collect())
}

/// Enters what the ledger says into the score.
pub(crate) fn ledger(score: &mut Score, check: &LedgerCheck) {
    score.rows_acknowledged = check.n_acknowledged;
    score.rows_lost = check.n_lost;
    score.duplicates = check.n_duplicates;
    if check.n_duplicates > 0 {
        let first = check.duplicates.first().map_or("", String::as_str);
        score.broken_truths.push(format!(
            "{} acknowledged rows are there more than once, the first: {first}",
            check.n_duplicates
        ));
    }
}
