//! Fills emptied tables again from backup and WAL, beside what came since.

use super::advance_sequence::{advance, given};
use super::{Action, Cx, bounded_count, lossless, plan as refuse, runbook, step};
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

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let mut emptied: BTreeMap<u64, Vec<Relation>> = BTreeMap::new();
    for event in likely.ddl.iter().filter(|d| d.command.starts_with("TRUNCATE")) {
        if let (Some(xid), Some(relation)) = (event.xid, &event.relation) {
            let tables = emptied.entry(xid).or_default();
            if !tables.contains(relation) {
                tables.push(relation.clone());
            }
        }
    }
    if emptied.is_empty() {
        return Err(refuse(&ACTION, "the transaction that emptied a table is not known"));
    }
    let moments = moment::before_emptied(cx, ACTION.id, &emptied)?;
    let mut names: Vec<String> = Vec::new();
    for relation in moments.iter().flat_map(|(_, relations)| relations) {
        let name = relation.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(refuse(&ACTION, "the emptied tables are not there any more"));
    }
    let emptied: Vec<Relation> = moments.iter().flat_map(|(_, all)| all.clone()).collect();
    let mut all = begun_anew(cx, case, &emptied);
    all.extend(steps(&moments));
    Ok(runbook(
        &ACTION,
        format!("Fill {} again with the rows of before the TRUNCATE", names.join(", ")),
        "row by row beside those that came since: nothing that was written meanwhile is touched",
        lossless("WAL reaches up to the TRUNCATE"),
        all,
    ))
}

/// TRUNCATE ... RESTART IDENTITY: each sequence that gives numbers again which the rows of before
/// have is set past them first, so that none of those that come meanwhile is in their way.
fn begun_anew(cx: &Cx<'_>, case: &Case, emptied: &[Relation]) -> Vec<Step> {
    let samples = case.window.samples.iter();
    let sights: Vec<&KeyLimit> = samples.filter_map(|s| s.keys.as_ref()).flatten().collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut done: Vec<&Relation> = Vec::new();
    for key in sights.iter().rev().filter(|k| k.refers_to.is_none()) {
        let is_emptied = emptied.iter().any(|r| r.same_as(&key.relation));
        if !is_emptied || done.contains(&&key.sequence) {
            continue;
        }
        done.push(&key.sequence);
        let of_it = || sights.iter().filter(|k| k.sequence == key.sequence).map(|k| k.last_value);
        let (stood, first) = (of_it().max().unwrap_or(0), of_it().next().unwrap_or(0));
        let Some(last) = bounded_count(cx.session, &given(&key.sequence)) else { continue };
        // What it gave between two looks, and some more: numbers are skipped, no row changes.
        let to = stood.saturating_add((stood - first).max(0)).saturating_add(SPARE);
        if last < stood.unsigned_abs() && to < key.limit {
            let mut step = advance(key, to.unsigned_abs(), last);
            step.expectations.clear(); // the rows are not back yet
            steps.push(step);
        }
    }
    steps
}

/// Numbers that a burst may take between two looks at a sequence.
const SPARE: i64 = 1_000;

/// A step a moment. A table that has several may have had no rows at the later ones: what proves
/// that it has them again is the first moment, which comes last.
fn steps(moments: &[(String, Vec<Relation>)]) -> Vec<Step> {
    let fill = |(i, (target_lsn, relations)): (usize, &(String, Vec<Relation>))| {
        let more = moments.get(i + 1..).unwrap_or(&[]);
        let comes_again = |r: &&Relation| more.iter().any(|(_, later)| later.contains(r));
        let proven: Vec<Relation> = relations.iter().filter(|r| !comes_again(r)).cloned().collect();
        refill(relations.clone(), &proven, target_lsn.clone())
    };
    moments.iter().enumerate().map(fill).collect()
}

fn refill(relations: Vec<Relation>, proven: &[Relation], target_lsn: String) -> Step {
    let names = relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let title =
        format!("copy the rows of {names} back from a server recovered to LSN {target_lsn}");
    let expectations = proven.iter().map(|r| Expectation {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_two_moments_is_proven_at_the_earlier_one() {
        let table = |name: &str| Relation::new("public", name);
        let moments = [
            ("0/20".to_owned(), vec![table("member"), table("check_in")]),
            ("0/10".to_owned(), vec![table("check_in"), table("contract")]),
        ];
        let proven = |step: &Step| -> Vec<String> {
            step.expectations.iter().map(|e| e.claim.clone()).collect()
        };
        let steps = steps(&moments);
        let claims: Vec<Vec<String>> = steps.iter().map(proven).collect();
        let again = |name: &str| format!("{name} has rows again");
        assert_eq!(claims, [vec![again("member")], vec![again("check_in"), again("contract")]]);
    }
}
