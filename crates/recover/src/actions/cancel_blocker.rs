//! Cancels the statement that holds its locks while it works.

use super::{
    Action, Cx, blamed, lossless, nobody_waits_for, plan as refuse, queue_stands, runbook, signal,
};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_blocker",
    title: "Cancel the statement that blocks the others",
    price: "the statement's transaction is undone; its session stays, unless a savepoint keeps the \
            locks. Work that only blocks others is left 10 s to end by itself",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = blamed(&ACTION, likely, case)?;
    if session.state == "idle" && !queue_stands(case) {
        return Err(refuse(&ACTION, "it has ended its transaction, and nobody waits"));
    }
    let still = Still {
        query_start: session.query_start,
        xact_start: session.xact_start,
        blocks: true,
        ..Still::default()
    };
    let title = format!("cancel the statement of pid {} of role {}", session.pid, session.role);
    let mut cancel = signal(title, session, BackendSignal::CancelThenTerminate, still);
    cancel.expectations = vec![nobody_waits_for(session.pid)];
    cancel.undo = Undo::Impossible { why: "its owner may run the statement again".into() };
    Ok(runbook(
        &ACTION,
        format!("Cancel what pid {} of role {} runs", session.pid, session.role),
        "the weakest signal that frees the locks",
        lossless("the statement was never committed"),
        vec![cancel],
    ))
}
