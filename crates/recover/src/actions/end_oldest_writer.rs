//! Ends the session whose open transaction makes every snapshot look up who belongs to whom.

use super::{Action, Cx, end, is_gone, lossless, plan as refuse, runbook};
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
    let mut end = end(session, Still::default());
    end.expectations = vec![is_gone(session, "is gone")];
    Ok(runbook(
        &ACTION,
        format!("End pid {} of role {}", session.pid, session.role),
        "only transactions younger than it must be looked up, and without it there are few; a \
         cancel would leave it open between two of its statements",
        lossless("the transaction was never committed"),
        vec![end],
    ))
}
