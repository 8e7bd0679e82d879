//! Makes the planner's statistics of tables anew.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "analyze_table",
    title: "Make the planner's statistics anew",
    price: "reads a sample of each table; blocks neither reads nor writes; the statistics of before are gone",
    plan,
};

/// What is slow reads a handful of tables; a statement that names more is not analyzed blindly.
const TABLES_MAX: usize = 20;

/// Whoever builds an index CONCURRENTLY on the table waits for all that began before, us among them,
/// and we for them: we give up before `deadlock_timeout` (1 s) makes the server choose one.
const LIMITS: Limits = Limits { lock_timeout_ms: 800, ..Limits::PATIENT };

fn plan(_: &Cx<'_>, likely: &Likely, _: &Case) -> Result<Runbook, Error> {
    if likely.relations.is_empty() {
        return Err(refuse(&ACTION, "no table is named"));
    }
    let steps = likely.relations.iter().take(TABLES_MAX).map(analyze).collect();
    let names: Vec<String> = likely.relations.iter().map(ToString::to_string).collect();
    Ok(runbook(
        &ACTION,
        format!("Make the statistics of {} anew", names.join(", ")),
        "the plan is chosen by statistics, and these are old or gone",
        lossless("no row is touched"),
        steps,
    ))
}

pub(super) fn analyze(table: &Relation) -> Step {
    let mut analyze = step(
        format!("analyze {table}"),
        Act::Sql { statements: vec![format!("ANALYZE {}", table.quoted())], transaction: false },
        LIMITS,
    );
    analyze.expectations = vec![Expectation {
        claim: format!("the statistics of {table} are as young as this recovery"),
        sql: format!(
            "SELECT coalesce((SELECT pg_catalog.now() - s.last_analyze < interval '5 minutes' \
             FROM pg_catalog.pg_stat_user_tables s WHERE s.relid = pg_catalog.to_regclass({})), false)",
            quote_literal(&table.quoted())
        ),
        within_ms: 5_000, // the time of ANALYZE reaches the view a second after
    }];
    analyze.undo = Undo::Impossible {
        why: "statistics of before are not kept; a later ANALYZE replaces them".into(),
    };
    analyze
}
