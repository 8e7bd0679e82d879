//! Ends idle sessions of the role that has taken the slots, the longest idle first.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "end_idle_sessions",
    title: "End idle sessions of the role that has taken the connection slots",
    price: "those clients connect again at their next request; none that works or is in a \
            transaction is ended. A client that leaks goes on leaking: limit its role",
    plan,
};

/// A fifth of the slots free again: room for the others, and for a person.
const USED_MAX: f64 = 0.8;
/// Sessions in one statement.
const SESSIONS_MAX: usize = 500;

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let newest = case.window.last().ok_or_else(|| refuse(&ACTION, "there is no sample"))?;
    let counted = case.window.samples.iter().rev().find_map(|s| s.database);
    let database = counted.ok_or_else(|| refuse(&ACTION, "connections were not counted"))?;
    let blamed = |s: &&SessionSample| likely.pids.contains(&s.pid) && s.state == "idle";
    let mut idle: Vec<&SessionSample> = newest.sessions.iter().filter(blamed).collect();
    idle.sort_by_key(|s| s.state_change);
    let surplus = database.n_backends as f64 - USED_MAX * database.slots() as f64;
    idle.truncate((surplus.ceil().max(1.0) as usize).min(SESSIONS_MAX));
    let Some(first) = idle.first() else {
        return Err(refuse(&ACTION, "none of the sessions is idle any more"));
    };
    let n = idle.len();
    let who = first.called();
    let mut end = step(
        format!("end {n} sessions of {who} that are still idle"),
        Act::Sql { statements: vec![end_sql(&idle)], transaction: false },
        Limits::SHORT,
    );
    end.expectations = vec![Expectation {
        claim: format!(
            "at most {}% of connection slots that are not reserved are taken",
            human(95.0)
        ),
        sql: format!(
            "SELECT pg_catalog.sum(d.numbackends) < 0.95 * {} FROM pg_catalog.pg_stat_database d",
            database.slots()
        ),
        within_ms: 5_000,
    }];
    end.undo = Undo::Impossible { why: "its clients connect again by themselves".into() };
    Ok(runbook(
        &ACTION,
        format!("End {n} idle sessions of {who}"),
        "they hold slots and do nothing; whoever works or is in a transaction stays",
        lossless("an idle session has no open transaction"),
        vec![end],
    ))
}

/// Each session by pid and start, and only while it is idle.
fn end_sql(idle: &[&SessionSample]) -> String {
    let rows: Vec<String> =
        idle.iter().map(|s| format!("({}, '{}'::timestamptz)", s.pid, s.backend_start)).collect();
    format!(
        "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid)) \
         FROM pg_catalog.pg_stat_activity a \
         JOIN (VALUES {}) AS s (pid, backend_start) \
           ON s.pid = a.pid AND s.backend_start = a.backend_start \
         WHERE a.state = 'idle'",
        rows.join(", ")
    )
}
