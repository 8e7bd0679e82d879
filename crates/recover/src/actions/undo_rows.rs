//! Gives rows that a script changed and committed their old values, where nobody changed
//! them since.

use super::{Action, Cx, plan as refuse, runbook, step};
use crate::error::Error;
use crate::moment;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "undo_rows",
    title: "Undo committed rows of one transaction",
    price: "needs a backup and all WAL since; rows that others changed since keep the newer value",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let relation =
        likely.relations.first().ok_or_else(|| refuse(&ACTION, "no table is to blame"))?;
    let since = case.symptoms.iter().filter(|s| s.detector == "mass_write").map(|s| s.since).min();
    let culprit = moment::largest_writer(cx, relation, since.unwrap_or(case.onset))?;
    let mut undo = step(
        format!(
            "give {} rows of {relation} the values of before transaction {}",
            culprit.n_rows, culprit.xid
        ),
        Act::RestoreRows {
            relation: relation.clone(),
            xid: culprit.xid,
            target_lsn: culprit.target_lsn.clone(),
        },
        Limits::PATIENT,
    );
    undo.expectations = vec![Expectation {
        claim: format!("no row of {relation} is as transaction {} left it", culprit.xid),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM {} WHERE xmin::text = '{}')",
            relation.quoted(),
            culprit.xid & u64::from(u32::MAX)
        ),
        within_ms: 2_000,
    }];
    undo.undo = Undo::Impossible {
        why: "the values it wrote are in the WAL of the transaction only".into(),
    };
    Ok(runbook(
        &ACTION,
        format!("Undo what transaction {} wrote into {relation}", culprit.xid),
        "row by row by primary key: a table restored as a whole would lose what others wrote since",
        Loss { n_rows: Some(0), explain: "newer values of others stay".into() },
        vec![undo],
    ))
}
