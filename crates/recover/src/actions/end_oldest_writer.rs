//! Ends the session whose open transaction makes every snapshot look up who belongs to whom.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "end_oldest_writer",
    title: "End the oldest transaction that has written",
    price: "its open transaction rolls back, and its owner must run it again",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let newest = case.window.last().ok_or_else(|| refuse(&ACTION, "there is no sample"))?;
    let session = newest
        .sessions
        .iter()
        .find(|s| likely.pids.contains(&s.pid) && s.xid.is_some())
        .ok_or_else(|| refuse(&ACTION, "the transaction has ended by itself"))?;
    let mut end = step(
        format!("end pid {} of role {} ({})", session.pid, session.role, session.application),
        Act::Signal {
            pid: session.pid,
            backend_start: session.backend_start,
            signal: BackendSignal::Terminate,
            still: Still { xact_start: session.xact_start, ..Still::default() },
        },
        Limits::SHORT,
    );
    end.expectations = vec![Expectation {
        claim: format!("pid {} is gone", session.pid),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a \
             WHERE a.pid = {} AND a.backend_start = '{}'::timestamptz)",
            session.pid, session.backend_start
        ),
        within_ms: 5_000,
    }];
    end.undo = Undo::Impossible {
        why: "a session cannot be given back; its owner may run it again".into(),
    };
    Ok(runbook(
        &ACTION,
        format!("End pid {} of role {}", session.pid, session.role),
        "only transactions younger than it must be looked up, and without it there are few; a \
         cancel would leave it open between two of its statements",
        lossless("the transaction was never committed"),
        vec![end],
    ))
}
