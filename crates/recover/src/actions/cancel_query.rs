//! Cancels a query that takes more of the server than the others can spare.

use super::{Action, Cx, at_work, cancel, lossless, plan as refuse, runbook};
use crate::error::Error;
use pgward_incident::newcomers::makes_its_own;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_query",
    title: "Cancel the query that takes the server from the others",
    price: "whoever asked gets no answer; it only reads, so nothing is undone",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = at_work(&ACTION, likely, case)?;
    // CREATE TABLE ... AS and its kind write a relation that nobody else has seen.
    let makes = session.xid.is_some() && makes_its_own(session);
    if session.xid.is_some() && !makes {
        return Err(refuse(&ACTION, format!("pid {} has written in its transaction", session.pid)));
    }
    let mut cancel = cancel(session, "no longer runs it", 5_000);
    cancel.undo = Undo::Impossible { why: "whoever asked may ask again".into() };
    Ok(runbook(
        &ACTION,
        format!("Cancel the query of pid {} of role {}", session.pid, session.role),
        "the weakest signal that gives processors and disk back; its session stays",
        lossless(match makes {
            true => "it writes only what it is to make, which nobody has seen yet",
            false => "it has written nothing",
        }),
        vec![cancel],
    ))
}
