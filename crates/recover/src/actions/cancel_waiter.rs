//! Cancels the waiting request behind which the others queue.

use super::{Action, Cx, blamed, lossless, nobody_waits_for, runbook, step};
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
    let mut cancel = step(
        format!("cancel the waiting request of pid {} of role {}", session.pid, session.role),
        Act::Signal {
            pid: session.pid,
            backend_start: session.backend_start,
            signal: BackendSignal::Cancel,
            still: Still {
                query_start: session.query_start,
                waits: true,
                blocks: true,
                ..Still::default()
            },
        },
        Limits::SHORT,
    );
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
