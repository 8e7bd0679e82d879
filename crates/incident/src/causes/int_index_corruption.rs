//! An index does not say what its table says.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::cut;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "int_index_corruption",
    name: "Index corruption",
    necessary: "an index contradicts itself or its table (XX002)",
    explains: &["error_burst", "damaged_block"],
    actions: &[],
    prevention: &[
        "Check indexes with bt_index_check on a replica each week",
        "REINDEX CONCURRENTLY after an update of the C library or of ICU",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
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
        let message = "item order invariant violated for index \"orders_note\"";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "XX002", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }
}
