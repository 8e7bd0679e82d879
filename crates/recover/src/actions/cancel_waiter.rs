//! Cancels the waiting request behind which the others queue.

use super::{
    Action, Cx, blamed, lossless, nobody_waits_for, plan as refuse, queue_stands, runbook, signal,
};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_waiter",
    title: "Cancel the DDL statement that waits and makes others wait",
    price: "the DDL is not done; it has not begun, so nothing is undone",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = blamed(&ACTION, likely, case)?;
    if session.blocked_by.is_empty() && !queue_stands(case) {
        return Err(refuse(&ACTION, "its request waits no more, and nobody behind it"));
    }
    let still =
        Still { query_start: session.query_start, waits: true, blocks: true, ..Still::default() };
    let title =
        format!("cancel the waiting request of pid {} of role {}", session.pid, session.role);
    let mut cancel = signal(title, session, BackendSignal::Cancel, still);
    cancel.expectations = vec![nobody_waits_for(session.pid)];
    cancel.undo =
        Undo::Impossible { why: "run the DDL again with lock_timeout and retries".into() };
    Ok(runbook(
        &ACTION,
        format!("Cancel what pid {} of role {} waits for", session.pid, session.role),
        "gives service back at once and leaves the session in front untouched",
        lossless("the statement has not begun"),
        vec![cancel],
    ))
}
