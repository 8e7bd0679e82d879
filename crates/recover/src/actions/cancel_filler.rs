//! Cancels the statement whose copy fills the volume.

use super::{Action, Cx, at_work, cancel, lossless, runbook};
use crate::error::Error;
use pgward_incident::causes::spills_most;
use pgward_incident::verb;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "cancel_filler",
    title: "Cancel the statement that fills the volume",
    price: "what it has written so far is given back; its work must be done in another way",
    plan,
};

/// Two looks at what a statement writes, each every two seconds from its second second on, and
/// the tick in which we read them.
const SEEN_AFTER_S: f64 = 8.0;

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = at_work(&ACTION, likely, case)?;
    let now = case.window.now();
    let written = case.window.written_by(session);
    let is_blind = !Window::complete(case.window.last_seconds(SEEN_AFTER_S), "writes");
    let spills = spills_most(case, session.pid);
    if written.is_none() && !spills && !is_blind && session.runs_s(now) < SEEN_AFTER_S {
        let why = format!("pid {} is not yet seen to write", session.pid);
        return Err(Error::NotYet { action: ACTION.id, why });
    }
    let perhaps = match written {
        _ if spills => None,
        Some(w) if w.fills() => None,
        Some(w) => Some(format!(
            "it wrote {} while the volume lost {}; another may fill it",
            human_bytes(w.bytes),
            human_bytes(w.gone_bytes)
        )),
        None => Some("how much of the volume it takes was not seen; another may fill it".into()),
    };
    // The files of a large copy are removed before the statement ends.
    let mut cancel = cancel(session, "no longer writes its copy", 10_000);
    cancel.undo = Undo::Impossible { why: "its owner may run it again, with more room".into() };
    let commits = ["CALL", "DO"].contains(&verb(&session.query).as_str());
    let stays = match commits {
        true => "it may have committed a part, which stays while the rest is missing",
        false => "the statement was never committed; the table is as it was",
    };
    let loss = match perhaps {
        None if !commits => lossless(stays),
        None => Loss { n_rows: None, explain: stays.into() },
        Some(perhaps) => Loss { n_rows: None, explain: format!("{perhaps}. {stays}") },
    };
    Ok(runbook(
        &ACTION,
        format!("Cancel what pid {} of role {} runs", session.pid, session.role),
        "a volume that is full stops everybody; the copy is removed when its statement ends",
        loss,
        vec![cancel],
    ))
}
