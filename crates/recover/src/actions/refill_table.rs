//! Fills emptied tables again from backup and WAL, beside what came since.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use crate::moment;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static ACTION: Action = Action {
    id: "refill_table",
    title: "Fill emptied tables again from backup and WAL",
    price: "needs a backup and all WAL since; disk for a copy of the backup; a key that was taken since keeps its new row",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, _: &Case) -> Result<Runbook, Error> {
    let mut emptied: BTreeMap<u64, Vec<Relation>> = BTreeMap::new();
    for event in likely.ddl.iter().filter(|d| d.command.starts_with("TRUNCATE")) {
        if let (Some(xid), Some(relation)) = (event.xid, &event.relation) {
            let tables = emptied.entry(xid).or_default();
            if !tables.contains(relation) {
                tables.push(relation.clone());
            }
        }
    }
    let mut steps = Vec::new();
    let mut names = Vec::new();
    for (xid, relations) in emptied {
        let target_lsn = moment::before_commit(cx, ACTION.id, xid)?;
        names.extend(relations.iter().map(ToString::to_string));
        steps.push(refill(relations, target_lsn));
    }
    if steps.is_empty() {
        return Err(refuse(&ACTION, "the transaction that emptied a table is not known"));
    }
    Ok(runbook(
        &ACTION,
        format!("Fill {} again with the rows of before the TRUNCATE", names.join(", ")),
        "row by row beside those that came since: nothing that was written meanwhile is touched",
        lossless("WAL reaches up to the TRUNCATE"),
        steps,
    ))
}

fn refill(relations: Vec<Relation>, target_lsn: String) -> Step {
    let names = relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let title =
        format!("copy the rows of {names} back from a server recovered to LSN {target_lsn}");
    let expectations = relations.iter().map(|r| Expectation {
        claim: format!("{r} has rows again"),
        sql: format!("SELECT EXISTS (SELECT FROM {})", r.quoted()),
        within_ms: 2_000,
    });
    let expectations = expectations.collect();
    let mut refill = step(title, Act::RefillTables { relations, target_lsn }, Limits::RESTORE);
    refill.expectations = expectations;
    refill.undo =
        Undo::Impossible { why: "emptying the tables again is the accident itself".into() };
    refill
}
