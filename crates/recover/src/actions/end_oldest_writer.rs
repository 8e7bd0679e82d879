//! Ends the session whose open transaction makes every snapshot look up who belongs to whom.

use super::{Action, Cx, blamed_that, end, is_gone, lossless, runbook};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "end_oldest_writer",
    title: "End the oldest transaction that has written",
    price: "its open transaction rolls back, and its owner must run it again",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let wrote = |s: &SessionSample| s.xid.is_some();
    let over = "the transaction has ended by itself";
    let session = blamed_that(&ACTION, likely, case, wrote, over)?;
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
