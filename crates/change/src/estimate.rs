//! What the planner of production says a change would touch, without running it.

use crate::plan::Plan;
use crate::rows::{self, RowsLimit, RowsRule};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;

/// Findings of the live catalog about how many rows each statement would touch.
pub(crate) fn check(
    session: &Session,
    plan: &Plan<'_>,
    catalog: &Catalog,
    rule: RowsRule,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for planned in plan.steps() {
        let Some(limit) = rows::limit(rule, planned, catalog) else { continue };
        let statement = planned.statement;
        let destroyed = rows::emptied(statement).next().is_some();
        let estimated = if destroyed {
            rows::count_up_to(session, &limit.relation, limit.most)
                .map(|n| (limit.at_least(n), n > limit.most))
        } else {
            estimate(session, statement)?.map(|n| (n, n > limit.most as f64))
        };
        let Some((n_rows, above)) = estimated else { continue };
        if above {
            let severity = severity(&limit, destroyed);
            let basis = if destroyed { Basis::Table } else { Basis::Planner };
            let mut finding = finding(Layer::Catalog, severity, statement, &limit, (n_rows, basis));
            finding.file.clone_from(&planned.file.path);
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// Without statistics the planner guesses: its number alone stops nothing.
fn severity(limit: &RowsLimit, counted: bool) -> Severity {
    if limit.table_rows.is_some() || counted { Severity::Error } else { Severity::Warning }
}

/// How it is known how many rows a statement touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The planner expects it; nothing was run.
    Planner,
    /// They go with their table, and were counted; nothing was run.
    Table,
    /// The command tag says so; it was rolled back.
    Run,
}

/// The finding that a statement touches more rows than it may, or fewer than declared.
pub(crate) fn finding(
    layer: Layer,
    severity: Severity,
    statement: &Statement,
    limit: &RowsLimit,
    (n_rows, basis): (f64, Basis),
) -> Finding {
    let (verb, how) = match basis {
        Basis::Planner => ("would touch", "EXPLAIN"),
        Basis::Table => ("would take", "count and reltuples"),
        Basis::Run => ("touched", "command tag"),
    };
    let kind = match layer {
        Layer::Rehearsal => SourceKind::Rehearsal,
        _ => SourceKind::Catalog,
    };
    let source = Source::new(kind, how);
    let rows = human(n_rows);
    let what = match limit.table_rows {
        Some(all) if all > 0.0 => {
            let share = human((100.0 * n_rows / all).min(100.0));
            format!("{verb} {rows} rows of {}, {share}% of the table", limit.relation)
        }
        _ => format!("{verb} {rows} rows of {}", limit.relation),
    };
    let evidence =
        Evidence::measured(what.clone(), n_rows, "rows", source).against(limit.nearest(n_rows));
    let message = format!("{what}; {}", limit.origin());
    Finding::new("rows_above_expectation", layer, severity, statement.span, message, evidence)
        .fix(limit.fix(n_rows), None)
}

/// As [`estimate`], inside an open transaction, which stays as it was.
pub(crate) fn inside(session: &Session, statement: &Statement) -> Result<Option<f64>, Error> {
    session.simple("SAVEPOINT pgward_estimate")?;
    let rows = estimate(session, statement)?;
    session.simple("ROLLBACK TO SAVEPOINT pgward_estimate; RELEASE SAVEPOINT pgward_estimate")?;
    Ok(rows)
}

/// Rows the planner expects a data change to touch. `None` where the statement cannot be
/// planned yet, since it builds on an earlier one of the same change.
fn estimate(session: &Session, statement: &Statement) -> Result<Option<f64>, Error> {
    let sql = format!("EXPLAIN (FORMAT JSON) {}", statement.text);
    let rows = match session.query(&sql, &[]) {
        Ok(rows) => rows,
        Err(error) if error.is_connection_lost() => return Err(error),
        Err(_) => return Ok(None),
    };
    let Some(row) = rows.first() else { return Ok(None) };
    let explained: serde_json::Value = pgward_pg::session::get(row, 0)?;
    Ok(explained.pointer("/0/Plan").and_then(fed_rows))
}

/// Rows that reach the node that modifies the table: the node itself returns none.
fn fed_rows(plan: &serde_json::Value) -> Option<f64> {
    if plan.get("Node Type")?.as_str()? != "ModifyTable" {
        return plan.get("Plans")?.as_array()?.iter().find_map(fed_rows);
    }
    let inputs = plan.get("Plans")?.as_array()?;
    let outer = inputs.iter().filter(|p| {
        let relationship = p.get("Parent Relationship").and_then(|r| r.as_str());
        !matches!(relationship, Some("InitPlan" | "SubPlan"))
    });
    Some(outer.filter_map(|p| p.get("Plan Rows").and_then(serde_json::Value::as_f64)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_that_feed_the_change_count() {
        let plan = serde_json::json!({
            "Node Type": "ModifyTable", "Plan Rows": 0,
            "Plans": [
                {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 42},
                {"Node Type": "Result", "Parent Relationship": "InitPlan", "Plan Rows": 7}]
        });
        assert_eq!(fed_rows(&plan), Some(42.0));
    }
}
