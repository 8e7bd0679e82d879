//! What it does, in one sentence.

use super::{Action, Cx, blamed, lossless, nobody_waits_for, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "{{id}}",
    title: "What it does, in the imperative",
    price: "what it costs and what it cannot do",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let session = blamed(&ACTION, likely, case)?;
    let act = Act::Signal {
        pid: session.pid,
        backend_start: session.backend_start,
        signal: BackendSignal::Cancel,
    };
    let mut cancel = step(format!("cancel pid {}", session.pid), act, Limits::SHORT);
    cancel.expectations = vec![nobody_waits_for(session.pid)];
    cancel.undo = Undo::Impossible { why: "its owner may run the statement again".into() };
    Ok(runbook(
        &ACTION,
        format!("one line in the imperative that names pid {}", session.pid),
        "why this and not something stronger",
        lossless("why no acknowledged data is lost"),
        vec![cancel],
    ))
}
