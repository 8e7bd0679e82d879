//! Ends the session that holds its locks and does nothing.

use super::{
    Action, Cx, blamed, end, in_its_state, lossless, nobody_waits_for, plan as refuse, runbook,
};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "terminate_blocker",
    title: "End the session that blocks the others",
    price: "its open transaction rolls back; what it has committed stays",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = blamed(&ACTION, likely, case)?;
    if !session.state.starts_with("idle in transaction") {
        return Err(refuse(&ACTION, format!("pid {} is {} by now", session.pid, session.state)));
    }
    let mut end = end(session, Still { blocks: true, ..in_its_state(session) });
    end.expectations = vec![nobody_waits_for(session.pid)];
    Ok(runbook(
        &ACTION,
        format!("End pid {} of role {}", session.pid, session.role),
        "cancelling does nothing to an idle session; only its own uncommitted work is undone",
        lossless("the transaction was never committed"),
        vec![end],
    ))
}
