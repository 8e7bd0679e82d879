//! Cancels the statement that holds its locks while it works.

use super::{Action, Cx, blamed, lossless, nobody_waits_for, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_blocker",
    title: "Cancel the statement that blocks the others",
    price: "the statement's work is undone; its session stays",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = blamed(&ACTION, likely, case)?;
    // Inside a transaction block a cancelled statement leaves the locks of earlier ones.
    let in_block = session.xact_start < session.query_start;
    let signal = if in_block { BackendSignal::Terminate } else { BackendSignal::Cancel };
    let verb = if in_block { "end" } else { "cancel" };
    let mut cancel = step(
        format!("{verb} pid {} of role {}", session.pid, session.role),
        Act::Signal { pid: session.pid, backend_start: session.backend_start, signal },
        Limits::SHORT,
    );
    cancel.expectations = vec![nobody_waits_for(session.pid)];
    cancel.undo = Undo::Impossible { why: "its owner may run the statement again".into() };
    Ok(runbook(
        &ACTION,
        format!("{verb} what pid {} of role {} runs", session.pid, session.role),
        "the weakest signal that frees the locks",
        lossless("the statement was never committed"),
        vec![cancel],
    ))
}
