//! Checks that ask the catalog, or compare small tables with themselves: one file each.

mod checksum_failures;
mod count_parity;
mod disabled_trigger;
mod durability_off;
mod invalid_index;
mod orphan_rows;
mod sequence_near_end;
mod unvalidated_constraint;

use crate::error::Error;
use pgward_model::evidence::{Evidence, Source, SourceKind};
use pgward_model::name::Relation;
use pgward_model::sample::Gap;
use pgward_pg::prelude::*;
use pgward_pg::session::get;

/// A question about the data that has one right answer.
pub struct Check {
    /// File name.
    pub id: &'static str,
    pub title: &'static str,
    /// What a problem found by it means, and what to do.
    pub doc: &'static str,
    /// Who may ask.
    pub rights: &'static str,
    /// What it costs the server.
    pub cost: &'static str,
    /// What it sends first; checks of tables make more from its rows.
    pub sql: &'static str,
    run: fn(&Session) -> Result<Found, Error>,
}

/// What one check has said.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    pub check: &'static str,
    /// Empty: nothing is wrong as far as `gap` lets one say.
    pub problems: Vec<Problem>,
    /// What it could not look at.
    pub gap: Option<Gap>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub relation: Option<Relation>,
    pub evidence: Evidence,
}

/// All checks.
pub static CHECKS: &[&Check] = &[
    &checksum_failures::CHECK,
    &count_parity::CHECK,
    &disabled_trigger::CHECK,
    &durability_off::CHECK,
    &invalid_index::CHECK,
    &orphan_rows::CHECK,
    &sequence_near_end::CHECK,
    &unvalidated_constraint::CHECK,
];

/// Larger tables are left to a quiet hour: 64 MB are read in well under a second.
const TABLE_BYTES_MAX: i64 = 64 << 20;

/// Problems listed per check.
const LISTED_MAX: usize = 100;

/// Runs all checks. One that fails is a gap and stops no other.
pub fn run_all(session: &Session) -> Vec<CheckResult> {
    CHECKS.iter().map(|check| run(check, session)).collect()
}

/// Runs one check.
pub fn run(check: &'static Check, session: &Session) -> CheckResult {
    let (problems, why) = match (check.run)(session) {
        Ok(found) => (found.problems, found.left_out),
        Err(error) => (Vec::new(), Some(format!("{error}; it needs {}", check.rights))),
    };
    let gap = why.map(|why| Gap { sampler: check.id.to_owned(), why });
    CheckResult { check: check.id, problems, gap }
}

/// The check of that id.
///
/// # Errors
/// [`Error::UnknownCheck`].
pub fn find(id: &str) -> Result<&'static Check, Error> {
    CHECKS.iter().copied().find(|c| c.id == id).ok_or_else(|| Error::UnknownCheck {
        id: id.to_owned(),
        known: CHECKS.iter().map(|c| c.id).collect::<Vec<_>>().join(", "),
    })
}

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    left_out: Option<String>,
}

/// For a query whose rows are problems: schema, name (both may be null), claim, value, unit.
fn rows_are_problems(session: &Session, id: &'static str, sql: &str) -> Result<Found, Error> {
    let mut found = Found::default();
    for row in session.query(sql, &[])? {
        let schema: Option<String> = get(&row, 0)?;
        let name: Option<String> = get(&row, 1)?;
        let claim: String = get(&row, 2)?;
        let problem = measured(id, claim, get(&row, 3)?, &get::<String>(&row, 4)?);
        let relation = name.map(|n| Relation::new(schema.unwrap_or_default(), n));
        found.add(Problem { relation, ..problem });
    }
    Ok(found)
}

fn measured(id: &'static str, claim: String, value: f64, unit: &str) -> Problem {
    let source = Source::new(SourceKind::Integrity, format!("check {id}"));
    let evidence = Evidence::measured(claim, value, unit, source).at(clock::now());
    Problem { relation: None, evidence }
}

impl Found {
    fn add(&mut self, problem: Problem) {
        if self.problems.len() < LISTED_MAX {
            self.problems.push(problem);
        } else {
            self.left_out = Some(format!("more than {LISTED_MAX} problems; the first are listed"));
        }
    }

    /// Says what was not looked at.
    fn leave_out(&mut self, names: &[String], why: &str) {
        if let Some(first) = names.first() {
            let text = match names.len() {
                1 => format!("{first}: {why}"),
                n => format!("{first} and {} more: {why}", n - 1),
            };
            self.left_out = Some(match self.left_out.take() {
                Some(before) => format!("{before}; {text}"),
                None => text,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_a_check_and_every_check_a_file() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
        let files: BTreeSet<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let ids: BTreeSet<String> = CHECKS.iter().map(|c| c.id.to_owned()).collect();
        assert_eq!(files, ids);
        assert!(CHECKS.is_sorted_by_key(|c| c.id));
        assert!(find("invalid_indices").is_err_and(|e| e.to_string().contains("invalid_index")));
    }
}
