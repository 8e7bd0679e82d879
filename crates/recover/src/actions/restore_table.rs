//! Brings dropped tables back to the moment before, with everything that depended on them.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use crate::moment;
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static ACTION: Action = Action {
    id: "restore_table",
    title: "Bring dropped tables back from backup and WAL",
    price: "needs a backup and all WAL since; disk for a copy of the backup; other tables keep their later writes",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let dropped: Vec<&DdlEvent> =
        likely.ddl.iter().filter(|d| d.dropped && d.object_kind == "table").collect();
    if dropped.is_empty() {
        return Err(refuse(&ACTION, "no dropped table is to blame"));
    }
    let mut steps = Vec::new();
    let mut names = Vec::new();
    for (first, relations) in transactions(&dropped) {
        let target_lsn = moment::before_drop(cx, first, case.window.catalog.as_ref())?;
        names.extend(relations.iter().map(ToString::to_string));
        steps.push(restore(relations, target_lsn));
    }
    Ok(runbook(
        &ACTION,
        format!("Bring {} back to the moment before the drop", names.join(", ")),
        "only the lost objects come back, so writes to other tables stay",
        in_no_wal(case, &dropped).unwrap_or_else(|| lossless("WAL reaches up to the drop")),
        steps,
    ))
}

/// Rows of unlogged tables are gone for good: their columns and names come back, empty.
fn in_no_wal(case: &Case, dropped: &[&DdlEvent]) -> Option<Loss> {
    let before = case.window.catalog.as_ref()?;
    let known = dropped.iter().filter_map(|d| before.relation(d.relation.as_ref()?));
    let unlogged: Vec<&RelationInfo> = known.filter(|r| r.unlogged).collect();
    let names: BTreeSet<String> = unlogged.iter().map(|r| r.relation.to_string()).collect();
    let n_rows: f64 = unlogged.iter().filter_map(|r| r.n_rows).sum();
    // Nothing that is restored is worth waiting for, or other tables are, which lose nothing by it.
    let all = dropped.iter().filter_map(|d| d.relation.as_ref()).collect::<BTreeSet<_>>().len();
    let n_lost = if names.len() == all { (n_rows as u64).max(1) } else { 0 };
    (!names.is_empty()).then(|| Loss {
        n_rows: Some(n_lost),
        explain: format!(
            "UNLOGGED: the rows of {} are in no WAL and in no backup, and come back empty",
            names.into_iter().collect::<Vec<_>>().join(", ")
        ),
    })
}

/// What each transaction dropped, the last one first: what it dropped may have depended on
/// nothing that went before. Other sessions wrote between two transactions, so each has its
/// own moment to go back to.
fn transactions<'a>(dropped: &[&'a DdlEvent]) -> Vec<(&'a DdlEvent, Vec<Relation>)> {
    let mut found: Vec<(&DdlEvent, Vec<Relation>)> = Vec::new();
    let mut seen = BTreeSet::new();
    for event in dropped.iter().rev() {
        let Some(relation) = event.relation.clone() else { continue };
        if !seen.insert(relation.clone()) {
            continue;
        }
        match found.iter_mut().find(|(first, _)| first.xid == event.xid) {
            Some((first, relations)) => {
                *first = event;
                relations.insert(0, relation);
            }
            None => found.push((event, vec![relation])),
        }
    }
    found
}

fn restore(relations: Vec<Relation>, target_lsn: String) -> Step {
    let names = relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let expectations = relations
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
    let mut restore = step(
        format!("recover {names} to just before LSN {target_lsn} on the side and copy it back"),
        Act::RestoreObjects { relations, target_lsn },
        Limits::RESTORE,
    );
    restore.expectations = expectations;
    restore.undo =
        Undo::Impossible { why: "dropping the table again is the accident itself".into() };
    restore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_has_its_own_moment() {
        let event = |table: &str, xid| DdlEvent {
            at: Timestamp::UNIX_EPOCH,
            pid: 1,
            role: String::new(),
            application: String::new(),
            client: String::new(),
            command: "DROP TABLE".into(),
            object_kind: "table".into(),
            identity: table.into(),
            relation: Some(Relation::new("public", table)),
            dropped: true,
            old_definition: None,
            xid: Some(xid),
            lsn: None,
            statement: String::new(),
            seen_by: DdlWitness::EventTrigger,
        };
        let events = [event("a", 1), event("b", 1), event("c", 2)];
        let found: Vec<(u64, Vec<String>)> = transactions(&events.iter().collect::<Vec<_>>())
            .into_iter()
            .map(|(e, r)| (e.xid.unwrap(), r.into_iter().map(|r| r.name).collect()))
            .collect();
        assert_eq!(found, [(2, vec!["c".into()]), (1, vec!["a".into(), "b".into()])]);
    }
}
