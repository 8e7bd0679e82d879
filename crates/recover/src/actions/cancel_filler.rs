//! Cancels the statement whose copy fills the volume.

use super::{Action, Cx, at_work, cancel, lossless, runbook};
use crate::error::Error;
use pgward_incident::verb;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_filler",
    title: "Cancel the statement that fills the volume",
    price: "what it has not committed is given back; its work must be done in another way",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = at_work(&ACTION, likely, case)?;
    // The files of a large copy are removed before the statement ends.
    let mut cancel = cancel(session, "no longer writes", 10_000);
    cancel.undo = Undo::Impossible { why: "its owner may run it again, with more room".into() };
    let commits = ["CALL", "DO"].contains(&verb(&session.query).as_str());
    let stays = match commits {
        true => "it may have committed a part, which stays while the rest is missing",
        false => "the statement was never committed; the table is as it was",
    };
    let loss = match commits {
        _ if likely.is_unproven => Loss {
            n_rows: None,
            explain: format!(
                "it was not seen to take most of what the volume loses; another may. {stays}"
            ),
        },
        true => Loss { n_rows: None, explain: stays.into() },
        false => lossless(stays),
    };
    Ok(runbook(
        &ACTION,
        format!("Cancel what pid {} of role {} runs", session.pid, session.role),
        "a volume that is full stops everybody; what is not committed goes when its statement ends",
        loss,
        vec![cancel],
    ))
}
