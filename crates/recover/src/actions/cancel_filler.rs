//! Cancels the statement whose copy fills the volume.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_filler",
    title: "Cancel the statement that fills the volume",
    price: "what it has written so far is given back; its work must be done in another way",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let newest = case.window.last().ok_or_else(|| refuse(&ACTION, "there is no sample"))?;
    let session = newest
        .sessions
        .iter()
        .find(|s| likely.pids.contains(&s.pid) && s.state == "active")
        .ok_or_else(|| refuse(&ACTION, "the statement has ended by itself"))?;
    let began = session.query_start.ok_or_else(|| refuse(&ACTION, "it runs nothing"))?;
    let mut cancel = step(
        format!("cancel the statement of pid {} of role {}", session.pid, session.role),
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
        claim: format!("pid {} no longer writes its copy", session.pid),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = {} \
             AND a.state = 'active' AND a.query_start = '{began}'::timestamptz)",
            session.pid
        ),
        within_ms: 10_000, // the files of a large copy are removed first
    }];
    cancel.undo = Undo::Impossible { why: "its owner may run it again, with more room".into() };
    Ok(runbook(
        &ACTION,
        format!("Cancel what pid {} of role {} runs", session.pid, session.role),
        "a volume that is full stops everybody; the copy is removed when its statement ends",
        lossless("the statement was never committed; the table is as it was"),
        vec![cancel],
    ))
}
