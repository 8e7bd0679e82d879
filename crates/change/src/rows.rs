//! How many rows of a table one statement may touch without having said so.

use crate::plan::Planned;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;

/// A statement that touches more than this must declare it with `-- pgward: expect rows …`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowsRule {
    /// Share of the table's rows, 0 to 1.
    pub share_max: f64,
    /// Up to so many rows are allowed whatever the share.
    pub rows_min: u64,
}

impl Default for RowsRule {
    fn default() -> Self {
        RowsRule {
            // One order of magnitude below "all": a correction of single rows stays far under
            // it, a predicate that is wrong, missing or inverted goes far above.
            share_max: 0.10,
            // What a reviewer can look through by eye after the fact.
            rows_min: 100,
        }
    }
}

/// The most rows a statement may touch, and why that many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowsLimit {
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) declared: bool,
    /// Rows of the table, as far as known.
    pub(crate) table_rows: Option<f64>,
    pub(crate) relation: Relation,
    pub(crate) rule: RowsRule,
}

impl RowsLimit {
    /// What is allowed, and why that many.
    pub(crate) fn origin(&self) -> String {
        let most = human(self.most as f64);
        if self.declared {
            return format!("declared are {} to {most}", human(self.least as f64));
        }
        let rows = self.table_rows.map_or("an unknown number of".to_owned(), human);
        format!(
            "undeclared, at most {most} may be: {}% of the {rows} rows of {}, and {} in any case",
            human(self.rule.share_max * 100.0),
            self.relation,
            self.rule.rows_min
        )
    }

    /// A count that stopped just above the limit says less than the catalog.
    pub(crate) fn at_least(&self, counted: u64) -> f64 {
        match self.table_rows {
            Some(all) if counted == self.most.saturating_add(1) => all.max(counted as f64),
            _ => counted as f64,
        }
    }

    /// The bound that `n_rows` is beyond.
    pub(crate) fn nearest(&self, n_rows: f64) -> f64 {
        if n_rows < self.least as f64 { self.least as f64 } else { self.most as f64 }
    }

    pub(crate) fn fix(&self, rows: f64) -> String {
        format!(
            "correct the predicate, or declare what is meant before the statement: \
             -- pgward: expect rows <= {}",
            rows.ceil()
        )
    }
}

/// The limit for a statement that changes or destroys rows of a table that existed before;
/// `None` for all others.
pub(crate) fn limit(rule: RowsRule, planned: &Planned<'_>, catalog: &Catalog) -> Option<RowsLimit> {
    let effect = planned.statement.effects.iter().find(|e| touches_rows(planned.statement, e))?;
    let info = catalog.relation(&effect.relation);
    let table_rows = info.and_then(|i| i.n_rows);
    let relation = info.map_or(effect.relation.clone(), |i| i.relation.clone());
    if let Some(declared) = &planned.declared {
        return Some(RowsLimit {
            least: *declared.start(),
            most: *declared.end(),
            declared: true,
            table_rows,
            relation,
            rule,
        });
    }
    let share = table_rows.unwrap_or(0.0) * rule.share_max;
    Some(RowsLimit {
        least: 0,
        most: (share as u64).max(rule.rows_min),
        declared: false,
        table_rows,
        relation,
        rule,
    })
}

fn touches_rows(statement: &Statement, effect: &Effect) -> bool {
    let destroys =
        matches!(effect.destroys, Destroys::Table | Destroys::AllRows | Destroys::Rows { .. });
    let writes = matches!(
        statement.kind,
        StatementKind::Insert | StatementKind::Update | StatementKind::Delete
    ) && effect.lock == LockMode::RowExclusive;
    effect.existed_before && (destroys || writes)
}

/// Relations all of whose rows go with the statement.
pub(crate) fn emptied(statement: &Statement) -> impl Iterator<Item = &Effect> {
    statement
        .effects
        .iter()
        .filter(|e| e.existed_before && matches!(e.destroys, Destroys::Table | Destroys::AllRows))
}

/// Counts rows of a table, but no more than `most + 1` of them.
///
/// `None` where it cannot be counted: no such table, no right to read it, locked.
pub(crate) fn count_up_to(session: &Session, relation: &Relation, most: u64) -> Option<u64> {
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM {} LIMIT {}) counted",
        relation.quoted(),
        most.saturating_add(1).min(i64::MAX as u64)
    );
    let counted: Result<i64, _> = session.query_one(&sql, &[]);
    counted.ok().and_then(|n| u64::try_from(n).ok())
}
