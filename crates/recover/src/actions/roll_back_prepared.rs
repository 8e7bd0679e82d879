//! Rolls back a prepared transaction that nobody finished.

use super::{Action, Cx, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "roll_back_prepared",
    title: "Roll back a prepared transaction that nobody finished",
    price: "all that it wrote is gone; where its manager has told the other databases to commit, it \
            must be committed instead",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let (gid, role) =
        blamed(likely, case).ok_or_else(|| refuse(&ACTION, "its gid is not known"))?;
    let literal = quote_literal(gid);
    let mut roll_back = step(
        format!("roll back prepared transaction {literal}"),
        Act::Sql { statements: vec![format!("ROLLBACK PREPARED {literal}")], transaction: false },
        Limits::SHORT,
    );
    roll_back.undo = Undo::Impossible {
        why: "what it wrote is gone; its manager may send the whole transaction again".into(),
    };
    roll_back.expectations = vec![Expectation {
        claim: format!("{literal} is not prepared any more"),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE gid = {literal})"
        ),
        within_ms: 5_000,
    }];
    Ok(runbook(
        &ACTION,
        format!("Roll back prepared transaction {literal} of role {}", role),
        "it holds its locks and its snapshot until somebody finishes it, also across a restart",
        Loss {
            n_rows: None,
            explain: format!(
                "what {literal} wrote; ask its transaction manager first: if it has decided to \
                 commit, COMMIT PREPARED {literal} frees the locks as well"
            ),
        },
        vec![roll_back],
    ))
}

/// Gid and role of the one that the verdict names, as it was seen last.
fn blamed<'a>(likely: &Likely, case: &'a Case) -> Option<(&'a str, &'a str)> {
    let newest = case.window.recent().iter().rev();
    let sessions = newest.clone().find(|s| !s.sessions.is_empty());
    let sessions = sessions.into_iter().flat_map(|s| &s.sessions);
    let waited_for = sessions
        .filter(|s| s.pid == 0 && s.state == "prepared")
        .map(|s| (s.application.as_str(), s.role.as_str()));
    let horizon = newest.clone().find_map(|s| s.horizon.as_ref());
    let holders = horizon.map_or(&[][..], |h| h.holders.as_slice()).iter();
    let keeping = holders
        .filter(|h| h.kind == HolderKind::Prepared)
        .map(|h| (h.name.as_str(), h.role.as_str()));
    waited_for.chain(keeping).find(|(gid, _)| likely.says.contains(gid))
}
