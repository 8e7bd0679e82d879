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
    Ok(runbook(
        &ACTION,
        format!("Fill {} again with the rows of before the TRUNCATE", names.join(", ")),
        "row by row beside those that came since: nothing that was written meanwhile is touched",
        lossless("WAL reaches up to the TRUNCATE"),
        steps(&moments),
    ))
}

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
