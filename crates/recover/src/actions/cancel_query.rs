//! Cancels a query that takes more of the server than the others can spare.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_query",
    title: "Cancel the query that takes the server from the others",
    price: "whoever asked gets no answer; it only reads, so nothing is undone",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let newest = case.window.last().ok_or_else(|| refuse(&ACTION, "there is no sample"))?;
    let session = newest
        .sessions
        .iter()
        .find(|s| likely.pids.contains(&s.pid) && s.state == "active")
        .ok_or_else(|| refuse(&ACTION, "the query has ended by itself"))?;
    if session.xid.is_some() {
        return Err(refuse(&ACTION, format!("pid {} has written in its transaction", session.pid)));
    }
    let mut cancel = step(
        format!("cancel the query of pid {} of role {}", session.pid, session.role),
        Act::Signal {
            pid: session.pid,
            backend_start: session.backend_start,
            signal: BackendSignal::Cancel,
            still: Still {
                state: Some("active".to_owned()),
                query_start: session.query_start,
                ..Still::default()
            },
        },
        Limits::SHORT,
    );
    cancel.expectations = vec![Expectation {
        claim: format!("pid {} no longer runs it", session.pid),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = {} \
             AND a.state = 'active' AND a.query_start = '{}'::timestamptz)",
            session.pid,
            session.query_start.map_or("infinity".to_owned(), |t| t.to_string())
        ),
        within_ms: 5_000,
    }];
    cancel.undo = Undo::Impossible { why: "whoever asked may ask again".into() };
    Ok(runbook(
        &ACTION,
        format!("Cancel the query of pid {} of role {}", session.pid, session.role),
        "the weakest signal that gives processors and disk back; its session stays",
        lossless("it has written nothing"),
        vec![cancel],
    ))
}
