//! Transaction ids run out: the server warns, then stops writing.

use super::Cause;
use crate::detectors::ids_run_out::{IDS, LEFT_MIN};
use crate::facts::{complete, count_log, cut, logged, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "vac_wraparound",
    name: "Transaction id or multixact wraparound",
    necessary: "the server refuses ids, or fewer than 40 million are left",
    explains: &["error_burst", "throughput_drop", "ids_run_out"],
    actions: &[],
    prevention: &[
        "Alarm at 500 million ids since the oldest unfrozen row",
        "Remove what holds the horizon first: slots, prepared transactions, old sessions",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let refused = |e: &LogEntry| {
        e.sqlstate == "54000"
            && (e.message.contains("wraparound") || e.message.contains("not accepting commands"))
    };
    let recent = case.window.recent();
    let (_, per_s) = count_log(recent, refused);
    if let Some(line) = recent.iter().flat_map(|s| &s.log).find(|e| refused(e)) {
        let evidence = Evidence::measured(
            "statements refused for want of ids",
            per_s,
            "errors/s",
            logged(line),
        );
        let says = format!("the server hands out no more ids: {}", cut(&line.message, 160));
        let (_, before) = count_log(case.window.baseline(), refused);
        let evidence = evidence.against(before).at(case.window.now());
        return Verdict::Likely(Likely::new(0.95, says, evidence));
    }
    if let Some(unknown) = complete(case, "horizon", "ages of ids were not read") {
        return unknown;
    }
    let age = |h: &Horizon| h.xid_age.max(h.mxid_age);
    let Some(now) = newest(recent, |s| s.horizon.as_ref().map(age)) else {
        return Verdict::unknown("no sample of the ages of ids since the onset");
    };
    let before = newest(case.window.baseline(), |s| s.horizon.as_ref().map(age));
    let evidence = Evidence::measured(
        "ids since the oldest row that is not frozen; the end is at 2,147,483,648",
        now as f64,
        "ids",
        sampled("horizon: pg_database.datfrozenxid, datminmxid"),
    )
    .against(before.unwrap_or(now) as f64)
    .at(case.window.now());
    if IDS - now > LEFT_MIN {
        return Verdict::ruled_out(evidence);
    }
    let says = format!("{} ids are left", human((IDS - now).max(0) as f64));
    Verdict::Likely(Likely::new(0.7, says, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let aged = |xid_age| {
            let mut samples = healthy(35);
            let horizon = Horizon { xid_age, ..Horizon::default() };
            samples.iter_mut().for_each(|s| s.horizon = Some(horizon.clone()));
            samples
        };
        assert!(matches!(judge(&case(aged(210_000_000), 30)), Verdict::RuledOut { .. }));
        assert!(judge(&case(aged(2_120_000_000), 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
        let mut samples = aged(210_000_000);
        let message = "database is not accepting commands to avoid wraparound data loss";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "54000", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }
}
