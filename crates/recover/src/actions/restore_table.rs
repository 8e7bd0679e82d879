//! Brings dropped tables back to the moment before, with everything that depended on them.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use crate::moment;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "restore_table",
    title: "Bring dropped tables back from backup and WAL",
    price: "needs a backup and all WAL since; disk for a copy of the backup; other tables keep their later writes",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let dropped: Vec<&DdlEvent> =
        likely.ddl.iter().filter(|d| d.dropped && d.object_kind == "table").collect();
    let Some(first) = dropped.first() else {
        return Err(refuse(&ACTION, "no dropped table is to blame"));
    };
    let relations: Vec<Relation> = dropped
        .iter()
        .filter_map(|d| d.relation.clone())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let target_lsn = moment::before_drop(cx, first, case.window.catalog.as_ref())?;
    let names = relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut restore = step(
        format!("recover {names} to just before LSN {target_lsn} on the side and copy it back"),
        Act::RestoreObjects { relations: relations.clone(), target_lsn: target_lsn.clone() },
        Limits::PATIENT,
    );
    restore.expectations = relations
        .iter()
        .map(|r| Expectation {
            claim: format!("{r} is there"),
            sql: format!(
                "SELECT pg_catalog.to_regclass({}) IS NOT NULL",
                quote_literal(&r.quoted())
            ),
            within_ms: 2_000,
        })
        .collect();
    restore.undo =
        Undo::Impossible { why: "dropping the table again is the accident itself".into() };
    Ok(runbook(
        &ACTION,
        format!("Bring {names} back to the moment before the drop"),
        "only the lost objects come back, so writes to other tables stay",
        lossless("WAL reaches up to the drop"),
        vec![restore],
    ))
}
