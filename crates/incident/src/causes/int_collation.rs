//! The rules by which text is sorted changed under the indexes that follow them.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::{complete, cut, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "int_collation",
    name: "Collation changed under the data",
    necessary: "a collation in use is of another version than the one that built the indexes",
    explains: &["error_burst", "statement_slow", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Pin the operating system's image, and REINDEX text indexes with each change of it",
        "Use ICU or the built-in C.UTF-8 for columns whose order must never change",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let warned =
        |e: &LogEntry| e.message.contains("collation") && e.message.contains("version mismatch");
    let what = "warnings that a collation's version does not match";
    let told = log_lines(case, what, warned, 0.85, 1, |e, _| cut(&e.message, 200));
    if told.likely().is_some() {
        return told;
    }
    if let Some(unknown) = complete(case, "planner", "versions of collations were not read") {
        return unknown;
    }
    let planner = case.window.samples.iter().rev().find_map(|s| s.planner.as_ref());
    let Some(planner) = planner else {
        return Verdict::unknown("versions of collations were not read");
    };
    let before = case.window.baseline().iter().rev().find_map(|s| s.planner.as_ref());
    let n_before = before.map_or(0, |p| p.collations_changed.len());
    let n = planner.collations_changed.len();
    let evidence = Evidence::measured(
        "collations in use whose library is another version than the one that built the indexes",
        n as f64,
        "collations",
        sampled("planner: pg_collation.collversion, pg_collation_actual_version"),
    )
    .against(n_before as f64)
    .at(case.window.now());
    match planner.collations_changed.first() {
        None if planner.collation_unversioned => Verdict::unknown(
            "whether the database's own collation changed: this server keeps no version of it \
             (PostgreSQL 15 is the first that does)",
        ),
        None => Verdict::ruled_out(evidence),
        Some(_) if n <= n_before => Verdict::present_not_sufficient(evidence),
        Some(first) => Verdict::Likely(Likely::new(
            0.5,
            format!(
                "collation {first} is not the one that built the indexes: equal texts may no \
                     longer meet"
            ),
            evidence,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::Unknown { .. }));
        samples.last_mut().unwrap().planner = Some(PlannerSample::default());
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let mut old = samples.clone();
        old.last_mut().unwrap().planner.as_mut().unwrap().collation_unversioned = true;
        assert!(matches!(judge(&case(old, 30)), Verdict::Unknown { .. }));
        let mut other = samples.clone();
        let changed = vec!["de-x-icu".to_owned()];
        let planner = PlannerSample { collations_changed: changed, ..PlannerSample::default() };
        other.last_mut().unwrap().planner = Some(planner);
        assert!(judge(&case(other, 30)).likely().unwrap().says.contains("de-x-icu"));
        let message = "database \"shop\" has a collation version mismatch";
        samples.last_mut().unwrap().log = vec![log(34, "WARNING", "01000", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }
}
