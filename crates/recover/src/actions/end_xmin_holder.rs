//! Ends the session whose old snapshot keeps dead rows, and removes them.

use super::{Action, Cx, blamed, end, in_its_state, is_gone, lossless, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "end_xmin_holder",
    title: "End the session that holds the vacuum horizon, then vacuum",
    price: "its open transaction rolls back; a report that still runs is not ended without approval",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = blamed(&ACTION, likely, case)?;
    let mut end = end(session, in_its_state(session));
    end.expectations = vec![is_gone(session, "keeps no row versions any more")];
    let idle = session.state.starts_with("idle in transaction");
    let loss = match idle {
        true => lossless("the transaction was never committed, and nobody waits for its answer"),
        false => Loss { n_rows: None, explain: "its statement is at work for somebody".to_owned() },
    };
    let mut steps = vec![end];
    steps.extend(likely.relations.iter().map(vacuum));
    Ok(runbook(
        &ACTION,
        format!("End pid {} of role {}, then vacuum", session.pid, session.role),
        "it is the one oldest snapshot; vacuum can remove nothing younger while it stands",
        loss,
        steps,
    ))
}

/// Without cutting off empty pages at the end, which takes ACCESS EXCLUSIVE.
fn vacuum(relation: &Relation) -> Step {
    let mut vacuum = step(
        format!("vacuum {relation}"),
        Act::Sql {
            statements: vec![format!("VACUUM (TRUNCATE off) {}", relation.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    vacuum.undo = Undo::Nothing;
    vacuum
}
