//! An index does not say what its table says.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::{cut, logged};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static CAUSE: Cause = Cause {
    id: "int_index_corruption",
    name: "Index corruption",
    necessary: "a page of an index does not read, or an index contradicts itself or its table (XX002)",
    explains: &["error_burst", "damaged_block"],
    actions: &["reindex"],
    prevention: &[
        "Check indexes with bt_index_check on a replica each week",
        "REINDEX CONCURRENTLY after an update of the C library or of ICU",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let recent = case.window.recent();
    let damaged = recent.iter().flat_map(|s| &s.damage).filter(|d| d.index_of.is_some());
    if let Some(last) = damaged.clone().next_back() {
        let same = damaged.filter(|d| d.relation == last.relation);
        return Verdict::Likely(unreadable(case, last, same.map(|d| d.block).collect()));
    }
    let broken = |e: &LogEntry| e.sqlstate == "XX002" || is_index_error(e);
    let what = "statements that met a damaged index (XX002)";
    let verdict = log_lines(case, what, broken, 0.9, 1, |e, n| {
        format!("{n} statements met a damaged index: {}", cut(&e.message, 160))
    });
    match verdict {
        // An index that answers wrongly fails nothing.
        Verdict::RuledOut { .. } if !explains_errors(case) => Verdict::unknown(
            "whether the indexes agree with their tables: none was checked since the onset \
             (bt_index_check)",
        ),
        verdict => verdict,
    }
}

/// The index is known by its file.
fn unreadable(case: &Case, first: &DamagedBlock, blocks: BTreeSet<u32>) -> Likely {
    let DamagedBlock { relation, path, block, .. } = first;
    let table = first.index_of.as_ref().map_or(String::new(), |t| format!(" of {t}"));
    let more = match blocks.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let recent = case.window.recent();
    // An index is built from its table.
    let table_too =
        recent.iter().flat_map(|s| &s.damage).any(|d| Some(&d.relation) == first.index_of.as_ref());
    let whole = if table_too { ", and its table is damaged too" } else { "" };
    let says = format!(
        "block {block}{more} of index {relation}{table} ({path}) is damaged on disk; statements \
         that look there fail{whole}",
    );
    let mut met = recent.iter().flat_map(|s| &s.log).filter(|e| e.message == first.message);
    let n = met.clone().count();
    let source = met.next_back().map_or_else(
        || Source::new(SourceKind::Integrity, format!("{path}: {}", cut(&first.message, 100))),
        logged,
    );
    let errors = Evidence::measured("statements that met it", n as f64, "errors XX001", source);
    let errors = errors.against(0.0).at(case.window.now());
    Likely::new(0.97, says, errors).on([relation.clone()]).act(if table_too {
        &[]
    } else {
        CAUSE.actions
    })
}

fn is_index_error(entry: &LogEntry) -> bool {
    let says = |words: &str| entry.message.contains(words);
    entry.sqlstate == "XX001" && (says("right sibling") || says("left link changed"))
}

/// Statements that fail since the onset say for themselves what ails them.
fn explains_errors(case: &Case) -> bool {
    case.symptoms.iter().any(|s| s.detector == "error_burst" || s.detector == "lock_queue")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::Unknown { .. }));
        let mut waiting = case(samples.clone(), 30);
        let evidence = Evidence::measured("x", 1.0, "x", Source::new(SourceKind::Sample, ""));
        let queue = Symptom::new("lock_queue", at(30), at(34), Weight::Harm, "x", evidence);
        waiting.symptoms = vec![queue];
        assert!(matches!(judge(&waiting), Verdict::RuledOut { .. }));
        let mut leaf = waiting.clone();
        leaf.window.samples.last_mut().unwrap().damage = vec![DamagedBlock {
            relation: Relation::new("shop", "orders_note"),
            index_of: Some(Relation::new("shop", "orders")),
            block: 272,
            path: "base/5/16437".to_owned(),
            message: "invalid page in block 272 of relation base/5/16437".to_owned(),
        }];
        let told = judge(&leaf);
        let says = &told.likely().unwrap().says;
        assert!(says.starts_with("block 272 of index shop.orders_note of shop.orders"), "{says}");
        let of_table = super::super::int_corruption::CAUSE.judge;
        assert!(matches!(of_table(&leaf), Verdict::RuledOut { .. }));
        let message = "item order invariant violated for index \"orders_note\"";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "XX002", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }
}
